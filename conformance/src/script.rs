//! What the fault server does: a fixture's exchanges, bent into the shape that a case needs.

use std::time::Duration;

use bytes::Bytes;
use wamedia_sandbox::http1::Step;

use crate::fixture::{Exchange, Fixture, RequestMatch};

/// One expected request and what the server does about it.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) id: String,
    pub(crate) origin: String,
    pub(crate) request: RequestMatch,
    pub(crate) reply: Reply,
    /// True for a turn that answers every further request like it.
    pub(crate) forever: bool,
    /// True for a turn that is answered as soon as the head of the request is there.
    pub(crate) early: bool,
}

/// A reply: head, body, and how the connection goes on.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) framing: Framing,
    /// Steps in place of everything.
    pub(crate) raw: Option<Vec<Step>>,
    /// Waits before the first byte.
    pub(crate) delay: Option<Duration>,
}

/// How the body is framed, and where it breaks.
#[derive(Clone, Debug)]
pub(crate) enum Framing {
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
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            framing: Framing::Length,
            raw: None,
            delay: None,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let bodyless = matches!(self.status, 204 | 304);
        match &self.framing {
            _ if bodyless => {}
            Framing::Chunked(_) | Framing::ChunkedCut | Framing::ChunkedBad => {
                head.push_str("Transfer-Encoding: chunked\r\n");
            }
            Framing::Close => head.push_str("Connection: close\r\n"),
            _ => head.push_str(&format!("Content-Length: {}\r\n", self.body.len())),
        }
        head.push_str("\r\n");
        let mut steps: Vec<Step> = self.delay.map(Step::Sleep).into_iter().collect();
        steps.push(Step::Write(head.into()));
        let write = |bytes: Bytes| Step::Write(bytes);
        let part = |count: usize| self.body.slice(..count.min(self.body.len()));
        match &self.framing {
            _ if bodyless => steps.push(Step::KeepAlive),
            Framing::Length => steps.extend([write(self.body.clone()), Step::KeepAlive]),
            Framing::Close => steps.extend([write(self.body.clone()), Step::Close]),
            Framing::Chunked(size) => {
                steps.extend([write(chunked(&self.body, *size, "0\r\n\r\n")), Step::KeepAlive]);
            }
            Framing::ChunkedCut => steps.extend([write(chunked(&self.body, 1000, "")), Step::Close]),
            Framing::ChunkedBad => steps.extend([write(chunked(&self.body, 1000, "zz\r\n")), Step::Close]),
            Framing::Cut(count) => steps.extend([write(part(*count)), Step::Close]),
            // The pause lets the client take what was sent: a reset may throw away what was not read yet.
            Framing::Reset(count) => {
                steps.extend([write(part(*count)), Step::Sleep(Duration::from_millis(50)), Step::Reset]);
            }
            Framing::Stall(count) => steps.extend([write(part(*count)), Step::Hang]),
            Framing::Drip(size, every) => {
                for start in (0..self.body.len()).step_by((*size).max(1)) {
                    let end = (start + size).min(self.body.len());
                    steps.extend([write(self.body.slice(start..end)), Step::Sleep(*every)]);
                }
                steps.push(Step::KeepAlive);
            }
        }
        steps
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

impl Turn {
    pub(crate) fn new(fixture: &Fixture, exchange: &Exchange) -> Self {
        let mut reply = Reply::new(exchange.response.status).body(fixture.body(&exchange.response));
        reply.headers.clone_from(&exchange.response.headers);
        if exchange.response.json.is_some()
            && !reply.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case("content-type"))
        {
            reply = reply.header("content-type", "application/json");
        }
        Self {
            id: exchange.id.clone(),
            origin: fixture.origins.get(&exchange.origin).cloned().unwrap_or_default(),
            request: exchange.request.clone(),
            reply,
            forever: false,
            early: false,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(Reply) -> Reply) -> Self {
        self.reply = change(self.reply);
        self
    }

    pub(crate) fn framed(self, framing: Framing) -> Self {
        self.with(|reply| reply.framing(framing))
    }

    pub(crate) fn early(mut self) -> Self {
        self.early = true;
        self
    }

    pub(crate) fn forever(mut self) -> Self {
        self.forever = true;
        self
    }
}
