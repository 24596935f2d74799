use async_trait::async_trait;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, MediaDescriptor, MediaRef, MediaStream, OpenOptions,
    Provider, ResolveOptions, Result, Secret, UploadContent, UploadOptions, Uploaded,
};
use wamedia_provider::cloud_api;

use crate::config::{Dialog360Builder, Settings};
use crate::{CAPABILITIES, NAME, UPLOAD_LIFETIME, requests, responses};

/// 360dialog's WhatsApp media API. One API key belongs to one number.
#[derive(Clone, Debug)]
pub struct Dialog360 {
    settings: Settings,
}

impl Dialog360 {
    /// Begins with the API key of the number.
    pub fn builder(api_key: impl Into<Secret>) -> Dialog360Builder {
        Dialog360Builder::new(api_key.into())
    }
}

impl Dialog360Builder {
    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) naming every problem.
    pub fn build(self) -> Result<Dialog360> {
        Ok(Dialog360 { settings: self.settings()? })
    }
}

#[async_trait]
impl Provider for Dialog360 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        let call = self.settings.api.idempotent("resolve", &options.budget);
        let read = |reply: &_| responses::descriptor(self.settings.api.origin(), media, reply);
        call.send(|_| requests::resolve(&self.settings, media), read).await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let build = |_| requests::content(&self.settings, media);
        self.settings.api.content(&options.budget).open(media, build, cloud_api::content_error).await
    }

    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let call = self.settings.api.once("upload", &options.budget);
        let build = |content, _| requests::upload(&self.settings, content);
        let id = call.upload(content, &CAPABILITIES, build, cloud_api::uploaded).await?;
        let expires_at = self.settings.api.now().checked_add(UPLOAD_LIFETIME);
        Ok(Uploaded::from_media(MediaRef::new(NAME, id).with_expires_at(expires_at)))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let call = self.settings.api.idempotent("delete", &options.budget);
        call.send(|_| requests::delete(&self.settings, media), cloud_api::deleted).await
    }
}
