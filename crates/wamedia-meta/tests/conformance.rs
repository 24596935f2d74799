//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{CANARY, Harness, TestNet};
use wamedia_core::{Handshake, Provider, Secret};
use wamedia_meta::MetaCloud;

struct Subject;

impl Harness for Subject {
    const PROVIDER: &'static str = "meta";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let mut builder = MetaCloud::builder(Secret::new(CANARY))
            .phone_number_id("106540352242922")
            .try_range(net.with_range)
            .transport(net.transport.clone());
        if net.with_webhook_secret {
            builder = builder.webhook_secret(Secret::new("TEST-webhook-secret"));
        }
        Arc::new(builder.build().expect("the test configuration is valid"))
    }

    fn handshake(query: &str, verify_token: &str) -> Option<Handshake> {
        let builder = MetaCloud::builder(Secret::new(CANARY)).verify_token(Secret::new(verify_token));
        Some(builder.build().expect("the test configuration is valid").handshake(query))
    }
}

wamedia_conformance::main!(Subject);
