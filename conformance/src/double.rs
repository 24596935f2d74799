//! The fault server in the case's own runtime: TLS, real host names, strict order, paused time.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::net::TcpListener;
use wamedia_provider::{Lookup, Net, Resolver, TransportOptions};
use wamedia_sandbox::http1::{Answer, Head, Limits, Request, Response, Server, Service, Step};

use crate::matching::{Body, Received};
use crate::mutants::Mistake;
use crate::script::Turn;
use crate::tls::{self, Tls};
use crate::{TestClock, TestNet};

/// What the double saw, and what it did not expect.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) received: Vec<Received>,
    pub(crate) problems: Vec<String>,
    next: usize,
}

/// A running double.
pub(crate) struct Double {
    server: Server,
    log: Arc<Mutex<Log>>,
    mistake: Arc<Mutex<Option<Mistake>>>,
    clock: SystemTime,
    options: Options,
}

/// How names and certificates behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) trusted: bool,
    /// The certificate is for other names.
    pub(crate) misnamed: bool,
    /// Names lead to an address that is not permitted.
    pub(crate) inside: bool,
    /// The time of day goes on with the runtime's time.
    pub(crate) ticking: bool,
    /// The TLS handshake is never answered.
    pub(crate) silent: bool,
    /// Requests may come in any order; each turn is still taken once.
    pub(crate) any_order: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trusted: true,
            misnamed: false,
            inside: false,
            ticking: false,
            silent: false,
            any_order: false,
        }
    }
}

impl Double {
    pub(crate) async fn start(turns: Vec<Turn>, clock: SystemTime, options: Options) -> io::Result<Self> {
        let hosts: BTreeSet<String> =
            turns.iter().filter_map(|turn| turn.origin.split("://").nth(1)).map(ToOwned::to_owned).collect();
        let names =
            if options.misnamed { vec!["other.test".to_owned()] } else { hosts.into_iter().collect() };
        let acceptor = tls::acceptor(&names, options.trusted);
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = Arc::clone(&log);
        let taken = Mutex::new(vec![false; turns.len()]);
        let mistake = Arc::new(Mutex::new(None));
        let any_order = options.any_order;
        let service = Script { log: shared, mistake: Arc::clone(&mistake), turns, any_order, taken };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let server = Server::start(listener, service, Limits::default(), move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if options.silent {
                    std::future::pending::<()>().await;
                }
                Ok(Tls(Box::new(acceptor.accept(stream).await?)))
            }
        })?;
        Ok(Self { server, log, mistake, clock, options })
    }

    /// Sees requests and sends replies as a client with this mistake would make and understand them.
    pub(crate) fn make_mistake(&self, mistake: Option<Mistake>) {
        *self.mistake.lock().unwrap_or_else(PoisonError::into_inner) = mistake;
    }

    /// The network that leads to this double, whatever the name.
    pub(crate) fn net(&self) -> TestNet {
        TestNet::new(transport(self.server.address(), self.clock, self.options))
    }

    pub(crate) fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }
}

/// Transport options whose names all lead to `address`.
pub(crate) fn transport(address: SocketAddr, start: SystemTime, options: Options) -> TransportOptions {
    let ticking_since = options.ticking.then(tokio::time::Instant::now);
    let mut net = Net::default()
        .with_clock(Arc::new(TestClock { start, ticking_since }))
        .with_resolver(Arc::new(Everywhere(address)))
        .with_roots(vec![tls::root()]);
    if !options.inside {
        net = net.with_permitted(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let mut transport = TransportOptions::default();
    transport.net = net;
    transport
}

#[derive(Debug)]
struct Everywhere(SocketAddr);

impl Resolver for Everywhere {
    fn lookup(&self, _: &str) -> Lookup {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// The turns of a case, answered one after the other.
struct Script {
    log: Arc<Mutex<Log>>,
    mistake: Arc<Mutex<Option<Mistake>>>,
    turns: Vec<Turn>,
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
        let early = self.turns.get(next).is_some_and(|turn| turn.early);
        early.then(|| self.answer(head, &[], false))
    }
}

impl Script {
    fn answer(&self, head: &Head, body: &[u8], whole: bool) -> Vec<Step> {
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
        let mistake = *self.mistake.lock().unwrap_or_else(PoisonError::into_inner);
        let mut received = Received {
            origin: format!("https://{}", head.header("host").unwrap_or_default()),
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            body: body.to_vec(),
        };
        if let Some(mistake) = mistake {
            mistake.request(&mut received);
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn(log.next, &received);
        let verdict = match turn {
            None => Err("nothing more was expected".to_owned()),
            Some(turn) => received.check_always().and_then(|()| {
                let body = if whole { Body::Whole } else { Body::Unread };
                received.check(&turn.origin, &turn.request, body)
            }),
        };
        log.next += 1;
        let number = log.next;
        log.received.push(received);
        match (verdict, turn) {
            (Ok(()), Some(turn)) => {
                let mut reply = turn.reply.clone();
                if let Some(mistake) = mistake {
                    mistake.reply(&mut reply);
                }
                reply.into_steps()
            }
            (Err(why), turn) => {
                let id = turn.map_or("none", |turn| turn.id.as_str());
                log.problems.push(format!("request {number} (expected: {id}): {why}"));
                // A status that no vendor sends, so that it cannot be taken for an answer.
                Response::new(599).body("unexpected request").into_steps()
            }
            (Ok(()), None) => vec![Step::Close],
        }
    }

    fn turn(&self, number: usize, received: &Received) -> Option<&Turn> {
        if !self.any_order {
            return self.turns.get(number).or_else(|| self.turns.last().filter(|turn| turn.forever));
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |turn: &Turn| received.check(&turn.origin, &turn.request, Body::Whole).is_ok();
        let index = self.turns.iter().enumerate().position(|(index, turn)| !taken[index] && fits(turn));
        let Some(index) = index else { return self.turns.last().filter(|turn| turn.forever && fits(turn)) };
        taken[index] = true;
        self.turns.get(index)
    }
}
