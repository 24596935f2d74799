use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::time::{Instant, Sleep};
use wamedia_core::{Error, ErrorKind, Phase, Result};

use crate::failure::{SourceFailed, convert};

/// The stretch over which a minimum rate is measured.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// Bodies in memory go out in pieces of this size, so that progress can be seen.
const PIECE: usize = 64 * 1024;

type Chunks = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// Content as it comes in, with an idle timeout, an optional minimum rate, and our errors.
pub(crate) struct Incoming {
    /// Chunks that were read ahead to look at them, in order. They are delivered before anything else.
    ahead: VecDeque<Bytes>,
    chunks: Chunks,
    idle: Duration,
    min_rate: Option<u64>,
    timer: Pin<Box<Sleep>>,
    last: Instant,
    window: (Instant, u64),
    done: bool,
}

impl Incoming {
    pub(crate) fn new(response: reqwest::Response, idle: Duration, min_rate: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            ahead: VecDeque::new(),
            chunks: Box::pin(response.bytes_stream()),
            idle,
            min_rate,
            timer: Box::pin(tokio::time::sleep(idle)),
            last: now,
            window: (now, 0),
            done: false,
        }
    }

    /// Reads at least `count` bytes ahead, or to the end of a shorter body. Gives what has been read, and
    /// whether that is the whole body. Nothing is consumed: the stream delivers every byte of it again.
    pub(crate) async fn read_ahead(&mut self, count: usize) -> Result<(Bytes, bool)> {
        let mut ahead = VecDeque::new();
        let mut length = 0;
        let mut whole = false;
        while length < count {
            match std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await {
                Some(chunk) => {
                    let chunk = chunk?;
                    length += chunk.len();
                    ahead.push_back(chunk);
                }
                None => {
                    whole = true;
                    break;
                }
            }
        }
        let mut joined = BytesMut::with_capacity(length);
        for chunk in &ahead {
            joined.extend_from_slice(chunk);
        }
        // One copy of the bytes is held, not one in pieces beside it.
        let joined = joined.freeze();
        self.ahead = VecDeque::from([joined.clone()]);
        self.ahead.retain(|chunk| !chunk.is_empty());
        Ok((joined, whole))
    }

    fn too_slow(&mut self, now: Instant, bytes: usize) -> bool {
        let Some(min_rate) = self.min_rate else { return false };
        self.window.1 += bytes as u64;
        let elapsed = now - self.window.0;
        if elapsed < RATE_WINDOW {
            return false;
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let slow = self.window.1.saturating_mul(1000) < min_rate.saturating_mul(millis);
        self.window = (now, 0);
        slow
    }

    fn end(&mut self, kind: ErrorKind, message: &str) -> Poll<Option<Result<Bytes>>> {
        self.done = true;
        Poll::Ready(Some(Err(Error::new(kind, message).with_phase(Phase::Body))))
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Before the end is told: a body may have been read ahead to its end.
        if let Some(chunk) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        if self.done {
            return Poll::Ready(None);
        }
        match self.chunks.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                let now = Instant::now();
                self.last = now;
                if self.too_slow(now, chunk.len()) {
                    return self
                        .end(ErrorKind::Timeout, "the body comes in more slowly than the minimum rate");
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.done = true;
                Poll::Ready(Some(Err(convert(error, Phase::Body))))
            }
            Poll::Ready(None) => {
                self.done = true;
                Poll::Ready(None)
            }
            Poll::Pending => loop {
                // The timer is moved only when it fires, not for every chunk.
                ready!(self.timer.as_mut().poll(cx));
                let deadline = self.last + self.idle;
                if Instant::now() >= deadline {
                    return self.end(ErrorKind::Timeout, "the body stopped coming in");
                }
                self.timer.as_mut().reset(deadline);
            },
        }
    }
}

/// Reads up to `cap` bytes; the flag says whether the body went on.
pub(crate) async fn read_capped(incoming: &mut Incoming, cap: usize) -> Result<(Bytes, bool)> {
    let mut out = BytesMut::new();
    while let Some(chunk) = std::future::poll_fn(|cx| Pin::new(&mut *incoming).poll_next(cx)).await {
        let chunk = chunk?;
        let room = cap - out.len();
        if chunk.len() > room {
            out.extend_from_slice(&chunk[..room]);
            return Ok((out.freeze(), true));
        }
        out.extend_from_slice(&chunk);
    }
    Ok((out.freeze(), false))
}

/// When the body of an upload last made progress.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn touch(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing has moved for `idle`.
    pub(crate) async fn stalled(&self, idle: Duration) {
        loop {
            let deadline = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + idle;
            if Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}

/// The body of a request on its way out: counted, and checked against the declared size.
pub(crate) struct Outgoing {
    source: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    size: Option<u64>,
    sent: u64,
    progress: Progress,
}

impl Outgoing {
    pub(crate) fn new(
        source: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
        size: Option<u64>,
        progress: Progress,
    ) -> Self {
        Self { source, size, sent: 0, progress }
    }
}

impl Stream for Outgoing {
    type Item = std::result::Result<Bytes, SourceFailed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.source.as_mut().poll_next(cx));
        self.progress.touch();
        let wrong = |sent: u64, size: u64| {
            let message = format!("the source has {sent} bytes or more, {size} were declared");
            Poll::Ready(Some(Err(SourceFailed(ErrorKind::Local, message))))
        };
        match item {
            Some(Ok(chunk)) => {
                self.sent += chunk.len() as u64;
                match self.size {
                    Some(size) if self.sent > size => wrong(self.sent, size),
                    _ => Poll::Ready(Some(Ok(chunk))),
                }
            }
            Some(Err(error)) => {
                Poll::Ready(Some(Err(SourceFailed(error.kind(), error.message().to_owned()))))
            }
            None => match self.size {
                Some(size) if self.sent < size => {
                    let message = format!("the source ended after {} bytes, {size} were declared", self.sent);
                    Poll::Ready(Some(Err(SourceFailed(ErrorKind::Local, message))))
                }
                _ => Poll::Ready(None),
            },
        }
    }
}

/// Bytes in memory, handed out piece by piece.
pub(crate) struct Pieces(pub(crate) Bytes);

impl Stream for Pieces {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let size = self.0.len().min(PIECE);
        Poll::Ready((size > 0).then(|| Ok(self.0.split_to(size))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    fn incoming(content: &Bytes, chunk: usize) -> Incoming {
        let chunks: Vec<_> =
            content.chunks(chunk).map(Bytes::copy_from_slice).map(std::io::Result::Ok).collect();
        let body = reqwest::Body::wrap_stream(stream::iter(chunks));
        Incoming::new(http::Response::new(body).into(), Duration::from_secs(1), None)
    }

    #[tokio::test]
    async fn what_was_looked_at_is_delivered_to_the_last_byte() {
        for size in [0, 1, 63, 64, 65, 65_535, 65_536, 65_537, 320_003] {
            let content: Bytes = (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect();
            for chunk in [7, 1000, 65_536, 70_000, 400_000] {
                for count in [1, 64, 64 * 1024] {
                    let mut incoming = incoming(&content, chunk);
                    let (ahead, whole) = incoming.read_ahead(count).await.unwrap();
                    assert_eq!(ahead, content[..ahead.len()]);
                    assert_eq!(whole, size < count, "{size} {chunk} {count}");
                    let delivered: Vec<Bytes> = incoming.map(Result::unwrap).collect().await;
                    assert!(delivered.concat() == content, "{size} {chunk} {count}");
                }
            }
        }
    }
}
