//! Plain fixtures replayed by wiremock, behind a small TLS proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::matching::{Body, Received};
use crate::script::ExpectedExchange;
use crate::{TestNet, fake_server, tls};

/// What wiremock saw, and what it did not expect.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) received: Vec<Received>,
    pub(crate) problems: Vec<String>,
}

/// One catch-all mock that walks the exchanges in strict order.
struct Walk {
    exchanges: Vec<ExpectedExchange>,
    seen: Arc<Mutex<Seen>>,
}

impl Respond for Walk {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let target = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        let text = |value: &http_value::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> =
            request.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let host = request.headers.get("host").map(text).unwrap_or_default();
        let received = Received {
            origin: format!("https://{host}"),
            method: request.method.to_string(),
            target,
            headers,
            body: request.body.clone(),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let exchange = self.exchanges.get(seen.received.len());
        let verdict = exchange.ok_or_else(|| "nothing more was expected".to_owned()).and_then(|exchange| {
            received
                .check_always()
                .and_then(|()| received.check(&exchange.origin, &exchange.request, Body::Whole))
        });
        seen.received.push(received);
        let number = seen.received.len();
        match (verdict, exchange) {
            (Ok(()), Some(exchange)) => {
                let mut template =
                    ResponseTemplate::new(exchange.reply.status).set_body_bytes(exchange.reply.body.to_vec());
                for (name, value) in &exchange.reply.headers {
                    template = template.insert_header(name.as_str(), value.as_str());
                }
                template
            }
            (verdict, _) => {
                seen.problems.push(format!("request {number}: {}", verdict.err().unwrap_or_default()));
                ResponseTemplate::new(599)
            }
        }
    }
}

use wiremock::http as http_value;

/// Serves the exchanges by wiremock while `work` runs against them.
pub(crate) async fn with_wiremock<T, F: Future<Output = T>>(
    exchanges: Vec<ExpectedExchange>,
    clock: SystemTime,
    work: impl FnOnce(TestNet) -> F,
) -> io::Result<(T, Seen)> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let names: Vec<String> = exchanges
        .iter()
        .filter_map(|exchange| exchange.origin.split("://").nth(1))
        .map(ToOwned::to_owned)
        .collect();
    // Not `MockServer::start()`: pooled servers keep answering after they are dropped.
    let server = MockServer::builder().start().await;
    Mock::given(any()).respond_with(Walk { exchanges, seen: Arc::clone(&seen) }).mount(&server).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let proxy =
        tokio::spawn(forward(listener, *server.address(), tls::acceptor(&names, tls::Certificate::Good)));
    let transport = fake_server::transport(address, clock, fake_server::Options::default());
    let outcome = work(TestNet::new(transport)).await;
    proxy.abort();
    // Dropping a server with an exhausted cooperative budget can hang for ever.
    tokio::task::yield_now().await;
    drop(server);
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((outcome, seen))
}

async fn forward(listener: TcpListener, to: SocketAddr, acceptor: tokio_rustls::TlsAcceptor) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            let mut inside = acceptor.accept(stream).await?;
            let mut outside = TcpStream::connect(to).await?;
            tokio::io::copy_bidirectional(&mut inside, &mut outside).await
        });
    }
}
