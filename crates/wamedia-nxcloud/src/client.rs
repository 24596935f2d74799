use async_trait::async_trait;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, Error, ErrorKind, MediaDescriptor, MediaId, MediaRef,
    MediaStream, OpenOptions, Phase, Provider, ResolveOptions, Result, Secret, Source, UploadContent,
    UploadOptions, Uploaded,
};
use wamedia_provider::{Call, Http, Multipart, Reply};

use crate::config::{NxCloudBuilder, Settings};
use crate::error::OneRetry;
use crate::{CAPABILITIES, NAME, error, wire};

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
                "upload",
                ErrorKind::InvalidRequest,
                "a template sample is a PDF, an MP4, a JPEG or a PNG",
            ));
        }
        content.check().map_err(|error| error.with_provider(NAME))?;
        self.send("uploadTemplateFile", content, options).await.map(TemplateHandle)
    }

    async fn send(
        &self,
        action: &'static str,
        content: UploadContent,
        options: UploadOptions,
    ) -> Result<String> {
        // GUESS: the codec of voice notes belongs to the type, since the table takes Opus alone.
        let form = Multipart::new()
            .text("business_phone", &self.settings.business_phone)
            .text("messaging_product", "whatsapp")
            .text("type", content.mime.as_str())
            .file("file", &content.name, &content.mime, content.body, content.size_bytes);
        let mut form = Some(form);
        let call = Call::once(NAME, "upload", &options.budget, &self.settings.api_hosts)
            .with_refusals(error::is_about_time);
        let build = |now| match form.take() {
            Some(form) => wire::upload_request(&self.settings, action, form, now)
                .map_err(|error| named("upload", error)),
            None => Err(refused("upload", ErrorKind::InvalidRequest, "an upload is sent once")),
        };
        self.http.call(call, build, wire::read_uploaded).await
    }
}

#[async_trait]
impl Provider for NxCloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        if let Some(bytes) = media.inline.clone().filter(|_| !options.renew) {
            return Ok(MediaDescriptor::new(media.clone(), Source::Inline(bytes)));
        }
        let id = media.id_for(NAME).map_err(|error| named("resolve", error))?;
        let call = Call::idempotent(NAME, "resolve", &options.budget, &self.settings.api_hosts);
        let build = |now| {
            wire::media_request(&self.settings, "getMedia", id, now).map_err(|error| named("resolve", error))
        };
        let mut once = OneRetry::default();
        let read = |reply: &Reply| wire::read_descriptor(media, reply).map_err(|error| once.bound(error));
        self.http.call(call, build, read).await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let link = match &media.source {
            Source::Link(link) => link,
            Source::Inline(bytes) => return Ok(MediaStream::from_bytes(bytes.clone())),
            _ => {
                return Err(refused("open", ErrorKind::InvalidRequest, "the descriptor has no link"));
            }
        };
        let hosts = &self.settings.content_hosts;
        // A host that is refused stays refused, whatever a new link would say.
        hosts.check(&link.url).map_err(|error| self.http.redact(named("open", error)))?;
        if link.is_dead(self.http.now()) {
            return Err(refused("open", ErrorKind::Expired, "the link is past its time"));
        }
        // The sender's type outranks that of getMedia, and both that of the store.
        let declared = media.media.declared.clone().or(&media.declared);
        let call = Call::idempotent(NAME, "open", &options.budget, hosts);
        let build =
            |_| wire::content_request(link, options.resume.as_ref()).map_err(|error| named("open", error));
        let mut early = wire::Early::new(media.media.age(self.http.now()));
        let judge = |reply: &Reply| wire::judge_content(reply).map(|error| early.judge(error));
        Ok(self.http.open(call, &declared, build, judge).await?.into_stream())
    }

    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        check(&content)?;
        let id = self.send("uploadMedia", content, options).await?;
        let id = MediaId::new(id).map_err(|_| {
            let why = "the upload was accepted and no usable id came back, so the object may exist";
            named("upload", Error::new(ErrorKind::Decode, why).with_phase(Phase::Head))
        })?;
        let media = MediaRef::new(NAME, id).with_account(Some(&self.settings.business_phone));
        Ok(Uploaded::from_media(media))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let id = media.id_for(NAME).map_err(|error| named("delete", error))?;
        let call = Call::idempotent(NAME, "delete", &options.budget, &self.settings.api_hosts);
        let build = |now| {
            wire::media_request(&self.settings, "deleteMedia", id, now)
                .map_err(|error| named("delete", error))
        };
        let mut once = OneRetry::default();
        let read = |reply: &Reply| wire::read_deleted(reply).map_err(|error| once.bound(error));
        self.http.call(call, build, read).await
    }
}

