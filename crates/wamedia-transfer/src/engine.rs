use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tracing::{Instrument as _, debug, debug_span};
use wamedia_core::{
    Error, ErrorKind, MediaDescriptor, MediaRef, MediaStream, Mime, OpenOptions, Phase, Provider,
    ResolveOptions, Result, Retry, Sha256, Source,
};

use crate::attempt::{Attempt, too_large, wrong_content};
use crate::barrier::Barrier;
use crate::content::{PREFIX_BYTES, sniff, unexpected};
use crate::destination::{Begin, BeginContext, Destination, File, Folder, Memory, Sequential};
use crate::expected::Expected;
use crate::observe::EndGuard;
use crate::state::{AttemptOutcome, Next, TransferState};
use crate::writer::HashingWriter;
use crate::{Difference, Downloaded, Event, Fetched, OnMismatch, Receipt, TransferOptions, Verified};

/// The most that is fetched into memory unless the caller says otherwise.
const MEMORY_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// The most that is fetched to anywhere else unless the caller says otherwise.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// How long a resolved descriptor may wait for its turn; links live five minutes and more.
const FRESH: Duration = Duration::from_secs(60);

/// One engine for every provider. [`ProviderExt`](crate::ProviderExt) has short forms with the default options.
#[derive(Clone, Debug)]
pub struct Transfer<'p, P: ?Sized> {
    provider: &'p P,
    options: TransferOptions,
    /// Holds the transfer back between resolving and opening, where many transfers take turns.
    barrier: Option<Barrier>,
}

/// Where the bytes are, and what they must be.
struct Resolved {
    descriptor: MediaDescriptor,
    expected: Expected,
}

/// Content that was read to its end, before the destination has made it visible.
struct TransferOutput {
    receipt: Receipt,
    /// Set where the content is not what was declared, and the policy does not accept that.
    mismatch: Option<Error>,
}

