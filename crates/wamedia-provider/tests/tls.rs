//! Trust in the system's certificates, which no origin of the configuration decides on.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use wamedia_core::{Budget, ErrorKind};
use wamedia_provider::{
    Api, HostRules, Lookup, NetworkOptions, NetworkSettings, Origin, Problems, Request, Resolver,
    TransportOptions,
};

const NAME: &str = "content.test";

#[derive(Debug)]
struct Here(SocketAddr);

impl Resolver for Here {
    fn lookup(&self, _: &str) -> Lookup {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }

    fn accepts(&self, _: IpAddr) -> bool {
        true
    }
}

/// The system's certificates are those of a variable, which only a process of its own can have.
#[test]
fn https_content_is_trusted_although_every_configured_origin_is_plain() {
    let (certificate, key) = certificate();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.as_bytes()).unwrap();
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    keys.write_all(key.as_bytes()).unwrap();
    let run = |trusted: &std::path::Path| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "fetches_over_https", "--ignored", "--nocapture"])
            .env("SSL_CERT_FILE", trusted)
            .env("TEST_CERTIFICATE", file.path())
            .env("TEST_KEY", keys.path())
            .output()
            .unwrap()
    };
    let good = run(file.path());
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let other = tempfile::NamedTempFile::new().unwrap();
    other.as_file().write_all(certificate_of("other.test").0.as_bytes()).unwrap();
    let bad = run(other.path());
    assert!(String::from_utf8_lossy(&bad.stderr).contains("no trusted connection"), "it trusts anybody");
}

#[tokio::test]
#[ignore = "runs in a process of its own, with the certificates of the test above"]
async fn fetches_over_https() {
    let read = |name: &str| std::fs::read_to_string(std::env::var(name).unwrap()).unwrap();
    let address = serve(&read("TEST_CERTIFICATE"), &read("TEST_KEY")).await;
    let mut options = TransportOptions::default();
    options.network = NetworkOptions::default().with_resolver(Arc::new(Here(address)));
    let mut problems = Problems::new("test");
    let hosts =
        NetworkSettings::default().with_base_url("http://127.0.0.1:9").hosts("", &mut problems).unwrap();
    let origin = Origin::parse(&format!("https://{NAME}:{}", address.port())).unwrap();
    let api = Api::new("test", &hosts, HostRules::new([origin.clone()]), &[], options).unwrap();
    let budget = Budget::default();
    for _ in 0..2 {
        let build = |_| Ok(Request::get(origin.join("/x")?));
        match api.content(&budget).send(build, |reply| Ok(reply.text())).await {
            Ok(text) => assert_eq!(text, "content"),
            Err(error) => {
                assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Transport, false));
                panic!("{error:?}");
            }
        }
    }
}

fn certificate() -> (String, String) {
    certificate_of(NAME)
}

fn certificate_of(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

async fn serve(certificate: &str, key: &str) -> SocketAddr {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let reply = b"HTTP/1.1 200 x\r\ncontent-length: 7\r\nconnection: close\r\n\r\ncontent";
            let _ = stream.write_all(reply).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}
