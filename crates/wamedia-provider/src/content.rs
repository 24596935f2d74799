use std::time::SystemTime;

use http::header;
use tracing::debug;
use wamedia_core::{
    ContentMetadata, Error, ErrorKind, MediaDescriptor, MediaHead, MediaLink, MediaStream, Mime, Result,
    Sha256, Source,
};

use crate::body::Incoming;
use crate::call::{Call, host_of};
use crate::failure::Failure;
use crate::head::head_of;
use crate::redirect::{MAX_REDIRECTS, follow, redirect_target};
use crate::{Body, Reply, Request, error_for_status};

/// How much of a reply is looked at to tell a vendor's error from content; also the most of a failure that is read.
const SUSPICIOUS_BYTES: usize = 64 * 1024;

/// What one reply gave.
enum RedirectStep {
    Content(Box<(MediaHead, Incoming)>),
    Redirect(url::Url),
}

/// The link of a descriptor, for a vendor that has nothing but links.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] where the descriptor has none.
pub fn link_of(media: &MediaDescriptor) -> Result<&MediaLink> {
    media.link().ok_or_else(|| Error::new(ErrorKind::InvalidRequest, "the descriptor has no link"))
}

impl Call<'_> {
    /// Opens content. `classify` looks at what is not plainly content: any reply without success, and a short
    /// reply with success whose type is JSON, HTML or XML where another was declared. It gives the vendor's error,
    /// or `None` where the bytes are content. What matches a declared digest is content, and `classify` is not
    /// asked; pages that no vendor's envelope explains are left to the engine.
    ///
    /// Redirects are followed, at most three, without any bound header once the origin changed.
    ///
    /// # Errors
    ///
    /// What `classify` says, [`ErrorKind::Refused`] for a host outside the rules, [`ErrorKind::Expired`] for a
    /// link that is past its time, or the transport's failure.
    pub async fn open(
        self,
        media: &MediaDescriptor,
        mut build: impl FnMut(SystemTime) -> Result<Request> + Send,
        mut classify: impl FnMut(&Reply) -> Option<Error> + Send,
    ) -> Result<MediaStream> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let now = self.api.now();
            let request = self.check_link(media, now).and_then(|()| build(now));
            let outcome = match request {
                Ok(request) => self.open_once(attempt, media, request, &mut classify).await,
                Err(error) => Err(self.build_failure(error)),
            };
            match outcome {
                Ok(stream) => return Ok(stream),
                Err(failure) => self.pause(attempt, failure).await?,
            }
        }
    }

    /// A host that is refused stays refused, whatever a new link would say; a link that is past its time is not
    /// worth a request.
    fn check_link(&self, media: &MediaDescriptor, now: SystemTime) -> Result<()> {
        let Source::Link(link) = &media.source else { return Ok(()) };
        self.hosts.check(&link.url)?;
        if link.is_dead(now) {
            return Err(Error::new(ErrorKind::Expired, "the link is past its time"));
        }
        Ok(())
    }

    async fn open_once(
        self,
        attempt: u32,
        media: &MediaDescriptor,
        Request { mut head, mut body }: Request,
        classify: &mut (impl FnMut(&Reply) -> Option<Error> + Send),
    ) -> Result<MediaStream, Failure> {
        let transport = &self.api.transport;
        let is_ranged = head.headers.contains_key(header::RANGE);
        let mut host = String::new();
        for _ in 0..=MAX_REDIRECTS {
            host = host_of(&head.url);
            let read = async |response| {
                if let Some(next) = redirect_target(&head.url, &response)? {
                    return Ok(RedirectStep::Redirect(next));
                }
                self.classify_response(response, media, is_ranged, classify).await.map(RedirectStep::Content)
            };
            let body = std::mem::replace(&mut body, Body::Empty);
            match self.attempt(attempt, &head, body, read).await? {
                RedirectStep::Content(content) => {
                    let (mut head, mut incoming) = *content;
                    // A host may be named after a credential.
                    let host = transport.redactor().text(&host).unwrap_or(host);
                    head.host = Some(host.clone());
                    incoming.name_host(host);
                    return Ok(MediaStream::new(head, incoming));
                }
                RedirectStep::Redirect(next) => {
                    // A host may be named after a credential.
                    let host = next.host_str().unwrap_or("-");
                    let clean = transport.redactor().text(host);
                    let host = clean.as_deref().unwrap_or(host);
                    debug!(provider = self.provider(), host, "content moved to another address");
                    follow(&mut head, next);
                }
            }
        }
        let error = Error::new(ErrorKind::Refused, "more redirects than a content host needs");
        let error = self.error_from(&host, error.with_phase(wamedia_core::Phase::Head));
        Err(Failure { error, is_unsent: false })
    }

    /// Tells content from a vendor's error.
    async fn classify_response(
        self,
        mut response: reqwest::Response,
        media: &MediaDescriptor,
        is_ranged: bool,
        classify: &mut (impl FnMut(&Reply) -> Option<Error> + Send),
    ) -> Result<Box<(MediaHead, Incoming)>> {
        let transport = &self.api.transport;
        let status = response.status().as_u16();
        if !matches!(status, 200 | 203 | 206) {
            let reply = transport.read_reply(response, SUSPICIOUS_BYTES).await?;
            let error = classify(&reply).unwrap_or_else(|| error_for_status(&reply));
            let error =
                if reply.is_success() { error.with_kind(ErrorKind::UnexpectedContent) } else { error };
            return Err(error.with_status(status));
        }
        let (headers, at) = (std::mem::take(response.headers_mut()), self.api.now());
        let head = head_of(status, &headers, is_ranged)?;
        let options = transport.options();
        let mut incoming = Incoming::new(response, options.idle_timeout, options.min_rate);
        if status != 206 && is_suspicious(head.mime.as_ref(), media) {
            let (body, is_whole) = incoming.read_ahead(SUSPICIOUS_BYTES).await?;
            // No vendor's error is longer than what is looked at.
            if is_whole && !is_declared(&body, media) {
                let reply = Reply { status, headers, body, truncated: false, at };
                if let Some(error) = classify(&reply) {
                    return Err(error);
                }
            }
        }
        Ok(Box::new((head, incoming)))
    }
}

/// What the provider's reply and the webhook declare. Whoever sends a message chooses what its webhook declares, so a
/// statement counts here only where nobody contradicts it.
fn declared<T>(
    media: &MediaDescriptor,
    property: impl Fn(&ContentMetadata) -> Option<T>,
) -> impl Iterator<Item = T> {
    [property(&media.declared), property(&media.media.declared)].into_iter().flatten()
}

/// Whether everybody who declares something declares this, and somebody does.
fn all_agree(mut agreements: impl Iterator<Item = bool>) -> bool {
    agreements.next().is_some_and(|first| first && agreements.all(|agrees| agrees))
}

/// Whether a reply with this type may be a vendor's error in place of content of a declared type.
fn is_suspicious(mime: Option<&Mime>, media: &MediaDescriptor) -> bool {
    // Without a type it may be anything.
    let Some(mime) = mime else { return true };
    let essence = mime.essence();
    let is_textual = ["json", "xml", "html"].iter().any(|family| essence.ends_with(family));
    let types = declared(media, |declared| declared.mime.clone());
    is_textual && !all_agree(types.map(|declared| declared.essence() == essence))
}

/// Whether the body has the digest that was declared.
fn is_declared(body: &[u8], media: &MediaDescriptor) -> bool {
    let digests = declared(media, |declared| declared.sha256);
    all_agree(digests.map(|digest| digest == Sha256::of(body)))
}
