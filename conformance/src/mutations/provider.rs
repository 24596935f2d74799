//! The mutations that wrap the provider.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use wamedia_core::{
    Budget, Capabilities, DeleteOptions, DeleteOutcome, Error, ErrorKind, Limits, ListOptions,
    MediaDescriptor, MediaHead, MediaLink, MediaPage, MediaRef, MediaStream, Mime, OpenOptions, Phase,
    Provider, ResolveOptions, Result, Retry, Source, UploadBody, UploadContent, UploadOptions, Uploaded,
};

use super::Mutation;
use super::Mutation as M;
use crate::CANARY;

/// The real provider, its mutation, and the state of that mutation.
#[derive(Debug)]
pub(crate) struct MutatedProvider {
    inner: Arc<dyn Provider>,
    mutation: Mutation,
    capabilities: Capabilities,
    now: SystemTime,
    first: Mutex<Option<MediaDescriptor>>,
    failed: AtomicBool,
}

impl MutatedProvider {
    pub(crate) fn new(inner: Arc<dyn Provider>, mutation: Mutation, now: SystemTime) -> Self {
        if mutation == M::NeedsARuntime {
            drop(tokio::runtime::Handle::current());
        }
        let mut capabilities = *inner.capabilities();
        match mutation {
            M::NeverResumes => capabilities.open_range = false,
            M::SendsRangeAnyway => capabilities.open_range = true,
            _ => {}
        }
        Self { inner, mutation, capabilities, now, first: Mutex::new(None), failed: AtomicBool::new(false) }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    /// The error that such a client returns.
    fn error(&self, error: Error) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        let rebuilt = |kind, message: &str| Error::new(kind, message).with_retry(error.retry());
        match self.mutation {
            M::IgnoresVendorCodes if error.provider_code().is_some() => {
                rebuilt(ErrorKind::Decode, error.message()).with_phase(Phase::Head)
            }
            M::NeverRenews if error.kind() == ErrorKind::Expired => error.with_kind(ErrorKind::Forbidden),
            M::RenewsRejectedTokens if error.kind() == ErrorKind::Unauthorized => {
                error.with_kind(ErrorKind::Expired)
            }
            M::GivesUpOnRangeErrors if error.status() == Some(416) => {
                rebuilt(ErrorKind::Forbidden, error.message()).with_retry(Retry::Never)
            }
            M::RetriesBadCertificates if error.kind() == ErrorKind::Transport => {
                error.with_retry(Retry::Backoff)
            }
            M::ShowsLinksInErrors => error.with_note(format!("at https://x.test/?access_token={CANARY}")),
            M::SaysNothingOfTheEnd => rebuilt(error.kind(), "the upload failed"),
            M::DropsVendorText => rebuilt(error.kind(), "the vendor refused").with_phase(Phase::Head),
            M::CallsEarlyAnswersBroken if error.operation() == Some("upload") => {
                error.with_kind(ErrorKind::Transport)
            }
            M::HasOneKind => error.with_kind(ErrorKind::Upstream).with_retry(Retry::Never),
            M::CallsNetworkDecode if matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout) => {
                error.with_kind(ErrorKind::Decode)
            }
            M::NamesNothing => rebuilt(error.kind(), error.message()),
            M::TellsTooMuch => error.with_source(std::io::Error::other("\u{1b}[31m".repeat(2000))),
            M::LogsTwice => {
                tracing::debug!(
                    kind = error.kind().name(),
                    wait_ms = 3000,
                    "trying again, given up, resolving again"
                );
                error
            }
            _ => error,
        }
    }

    fn descriptor(&self, mut descriptor: MediaDescriptor, renew: bool) -> MediaDescriptor {
        let declared = &mut descriptor.declared;
        match self.mutation {
            M::LosesTheType => declared.mime = None,
            M::LosesTheSize => declared.size_bytes = None,
            M::LosesTheDigest => declared.sha256 = None,
            M::ChecksNothing => (declared.sha256, declared.size_bytes) = (None, None),
            M::LosesParameters => declared.mime = declared.mime.as_ref().and_then(essence),
            M::LosesExpiry => {
                if let Source::Link(link) = &mut descriptor.source {
                    link.expires_at = None;
                }
            }
            M::KeepsTheOldDescriptor if renew => {
                let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(first) = &*first {
                    descriptor.declared = first.declared.clone();
                }
            }
            M::MixesCalls => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                return first.get_or_insert(descriptor).clone();
            }
            _ => {}
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| descriptor.clone());
        descriptor
    }

    fn stream(&self, stream: MediaStream, resume: Option<u64>) -> MediaStream {
        let mut head = stream.head().clone();
        match self.mutation {
            M::ForgetsTheHead => MediaStream::new(MediaHead::default(), stream),
            M::ReadsOneChunk => MediaStream::new(head, stream.take(1)),
            M::LosesTheLastByte => {
                MediaStream::new(head, stream.map(|chunk| chunk.map(|chunk| chunk.slice(..chunk.len() - 1))))
            }
            M::EndsQuietly => {
                head.body_bytes = None;
                MediaStream::new(head, stream.take_while(|chunk| std::future::ready(chunk.is_ok())))
            }
            M::AppendsOnRestart if resume.is_none() && self.failed.swap(true, Ordering::Relaxed) => {
                let junk = stream::iter([Ok(Bytes::from_static(b"what was there before"))]);
                MediaStream::new(head, junk.chain(stream))
            }
            M::AppendsWholeToPart if resume.is_some() && !head.partial => {
                head.partial = true;
                head.start = resume.unwrap_or_default();
                MediaStream::new(head, stream)
            }
            M::IgnoresContentRange if head.partial => {
                head.start = resume.unwrap_or_default();
                head.end = None;
                MediaStream::new(head, stream)
            }
            _ => stream,
        }
    }
}