/// Checks an upload against the vendor's table before anything is sent.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadMedia>
fn check(content: &UploadContent) -> Result<()> {
    CAPABILITIES.check_upload(content).map_err(|error| error.with_provider(NAME))?;
    let codec = content.mime.parameter("codecs");
    let is_other = codec.is_some_and(|codec| !codec.eq_ignore_ascii_case("opus"));
    if content.mime.essence() == "audio/ogg" && is_other {
        return Err(refused("upload", ErrorKind::InvalidRequest, "the vendor takes Ogg with Opus only"));
    }
    Ok(())
}

/// What the transport adds to every error, for those that come before it.
fn named(operation: &'static str, error: Error) -> Error {
    error.with_provider(NAME).with_operation(operation)
}

fn refused(operation: &'static str, kind: ErrorKind, why: &str) -> Error {
    named(operation, Error::new(kind, why).with_phase(Phase::Prepare))
}

#[cfg(test)]
mod tests {
    use wamedia_core::{MediaKind, Mime};

    use super::*;

    fn sized(mime: &str, size: u64, kind: Option<MediaKind>) -> Option<ErrorKind> {
        let nothing = MediaStream::from_bytes(bytes::Bytes::new());
        let mime = Mime::parse(mime).unwrap();
        let content = UploadContent::from_stream(nothing, Some(size), mime, "x").with_kind(kind);
        check(&content).err().map(|error| error.kind())
    }

    #[test]
    fn the_table_is_exact_at_its_borders() {
        for limit in CAPABILITIES.limits {
            for mime in limit.mimes {
                assert_eq!(sized(mime, limit.max_bytes, None), None, "{mime}");
                assert_eq!(sized(mime, limit.max_bytes, Some(limit.kind)), None, "{mime}");
                assert_eq!(sized(mime, limit.max_bytes + 1, None), Some(ErrorKind::TooLarge), "{mime}");
            }
        }
        let bounds: Vec<u64> = CAPABILITIES.limits.iter().map(|limit| limit.max_bytes).collect();
        assert_eq!(bounds, [5 << 20, 16 << 20, 16 << 20, 100 << 20, 100 << 10]);
    }

    #[test]
    fn kinds_and_types_must_fit() {
        for (mime, kind, want) in [
            ("audio/ogg; codecs=opus", Some(MediaKind::Voice), None),
            ("audio/ogg; codecs=vorbis", None, Some(ErrorKind::InvalidRequest)),
            ("VIDEO/MP4", Some(MediaKind::Gif), None),
            ("video/3gp", Some(MediaKind::VideoNote), None),
            ("image/jpeg", Some(MediaKind::Document), Some(ErrorKind::InvalidRequest)),
            ("image/webp", Some(MediaKind::Image), Some(ErrorKind::InvalidRequest)),
            ("application/zip", None, Some(ErrorKind::InvalidRequest)),
            ("image/jpeg", Some(MediaKind::ProfilePicture), Some(ErrorKind::InvalidRequest)),
        ] {
            assert_eq!(sized(mime, 1, kind), want, "{mime} as {kind:?}");
        }
    }
}
