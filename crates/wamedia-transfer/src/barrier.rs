use std::sync::Arc;

use tokio::sync::Semaphore;

/// Holds a transfer back after it has resolved, until its turn to read content comes.
#[derive(Clone, Debug)]
pub(crate) struct Barrier(Arc<Semaphore>);

impl Barrier {
    /// A closed barrier.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Opens it for good.
    pub(crate) fn open(&self) {
        self.0.close();
    }

    /// Waits until it is open.
    pub(crate) async fn passed(&self) {
        // There are no permits: waiting ends when the semaphore is closed.
        let _ = self.0.acquire().await;
    }
}
