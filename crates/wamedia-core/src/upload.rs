use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use crate::{Error, ErrorKind, MediaKind, Mime, Phase, Result, Sha256};

/// Bytes to upload.
#[non_exhaustive]
pub enum UploadBody {
    /// In memory.
    Bytes(Bytes),
    /// A stream.
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>),
}

impl fmt::Debug for UploadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}

/// What to upload.
#[derive(Debug)]
#[non_exhaustive]
pub struct UploadContent {
    /// The bytes.
    pub body: UploadBody,
    /// The size in bytes; the source must have exactly that many.
    pub size_bytes: Option<u64>,
    /// The SHA-256 that the bytes must have, where the caller knows it.
    pub sha256: Option<Sha256>,
    /// The media type.
    pub mime: Mime,
    /// The file name that is sent to the vendor.
    pub name: String,
    /// The kind of message that will carry it.
    pub kind: Option<MediaKind>,
}

impl UploadContent {
    /// Bytes in memory.
    pub fn from_bytes(bytes: impl Into<Bytes>, mime: Mime, name: impl Into<String>) -> Self {
        let bytes = bytes.into();
        Self {
            size_bytes: u64::try_from(bytes.len()).ok(),
            body: UploadBody::Bytes(bytes),
            sha256: None,
            mime,
            name: name.into(),
            kind: None,
        }
    }

    /// Content from a stream; `size_bytes` where it is known.
    pub fn from_stream(
        stream: impl Stream<Item = Result<Bytes>> + Send + 'static,
        size_bytes: Option<u64>,
        mime: Mime,
        name: impl Into<String>,
    ) -> Self {
        Self {
            size_bytes,
            body: UploadBody::Stream(Box::pin(stream)),
            sha256: None,
            mime,
            name: name.into(),
            kind: None,
        }
    }

    /// Sets the kind of message that will carry it.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<Option<MediaKind>>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Sets the SHA-256 that the bytes must have.
    #[must_use]
    pub fn with_sha256(mut self, digest: impl Into<Option<Sha256>>) -> Self {
        self.sha256 = digest.into();
        self
    }

    /// Checks that a size is stated, and that what is stated fits the bytes where they are here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for a size that is wrong or not known, since no vendor takes a body
    /// without one; [`ErrorKind::Integrity`] for bytes with another digest.
    pub fn check(&self) -> Result<()> {
        let refuse =
            |kind, why| Err(Error::new(kind, why).with_operation("upload").with_phase(Phase::Prepare));
        let Some(size) = self.size_bytes else {
            return refuse(ErrorKind::InvalidRequest, "the size must be known: spool the source first");
        };
        if let UploadBody::Bytes(bytes) = &self.body {
            if size != bytes.len() as u64 {
                return refuse(ErrorKind::InvalidRequest, "the bytes are not as many as stated");
            }
            if self.sha256.is_some_and(|want| Sha256::of(bytes) != want) {
                return refuse(ErrorKind::Integrity, "the bytes do not hash to the stated digest");
            }
        }
        Ok(())
    }
}
