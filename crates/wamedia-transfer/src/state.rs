//! One transfer under way: what it has spent, what it has learnt, and what a body's end means.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;
use tracing::debug;
use wamedia_core::{Budget, Error, ErrorKind, MediaStream, Mime, Phase, Result, Retry, Sha256};

use crate::expected::{Expected, too_long};
use crate::pipe::Pipe;
use crate::sniff::{SNIFF_BYTES, sniff, unexpected};
use crate::{Difference, Event, Receipt, TransferOptions, Verified};

/// An attempt that brought this much may be continued without spending a retry.
const GOOD_PROGRESS: u64 = 1024 * 1024;
/// How often a body is continued in all, good progress or not.
const MAX_RESUMES: u32 = 64;
/// The first wait after a broken body; it doubles with each.
const BREAK_PAUSE: Duration = Duration::from_millis(200);

/// The outcome of one run through a body.
pub(crate) enum Round {
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

/// What one transfer has spent and learnt so far.
pub(crate) struct Run<'r> {
    pub(crate) budget: Budget,
    options: &'r TransferOptions,
    max_bytes: u64,
    resumes: u32,
    breaks: u32,
    /// Set once ranges proved to be useless here.
    pub(crate) no_range: bool,
    pub(crate) validator: Option<String>,
    total: Option<u64>,
    first: Vec<u8>,
    replied: Option<Mime>,
    pub(crate) was_resumed: bool,
    discarded: bool,
}

impl<'r> Run<'r> {
    pub(crate) fn new(options: &'r TransferOptions, max_bytes: u64) -> Self {
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

    pub(crate) fn tell(&self, event: Event) {
        if let Some(observer) = &self.options.observer {
            observer.event(&event);
        }
    }

    pub(crate) fn check_declared_size(&self, expected: &Expected) -> Result<()> {
        match expected.size {
            Some((size, _)) if size > self.max_bytes => Err(too_large(size, self.max_bytes)),
            _ => Ok(()),
        }
    }

    pub(crate) fn judge_open_error(&mut self, error: Error) -> Round {
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
    pub(crate) async fn read(
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
        let limit = match expected.limit(whole) {
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
    pub(crate) fn may_read_again(&mut self, error: &Error) -> bool {
        let put_together = self.resumes > 0 && !self.discarded;
        let unframed = self.total.is_none();
        error.kind() == ErrorKind::Integrity
            && error.phase() == Some(Phase::Verify)
            && (put_together || unframed)
            && !std::mem::replace(&mut self.discarded, put_together)
    }

    /// Takes what another attempt costs, waits, and prepares the pipe.
    pub(crate) async fn again(&mut self, error: &Error, pipe: &mut Pipe<'_>, keep: bool) -> Result<()> {
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

    pub(crate) fn receipt(
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

fn too_large(size: u64, max: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the content has {size} bytes or more, at most {max} are accepted"),
    )
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
