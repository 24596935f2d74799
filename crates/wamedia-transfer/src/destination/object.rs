use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions,
    PutPayload, WriteMultipart,
};
use wamedia_core::{ContentMetadata, Error, ErrorKind, Mime, Phase, Result, Sha256};

use super::file::not_begun;
use super::{Begin, BeginContext, Destination};
use crate::content::{SNIFFED_BYTES, sniff};
use crate::expected::Expected;
use crate::{Hasher, IfExists, OnMismatch, Receipt};

/// The size of the parts of a large object. Stores demand at least 5 MiB, and some that all parts are equal. Smaller
/// content is sent in one request.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// How many parts are on their way while the next one fills.
const PARTS_IN_FLIGHT: usize = 1;
/// The user-defined metadata that holds the digest in hex. A hyphen is not allowed everywhere.
const DIGEST_KEY: &str = "sha256";

/// An object in a store of the `object_store` crate: S3, Google Cloud Storage, Azure, a local folder, memory.
///
/// Content up to 8 MiB is sent in one request once it is verified. Larger content is a multipart upload: nothing is
/// visible before it completes, and it is aborted when the transfer fails or is dropped. A killed process cannot abort
/// it, so give the bucket a lifecycle rule that removes incomplete uploads.
///
/// An existing object is refused, kept or replaced as [`TransferOptions::if_exists`] says. Unless it may replace an
/// object, a large upload completes at a temporary location (`*.wamedia-part`), which is then renamed if the location
/// is still free. The store must support that. S3 does with `S3CopyIfNotExists`, but loses the attributes.
///
/// The attributes are the content type and the metadata `sha256`, where the store supports attributes. Large content
/// has the `sha256` only if it was declared.
///
/// [`TransferOptions::if_exists`]: crate::TransferOptions::if_exists
pub struct Object {
    store: Arc<dyn ObjectStore>,
    location: Path,
    if_exists: IfExists,
    on_mismatch: OnMismatch,
    declared: ContentMetadata,
    /// Content that is not yet large enough for a multipart upload.
    held: Vec<Bytes>,
    held_bytes: usize,
    upload: Option<Upload>,
}

/// A multipart upload that has no object at the location yet.
struct Upload {
    parts: Option<WriteMultipart>,
    /// Where it completes.
    location: Path,
    /// Whether `location` is a temporary one.
    is_temporary: bool,
}

impl Object {
    /// An object at this location.
    pub fn new(store: Arc<dyn ObjectStore>, location: Path) -> Self {
        Self {
            store,
            location,
            if_exists: IfExists::default(),
            on_mismatch: OnMismatch::default(),
            declared: ContentMetadata::EMPTY,
            held: Vec::new(),
            held_bytes: 0,
            upload: None,
        }
    }

    /// The location.
    pub fn location(&self) -> &Path {
        &self.location
    }

    /// Whether the object exists and is kept.
    async fn is_stored(&mut self, context: &BeginContext<'_>) -> Result<bool> {
        if self.if_exists == IfExists::Replace {
            return Ok(false);
        }
        match self.store.head(&self.location).await {
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(&self.location, "look for", error, Phase::Prepare)),
            Ok(_) if self.if_exists == IfExists::Refuse => Err(already_exists(&self.location)),
            Ok(_) => self.check_kept(context).await.map(|()| true),
        }
    }

    /// Checks the stored object against every digest and size that binds before the first request.
    async fn check_kept(&mut self, context: &BeginContext<'_>) -> Result<()> {
        let mut expected = Expected::before_requests(context.options, context.media);
        if !expected.is_binding() {
            return Ok(());
        }
        let location = &self.location;
        let unreadable = |error| failed(location, "read", error, Phase::Prepare);
        let mut stored = self.store.get(location).await.map_err(unreadable)?.into_stream();
        let (mut size, mut hasher) = (0, Hasher::new());
        while let Some(chunk) = stored.next().await {
            let chunk = chunk.map_err(unreadable)?;
            size += chunk.len() as u64;
            hasher.update(&chunk);
        }
        expected.verify(size, hasher.finish()).map_err(|error| {
            let why = error.message();
            let message = format!(
                "{location} exists and is not what was declared: {why}; replace it or choose another name"
            );
            Error::new(ErrorKind::Integrity, message).with_phase(Phase::Prepare)
        })
    }

    /// Starts a multipart upload.
    async fn start_upload(&mut self) -> Result<Upload> {
        let is_temporary = self.if_exists != IfExists::Replace;
        let location = if is_temporary {
            let random = fastrand::u64(..);
            Path::from(format!("{}.{random:016x}.wamedia-part", self.location))
        } else {
            self.location.clone()
        };
        let mut first = Vec::new();
        for chunk in &self.held {
            first.extend_from_slice(&chunk[..chunk.len().min(SNIFFED_BYTES - first.len())]);
        }
        // A declared digest is verified before the object becomes visible, unless mismatches are only recorded.
        let digest = self.declared.sha256.filter(|_| self.on_mismatch != OnMismatch::Record);
        let attributes = attributes(sniff(&first).as_ref().or(self.declared.mime.as_ref()), digest);
        let start = |attributes| {
            let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
            self.store.put_multipart_opts(&location, options)
        };
        let started = match start(attributes).await {
            Err(error) if is_unsupported(&error) => start(Attributes::new()).await,
            started => started,
        };
        let parts =
            started.map_err(|error| failed(&self.location, "start an upload to", error, Phase::Store))?;
        let parts = WriteMultipart::new_with_chunk_size(parts, PART_BYTES);
        Ok(Upload { parts: Some(parts), location, is_temporary })
    }

    /// Sends small content in one request.
    async fn put(&mut self, receipt: &Receipt) -> Result<()> {
        let mime = receipt.sniffed_mime.as_ref().or(receipt.declared.mime.as_ref());
        let payload: PutPayload = std::mem::take(&mut self.held).into_iter().collect();
        let mode = if self.if_exists == IfExists::Replace { PutMode::Overwrite } else { PutMode::Create };
        let put = |attributes| {
            let options = PutOptions { mode: mode.clone(), attributes, ..PutOptions::default() };
            self.store.put_opts(&self.location, payload.clone(), options)
        };
        let done = match put(attributes(mime, Some(receipt.sha256))).await {
            Err(error) if is_unsupported(&error) => put(Attributes::new()).await,
            done => done,
        };
        done.map(drop).map_err(|error| failed(&self.location, "store", error, Phase::Store))
    }

    /// Completes the multipart upload, and renames a temporary object if the location is free.
    async fn complete(&mut self) -> Result<()> {
        let upload = self.upload.as_mut().ok_or_else(not_begun)?;
        let parts = upload.parts.take().ok_or_else(not_begun)?;
        let (location, is_temporary) = (upload.location.clone(), upload.is_temporary);
        // `finish` aborts an upload that cannot be completed.
        if let Err(error) = parts.finish().await {
            self.upload = None;
            return Err(failed(&self.location, "complete the upload of", error, Phase::Store));
        }
        if is_temporary {
            let renamed = self.store.rename_if_not_exists(&location, &self.location).await;
            if let Err(error) = renamed {
                self.abort().await;
                let is_unsupported = is_unsupported(&error);
                let error = failed(&self.location, "rename the upload to", error, Phase::Store);
                return Err(if is_unsupported { error.with_hint(CANNOT_CREATE) } else { error });
            }
        }
        self.upload = None;
        Ok(())
    }
}

