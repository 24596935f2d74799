//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{CANARY, ProviderUnderTest, SignatureFormat, TestNet, WEBHOOK_SECRET};
use wamedia_core::{Provider, Secret, Webhooks};
use wamedia_whapi::{WhapiCloud, WhapiWebhooks};

struct Whapi;

impl ProviderUnderTest for Whapi {
    const NAME: &'static str = "whapi";
    const SIGNATURE: SignatureFormat = SignatureFormat::SharedSecret;

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = WhapiCloud::builder(Secret::new(CANARY))
            .try_range(net.with_range)
            .transport(net.transport.clone());
        Arc::new(builder.build().expect("the test configuration is valid"))
    }

    fn webhooks(net: &TestNet) -> Option<Arc<dyn Webhooks>> {
        let mut builder = WhapiWebhooks::builder();
        if net.with_webhook_secret {
            builder = builder.header("X-Hook-Secret", Secret::new(WEBHOOK_SECRET));
        }
        Some(Arc::new(builder.build().expect("the test configuration is valid")))
    }
}

wamedia_conformance::main!(Whapi);
