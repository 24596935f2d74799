use async_trait::async_trait;
use wamedia_core::{
    Authenticity, Capabilities, DeleteOptions, DeleteOutcome, Delivery, Error, ErrorKind, Inbound,
    ListOptions, MediaDescriptor, MediaId, MediaPage, MediaRef, MediaStream, OpenOptions, Phase, Provider,
    ResolveOptions, Result, Secret, Sha256, Source, UploadBody, UploadContent, UploadOptions, Uploaded,
};
use wamedia_http::{Call, Http, Multipart, Reply};

use crate::config::{Settings, WhapiCloudBuilder};
use crate::{CAPABILITIES, COPY_LIFETIME, NAME, webhook, wire};

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

    fn capabilities(&self) -> Capabilities {
        if self.settings.try_range { CAPABILITIES.with_open_range() } else { CAPABILITIES }
    }

    /// Works from the reference alone: by id where there is one, else by its public link. Renewing
    /// changes from one way to the other where there are two.
    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        media.check_provider(NAME)?;
        let source = match (&media.inline, &media.id, &media.link) {
            (Some(bytes), ..) if !options.renew => Source::Inline(bytes.clone()),
            (_, Some(_), Some(link)) if options.renew => Source::Link(link.clone()),
            (_, None, Some(link)) => Source::Link(link.clone()),
            (_, Some(_), _) => Source::Direct,
            (_, None, None) => {
                return Err(refused(ErrorKind::InvalidRequest, "the reference has neither id nor link")
                    .with_operation("resolve"));
            }
        };
        Ok(MediaDescriptor::new(media.clone(), source))
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let expected = media.declared.mime.as_ref().or(media.media.declared.mime.as_ref());
        let resume = options.resume.as_ref().filter(|_| self.settings.try_range);
        let opened = match &media.source {
            Source::Inline(bytes) => return Ok(MediaStream::from_bytes(bytes.clone())),
            Source::Link(link) => {
                let call = Call::idempotent(NAME, "open", &options.budget, &self.settings.link_hosts);
                self.http
                    .open(call, expected, |_| wire::by_link_request(link, resume), wire::judge_by_link)
                    .await?
            }
            _ => {
                let id = media.media.id_for(NAME)?;
                let age = media.media.age(self.http.now());
                let mut tries = 0;
                let call = Call::idempotent(NAME, "open", &options.budget, &self.settings.api_hosts);
                let judge = |reply: &Reply| {
                    tries += 1;
                    wire::judge_by_id(reply, age, tries, self.settings.not_found_retries)
                };
                self.http
                    .open(call, expected, |_| wire::by_id_request(&self.settings, id, resume), judge)
                    .await?
            }
        };
        Ok(opened.into_stream())
    }

    /// The vendor encodes anew what it sends on, so size and digest of a sent message may differ from these bytes.
    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        if let (UploadBody::Bytes(bytes), Some(want)) = (&content.body, content.sha256)
            && Sha256::of(bytes) != want
        {
            return Err(refused(ErrorKind::Integrity, "the bytes do not hash to the stated digest"));
        }
        if content.size_bytes.is_none() {
            return Err(refused(ErrorKind::InvalidRequest, "the size must be known: spool the source first"));
        }
        let (mime, size) = (content.mime, content.size_bytes);
        let mut form = Some(Multipart::new().file("media", &content.name, &mime, content.body, size));
        let call = Call::once(NAME, "upload", &options.budget, &self.settings.api_hosts);
        let build = |_| match form.take() {
            Some(form) => wire::upload_request(&self.settings, form),
            None => Err(refused(ErrorKind::InvalidRequest, "an upload is sent once")),
        };
        let id = self.http.call(call, build, wire::read_uploaded).await?;
        let id = MediaId::new(id).map_err(|error| error.with_kind(ErrorKind::Decode).with_provider(NAME))?;
        let expires_at = self.http.now().checked_add(COPY_LIFETIME);
        Ok(Uploaded::from_media(MediaRef::new(NAME, id).with_expires_at(expires_at)))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let id = media.id_for(NAME)?;
        let call = Call::idempotent(NAME, "delete", &options.budget, &self.settings.api_hosts);
        self.http.call(call, |_| wire::delete_request(&self.settings, id), wire::read_deleted).await
    }

    async fn list(&self, options: ListOptions) -> Result<MediaPage> {
        let count = wire::page_size(options.page_size);
        let offset = match &options.cursor {
            Some(cursor) => cursor
                .parse()
                .map_err(|_| refused(ErrorKind::InvalidRequest, "the cursor is not one of this list"))?,
            None => 0,
        };
        let call = Call::idempotent(NAME, "list", &options.budget, &self.settings.api_hosts);
        let build = |_| wire::list_request(&self.settings, count, offset);
        self.http.call(call, build, |reply| wire::read_page(reply, count, offset)).await
    }

    fn parse_webhook(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        webhook::parse(delivery)
    }

    fn verify_webhook(&self, delivery: &Delivery<'_>) -> Result<Authenticity> {
        Ok(webhook::verify(delivery, &self.settings.webhook_headers))
    }
}

fn refused(kind: ErrorKind, why: &str) -> Error {
    Error::new(kind, why).with_provider(NAME).with_phase(Phase::Prepare)
}
