use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tracing::{Instrument as _, debug, debug_span};
use wamedia_core::{
    Budget, Capabilities, Declared, DeclaredBy, Error, ErrorKind, MediaDescriptor, MediaRef, MediaStream,
    Mime, OpenOptions, Phase, Provider, ResolveOptions, Result, Resume, Retry, Sha256,
};

use crate::gate::Gate;
use crate::pipe::{Pipe, Sink};
use crate::sniff::{SNIFF_BYTES, sniff, unexpected};
use crate::{Difference, Downloaded, Event, Fetched, OnMismatch, Receipt, TransferOptions, Verified, file};

/// The most that is fetched into memory unless the caller says otherwise.
const MEMORY_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// The most that is fetched to anywhere else unless the caller says otherwise.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// An attempt that brought this much may be continued without spending a retry.
const GOOD_PROGRESS: u64 = 1024 * 1024;
/// How often a body is continued in all, good progress or not.
const MAX_RESUMES: u32 = 64;
/// How long what was resolved ahead may wait for its turn; links live five minutes and more.
const FRESH: Duration = Duration::from_secs(60);
/// The first wait after a broken body; it doubles with each.
const BREAK_PAUSE: Duration = Duration::from_millis(200);

/// One engine for every provider; see the crate documentation for its short forms.
#[derive(Clone, Debug)]
pub struct Transfer<'p, P: ?Sized> {
    provider: &'p P,
    options: TransferOptions,
    /// Passed between resolving and opening, where many transfers take turns.
    gate: Option<Gate>,
}

/// What the content must be, and who said so.
#[derive(Clone, Debug)]
struct Expected {
    sha256: Option<(Sha256, DeclaredBy)>,
    size: Option<(u64, DeclaredBy)>,
    declared: Declared,
    differences: Vec<Difference>,
}

/// The outcome of one run through a body.
enum Round {
    /// All bytes are there.
    Done,
    /// Nothing will help.
    Failed(Error),
    /// It broke; the bytes so far are good.
    Broken(Error),
    /// The bytes so far cannot be used; begin again, without a range.
    Discard(Error),
    /// Something else came in place of the content.
    WrongContent(Error),
}

struct Run<'r> {
    budget: Budget,
    options: &'r TransferOptions,
    max_bytes: u64,
    resumes: u32,
    breaks: u32,
    /// Set once ranges proved to be useless here.
    no_range: bool,
    validator: Option<String>,
    total: Option<u64>,
    first: Vec<u8>,
    replied: Option<Mime>,
    was_resumed: bool,
    discarded: bool,
}

pub(crate) struct Ended {
    pub(crate) receipt: Receipt,
    pub(crate) bytes: Option<bytes::Bytes>,
    /// The mismatch, where the policy keeps the bytes.
    pub(crate) mismatch: Option<Error>,
}

