use async_trait::async_trait;
use bytes::Bytes;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, Error, ErrorKind, MediaDescriptor, MediaId, MediaRef,
    MediaStream, OpenOptions, Phase, Provider, ResolveOptions, Result, Secret, Source, UploadContent,
    UploadOptions, Uploaded,
};
use wamedia_provider::{Body, Call, Http, Multipart};

use crate::config::{MetaCloudBuilder, Settings};
use crate::{CAPABILITIES, NAME, UPLOAD_LIFETIME, wire};

/// The WhatsApp Cloud API of Meta.
#[derive(Clone, Debug)]
pub struct MetaCloud {
    pub(crate) settings: Settings,
    pub(crate) http: Http,
}

/// What a resumable upload gives: a handle for profile pictures and template samples. It is no media
/// id and cannot be sent or resolved.
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
        mime: &wamedia_core::Mime,
        name: &str,
        options: UploadOptions,
    ) -> Result<UploadHandle> {
        if app_id.is_empty() || !app_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(refused(ErrorKind::InvalidRequest, "the app id has a character that no app id has"));
        }
        let call = Call::once(NAME, "upload", &options.budget, &self.settings.api_hosts);
        let size = bytes.len() as u64;
        let open = |_| wire::session_request(&self.settings, app_id, size, mime.essence(), name);
        let session = self.http.call(call, open, wire::read_id).await?;
        let mut offset = 0;
        for round in 1.. {
            let rest = bytes.slice(usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len())..);
            let send =
                |_| wire::session_step(&self.settings, &session, Some((offset, Body::Bytes(rest.clone()))));
            match self.http.call(call, send, wire::read_handle).await {
                Ok(handle) => return Ok(UploadHandle(handle)),
                Err(error)
                    if round < 3 && matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout) =>
                {
                    let ask = Call::idempotent(NAME, "upload", &options.budget, &self.settings.api_hosts);
                    let question = |_| wire::session_step(&self.settings, &session, None);
                    offset = self.http.call(ask, question, wire::read_offset).await?.min(size);
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused(ErrorKind::Transport, "the upload did not end"))
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
        media.check_provider(NAME)?;
        if !options.renew {
            if let Some(bytes) = media.inline.clone() {
                return Ok(MediaDescriptor::new(media.clone(), Source::Inline(bytes)));
            }
            // A webhook may bring the link along; it is used while it is certainly good.
            let now = self.http.now();
            let good = |link: &&wamedia_core::MediaLink| {
                link.expires_at.is_some_and(|at| at > now)
                    && self.settings.content_hosts.check(&link.url).is_ok()
            };
            if let Some(link) = media.link.as_ref().filter(good) {
                return Ok(MediaDescriptor::new(media.clone(), Source::Link(link.clone())));
            }
        }
        let id = media.id_for(NAME)?;
        let call = Call::idempotent(NAME, "resolve", &options.budget, &self.settings.api_hosts);
        let build = |_| wire::resolve_request(&self.settings, id);
        self.http.call(call, build, |reply| wire::read_descriptor(media, reply)).await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let link = match &media.source {
            Source::Link(link) => link,
            Source::Inline(bytes) => return Ok(MediaStream::from_bytes(bytes.clone())),
            _ => {
                return Err(
                    refused(ErrorKind::InvalidRequest, "the descriptor has no link").with_operation("open")
                );
            }
        };
        if link.is_dead(self.http.now()) {
            return Err(refused(ErrorKind::Expired, "the link is past its time").with_operation("open"));
        }
        let declared = media.declared.clone().or(&media.media.declared);
        let call = Call::idempotent(NAME, "open", &options.budget, &self.settings.content_hosts);
        let build = |_| wire::content_request(&self.settings, link, options.resume.as_ref());
        Ok(self.http.open(call, &declared, build, wire::judge_content).await?.into_stream())
    }

    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let Some(account) = &self.settings.phone_number_id else {
            return Err(Error::unsupported("upload")
                .with_provider(NAME)
                .with_note("it needs a phone number id"));
        };
        CAPABILITIES.check_upload(&content).map_err(|error| error.with_provider(NAME))?;
        let mut form = Multipart::new()
            .text("messaging_product", "whatsapp")
            // The table asks for it, Meta's own samples leave it out; equal to the part's type it does no harm.
            .text("type", content.mime.essence());
        if let Some(keep) = options.keep_for {
            form = form.text("ttl_minutes", &(keep.as_secs() / 60).clamp(60, 43_200).to_string());
        }
        let mut form =
            Some(form.file("file", &content.name, &content.mime, content.body, content.size_bytes));
        let call = Call::once(NAME, "upload", &options.budget, &self.settings.api_hosts);
        let build = |_| match form.take() {
            Some(form) => wire::upload_request(&self.settings, form),
            None => Err(refused(ErrorKind::InvalidRequest, "an upload is sent once")),
        };
        let id = self.http.call(call, build, wire::read_id).await?;
        let id = MediaId::new(id).map_err(|error| {
            error.with_kind(ErrorKind::Decode).with_phase(Phase::Body).with_provider(NAME)
        })?;
        let expires_at = self.http.now().checked_add(options.keep_for.unwrap_or(UPLOAD_LIFETIME));
        Ok(Uploaded::from_media(
            MediaRef::new(NAME, id).with_account(Some(account)).with_expires_at(expires_at),
        ))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let id = media.id_for(NAME)?;
        let call = Call::idempotent(NAME, "delete", &options.budget, &self.settings.api_hosts);
        self.http.call(call, |_| wire::delete_request(&self.settings, id), wire::read_deleted).await
    }
}

fn refused(kind: ErrorKind, why: &str) -> Error {
    Error::new(kind, why).with_provider(NAME).with_phase(Phase::Prepare)
}
