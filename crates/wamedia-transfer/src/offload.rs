//! Work beside the network: how much of it there may be in this process.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

/// Asked once: the system's answer costs more than hashing a small body.
static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, std::num::NonZero::get));
/// Bodies that have bytes and are not finished.
static BODIES: AtomicUsize = AtomicUsize::new(0);
/// Batches that are worked on beside the network.
static WORKERS: AtomicUsize = AtomicUsize::new(0);

/// A body that is being taken in, as long as it lives.
#[derive(Debug)]
pub(crate) struct Body(());

impl Body {
    pub(crate) fn new() -> Self {
        BODIES.fetch_add(1, Relaxed);
        Self(())
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        BODIES.fetch_sub(1, Relaxed);
    }
}

/// The right to work beside the network, as long as it lives. There is one for each core but the
/// one that reads the network: more threads would only wait for each other, and hold memory meanwhile.
#[derive(Debug)]
pub(crate) struct Worker(());

impl Worker {
    pub(crate) fn take() -> Option<Self> {
        let free = |busy: usize| (busy + 1 < *CORES).then_some(busy + 1);
        WORKERS.fetch_update(Relaxed, Relaxed, free).is_ok().then(|| Self(()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        WORKERS.fetch_sub(1, Relaxed);
    }
}

/// Whether there are more bodies than cores to work on them beside the network, so that each should
/// hold little: what is held cannot be filled again by the client, which must allocate instead.
pub(crate) fn is_crowded() -> bool {
    BODIES.load(Relaxed) >= *CORES
}