impl<'p, P: Provider + ?Sized> Transfer<'p, P> {
    /// A transfer with the default options.
    pub fn new(provider: &'p P) -> Self {
        Self { provider, options: TransferOptions::default(), gate: None }
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    pub(crate) fn with_gate(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    pub(crate) fn provider_name(&self) -> &'static str {
        self.provider.name()
    }

    pub(crate) fn options(&self) -> &TransferOptions {
        &self.options
    }

    /// Fetches into memory.
    ///
    /// # Errors
    ///
    /// Whatever stays after the budget is spent; [`ErrorKind::Integrity`] when the bytes are not
    /// what was declared.
    pub async fn fetch(&self, media: &MediaRef) -> Result<Fetched> {
        let mut pipe = Pipe::new(Sink::Memory(Vec::new()));
        let ended = self.run(media, &mut pipe, MEMORY_MAX_BYTES).await?;
        match ended.mismatch {
            Some(mismatch) => Err(mismatch),
            None => Ok(Fetched { bytes: ended.bytes.unwrap_or_default(), receipt: ended.receipt }),
        }
    }

    /// Fetches into a writer. What was written counts only once the receipt is there.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch); [`ErrorKind::Local`] when the writer fails.
    pub async fn fetch_into<W: AsyncWrite + Unpin + Send>(
        &self,
        media: &MediaRef,
        writer: &mut W,
    ) -> Result<Receipt> {
        let mut pipe = Pipe::new(Sink::Writer(writer));
        let ended = self.run(media, &mut pipe, MAX_BYTES).await?;
        ended.mismatch.map_or(Ok(ended.receipt), Err)
    }

    /// Fetches into a file with this final name.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch); [`ErrorKind::Local`] when the file exists or cannot be written.
    pub async fn download_to(&self, media: &MediaRef, path: &Path) -> Result<Downloaded> {
        file::download_to(self, media, path).await
    }

    /// Fetches into a folder, under a safe name made from what was declared and what arrived.
    ///
    /// # Errors
    ///
    /// As [`download_to`](Self::download_to).
    pub async fn download_in(&self, media: &MediaRef, folder: &Path) -> Result<Downloaded> {
        file::download_in(self, media, folder).await
    }

    pub(crate) async fn run_to_file(&self, media: &MediaRef, pipe: &mut Pipe<'_>) -> Result<Ended> {
        self.run(media, pipe, MAX_BYTES).await
    }

    async fn run(&self, media: &MediaRef, pipe: &mut Pipe<'_>, default_max: u64) -> Result<Ended> {
        let span = debug_span!("transfer", provider = self.provider.name(), operation = "fetch");
        let work = async {
            let outcome = self.heal(media, pipe, default_max).await;
            match &outcome {
                Ok(Ended { receipt, .. }) => debug!(
                    bytes = receipt.bytes,
                    attempts = receipt.attempts,
                    verified = receipt.verified.name(),
                    "fetched"
                ),
                Err(error) => debug!(kind = error.kind().name(), "failed"),
            }
            outcome
        };
        let work = work.instrument(span);
        let outcome = match self.options.deadline {
            None => work.await,
            Some(deadline) => match tokio::time::timeout(deadline, work).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    Err(Error::new(ErrorKind::Timeout, "the deadline of the whole transfer has passed")
                        .with_retry(Retry::Never)
                        .with_phase(Phase::Body))
                }
            },
        };
        outcome.map_err(|error| error.with_provider(self.provider.name()).with_operation("fetch"))
    }

    /// The loop: open, read, and decide what to do about what happened.
    async fn heal(&self, media: &MediaRef, pipe: &mut Pipe<'_>, default_max: u64) -> Result<Ended> {
        let mut started = Instant::now();
        let capabilities = self.provider.capabilities();
        let max_bytes = self.options.max_bytes.unwrap_or(default_max);
        let mut run = Run::new(&self.options, max_bytes);
        let mut descriptor = self.resolve(media, &run, false).await?;
        if let Some(gate) = &self.gate {
            let resolved = Instant::now();
            gate.passed().await;
            let waited = resolved.elapsed();
            // Waiting for one's turn is no part of the work.
            started += waited;
            if waited > FRESH {
                descriptor = self.resolve(media, &run, false).await?;
            }
        }
        let mut expected = self.expected(&descriptor);
        run.check_declared_size(&expected)?;
        loop {
            let round = match self.open(&descriptor, &capabilities, &mut run, &expected, pipe).await {
                Ok(stream) => run.read(stream, &mut expected, pipe).await?,
                Err(error) => run.judge_open_error(error),
            };
            match round {
                Round::Failed(error) => return Err(error),
                Round::Done => {
                    let (digest, bytes) = pipe.finish().await?;
                    let taken = pipe.taken();
                    let mismatch = match compare(&mut expected, taken, digest) {
                        Ok(()) => None,
                        Err(error) if run.may_read_again(&error) => {
                            expected.differences.retain(|difference| {
                                !matches!(difference, Difference::Digest { .. } | Difference::Size { .. })
                            });
                            run.again(&error, pipe, false).await?;
                            continue;
                        }
                        Err(error) => Some(error),
                    };
                    let receipt = run.receipt(expected, taken, digest, mismatch.is_some(), started);
                    return match (mismatch, self.options.on_mismatch) {
                        (Some(error), OnMismatch::Reject) => Err(error),
                        (Some(error), OnMismatch::Quarantine) => {
                            Ok(Ended { receipt, bytes, mismatch: Some(error) })
                        }
                        _ => Ok(Ended { receipt, bytes, mismatch: None }),
                    };
                }
                Round::Broken(error) => run.again(&error, pipe, true).await?,
                Round::Discard(error) => {
                    run.no_range = true;
                    run.again(&error, pipe, false).await?;
                }
                Round::WrongContent(error) => {
                    if !run.budget.take_renewal() {
                        return Err(error);
                    }
                    debug!(kind = error.kind().name(), "the link is dead, resolving again");
                    run.tell(Event::Renewing);
                    let renewed = self.resolve(media, &run, true).await?;
                    let fresh = self.expected(&renewed);
                    let other = fresh.sha256 != expected.sha256 || fresh.size != expected.size;
                    if (other || error.kind() == ErrorKind::UnexpectedContent) && pipe.taken() > 0 {
                        run.tell(Event::Restarted);
                        pipe.restart().await?;
                    }
                    expected = fresh;
                    descriptor = renewed;
                    run.check_declared_size(&expected)?;
                }
            }
        }
    }

    async fn resolve(&self, media: &MediaRef, run: &Run<'_>, renew: bool) -> Result<MediaDescriptor> {
        let options = ResolveOptions::default().with_budget(run.budget.clone()).with_renew(renew);
        let descriptor = self.provider.resolve(media, options).await?;
        run.tell(Event::Resolved {
            size_bytes: descriptor.declared.size_bytes.or(media.declared.size_bytes),
        });
        Ok(descriptor)
    }

    async fn open(
        &self,
        descriptor: &MediaDescriptor,
        capabilities: &Capabilities,
        run: &mut Run<'_>,
        expected: &Expected,
        pipe: &mut Pipe<'_>,
    ) -> Result<MediaStream> {
        let offset = pipe.taken();
        let checkable = run.validator.is_some() || expected.sha256.is_some();
        let resume = (offset > 0 && capabilities.open_range && checkable && !run.no_range)
            .then(|| Resume::new(offset, run.validator.clone()));
        run.was_resumed = resume.is_some();
        if offset > 0 && resume.is_none() {
            run.tell(Event::Restarted);
            pipe.restart().await?;
        }
        let options = OpenOptions::default().with_budget(run.budget.clone()).with_resume(resume);
        // What is declared by anybody helps the provider to tell an error page from the content.
        let mut descriptor = descriptor.clone();
        descriptor.declared = descriptor.declared.or(&expected.declared);
        self.provider.open(&descriptor, options).await
    }

    /// Everybody's word together: the caller before the provider before the webhook.
    fn expected(&self, descriptor: &MediaDescriptor) -> Expected {
        let (webhook, provider) = (&descriptor.media.declared, &descriptor.declared);
        let mut differences = Vec::new();
        if let (Some(webhook), Some(provider)) = (webhook.sha256, provider.sha256)
            && webhook != provider
        {
            differences.push(Difference::Disagreement { webhook, provider });
        }
        let mut declared = provider.clone().or(webhook);
        let by = |caller: bool, provider: bool| match (caller, provider) {
            (true, _) => DeclaredBy::Caller,
            (false, true) => DeclaredBy::Provider,
            (false, false) => DeclaredBy::Webhook,
        };
        let sha256 = self.options.sha256.or(declared.sha256);
        let sha256 =
            sha256.map(|digest| (digest, by(self.options.sha256.is_some(), provider.sha256.is_some())));
        let size = self.options.size_bytes.or(declared.size_bytes);
        let size =
            size.map(|size| (size, by(self.options.size_bytes.is_some(), provider.size_bytes.is_some())));
        if sha256.is_none() {
            differences.extend(declared.unusable_sha256.clone().map(Difference::UnusableDigest));
        }
        declared.sha256 = sha256.map(|(digest, _)| digest);
        declared.size_bytes = size.map(|(size, _)| size);
        // The sender's name for the file is better than any name that a provider makes up.
        declared.name = webhook.name.clone().or(declared.name);
        Expected { sha256, size, declared, differences }
    }
}

