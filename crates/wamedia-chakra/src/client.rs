use async_trait::async_trait;
use wamedia_core::{
    Capabilities, MediaDescriptor, MediaLink, MediaRef, MediaStream, OpenOptions, Provider, ResolveOptions,
    Result, Secret, Source, UploadContent, UploadOptions, Uploaded,
};
use wamedia_provider::Reply;

use crate::config::{ChakraHqBuilder, FetchStyle, Settings};
use crate::{NAME, requests, responses};

/// ChakraHQ's WhatsApp media API.
#[derive(Clone, Debug)]
pub struct ChakraHq {
    pub(crate) settings: Settings,
}

impl ChakraHq {
    /// Begins with the access token of an API key.
    pub fn builder(token: impl Into<Secret>) -> ChakraHqBuilder {
        ChakraHqBuilder::new(token.into())
    }
}

impl ChakraHqBuilder {
    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) naming every problem.
    pub fn build(self) -> Result<ChakraHq> {
        Ok(ChakraHq { settings: self.settings()? })
    }
}

#[async_trait]
impl Provider for ChakraHq {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.settings.capabilities
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        if self.settings.style == FetchStyle::Show {
            media.id_for(NAME).map_err(|error| error.with_operation("resolve"))?;
            return Ok(MediaDescriptor::new(media.clone(), Source::Direct));
        }
        let read = |reply: &Reply| {
            let mut descriptor = responses::descriptor(media, reply)?;
            if let (FetchStyle::Attachment, Some(link)) = (self.settings.style, descriptor.link()) {
                let link = MediaLink::with_credential(requests::attachment(&self.settings, &link.url)?);
                descriptor.source = Source::Link(link);
            }
            Ok(descriptor)
        };
        let call = self.settings.api.idempotent("resolve", &options.budget);
        call.send(|_| requests::resolve(&self.settings, media), read).await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let is_link = media.link().is_some();
        let classify = |reply: &Reply| responses::content_error(reply, is_link);
        self.settings
            .api
            .content(&options.budget)
            .open(media, |_| requests::content(&self.settings, media), classify)
            .await
    }

    /// The result is a public link: anybody who has it can read the file. The vendor names no limits,
    /// no types and no lifetime.
    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let Some(plugin) = &self.settings.plugin_id else {
            return Err(self.settings.api.unsupported("upload", "it needs a plugin id"));
        };
        let call = self.settings.api.once("upload", &options.budget);
        let build = |content, _| requests::upload(&self.settings, plugin, content);
        let link = call.upload(content, self.capabilities(), build, responses::uploaded).await?;
        Ok(Uploaded::from_link(link))
    }
}
