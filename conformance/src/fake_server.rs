//! The fake server, in the runtime of its case: TLS, real host names, strict order, paused time.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use wamedia_provider::{Lookup, NetworkOptions, Resolver, TransportOptions};
use wamedia_sandbox::http1::{Answer, Exchange, Head, Limits, Request, Response, Server, Service, Step};

use crate::matching::{Body, Received};
use crate::mutations::{Proxy, Tampering};
use crate::script::ExpectedExchange;
use crate::tls::{self, Certificate, Tls};
use crate::{TestClock, TestNet};

/// What the server saw, and what it did not expect.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) received: Vec<Received>,
    pub(crate) problems: Vec<String>,
    next: usize,
}

/// A running server.
pub(crate) struct FakeServer {
    server: Server,
    log: Arc<Mutex<Log>>,
    /// The tampering proxy in front of the server, for mutations on the wire.
    proxy: Option<Server>,
    clock: SystemTime,
    options: Options,
}

/// How names and certificates behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) certificate: Certificate,
    /// The certificate is for other names.
    pub(crate) misnamed: bool,
    /// All names lead to this address, and no caller accepts it.
    pub(crate) inside: Option<IpAddr>,
    /// The time of day advances with the runtime's time.
    pub(crate) ticking: bool,
    /// The TLS handshake is never answered.
    pub(crate) silent: bool,
    /// Requests may come in any order; each exchange is still taken once.
    pub(crate) any_order: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            certificate: Certificate::Good,
            misnamed: false,
            inside: None,
            ticking: false,
            silent: false,
            any_order: false,
        }
    }
}

impl FakeServer {
    /// Serves the exchanges over TLS; with a mutation on the wire, behind the proxy that makes it.
    pub(crate) async fn start(
        exchanges: Vec<ExpectedExchange>,
        clock: SystemTime,
        options: Options,
        tampering: Option<Tampering>,
    ) -> io::Result<Self> {
        // Where an exchange is repeated, so are the redirects that lead to it.
        let group = exchanges.last().map_or(0, ExpectedExchange::requests);
        let exchanges: Vec<_> = exchanges
            .into_iter()
            .flat_map(|exchange| [exchange.redirects.clone(), vec![exchange]].concat())
            .collect();
        let hosts: BTreeSet<String> = exchanges
            .iter()
            .filter_map(|row| row.origin.split("://").nth(1))
            .map(ToOwned::to_owned)
            .collect();
        let names =
            if options.misnamed { vec!["other.test".to_owned()] } else { hosts.into_iter().collect() };
        let acceptor = tls::acceptor(&names, options.certificate);
        let log = Arc::new(Mutex::new(Log::default()));
        let taken = Mutex::new(vec![false; exchanges.len()]);
        let script = Script { log: Arc::clone(&log), exchanges, group, any_order: options.any_order, taken };
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (server, proxy) = match tampering.filter(|tampering| tampering.mutation.is_on_the_wire()) {
            None => (over_tls(script, acceptor, options.silent).await?, None),
            Some(tampering) => {
                let server = Server::bind(loopback, script).await?;
                let proxy = Proxy { tampering, server: server.address() };
                (server, Some(over_tls(proxy, acceptor, options.silent).await?))
            }
        };
        Ok(Self { server, log, proxy, clock, options })
    }

    /// The network that leads to this server, whatever the name.
    pub(crate) fn net(&self) -> TestNet {
        TestNet::new(transport(self.entry().address(), self.clock, self.options))
    }

    pub(crate) fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the client connects to.
    fn entry(&self) -> &Server {
        self.proxy.as_ref().unwrap_or(&self.server)
    }

    /// How many connections the client has made.
    pub(crate) fn connections(&self) -> u64 {
        self.entry().connections()
    }

    /// The exchanges so far, with how each ended.
    pub(crate) fn seen(&self) -> Vec<Exchange> {
        self.entry().seen()
    }
}

async fn over_tls(service: impl Service, acceptor: TlsAcceptor, silent: bool) -> io::Result<Server> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Server::start(listener, service, Limits::default(), move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if silent {
                std::future::pending::<()>().await;
            }
            Ok(Tls(Box::new(acceptor.accept(stream).await?)))
        }
    })
}

