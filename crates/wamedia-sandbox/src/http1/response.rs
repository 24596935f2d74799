//! Replies, well-formed or broken on purpose, turned into [`Step`]s.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::Step;

/// A reply: status, headers, body, and how the body is framed.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct Response {
    /// The status; not sent by [`Framing::Raw`].
    pub status: u16,
    /// The headers, without those of the framing.
    pub headers: Vec<(String, String)>,
    /// The body before it is framed.
    pub body: Bytes,
    /// How the body is sent, and where it breaks.
    pub framing: Framing,
    /// Pause before the first byte.
    pub delay: Option<Duration>,
    /// How the exchange ends after [`Framing::Length`] and [`Framing::Steps`].
    pub end: Step,
}

/// How a body is framed, and where it breaks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Framing {
    /// With its length.
    Length,
    /// In chunks of this size.
    Chunked(usize),
    /// In chunks, without the last one.
    ChunkedCut,
    /// In chunks, one of which has no number for its size.
    ChunkedBad,
    /// To the end of the connection.
    Close,
    /// With its length, but only so many bytes, then an orderly close.
    Cut(usize),
    /// With its length, but only so many bytes, then a reset.
    Reset(usize),
    /// With its length, but only so many bytes, then nothing.
    Stall(usize),
    /// With its length, one piece of this size per interval.
    Drip(usize, Duration),
    /// The head without any length, then these steps in place of the body.
    Steps(Vec<Step>),
    /// These steps in place of the whole reply.
    Raw(Vec<Step>),
}

impl Response {
    /// A status without headers or body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            framing: Framing::Length,
            delay: None,
            end: Step::KeepAlive,
        }
    }

    /// These steps in place of a reply.
    pub fn raw(steps: Vec<Step>) -> Self {
        Self::new(0).framing(Framing::Raw(steps))
    }

    /// A JSON reply.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::with_body(status, "application/json; charset=utf-8", value.to_string())
    }

    /// A reply with a body of this type.
    pub fn with_body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::new(status).header("Content-Type", content_type).body(body)
    }

    /// Sets a header.
    #[expect(clippy::needless_pass_by_value, reason = "texts and numbers read alike at the call")]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets the status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets how the body is framed.
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sends these steps in place of the body; the headers must state the length, if anything does.
    pub fn steps(self, steps: Vec<Step>) -> Self {
        self.framing(Framing::Steps(steps))
    }

    /// Sets how the exchange ends.
    pub fn end(mut self, end: Step) -> Self {
        self.end = end;
        self
    }

    /// Drops the body and keeps its length, as the reply to `HEAD` does.
    pub fn without_body(mut self) -> Self {
        if let Framing::Length = self.framing {
            let length = self.body.len();
            self = self.header("Content-Length", length);
        }
        if matches!(self.framing, Framing::Raw(_)) { self } else { self.steps(Vec::new()) }
    }

    /// The status, unless none is sent.
    pub fn sent_status(&self) -> Option<u16> {
        (!matches!(self.framing, Framing::Raw(_))).then_some(self.status)
    }

    /// The script that sends it.
    pub fn into_steps(self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.delay.map(Step::Sleep).into_iter().collect();
        if let Framing::Raw(raw) = self.framing {
            steps.extend(raw);
            return steps;
        }
        let is_bodyless = matches!(self.status, 204 | 304);
        steps.push(Step::Write(self.head(is_bodyless)));
        if is_bodyless {
            steps.push(Step::KeepAlive);
            return steps;
        }
        let Self { body, framing, end, .. } = self;
        let part = |count: usize| Step::Write(body.slice(..count.min(body.len())));
        match framing {
            Framing::Length => steps.extend([Step::Write(body), end]),
            Framing::Chunked(size) => {
                steps.extend([Step::Write(chunked(&body, size, "0\r\n\r\n")), Step::KeepAlive]);
            }
            Framing::ChunkedCut => steps.extend([Step::Write(chunked(&body, 1000, "")), Step::Close]),
            Framing::ChunkedBad => {
                steps.extend([Step::Write(chunked(&body, 1000, "zz\r\n")), Step::Close]);
            }
            Framing::Close => steps.extend([Step::Write(body), Step::Close]),
            Framing::Cut(count) => steps.extend([part(count), Step::Close]),
            // The pause lets the client take what was sent: a reset may discard what has not been read.
            Framing::Reset(count) => {
                steps.extend([part(count), Step::Sleep(Duration::from_millis(50)), Step::Reset]);
            }
            Framing::Stall(count) => steps.extend([part(count), Step::Hang]),
            Framing::Drip(size, every) => {
                for start in (0..body.len()).step_by(size.max(1)) {
                    let end = (start + size.max(1)).min(body.len());
                    steps.extend([Step::Write(body.slice(start..end)), Step::Sleep(every)]);
                }
                steps.push(Step::KeepAlive);
            }
            Framing::Steps(body) => {
                steps.extend(body);
                steps.push(end);
            }
            Framing::Raw(_) => {}
        }
        steps
    }

    fn head(&self, is_bodyless: bool) -> Bytes {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.framing {
            _ if is_bodyless => {}
            Framing::Steps(_) | Framing::Close | Framing::Raw(_) => {}
            Framing::Chunked(_) | Framing::ChunkedCut | Framing::ChunkedBad => {
                head.push_str("Transfer-Encoding: chunked\r\n");
            }
            _ => head.push_str(&format!("Content-Length: {}\r\n", self.body.len())),
        }
        let closes = match &self.framing {
            Framing::Length | Framing::Steps(_) => self.end == Step::Close,
            framing => matches!(framing, Framing::Close),
        };
        if closes && !is_bodyless {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        head.into()
    }
}

