use async_trait::async_trait;
use wamedia_core::{
    Capabilities, Error, MediaDescriptor, MediaRef, MediaStream, OpenOptions, Provider, ResolveOptions,
    Result, Secret,
};

use crate::config::{Settings, TemplateBuilder};
use crate::{CAPABILITIES, NAME};

/// Template's WhatsApp media API.
#[derive(Clone, Debug)]
pub struct Template {
    #[expect(dead_code, reason = "no operation sends a request yet")]
    settings: Settings,
}

impl Template {
    /// Begins with the API token.
    pub fn builder(token: impl Into<Secret>) -> TemplateBuilder {
        TemplateBuilder::new(token.into())
    }
}

impl TemplateBuilder {
    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) naming every problem.
    pub fn build(self) -> Result<Template> {
        Ok(Template { settings: self.settings()? })
    }
}

// `upload`, `delete` and `list` answer `Unsupported` by themselves until they are written here.
#[async_trait]
impl Provider for Template {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn resolve(&self, _: &MediaRef, _: ResolveOptions) -> Result<MediaDescriptor> {
        Err(Error::unsupported("resolve").with_provider(NAME))
    }

    async fn open(&self, _: &MediaDescriptor, _: OpenOptions) -> Result<MediaStream> {
        Err(Error::unsupported("open").with_provider(NAME))
    }
}
