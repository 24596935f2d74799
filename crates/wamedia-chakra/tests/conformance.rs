//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_chakra::{ChakraHq, ChakraWebhooks};
use wamedia_conformance::{CANARY, ProviderUnderTest, SignatureFormat, TestNet, WEBHOOK_SECRET};
use wamedia_core::{Provider, Secret, Webhooks};

struct Chakra;

impl ProviderUnderTest for Chakra {
    const NAME: &'static str = "chakra";
    const SIGNATURE: SignatureFormat = SignatureFormat::HexOrPrefixedHex;

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = ChakraHq::builder(Secret::new(CANARY))
            .api_version("v22.0")
            .plugin_id("3f0c2c7e-3a3e-4a58-9d0e-0c8f2f7f9a11")
            .transport(net.transport.clone());
        Arc::new(builder.build().expect("the test configuration is valid"))
    }

    fn webhooks(net: &TestNet) -> Option<Arc<dyn Webhooks>> {
        let mut builder = ChakraWebhooks::builder();
        if net.with_webhook_secret {
            builder = builder.secret(Secret::new(WEBHOOK_SECRET));
        }
        Some(Arc::new(builder.build().expect("the test configuration is valid")))
    }
}

wamedia_conformance::main!(Chakra);