fn essence(mime: &Mime) -> Option<Mime> {
    Mime::parse(mime.essence()).ok()
}

/// A descriptor that leads nowhere.
fn nowhere(media: &MediaRef) -> MediaDescriptor {
    let link = "https://nowhere.test/".parse().unwrap_or_else(|_| unreachable!("it is a link"));
    MediaDescriptor::new(media.clone(), Source::Link(MediaLink::public(link)))
}

fn nothing() -> MediaStream {
    // Not text, which no picture is.
    MediaStream::from_bytes(Bytes::from_static(b"\xff\xd8\xff nothing"))
}

#[async_trait]
impl Provider for MutatedProvider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        let _span = self.is(M::OpensSpansTwice).then(|| {
            tracing::debug_span!("attempt", provider = self.name(), operation = "resolve", attempt = 1)
        });
        let mut media = media.clone();
        match self.mutation {
            M::FailsAlways => return Err(Error::new(ErrorKind::Upstream, "no")),
            M::StopsAtOneFailure if self.failed.load(Ordering::Relaxed) => {
                return Err(
                    Error::new(ErrorKind::Upstream, "one failed, so all fail").with_retry(Retry::Never)
                );
            }
            M::LosesTheDigest => media.declared.sha256 = None,
            M::ChecksNothing => (media.declared.sha256, media.declared.size_bytes) = (None, None),
            M::LosesParameters => media.declared.mime = media.declared.mime.as_ref().and_then(essence),
            _ => {}
        }
        let renew = options.renew;
        let again = ResolveOptions::default().with_budget(options.budget.clone()).with_renew(renew);
        let outcome = if self.is(M::Detaches) {
            let (inner, media) = (Arc::clone(&self.inner), media.clone());
            let task = tokio::spawn(async move { inner.resolve(&media, options).await });
            task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Local, "the task is gone")))
        } else {
            self.inner.resolve(&media, options).await
        };
        let outcome = match outcome {
            Err(_) if self.is(M::RetriesFinalAnswers) => self.inner.resolve(&media, again).await,
            Err(error) if self.is(M::TakesEmptyDescriptors) && error.kind() == ErrorKind::Decode => {
                Ok(nowhere(&media))
            }
            Err(error) if self.is(M::PanicsOnGarbage) => panic!("cannot happen: {:?}", error.kind()),
            outcome => outcome,
        };
        outcome.map(|descriptor| self.descriptor(descriptor, renew)).map_err(|error| self.error(error))
    }

    async fn open(&self, media: &MediaDescriptor, mut options: OpenOptions) -> Result<MediaStream> {
        let mut media = media.clone();
        let resume = options.resume.as_ref().map(|resume| resume.offset);
        match self.mutation {
            M::FailsAlways => return Err(Error::new(ErrorKind::Upstream, "no")),
            M::StopsAtOneFailure if self.failed.load(Ordering::Relaxed) => {
                return Err(
                    Error::new(ErrorKind::Upstream, "one failed, so all fail").with_retry(Retry::Never)
                );
            }
            M::LogsLinks => {
                tracing::debug!(target: "wamedia_provider", "GET https://x.test/?access_token={CANARY}");
            }
            M::DependenciesLogLinks => tracing::trace!(target: "hyper", "GET https://x.test/?t={CANARY}"),
            M::OpensTwice => drop(self.inner.open(&media, OpenOptions::default()).await),
            M::ResumesWithoutValidator => {
                if let Some(resume) = &mut options.resume {
                    resume.validator = None;
                }
            }
            M::IgnoresExpiry | M::AllowsNoSkew => {
                if let Source::Link(link) = &mut media.source {
                    if self.is(M::AllowsNoSkew) && link.expires_at.is_some_and(|at| at < self.now) {
                        return Err(Error::new(ErrorKind::Expired, "past its time"));
                    }
                    link.expires_at = None;
                }
            }
            _ => {}
        }
        let again = OpenOptions::default().with_budget(options.budget.clone());
        let outcome = if self.is(M::Detaches) {
            let inner = Arc::clone(&self.inner);
            let task = tokio::spawn(async move {
                let mut stream = inner.open(&media, options).await?;
                let head = stream.head().clone();
                let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
                tokio::spawn(async move {
                    while let Some(chunk) = stream.next().await {
                        let _ = sender.send(chunk);
                    }
                });
                let chunks = stream::unfold(receiver, |mut receiver| async move {
                    receiver.recv().await.map(|chunk| (chunk, receiver))
                });
                Ok(MediaStream::new(head, chunks))
            });
            task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Local, "the task is gone")))
        } else {
            let outcome = self.inner.open(&media, options).await;
            match outcome {
                Err(_) if self.is(M::RetriesFinalAnswers) => self.inner.open(&media, again).await,
                outcome => outcome,
            }
        };
        let outcome = match outcome {
            Err(error)
                if self.is(M::TakesAnyStatus) && matches!(error.status(), Some(204 | 206 | 302 | 304))
                    || self.is(M::OpensForeignLinks) && error.kind() == ErrorKind::Refused =>
            {
                Ok(nothing())
            }
            Ok(stream) if self.is(M::BuffersAll) => {
                let head = stream.head().clone();
                let chunks: Vec<_> = stream.collect().await;
                Ok(MediaStream::new(head, stream::iter(chunks)))
            }
            outcome => outcome,
        };
        outcome.map(|stream| self.stream(stream, resume)).map_err(|error| self.error(error))
    }

    async fn upload(&self, mut content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let somewhere = || {
            let link = "https://x.test/1".parse().unwrap_or_else(|_| unreachable!("it is a link"));
            Ok(Uploaded::from_link(link))
        };
        match self.mutation {
            M::FailsAlways => return Err(Error::new(ErrorKind::Upstream, "no")),
            M::GuessesLengths => content.size_bytes = content.size_bytes.or(Some(4)),
            M::TakesAnyType => {
                content.mime = Mime::parse("image/jpeg").unwrap_or(content.mime);
                content.kind = None;
            }
            M::TakesAnySize => {
                // It sends content that the real client refuses.
                if let UploadBody::Bytes(bytes) = &mut content.body {
                    bytes.truncate(1000);
                    content.size_bytes = Some(bytes.len() as u64);
                }
            }
            _ => {}
        }
        let copy = match &content.body {
            UploadBody::Bytes(bytes) => {
                Some(UploadContent::from_bytes(bytes.clone(), content.mime.clone(), content.name.clone()))
            }
            _ => None,
        };
        match (self.inner.upload(content, options).await, copy) {
            (Err(error), _) if self.is(M::DoesTheUndeclared) && error.kind() == ErrorKind::Unsupported => {
                somewhere()
            }
            (Err(_), Some(copy)) if self.is(M::RepeatsUploads) => {
                self.inner.upload(copy, UploadOptions::default()).await
            }
            (Err(error), _) if self.is(M::TakesNoId) && error.kind() == ErrorKind::Decode => somewhere(),
            (Err(error), _) if self.is(M::TakesShortSources) && error.kind() == ErrorKind::Local => {
                somewhere()
            }
            (outcome, _) => outcome.map_err(|error| self.error(error)),
        }
    }

    async fn delete(&self, media: &MediaRef, mut options: DeleteOptions) -> Result<DeleteOutcome> {
        if self.is(M::FailsAlways) {
            return Err(Error::new(ErrorKind::Upstream, "no"));
        }
        if self.is(M::NeverRepeatsDeletions) {
            let mut limits = Limits::default();
            limits.max_attempts = 1;
            options.budget = Budget::new(limits);
        }
        match self.inner.delete(media, options).await {
            Err(error) if self.is(M::DoesTheUndeclared) && error.kind() == ErrorKind::Unsupported => {
                Ok(DeleteOutcome::AlreadyGone)
            }
            Err(_) if self.is(M::CallsAnythingDeleted) => Ok(DeleteOutcome::Deleted),
            Ok(_) if self.is(M::CallsGoneDeleted) => Ok(DeleteOutcome::Deleted),
            outcome => outcome.map_err(|error| self.error(error)),
        }
    }

    async fn list(&self, options: ListOptions) -> Result<MediaPage> {
        if self.is(M::FailsAlways) {
            return Err(Error::new(ErrorKind::Upstream, "no"));
        }
        match self.inner.list(options).await {
            Err(error) if self.is(M::DoesTheUndeclared) && error.kind() == ErrorKind::Unsupported => {
                Ok(MediaPage::default())
            }
            Ok(mut page) => {
                if self.is(M::ListsForEver) {
                    page.next.get_or_insert_with(|| "0".to_owned());
                }
                Ok(page)
            }
            outcome => outcome.map_err(|error| self.error(error)),
        }
    }
}
