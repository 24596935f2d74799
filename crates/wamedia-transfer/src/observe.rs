use std::fmt;
use std::time::Duration;

use wamedia_core::ErrorKind;

/// A step of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The provider named the source of the bytes.
    Resolved {
        /// The declared size, where one is known.
        size_bytes: Option<u64>,
    },
    /// The body of a reply begins.
    Opened {
        /// The offset of its first byte in the content.
        offset: u64,
        /// The size of the whole content, where the headers state it.
        size_bytes: Option<u64>,
    },
    /// A chunk arrived.
    Received {
        /// The length of this chunk.
        bytes: u64,
    },
    /// An attempt failed, and another follows after a wait.
    Retrying {
        /// Why it failed.
        kind: ErrorKind,
        /// The length of the wait.
        wait: Duration,
    },
    /// The link is dead, and the reference is resolved again.
    Renewing,
    /// The bytes so far were discarded.
    Restarted,
}

/// Receives the events of a transfer, for progress bars and metrics. It is called on the task of the
/// transfer and must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);
}
