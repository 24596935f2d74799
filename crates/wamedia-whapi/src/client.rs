use async_trait::async_trait;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, Error, ErrorKind, Inbound, ListOptions, MediaDescriptor,
    MediaPage, MediaRef, MediaStream, OpenOptions, Provider, ResolveOptions, Result, Secret, Source,
    UploadContent, UploadOptions, Uploaded,
};
use wamedia_provider::Reply;

use crate::config::{ListFilter, Settings, WhapiCloudBuilder};
use crate::responses::{ContentRetry, Cursor};
use crate::{CAPABILITIES, COPY_LIFETIME, NAME, PLACEHOLDER, error, requests, responses};

/// Whapi.Cloud, a gateway to a linked phone.
#[derive(Clone, Debug)]
pub struct WhapiCloud {
    pub(crate) settings: Settings,
}

impl WhapiCloud {
    /// Begins with the token of a channel.
    pub fn builder(token: impl Into<Secret>) -> WhapiCloudBuilder {
        WhapiCloudBuilder::new(token.into())
    }

    /// Lists one page of what the vendor keeps and the filter fits.
    ///
    /// # Errors
    ///
    /// As [`list`](Provider::list).
    ///
    /// Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>
    pub async fn list_where(&self, filter: &ListFilter, options: ListOptions) -> Result<MediaPage> {
        let (count, cursor) = (requests::page_size(options.page_size), options.cursor.as_deref());
        let build = |_| requests::list(&self.settings, filter, count, Cursor::parse(cursor)?.offset);
        let mut limited = error::one_retry();
        let read = |reply: &Reply| {
            responses::page(reply, count, &Cursor::parse(cursor)?).map_err(|error| limited.apply(error))
        };
        self.settings.api.idempotent("list", &options.budget).send(build, read).await
    }

    /// Asks for a message by its id, and reads it as a delivery of it is read: that is where the sizes, digests and
    /// links of its media are. With `resync` the channel asks WhatsApp for what it has forgotten.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for a message that the channel does not know.
    ///
    /// Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>
    pub async fn message(&self, id: &str, resync: bool, options: ResolveOptions) -> Result<Inbound> {
        let mut limited = error::one_retry();
        let read = |reply: &Reply| responses::message(reply).map_err(|error| limited.apply(error));
        self.settings
            .api
            .idempotent("message", &options.budget)
            .send(|_| requests::message(&self.settings, id, resync), read)
            .await
    }

    /// By id where there is one, else by the public link. Renewing changes from one way to the other where there
    /// are two.
    fn source(&self, media: &MediaRef, renew: bool) -> Result<Source> {
        media.check_provider(NAME)?;
        let id = media.id.as_ref().filter(|id| id.as_str() != PLACEHOLDER);
        match (id, &media.link) {
            // A link to a host that would be refused is not a second way.
            (Some(_), Some(link)) if renew && self.settings.api.content_hosts().check(&link.url).is_ok() => {
                Ok(Source::Link(link.clone()))
            }
            (Some(_), _) => Ok(Source::Direct),
            (None, Some(link)) => Ok(Source::Link(link.clone())),
            (None, None) if media.id.is_some() => Err(requests::not_ready()),
            (None, None) => {
                Err(Error::new(ErrorKind::InvalidRequest, "the reference has neither id nor link"))
            }
        }
    }
}

impl WhapiCloudBuilder {
    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) naming every problem.
    pub fn build(self) -> Result<WhapiCloud> {
        Ok(WhapiCloud { settings: self.settings()? })
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

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        let source = self.source(media, options.renew);
        let source = source.map_err(|error| self.settings.api.error("resolve", error))?;
        Ok(MediaDescriptor::new(media.clone(), source))
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let resume = options.resume.as_ref().filter(|_| self.settings.try_range);
        if let Some(link) = media.link() {
            let build = |_| requests::content_by_link(link, resume);
            return self
                .settings
                .api
                .content(&options.budget)
                .open(media, build, responses::link_error)
                .await;
        }
        let mut retry =
            ContentRetry::new(media.media.age(self.settings.api.now()), self.settings.not_found_retries);
        let call = self.settings.api.idempotent("open", &options.budget);
        let build = |_| requests::content_by_id(&self.settings, &media.media, resume);
        call.open(media, build, |reply| retry.classify(reply)).await
    }

    /// The vendor encodes anew what it sends on, so size and digest of a sent message may differ from these bytes.
    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let call = self.settings.api.once("upload", &options.budget);
        let build = |content, _| requests::upload(&self.settings, content);
        let id = call.upload(content, self.capabilities(), build, responses::uploaded).await?;
        let expires_at = self.settings.api.now().checked_add(COPY_LIFETIME);
        Ok(Uploaded::from_media(MediaRef::new(NAME, id).with_expires_at(expires_at)))
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let mut limited = error::one_retry();
        let read = |reply: &Reply| responses::deleted(reply).map_err(|error| limited.apply(error));
        self.settings
            .api
            .idempotent("delete", &options.budget)
            .send(|_| requests::delete(&self.settings, media), read)
            .await
    }

    async fn list(&self, options: ListOptions) -> Result<MediaPage> {
        self.list_where(&ListFilter::default(), options).await
    }
}

#[cfg(test)]
mod tests {
    use wamedia_core::MediaId;

    use super::*;

    #[test]
    fn an_id_that_stands_for_none_is_not_ready_and_no_id_is_a_mistake() {
        let whapi = WhapiCloud::builder("t").build().unwrap();
        let media = |id: &str| MediaRef::new(NAME, MediaId::new(id).unwrap());
        assert!(matches!(whapi.source(&media("1"), false), Ok(Source::Direct)));
        assert_eq!(whapi.source(&media(PLACEHOLDER), false).unwrap_err().kind(), ErrorKind::NotReady);
        let mut none = media("1");
        none.id = None;
        assert_eq!(whapi.source(&none, false).unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}