impl<'r> Run<'r> {
    fn new(options: &'r TransferOptions, max_bytes: u64) -> Self {
        let mut limits = options.limits;
        // A server that breaks at 99 % for ever must end: three times the largest content is enough for any healing.
        limits.max_total_bytes.get_or_insert(max_bytes.saturating_mul(3).saturating_add(GOOD_PROGRESS));
        Self {
            budget: Budget::new(limits),
            options,
            max_bytes,
            resumes: 0,
            breaks: 0,
            no_range: false,
            validator: None,
            total: None,
            first: Vec::new(),
            replied: None,
            was_resumed: false,
            discarded: false,
        }
    }

    fn tell(&self, event: Event) {
        if let Some(observer) = &self.options.observer {
            observer.event(&event);
        }
    }

    fn check_declared_size(&self, expected: &Expected) -> Result<()> {
        match expected.size {
            Some((size, _)) if size > self.max_bytes => Err(too_large(size, self.max_bytes)),
            _ => Ok(()),
        }
    }

    fn judge_open_error(&mut self, error: Error) -> Round {
        match error.kind() {
            ErrorKind::Expired => Round::WrongContent(error),
            // A range that was refused, or answered with something that is no range.
            _ if self.was_resumed && (error.status() == Some(416) || error.status() == Some(206)) => {
                Round::Discard(error)
            }
            ErrorKind::UnexpectedContent => Round::WrongContent(error),
            _ => Round::Failed(error),
        }
    }

