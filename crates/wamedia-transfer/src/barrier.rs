use std::sync::Arc;

use tokio::sync::Semaphore;

/// Holds a transfer back after it has resolved, until it is its turn to read content.
#[derive(Clone, Debug)]
pub(crate) struct Barrier(Arc<Semaphore>);

impl Barrier {
    /// A closed one.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// It stays open.
    pub(crate) fn open(&self) {
        self.0.close();
    }

    /// Waits until it is open.
    pub(crate) async fn passed(&self) {
        // Nobody gets a permit: waiting ends when the semaphore is closed.
        let _ = self.0.acquire().await;
    }
}
