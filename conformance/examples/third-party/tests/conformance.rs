//! The suite, run by somebody else: own client, own fixtures, own snapshots.

mod acme;

use std::path::PathBuf;
use std::sync::Arc;

use wamedia_conformance::wamedia_fixtures::Fixtures;
use wamedia_conformance::{ProviderUnderTest, TestNet};
use wamedia_core::Provider;

struct AcmeSuite;

impl ProviderUnderTest for AcmeSuite {
    const NAME: &'static str = "acme";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        Arc::new(acme::client(net))
    }

    fn fixtures() -> Fixtures {
        acme::fixtures()
    }

    fn snapshots() -> PathBuf {
        acme::snapshots()
    }
}

wamedia_conformance::main!(AcmeSuite);
