//! Well-formed answers, turned into [`Step`]s.

use bytes::Bytes;
use serde_json::Value;

use crate::http1::Step;

/// An answer: status, headers, body steps. What it says about its length is up to the caller.
#[derive(Debug, Clone)]
#[must_use]
pub struct Response {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: Vec<Step>,
    end: Step,
}

impl Response {
    /// A status without headers or body.
    pub fn new(status: u16) -> Self {
        Self { status: Some(status), headers: Vec::new(), body: Vec::new(), end: Step::KeepAlive }
    }

    /// No answer at all: the steps alone.
    pub fn raw(body: Vec<Step>, end: Step) -> Self {
        Self { status: None, headers: Vec::new(), body, end }
    }

    /// A JSON answer.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", value.to_string())
    }

    /// An answer with a text body and its length.
    pub fn text(status: u16, content_type: &str, text: impl Into<String>) -> Self {
        Self::bytes(status, content_type, Bytes::from(text.into()))
    }

    /// An answer with a body and its length.
    pub fn bytes(status: u16, content_type: &str, body: Bytes) -> Self {
        Self::new(status)
            .header("Content-Type", content_type)
            .header("Content-Length", body.len())
            .body(vec![Step::Write(body)])
    }

    /// Adds a header.
    #[expect(clippy::needless_pass_by_value, reason = "texts and numbers read alike at the call")]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets a header, whether it is there or not.
    pub fn replace_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.header(name, value)
    }

    /// Replaces the body; adds no length.
    pub fn body(mut self, body: Vec<Step>) -> Self {
        self.body = body;
        self
    }

    /// Says how the connection ends.
    pub fn end(mut self, end: Step) -> Self {
        self.end = end;
        self
    }

    /// Drops the body, as an answer to `HEAD` must.
    pub fn without_body(mut self) -> Self {
        self.body.clear();
        self
    }

    /// The status, unless there is none.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The script that sends it.
    pub fn into_steps(self) -> Vec<Step> {
        let mut steps = Vec::with_capacity(self.body.len() + 2);
        if let Some(status) = self.status {
            let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
            for (name, value) in &self.headers {
                head.push_str(name);
                head.push_str(": ");
                head.push_str(value);
                head.push_str("\r\n");
            }
            if matches!(self.end, Step::Close) {
                head.push_str("Connection: close\r\n");
            }
            head.push_str("\r\n");
            steps.push(Step::Write(Bytes::from(head)));
        }
        steps.extend(self.body);
        steps.push(self.end);
        steps
    }
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
