//! One attempt: reads one reply into the writer, and gives the outcome.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use wamedia_core::{Error, ErrorKind, MediaHead, MediaStream, Mime, Phase, Result, Sha256};

use crate::Event;
use crate::content::{PREFIX_BYTES, unexpected};
use crate::expected::{Expected, too_long};
use crate::state::{AttemptOutcome, TransferState};
use crate::writer::HashingWriter;

/// How much of a body that looks like a page is held back where a digest decides.
const HELD_BYTES: usize = 64 * 1024;

/// What an attempt works with.
pub(crate) struct Attempt<'a, 'o, 'd> {
    pub(crate) state: &'a mut TransferState<'o>,
    pub(crate) expected: &'a mut Expected,
    pub(crate) writer: &'a mut HashingWriter<'d>,
}

impl Attempt<'_, '_, '_> {
    /// Reads a reply to its end, or to where it breaks off. An error is a failure of the destination.
    pub(crate) async fn read(&mut self, mut stream: MediaStream) -> Result<AttemptOutcome> {
        let head = stream.head().clone();
        let limit = match self.begin(&head).await? {
            Ok(limit) => limit,
            Err(outcome) => return Ok(outcome),
        };
        let mut prefix = BodyPrefix::new(self.writer.written() == 0, head.mime.clone());
        let mut read = self.writer.written();
        while let Some(chunk) = stream.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                // The content is complete by its stated size, so the break after it does no harm.
                Err(_) if read > 0 && self.state.total() == Some(read) => break,
                Err(error) => return Ok(AttemptOutcome::Broken(error)),
            };
            let size = chunk.len() as u64;
            read = read.saturating_add(size);
            self.state.emit(Event::Received { bytes: size });
            if let Err(error) = self.state.budget.count_bytes(size) {
                return Ok(AttemptOutcome::Failed(error));
            }
            if let Some(outcome) = limit.check(read) {
                return Ok(outcome);
            }
            match prefix.take(chunk, self.expected) {
                Classification::Content(chunk) => self.writer.write(chunk).await?,
                Classification::Undecided => {}
                Classification::Unexpected(error) => return Ok(AttemptOutcome::NeedsNewLink(error)),
            }
        }
        let ends = [self.state.total(), head.end];
        if ends.into_iter().flatten().any(|end| read < end) {
            // What is held back was not classified as a whole, so it is not delivered.
            return Ok(AttemptOutcome::Broken(
                Error::new(ErrorKind::Transport, "the body ended early").with_phase(Phase::Body),
            ));
        }
        match prefix.end(self.expected) {
            Classification::Content(chunk) => self.writer.write(chunk).await?,
            Classification::Undecided => {}
            Classification::Unexpected(error) => return Ok(AttemptOutcome::NeedsNewLink(error)),
        }
        Ok(AttemptOutcome::Complete)
    }

    /// Checks the response headers against the bytes so far, and gives how many may follow.
    async fn begin(&mut self, head: &MediaHead) -> Result<Result<Limit, AttemptOutcome>> {
        let written = self.writer.written();
        if head.partial {
            if let Err(why) = self.state.begin_partial(head, written, self.expected) {
                let error =
                    Error::new(ErrorKind::UnexpectedContent, why).with_status(206).with_phase(Phase::Head);
                return Ok(Err(AttemptOutcome::NotAContinuation(error)));
            }
        } else {
            if written > 0 {
                // The reply has the whole content, although only the rest was requested.
                self.state.emit(Event::Restarted);
                self.writer.restart().await?;
            }
            self.state.begin_whole(head);
        }
        let (offset, whole) = (self.writer.written(), self.state.total());
        self.state.emit(Event::Opened { offset, size_bytes: whole });
        let max = self.state.max_bytes;
        if let Some(whole) = whole
            && whole > max
        {
            return Ok(Err(AttemptOutcome::Failed(too_large(whole, max))));
        }
        self.expected.add_headers(head);
        let declared = match self.expected.limit(whole) {
            Ok(limit) => limit,
            Err(error) => return Ok(Err(AttemptOutcome::Failed(error))),
        };
        let stated = self.expected.stated_size().unwrap_or(declared);
        Ok(Ok(Limit { max, declared, stated, whole, end: head.end }))
    }
}

