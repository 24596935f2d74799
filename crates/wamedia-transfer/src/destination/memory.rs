use async_trait::async_trait;
use bytes::Bytes;
use wamedia_core::{Result, Sha256};

use super::{Begin, BeginContext, Destination};
use crate::Receipt;

/// Keeps the content in memory.
#[derive(Debug, Default)]
pub struct Memory {
    content: Vec<u8>,
    is_committed: bool,
}

impl Memory {
    /// An empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// The content once it is verified, and `None` before.
    pub fn into_bytes(self) -> Option<Bytes> {
        self.is_committed.then(|| self.content.into())
    }
}

#[async_trait]
impl Destination for Memory {
    async fn begin(&mut self, _: &BeginContext<'_>) -> Result<Begin> {
        *self = Self::new();
        Ok(Begin::Fresh)
    }

    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()> {
        self.content.reserve(chunks.iter().map(Bytes::len).sum());
        for chunk in chunks {
            self.content.extend_from_slice(&chunk);
        }
        Ok(())
    }

    async fn restart(&mut self, _: u64, _: Sha256) -> Result<()> {
        self.content.clear();
        Ok(())
    }

    async fn commit(&mut self, _: &Receipt) -> Result<()> {
        self.is_committed = true;
        Ok(())
    }

    async fn abort(&mut self) {
        self.content = Vec::new();
    }
}
