//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{CANARY, Harness, TestNet};
use wamedia_core::{Provider, Secret};
use wamedia_nxcloud::NxCloud;

struct Subject;

impl Harness for Subject {
    const PROVIDER: &'static str = "nxcloud";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = NxCloud::builder(Secret::new(CANARY), Secret::new("TEST-webhook-secret"))
            .business_phone("8600000000000")
            .transport(net.transport.clone());

        Arc::new(builder.build().expect("the test configuration is valid"))
    }
}

wamedia_conformance::main!(Subject);
