use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;
use wamedia_core::{ContentMetadata, Error, ErrorKind, Phase, Result, Sha256};

use crate::Hasher;
use crate::content::SNIFFED_BYTES;
use crate::destination::Destination;
use crate::offload::{ActiveGuard, OffloadLimit};

/// The size of a batch under pressure, so that many bodies together hold little memory.
const PRESSED_BATCH_BYTES: usize = 128 * 1024;
/// A smaller chunk is copied into a buffer, since each chunk may keep a whole receive buffer in memory.
const SMALL_CHUNK_BYTES: usize = 4096;
/// A smaller batch is hashed on the async thread, since moving it to another thread costs more than the hashing.
const OFFLOADED_BYTES: usize = 128 * 1024;

/// Hashes content in order and hands it to a destination in batches.
///
/// A large batch is hashed on a blocking thread while the destination stores it and the next bytes arrive.
/// At most two batches are in memory: one that fills, and one that is being hashed.
pub(crate) struct HashingWriter<'d> {
    destination: &'d mut dyn Destination,
    hasher: Hasher,
    hashing: Option<JoinHandle<Hasher>>,
    batch: Vec<Bytes>,
    small: BytesMut,
    batch_bytes: usize,
    /// The bytes of the content so far, batched ones included.
    written: u64,
    /// The first bytes of the content, for its media type.
    first: Vec<u8>,
    offload: &'d OffloadLimit,
    active: Option<ActiveGuard>,
}

impl<'d> HashingWriter<'d> {
    pub(crate) fn new(destination: &'d mut dyn Destination, offload: &'d OffloadLimit) -> Self {
        Self {
            destination,
            offload,
            hasher: Hasher::new(),
            hashing: None,
            batch: Vec::new(),
            small: BytesMut::new(),
            batch_bytes: 0,
            written: 0,
            first: Vec::new(),
            active: None,
        }
    }

    /// Resumes after `written` bytes that the destination has already.
    pub(crate) fn resume_from(&mut self, written: u64, hasher: Hasher, first: Vec<u8>) {
        (self.written, self.hasher, self.first) = (written, hasher, first);
    }

    /// Tells the destination what is declared about the content.
    pub(crate) fn expect(&mut self, declared: &ContentMetadata) {
        self.destination.expect(declared);
    }

    /// How many bytes of the content were written, batched ones included.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The first bytes of the content, for its media type.
    pub(crate) fn first(&self) -> &[u8] {
        &self.first
    }

    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.written += chunk.len() as u64;
        if let Some(room) = SNIFFED_BYTES.checked_sub(self.first.len()).filter(|room| *room > 0) {
            self.first.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        self.active.get_or_insert_with(|| self.offload.activate());
        self.batch_bytes += chunk.len();
        if chunk.len() < SMALL_CHUNK_BYTES {
            self.small.extend_from_slice(&chunk);
        } else {
            self.close_small();
            self.batch.push(chunk);
        }
        let full = self.destination.batch_bytes();
        let full = if self.offload.under_pressure() { full.min(PRESSED_BATCH_BYTES) } else { full };
        if self.batch_bytes < full { Ok(()) } else { self.flush().await }
    }

    /// Discards everything, so that the content begins again.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.join().await?;
        // The destination has no batched bytes yet.
        let handed = self.written - self.batch_bytes as u64;
        self.batch.clear();
        self.small.clear();
        self.batch_bytes = 0;
        self.written = 0;
        self.first.clear();
        let hasher = std::mem::take(&mut self.hasher);
        if handed > 0 { self.destination.restart(handed, hasher.finish()).await } else { Ok(()) }
    }

    /// Writes what is batched and gives the digest of the whole content.
    pub(crate) async fn finish(&mut self) -> Result<Sha256> {
        self.flush().await?;
        self.join().await?;
        self.active = None;
        Ok(self.hasher.clone().finish())
    }

    async fn flush(&mut self) -> Result<()> {
        self.close_small();
        if self.batch.is_empty() {
            return Ok(());
        }
        // Bytes are hashed in order.
        self.join().await?;
        let batch = std::mem::take(&mut self.batch);
        let is_large = self.batch_bytes >= OFFLOADED_BYTES;
        let permit = is_large.then(|| self.offload.try_acquire()).flatten();
        self.batch_bytes = 0;
        match permit {
            Some(permit) => {
                let (mut hasher, chunks) = (std::mem::take(&mut self.hasher), batch.clone());
                self.hashing = Some(tokio::task::spawn_blocking(move || {
                    for chunk in chunks {
                        hasher.update(&chunk);
                    }
                    drop(permit);
                    hasher
                }));
            }
            None => batch.iter().for_each(|chunk| self.hasher.update(chunk)),
        }
        self.destination.write(batch).await
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.batch.push(self.small.split().freeze());
        }
    }

    /// Waits until the previous batch is hashed.
    async fn join(&mut self) -> Result<()> {
        let Some(hashing) = self.hashing.take() else { return Ok(()) };
        self.hasher = hashing.await.map_err(|error| {
            Error::new(ErrorKind::Local, "the thread that hashes the content stopped")
                .with_phase(Phase::Body)
                .with_source(error)
        })?;
        Ok(())
    }
}