impl<'p, P: Provider + ?Sized> Transfer<'p, P> {
    /// A transfer with the default options.
    pub fn new(provider: &'p P) -> Self {
        Self { provider, options: TransferOptions::default(), barrier: None }
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    pub(crate) fn with_barrier(mut self, barrier: Barrier) -> Self {
        self.barrier = Some(barrier);
        self
    }

    /// Fetches into memory.
    ///
    /// # Errors
    ///
    /// The last error once the budget is spent; [`ErrorKind::Integrity`] when the bytes are not what was declared.
    pub async fn fetch(&self, media: &MediaRef) -> Result<Fetched> {
        let mut memory = Memory::new();
        let receipt = self.transfer(media, &mut memory, MEMORY_MAX_BYTES).await?;
        match (memory.into_bytes(), receipt) {
            (Some(bytes), Some(receipt)) => Ok(Fetched { bytes, receipt }),
            _ => Err(nothing_stored()),
        }
    }

    /// Fetches into a writer. Use what was written only once this returns the receipt.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch); [`ErrorKind::Local`] when the writer fails.
    pub async fn fetch_into<W: AsyncWrite + Unpin + Send>(
        &self,
        media: &MediaRef,
        writer: &mut W,
    ) -> Result<Receipt> {
        let receipt = self.transfer(media, &mut Sequential::new(writer), MAX_BYTES).await?;
        receipt.ok_or_else(nothing_stored)
    }

    /// Fetches into any destination; `None` where the destination has the content already.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), and the errors of the destination.
    pub async fn store(
        &self,
        media: &MediaRef,
        destination: &mut dyn Destination,
    ) -> Result<Option<Receipt>> {
        self.transfer(media, destination, MAX_BYTES).await
    }

    /// Fetches into a file with this final name.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch); [`ErrorKind::Local`] when the file exists or cannot be written.
    pub async fn download_to(&self, media: &MediaRef, path: impl AsRef<Path> + Send) -> Result<Downloaded> {
        let path = path.as_ref().to_owned();
        let receipt = self.store(media, &mut File::new(&path)).await?;
        Ok(Downloaded { path, receipt })
    }

    /// Fetches into a folder, under a safe name made from what was declared and what arrived. Many transfers
    /// into one folder share one [`Folder`].
    ///
    /// # Errors
    ///
    /// As [`download_to`](Self::download_to).
    pub async fn download_in(&self, media: &MediaRef, folder: impl Into<Folder>) -> Result<Downloaded> {
        let folder = folder.into();
        let mut media = media.clone();
        media.provider.get_or_insert_with(|| self.provider.name().into());
        let mut entry = folder.entry(&media);
        let receipt = self.store(&media, &mut entry).await?;
        let path = entry.path().unwrap_or(folder.path()).to_owned();
        Ok(Downloaded { path, receipt })
    }

    async fn transfer(
        &self,
        media: &MediaRef,
        destination: &mut dyn Destination,
        default_max: u64,
    ) -> Result<Option<Receipt>> {
        let span = debug_span!("transfer", provider = self.provider.name(), operation = "fetch");
        let work = async {
            let guard = EndGuard::new(
                self.options.observer.as_deref(),
                media,
                #[cfg(feature = "metrics")]
                self.provider.name(),
            );
            let outcome = self.transfer_and_commit(media, destination, default_max).await;
            guard.end(&outcome);
            match &outcome {
                Ok(Some(receipt)) => debug!(
                    bytes = receipt.bytes,
                    attempts = receipt.attempts,
                    verified = receipt.verified.name(),
                    "fetched"
                ),
                Ok(None) => debug!("already stored"),
                Err(error) => debug!(error.r#type = error.kind().name(), "failed"),
            }
            outcome
        };
        let outcome = work.instrument(span).await;
        outcome.map_err(|error| error.with_provider(self.provider.name()).with_operation("fetch"))
    }

    async fn transfer_and_commit(
        &self,
        media: &MediaRef,
        destination: &mut dyn Destination,
        default_max: u64,
    ) -> Result<Option<Receipt>> {
        let max_bytes = self.options.max_bytes.unwrap_or(default_max);
        let mut state = TransferState::new(&self.options, max_bytes, media);
        let read = self.begin_and_read(media, destination, &mut state);
        let outcome = match self.options.deadline {
            None => read.await,
            Some(deadline) => {
                tokio::time::timeout(deadline, read).await.unwrap_or_else(|_| Err(deadline_passed()))
            }
        };
        match outcome.map_err(|error| state.located(error)) {
            Ok(None) => Ok(None),
            Ok(Some(TransferOutput { receipt, mismatch: None })) => {
                destination.commit(&receipt).await?;
                Ok(Some(receipt))
            }
            Ok(Some(TransferOutput { receipt, mismatch: Some(mismatch) })) => {
                let mismatch = state.located(mismatch);
                if self.options.on_mismatch == OnMismatch::Quarantine {
                    return Err(destination.quarantine(&receipt, mismatch).await);
                }
                destination.abort().await;
                Err(mismatch)
            }
            Err(error) => {
                destination.abort().await;
                Err(error)
            }
        }
    }

    async fn begin_and_read(
        &self,
        media: &MediaRef,
        destination: &mut dyn Destination,
        state: &mut TransferState<'_>,
    ) -> Result<Option<TransferOutput>> {
        let context = BeginContext { media, options: &self.options };
        let begin = destination.begin(&context).await?;
        let mut writer = HashingWriter::new(destination, &self.options.offload);
        match begin {
            Begin::AlreadyStored => return Ok(None),
            Begin::Fresh => {}
            Begin::Resume { offset, hasher, first } => {
                writer.resume_from(offset, hasher, first);
                state.resume_from_partial();
                // What is already over the limit must not become content, not even where its digest is right.
                if offset > state.max_bytes {
                    restart(&mut writer, state).await?;
                }
            }
        }
        self.read(media, &mut writer, state).await.map(Some)
    }

    /// One attempt after another, until the state says that it is over.
    async fn read(
        &self,
        media: &MediaRef,
        writer: &mut HashingWriter<'_>,
        state: &mut TransferState<'_>,
    ) -> Result<TransferOutput> {
        let (Resolved { mut descriptor, mut expected }, started) = self.resolve_in_turn(media, state).await?;
        writer.expect(&expected.declared);
        let mut observed = Observed::default();
        let mut outcome = finish_partial(&mut expected, writer, &mut observed).await?;
        let mismatch = loop {
            let ended = match outcome.take() {
                Some(outcome) => outcome,
                None => self.attempt(&mut descriptor, &mut expected, writer, state, &mut observed).await?,
            };
            match state.next(ended, writer.written()) {
                Next::Finish => break None,
                Next::Mismatch(error) => break Some(error),
                Next::Again { wait, from_start } => {
                    debug!(written = writer.written(), from_start, "retrying");
                    if from_start {
                        restart(writer, state).await?;
                    }
                    expected.forget_mismatch();
                    tokio::time::sleep(wait).await;
                }
                // A reference that is nothing but its inline bytes cannot be resolved.
                Next::Renew(error) if media.id.is_none() && media.link.is_none() => return Err(error),
                Next::Renew(error) => {
                    debug!(error.r#type = error.kind().name(), "resolving again");
                    state.emit(Event::Renewing);
                    let renewed = self.resolve(media, state, true).await?;
                    let is_same = renewed.expected.is_same_content(&expected);
                    if error.kind() == ErrorKind::UnexpectedContent || !is_same {
                        restart(writer, state).await?;
                    }
                    Resolved { descriptor, expected } = renewed;
                    writer.expect(&expected.declared);
                }
                Next::Fail(error) => return Err(error),
            }
        };
        let verified = if mismatch.is_none() { expected.verified() } else { Verified::None };
        let receipt = receipt(expected, verified, writer, state, observed, started);
        Ok(TransferOutput {
            receipt,
            mismatch: mismatch.filter(|_| self.options.on_mismatch != OnMismatch::Record),
        })
    }

    /// Opens, reads and verifies once.
    async fn attempt(
        &self,
        descriptor: &mut MediaDescriptor,
        expected: &mut Expected,
        writer: &mut HashingWriter<'_>,
        state: &mut TransferState<'_>,
        observed: &mut Observed,
    ) -> Result<AttemptOutcome> {
        let stream = match self.open(descriptor, expected, writer, state).await? {
            Ok(stream) => stream,
            Err(outcome) => return Ok(outcome),
        };
        state.host.clone_from(&stream.head().host);
        if !stream.head().partial {
            observed.mime.clone_from(&stream.head().mime);
        }
        let outcome = Attempt { state: &mut *state, expected: &mut *expected, writer: &mut *writer }
            .read(stream)
            .await?;
        if !matches!(outcome, AttemptOutcome::Complete) {
            return Ok(outcome);
        }
        let digest = writer.finish().await?;
        observed.digest = Some(digest);
        let Err(mismatch) = expected.verify(writer.written(), digest) else {
            return Ok(AttemptOutcome::Complete);
        };
        // Before, the first bytes proved nothing; now they explain the mismatch.
        let beginning = &writer.first()[..writer.first().len().min(PREFIX_BYTES)];
        Ok(match unexpected(beginning, &expected.declared, observed.mime.as_ref()) {
            Some(what) => AttemptOutcome::NeedsNewLink(wrong_content(what)),
            None => AttemptOutcome::Mismatch(mismatch),
        })
    }

    /// Resolves, and then waits where many transfers take turns.
    async fn resolve_in_turn(
        &self,
        media: &MediaRef,
        state: &TransferState<'_>,
    ) -> Result<(Resolved, Instant)> {
        let started = Instant::now();
        let resolved = self.resolve(media, state, false).await?;
        let Some(barrier) = &self.barrier else { return Ok((resolved, started)) };
        let waiting = Instant::now();
        barrier.passed().await;
        // The wait for its turn is not part of the transfer.
        let waited = waiting.elapsed();
        let is_fresh = waited <= FRESH;
        let resolved = if is_fresh { resolved } else { self.resolve(media, state, false).await? };
        Ok((resolved, started + waited))
    }

    /// Finds out where the bytes are and what they must be. Contradictory statements and content that is too large are
    /// errors. Inline bytes need no provider; once they proved to be something else, `renew` resolves in their place.
    async fn resolve(&self, media: &MediaRef, state: &TransferState<'_>, renew: bool) -> Result<Resolved> {
        let descriptor = match &media.inline {
            Some(bytes) if !renew => MediaDescriptor::new(media.clone(), Source::Inline(bytes.clone())),
            _ => {
                let options = ResolveOptions::default().with_budget(state.budget.clone()).with_renew(renew);
                self.provider.resolve(media, options).await?
            }
        };
        let expected = Expected::new(&self.options, &descriptor);
        state.emit(Event::Resolved { size_bytes: expected.stated_size() });
        let is_recorded = self.options.on_mismatch == OnMismatch::Record;
        match (expected.contradiction(), expected.stated_size()) {
            (Some(error), _) if !is_recorded => Err(error),
            (_, Some(size)) if size > state.max_bytes => Err(too_large(size, state.max_bytes)),
            _ => match expected.lack(self.options.require) {
                Some(error) => Err(error),
                None => Ok(Resolved { descriptor, expected }),
            },
        }
    }

    /// Opens the content, from the end of the bytes so far where that is safe.
    async fn open(
        &self,
        descriptor: &mut MediaDescriptor,
        expected: &Expected,
        writer: &mut HashingWriter<'_>,
        state: &mut TransferState<'_>,
    ) -> Result<Result<MediaStream, AttemptOutcome>> {
        if let Source::Inline(bytes) = &descriptor.source {
            return Ok(Ok(MediaStream::from_bytes(bytes.clone())));
        }
        let resume = state.resume(writer.written(), expected, self.provider.capabilities().open_range);
        let is_resumed = resume.is_some();
        if !is_resumed {
            restart(writer, state).await?;
        }
        let options = OpenOptions::default().with_budget(state.budget.clone()).with_resume(resume);
        // The provider needs all declared metadata to tell an error page from the content.
        descriptor.declared.clone_from(&expected.declared);
        let opened = self.provider.open(descriptor, options).await;
        Ok(opened.map_err(|error| classify_open_error(error, is_resumed)))
    }
}

/// What the replies showed.
#[derive(Default)]
struct Observed {
    /// The type of the last reply that began at the first byte.
    mime: Option<Mime>,
    /// The digest of the content once it was read to its end.
    digest: Option<Sha256>,
}

/// Checks whether the partial file of an earlier run is the whole content.
async fn finish_partial(
    expected: &mut Expected,
    writer: &mut HashingWriter<'_>,
    observed: &mut Observed,
) -> Result<Option<AttemptOutcome>> {
    if writer.written() == 0 || !expected.has_digest() {
        return Ok(None);
    }
    let digest = writer.finish().await?;
    if expected.is_matched_by(digest) && expected.verify(writer.written(), digest).is_ok() {
        observed.digest = Some(digest);
        return Ok(Some(AttemptOutcome::Complete));
    }
    expected.forget_mismatch();
    Ok(None)
}

/// Discards the bytes so far, if there are any.
async fn restart(writer: &mut HashingWriter<'_>, state: &mut TransferState<'_>) -> Result<()> {
    state.restarted();
    if writer.written() == 0 {
        return Ok(());
    }
    state.emit(Event::Restarted);
    writer.restart().await
}

fn classify_open_error(error: Error, is_resumed: bool) -> AttemptOutcome {
    match error.kind() {
        ErrorKind::Expired => AttemptOutcome::NeedsNewLink(error),
        // The range was refused, or the reply has no usable Content-Range.
        _ if is_resumed && matches!(error.status(), Some(206 | 416)) => {
            AttemptOutcome::NotAContinuation(error)
        }
        ErrorKind::UnexpectedContent => AttemptOutcome::NeedsNewLink(error),
        _ => AttemptOutcome::Failed(error),
    }
}

fn receipt(
    expected: Expected,
    verified: Verified,
    writer: &HashingWriter<'_>,
    state: &TransferState<'_>,
    observed: Observed,
    started: Instant,
) -> Receipt {
    let sniffed_mime = sniff(writer.first());
    let declared_by = expected.declared_by();
    let Expected { declared, mut differences, .. } = expected;
    if let (Some(declared), Some(actual)) = (&declared.mime, observed.mime)
        && *declared != actual
        && actual.essence() != "application/octet-stream"
    {
        differences.push(Difference::Type { declared: declared.clone(), actual });
    }
    let spent = state.budget.spent();
    Receipt {
        bytes: writer.written(),
        sha256: observed.digest.unwrap_or_else(|| Sha256::of(b"")),
        verified,
        declared,
        declared_by,
        sniffed_mime,
        differences,
        attempts: spent.retries + 1,
        resumes: state.resumes,
        renewals: spent.renewals,
        requests: spent.requests,
        received_bytes: spent.bytes,
        waited: spent.waited,
        elapsed: started.elapsed(),
    }
}

/// A memory or a writer said that it has the content already, which neither can have.
fn nothing_stored() -> Error {
    Error::new(ErrorKind::Local, "the destination has no content").with_phase(Phase::Store)
}

fn deadline_passed() -> Error {
    Error::new(ErrorKind::Timeout, "the deadline of the whole transfer has passed")
        .with_hint("allow more time (--deadline), or set none: large files are slow, not broken")
        .with_retry(Retry::Never)
        .with_phase(Phase::Body)
}
