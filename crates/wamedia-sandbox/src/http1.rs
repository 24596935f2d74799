//! A small raw HTTP/1.1 server whose answers are scripts of [`Step`]s.
//!
//! It frames nothing on its own: a handler says which bytes to write, when to wait, and how the
//! connection ends. That is what makes short bodies, lies about lengths, stalls and resets possible.
//! Only tokio timers are used, so it also runs under paused time.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Largest request head that is read, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Most request headers that are read.
const MAX_HEADERS: usize = 128;
/// Largest single write, so that a slow reader shows in the outcome.
const WRITE_CHUNK: usize = 256 * 1024;

/// The head of a request as received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Method, as sent.
    pub method: String,
    /// Path and query, as sent: nothing decoded, nothing normalised.
    pub target: String,
    /// Minor HTTP version: 0 or 1.
    pub minor_version: u8,
    /// Headers in the order received, names as sent.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The first header of this name, in any case, when it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// How many headers of this name, in any case, were sent.
    pub fn header_count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name)).count()
    }

    /// The target up to its first `?`.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The target after its first `?`.
    pub fn raw_query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The first query value of this name, percent-decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.raw_query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }
}

/// Percent-decodes, replacing what is not UTF-8.
pub(crate) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A whole request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The head as received.
    pub head: Head,
    /// The body, de-chunked, up to the server's cap.
    pub body: Bytes,
    /// Length of the whole body; larger than `body` when the cap was hit.
    pub body_bytes: u64,
    /// Which connection it came on, counted from zero.
    pub connection: u64,
    /// Which request of the server it is, counted from zero.
    pub number: u64,
}

/// One thing that the server does while it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Writes these bytes.
    Write(Bytes),
    /// Waits; ends the exchange when the client closes meanwhile.
    Sleep(Duration),
    /// Writes one byte, waits, writes the next.
    Drip {
        /// What to write.
        bytes: Bytes,
        /// Pause after each byte.
        every: Duration,
    },
    /// Writes the same bytes many times, in flat memory.
    Repeat {
        /// What to write.
        bytes: Bytes,
        /// How often.
        times: u64,
    },
    /// Does nothing until the client closes.
    Hang,
    /// Resets the connection.
    Reset,
    /// Closes the connection in the orderly way.
    Close,
    /// Waits for the next request on this connection. A script without an end does the same.
    KeepAlive,
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Still being answered.
    Running,
    /// Everything was written.
    Done(u64),
    /// The server reset the connection after so many bytes.
    Reset(u64),
    /// The client closed while the server was waiting.
    ClientClosed(u64),
    /// A write failed.
    WriteError(u64),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Done(n) => write!(f, "done {n}"),
            Self::Reset(n) => write!(f, "reset after {n}"),
            Self::ClientClosed(n) => write!(f, "client closed after {n}"),
            Self::WriteError(n) => write!(f, "write error after {n}"),
        }
    }
}

/// One recorded exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange {
    /// Which connection it came on, counted from zero.
    pub connection: u64,
    /// Which request of the server it was, counted from zero.
    pub number: u64,
    /// The head as received.
    pub head: Head,
    /// Length of the request body.
    pub body_bytes: u64,
    /// When the request was complete, on tokio's clock.
    pub at: Instant,
    /// How it ended.
    pub outcome: Outcome,
}

/// A boxed answer.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Vec<Step>> + Send + 'a>>;

/// What answers requests. Every `Fn(Request) -> impl Future<Output = Vec<Step>>` is one.
pub trait Service: Send + Sync + 'static {
    /// Answers a whole request.
    fn call(&self, request: Request) -> Answer<'_>;

    /// Answers before the body is read; the body is then drained, so that the answer arrives.
    fn early(&self, _head: &Head) -> Option<Vec<Step>> {
        None
    }
}

impl<F, R> Service for F
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Vec<Step>> + Send + 'static,
{
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(self(request))
    }
}

/// A byte stream that the server can talk over.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the coming drop a reset where the transport can do that.
    fn prepare_reset(&self) {}
}

impl Transport for TcpStream {
    fn prepare_reset(&self) {
        // A failure leaves an orderly close, which is the best that is left.
        let _ = self.set_zero_linger();
    }
}

impl Transport for DuplexStream {}

/// Limits of a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// How much of a request body is kept; the rest is read and dropped.
    pub body_bytes: usize,
    /// How many exchanges are remembered.
    pub exchanges: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 256 * 1024 * 1024, exchanges: 10_000 }
    }
}

impl Limits {
    /// Sets how much of a request body is kept.
    #[must_use]
    pub fn with_body_bytes(mut self, body_bytes: usize) -> Self {
        self.body_bytes = body_bytes;
        self
    }
}

