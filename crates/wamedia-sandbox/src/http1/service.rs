//! What a server is made of: what answers, what it talks over, and what its connections share.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

use super::message::{Exchange, Head, Outcome, Request, Step};

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
        // Later versions of tokio name this case `set_zero_linger`; the least that is allowed does not have it.
        #[allow(deprecated, reason = "only in later versions")]
        let _ = self.set_linger(Some(std::time::Duration::ZERO));
    }
}

impl Transport for DuplexStream {}

impl Transport for Box<dyn Transport> {
    fn prepare_reset(&self) {
        (**self).prepare_reset();
    }
}

/// A connection that is being wrapped.
pub type Wrapped = Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send>>;

/// Turns each TCP connection into what the server talks over: TLS.
pub type Wrap = Arc<dyn Fn(TcpStream) -> Wrapped + Send + Sync>;

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

pub(super) struct Shared {
    pub(super) service: Box<dyn Service>,
    pub(super) limits: Limits,
    pub(super) connections: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) seen: Mutex<VecDeque<Exchange>>,
}

impl Shared {
    pub(super) fn seen(&self) -> MutexGuard<'_, VecDeque<Exchange>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn finish(&self, number: u64, outcome: &Outcome) {
        if let Some(exchange) = self.seen().iter_mut().rev().find(|exchange| exchange.number == number) {
            exchange.outcome = outcome.clone();
        }
    }
}
