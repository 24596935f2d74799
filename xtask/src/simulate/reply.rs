//! What a scripted reply is: its head, its bytes, and how they come in.

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

impl Simulated {
    /// The head and the body of a scripted reply.
    pub(crate) fn body(
        &self,
        object: usize,
        number: u32,
        asked: (u64, Option<&str>),
        script: &BodyReply,
    ) -> Option<(MediaHead, BodyLog, Bytes, u64)> {
        let described = &self.shared.world.objects[object];
        let version = described.version_after(number);
        let current = self.shared.version(object, version);
        let whole = self.served(object, current, script.served);
        let strong = |version: usize| match script.served {
            Served::Page(_) => "\"page\"".to_owned(),
            Served::Other(further) => format!("\"{}-v0\"", self.other(object, further)),
            Served::Current | Served::Flipped(_) => format!("\"{object}-v{version}\""),
        };
        let replies = {
            let mut state = self.shared.state();
            state.replies += 1;
            state.replies
        };
        let (offset, condition) = asked;
        let size = whole.len() as u64;
        let changed = script.validator == Validator::Strong
            && script.range == RangeStyle::Honoured
            && condition.is_some_and(|condition| condition != strong(version));
        let partial = offset > 0 && script.range != RangeStyle::Ignored && !changed;
        let (start, end) = match script.range {
            _ if !partial => (0, size),
            RangeStyle::Refused => return None,
            RangeStyle::Shifted(by) => (offset.saturating_add_signed(by.into()), size),
            RangeStyle::Part(most) => (offset, size.min(offset.saturating_add(most.into()))),
            RangeStyle::Honoured | RangeStyle::Ignored => (offset, size),
        };
        if start > size || (partial && start >= size) {
            return None;
        }
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(whole.len());
        let mut body = whole.slice(at(start)..at(end));
        let honest = body.len() as u64;
        match script.end {
            End::Break(bytes) | End::Stall(bytes) | End::Stop(bytes) => {
                body.truncate(bytes as usize);
            }
            End::Over(more) => {
                let mut longer = body.to_vec();
                longer.resize(body.len() + (more as usize).min(MAX_OVER), b'x');
                body = longer.into();
            }
            End::Whole => {}
        }
        let validator = match script.validator {
            Validator::Strong => Some(strong(version)),
            Validator::OnlyWhole if !partial => Some(strong(version)),
            Validator::Absent | Validator::OnlyWhole => None,
            Validator::Changing => Some(format!("\"reply-{replies}\"")),
        };
        let mime = script.mime.as_deref().unwrap_or(match script.served {
            Served::Page(shape) => shape.mime(),
            _ => described.content.shape.mime(),
        });
        let mut head = MediaHead::default();
        head.mime = Mime::parse(mime).ok();
        head.body_bytes = script.length.of(honest);
        head.partial = partial;
        head.start = start;
        head.total_bytes = if partial { script.total.of(size) } else { None };
        head.validator.clone_from(&validator);
        let log = BodyLog {
            version,
            partial,
            start,
            length: head.body_bytes,
            total: head.total_bytes,
            validator,
            beginning: body.slice(..body.len().min(64)),
            ..BodyLog::default()
        };
        Some((head, log, body, honest))
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
