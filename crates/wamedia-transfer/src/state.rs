//! The state of one transfer, and what follows each attempt.
//!
//! | [`AttemptOutcome`] | condition | [`Next`] |
//! |---|---|---|
//! | `Complete` | | `Finish` |
//! | `Broken` | the error is not retryable | `Fail` |
//! | `Broken` | there is 1 MiB more than ever before | `Again`, at once |
//! | `Broken` | a retry and the time to wait are left | `Again`, after the wait |
//! | `NotAContinuation` | a retry is left | `Again` from the first byte, without ranges from now on |
//! | `NeedsNewLink` | a renewal is left | `Renew` |
//! | `Mismatch` | the first one, and the content came in several replies or without a length | `Again` from the first byte |
//! | `Mismatch` | otherwise | `Mismatch`: the caller's policy decides |
//! | any other case | | `Fail` |
//!
//! `Again` resumes from the end of the bytes so far where that is safe, and otherwise begins at the first byte.

use std::time::Duration;

use wamedia_core::{Budget, Error, ErrorKind, MediaHead, MediaRef, Phase, Resume, Retry};

use crate::expected::Expected;
use crate::{Event, OnMismatch, TransferOptions};

/// An attempt that brings this much more than there ever was costs no retry when it breaks.
const GOOD_PROGRESS: u64 = 1024 * 1024;
/// The first wait after a broken body; it doubles with each break that follows without good progress.
const BREAK_PAUSE: Duration = Duration::from_millis(200);

/// What one attempt came to.
#[derive(Debug)]
pub(crate) enum AttemptOutcome {
    /// The whole content arrived and is what was declared.
    Complete,
    /// The body broke off; the bytes so far are good.
    Broken(Error),
    /// The reply does not continue the bytes so far.
    NotAContinuation(Error),
    /// The link is dead, or something else came in place of the content.
    NeedsNewLink(Error),
    /// The whole content arrived and is not what was declared.
    Mismatch(Error),
    /// Another attempt cannot help.
    Failed(Error),
}

/// What follows an attempt.
#[derive(Debug)]
pub(crate) enum Next {
    /// The transfer succeeds.
    Finish,
    /// The content is not what was declared, and stays so.
    Mismatch(Error),
    /// Open again after a wait; `from_start` discards the bytes so far.
    Again { wait: Duration, from_start: bool },
    /// Resolve again.
    Renew(Error),
    /// The transfer fails.
    Fail(Error),
}

/// The state of one transfer.
#[derive(Debug)]
pub(crate) struct TransferState<'o> {
    pub(crate) budget: Budget,
    pub(crate) max_bytes: u64,
    options: &'o TransferOptions,
    media: &'o MediaRef,
    /// The size that a reply stated for this version of the content. Once stated, it stays.
    total: Option<u64>,
    /// The strong validator (`ETag`) of this version of the content.
    validator: Option<String>,
    /// False once a range was refused or answered wrongly.
    is_range_useful: bool,
    /// Breaks in a row without good progress.
    breaks: u32,
    /// The most bytes that there were at a break with good progress.
    furthest: u64,
    pub(crate) resumes: u32,
    /// Whether the bytes so far come from more than one reply.
    is_joined: bool,
    /// Whether a mismatch has been read again already.
    was_reread: bool,
    /// The host that sent the content last.
    pub(crate) host: Option<String>,
}

impl<'o> TransferState<'o> {
    pub(crate) fn new(options: &'o TransferOptions, max_bytes: u64, media: &'o MediaRef) -> Self {
        let mut limits = options.limits;
        // A transfer from a server that breaks at 99 % every time must end. Three times the largest content is enough
        // for any recovery.
        limits.max_total_bytes.get_or_insert(max_bytes.saturating_mul(3).saturating_add(GOOD_PROGRESS));
        Self {
            budget: Budget::new(limits),
            max_bytes,
            options,
            media,
            total: None,
            validator: None,
            is_range_useful: true,
            breaks: 0,
            furthest: 0,
            resumes: 0,
            is_joined: false,
            was_reread: false,
            host: None,
        }
    }

    /// What is wrong with the content is wrong with what this host sent. A provider's own errors name the operation and
    /// their host, and those of a destination have none.
    pub(crate) fn located(&self, error: Error) -> Error {
        let is_ours = error.kind() == ErrorKind::Local || error.phase() == Some(Phase::Store);
        match &self.host {
            Some(host) if error.operation().is_none() && !is_ours => error.with_host(host),
            _ => error,
        }
    }

    pub(crate) fn emit(&self, event: Event) {
        if let Some(observer) = &self.options.observer {
            observer.event_of(self.media, &event);
        }
    }

