//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_360dialog::{Dialog360, Dialog360Webhooks};
use wamedia_conformance::{CANARY, ProviderUnderTest, TestNet};
use wamedia_core::{Provider, Secret, Webhooks};

struct Dialog;

impl ProviderUnderTest for Dialog {
    const NAME: &'static str = "360dialog";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = Dialog360::builder(Secret::new(CANARY)).transport(net.transport.clone());
        Arc::new(builder.build().expect("the test configuration is valid"))
    }

    fn webhooks(_: &TestNet) -> Option<Arc<dyn Webhooks>> {
        Some(Arc::new(Dialog360Webhooks::default()))
    }
}

wamedia_conformance::main!(Dialog);
