use std::error::Error as _;
use std::sync::{Arc, OnceLock};

use url::Url;
use wamedia_core::{Error, ErrorKind, Phase, Result};

use crate::network::PublicResolver;
use crate::{Origin, TransportOptions};

/// The HTTP clients: one, or two where https may never be needed.
pub(crate) struct Clients {
    first: reqwest::Client,
    /// For https, where the first client was made for plain servers alone. It is made when it is first needed:
    /// loading the system's certificates costs milliseconds.
    secure: Option<(Box<PublicResolver>, OnceLock<reqwest::Client>)>,
}

impl Clients {
    /// TLS is prepared here when an origin with https is configured, or none (the vendor's own have https);
    /// otherwise at the first request that needs it.
    pub(crate) fn new(options: &TransportOptions, configured: &[Origin]) -> Result<Self> {
        let resolver = PublicResolver::new(&options.network, configured);
        let plain_alone = !configured.is_empty() && configured.iter().all(Origin::is_plain);
        // Given roots cost nothing to load.
        let later = cfg!(feature = "tls") && plain_alone && options.network.roots.is_none();
        let first = build_client(options, resolver.clone(), !later)?;
        let secure = later.then(|| (Box::new(resolver), OnceLock::new()));
        Ok(Self { first, secure })
    }

    /// The client for a URL.
    pub(crate) async fn for_url(&self, url: &Url, options: &TransportOptions) -> Result<reqwest::Client> {
        if cfg!(not(feature = "tls")) && url.scheme() == "https" {
            let why = "this build has no TLS, and the link has https";
            return Err(Error::new(ErrorKind::InvalidRequest, why)
                .with_phase(Phase::Prepare)
                .with_hint("switch on the feature `tls`"));
        }
        let Some((resolver, made)) = &self.secure else { return Ok(self.first.clone()) };
        if url.scheme() != "https" {
            return Ok(self.first.clone());
        }
        if let Some(client) = made.get() {
            return Ok(client.clone());
        }
        // Reading the system's certificates is work for a thread that may block.
        let (options, resolver) = (options.clone(), PublicResolver::clone(resolver));
        let client = tokio::task::spawn_blocking(move || build_client(&options, resolver, true)).await;
        let client = client.map_err(|error| {
            Error::new(ErrorKind::Local, "the runtime ended").with_phase(Phase::Prepare).with_source(error)
        })??;
        Ok(made.get_or_init(|| client).clone())
    }
}

fn build_client(
    options: &TransportOptions,
    resolver: PublicResolver,
    secure: bool,
) -> Result<reqwest::Client> {
    let invalid = |error: reqwest::Error| {
        let no_authority = cannot_trust(&error);
        let what = if no_authority {
            "no certificate authorities were found on this machine, and https needs them"
        } else {
            "the HTTP client cannot be built"
        };
        let built = Error::new(ErrorKind::InvalidRequest, what)
            .with_phase(Phase::Prepare)
            .with_source(error.without_url());
        if !no_authority {
            return built;
        }
        built.with_hint(
            "install the package ca-certificates, name a PEM file in SSL_CERT_FILE, or give the authorities: \
             roots or extra_roots (--ca-file)",
        )
    };
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds a client")]
    let builder = reqwest::Client::builder();
    // Each of these defaults sends or hides something: redirects carry custom credentials along, the
    // referer carries signed links, retries and proxies are invisible.
    let mut builder = builder
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        // The variables of the environment are not looked at.
        .no_proxy()
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .dns_resolver(Arc::new(resolver));
    if let Some(proxy) = &options.network.proxy {
        builder = builder.proxy(proxy.build().map_err(invalid)?);
    }
    #[cfg(feature = "tls")]
    {
        builder = with_tls(builder, options, secure).map_err(invalid)?;
    }
    #[cfg(not(feature = "tls"))]
    let _ = secure;
    // HTTP/1.1 for everything: large bodies cost about half as much CPU as over HTTP/2, whose frames
    // and flow control buy nothing for one body at a time.
    builder = builder.http1_only();
    builder.build().map_err(invalid)
}

/// Whether the machine has no certificate authority at all, as many container images have none.
fn cannot_trust(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    // The client wraps what its TLS library says; the words are all that is left of it.
    causes.map(ToString::to_string).any(|text| text.contains("No CA certificates"))
}

#[cfg(feature = "tls")]
fn with_tls(
    builder: reqwest::ClientBuilder,
    options: &TransportOptions,
    secure: bool,
) -> reqwest::Result<reqwest::ClientBuilder> {
    let builder = builder.tls_backend_rustls();
    let network = &options.network;
    let certificates = |der: &[Vec<u8>]| -> reqwest::Result<Vec<_>> {
        der.iter().map(|der| reqwest::Certificate::from_der(der)).collect()
    };
    let extra = certificates(&network.extra_roots)?;
    match &network.roots {
        Some(roots) => {
            let all = certificates(roots)?.into_iter().chain(extra);
            Ok(builder.tls_certs_only(all))
        }
        // This client never sees https.
        None if !secure => Ok(builder.tls_certs_only([])),
        None => Ok(builder.tls_certs_merge(extra)),
    }
}
