//! Scripted replies: the head, the bytes, and how they arrive.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use wamedia_conformance::simulation::{
    BodyLog, BodyReply, Content, End, Ending, RangeStyle, Served, Validator,
};
use wamedia_core::{Error, ErrorKind, MediaHead, Mime, Result};

use super::provider::Simulated;

/// How long the transport waits for the next bytes.
const IDLE: Duration = Duration::from_secs(30);
/// At most so many bytes come beyond the end.
const MAX_OVER: usize = 70_000;
/// Pauses come before so many chunks only.
const PAUSED_CHUNKS: u64 = 5;

/// A scripted reply to a request for content.
pub(crate) struct ScriptedBody {
    pub(crate) head: MediaHead,
    pub(crate) log: BodyLog,
    /// The bytes that are sent.
    pub(crate) bytes: Bytes,
    /// How many bytes an honest server would send.
    pub(crate) honest: u64,
}

impl Simulated {
    /// The scripted reply to the request with this number; `None` where the range is refused. `asked` has the offset
    /// and the validator of the request.
    pub(crate) fn body(
        &self,
        object: usize,
        number: u32,
        asked: (u64, Option<&str>),
        script: &BodyReply,
    ) -> Option<ScriptedBody> {
        let described = &self.shared.world.objects[object];
        let version = described.version_after(number);
        let whole = self.served(object, self.shared.version(object, version), script.served);
        let size = whole.len() as u64;
        let strong = self.validator(object, version, script.served);
        let replies = self.shared.next_reply();
        let range = range(script, asked, size, &strong)?;
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
        let honest = whole.slice(at(range.start)..at(range.end));
        let validator = match script.validator {
            Validator::Strong => Some(strong),
            Validator::OnlyWhole if !range.is_partial => Some(strong),
            Validator::Absent | Validator::OnlyWhole => None,
            Validator::Changing => Some(format!("\"reply-{replies}\"")),
        };
        let mime = script.mime.as_deref().unwrap_or(match script.served {
            Served::Page(shape) => shape.mime(),
            _ => described.content.shape.mime(),
        });
        let mut head = MediaHead::default();
        head.mime = Mime::parse(mime).ok();
        head.body_bytes = script.length.of(honest.len() as u64);
        head.partial = range.is_partial;
        head.start = range.start;
        head.total_bytes = if range.is_partial { script.total.of(size) } else { None };
        head.validator.clone_from(&validator);
        let (bytes, honest) = (ended(&honest, script.end), honest.len() as u64);
        let log = BodyLog {
            version,
            partial: range.is_partial,
            start: range.start,
            length: head.body_bytes,
            total: head.total_bytes,
            validator,
            beginning: bytes.slice(..bytes.len().min(64)),
            ..BodyLog::default()
        };
        Some(ScriptedBody { head, log, bytes, honest })
    }

    /// The strong validator of what is served.
    fn validator(&self, object: usize, version: usize, served: Served) -> String {
        match served {
            Served::Page(_) => "\"page\"".to_owned(),
            Served::Other(further) => format!("\"{}-v0\"", self.other(object, further)),
            Served::Current | Served::Flipped(_) => format!("\"{object}-v{version}\""),
        }
    }

    fn other(&self, object: usize, further: u8) -> usize {
        (object + usize::from(further)) % self.shared.versions.len()
    }

    fn served(&self, object: usize, current: &Bytes, served: Served) -> Bytes {
        match served {
            Served::Current => current.clone(),
            Served::Flipped(place) => {
                let mut bytes = current.to_vec();
                let count = bytes.len();
                if let Some(byte) = bytes.get_mut(place as usize % count.max(1)) {
                    *byte ^= 1;
                }
                bytes.into()
            }
            Served::Other(further) => self.shared.version(self.other(object, further), 0).clone(),
            Served::Page(shape) => Content { shape, size: 300 }.bytes(99),
        }
    }

    pub(crate) fn stream(
        &self,
        index: usize,
        script: &BodyReply,
        body: Bytes,
    ) -> impl futures_util::Stream<Item = Result<Bytes>> + use<> {
        let shared = Arc::clone(&self.shared);
        let script = script.clone();
        stream::unfold((0usize, 0u64, false), move |(taken, chunks, done)| {
            let (shared, body, script) = (Arc::clone(&shared), body.clone(), script.clone());
            async move {
                if done {
                    return None;
                }
                if script.pause_ms > 0 && chunks < PAUSED_CHUNKS {
                    tokio::time::sleep(Duration::from_millis(script.pause_ms.into())).await;
                }
                let log = |change: &mut dyn FnMut(&mut BodyLog)| {
                    if let Ok(log) = &mut shared.state().requests[index].answer {
                        change(log);
                    }
                };
                if taken == body.len() {
                    let (kind, why) = match script.end {
                        End::Break(_) => (ErrorKind::Transport, "the connection broke"),
                        End::Stall(_) => {
                            tokio::time::sleep(IDLE).await;
                            (ErrorKind::Timeout, "the body stopped coming in")
                        }
                        End::Whole | End::Stop(_) | End::Over(_) => {
                            log(&mut |log| log.ending = Ending::Clean);
                            return None;
                        }
                    };
                    log(&mut |log| log.ending = Ending::Error);
                    return Some((Err(Error::new(kind, why)), (taken, chunks, true)));
                }
                let size = script.first_chunk.filter(|_| taken == 0).unwrap_or(script.chunk).max(1) as usize;
                let end = (taken + size).min(body.len());
                log(&mut |log| {
                    log.sent = body.slice(..end);
                    log.chunks += 1;
                    log.largest_chunk = log.largest_chunk.max((end - taken) as u64);
                });
                Some((Ok(body.slice(taken..end)), (end, chunks + 1, false)))
            }
        })
    }
}

/// The range of the content that a reply has.
struct Range {
    is_partial: bool,
    start: u64,
    end: u64,
}

/// What the script makes of the range that was asked for; `None` where it is refused.
fn range(script: &BodyReply, asked: (u64, Option<&str>), size: u64, strong: &str) -> Option<Range> {
    let (offset, condition) = asked;
    let has_changed = script.validator == Validator::Strong
        && script.range == RangeStyle::Honoured
        && condition.is_some_and(|condition| condition != strong);
    if offset == 0 || script.range == RangeStyle::Ignored || has_changed {
        return Some(Range { is_partial: false, start: 0, end: size });
    }
    let (start, end) = match script.range {
        RangeStyle::Refused => return None,
        RangeStyle::Shifted(by) => (offset.saturating_add_signed(by.into()), size),
        RangeStyle::Part(most) => (offset, size.min(offset.saturating_add(most.into()))),
        RangeStyle::Honoured | RangeStyle::Ignored => (offset, size),
    };
    (start < size).then_some(Range { is_partial: true, start, end })
}

/// The bytes that are sent of these, before the body ends as the script says.
fn ended(honest: &Bytes, end: End) -> Bytes {
    match end {
        End::Break(bytes) | End::Stall(bytes) | End::Stop(bytes) => {
            honest.slice(..honest.len().min(bytes as usize))
        }
        End::Over(more) => {
            let mut longer = honest.to_vec();
            longer.resize(honest.len() + (more as usize).min(MAX_OVER), b'x');
            longer.into()
        }
        End::Whole => honest.clone(),
    }
}
