use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tracing::{Instrument as _, debug, debug_span};
use wamedia_core::{
    Capabilities, Error, ErrorKind, MediaDescriptor, MediaRef, MediaStream, OpenOptions, Phase, Provider,
    ResolveOptions, Result, Resume, Retry,
};

use crate::expected::Expected;
use crate::gate::Gate;
use crate::pipe::{Pipe, Sink};
use crate::run::{Round, Run};
use crate::{Difference, Downloaded, Event, Fetched, OnMismatch, Receipt, TransferOptions, file};

/// The most that is fetched into memory unless the caller says otherwise.
const MEMORY_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// The most that is fetched to anywhere else unless the caller says otherwise.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// How long what was resolved ahead may wait for its turn; links live five minutes and more.
const FRESH: Duration = Duration::from_secs(60);

/// One engine for every provider; see the crate documentation for its short forms.
#[derive(Clone, Debug)]
pub struct Transfer<'p, P: ?Sized> {
    provider: &'p P,
    options: TransferOptions,
    /// Passed between resolving and opening, where many transfers take turns.
    gate: Option<Gate>,
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
        let mut expected = Expected::new(&self.options, &descriptor);
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
                    let mismatch = match expected.compare(taken, digest) {
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
                    let fresh = Expected::new(&self.options, &renewed);
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
}
