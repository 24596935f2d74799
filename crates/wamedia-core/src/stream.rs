use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use crate::{Mime, Result};

/// Metadata from the response headers, known before the first chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaHead {
    /// The media type of the reply.
    pub mime: Option<Mime>,
    /// How many bytes this body will have.
    pub body_bytes: Option<u64>,
    /// True for a partial reply.
    pub partial: bool,
    /// Where in the content this body starts; not zero only for a partial reply.
    pub start: u64,
    /// Where in the content a partial reply ends: the offset behind its last byte.
    pub end: Option<u64>,
    /// The size of the whole content, where a partial reply says so.
    pub total_bytes: Option<u64>,
    /// A validator for a later partial request: a strong `ETag`. (`Last-Modified` has the grain of a second, so
    /// it cannot promise the same bytes.)
    pub validator: Option<String>,
    /// A file name from the reply, as an untrusted person wrote it.
    pub name: Option<String>,
    /// The host that replied, as [`Error::host`](crate::Error::host) names it.
    pub host: Option<String>,
}

/// Content as it comes in: the head at once, then chunks.
///
/// A body that ends early is an error as the last item, never a clean end. Chunks are not verified;
/// the engine in `wamedia-transfer` does that.
pub struct MediaStream {
    head: MediaHead,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
}

impl MediaStream {
    /// Wraps a head and the chunks that follow it.
    pub fn new(head: MediaHead, chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self { head, chunks: Box::pin(chunks) }
    }

    /// Content that is already in memory.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let head = MediaHead { body_bytes: u64::try_from(bytes.len()).ok(), ..MediaHead::default() };
        Self::new(head, Once(Some(bytes)))
    }

    /// Metadata from the response headers.
    pub fn head(&self) -> &MediaHead {
        &self.head
    }
}

impl Stream for MediaStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for MediaStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaStream").field("head", &self.head).finish_non_exhaustive()
    }
}

struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
