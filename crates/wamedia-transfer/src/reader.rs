use std::fmt;
use std::future::Future;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use wamedia_core::{Error, MediaRef, Provider, Result};

use crate::{Receipt, Transfer, TransferOptions};

/// How many bytes wait for the reader at most.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long an item of the stream is at most.
const ITEM_BYTES: usize = 16 * 1024;

/// Content to read while it arrives: an [`AsyncRead`], and a [`Stream`] of [`Bytes`].
///
/// The end says whether the content was verified. Where it is not what was declared, or does not arrive whole, the last
/// read fails and so does the last item of the stream. Only where the options record differences
/// ([`OnMismatch::Record`](crate::OnMismatch::Record)) is a difference a clean end, which [`receipt`](Self::receipt)
/// tells. Bytes before the end are unverified: where nobody may see those, use a [`Destination`](crate::Destination).
///
/// The transfer goes on only while this is read, and dropping it cancels the transfer. As with any
/// [`Sequential`](crate::Sequential) destination, content that begins again after a break must repeat what was read.
pub struct VerifiedReader {
    /// The transfer, until it has ended.
    work: Option<Pin<Box<dyn Future<Output = Result<Receipt>> + Send>>>,
    /// What the transfer has written.
    content: DuplexStream,
    outcome: Option<Result<Receipt>>,
    /// Whether the stream has given its last item.
    has_ended: bool,
}

impl VerifiedReader {
    /// Content of this reference. Nothing is requested before the first read.
    pub fn new<P: Provider + ?Sized>(provider: Arc<P>, media: MediaRef, options: TransferOptions) -> Self {
        let (content, mut writer) = tokio::io::duplex(BUFFER_BYTES);
        let work = async move {
            Transfer::new(&*provider).with_options(options).fetch_into(&media, &mut writer).await
        };
        Self { work: Some(Box::pin(work)), content, outcome: None, has_ended: false }
    }

    /// How the content was fetched and what it was verified against; `None` until all of it
    /// has arrived and is verified.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.outcome.as_ref()?.as_ref().ok()
    }

    /// Reads on: no bytes mean the end of verified content.
    fn poll_content(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if let Some(work) = &mut self.work
            && let Poll::Ready(outcome) = work.as_mut().poll(cx)
        {
            (self.work, self.outcome) = (None, Some(outcome));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.content).poll_read(cx, buffer)).map_err(crate::destination::local)?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // Only the end of the transfer closes its side.
        match &mut self.outcome {
            Some(Ok(_)) => Poll::Ready(Ok(())),
            Some(Err(error)) => {
                // Who reads on after the error is told the same again, without its causes.
                let again = Error::new(error.kind(), error.message());
                Poll::Ready(Err(mem::replace(error, again)))
            }
            None => Poll::Ready(Err(crate::destination::local(io::ErrorKind::UnexpectedEof.into()))),
        }
    }
}

impl AsyncRead for VerifiedReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_content(cx, buffer).map_err(Into::into)
    }
}

impl Stream for VerifiedReader {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        let mut space = [MaybeUninit::uninit(); ITEM_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = ready!(this.poll_content(cx, &mut buffer));
        let bytes = Bytes::copy_from_slice(buffer.filled());
        this.has_ended = bytes.is_empty();
        match read {
            Ok(()) => Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes))),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl fmt::Debug for VerifiedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedReader").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}