/// How many bytes of the content may arrive.
struct Limit {
    max: u64,
    declared: u64,
    /// The declared size, for the message.
    stated: u64,
    /// The size of the whole content by the response headers.
    whole: Option<u64>,
    /// Where the range ends by the response headers.
    end: Option<u64>,
}

impl Limit {
    fn check(&self, written: u64) -> Option<AttemptOutcome> {
        if written > self.max {
            return Some(AttemptOutcome::Failed(too_large(written, self.max)));
        }
        if written > self.declared {
            return Some(AttemptOutcome::Failed(too_long(written, self.stated)));
        }
        let stated = [self.whole, self.end].into_iter().flatten().min()?;
        (written > stated).then(|| {
            let why = format!("the reply has more than the {stated} bytes that its headers state");
            AttemptOutcome::NotAContinuation(Error::new(ErrorKind::Transport, why).with_phase(Phase::Body))
        })
    }
}

/// Holds the first bytes of a body back until they are classified.
struct BodyPrefix {
    held: BytesMut,
    is_classified: bool,
    /// What the bytes look like instead of the content, where a digest decides.
    suspect: Option<&'static str>,
    /// The type in the response headers.
    replied: Option<Mime>,
}

/// What the first bytes of a body are.
enum Classification {
    Content(Bytes),
    Undecided,
    Unexpected(Error),
}

impl BodyPrefix {
    /// `is_start` is false for a body that continues content whose first bytes were classified before.
    fn new(is_start: bool, replied: Option<Mime>) -> Self {
        Self { held: BytesMut::new(), is_classified: !is_start, suspect: None, replied }
    }

    fn take(&mut self, chunk: Bytes, expected: &Expected) -> Classification {
        if self.is_classified {
            return Classification::Content(chunk);
        }
        if self.held.is_empty() && chunk.len() >= PREFIX_BYTES {
            // The usual case: no copy.
            match self.classify(&chunk[..PREFIX_BYTES], expected) {
                Some(error) => return Classification::Unexpected(error),
                None if self.suspect.is_none() => {
                    self.is_classified = true;
                    return Classification::Content(chunk);
                }
                None => {}
            }
        }
        self.held.extend_from_slice(&chunk);
        if self.suspect.is_none() && self.held.len() >= PREFIX_BYTES {
            let beginning = self.held[..PREFIX_BYTES].to_vec();
            if let Some(error) = self.classify(&beginning, expected) {
                return Classification::Unexpected(error);
            }
        }
        let enough = if self.suspect.is_some() { HELD_BYTES } else { PREFIX_BYTES };
        if self.held.len() < enough {
            return Classification::Undecided;
        }
        self.is_classified = true;
        Classification::Content(self.held.split().freeze())
    }

    /// The body has ended.
    fn end(mut self, expected: &Expected) -> Classification {
        if self.is_classified || self.held.is_empty() {
            return Classification::Undecided;
        }
        if self.suspect.is_none() {
            let beginning = self.held[..self.held.len().min(PREFIX_BYTES)].to_vec();
            if let Some(error) = self.classify(&beginning, expected) {
                return Classification::Unexpected(error);
            }
        }
        match self.suspect {
            Some(what) if !expected.is_matched_by(Sha256::of(&self.held)) => {
                Classification::Unexpected(wrong_content(what))
            }
            _ => Classification::Content(self.held.split().freeze()),
        }
    }

    /// Refuses what is not content, or notes what it looks like where a digest decides.
    fn classify(&mut self, beginning: &[u8], expected: &Expected) -> Option<Error> {
        let what = unexpected(beginning, &expected.declared, self.replied.as_ref())?;
        if expected.has_digest() {
            self.suspect = Some(what);
            return None;
        }
        Some(wrong_content(what))
    }
}

/// The error for something else in place of the content.
pub(crate) fn wrong_content(what: &str) -> Error {
    Error::new(ErrorKind::UnexpectedContent, format!("{what} came in place of the media"))
        .with_phase(Phase::Body)
}

pub(crate) fn too_large(size: u64, max: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the content has {size} bytes or more, at most {max} are accepted"),
    )
    .with_phase(Phase::Body)
}
