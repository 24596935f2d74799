//! What every target of the suite needs: the client, its fixtures and its snapshots.

use std::path::{Path, PathBuf};

use acme_media::{Acme, TestServer};
use wamedia_conformance::wamedia_fixtures::{Fixtures, from_dir};
use wamedia_conformance::{CANARY, TestNet};
use wamedia_core::Secret;

pub fn client(net: &TestNet) -> Acme {
    let server = net.address().map(|address| TestServer {
        address,
        ca_der: net.ca_der(),
        loopback: net.permits_loopback(),
    });
    Acme::new(Secret::new(CANARY), net.clock(), server.as_ref()).expect("the test configuration is valid")
}

pub fn fixtures() -> Fixtures {
    from_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"))
}

pub fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}
