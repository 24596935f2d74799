use async_trait::async_trait;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, Error, ErrorKind, ListOptions, MediaDescriptor, MediaPage,
    MediaRef, MediaStream, OpenOptions, Phase, Provider, ResolveOptions, Result, Secret, Source,
    UploadContent, UploadOptions, Uploaded,
};
use wamedia_provider::{Call, Http, Multipart, Reply};

use crate::config::{Settings, WhapiCloudBuilder};
use crate::error::OneRetry;
use crate::{CAPABILITIES, COPY_LIFETIME, NAME, wire};

/// Whapi.Cloud, a gateway to a linked phone.
#[derive(Clone, Debug)]
pub struct WhapiCloud {
    pub(crate) settings: Settings,
    pub(crate) http: Http,
}

impl WhapiCloud {
    /// Begins with the token of a channel.
    pub fn builder(token: impl Into<Secret>) -> WhapiCloudBuilder {
        WhapiCloudBuilder::new(token.into())
    }
}

#[async_trait]
impl Provider for WhapiCloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        const RANGES: Capabilities = CAPABILITIES.with_open_range();
        if self.settings.try_range { &RANGES } else { &CAPABILITIES }
    }

    /// Works from the reference alone: by id where there is one, else by its public link. Renewing
    /// changes from one way to the other where there are two.
    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        media.check_provider(NAME).map_err(|error| error.with_operation("resolve"))?;
        if let Some(bytes) = media.inline.clone().filter(|_| !options.renew) {
            return Ok(MediaDescriptor::new(media.clone(), Source::Inline(bytes)));
        }
        let hosts = &self.settings.link_hosts;
        let id = media.id.as_ref().filter(|id| id.as_str() != wire::PLACEHOLDER);
        let source = match (id, &media.link) {
            // A link to a host that would be refused is no second way.
            (Some(_), Some(link)) if options.renew && hosts.check(&link.url).is_ok() => {
                Source::Link(link.clone())
            }
            (Some(_), _) => Source::Direct,
            (None, Some(link)) => Source::Link(link.clone()),
            (None, None) if media.id.is_some() => {
                return Err(wire::not_ready().with_provider(NAME).with_operation("resolve"));
            }
            (None, None) => {
                let why = "the reference has neither id nor link";
                return Err(refused("resolve", ErrorKind::InvalidRequest, why));
            }
        };
        Ok(MediaDescriptor::new(media.clone(), source))
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let declared = media.media.declared.clone().or(&media.declared);
        let resume = options.resume.as_ref().filter(|_| self.settings.try_range);
        let opened = match &media.source {
            Source::Inline(bytes) => return Ok(MediaStream::from_bytes(bytes.clone())),
            Source::Link(link) => {
                let call = Call::idempotent(NAME, "open", &options.budget, &self.settings.link_hosts);
                let build = |_| wire::by_link_request(link, resume);
                self.http.open(call, &declared, build, wire::judge_by_link).await?
            }
            _ => {
                let id = media.media.id_for(NAME).map_err(|error| error.with_operation("open"))?;
                let age = media.media.age(self.http.now());
                let mut judge = wire::ById::new(age, self.settings.not_found_retries);
                let call = Call::idempotent(NAME, "open", &options.budget, &self.settings.api_hosts);
                let build =
                    |_| wire::by_id_request(&self.settings, id, resume).map_err(|error| named("open", error));
                self.http.open(call, &declared, build, |reply| judge.judge(reply)).await?
            }
        };
        Ok(opened.into_stream())
    }

    /// The vendor encodes anew what it sends on, so size and digest of a sent message may differ from these bytes.
    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        CAPABILITIES.check_upload(&content).map_err(|error| error.with_provider(NAME))?;
        let (name, mime, size) = (wire::upload_name(&content), content.mime, content.size_bytes);
        let mut form = Some(Multipart::new().file("media", &name, &mime, content.body, size));
        let call = Call::once(NAME, "upload", &options.budget, &self.settings.api_hosts);
        let build = |_| match form.take() {
            Some(form) => wire::upload_request(&self.settings, form).map_err(|error| named("upload", error)),
            None => Err(refused("upload", ErrorKind::InvalidRequest, "an upload is sent once")),
        };
        let id = self.http.call(call, build, wire::read_uploaded).await?;
        let expires_at = self.http.now().checked_add(COPY_LIFETIME);
        Ok(Uploaded::from_media(MediaRef::new(NAME, id).with_expires_at(expires_at)))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let id = media.id_for(NAME).map_err(|error| error.with_operation("delete"))?;
        let call = Call::idempotent(NAME, "delete", &options.budget, &self.settings.api_hosts);
        let build = |_| wire::delete_request(&self.settings, id).map_err(|error| named("delete", error));
        let mut limited = OneRetry::default();
        let read = |reply: &Reply| wire::read_deleted(reply).map_err(|error| limited.bound(error));
        self.http.call(call, build, read).await
    }

    async fn list(&self, options: ListOptions) -> Result<MediaPage> {
        let count = wire::page_size(options.page_size);
        let cursor = wire::Cursor::parse(options.cursor.as_deref()).map_err(|error| named("list", error))?;
        let call = Call::idempotent(NAME, "list", &options.budget, &self.settings.api_hosts);
        let build = |_| {
            wire::list_request(&self.settings, count, cursor.offset).map_err(|error| named("list", error))
        };
        let mut limited = OneRetry::default();
        let read =
            |reply: &Reply| wire::read_page(reply, count, &cursor).map_err(|error| limited.bound(error));
        self.http.call(call, build, read).await
    }
}

/// What the transport adds to every error, for those that come before it.
fn named(operation: &'static str, error: Error) -> Error {
    error.with_provider(NAME).with_operation(operation)
}

fn refused(operation: &'static str, kind: ErrorKind, why: &str) -> Error {
    named(operation, Error::new(kind, why).with_phase(Phase::Prepare))
}
