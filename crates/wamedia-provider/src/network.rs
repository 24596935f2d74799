use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use wamedia_core::Clock;

use crate::address::{AddressRefused, is_public};
use crate::proxy::Proxy;
use crate::{Origin, SystemClock};

/// The longest time that an option can ask for. More would overflow the clocks underneath, and means the same.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How a connection is made and how long anything may take. Times beyond a year count as a year.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportOptions {
    /// Time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Time from sending a request (or the last byte of its body) to the head of the reply.
    pub first_byte_timeout: Duration,
    /// Time without a byte in a body.
    pub idle_timeout: Duration,
    /// Time from the head of an API reply to its last byte, however evenly it drips. Content has no such
    /// bound: see `min_rate`, and the deadline of a transfer.
    pub reply_timeout: Duration,
    /// The least rate of a body in bytes per second, measured over ten seconds; `None` for none.
    pub min_rate: Option<u64>,
    /// The longest API reply that is read, in bytes.
    pub max_reply_bytes: usize,
    /// Sent once with every request.
    pub user_agent: String,
    /// Names, certificates and time: the seam for tests.
    pub network: NetworkOptions,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            reply_timeout: Duration::from_secs(60),
            min_rate: None,
            max_reply_bytes: 1024 * 1024,
            user_agent: concat!("wamedia/", env!("CARGO_PKG_VERSION")).to_owned(),
            network: NetworkOptions::default(),
        }
    }
}

impl TransportOptions {
    /// Sets the time for a connection, TLS included.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time from sending a request to the head of the reply.
    #[must_use]
    pub fn with_first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    /// Sets the time without a byte in a body.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets the time from the head of an API reply to its last byte.
    #[must_use]
    pub fn with_reply_timeout(mut self, timeout: Duration) -> Self {
        self.reply_timeout = timeout;
        self
    }

    /// Sets the least rate of a body, in bytes per second.
    #[must_use]
    pub fn with_min_rate(mut self, rate: impl Into<Option<u64>>) -> Self {
        self.min_rate = rate.into();
        self
    }

    /// Sets the longest API reply that is read, in bytes.
    #[must_use]
    pub fn with_max_reply_bytes(mut self, bytes: usize) -> Self {
        self.max_reply_bytes = bytes;
        self
    }

    /// Sets what is sent once with every request.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets names, certificates and time.
    #[must_use]
    pub fn with_network(mut self, network: NetworkOptions) -> Self {
        self.network = network;
        self
    }

    /// The same with every time within what clocks can count.
    pub(crate) fn clamped(mut self) -> Self {
        for time in [
            &mut self.connect_timeout,
            &mut self.first_byte_timeout,
            &mut self.idle_timeout,
            &mut self.reply_timeout,
        ] {
            *time = (*time).min(LONGEST);
        }
        self
    }
}

/// A pending name look-up.
pub type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up. A port that is not zero is used for links that name none.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a name.
    fn lookup(&self, name: &str) -> Lookup;

    /// Whether a name may lead to this address. Public addresses only, unless a resolver says otherwise: one that
    /// knows the names of a private network may accept that network's addresses. Hosts that the caller configured
    /// by name are not asked about.
    fn accepts(&self, address: IpAddr) -> bool {
        is_public(address)
    }
}

