//! What bytes go to.

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
pub use steps::CrashPoint;

use crate::{Hasher, Receipt, TransferOptions};

/// What a destination is told before the first request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BeginContext<'a> {
    /// What is about to be fetched.
    pub media: &'a MediaRef,
    /// How.
    pub options: &'a TransferOptions,
}

/// What a destination has when a transfer begins.
#[derive(Debug)]
#[non_exhaustive]
pub enum Begin {
    /// Nothing: the content is wanted from its first byte.
    Fresh,
    /// The beginning of the content, left by a run that ended early. It is used where a digest will check the
    /// whole; otherwise the destination is told to restart.
    Resume {
        /// How many bytes are there.
        offset: u64,
        /// Their hash so far.
        hasher: Hasher,
        /// The first of them, at most 4,096, which tell the type.
        first: Vec<u8>,
    },
    /// The content itself; nothing is requested.
    AlreadyStored,
}

/// Where content goes: nothing is visible there before `commit`, and nothing stays after `abort` or drop.
///
/// The engine calls `begin`, then `write` and `restart` as often as it takes, then exactly one of `commit`,
/// `quarantine` and `abort`. When the transfer is cancelled it is dropped instead, and must clean up on drop.
#[async_trait]
pub trait Destination: Send {
    /// Prepares, before the first request. An error here costs no request.
    async fn begin(&mut self, context: &BeginContext<'_>) -> Result<Begin>;

    /// Is told what is declared about the content, after every resolving: what the engine will check it against.
    fn expect(&mut self, _declared: &ContentMetadata) {}

    /// Stores the next bytes, in order.
    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()>;

    /// Discards what was written: the content comes again from its first byte. `written` bytes were handed over
    /// since the last restart, and they hash to `digest`.
    async fn restart(&mut self, written: u64, digest: Sha256) -> Result<()>;

    /// Everything is there and verified: makes it visible.
    async fn commit(&mut self, receipt: &Receipt) -> Result<()>;

    /// Discards everything.
    async fn abort(&mut self);

    /// Keeps content that is not what was declared apart from verified content, and says in the error where.
    async fn quarantine(&mut self, _receipt: &Receipt, mismatch: Error) -> Error {
        self.abort().await;
        mismatch.with_note("it was not kept: this destination has no place for such content")
    }

    /// How many bytes a call of [`write`](Self::write) brings at least, but for the last; 0 for bytes as they
    /// arrive.
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

/// Runs work that may wait for the disk on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| local(io::Error::other(error)))
}
