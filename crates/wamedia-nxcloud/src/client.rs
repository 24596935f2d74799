use async_trait::async_trait;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, MediaDescriptor, MediaRef, MediaStream, OpenOptions,
    Provider, ResolveOptions, Result, Secret, UploadContent, UploadOptions, Uploaded,
};
use wamedia_provider::{NotYetStoredRetry, Reply, link_of};

use crate::config::{NxCloudBuilder, Settings};
use crate::{CAPABILITIES, NAME, TEMPLATE_CAPABILITIES, error, requests, responses};

/// How often content that the store does not have yet is asked for again.
const NOT_FOUND_RETRIES: u32 = 2;

/// NXCloud's WhatsApp media API.
#[derive(Clone, Debug)]
pub struct NxCloud {
    pub(crate) settings: Settings,
}

/// A sample file for a template. It goes into `header_handle` and is not media: it cannot be resolved,
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
        // The kind of a message says nothing about a template.
        let content = content.with_kind(None);
        let handle = self
            .send("uploadTemplateFile", content, &TEMPLATE_CAPABILITIES, options, responses::uploaded)
            .await?;
        Ok(TemplateHandle(handle))
    }

    async fn send<T: Send>(
        &self,
        action: &'static str,
        content: UploadContent,
        capabilities: &Capabilities,
        options: UploadOptions,
        read: fn(&Reply) -> Result<T>,
    ) -> Result<T> {
        let call = self.settings.api.once("upload", &options.budget).with_refusals(error::is_about_time);
        let build = |content, now| requests::upload(&self.settings, action, content, now);
        call.upload(content, capabilities, build, read).await
    }
}

impl NxCloudBuilder {
    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) naming every problem.
    pub fn build(self) -> Result<NxCloud> {
        Ok(NxCloud { settings: self.settings()? })
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
        let mut once = error::one_retry();
        let read = |reply: &Reply| responses::descriptor(media, reply).map_err(|error| once.apply(error));
        let build = |now| requests::media(&self.settings, "getMedia", media, now);
        self.settings.api.idempotent("resolve", &options.budget).send(build, read).await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        // GUESS: the vendor does not say that media may come late; others' stores do that.
        let mut retry = NotYetStoredRetry::new(media.media.age(self.settings.api.now()), NOT_FOUND_RETRIES);
        let classify = |reply: &Reply| responses::content_error(reply).map(|error| retry.apply(error));
        let build = |_| requests::content(link_of(media)?, options.resume.as_ref());
        self.settings.api.content(&options.budget).open(media, build, classify).await
    }

    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let id = self.send("uploadMedia", content, &CAPABILITIES, options, responses::uploaded_media).await?;
        let media = MediaRef::new(NAME, id).with_account(Some(&self.settings.business_phone));
        Ok(Uploaded::from_media(media))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let mut once = error::one_retry();
        let read = |reply: &Reply| responses::deleted(reply).map_err(|error| once.apply(error));
        let build = |now| requests::media(&self.settings, "deleteMedia", media, now);
        self.settings.api.idempotent("delete", &options.budget).send(build, read).await
    }
}

#[cfg(test)]
mod tests {
    use wamedia_core::{ErrorKind, MediaKind, Mime};

    use super::*;

    fn sized(mime: &str, size: u64, kind: Option<MediaKind>) -> Option<ErrorKind> {
        let nothing = MediaStream::from_bytes(bytes::Bytes::new());
        let mime = Mime::parse(mime).unwrap();
        let content = UploadContent::from_stream(nothing, Some(size), mime, "x").with_kind(kind);
        requests::check_codec(&content.mime)
            .and_then(|()| CAPABILITIES.check_upload(&content))
            .err()
            .map(|error| error.kind())
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
