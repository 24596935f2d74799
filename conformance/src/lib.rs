//! The behavioural suite that every wamedia provider passes.
//!
//! A provider crate writes a test target with `harness = false`:
//!
//! ```text
//! struct Acme;
//! impl wamedia_conformance::ProviderUnderTest for Acme {
//!     const NAME: &'static str = "acme";
//!     fn build(net: &wamedia_conformance::TestNet) -> std::sync::Arc<dyn wamedia_core::Provider> { … }
//! }
//! wamedia_conformance::main!(Acme);
//! ```
//!
//! The exchanges are data in `fixtures/<provider>/`. Plain ones are replayed by wiremock and by the
//! fake server alike, so that each checks the other; everything hostile runs on the fake server,
//! over TLS, under the vendors' real host names, in paused time.

mod cases;
mod credentials;
mod deliveries;
mod errors;
mod fake_server;
mod fixture;
mod log_capture;
mod matching;
mod mutations;
mod operation;
// Parts of the program, and of tasks of this repository: no API.
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod outside;
mod profile;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod render;
mod replay;
mod report;
mod requirements;
mod runner;
mod script;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod serve;
#[doc(hidden)]
pub mod simulation;
mod snapshot;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use wamedia_core::{Clock, Provider, Webhooks};
use wamedia_fixtures::Fixtures;
use wamedia_provider::TransportOptions;

pub use deliveries::SignatureFormat;
pub use errors::{ErrorRow, check_errors, documented_errors};
pub use operation::{read_all, run_operation};
pub use runner::run;
pub use wamedia_fixtures;

/// The secret that must never appear anywhere but at its origin.
pub const CANARY: &str = "TEST-canary-7f3a";

/// The secret that deliveries of the fixtures are signed with.
pub const WEBHOOK_SECRET: &str = "TEST-webhook-secret";

/// The token of the webhook handshake.
pub const VERIFY_TOKEN: &str = "TEST-verify";

/// A provider crate, as the suite builds it.
pub trait ProviderUnderTest: 'static {
    /// The provider's name, which is also the folder of its fixtures.
    const NAME: &'static str;
    /// How the vendor writes the signatures of its deliveries, where it signs them.
    const SIGNATURE: SignatureFormat = SignatureFormat::None;

    /// Builds the provider with test credentials, for the network of one case.
    fn build(net: &TestNet) -> Arc<dyn Provider>;

    /// Builds the reader of deliveries: with [`WEBHOOK_SECRET`] where the network asks for it, and with
    /// [`VERIFY_TOKEN`] where the vendor has a handshake. None where the vendor delivers nothing.
    fn webhooks(_net: &TestNet) -> Option<Arc<dyn Webhooks>> {
        None
    }

    /// The fixtures, with a folder of the provider's name among them: the embedded ones, or those of a
    /// folder by [`wamedia_fixtures::from_dir`].
    fn fixtures() -> Fixtures {
        wamedia_fixtures::embedded()
    }

    /// Where the snapshots are: a folder that holds one of the provider's name.
    fn snapshots() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("snapshots")
    }
}

/// The crate that is tested, as [`main!`] finds it.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// The network of one case: names, certificates and time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestNet {
    /// Goes into the builder's `transport`.
    pub transport: TransportOptions,
    /// Whether webhook secrets are configured.
    pub with_webhook_secret: bool,
    /// Whether to try ranges where the vendor does not document them but a setting allows it.
    pub with_range: bool,
}

/// What a client needs that is not built on `wamedia-provider`.
impl TestNet {
    fn new(transport: TransportOptions) -> Self {
        Self { transport, with_webhook_secret: true, with_range: false }
    }

    /// The address that every name leads to; none where nothing is going to be sent.
    pub fn address(&self) -> Option<SocketAddr> {
        // The suite's resolver answers at once; the system's is never used.
        self.transport.network.roots.as_ref()?;
        let mut lookup = self.transport.network.resolver.lookup("any");
        match lookup.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(addresses)) => addresses.first().copied(),
            _ => None,
        }
    }

    /// The certificate authority to trust, and no other, as DER.
    pub fn ca_der(&self) -> Vec<u8> {
        tls::root()
    }

    /// The same as PEM.
    pub fn ca_pem(&self) -> String {
        tls::root_pem()
    }

    /// The time of day. It may be fixed.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.transport.network.clock)
    }

    /// False where names lead to an address that must not be contacted, like a public name that resolves
    /// to a private address. All addresses of the suite are on loopback.
    pub fn permits_loopback(&self) -> bool {
        self.transport.network.resolver.accepts(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

/// A clock that is fixed, or advances with the runtime's time from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock {
    pub(crate) start: SystemTime,
    pub(crate) ticking_since: Option<tokio::time::Instant>,
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.start + self.ticking_since.map_or(std::time::Duration::ZERO, |since| since.elapsed())
    }
}

/// The `main` of a conformance test target.
#[macro_export]
macro_rules! main {
    ($provider:ty) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run::<$provider>($crate::Package {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            })
        }
    };
}
