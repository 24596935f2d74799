//! The suite, run by somebody else: own client, own fixtures, own snapshots.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use acme_media::{Acme, TestServer};
use wamedia_conformance::wamedia_fixtures::Fixtures;
use wamedia_conformance::{CANARY, ProviderUnderTest, TestNet};
use wamedia_core::{Provider, Secret};

struct AcmeSuite;

impl ProviderUnderTest for AcmeSuite {
    const NAME: &'static str = "acme";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let server = net.address().map(|address| TestServer {
            address,
            ca_der: net.ca_der(),
            loopback: net.permits_loopback(),
        });
        Arc::new(
            Acme::new(Secret::new(CANARY), net.clock(), server.as_ref())
                .expect("the test configuration is valid"),
        )
    }

    fn fixtures() -> Fixtures {
        wamedia_conformance::wamedia_fixtures::from_dir(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"),
        )
    }

    fn snapshots() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots")
    }
}

wamedia_conformance::main!(AcmeSuite);
