//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{
    CANARY, ProviderUnderTest, SignatureFormat, TestNet, VERIFY_TOKEN, WEBHOOK_SECRET,
};
use wamedia_core::{Provider, Secret, Webhooks};
use wamedia_meta::{MetaCloud, MetaWebhooks};

struct Meta;

impl ProviderUnderTest for Meta {
    const NAME: &'static str = "meta";
    const SIGNATURE: SignatureFormat = SignatureFormat::PrefixedHex;

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = MetaCloud::builder(Secret::new(CANARY))
            .phone_number_id("106540352242922")
            .try_range(net.with_range)
            .transport(net.transport.clone());
        Arc::new(builder.build().expect("the test configuration is valid"))
    }

    fn webhooks(net: &TestNet) -> Option<Arc<dyn Webhooks>> {
        let mut builder = MetaWebhooks::builder().verify_token(Secret::new(VERIFY_TOKEN));
        if net.with_webhook_secret {
            builder = builder.secret(Secret::new(WEBHOOK_SECRET));
        }
        Some(Arc::new(builder.build().expect("the test configuration is valid")))
    }
}

wamedia_conformance::main!(Meta);
