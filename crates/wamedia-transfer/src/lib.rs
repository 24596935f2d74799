//! The engine of wamedia: a media reference in, verified bytes out.
//!
//! There is one engine for every provider. It resolves, reads and hashes, renews a dead link, resumes
//! after a break, checks size and digest, and gives a [`Receipt`]. Memory stays flat. Dropping the
//! future closes the connection and removes the temporary file.
//!
//! * [`ProviderExt::fetch`]: into memory;
//! * [`ProviderExt::fetch_into`]: into any writer;
//! * [`ProviderExt::download_to`]: into a file, which gets its final name only after verification;
//! * [`VerifiedReader`]: to read or stream while it arrives;
//! * [`Transfer`]: the same with [`TransferOptions`];
//! * [`transfer_many`]: many at once, results as they finish.

mod attempt;
mod barrier;
mod content;
mod destination;
mod engine;
mod expected;
mod hash;
mod many;
#[cfg(feature = "metrics")]
mod metrics;
mod names;
mod observe;
mod offload;
mod options;
mod reader;
mod receipt;
#[cfg(feature = "serde")]
mod serialize;
mod state;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wamedia_core::{MediaRef, Provider, Result};

pub use content::sniff;
#[cfg(feature = "object_store")]
pub use destination::Object;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub use destination::SimulatedDisk;
pub use destination::{
    Begin, BeginContext, Destination, File, Folder, FolderEntry, Memory, Sequential, remove_stale_partials,
};
pub use engine::Transfer;
pub use hash::Hasher;
pub use many::{Finished, Job, ManyOptions, Target, transfer_many};
pub use names::safe_name;
pub use observe::{Event, Observer, Outcome};
pub use offload::OffloadLimit;
pub use options::{IfExists, OnMismatch, Require, TransferOptions};
pub use reader::VerifiedReader;
pub use receipt::{Difference, Receipt, Verified};

/// A file that is stored under its final name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// Where it is.
    pub path: PathBuf,
    /// How it was fetched; `None` for a file that was there before and was kept.
    pub receipt: Option<Receipt>,
}

impl Downloaded {
    /// Whether the file was there before, so that nothing was requested.
    pub fn is_kept(&self) -> bool {
        self.receipt.is_none()
    }
}

/// Verified content in memory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// The content.
    pub bytes: Bytes,
    /// How it was fetched, and what it was verified against.
    pub receipt: Receipt,
}

/// The short forms with the default options, for every provider, `dyn Provider` included.
pub trait ProviderExt: Provider {
    /// Fetches and verifies into memory, at most 256 MiB.
    fn fetch(&self, media: &MediaRef) -> impl Future<Output = Result<Fetched>> + Send {
        async move { Transfer::new(self).fetch(media).await }
    }

    /// Fetches and verifies into a writer. A mismatch is known only at the end: use what was written only once
    /// this returns the receipt.
    fn fetch_into<W: AsyncWrite + Unpin + Send>(
        &self,
        media: &MediaRef,
        writer: &mut W,
    ) -> impl Future<Output = Result<Receipt>> + Send {
        async move { Transfer::new(self).fetch_into(media, writer).await }
    }

    /// Fetches into a file, which appears under its name only after verification. An existing file stays as it is,
    /// and the download fails.
    fn download_to(
        &self,
        media: &MediaRef,
        path: impl AsRef<Path> + Send,
    ) -> impl Future<Output = Result<Downloaded>> + Send {
        async move { Transfer::new(self).download_to(media, path).await }
    }
}

impl<P: Provider + ?Sized> ProviderExt for P {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
