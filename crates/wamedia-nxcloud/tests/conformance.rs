//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{CANARY, ProviderUnderTest, SignatureFormat, TestNet, WEBHOOK_SECRET};
use wamedia_core::{Provider, Secret, Webhooks};
use wamedia_nxcloud::{NxCloud, NxCloudWebhooks};

struct Nxcloud;

impl ProviderUnderTest for Nxcloud {
    const NAME: &'static str = "nxcloud";
    const SIGNATURE: SignatureFormat = SignatureFormat::Hex;

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = NxCloud::builder(Secret::new(CANARY), Secret::new(WEBHOOK_SECRET))
            .business_phone("8600000000000")
            .transport(net.transport.clone());

        Arc::new(builder.build().expect("the test configuration is valid"))
    }

    fn webhooks(net: &TestNet) -> Option<Arc<dyn Webhooks>> {
        let mut builder = NxCloudWebhooks::builder();
        if net.with_webhook_secret {
            builder = builder.secret(Secret::new(WEBHOOK_SECRET));
        }
        Some(Arc::new(builder.build().expect("the test configuration is valid")))
    }
}

wamedia_conformance::main!(Nxcloud);