    /// Where the next attempt resumes; `None` for the first byte.
    ///
    /// Bytes of two objects must never be joined: resuming needs a validator, which the reply must confirm, or a
    /// digest that checks the whole content at the end.
    pub(crate) fn resume(&self, written: u64, expected: &Expected, has_range: bool) -> Option<Resume> {
        let is_checkable = self.validator.is_some() || self.has_deciding_digest(expected);
        (written > 0 && has_range && self.is_range_useful && is_checkable)
            .then(|| Resume::new(written, self.validator.clone()))
    }

    /// Whether a digest refuses bytes that were joined wrongly. Where mismatches are only recorded it does not.
    fn has_deciding_digest(&self, expected: &Expected) -> bool {
        expected.has_digest() && self.options.on_mismatch != OnMismatch::Record
    }

    /// Notes that the content begins with bytes of an earlier run.
    pub(crate) fn resume_from_partial(&mut self) {
        self.is_joined = true;
    }

    /// Forgets the version of the content whose bytes were discarded.
    pub(crate) fn restarted(&mut self) {
        (self.total, self.validator, self.is_joined) = (None, None, false);
    }

    /// The size of the whole content, where a reply stated it.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Records the headers of a reply that begins at the first byte.
    pub(crate) fn begin_whole(&mut self, head: &MediaHead) {
        self.restarted();
        self.total = head.total_bytes.or(head.body_bytes);
        self.validator.clone_from(&head.validator);
    }

    /// Records the headers of a partial reply, or says why it does not continue the bytes so far.
    pub(crate) fn begin_partial(
        &mut self,
        head: &MediaHead,
        written: u64,
        expected: &Expected,
    ) -> Result<(), &'static str> {
        if head.start != written {
            return Err("the partial reply begins at another offset than was requested");
        }
        if let (Some(before), Some(now)) = (self.total, head.total_bytes)
            && before != now
        {
            return Err("the partial reply is of content with another size");
        }
        match (&self.validator, &head.validator) {
            (Some(before), Some(now)) if before != now => {
                return Err("the partial reply is of another version of the content: its validator differs");
            }
            (_, None) if !self.has_deciding_digest(expected) => {
                return Err("the partial reply has no validator that shows that it is of the same content");
            }
            _ => {}
        }
        let end = head.body_bytes.map(|size| head.start.checked_add(size));
        if end == Some(None) || end.flatten().zip(head.end).is_some_and(|(body, range)| body != range) {
            return Err("the partial reply states two different lengths");
        }
        self.total = self.total.or(head.total_bytes);
        self.validator = self.validator.take().or_else(|| head.validator.clone());
        self.resumes += 1;
        self.is_joined = true;
        Ok(())
    }

    /// What follows an attempt after which there are `written` bytes.
    pub(crate) fn next(&mut self, outcome: AttemptOutcome, written: u64) -> Next {
        match outcome {
            AttemptOutcome::Complete => Next::Finish,
            AttemptOutcome::Broken(error) if !error.is_retryable() => Next::Fail(error),
            AttemptOutcome::Broken(_) if written.saturating_sub(self.furthest) >= GOOD_PROGRESS => {
                self.furthest = written;
                self.breaks = 0;
                Next::Again { wait: Duration::ZERO, from_start: false }
            }
            AttemptOutcome::Broken(error) => self.again(error, false),
            AttemptOutcome::NotAContinuation(error) => {
                self.is_range_useful = false;
                self.again(error, true)
            }
            AttemptOutcome::NeedsNewLink(error) if self.budget.take_renewal() => Next::Renew(error),
            AttemptOutcome::Mismatch(error)
                if !self.was_reread && (self.is_joined || self.total.is_none()) =>
            {
                // The network may have changed the bytes.
                self.was_reread = true;
                self.is_range_useful = false;
                match self.again(error, true) {
                    Next::Fail(error) => Next::Mismatch(error),
                    next => next,
                }
            }
            AttemptOutcome::Mismatch(error) => Next::Mismatch(error),
            AttemptOutcome::NeedsNewLink(error) | AttemptOutcome::Failed(error) => Next::Fail(error),
        }
    }

    /// Spends a retry and a wait, and fails where neither is left.
    fn again(&mut self, error: Error, from_start: bool) -> Next {
        let wait = match error.retry() {
            Retry::After(wait) => wait,
            _ => BREAK_PAUSE.saturating_mul(1 << self.breaks.min(6)),
        };
        self.breaks += 1;
        if !self.budget.take_retry() {
            let attempts = self.budget.spent().retries + 1;
            let s = if attempts == 1 { "" } else { "s" };
            return Next::Fail(error.with_note(format!("gave up after {attempts} attempt{s}")));
        }
        if !self.budget.take_wait(wait) {
            return Next::Fail(error.with_note("the time for waiting is used up"));
        }
        self.emit(Event::Retrying { kind: error.kind(), wait });
        Next::Again { wait, from_start }
    }
}

#[cfg(test)]
mod tests;
