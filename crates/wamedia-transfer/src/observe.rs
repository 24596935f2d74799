use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wamedia_core::{ErrorKind, MediaRef, Result};

use crate::Receipt;

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
    /// The transfer is over. This is its last event, and each transfer that began has exactly one.
    Ended(Outcome),
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The content is at its destination.
    Stored {
        /// Its size.
        bytes: u64,
    },
    /// The destination had the content already.
    AlreadyStored,
    /// The transfer failed with an error of this kind.
    Failed {
        /// Why.
        kind: ErrorKind,
    },
    /// The future was dropped before its end.
    Cancelled,
}

impl Outcome {
    /// Its name in metrics: `stored`, `already_stored`, `failed` or `cancelled`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stored { .. } => "stored",
            Self::AlreadyStored => "already_stored",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Receives the events of transfers, for progress bars and metrics. It is called on the task of the transfer and must
/// not block.
///
/// A closure that takes the reference and the event is an observer. A type implements one of the two methods.
pub trait Observer: Send + Sync {
    /// Takes one event of the transfer of this reference. An observer that several transfers share implements this.
    fn event_of(&self, _media: &MediaRef, event: &Event) {
        self.event(event);
    }

    /// Takes one event. An observer of a single transfer implements this.
    fn event(&self, _event: &Event) {}
}

impl<F: Fn(&MediaRef, &Event) + Send + Sync> Observer for F {
    fn event_of(&self, media: &MediaRef, event: &Event) {
        self(media, event);
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn event_of(&self, media: &MediaRef, event: &Event) {
        (**self).event_of(media, event);
    }

    fn event(&self, event: &Event) {
        (**self).event(event);
    }
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Tells the observer of one transfer, and says that it was cancelled where it is dropped without an end.
pub(crate) struct EndGuard<'t> {
    observer: Option<&'t dyn Observer>,
    media: &'t MediaRef,
    outcome: Outcome,
    /// Who is asked, and since when.
    #[cfg(feature = "metrics")]
    of: (&'static str, tokio::time::Instant),
}

impl<'t> EndGuard<'t> {
    pub(crate) fn new(
        observer: Option<&'t dyn Observer>,
        media: &'t MediaRef,
        #[cfg(feature = "metrics")] provider: &'static str,
    ) -> Self {
        Self {
            observer,
            media,
            outcome: Outcome::Cancelled,
            #[cfg(feature = "metrics")]
            of: (provider, tokio::time::Instant::now()),
        }
    }

    /// The transfer came to its end.
    pub(crate) fn end(mut self, result: &Result<Option<Receipt>>) {
        self.outcome = match result {
            Ok(Some(receipt)) => Outcome::Stored { bytes: receipt.bytes },
            Ok(None) => Outcome::AlreadyStored,
            Err(error) => Outcome::Failed { kind: error.kind() },
        };
    }
}

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        {
            let (error, bytes) = match self.outcome {
                Outcome::Failed { kind } => (Some(kind.name()), 0),
                Outcome::Stored { bytes } => (None, bytes),
                _ => (None, 0),
            };
            let (provider, started) = self.of;
            crate::metrics::record(provider, self.outcome.name(), error, bytes, started.elapsed());
        }
        if let Some(observer) = self.observer {
            observer.event_of(self.media, &Event::Ended(self.outcome));
        }
    }
}
