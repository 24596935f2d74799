//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{CANARY, ProviderUnderTest, SignatureFormat, TestNet, WEBHOOK_SECRET};
use wamedia_core::{Provider, Secret, Webhooks};
use wamedia_twilio::{TwilioMedia, TwilioWebhooks};

/// The account of the fixtures.
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

struct Twilio;

impl ProviderUnderTest for Twilio {
    const NAME: &'static str = "twilio";
    const SIGNATURE: SignatureFormat = SignatureFormat::Base64OfUrlAndForm;

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = TwilioMedia::builder(ACCOUNT, Secret::new(CANARY)).transport(net.transport.clone());
        Arc::new(builder.build().expect("the test configuration is valid"))
    }

    fn webhooks(net: &TestNet) -> Option<Arc<dyn Webhooks>> {
        let mut builder = TwilioWebhooks::builder();
        if net.with_webhook_secret {
            builder = builder.auth_token(Secret::new(WEBHOOK_SECRET));
        }
        Some(Arc::new(builder.build().expect("the test configuration is valid")))
    }
}

wamedia_conformance::main!(Twilio);