    /// Reads one body to its end, or to where it breaks.
    async fn read(
        &mut self,
        stream: MediaStream,
        expected: &mut Expected,
        pipe: &mut Pipe<'_>,
    ) -> Result<Round> {
        let head = stream.head().clone();
        if let Some(round) = self.check_head(&head, pipe.taken()) {
            return Ok(round);
        }
        if !head.partial && pipe.taken() > 0 {
            // The whole content again although only the rest was asked for.
            self.no_range = true;
            self.tell(Event::Restarted);
            pipe.restart().await?;
        } else if pipe.taken() > 0 {
            self.resumes += 1;
        }
        let offset = pipe.taken();
        let whole = head.total_bytes.or_else(|| head.body_bytes.map(|bytes| bytes + head.start));
        self.tell(Event::Opened { offset, size_bytes: whole });
        if let Some(whole) = whole
            && whole > self.max_bytes
        {
            return Err(too_large(whole, self.max_bytes));
        }
        let limit = match limit(expected, whole) {
            Ok(limit) => limit.unwrap_or(u64::MAX),
            Err(error) => return Ok(Round::Failed(error)),
        };
        self.total = whole.or(self.total);
        self.validator = head.validator.clone().or_else(|| self.validator.take());
        if offset == 0 {
            self.replied.clone_from(&head.mime);
            self.first.clear();
        }
        let declared_mime = expected.declared.mime.clone();
        if expected.declared.name.is_none() {
            expected.declared.name.clone_from(&head.name);
        }
        let mut chunks = stream;
        // Nothing is handed on before the first bytes were looked at.
        let mut looking = offset == 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return Ok(Round::Broken(error)),
            };
            if chunk.is_empty() {
                continue;
            }
            let size = chunk.len() as u64;
            self.budget.count_bytes(size)?;
            self.tell(Event::Received { bytes: size });
            if self.first.len() < SNIFF_BYTES {
                let room = SNIFF_BYTES - self.first.len();
                self.first.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            if looking {
                looking = self.first.len() < 16;
                if let Some(family) = unexpected(&self.first, declared_mime.as_ref(), self.replied.as_ref()) {
                    return Ok(Round::WrongContent(wrong_content(family)));
                }
            }
            let taken = pipe.taken() + size;
            if taken > limit {
                let declared = expected.size.map_or(limit, |(size, _)| size);
                return Ok(Round::Failed(too_long(taken, declared)));
            }
            if taken > self.max_bytes {
                return Err(too_large(taken, self.max_bytes));
            }
            pipe.push(chunk).await?;
        }
        let taken = pipe.taken();
        if whole.is_some_and(|whole| taken < whole) {
            let error = Error::new(ErrorKind::Transport, "the body ended early").with_phase(Phase::Body);
            return Ok(Round::Broken(error));
        }
        Ok(Round::Done)
    }

    /// Checks where a reply begins against where it must begin.
    fn check_head(&self, head: &wamedia_core::MediaHead, offset: u64) -> Option<Round> {
        let wrong = |why: &str| {
            Some(Round::Discard(
                Error::new(ErrorKind::UnexpectedContent, why).with_status(206).with_phase(Phase::Head),
            ))
        };
        if !head.partial {
            return None;
        }
        if head.start != offset {
            return wrong("the partial answer begins at another place than was asked for");
        }
        if let (Some(before), Some(now)) = (self.total, head.total_bytes)
            && before != now
        {
            return wrong("the partial answer belongs to content of another size");
        }
        if let (Some(before), Some(now)) = (&self.validator, &head.validator)
            && before != now
        {
            return wrong("the partial answer belongs to other content");
        }
        None
    }

    /// A mismatch may be the network's: of a body without a stated length, or one put together from parts.
    fn may_read_again(&mut self, error: &Error) -> bool {
        let put_together = self.resumes > 0 && !self.discarded;
        let unframed = self.total.is_none();
        error.kind() == ErrorKind::Integrity
            && error.phase() == Some(Phase::Verify)
            && (put_together || unframed)
            && !std::mem::replace(&mut self.discarded, put_together)
    }

    /// Takes what another attempt costs, waits, and prepares the pipe.
    async fn again(&mut self, error: &Error, pipe: &mut Pipe<'_>, keep: bool) -> Result<()> {
        let give_up = || clone_error(error);
        self.breaks += 1;
        let progress = pipe.taken();
        let free =
            keep && progress >= GOOD_PROGRESS * u64::from(self.resumes + 1) && self.resumes < MAX_RESUMES;
        if keep && !error.is_retryable() {
            return Err(give_up());
        }
        if !free && !self.budget.take_retry() {
            return Err(give_up().with_note(format!("given up after {} attempts", self.breaks)));
        }
        let wait = match error.retry() {
            Retry::After(wait) => wait,
            _ => BREAK_PAUSE.saturating_mul(1 << self.breaks.saturating_sub(1).min(6)),
        };
        if !self.budget.take_wait(wait) {
            return Err(give_up().with_note("the time for waiting is used up"));
        }
        debug!(kind = error.kind().name(), taken = pipe.taken(), keep, "the body broke, trying again");
        self.tell(Event::Retrying { kind: error.kind(), wait });
        if !keep && pipe.taken() > 0 {
            self.tell(Event::Restarted);
            pipe.restart().await?;
            self.validator = None;
            self.total = None;
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn receipt(
        &self,
        expected: Expected,
        bytes: u64,
        digest: Sha256,
        mismatch: bool,
        started: Instant,
    ) -> Receipt {
        let sniffed_mime = sniff(&self.first);
        let mut differences = expected.differences;
        let declared_mime = expected.declared.mime.as_ref();
        if let (Some(declared), Some(actual)) = (declared_mime, self.replied.as_ref())
            && declared != actual
            && actual.essence() != "application/octet-stream"
        {
            differences.push(Difference::Type { declared: declared.clone(), actual: actual.clone() });
        }
        let verified = match (mismatch, expected.sha256, expected.size) {
            (false, Some((_, by)), _) => Verified::Digest(by),
            (false, None, Some((_, by))) => Verified::Length(by),
            _ => Verified::None,
        };
        let declared_by = expected.sha256.map(|(_, by)| by).or(expected.size.map(|(_, by)| by));
        let spent = self.budget.spent();
        Receipt {
            bytes,
            sha256: digest,
            verified,
            declared: expected.declared,
            declared_by,
            sniffed_mime,
            differences,
            attempts: spent.retries + 1,
            resumes: self.resumes,
            renewals: spent.renewals,
            requests: spent.requests,
            received_bytes: spent.bytes,
            waited: spent.waited,
            elapsed: started.elapsed(),
        }
    }
}

/// How many bytes may come in before the content is certainly too long.
///
/// A reply that states another length than was declared is believed within reason where a digest
/// will tell; otherwise it is wrong at once.
fn limit(expected: &Expected, whole: Option<u64>) -> Result<Option<u64>> {
    let Some((declared, _)) = expected.size else { return Ok(None) };
    match whole {
        Some(whole) if whole > declared => {
            let within_reason = whole <= declared.saturating_mul(2).saturating_add(64 * 1024);
            if expected.sha256.is_some() && within_reason {
                Ok(Some(whole))
            } else {
                Err(too_long(whole, declared))
            }
        }
        _ => Ok(Some(declared)),
    }
}

/// Compares the finished content with what was declared.
fn compare(expected: &mut Expected, taken: u64, digest: Sha256) -> Result<()> {
    let integrity =
        |message: String| Err(Error::new(ErrorKind::Integrity, message).with_phase(Phase::Verify));
    let size = expected.size.filter(|(size, _)| *size != taken).map(|(size, _)| size);
    match expected.sha256 {
        Some((want, _)) if want == digest => {
            if let Some(declared) = size {
                expected.differences.push(Difference::Size { declared, actual: taken });
            }
            return Ok(());
        }
        Some((want, _)) => {
            expected.differences.push(Difference::Digest { declared: want, actual: digest });
            let length =
                size.map_or_else(String::new, |size| format!(", and {taken} bytes came instead of {size}"));
            return integrity(format!("the content hashes to {digest}, declared was {want}{length}"));
        }
        None => {}
    }
    if let Some(declared) = size {
        expected.differences.push(Difference::Size { declared, actual: taken });
        return integrity(format!("{taken} bytes came, {declared} were declared"));
    }
    if taken == 0 && expected.size.is_none() {
        return integrity("the answer was empty, and no size of zero was declared".to_owned());
    }
    Ok(())
}

fn too_large(size: u64, max: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the content has {size} bytes or more, at most {max} are accepted"),
    )
    .with_phase(Phase::Body)
}

fn too_long(size: u64, declared: u64) -> Error {
    Error::new(ErrorKind::Integrity, format!("at least {size} bytes come, {declared} were declared"))
        .with_phase(Phase::Body)
}

fn wrong_content(family: &str) -> Error {
    Error::new(ErrorKind::UnexpectedContent, format!("a document in {family} came in place of the media"))
        .with_phase(Phase::Body)
}

/// Errors are not `Clone`, because causes are not; the cause of a broken body is in its message.
fn clone_error(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message()).with_retry(error.retry());
    if let Some(phase) = error.phase() {
        copy = copy.with_phase(phase);
    }
    if let Some(operation) = error.operation() {
        copy = copy.with_operation(operation);
    }
    if let Some(code) = error.provider_code() {
        copy = copy.with_provider_code(code);
    }
    error.status().into_iter().fold(copy, Error::with_status)
}
