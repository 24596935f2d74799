use std::time::Duration;

use tracing::debug;
use wamedia_core::{Error, ErrorKind, Phase, Result, Retry};

use crate::call::Call;
use crate::failure::Failure;

/// The first backoff; it doubles with each retry.
const BACKOFF: Duration = Duration::from_millis(300);
/// The longest backoff.
const MAX_BACKOFF: Duration = Duration::from_secs(20);
/// How long after its message media may still be on its way to the vendor's store.
const FRESH: Duration = Duration::from_secs(600);
/// The first wait for such media; it doubles with each retry.
const FRESH_PAUSE: Duration = Duration::from_millis(1500);

impl Call<'_> {
    /// Waits before the next attempt, or gives the error back.
    pub(crate) async fn pause(self, attempt: u32, failure: Failure) -> Result<()> {
        let outcome = self.wait_for_next(attempt, failure).await;
        if let Err(error) = &outcome {
            debug!(
                provider = self.provider(),
                operation = self.operation,
                attempt,
                error.r#type = error.kind().name(),
                "given up"
            );
        }
        outcome
    }

    async fn wait_for_next(self, attempt: u32, Failure { error, is_unsent }: Failure) -> Result<()> {
        if !self.is_repeatable {
            let is_unknown = !is_unsent
                && error.status().is_none()
                && matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout);
            return Err(if is_unknown { outcome_unknown(error) } else { error });
        }
        let wait = match error.retry() {
            Retry::After(wait) => wait,
            Retry::Backoff => backoff(attempt),
            _ => return Err(error),
        };
        if !self.budget.take_retry() {
            return Err(if attempt > 1 {
                error.with_note(format!("given up after {attempt} attempts"))
            } else {
                error
            });
        }
        if !self.budget.take_wait(wait) {
            let note = format!("a wait of {} s is longer than allowed", wait.as_secs());
            let hint = format!(
                "try again in {} s, or allow the wait with max_wait (--max-wait)",
                wait.as_secs().max(1)
            );
            return Err(error.with_note(note).with_hint(hint));
        }
        debug!(
            provider = self.provider(),
            operation = self.operation,
            attempt,
            error.r#type = error.kind().name(),
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "trying again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The error of a reply, without advice to repeat a call that is sent once and may have been processed.
    pub(crate) fn without_false_hope(&self, status: u16, error: Error) -> Error {
        use ErrorKind::{Forbidden, InvalidRequest, Local, RateLimited, TooLarge, Unauthorized};
        let refused = match status {
            408 => false,
            400..=499 => true,
            // A reply that is longer than its cap was not read.
            200..=299 if error.phase() == Some(Phase::Body) => false,
            // The vendor says that it failed for good.
            200..=299 if error.kind() == ErrorKind::Upstream => !error.is_retryable(),
            200..=299 => {
                matches!(error.kind(), RateLimited | Unauthorized | Forbidden | InvalidRequest | TooLarge)
            }
            _ => false,
        };
        let is_certain = self.is_repeatable || refused || error.kind() == Local || (self.is_refusal)(&error);
        if is_certain { error } else { outcome_unknown(error) }
    }
}

/// Nobody knows whether it was done, so nobody is told to do it again.
fn outcome_unknown(error: Error) -> Error {
    let error = error.with_retry(Retry::Never);
    if error.message().contains("may exist") {
        return error;
    }
    error.with_note("the outcome is unknown: the object may exist; it was not sent again")
}

fn backoff(attempt: u32) -> Duration {
    let full = BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(MAX_BACKOFF);
    // Half fixed, half random, so that many clients do not come back at the same moment.
    full.mul_f64(0.5 + 0.5 * fastrand::f64())
}

/// One retry and no more, for errors that a second retry cannot cure.
#[derive(Debug)]
pub struct RetryOnce {
    applies: fn(&Error) -> bool,
    note: &'static str,
    is_spent: bool,
}

impl RetryOnce {
    /// Bounds the errors that `applies` accepts. `note` is added to the one that is not retried any more.
    pub const fn new(applies: fn(&Error) -> bool, note: &'static str) -> Self {
        Self { applies, note, is_spent: false }
    }

