use async_trait::async_trait;
use wamedia_core::{
    Authenticity, Capabilities, DeleteOptions, DeleteOutcome, Delivery, Error, ErrorKind, Inbound,
    ListOptions, MediaDescriptor, MediaId, MediaKind, MediaPage, MediaRef, MediaStream, OpenOptions, Phase,
    Provider, ResolveOptions, Result, Secret, Sha256, Source, UploadBody, UploadContent, UploadOptions,
    Uploaded,
};
use wamedia_http::{Call, Http, Multipart};

use crate::config::{NxCloudBuilder, Settings};
use crate::{CAPABILITIES, NAME, error, webhook, wire};

/// NXCloud's WhatsApp media API.
#[derive(Clone, Debug)]
pub struct NxCloud {
    pub(crate) settings: Settings,
    pub(crate) http: Http,
}

/// A sample file for a template. It goes into `header_handle` and is no media: it cannot be resolved,
/// opened or deleted.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadTemplateFile>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateHandle(String);

impl TemplateHandle {
    /// The handle as the vendor writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NxCloud {
    /// Begins with the access key and the access secret.
    pub fn builder(access_key: impl Into<Secret>, access_secret: impl Into<Secret>) -> NxCloudBuilder {
        NxCloudBuilder::new(access_key.into(), access_secret.into())
    }

    /// Uploads a sample file for a template.
    ///
    /// # Errors
    ///
    /// As [`Provider::upload`]; types other than PDF, MP4, JPEG and PNG are refused before sending.
    pub async fn upload_template_file(
        &self,
        content: UploadContent,
        options: UploadOptions,
    ) -> Result<TemplateHandle> {
        let types = ["application/pdf", "video/mp4", "image/jpeg", "image/png", "image/jpg"];
        if !types.contains(&content.mime.essence()) {
            return Err(refused(
                ErrorKind::InvalidRequest,
                "a template sample is a PDF, an MP4, a JPEG or a PNG",
            ));
        }
        self.send("uploadTemplateFile", content, options).await.map(TemplateHandle)
    }

    async fn send(
        &self,
        action: &'static str,
        content: UploadContent,
        options: UploadOptions,
    ) -> Result<String> {
        if let (UploadBody::Bytes(bytes), Some(want)) = (&content.body, content.sha256)
            && Sha256::of(bytes) != want
        {
            return Err(refused(ErrorKind::Integrity, "the bytes do not hash to the stated digest"));
        }
        let form = Multipart::new()
            .text("business_phone", &self.settings.business_phone)
            .text("messaging_product", "whatsapp")
            .text("type", content.mime.essence())
            .file("file", &content.name, &content.mime, content.body, content.size_bytes);
        let mut form = Some(form);
        let call = Call::once(NAME, "upload", &options.budget, &self.settings.api_hosts);
        let build = |now| match form.take() {
            Some(form) => wire::upload_request(&self.settings, action, form, now),
            None => Err(refused(ErrorKind::InvalidRequest, "an upload is sent once")),
        };
        self.http.call(call, build, wire::read_uploaded).await
    }
}

#[async_trait]
impl Provider for NxCloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        if let Some(bytes) = media.inline.clone().filter(|_| !options.renew) {
            return Ok(MediaDescriptor::new(media.clone(), Source::Inline(bytes)));
        }
        let id = media.id_for(NAME)?;
        let call = Call::idempotent(NAME, "resolve", &options.budget, &self.settings.api_hosts);
        let build = |now| wire::media_request(&self.settings, "getMedia", id, now);
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
        if wire::is_dead(link, self.http.now()) {
            return Err(refused(ErrorKind::Expired, "the link is past its time").with_operation("open"));
        }
        let call = Call::idempotent(NAME, "open", &options.budget, &self.settings.content_hosts);
        let build = |_| wire::content_request(link, options.resume.as_ref());
        let judge = |reply: &wamedia_http::Reply| match reply.status {
            429 | 408 => None,
            200..=299 if !reply.text().contains("<Error>") && media.declared.mime.is_none() => None,
            status => Some(error::for_store(status, &reply.text())),
        };
        Ok(self.http.open(call, media.declared.mime.as_ref(), build, judge).await?.into_stream())
    }

    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        check(&content)?;
        let id = self.send("uploadMedia", content, options).await?;
        let id = MediaId::new(id).map_err(|error| error.with_kind(ErrorKind::Decode).with_provider(NAME))?;
        let media = MediaRef::new(NAME, id).with_account(Some(&self.settings.business_phone));
        Ok(Uploaded::from_media(media))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let id = media.id_for(NAME)?;
        let call = Call::idempotent(NAME, "delete", &options.budget, &self.settings.api_hosts);
        let build = |now| wire::media_request(&self.settings, "deleteMedia", id, now);
        self.http.call(call, build, wire::read_deleted).await
    }

    async fn list(&self, _: ListOptions) -> Result<MediaPage> {
        Err(Error::unsupported("list").with_provider(NAME))
    }

    fn parse_webhook(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        webhook::parse(delivery)
    }

    fn verify_webhook(&self, delivery: &Delivery<'_>) -> Result<Authenticity> {
        Ok(webhook::verify(delivery, &self.settings.access_secret))
    }
}

/// Checks an upload against the vendor's table before anything is sent.
fn check(content: &UploadContent) -> Result<()> {
    let essence = content.mime.essence();
    let kind = content.kind.map(|kind| if kind == MediaKind::Voice { MediaKind::Audio } else { kind });
    let limit = match kind {
        Some(kind) => CAPABILITIES.limit(kind),
        None => CAPABILITIES.limits.iter().find(|limit| limit.mimes.contains(&essence)),
    };
    let Some(limit) = limit.filter(|limit| limit.mimes.contains(&essence)) else {
        return Err(refused(ErrorKind::InvalidRequest, &format!("the vendor takes no {essence} for that")));
    };
    match content.size_bytes {
        Some(size) if size > limit.max_bytes => Err(refused(
            ErrorKind::TooLarge,
            &format!("{size} bytes, and {} has at most {}", limit.kind.name(), limit.max_bytes),
        )),
        Some(_) => Ok(()),
        None => Err(refused(ErrorKind::InvalidRequest, "the size must be known: spool the source first")),
    }
}

fn refused(kind: ErrorKind, why: &str) -> Error {
    Error::new(kind, why).with_provider(NAME).with_phase(Phase::Prepare)
}
