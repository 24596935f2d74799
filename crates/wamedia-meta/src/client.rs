use async_trait::async_trait;
use bytes::Bytes;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, ErrorKind, MediaDescriptor, MediaRef, MediaStream, Mime,
    OpenOptions, Provider, ResolveOptions, Result, Secret, UploadContent, UploadOptions, Uploaded,
};
use wamedia_provider::{Body, cloud_api};

use crate::config::{MetaCloudBuilder, Settings};
use crate::{NAME, UPLOAD_LIFETIME, requests, responses};

/// How often a resumable upload goes on after a break.
const MAX_BREAKS: u32 = 3;

/// The WhatsApp Cloud API of Meta.
#[derive(Clone, Debug)]
pub struct MetaCloud {
    pub(crate) settings: Settings,
}

/// What a resumable upload gives: a handle for profile pictures and template samples. It is not a media id and
/// cannot be sent or resolved.
///
/// Source: <https://developers.facebook.com/docs/graph-api/guides/upload>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadHandle(String);

impl UploadHandle {
    /// The handle as Meta writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MetaCloud {
    /// Begins with the access token.
    pub fn builder(token: impl Into<Secret>) -> MetaCloudBuilder {
        MetaCloudBuilder::new(token.into())
    }

    /// Uploads bytes through a session of the app, going on at Meta's offset after a break.
    ///
    /// # Errors
    ///
    /// What stays after three breaks.
    ///
    /// Source: <https://developers.facebook.com/docs/graph-api/guides/upload>
    pub async fn upload_resumable(
        &self,
        app_id: &str,
        bytes: Bytes,
        mime: &Mime,
        name: &str,
        options: UploadOptions,
    ) -> Result<UploadHandle> {
        let upload = self.settings.api.once("upload", &options.budget);
        let size = bytes.len() as u64;
        let open = |_| requests::open_session(&self.settings, app_id, size, mime, name);
        let session = upload.send(open, cloud_api::uploaded_id).await?;
        let mut offset = 0;
        let mut breaks = 0;
        loop {
            let rest = bytes.slice(usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len())..);
            let send = |_| {
                requests::continue_session(
                    &self.settings,
                    &session,
                    Some((offset, Body::Bytes(rest.clone()))),
                )
            };
            let error = match upload.send(send, responses::handle).await {
                Ok(handle) => return Ok(UploadHandle(handle)),
                Err(error) => error,
            };
            breaks += 1;
            if breaks >= MAX_BREAKS || !matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout) {
                return Err(error);
            }
            let ask = self.settings.api.idempotent("upload", &options.budget);
            let question = |_| requests::continue_session(&self.settings, &session, None);
            offset = ask.send(question, responses::offset).await?.min(size);
        }
    }
}

impl MetaCloudBuilder {
    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) naming every problem.
    pub fn build(self) -> Result<MetaCloud> {
        Ok(MetaCloud { settings: self.settings()? })
    }
}

#[async_trait]
impl Provider for MetaCloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.settings.capabilities
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        // A webhook may bring the link along.
        if let Some(descriptor) = self.settings.api.fresh_link(media, &options) {
            return Ok(descriptor);
        }
        let call = self.settings.api.idempotent("resolve", &options.budget);
        call.send(|_| requests::resolve(&self.settings, media), |reply| responses::descriptor(media, reply))
            .await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let build = |_| requests::content(&self.settings, media, options.resume.as_ref());
        self.settings.api.content(&options.budget).open(media, build, cloud_api::content_error).await
    }

    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let Some(account) = &self.settings.phone_number_id else {
            return Err(self.settings.api.unsupported("upload", "it needs a phone number id"));
        };
        let call = self.settings.api.once("upload", &options.budget);
        let build = |content, _| requests::upload(&self.settings, account, content, options.keep_for);
        let id = call.upload(content, self.capabilities(), build, cloud_api::uploaded).await?;
        let expires_at = self.settings.api.now().checked_add(options.keep_for.unwrap_or(UPLOAD_LIFETIME));
        let media = MediaRef::new(NAME, id).with_account(Some(account)).with_expires_at(expires_at);
        Ok(Uploaded::from_media(media))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let call = self.settings.api.idempotent("delete", &options.budget);
        call.send(|_| requests::delete(&self.settings, media), cloud_api::deleted).await
    }
}
