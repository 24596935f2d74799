//! The behavioural suite that every wamedia provider passes.
//!
//! A provider crate writes a test target with `harness = false`:
//!
//! ```text
//! struct Acme;
//! impl wamedia_conformance::Harness for Acme {
//!     const PROVIDER: &'static str = "acme";
//!     fn build(net: &wamedia_conformance::TestNet) -> std::sync::Arc<dyn wamedia_core::Provider> { … }
//! }
//! wamedia_conformance::main!(Acme);
//! ```
//!
//! The exchanges are data in `fixtures/<provider>/`. Plain ones are replayed by wiremock and by the
//! fault server alike, so that each double checks the other; everything hostile runs on the fault
//! server, over TLS, under the vendors' real host names, in paused time.

mod cases;
mod double;
mod fixture;
mod matching;
mod replay;
mod runner;
mod script;
mod snapshot;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use wamedia_core::{Clock, Handshake, Provider};
use wamedia_http::TransportOptions;

pub use runner::run;

/// The secret that must never be seen anywhere but at its origin.
pub const CANARY: &str = "TEST-canary-7f3a";

/// How the suite makes a provider.
pub trait Harness: 'static {
    /// The provider's name, which is also the folder of its fixtures.
    const PROVIDER: &'static str;

    /// Makes the provider with test credentials, for the network that the suite hands over.
    fn build(net: &TestNet) -> Arc<dyn Provider>;

    /// Answers the check of a webhook address, with this token configured; none where the vendor has
    /// no such check.
    fn handshake(_query: &str, _verify_token: &str) -> Option<Handshake> {
        None
    }

    /// Where the fixtures are.
    fn fixtures() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
    }
}

/// The network of one case: names, certificates and time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestNet {
    /// Goes into the builder's `transport`.
    pub transport: TransportOptions,
    /// Whether webhook secrets are configured.
    pub with_webhook_secret: bool,
}

/// A clock that stands still, or goes with the runtime's time from where it began.
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
    ($harness:ty) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run::<$harness>()
        }
    };
}