/// Transport options whose names all lead to `address`.
pub(crate) fn transport(address: SocketAddr, start: SystemTime, options: Options) -> TransportOptions {
    let ticking_since = options.ticking.then(tokio::time::Instant::now);
    let mut transport = TransportOptions::default();
    let resolver: Arc<dyn Resolver> = match options.inside {
        None => Arc::new(FixedResolver(address)),
        Some(inside) => Arc::new(InsideResolver(SocketAddr::new(inside, address.port()))),
    };
    transport.network = NetworkOptions::default()
        .with_clock(Arc::new(TestClock { start, ticking_since }))
        .with_resolver(resolver)
        .with_roots([tls::root()]);
    transport
}

/// Every name leads to one address, as for a caller whose own names lead to such addresses.
#[derive(Debug)]
struct FixedResolver(SocketAddr);

impl Resolver for FixedResolver {
    fn lookup(&self, _: &str) -> Lookup {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }

    fn accepts(&self, _: IpAddr) -> bool {
        true
    }
}

/// Every name leads to one address; the client decides whether it accepts that.
#[derive(Debug)]
struct InsideResolver(SocketAddr);

impl Resolver for InsideResolver {
    fn lookup(&self, _: &str) -> Lookup {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// The exchanges of a case, answered one after the other.
struct Script {
    log: Arc<Mutex<Log>>,
    exchanges: Vec<ExpectedExchange>,
    /// The last exchange and the redirects that lead to it: so many at the end.
    group: usize,
    any_order: bool,
    taken: Mutex<Vec<bool>>,
}

impl Service for Script {
    fn call(&self, request: Request) -> Answer<'_> {
        let steps = self.answer(&request.head, &request.body, true);
        Box::pin(async move { steps })
    }

    fn early(&self, head: &Head) -> Option<Vec<Step>> {
        let next = self.log.lock().unwrap_or_else(PoisonError::into_inner).next;
        let early = self.exchanges.get(next).is_some_and(|exchange| exchange.early);
        early.then(|| self.answer(head, &[], false))
    }
}

impl Script {
    fn answer(&self, head: &Head, body: &[u8], whole: bool) -> Vec<Step> {
        let received = Received::new(head, body);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let exchange = self.exchange(log.next, &received);
        let verdict = match exchange {
            None => Err("nothing more was expected".to_owned()),
            Some(exchange) => received.check_always().and_then(|()| {
                let body = if whole { Body::Whole } else { Body::Unread };
                received.check(&exchange.origin, &exchange.request, body)
            }),
        };
        log.next += 1;
        let number = log.next;
        log.received.push(received);
        match (verdict, exchange) {
            (Ok(()), Some(exchange)) => exchange.reply.clone().into_steps(),
            (Err(why), exchange) => {
                let id = exchange.map_or("none", |exchange| exchange.id.as_str());
                log.problems.push(format!("request {number} (expected: {id}): {why}"));
                // A status that no vendor sends, so that no client takes it for an answer.
                Response::new(599).body("unexpected request").into_steps()
            }
            (Ok(()), None) => vec![Step::Close],
        }
    }

    /// What answers every further request, if anything does.
    fn repeated(&self) -> Option<&[ExpectedExchange]> {
        let is_forever = self.exchanges.last().is_some_and(|exchange| exchange.forever);
        is_forever.then(|| &self.exchanges[self.exchanges.len() - self.group..])
    }

    fn exchange(&self, number: usize, received: &Received) -> Option<&ExpectedExchange> {
        if !self.any_order {
            let repeated = || {
                let group = self.repeated()?;
                group.get((number - self.exchanges.len()) % group.len())
            };
            return self.exchanges.get(number).or_else(repeated);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |exchange: &ExpectedExchange| {
            received.check(&exchange.origin, &exchange.request, Body::Whole).is_ok()
        };
        let index =
            self.exchanges.iter().enumerate().position(|(index, exchange)| !taken[index] && fits(exchange));
        let Some(index) = index else {
            return self.repeated()?.iter().find(|exchange| fits(exchange));
        };
        taken[index] = true;
        self.exchanges.get(index)
    }
}