struct Shared {
    service: Box<dyn Service>,
    limits: Limits,
    connections: AtomicU64,
    requests: AtomicU64,
    seen: Mutex<VecDeque<Exchange>>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, VecDeque<Exchange>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, number: u64, outcome: &Outcome) {
        if let Some(exchange) = self.seen().iter_mut().rev().find(|exchange| exchange.number == number) {
            exchange.outcome = outcome.clone();
        }
    }
}

/// A running server. Dropping it ends its listener and every connection.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves plain HTTP on this address; port 0 picks a free one.
    pub async fn bind(address: SocketAddr, service: impl Service) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Self::start(listener, service, Limits::default(), |stream| async move { Ok(stream) })
    }

    /// Serves on a listener; `accept` turns each TCP connection into the transport, for example TLS.
    pub fn start<S, A, F>(
        listener: TcpListener,
        service: impl Service,
        limits: Limits,
        accept: A,
    ) -> io::Result<Self>
    where
        S: Transport,
        A: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            service: Box::new(service),
            limits,
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            seen: Mutex::new(VecDeque::new()),
        });
        let task = tokio::spawn(accept_all(listener, Arc::clone(&shared), accept));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` plus the address.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The exchanges so far, oldest first.
    pub fn seen(&self) -> Vec<Exchange> {
        self.shared.seen().iter().cloned().collect()
    }
}

async fn accept_all<S, A, F>(listener: TcpListener, shared: Arc<Shared>, accept: A)
where
    S: Transport,
    A: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    // The set is dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of descriptors, most likely: let some connections end.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let accepting = accept(stream);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    if let Ok(io) = accepting.await {
                        // A broken connection is the client's affair; the exchange has recorded it.
                        let _ = Connection { io, buffer: BytesMut::new(), number, shared }.run().await;
                    }
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

struct Connection<S> {
    io: S,
    buffer: BytesMut,
    number: u64,
    shared: Arc<Shared>,
}

enum End {
    Next,
    Over,
}

impl<S: Transport> Connection<S> {
    async fn run(mut self) -> io::Result<()> {
        while let Some(head) = self.head().await? {
            let number = self.shared.requests.fetch_add(1, Ordering::SeqCst);
            let early = self.shared.service.early(&head);
            let is_early = early.is_some();
            let expects = head.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue"));
            if expects && !is_early {
                self.io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let (steps, body_bytes) = if let Some(steps) = early {
                (steps, 0)
            } else {
                let (body, body_bytes) = self.body(&head, self.shared.limits.body_bytes).await?;
                let connection = self.number;
                let request = Request { head: head.clone(), body, body_bytes, connection, number };
                self.record(&head, number, body_bytes);
                let shared = Arc::clone(&self.shared);
                (shared.service.call(request).await, body_bytes)
            };
            if is_early {
                self.record(&head, number, body_bytes);
            }
            let close = head.minor_version == 0
                || head.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
            let (outcome, end) = self.play(steps, is_early.then_some(&head)).await;
            self.shared.finish(number, &outcome);
            if close || matches!(end, End::Over) {
                let _ = self.io.shutdown().await;
                return Ok(());
            }
        }
        Ok(())
    }

    fn record(&self, head: &Head, number: u64, body_bytes: u64) {
        let mut seen = self.shared.seen();
        if seen.len() >= self.shared.limits.exchanges {
            seen.pop_front();
        }
        seen.push_back(Exchange {
            connection: self.number,
            number,
            head: head.clone(),
            body_bytes,
            at: Instant::now(),
            outcome: Outcome::Running,
        });
    }

    /// Plays a script; with a head, that request's body is drained before the connection ends.
    async fn play(&mut self, steps: Vec<Step>, drain: Option<&Head>) -> (Outcome, End) {
        let mut written = 0;
        for step in steps {
            let played = match step {
                Step::Write(bytes) => self.write(&bytes, &mut written).await,
                Step::Repeat { bytes, times } => {
                    let mut played = Ok(());
                    for _ in 0..times {
                        played = self.write(&bytes, &mut written).await;
                        if played.is_err() {
                            break;
                        }
                    }
                    played
                }
                Step::Sleep(time) => self.wait(Some(time)).await,
                Step::Hang => self.wait(None).await,
                Step::Drip { bytes, every } => {
                    let mut played = Ok(());
                    for at in 0..bytes.len() {
                        played = self.write(&bytes[at..=at], &mut written).await;
                        if played.is_ok() {
                            played = self.wait(Some(every)).await;
                        }
                        if played.is_err() {
                            break;
                        }
                    }
                    played
                }
                Step::Reset => {
                    let _ = self.io.flush().await;
                    self.io.prepare_reset();
                    return (Outcome::Reset(written), End::Over);
                }
                Step::Close => {
                    let _ = self.io.flush().await;
                    if let Some(head) = drain {
                        let _ = self.body(head, 0).await;
                    }
                    return (Outcome::Done(written), End::Over);
                }
                Step::KeepAlive => break,
            };
            match played {
                Ok(()) => {}
                Err(Gone::Closed) => return (Outcome::ClientClosed(written), End::Over),
                Err(Gone::Write) => return (Outcome::WriteError(written), End::Over),
            }
        }
        let _ = self.io.flush().await;
        if let Some(head) = drain {
            if self.body(head, 0).await.is_err() {
                return (Outcome::Done(written), End::Over);
            }
        }
        (Outcome::Done(written), End::Next)
    }

    async fn write(&mut self, bytes: &[u8], written: &mut u64) -> Result<(), Gone> {
        for chunk in bytes.chunks(WRITE_CHUNK) {
            let mut at = 0;
            while at < chunk.len() {
                match self.io.write(&chunk[at..]).await {
                    Ok(0) | Err(_) => return Err(Gone::Write),
                    Ok(n) => {
                        at += n;
                        *written += n as u64;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for the time, or for ever, while watching for the client's close.
    async fn wait(&mut self, time: Option<Duration>) -> Result<(), Gone> {
        if self.io.flush().await.is_err() {
            return Err(Gone::Write);
        }
        let until = time.map(|time| Instant::now() + time);
        loop {
            let read = self.io.read_buf(&mut self.buffer);
            let read = match until {
                Some(until) => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(until) => return Ok(()),
                    read = read => read,
                },
                None => read.await,
            };
            match read {
                Ok(0) | Err(_) => return Err(Gone::Closed),
                // The next request, sent early: it stays in the buffer.
                Ok(_) if self.buffer.len() > MAX_HEAD => return Err(Gone::Closed),
                Ok(_) => {}
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.io.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut parser = httparse::Request::new(&mut headers);
            let parsed = match parser.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let head = Head {
                        method: parser.method.unwrap_or_default().to_owned(),
                        target: parser.path.unwrap_or_default().to_owned(),
                        minor_version: parser.version.unwrap_or(1),
                        headers: parser
                            .headers
                            .iter()
                            .map(|header| (header.name.to_owned(), header.value.to_vec()))
                            .collect(),
                    };
                    Some((length, head))
                }
                Ok(httparse::Status::Partial) if self.buffer.len() > MAX_HEAD => {
                    return self.refuse("431 Request Header Fields Too Large").await;
                }
                Ok(httparse::Status::Partial) => None,
                Err(httparse::Error::TooManyHeaders) => {
                    return self.refuse("431 Request Header Fields Too Large").await;
                }
                Err(_) => return self.refuse("400 Bad Request").await,
            };
            if let Some((length, head)) = parsed {
                self.buffer.advance(length);
                return Ok(Some(head));
            }
            if self.buffer.is_empty() && self.buffer.capacity() < 8 * 1024 {
                self.buffer.reserve(8 * 1024);
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn refuse(&mut self, status: &str) -> io::Result<Option<Head>> {
        let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        self.io.write_all(reply.as_bytes()).await?;
        self.io.shutdown().await?;
        Ok(None)
    }

    /// Reads the body, keeps at most `cap` bytes of it, and says how long it was.
    async fn body(&mut self, head: &Head, cap: usize) -> io::Result<(Bytes, u64)> {
        let chunked =
            head.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
        let mut kept = BytesMut::new();
        let mut total = 0;
        if !chunked {
            let length = head.header("content-length").and_then(|v| v.trim().parse().ok()).unwrap_or(0);
            self.take(length, &mut kept, cap).await?;
            return Ok((kept.freeze(), length));
        }
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = u64::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if length == 0 {
                while !self.line().await?.is_empty() {}
                return Ok((kept.freeze(), total));
            }
            self.take(length, &mut kept, cap).await?;
            total += length;
            self.line().await?;
        }
    }

    async fn take(&mut self, mut length: u64, kept: &mut BytesMut, cap: usize) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.buffer.reserve(64 * 1024);
                self.fill().await?;
            }
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            let keep = here.min(cap.saturating_sub(kept.len()));
            kept.extend_from_slice(&self.buffer[..keep]);
            self.buffer.advance(here);
            length -= here as u64;
        }
        Ok(())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.fill().await?;
        }
    }
}

enum Gone {
    Closed,
    Write,
}
