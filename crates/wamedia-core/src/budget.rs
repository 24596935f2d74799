use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::{Error, ErrorKind, Phase, Result, Retry};

/// What one job may spend, all its calls together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Tries in all: the first one, and one for every failure that is absorbed. At least one.
    pub max_attempts: u32,
    /// How often a dead link is replaced by resolving again.
    pub max_renewals: u32,
    /// The longest single wait that is honoured; a longer one is reported at once.
    pub max_wait: Duration,
    /// All waits together.
    pub max_total_wait: Duration,
    /// All content bytes received together, discarded ones included; `None` for no limit.
    pub max_total_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            max_renewals: 1,
            max_wait: Duration::from_secs(60),
            max_total_wait: Duration::from_secs(180),
            max_total_bytes: None,
        }
    }
}

impl Limits {
    /// Sets how many tries there are in all; zero counts as one.
    #[must_use]
    pub const fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets how often a dead link is replaced.
    #[must_use]
    pub const fn with_max_renewals(mut self, renewals: u32) -> Self {
        self.max_renewals = renewals;
        self
    }

    /// Sets the longest single wait.
    #[must_use]
    pub const fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Sets how long all waits together may be.
    #[must_use]
    pub const fn with_max_total_wait(mut self, wait: Duration) -> Self {
        self.max_total_wait = wait;
        self
    }

    /// Sets how many content bytes may arrive in all attempts together.
    #[must_use]
    pub const fn with_max_total_bytes(mut self, bytes: Option<u64>) -> Self {
        self.max_total_bytes = bytes;
        self
    }
}

/// What a job has spent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spent {
    /// Requests that were sent.
    pub requests: u32,
    /// Failures that were absorbed.
    pub retries: u32,
    /// Links that were replaced.
    pub renewals: u32,
    /// Time spent waiting between attempts.
    pub waited: Duration,
    /// Content bytes received, discarded ones included.
    pub bytes: u64,
}

/// What one job may spend, shared by the transport and the engine: clones spend from the same sum.
///
/// The transport repeats one call until its head has arrived; the engine decides everything after
/// the head. Both ask here, so that their product is bounded and counted once.
#[derive(Clone, Debug, Default)]
pub struct Budget(Arc<BudgetState>);

#[derive(Debug, Default)]
struct BudgetState {
    limits: Limits,
    requests: AtomicU32,
    retries: AtomicU32,
    renewals: AtomicU32,
    waited_ms: AtomicU64,
    bytes: AtomicU64,
}

impl Budget {
    /// Nothing spent yet.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(BudgetState { limits, ..BudgetState::default() }))
    }

    /// The limits that were set.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What has been spent.
    pub fn spent(&self) -> Spent {
        Spent {
            requests: self.0.requests.load(Relaxed),
            retries: self.0.retries.load(Relaxed),
            renewals: self.0.renewals.load(Relaxed),
            waited: Duration::from_millis(self.0.waited_ms.load(Relaxed)),
            bytes: self.0.bytes.load(Relaxed),
        }
    }

    /// Counts a request that is about to be sent.
    pub fn count_request(&self) {
        self.0.requests.fetch_add(1, Relaxed);
    }

    /// Counts content bytes that arrived.
    ///
    /// # Errors
    ///
    /// The kind of `cause` is not asked: [`ErrorKind::Transport`] once the limit is passed.
    pub fn count_bytes(&self, bytes: u64) -> Result<()> {
        let total = self.0.bytes.fetch_add(bytes, Relaxed).saturating_add(bytes);
        match self.0.limits.max_total_bytes {
            Some(max) if total > max => Err(Error::new(
                ErrorKind::Transport,
                format!("gave up after receiving {total} bytes in all attempts together"),
            )
            .with_retry(Retry::Never)
            .with_phase(Phase::Body)),
            _ => Ok(()),
        }
    }

    /// Takes one retry; `false` when none is left.
    pub fn take_retry(&self) -> bool {
        take(&self.0.retries, self.0.limits.max_attempts.saturating_sub(1))
    }

    /// Takes one renewal of a link; `false` when none is left.
    pub fn take_renewal(&self) -> bool {
        take(&self.0.renewals, self.0.limits.max_renewals)
    }

    /// Takes a wait; `false` when it is longer than allowed. The caller then waits, with its runtime's timer.
    pub fn take_wait(&self, wait: Duration) -> bool {
        let limits = &self.0.limits;
        if wait > limits.max_wait {
            return false;
        }
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let before = self.0.waited_ms.fetch_add(millis, Relaxed);
        if Duration::from_millis(before.saturating_add(millis)) > limits.max_total_wait {
            self.0.waited_ms.fetch_sub(millis, Relaxed);
            return false;
        }
        true
    }
}

fn take(counter: &AtomicU32, max: u32) -> bool {
    counter.fetch_update(Relaxed, Relaxed, |used| (used < max).then_some(used + 1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_spend_from_one_sum() {
        let budget = Budget::new(Limits { max_attempts: 3, ..Limits::default() });
        assert!(budget.take_retry());
        assert!(budget.clone().take_retry());
        assert!(!budget.take_retry());
        assert_eq!(budget.spent().retries, 2);
    }

    #[test]
    fn waits_are_bounded_one_by_one_and_together() {
        let budget = Budget::new(Limits { max_total_wait: Duration::from_secs(70), ..Limits::default() });
        assert!(!budget.take_wait(Duration::from_secs(61)));
        assert!(budget.take_wait(Duration::from_secs(60)));
        assert!(!budget.take_wait(Duration::from_secs(11)));
        assert!(budget.take_wait(Duration::from_secs(10)));
        assert_eq!(budget.spent().waited, Duration::from_secs(70));
    }

    #[test]
    fn bytes_are_counted_up_to_the_limit_and_not_beyond() {
        let budget = Budget::new(Limits { max_total_bytes: Some(10), ..Limits::default() });
        assert!(budget.count_bytes(9).is_ok() && budget.count_bytes(1).is_ok());
        let error = budget.count_bytes(1).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Transport, Retry::Never));
        assert_eq!(budget.spent().bytes, 11);
        assert!(Budget::default().count_bytes(u64::MAX).is_ok());
    }
}
