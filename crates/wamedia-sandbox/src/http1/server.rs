//! The listener and its connections.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::connection::Connection;
use super::message::Exchange;
use super::service::{Limits, Service, Shared, Transport, Wrap};

/// A running server. Dropping it ends its listener and every connection.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
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

    /// Serves HTTPS on this address where there is something that wraps connections in TLS, else plain HTTP.
    pub async fn bind_wrapped(
        address: SocketAddr,
        service: impl Service,
        wrap: Option<Wrap>,
    ) -> io::Result<Self> {
        let Some(wrap) = wrap else { return Self::bind(address, service).await };
        let listener = TcpListener::bind(address).await?;
        let mut server = Self::start(listener, service, Limits::default(), move |stream| wrap(stream))?;
        server.scheme = "https";
        Ok(server)
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
        Ok(Self { address, scheme: "http", shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` or `https://`, and the address.
    pub fn origin(&self) -> String {
        let ip = match self.address.ip() {
            // All addresses: loopback is one of them, and clients take plain http there only.
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("{}://{}", self.scheme, SocketAddr::new(ip, self.address.port()))
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
