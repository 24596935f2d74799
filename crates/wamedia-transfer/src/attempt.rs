//! One attempt: reads one reply into the writer, and says what it came to.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use wamedia_core::{Error, ErrorKind, MediaHead, MediaStream, Mime, Phase, Result, Sha256};

use crate::Event;
use crate::content::{JUDGED_BYTES, unexpected};
use crate::expected::{Expected, too_long};
use crate::state::{AttemptOutcome, TransferState};
use crate::writer::HashingWriter;

/// How much of a body that looks like a page is held back where a digest will tell whether it is one.
const HELD_BYTES: usize = 64 * 1024;

/// What an attempt works with.
pub(crate) struct Attempt<'a, 'o, 'd> {
    pub(crate) state: &'a mut TransferState<'o>,
    pub(crate) expected: &'a mut Expected,
    pub(crate) writer: &'a mut HashingWriter<'d>,
}

impl Attempt<'_, '_, '_> {
    /// Reads a reply to its end, or to where it breaks. Errors of this function are failures of the destination.
    pub(crate) async fn read(&mut self, mut stream: MediaStream) -> Result<AttemptOutcome> {
        let head = stream.head().clone();
        let limit = match self.begin(&head).await? {
            Ok(limit) => limit,
            Err(outcome) => return Ok(outcome),
        };
        let mut beginning = Beginning::new(self.writer.taken() == 0, head.mime.clone());
        let mut read = self.writer.taken();
        while let Some(chunk) = stream.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                // All that was stated is here; that the connection then broke takes nothing away.
                Err(_) if read > 0 && self.state.total() == Some(read) => break,
                Err(error) => return Ok(AttemptOutcome::Broken(error)),
            };
            let size = chunk.len() as u64;
            read = read.saturating_add(size);
            self.state.tell(Event::Received { bytes: size });
            if let Err(error) = self.state.budget.count_bytes(size) {
                return Ok(AttemptOutcome::Failed(error));
            }
            if let Some(outcome) = limit.check(read) {
                return Ok(outcome);
            }
            match beginning.take(chunk, self.expected) {
                Judgement::Content(chunk) => self.writer.write(chunk).await?,
                Judgement::Undecided => {}
                Judgement::Unexpected(error) => return Ok(AttemptOutcome::NeedsNewLink(error)),
            }
        }
        let ends = [self.state.total(), head.end];
        if ends.into_iter().flatten().any(|end| read < end) {
            // What is held back is not delivered: its beginning is known only in part.
            return Ok(AttemptOutcome::Broken(
                Error::new(ErrorKind::Transport, "the body ended early").with_phase(Phase::Body),
            ));
        }
        match beginning.end(self.expected) {
            Judgement::Content(chunk) => self.writer.write(chunk).await?,
            Judgement::Undecided => {}
            Judgement::Unexpected(error) => return Ok(AttemptOutcome::NeedsNewLink(error)),
        }
        Ok(AttemptOutcome::Complete)
    }

    /// Checks the response headers against what is there, and gives how much may come.
    async fn begin(&mut self, head: &MediaHead) -> Result<Result<Limit, AttemptOutcome>> {
        let taken = self.writer.taken();
        if head.partial {
            if let Err(why) = self.state.begin_part(head, taken, self.expected) {
                let error =
                    Error::new(ErrorKind::UnexpectedContent, why).with_status(206).with_phase(Phase::Head);
                return Ok(Err(AttemptOutcome::NotAContinuation(error)));
            }
        } else {
            if taken > 0 {
                // The whole content, although only the rest was asked for.
                self.state.tell(Event::Restarted);
                self.writer.restart().await?;
            }
            self.state.begin_whole(head);
        }
        let (offset, whole) = (self.writer.taken(), self.state.total());
        self.state.tell(Event::Opened { offset, size_bytes: whole });
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

/// How many bytes may come.
struct Limit {
    max: u64,
    declared: u64,
    /// The declared size, for the message.
    stated: u64,
    whole: Option<u64>,
    end: Option<u64>,
}

impl Limit {
    fn check(&self, taken: u64) -> Option<AttemptOutcome> {
        if taken > self.max {
            return Some(AttemptOutcome::Failed(too_large(taken, self.max)));
        }
        if taken > self.declared {
            return Some(AttemptOutcome::Failed(too_long(taken, self.stated)));
        }
        let stated = [self.whole, self.end].into_iter().flatten().min()?;
        (taken > stated).then(|| {
            let why = format!("the reply has more than the {stated} bytes that its headers state");
            AttemptOutcome::NotAContinuation(Error::new(ErrorKind::Transport, why).with_phase(Phase::Body))
        })
    }
}

/// Holds the beginning of a body back until it has been judged.
struct Beginning {
    held: BytesMut,
    is_judged: bool,
    /// Set where the beginning is not content by its looks, and a digest will tell.
    doubt: Option<&'static str>,
    replied: Option<Mime>,
}

enum Judgement {
    Content(Bytes),
    Undecided,
    Unexpected(Error),
}

impl Beginning {
    /// `is_start` is false for a body that continues content whose beginning has been judged.
    fn new(is_start: bool, replied: Option<Mime>) -> Self {
        Self { held: BytesMut::new(), is_judged: !is_start, doubt: None, replied }
    }

    fn take(&mut self, chunk: Bytes, expected: &Expected) -> Judgement {
        if self.is_judged {
            return Judgement::Content(chunk);
        }
        if self.held.is_empty() && chunk.len() >= JUDGED_BYTES {
            // The usual case: no copy.
            match self.judge(&chunk[..JUDGED_BYTES], expected) {
                Some(error) => return Judgement::Unexpected(error),
                None if self.doubt.is_none() => {
                    self.is_judged = true;
                    return Judgement::Content(chunk);
                }
                None => {}
            }
        }
        self.held.extend_from_slice(&chunk);
        if self.doubt.is_none() && self.held.len() >= JUDGED_BYTES {
            let beginning = self.held[..JUDGED_BYTES].to_vec();
            if let Some(error) = self.judge(&beginning, expected) {
                return Judgement::Unexpected(error);
            }
        }
        let enough = if self.doubt.is_some() { HELD_BYTES } else { JUDGED_BYTES };
        if self.held.len() < enough {
            return Judgement::Undecided;
        }
        self.is_judged = true;
        Judgement::Content(self.held.split().freeze())
    }

    /// The body has ended.
    fn end(mut self, expected: &Expected) -> Judgement {
        if self.is_judged || self.held.is_empty() {
            return Judgement::Undecided;
        }
        if self.doubt.is_none() {
            let beginning = self.held[..self.held.len().min(JUDGED_BYTES)].to_vec();
            if let Some(error) = self.judge(&beginning, expected) {
                return Judgement::Unexpected(error);
            }
        }
        match self.doubt {
            Some(what) if !expected.is_matched_by(Sha256::of(&self.held)) => {
                Judgement::Unexpected(wrong_content(what))
            }
            _ => Judgement::Content(self.held.split().freeze()),
        }
    }

    /// Refuses what is not content, or notes the doubt where a digest will tell.
    fn judge(&mut self, beginning: &[u8], expected: &Expected) -> Option<Error> {
        let what = unexpected(beginning, &expected.declared, self.replied.as_ref())?;
        if expected.has_digest() {
            self.doubt = Some(what);
            return None;
        }
        Some(wrong_content(what))
    }
}

/// What came in place of the content.
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
