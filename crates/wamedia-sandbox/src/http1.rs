//! A small raw HTTP/1.1 server whose answers are scripts of [`Step`]s.
//!
//! It frames nothing on its own: a handler says which bytes to write, when to wait, and how the
//! connection ends. That is what makes short bodies, lies about lengths, stalls and resets possible.
//! Only tokio timers are used, so it also runs under paused time.

mod connection;
mod response;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use connection::Connection;
pub use response::{Framing, Response};

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