/// Where names, trust and time come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// Looks names up.
    pub resolver: Arc<dyn Resolver>,
    /// Certificates (DER) to trust instead of the system's.
    pub roots: Option<Vec<Vec<u8>>>,
    /// Certificates (DER) to trust besides those: of a proxy that opens TLS, for example. Whoever holds the key of one
    /// can read and change everything, credentials among it.
    pub extra_roots: Vec<Vec<u8>>,
    /// The proxy that https requests go through; none unless one is set.
    pub proxy: Option<Proxy>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            roots: None,
            extra_roots: Vec::new(),
            proxy: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl NetworkOptions {
    /// Takes the time from this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Looks names up here.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Trusts these certificates (DER) and no others.
    ///
    /// A container image without a file of certificates has none to trust. The crate `webpki-root-certs` has Mozilla's;
    /// they are as old as the program that was built with them:
    ///
    /// ```
    /// use wamedia_provider::NetworkOptions;
    ///
    /// let network = NetworkOptions::default().with_roots(webpki_root_certs::TLS_SERVER_ROOT_CERTS);
    /// # assert!(network.roots.is_some_and(|roots| roots.len() > 50));
    /// ```
    #[must_use]
    pub fn with_roots(mut self, roots: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        self.roots = Some(roots.into_iter().map(|root| root.as_ref().to_vec()).collect());
        self
    }

    /// Trusts the certificates of a PEM file besides the others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) where there is none in it, or one that
    /// is not readable.
    #[cfg(feature = "tls")]
    pub fn with_extra_roots_pem(mut self, pem: &[u8]) -> wamedia_core::Result<Self> {
        self.extra_roots.extend(certificates(pem)?);
        Ok(self)
    }

    /// Sends https requests through this proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }
}

/// The certificates of a PEM file, as DER.
#[cfg(feature = "tls")]
fn certificates(pem: &[u8]) -> wamedia_core::Result<Vec<Vec<u8>>> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;
    use wamedia_core::{Error, ErrorKind, Phase};

    let invalid = |why: &str| Error::new(ErrorKind::InvalidRequest, why).with_phase(Phase::Prepare);
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| invalid("the file of certificates is not valid PEM"))?;
    if found.is_empty() {
        return Err(invalid("the file of certificates has none; expected PEM, -----BEGIN CERTIFICATE-----"));
    }
    Ok(found.into_iter().map(|certificate| certificate.to_vec()).collect())
}

#[derive(Debug)]
struct SystemResolver;

impl Resolver for SystemResolver {
    fn lookup(&self, name: &str) -> Lookup {
        let name = name.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

/// The filter between the client and the resolver: it sees the very addresses that are connected to,
/// so a name that changes its answer gains nothing.
#[derive(Clone)]
pub(crate) struct PublicResolver {
    resolver: Arc<dyn Resolver>,
    /// Hosts that the caller configured; they may be wherever the caller's network has them.
    configured: Vec<String>,
}

impl PublicResolver {
    pub(crate) fn new(network: &NetworkOptions, configured: &[Origin]) -> Self {
        Self {
            resolver: Arc::clone(&network.resolver),
            configured: configured
                .iter()
                .map(Origin::host)
                .chain(network.proxy.as_ref().map(Proxy::host))
                .collect(),
        }
    }
}

impl reqwest::dns::Resolve for PublicResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let lookup = self.resolver.lookup(name.as_str());
        let trusted = self.configured.iter().any(|host| host == name.as_str());
        let resolver = Arc::clone(&self.resolver);
        Box::pin(async move {
            let all = lookup.await?;
            let found = !all.is_empty();
            let good: Vec<SocketAddr> =
                all.into_iter().filter(|address| trusted || resolver.accepts(address.ip())).collect();
            if good.is_empty() && found {
                return Err(AddressRefused.into());
            }
            Ok(Box::new(good.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn times_count_up_to_a_year() {
        let day = Duration::from_secs(86_400);
        let mut options = TransportOptions::default();
        (options.connect_timeout, options.idle_timeout) = (365 * day, Duration::MAX);
        let options = options.clamped();
        assert_eq!((options.connect_timeout, options.idle_timeout), (365 * day, 366 * day));
    }

    #[derive(Debug)]
    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
    }

    #[test]
    fn a_clock_takes_nothing_else_away() {
        let options = NetworkOptions::default().with_roots([[1]]).with_clock(Arc::new(Stopped));
        assert_eq!(options.clock.now(), SystemTime::UNIX_EPOCH);
        assert_eq!(options.roots, Some(vec![vec![1]]));
    }
}