const CANNOT_CREATE: &str = "configure the store so that it copies only where nothing exists (for S3: S3CopyIfNotExists), or choose to replace what exists";

impl Upload {
    /// Removes what was sent. Errors are ignored: it is not visible at the location, and only takes space.
    async fn abort(self, store: &dyn ObjectStore) {
        match self.parts {
            Some(parts) => drop(parts.abort().await),
            None if self.is_temporary => drop(store.delete(&self.location).await),
            None => {}
        }
    }
}

#[async_trait]
impl Destination for Object {
    async fn begin(&mut self, context: &BeginContext<'_>) -> Result<Begin> {
        (self.if_exists, self.on_mismatch) = (context.options.if_exists, context.options.on_mismatch);
        Ok(if self.is_stored(context).await? { Begin::AlreadyStored } else { Begin::Fresh })
    }

    fn expect(&mut self, declared: &ContentMetadata) {
        self.declared = declared.clone();
    }

    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()> {
        self.held_bytes += chunks.iter().map(Bytes::len).sum::<usize>();
        self.held.extend(chunks);
        if self.upload.is_none() && self.held_bytes <= PART_BYTES {
            return Ok(());
        }
        if self.upload.is_none() {
            self.upload = Some(self.start_upload().await?);
        }
        let parts = self.upload.as_mut().and_then(|upload| upload.parts.as_mut()).ok_or_else(not_begun)?;
        let waited = parts.wait_for_capacity(PARTS_IN_FLIGHT).await;
        for chunk in std::mem::take(&mut self.held) {
            parts.put(chunk);
        }
        self.held_bytes = 0;
        waited.map_err(|error| failed(&self.location, "store a part of", error, Phase::Store))
    }

    async fn restart(&mut self, _: u64, _: Sha256) -> Result<()> {
        self.abort().await;
        Ok(())
    }

    async fn commit(&mut self, receipt: &Receipt) -> Result<()> {
        if self.upload.is_some() { self.complete().await } else { self.put(receipt).await }
    }

    async fn abort(&mut self) {
        (self.held, self.held_bytes) = (Vec::new(), 0);
        if let Some(upload) = self.upload.take() {
            upload.abort(&*self.store).await;
        }
    }
}

impl Drop for Object {
    /// Aborts the upload of a cancelled transfer, if there is a runtime for it.
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            let store = Arc::clone(&self.store);
            runtime.spawn(async move { upload.abort(&*store).await });
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("location", &self.location).finish_non_exhaustive()
    }
}

fn attributes(mime: Option<&Mime>, digest: Option<Sha256>) -> Attributes {
    let mime = mime.map(|mime| (Attribute::ContentType, mime.to_string()));
    let digest = digest.map(|digest| (Attribute::Metadata(DIGEST_KEY.into()), digest.to_hex()));
    mime.into_iter().chain(digest).collect()
}

fn already_exists(location: &Path) -> Error {
    let message = format!("{location} exists; choose another name, or keep or replace it");
    Error::new(ErrorKind::Local, message).with_phase(Phase::Store)
}

fn failed(location: &Path, what: &str, error: object_store::Error, phase: Phase) -> Error {
    match error {
        object_store::Error::AlreadyExists { .. } => already_exists(location),
        error => Error::new(ErrorKind::Local, format!("cannot {what} {location}: {error}"))
            .with_phase(phase)
            .with_source(error),
    }
}

fn is_unsupported(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. })
}