fn chunked(body: &Bytes, size: usize, end: &str) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + body.len() / size.max(1) * 8 + 16);
    for piece in body.chunks(size.max(1)) {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(end.as_bytes());
    out.into()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        413 => "Payload Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that is written, and the last step.
    fn sent(response: Response) -> (String, Step) {
        let steps = response.into_steps();
        let end = steps.last().cloned().expect("a reply has steps");
        let written = steps.iter().filter_map(|step| match step {
            Step::Write(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        (written.collect(), end)
    }

    #[test]
    fn each_framing_has_its_head_its_body_and_its_end() {
        let reply = |framing| sent(Response::new(200).body("abcdef").framing(framing));
        for (framing, head, body, end) in [
            (Framing::Length, "Content-Length: 6", "abcdef", Step::KeepAlive),
            (
                Framing::Chunked(4),
                "Transfer-Encoding: chunked",
                "4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n",
                Step::KeepAlive,
            ),
            (Framing::ChunkedCut, "Transfer-Encoding: chunked", "6\r\nabcdef\r\n", Step::Close),
            (Framing::ChunkedBad, "Transfer-Encoding: chunked", "6\r\nabcdef\r\nzz\r\n", Step::Close),
            (Framing::Close, "Connection: close", "abcdef", Step::Close),
            (Framing::Cut(2), "Content-Length: 6", "ab", Step::Close),
            (Framing::Reset(9), "Content-Length: 6", "abcdef", Step::Reset),
            (Framing::Stall(0), "Content-Length: 6", "", Step::Hang),
        ] {
            let name = format!("{framing:?}");
            assert_eq!(reply(framing), (format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"), end), "{name}");
        }
        assert_eq!(reply(Framing::Raw(vec![Step::Hang])), (String::new(), Step::Hang));
    }

    #[test]
    fn a_reply_without_body_keeps_its_length() {
        let (text, _) = sent(Response::with_body(200, "text/plain", "abc").without_body());
        assert!(text.ends_with("Content-Length: 3\r\n\r\n"), "{text}");
        let (text, end) = sent(Response::new(204).body("abc"));
        assert_eq!((text.as_str(), end), ("HTTP/1.1 204 No Content\r\n\r\n", Step::KeepAlive));
    }
}
