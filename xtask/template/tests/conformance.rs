//! The shared behavioural suite.

use std::sync::Arc;

use wamedia_conformance::{CANARY, ProviderUnderTest, TestNet};
use wamedia_core::{Provider, Secret};
use wamedia_template::Template;

struct TemplateSuite;

impl ProviderUnderTest for TemplateSuite {
    const NAME: &'static str = "template";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        let builder = Template::builder(Secret::new(CANARY)).transport(net.transport.clone());
        Arc::new(builder.build().expect("the test configuration is valid"))
    }
}

wamedia_conformance::main!(TemplateSuite);
