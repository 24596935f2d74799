//! How much hashing and writing may run on blocking threads in this process.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

/// Asked once: the system's answer costs more than hashing a small body.
static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, std::num::NonZero::get));
/// Bodies that have bytes and are not finished.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);
/// Batches on blocking threads.
static OFFLOADED: AtomicUsize = AtomicUsize::new(0);

/// Counts a body that is being received, as long as it lives.
#[derive(Debug)]
pub(crate) struct ActiveGuard(());

impl ActiveGuard {
    pub(crate) fn new() -> Self {
        ACTIVE.fetch_add(1, Relaxed);
        Self(())
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(1, Relaxed);
    }
}

/// The right to work on a blocking thread, as long as it lives. There is one for each core but the
/// one that reads the network: more threads would only wait for each other, and hold memory meanwhile.
#[derive(Debug)]
pub(crate) struct Permit(());

impl Permit {
    pub(crate) fn take() -> Option<Self> {
        let free = |busy: usize| (busy + 1 < *CORES).then_some(busy + 1);
        OFFLOADED.fetch_update(Relaxed, Relaxed, free).is_ok().then(|| Self(()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        OFFLOADED.fetch_sub(1, Relaxed);
    }
}

/// Whether there are more bodies than cores, so that each should hold little: memory that is held cannot be
/// filled again by the client, which must allocate instead.
pub(crate) fn under_pressure() -> bool {
    ACTIVE.load(Relaxed) >= *CORES
}
