//! Destinations: where content is stored.

mod file;
mod folder;
mod manifest;
mod memory;
#[cfg(feature = "object_store")]
mod object;
mod partial;
mod sequential;
mod steps;

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use wamedia_core::{ContentMetadata, Error, ErrorKind, MediaRef, Phase, Result, Sha256};

pub use file::File;
pub use folder::{Folder, FolderEntry};
pub use memory::Memory;
#[cfg(feature = "object_store")]
pub use object::Object;
pub use partial::remove_stale_partials;
pub use sequential::Sequential;
#[cfg(feature = "simulation")]
pub use steps::SimulatedDisk;

use crate::{Hasher, Receipt, TransferOptions};

/// What a destination knows before the first request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BeginContext<'a> {
    /// The reference that is fetched.
    pub media: &'a MediaRef,
    /// The options of the transfer.
    pub options: &'a TransferOptions,
}

/// What a destination has when a transfer begins.
#[derive(Debug)]
#[non_exhaustive]
pub enum Begin {
    /// Nothing: the content is fetched from its first byte.
    Fresh,
    /// The beginning of the content, from a run that was interrupted. It is used where a digest checks the whole
    /// content; otherwise `restart` discards it.
    Resume {
        /// How many bytes are there.
        offset: u64,
        /// Their hash so far.
        hasher: Hasher,
        /// The first of them, at most 4,096, for the media type.
        first: Vec<u8>,
    },
    /// The content itself; nothing is requested.
    AlreadyStored,
}

/// Where content is stored. Nothing is visible there before `commit`, and nothing remains after `abort` or drop.
///
/// The engine calls `begin`, then `expect`, `write` and `restart` as often as needed, then exactly one of `commit`,
/// `quarantine` and `abort`. A transfer that is cancelled calls none of these, so a destination cleans up on drop.
#[async_trait]
pub trait Destination: Send {
    /// Prepares the destination, before the first request.
    async fn begin(&mut self, context: &BeginContext<'_>) -> Result<Begin>;

    /// Takes the declared metadata that the content is verified against. It is called after each time the reference
    /// was resolved.
    fn expect(&mut self, _declared: &ContentMetadata) {}

    /// Stores the next bytes of the content, in order.
    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()>;

    /// Discards what was written: the content begins again at its first byte. Since the last restart `written` bytes
    /// were stored, and `digest` is theirs.
    async fn restart(&mut self, written: u64, digest: Sha256) -> Result<()>;

    /// Makes the content visible, which is complete and verified.
    async fn commit(&mut self, receipt: &Receipt) -> Result<()>;

    /// Discards the content.
    async fn abort(&mut self);

    /// Keeps content that is not what was declared apart from verified content, and adds its place to the error.
    async fn quarantine(&mut self, _receipt: &Receipt, mismatch: Error) -> Error {
        self.abort().await;
        mismatch.with_note("the content was not kept: this destination has no quarantine")
    }

    /// How many bytes each call of [`write`](Self::write) but the last has at least; 0 for every chunk as it
    /// arrives.
    fn batch_bytes(&self) -> usize {
        512 * 1024
    }
}

/// A failure of the local file system or of the caller's writer.
pub(crate) fn local(error: io::Error) -> Error {
    Error::new(ErrorKind::Local, format!("cannot store the content: {error}"))
        .with_phase(Phase::Store)
        .with_source(error)
}

/// Runs work that waits for the disk on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| local(io::Error::other(error)))
}
