//! What one transfer has spent and learned, and what is done after each attempt.
//!
//! | an attempt was | and | next |
//! |---|---|---|
//! | complete and verified | | finish |
//! | broken | there is a mebibyte more than ever before | again, at once |
//! | broken | a retry and the time to wait are left | again, after the wait |
//! | unusable as a continuation | a retry is left | again from the first byte, without a range |
//! | not the content (a dead link, a page) | a renewal is left | resolve again |
//! | a mismatch | it was put together from parts, or no length framed it; once | again from the first byte |
//! | a mismatch | | the caller's policy decides |
//! | anything else | | fail |
//!
//! "Again" goes on behind the bytes that are there where that is safe, and else from the first byte.

use std::time::Duration;

use wamedia_core::{Budget, Error, MediaHead, Resume, Retry};

use crate::expected::Expected;
use crate::{Event, OnMismatch, TransferOptions};

/// An attempt that leaves this much more than there ever was is followed by another without spending a retry.
const GOOD_PROGRESS: u64 = 1024 * 1024;
/// The first wait after a broken body; it doubles with each break that follows without good progress.
const BREAK_PAUSE: Duration = Duration::from_millis(200);

/// What one attempt came to.
#[derive(Debug)]
pub(crate) enum AttemptOutcome {
    /// The whole content is there, and it is what was declared.
    Complete,
    /// It broke; the bytes so far are good.
    Broken(Error),
    /// The reply does not continue the bytes so far.
    NotAContinuation(Error),
    /// The link is dead, or something else came in place of the content.
    NeedsNewLink(Error),
    /// The whole content is not what was declared.
    Mismatch(Error),
    /// Nothing will help.
    Failed(Error),
}

/// What is done next.
#[derive(Debug)]
pub(crate) enum Next {
    /// All bytes are there and are what was declared.
    Finish,
    /// All bytes are there and are not what was declared.
    Mismatch(Error),
    /// Open again after a wait; `from_start` discards the bytes so far.
    Again {
        wait: Duration,
        from_start: bool,
    },
    /// Resolve again.
    Renew(Error),
    Fail(Error),
}

/// What one transfer has spent and learned so far.
#[derive(Debug)]
pub(crate) struct TransferState<'o> {
    pub(crate) budget: Budget,
    pub(crate) max_bytes: u64,
    options: &'o TransferOptions,
    /// The size that a reply stated for this version of the content. Once stated, it stays.
    total: Option<u64>,
    /// Strong, of this version of the content.
    validator: Option<String>,
    /// False once ranges proved useless here.
    is_range_useful: bool,
    /// Breaks in a row without good progress.
    breaks: u32,
    /// The most bytes that there have been.
    most: u64,
    pub(crate) resumes: u32,
    /// Whether what is there comes from more than one reply.
    is_joined: bool,
    was_reread: bool,
}

impl<'o> TransferState<'o> {
    pub(crate) fn new(options: &'o TransferOptions, max_bytes: u64) -> Self {
        let mut limits = options.limits;
        // A server that breaks at 99 % for ever must end: three times the largest content is enough for any recovery.
        limits.max_total_bytes.get_or_insert(max_bytes.saturating_mul(3).saturating_add(GOOD_PROGRESS));
        Self {
            budget: Budget::new(limits),
            max_bytes,
            options,
            total: None,
            validator: None,
            is_range_useful: true,
            breaks: 0,
            most: 0,
            resumes: 0,
            is_joined: false,
            was_reread: false,
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(observer) = &self.options.observer {
            observer.event(&event);
        }
    }

    /// Where the next attempt goes on; `None` for the first byte.
    ///
    /// Bytes of two objects must never meet: going on needs a validator, which the reply must confirm, or a
    /// digest that will check the whole.
    pub(crate) fn resume(&self, taken: u64, expected: &Expected, has_range: bool) -> Option<Resume> {
        let is_checkable = self.validator.is_some() || self.has_deciding_digest(expected);
        (taken > 0 && has_range && self.is_range_useful && is_checkable)
            .then(|| Resume::new(taken, self.validator.clone()))
    }

    /// Whether a digest will refuse what was joined wrongly; where mismatches are only recorded it would not.
    fn has_deciding_digest(&self, expected: &Expected) -> bool {
        expected.has_digest() && self.options.on_mismatch != OnMismatch::Record
    }

    /// Notes that bytes of an earlier run are the beginning.
    pub(crate) fn adopt(&mut self) {
        self.is_joined = true;
    }

    /// Forgets the version of the content that the discarded bytes belonged to.
    pub(crate) fn restarted(&mut self) {
        (self.total, self.validator, self.is_joined) = (None, None, false);
    }

    /// The size of the content, where a reply stated it.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Takes a reply that begins at the first byte.
    pub(crate) fn begin_whole(&mut self, head: &MediaHead) {
        self.restarted();
        self.total = head.total_bytes.or(head.body_bytes);
        self.validator.clone_from(&head.validator);
    }

    /// Takes a reply that continues, or says why it does not belong to the bytes so far.
    pub(crate) fn begin_part(
        &mut self,
        head: &MediaHead,
        taken: u64,
        expected: &Expected,
    ) -> Result<(), &'static str> {
        if head.start != taken {
            return Err("the partial reply begins at another place than was asked for");
        }
        if let (Some(before), Some(now)) = (self.total, head.total_bytes)
            && before != now
        {
            return Err("the partial reply belongs to content of another size");
        }
        match (&self.validator, &head.validator) {
            (Some(before), Some(now)) if before != now => {
                return Err("the partial reply belongs to other content");
            }
            (_, None) if !self.has_deciding_digest(expected) => {
                return Err("the partial reply does not say that it belongs to the same content");
            }
            _ => {}
        }
        let end = head.body_bytes.map(|size| head.start.checked_add(size));
        if end == Some(None) || end.flatten().zip(head.end).is_some_and(|(body, range)| body != range) {
            return Err("the partial reply contradicts itself about its length");
        }
        self.total = self.total.or(head.total_bytes);
        self.validator = self.validator.take().or_else(|| head.validator.clone());
        self.resumes += 1;
        self.is_joined = true;
        Ok(())
    }

    /// What is done after an attempt that left `taken` bytes.
    pub(crate) fn next(&mut self, outcome: AttemptOutcome, taken: u64) -> Next {
        match outcome {
            AttemptOutcome::Complete => Next::Finish,
            AttemptOutcome::Broken(error) if !error.is_retryable() => Next::Fail(error),
            AttemptOutcome::Broken(_) if taken.saturating_sub(self.most) >= GOOD_PROGRESS => {
                self.most = taken;
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
                // It may be the network's fault.
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

    /// Takes what another attempt costs.
    fn again(&mut self, error: Error, from_start: bool) -> Next {
        let wait = match error.retry() {
            Retry::After(wait) => wait,
            _ => BREAK_PAUSE.saturating_mul(1 << self.breaks.min(6)),
        };
        self.breaks += 1;
        if !self.budget.take_retry() {
            let attempts = self.budget.spent().retries + 1;
            return Next::Fail(error.with_note(format!("given up after {attempts} attempts")));
        }
        if !self.budget.take_wait(wait) {
            return Next::Fail(error.with_note("the time for waiting is used up"));
        }
        self.tell(Event::Retrying { kind: error.kind(), wait });
        Next::Again { wait, from_start }
    }
}
