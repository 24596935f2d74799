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
    /// Who sends it, as errors name it.
    host: Option<String>,
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
            host: None,
        }
    }

    /// Says who sends it; errors name the host.
    pub(crate) fn name_host(&mut self, host: String) {
        self.host = Some(host);
    }

    fn located(&self, error: Error) -> Error {
        match &self.host {
            Some(host) => error.with_host(host),
            None => error,
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
        Poll::Ready(Some(Err(self.located(Error::new(kind, message).with_phase(Phase::Body)))))
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
                Poll::Ready(Some(Err(self.located(convert(error, Phase::Body)))))
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

    /// Chunks of this size, each after a pause in seconds.
    fn paused(
        pauses: impl IntoIterator<Item = u64>,
        size: usize,
    ) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        stream::iter(pauses.into_iter().collect::<Vec<_>>()).then(move |pause| async move {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Ok(Bytes::from(vec![1; size]))
        })
    }

    /// The bytes that arrive, the seconds that pass, and the error at the end, if there is one.
    async fn received(
        chunks: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        idle: u64,
        min_rate: Option<u64>,
    ) -> (usize, u64, Option<Error>) {
        let started = Instant::now();
        let response = http::Response::new(reqwest::Body::wrap_stream(chunks)).into();
        let mut incoming = Incoming::new(response, Duration::from_secs(idle), min_rate);
        incoming.name_host("media.test".to_owned());
        let (mut bytes, mut failed) = (0, None);
        while let Some(item) = incoming.next().await {
            match item {
                Ok(chunk) => bytes += chunk.len(),
                Err(error) => failed = Some(error),
            }
        }
        (bytes, started.elapsed().as_secs(), failed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_a_timeout_and_each_chunk_begins_the_wait_again() {
        let (bytes, seconds, failed) = received(paused([9, 9, 9], 5), 10, None).await;
        assert_eq!((bytes, seconds), (15, 27));
        assert!(failed.is_none());
        let (bytes, seconds, failed) = received(paused([9, 60], 5), 10, None).await;
        let failed = failed.unwrap();
        assert_eq!((bytes, seconds, failed.kind()), (5, 19, ErrorKind::Timeout));
        assert_eq!((failed.phase(), failed.message()), (Some(Phase::Body), "the body stopped coming in"));
        assert_eq!(failed.host(), Some("media.test"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_minimum_rate_is_asked_of_every_ten_seconds() {
        let exact = received(paused([1; 30], 100), 60, Some(100)).await;
        assert_eq!((exact.0, exact.1), (3000, 30));
        assert!(exact.2.is_none(), "exactly the minimum is enough");
        let slow = received(paused([1; 30], 99), 60, Some(100)).await;
        assert_eq!((slow.0, slow.1), (9 * 99, 10));
        assert_eq!(slow.2.unwrap().kind(), ErrorKind::Timeout);
        assert!(received(paused([1; 30], 1), 60, None).await.2.is_none(), "no minimum was set");
        // What came fast before does not pay for what comes slowly now.
        let later = paused([1; 10], 1000).chain(paused([1; 20], 10));
        let later = received(later, 60, Some(100)).await;
        assert_eq!((later.0, later.1), (10_000 + 90, 20));
        assert_eq!(later.2.unwrap().message(), "the body comes in more slowly than the minimum rate");
    }

    #[tokio::test]
    async fn a_capped_body_says_whether_it_went_on() {
        let content = Bytes::from_static(b"0123456789");
        for (cap, is_cut) in [(0, true), (4, true), (9, true), (10, false), (11, false)] {
            let (read, more) = read_capped(&mut incoming(&content, 4), cap).await.unwrap();
            assert_eq!((&read[..], more), (&content[..cap.min(10)], is_cut), "{cap}");
        }
    }

    fn outgoing(size: Option<u64>, progress: &Progress) -> Outgoing {
        let source = paused([6, 6], 5).map(|chunk| chunk.map_err(|_| unreachable!()));
        Outgoing::new(Box::pin(source), size, progress.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_must_have_the_declared_size() {
        let sent = async |size| {
            let (mut body, mut items) = (outgoing(size, &Progress::new()), Vec::new());
            // Whoever sends a body stops at its first error.
            while let Some(item) = body.next().await {
                items.push(item.map(|chunk| chunk.len()).map_err(|failed| failed.1));
                if items.last().is_some_and(Result::is_err) {
                    break;
                }
            }
            items
        };
        let whole: Vec<Result<usize, String>> = sent(None).await;
        assert_eq!(whole, [Ok(5), Ok(5)]);
        assert_eq!(sent(Some(10)).await, whole);
        let more = "the source has 10 bytes or more, 9 were declared";
        assert_eq!(sent(Some(9)).await, [Ok(5), Err(more.to_owned())]);
        let fewer = "the source ended after 10 bytes, 11 were declared";
        assert_eq!(sent(Some(11)).await, [Ok(5), Ok(5), Err(fewer.to_owned())]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_stalls_when_its_source_gives_nothing() {
        let (started, progress) = (Instant::now(), Progress::new());
        let body = outgoing(None, &progress).count();
        let stalled = async {
            progress.stalled(Duration::from_secs(10)).await;
            started.elapsed().as_secs()
        };
        // Chunks after 6 and 12 seconds, then nothing.
        assert_eq!(tokio::join!(body, stalled), (2, 22));
    }

    #[tokio::test]
    async fn bytes_in_memory_go_out_in_pieces_of_64_kib() {
        for (size, pieces) in [(0, &[][..]), (65_536, &[65_536]), (131_073, &[65_536, 65_536, 1])] {
            let sizes = Pieces(Bytes::from(vec![1; size])).map(|piece| piece.unwrap().len());
            assert_eq!(sizes.collect::<Vec<_>>().await, pieces);
        }
    }
}
