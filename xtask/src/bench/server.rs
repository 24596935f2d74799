//! The other end of the benchmark: it must cost less than the clients, so it answers from shared bytes.
//!
//! An id is `SIZE-DELAY-NUMBER`: so many bytes, after so many milliseconds before each reply.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Outcome;

/// All content is this long a block, again and again.
const BLOCK: usize = 1024 * 1024;

/// What all connections share.
#[derive(Debug)]
struct State {
    block: Bytes,
    digests: Mutex<HashMap<u64, String>>,
    open: Arc<Gauge>,
    content: Arc<Gauge>,
}

/// How many there are, and how many there were at most.
#[derive(Debug, Default)]
struct Gauge {
    now: AtomicU64,
    most: AtomicU64,
}

impl Gauge {
    fn enter(self: &Arc<Self>) -> Counted {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(now, Relaxed);
        Counted(Arc::clone(self))
    }
}

/// One more for as long as it lives.
struct Counted(Arc<Gauge>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Relaxed);
    }
}

/// `bench-server CA_FILE`: prints `{"http":PORT,"https":PORT}` on its first line and serves until it is stopped.
pub(crate) fn run(ca_file: &Path) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(serve(ca_file)).map_err(|error| error.to_string())
}

async fn serve(ca_file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (acceptor, ca) = tls()?;
    std::fs::write(ca_file, ca)?;
    let (plain, secure) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    println!("{{\"http\":{},\"https\":{}}}", plain.local_addr()?.port(), secure.local_addr()?.port());
    let state = Arc::new(State {
        block: block(),
        digests: Mutex::default(),
        open: Arc::default(),
        content: Arc::default(),
    });
    loop {
        let (socket, acceptor) = tokio::select! {
            accepted = plain.accept() => (accepted?.0, None),
            accepted = secure.accept() => (accepted?.0, Some(acceptor.clone())),
        };
        let state = Arc::clone(&state);
        // A client that goes away is no failure of the server.
        tokio::spawn(async move { drop(connection(socket, acceptor, state).await) });
    }
}

async fn connection(
    socket: TcpStream,
    acceptor: Option<TlsAcceptor>,
    state: Arc<State>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    socket.set_nodelay(true)?;
    let _open = state.open.enter();
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{}", socket.local_addr()?);
    let service = service_fn(move |request| {
        let (state, base) = (Arc::clone(&state), base.clone());
        async move { Ok::<_, Infallible>(answer(request, &base, state).await) }
    });
    // `pipeline_flush` would copy every frame; it stays off.
    let http1 = hyper::server::conn::http1::Builder::new();
    let Some(acceptor) = acceptor else {
        return Ok(http1.serve_connection(TokioIo::new(socket), service).await?);
    };
    let stream = acceptor.accept(socket).await?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        return Ok(http2.serve_connection(TokioIo::new(stream), service).await?);
    }
    Ok(http1.serve_connection(TokioIo::new(stream), service).await?)
}

async fn answer(request: Request<Incoming>, base: &str, state: Arc<State>) -> Response<Content> {
    let path = request.uri().path();
    if path == "/stats" {
        let (open, content) = (state.open.most.load(Relaxed), state.content.most.load(Relaxed));
        state.open.most.store(0, Relaxed);
        state.content.most.store(0, Relaxed);
        return json(&format!("{{\"open\":{open},\"content\":{content}}}"));
    }
    if request.method() == Method::POST {
        let mut body = request.into_body();
        while std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.is_some() {}
        return json("{\"id\":\"1\"}");
    }
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut numbers = id.split('-').map(|number| number.parse::<u64>().unwrap_or_default());
    let (size, delay) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if path.starts_with("/content/") {
        let counted = Some(state.content.enter());
        return reply("image/jpeg", Content { block: state.block.clone(), left: size, _counted: counted });
    }
    let digest = digest(&state, size);
    json(&format!(
        "{{\"url\":\"{base}/content/{id}\",\"sha256\":\"{digest}\",\"file_size\":{size},\"mime_type\":\"image/jpeg\",\"id\":\"{id}\"}}"
    ))
}

fn digest(state: &State, size: u64) -> String {
    let mut digests = state.digests.lock().unwrap_or_else(PoisonError::into_inner);
    let made = digests.entry(size).or_insert_with(|| {
        let mut hash = Sha256::new();
        let mut left = size;
        while left > 0 {
            let some = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
            hash.update(&state.block[..some]);
            left -= some as u64;
        }
        wamedia_core::hex(&hash.finalize())
    });
    made.clone()
}

fn json(text: &str) -> Response<Content> {
    let block = Bytes::copy_from_slice(text.as_bytes());
    reply("application/json", Content { left: block.len() as u64, block, _counted: None })
}

fn reply(kind: &'static str, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// A picture as far as its first bytes tell; the rest has no pattern that anybody could profit from.
fn block() -> Bytes {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0xff, 0xd8, 0xff, 0xe0];
    while block.len() < BLOCK {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        block.extend_from_slice(&word.to_le_bytes());
    }
    block.truncate(BLOCK);
    block.into()
}

/// A body from shared bytes.
struct Content {
    block: Bytes,
    left: u64,
    _counted: Option<Counted>,
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let some = usize::try_from(self.left).map_or(self.block.len(), |left| left.min(self.block.len()));
        self.left -= some as u64;
        let block = &self.block;
        Poll::Ready((some > 0).then(|| Ok(Frame::data(block.slice(..some)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A certificate authority made for this run, and the certificate that it signed for this address; both protocols are offered.
fn tls() -> Result<(TlsAcceptor, String), Box<dyn std::error::Error>> {
    let ca_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key)?.pem();
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(params, ca_key);
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), ca))
}
