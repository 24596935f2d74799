use std::fmt;
use std::time::Duration;

use wamedia_core::ErrorKind;

/// A step of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The provider said where the bytes are, and how many, where it knows.
    Resolved {
        /// The declared size.
        size_bytes: Option<u64>,
    },
    /// Content begins to come in at this offset.
    Opened {
        /// The first byte of this reply.
        offset: u64,
        /// The size of the whole content, where the reply says so.
        size_bytes: Option<u64>,
    },
    /// So many more bytes are here.
    Received {
        /// The length of this chunk.
        bytes: u64,
    },
    /// An attempt failed and another follows after this wait.
    Retrying {
        /// Why it failed.
        kind: ErrorKind,
        /// How long the engine waits.
        wait: Duration,
    },
    /// The link was dead and is resolved again.
    Renewing,
    /// The bytes so far are discarded.
    Restarted,
}

/// Hears of the steps of a transfer: for progress bars and metrics. It is called on the transfer's
/// own task and must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A step was made.
    fn event(&self, event: &Event);
}
