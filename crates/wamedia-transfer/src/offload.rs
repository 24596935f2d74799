//! How much hashing runs on blocking threads.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Asked once: the system call costs more than hashing a small body.
static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, std::num::NonZero::get));

/// Limits how many blocking threads hash content at once. Clones share the limit, so that transfers that run at
/// the same time should have clones of one.
///
/// While more bodies arrive than the threads can hash, each transfer holds less in memory.
#[derive(Clone, Debug)]
pub struct OffloadLimit {
    permits: Arc<Semaphore>,
    threads: usize,
    /// Bodies that are being received.
    active: Arc<AtomicUsize>,
}

impl OffloadLimit {
    /// At most this many threads; with 0 the content is hashed where it arrives.
    pub fn new(threads: usize) -> Self {
        let threads = threads.min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(threads)), threads, active: Arc::default() }
    }

    /// The right to work on a blocking thread, as long as it lives; `None` where all threads are busy.
    pub(crate) fn try_acquire(&self) -> Option<Permit> {
        Arc::clone(&self.permits).try_acquire_owned().ok().map(Permit)
    }

    /// Counts a body that is being received, until the guard is dropped.
    pub(crate) fn activate(&self) -> ActiveGuard {
        self.active.fetch_add(1, Relaxed);
        ActiveGuard(Arc::clone(&self.active))
    }

    /// Whether more bodies are being received than threads can hash. Each should then hold little, since memory that
    /// is held cannot be filled again by the client, which must allocate instead.
    pub(crate) fn under_pressure(&self) -> bool {
        self.active.load(Relaxed) > self.threads
    }
}

impl Default for OffloadLimit {
    /// One thread for each core but the one that reads the network: more threads would only wait for each other, and
    /// hold memory meanwhile.
    fn default() -> Self {
        Self::new(CORES.saturating_sub(1))
    }
}

/// The right to work on a blocking thread.
#[derive(Debug)]
pub(crate) struct Permit(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

/// A body that is being received.
#[derive(Debug)]
pub(crate) struct ActiveGuard(Arc<AtomicUsize>);

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_threads_and_pressure() {
        let limit = OffloadLimit::new(1);
        let other = limit.clone();
        let permit = limit.try_acquire();
        assert!(permit.is_some() && other.try_acquire().is_none());
        drop(permit);
        assert!(other.try_acquire().is_some());
        let _first = limit.activate();
        assert!(!other.under_pressure());
        let second = other.activate();
        assert!(limit.under_pressure());
        drop(second);
        assert!(!limit.under_pressure());
    }
}
