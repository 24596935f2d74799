//! A proxy sees where https goes and nothing else; further roots are trusted besides the others.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use wamedia_core::{Budget, Error, ErrorKind, Limits, Secret};
use wamedia_provider::{
    Api, Credential, HostRules, Lookup, NetworkSettings, Origin, Problems, Proxy, Request, Resolver,
    TransportOptions,
};

const TARGET: &str = "content.test";
const PASSWORD: &str = "TEST-proxy-password";
const TOKEN: &str = "TEST-canary-of-the-api";

/// Knows the proxy's name alone, and that on loopback.
#[derive(Debug)]
struct ProxyAlone;

impl Resolver for ProxyAlone {
    fn lookup(&self, name: &str) -> Lookup {
        let known = name == "proxy.test";
        Box::pin(async move {
            let found = known.then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
            found.map(|address| vec![address]).ok_or_else(|| std::io::Error::other("there is no such name"))
        })
    }

    fn accepts(&self, _: IpAddr) -> bool {
        false
    }
}

/// What a server was sent: the heads of its requests.
type Heads = Arc<Mutex<Vec<String>>>;

async fn read_head(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {}
    head
}

/// A server of https, and its certificate as PEM.
async fn target() -> (SocketAddr, String, Heads) {
    let made = rcgen::generate_simple_self_signed([TARGET.to_owned()]).unwrap();
    let pem = made.cert.pem();
    let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut stream = BufReader::new(stream);
            let head = read_head(&mut stream).await;
            seen.lock().unwrap().push(head);
            let reply = b"HTTP/1.1 200 x\r\ncontent-length: 7\r\nconnection: close\r\n\r\ncontent";
            let _ = stream.write_all(reply).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, pem, heads)
}

/// A proxy that leads every name to `target`, or refuses.
async fn proxy(target: Option<SocketAddr>) -> (u16, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, heads) = (listener.local_addr().unwrap().port(), Heads::default());
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let head = read_head(&mut stream).await;
            seen.lock().unwrap().push(head);
            let Some(target) = target else {
                let _ = stream.write_all(b"HTTP/1.1 407 x\r\ncontent-length: 0\r\n\r\n").await;
                continue;
            };
            let _ = stream.write_all(b"HTTP/1.1 200 x\r\n\r\n").await;
            let mut upstream = TcpStream::connect(target).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut upstream).await;
        }
    });
    (port, heads)
}

/// Asks `origin` once, with a token and through a proxy.
async fn ask(
    origin: &Origin,
    base_url: Option<&str>,
    proxy: Proxy,
    pem: Option<&str>,
) -> Result<String, Error> {
    let mut options = TransportOptions::default();
    options.network = options.network.with_resolver(Arc::new(ProxyAlone)).with_proxy(proxy);
    if let Some(pem) = pem {
        options.network = options.network.with_extra_roots_pem(pem.as_bytes()).unwrap();
    }
    let base_url = base_url.map(ToOwned::to_owned);
    let settings = NetworkSettings { base_url, ..NetworkSettings::default() };
    let hosts = settings.hosts("https://api.test", &mut Problems::new("test")).unwrap();
    let token = Credential::new(TOKEN.into(), [origin.clone()]);
    let api = Api::new("test", &hosts, HostRules::new([origin.clone()]), &[TOKEN.into()], options)?;
    let mut limits = Limits::default();
    limits.max_attempts = 1;
    let budget = Budget::new(limits);
    let build = |_| Ok(Request::get(origin.join("/x")?).bound(token.bearer()?));
    api.content(&budget).send(build, |reply| Ok(reply.text())).await
}

fn proxy_at(port: u16) -> Proxy {
    Proxy::new(&Secret::new(format!("http://user:{PASSWORD}@proxy.test:{port}"))).unwrap()
}

#[tokio::test]
async fn https_goes_through_it_and_neither_side_sees_the_secrets_of_the_other() {
    let (address, pem, target_heads) = target().await;
    let (port, proxy_heads) = proxy(Some(address)).await;
    let origin = Origin::parse(&format!("https://{TARGET}")).unwrap();
    assert_eq!(ask(&origin, None, proxy_at(port), Some(&pem)).await.unwrap(), "content");
    let (at_proxy, at_target) = (proxy_heads.lock().unwrap().join(""), target_heads.lock().unwrap().join(""));
    assert!(at_proxy.starts_with("CONNECT content.test:443 HTTP/1.1\r\n"), "{at_proxy}");
    assert!(at_proxy.to_lowercase().contains("proxy-authorization: basic") && !at_proxy.contains(TOKEN));
    assert!(at_target.contains(TOKEN) && !at_target.to_lowercase().contains("proxy-"), "{at_target}");

    let error = ask(&origin, None, proxy_at(port), None).await.unwrap_err();
    assert!(error.message().contains("no trusted connection"), "only further roots trust it: {error}");
}

#[tokio::test]
async fn a_refusal_of_the_proxy_is_told_without_its_password() {
    let (port, _) = proxy(None).await;
    let origin = Origin::parse(&format!("https://{TARGET}")).unwrap();
    let error = ask(&origin, None, proxy_at(port), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.message().contains("proxy") && error.hint().unwrap().contains("--proxy"), "{error:?}");
    assert!(!format!("{error} {error:?} {:?}", proxy_at(port)).contains("password"));
}

#[tokio::test]
async fn plain_http_on_loopback_and_exceptions_do_not_take_it() {
    let (port, heads) = proxy(None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 5\r\n\r\nplain").await;
    });
    let plain = Origin::parse(&base_url).unwrap();
    assert_eq!(ask(&plain, Some(&base_url), proxy_at(port), None).await.unwrap(), "plain");
    let excepted = Origin::parse(&format!("https://{TARGET}")).unwrap();
    let error = ask(&excepted, None, proxy_at(port).with_exceptions(".test"), None).await.unwrap_err();
    assert!(error.message().contains("no such name"), "it is looked up here: {error}");
    assert!(heads.lock().unwrap().is_empty(), "{heads:?}");
}

#[test]
fn what_holds_no_certificate_is_refused() {
    for pem in ["", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let error = TransportOptions::default().network.with_extra_roots_pem(pem.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
}
