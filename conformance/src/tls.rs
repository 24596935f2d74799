//! A certificate authority for tests, and byte streams over TLS that can be reset.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wamedia_sandbox::http1::Transport;

/// The authority of this process.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    pem: String,
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no names, no problem");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate for self-signed whose issuer has its own name, and newer Pythons want the
        // purpose of an authority to be said.
        params.distinguished_name.push(DnType::CommonName, "wamedia conformance, for tests only");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        let (der, pem) = (certificate.der().to_vec(), certificate.pem());
        Authority { issuer: Issuer::new(params, key), der, pem }
    })
}

/// The certificate that clients of the suite trust, as DER.
pub(crate) fn root() -> Vec<u8> {
    authority().der.clone()
}

/// The same, as PEM.
pub(crate) fn root_pem() -> String {
    authority().pem.clone()
}

/// The certificate of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    Good,
    /// By no authority that anybody trusts.
    SelfSigned,
    /// By the authority, and over.
    Expired,
}

/// Accepts TLS for these names, with such a certificate.
pub(crate) fn acceptor(names: &[String], kind: Certificate) -> TlsAcceptor {
    let trusted = kind != Certificate::SelfSigned;
    let key = KeyPair::generate().expect("a key can be made");
    let mut params = CertificateParams::new(names.to_vec()).expect("host names are names");
    params.use_authority_key_identifier_extension = trusted;
    if kind == Certificate::Expired {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let certificate = if trusted {
        params.signed_by(&key, &authority().issuer).expect("the authority signs")
    } else {
        params.self_signed(&key).expect("a certificate can be made")
    };
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("key and certificate belong together");
    TlsAcceptor::from(Arc::new(config))
}

/// TLS that can still reset the connection under it.
pub(crate) struct Tls(pub(crate) Box<TlsStream<TcpStream>>);

impl Transport for Tls {
    fn prepare_reset(&self) {
        #[allow(
            deprecated,
            reason = "only in later versions of tokio, which name this case `set_zero_linger`"
        )]
        let _ = self.0.get_ref().0.set_linger(Some(std::time::Duration::ZERO));
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