    /// The error of an attempt, without advice to try again where the one retry is spent.
    #[must_use]
    pub fn apply(&mut self, error: Error) -> Error {
        if !(self.applies)(&error) || !std::mem::replace(&mut self.is_spent, true) {
            return error;
        }
        let wait = error.retry_after();
        let error = error.with_retry(Retry::Never);
        match wait {
            Some(wait) => error.with_note(format!("the vendor asks to wait {} s", wait.as_secs())),
            None if self.note.is_empty() => error,
            None => error.with_note(self.note),
        }
    }
}

/// Retries for media that a message has just announced and that the vendor may not have stored yet: "not found"
/// then means "not yet". The waits are 1.5 s, 3 s, and so on.
#[derive(Debug)]
pub struct NotYetStoredRetry {
    age: Option<Duration>,
    retries: u32,
    missing: u32,
}

impl NotYetStoredRetry {
    /// `age` is that of the message, where it is known; `retries` is how often missing media is asked for again.
    pub const fn new(age: Option<Duration>, retries: u32) -> Self {
        Self { age, retries, missing: 0 }
    }

    /// The error of an attempt. A [`NotFound`](ErrorKind::NotFound) becomes
    /// [`NotReady`](ErrorKind::NotReady) with a wait, unless the message is older than ten minutes or the retries
    /// are used up.
    #[must_use]
    pub fn apply(&mut self, error: Error) -> Error {
        let is_fresh = self.age.is_none_or(|age| age < FRESH);
        if error.kind() != ErrorKind::NotFound || !is_fresh || self.missing >= self.retries {
            return error;
        }
        self.missing += 1;
        let wait = FRESH_PAUSE.saturating_mul(1 << (self.missing - 1).min(4));
        error.with_kind(ErrorKind::NotReady).with_retry(Retry::After(wait))
    }

    /// The error that the caller gets for media that is still missing: where the message is known to be fresh,
    /// [`NotReady`](ErrorKind::NotReady) with the advice to come back in ten minutes. Without a time nobody can tell
    /// "not yet" from "no more".
    #[must_use]
    pub fn apply_to_last(&self, error: Error) -> Error {
        let is_fresh = self.age.is_some_and(|age| age < FRESH);
        if error.kind() != ErrorKind::NotFound || !is_fresh {
            return error;
        }
        // The wait is longer than one that is slept through.
        error.with_kind(ErrorKind::NotReady).with_retry(Retry::After(FRESH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_and_is_bounded() {
        assert!(backoff(1) >= BACKOFF / 2 && backoff(1) <= BACKOFF);
        assert!(backoff(3) >= BACKOFF * 2 && backoff(3) <= BACKOFF * 4);
        assert!(backoff(40) <= Duration::from_secs(20) && backoff(40) >= Duration::from_secs(10));
    }

    #[test]
    fn one_retry_and_no_more() {
        let mut once = RetryOnce::new(|error| error.kind() == ErrorKind::RateLimited, "again");
        let limited =
            || Error::new(ErrorKind::RateLimited, "slow").with_retry(Retry::After(Duration::from_secs(7)));
        let other = Error::new(ErrorKind::Upstream, "failed").with_retry(Retry::Backoff);
        assert_eq!(once.apply(limited()).retry(), limited().retry());
        let second = once.apply(limited());
        assert_eq!((second.retry(), second.message()), (Retry::Never, "slow; the vendor asks to wait 7 s"));
        assert!(once.apply(limited().with_retry(Retry::Backoff)).message().ends_with("again"));
        assert_eq!(once.apply(other).retry(), Retry::Backoff);
    }

    #[test]
    fn what_is_missing_right_after_its_message_is_asked_for_again() {
        let missing = || Error::new(ErrorKind::NotFound, "no");
        let waits = |age: Option<u64>| {
            let mut rule = NotYetStoredRetry::new(age.map(Duration::from_secs), 2);
            let waits: Vec<_> = (0..3).map(|_| rule.apply(missing()).retry_after()).collect();
            (waits, rule.apply_to_last(missing()).retry_after())
        };
        let (first, second) = (Some(FRESH_PAUSE), Some(FRESH_PAUSE * 2));
        assert_eq!(waits(None), (vec![first, second, None], None));
        assert_eq!(waits(Some(599)), (vec![first, second, None], Some(FRESH)));
        assert_eq!(waits(Some(600)), (vec![None, None, None], None));
        let other = NotYetStoredRetry::new(None, 2).apply(Error::new(ErrorKind::Forbidden, "no"));
        assert_eq!(other.kind(), ErrorKind::Forbidden);
    }
}
