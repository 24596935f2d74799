//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{CANARY, Harness, TestNet};
use wamedia_core::{Provider, Secret};
use wamedia_whapi::WhapiCloud;

struct Subject;

impl Harness for Subject {
    const PROVIDER: &'static str = "whapi";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let mut builder = WhapiCloud::builder(Secret::new(CANARY))
            .try_range(net.with_range)
            .transport(net.transport.clone());
        if net.with_webhook_secret {
            builder = builder.webhook_header("X-Hook-Secret", Secret::new("TEST-webhook-secret"));
        }
        Arc::new(builder.build().expect("the test configuration is valid"))
    }
}

wamedia_conformance::main!(Subject);
