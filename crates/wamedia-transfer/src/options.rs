use std::sync::Arc;
use std::time::Duration;

use wamedia_core::{Limits, Sha256};

use crate::{Observer, OffloadLimit};

/// What to do when the bytes are not what was declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMismatch {
    /// The transfer fails, and nothing is kept.
    #[default]
    Reject,
    /// The transfer fails, and a file is kept beside the target, named `*.wamedia-quarantine`, with a note that says
    /// why. Other destinations keep nothing.
    Quarantine,
    /// The transfer succeeds. The receipt says that the content is not verified, and lists the differences.
    Record,
}

/// What to do when the final name is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfExists {
    /// The transfer fails before the first request; the file stays as it is.
    #[default]
    Refuse,
    /// A file that agrees with every digest and size that is known before the first request counts as the result,
    /// and nothing is requested; another one is an error. In a folder with a manifest: a reference that is
    /// recorded, and whose file is still there with its size, is not fetched again. Where the caller states a digest
    /// or requires one, the file is also read: one that was changed stays, and the content gets a free name.
    Keep,
    /// It is replaced in one step after verification.
    Replace,
}

/// What there must be to verify content against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Require {
    /// Nothing: the receipt says what it was verified against, if anything.
    #[default]
    Nothing,
    /// A size or a digest.
    Length,
    /// A digest.
    Digest,
}

/// How one transfer is made.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TransferOptions {
    /// Attempts, renewals and waits.
    pub limits: Limits,
    /// The most content bytes that are accepted; `None` for 4 GiB (256 MiB into memory).
    pub max_bytes: Option<u64>,
    /// The digest that the content must have, whatever others declare.
    pub sha256: Option<Sha256>,
    /// The size that the content must have, whatever others declare.
    pub size_bytes: Option<u64>,
    /// What the caller, the webhook or the provider must declare, else nothing is fetched. A file that a
    /// folder's manifest records as verified less strongly is fetched again; one that [`File`](crate::File) keeps was
    /// judged when it was stored.
    pub require: Require,
    /// What to do when the bytes are not what was declared.
    pub on_mismatch: OnMismatch,
    /// What to do when the final name is taken.
    pub if_exists: IfExists,
    /// Time for the whole transfer, waits included; `None` for no limit, since large files are slow, not broken.
    pub deadline: Option<Duration>,
    /// Flush the file and its folder to the disk before the file counts as stored.
    pub sync: bool,
    /// Resume from the partial file that a killed run left behind, where a digest checks the whole content.
    pub resume_partial: bool,
    /// How many blocking threads hash content. Transfers that run at the same time should share one limit: clone
    /// their options from one value, or use [`transfer_many`](crate::transfer_many).
    pub offload: OffloadLimit,
    /// Is told of every step.
    pub observer: Option<Arc<dyn Observer>>,
    /// What a simulation does to all file operations.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    pub disk: Option<crate::SimulatedDisk>,
}

impl TransferOptions {
    /// Sets attempts, renewals and waits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the most content bytes that are accepted.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.max_bytes = bytes.into();
        self
    }

    /// Demands this digest.
    #[must_use]
    pub fn with_sha256(mut self, digest: impl Into<Option<Sha256>>) -> Self {
        self.sha256 = digest.into();
        self
    }

    /// Demands this size, in bytes.
    #[must_use]
    pub fn with_size_bytes(mut self, size: impl Into<Option<u64>>) -> Self {
        self.size_bytes = size.into();
        self
    }

    /// Sets what must be declared.
    #[must_use]
    pub fn with_require(mut self, require: Require) -> Self {
        self.require = require;
        self
    }

    /// Sets what to do when the bytes are not what was declared.
    #[must_use]
    pub fn with_on_mismatch(mut self, on_mismatch: OnMismatch) -> Self {
        self.on_mismatch = on_mismatch;
        self
    }

    /// Sets what to do when the final name is taken.
    #[must_use]
    pub fn with_if_exists(mut self, if_exists: IfExists) -> Self {
        self.if_exists = if_exists;
        self
    }

    /// Sets the time for the whole transfer.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Says whether to flush the file and its folder to the disk.
    #[must_use]
    pub fn with_sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Says whether to resume from the partial file of a killed run.
    #[must_use]
    pub fn with_resume_partial(mut self, resume: bool) -> Self {
        self.resume_partial = resume;
        self
    }

    /// Sets the limit for hashing on blocking threads, to share it with other transfers.
    #[must_use]
    pub fn with_offload(mut self, offload: OffloadLimit) -> Self {
        self.offload = offload;
        self
    }

    /// Sets who is told of every step, and of which media: a closure, or any [`Observer`].
    ///
    /// ```
    /// use wamedia_core::MediaRef;
    /// use wamedia_transfer::{Event, TransferOptions};
    ///
    /// let options = TransferOptions::default().with_observer(|media: &MediaRef, event: &Event| {
    ///     if let Event::Ended(outcome) = event {
    ///         println!("{}: {outcome:?}", media.short());
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_stays_set() {
        let all = TransferOptions::default()
            .with_deadline(Duration::from_secs(7))
            .with_require(Require::Digest)
            .with_if_exists(IfExists::Keep)
            .with_sync(true)
            .with_resume_partial(true)
            .with_offload(OffloadLimit::new(0))
            .with_observer(|_: &wamedia_core::MediaRef, _: &crate::Event| {})
            .with_on_mismatch(OnMismatch::Record);
        assert_eq!((all.deadline, all.require), (Some(Duration::from_secs(7)), Require::Digest));
        assert_eq!((all.if_exists, all.on_mismatch), (IfExists::Keep, OnMismatch::Record));
        assert!(all.sync && all.resume_partial && all.observer.is_some());
        assert!(all.offload.try_acquire().is_none());
    }
}
