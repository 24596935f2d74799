use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use wamedia_core::{Error, ErrorKind, Phase, Retry};

/// A longer pause would overflow the clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How many failed calls a vendor takes before it blocks the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureBudget {
    /// Failed calls in a row after which calls are held back.
    pub failures: u32,
    /// How long they are held back.
    pub pause: Duration,
}

impl FailureBudget {
    /// Hold calls back for `pause` after `failures` failures in a row.
    pub const fn new(failures: u32, pause: Duration) -> Self {
        Self { failures, pause }
    }
}

/// Holds calls back after too many failures in a row, for vendors that punish them; half-open
/// after the pause: one call is let through, and its outcome decides.
#[derive(Debug)]
pub(crate) struct Breaker {
    budget: Option<FailureBudget>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    pub(crate) fn new(budget: Option<FailureBudget>) -> Self {
        let budget = budget.map(|budget| FailureBudget::new(budget.failures, budget.pause.min(LONGEST)));
        Self { budget, state: Mutex::default() }
    }

    /// Lets a call through, or says how long to wait.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        let Some(budget) = self.budget else { return Ok(()) };
        let mut state = self.lock();
        let Some(until) = state.open_until else { return Ok(()) };
        let now = Instant::now();
        if now < until {
            return Err(held_back(until - now));
        }
        // One call probes; the others keep waiting until it has an answer or another pause is over.
        state.open_until = Some(now + budget.pause);
        Ok(())
    }

    pub(crate) fn record(&self, outcome: Result<(), &Error>) {
        let Some(budget) = self.budget else { return };
        let mut state = self.lock();
        match outcome {
            Err(error) if punished(error.kind()) => {
                state.failures = state.failures.saturating_add(1);
                if state.failures >= budget.failures {
                    state.open_until = Some(Instant::now() + budget.pause);
                }
            }
            _ => *state = State::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What vendors count against an account; missing media and network failures do not count.
fn punished(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::RateLimited)
}

fn held_back(wait: Duration) -> Error {
    Error::new(
        ErrorKind::RateLimited,
        "calls to this account are held back after repeated refusals, because this provider punishes them",
    )
    .with_retry(Retry::After(wait))
    .with_phase(Phase::Prepare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_and_lets_one_probe_through() {
        let breaker = Breaker::new(Some(FailureBudget::new(2, Duration::from_secs(30))));
        let refusal = Error::new(ErrorKind::Unauthorized, "no");
        for _ in 0..2 {
            assert!(breaker.admit().is_ok());
            breaker.record(Err(&refusal));
        }
        assert_eq!(breaker.admit().unwrap_err().retry_after(), Some(Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(breaker.admit().is_ok());
        assert!(breaker.admit().is_err());
        breaker.record(Ok(()));
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_in_a_row_count() {
        let breaker = Breaker::new(Some(FailureBudget::new(2, Duration::from_secs(30))));
        let refusal = Error::new(ErrorKind::Forbidden, "no");
        let missing = Error::new(ErrorKind::NotFound, "gone");
        for between in [Ok(()), Err(&missing)] {
            breaker.record(Err(&refusal));
            breaker.record(between);
            breaker.record(Err(&refusal));
            assert!(breaker.admit().is_ok(), "{between:?} came in between");
            breaker.record(Ok(()));
        }
        breaker.record(Err(&refusal));
        breaker.record(Err(&refusal));
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(breaker.admit().is_ok());
        breaker.record(Ok(()));
        breaker.record(Err(&refusal));
        assert!(breaker.admit().is_ok(), "the count began again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_without_end_is_a_year() {
        let breaker = Breaker::new(Some(FailureBudget::new(1, Duration::MAX)));
        breaker.record(Err(&Error::new(ErrorKind::RateLimited, "slow")));
        let year = Duration::from_secs(31_622_400);
        assert_eq!(breaker.admit().unwrap_err().retry_after(), Some(year));
    }
}
