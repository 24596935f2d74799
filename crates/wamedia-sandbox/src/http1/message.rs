//! What goes over a connection: requests as received, answers as scripts, and the record of both.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// The head of a request as received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Method, as sent.
    pub method: String,
    /// Path and query, as sent: nothing decoded, nothing normalised.
    pub target: String,
    /// Minor HTTP version: 0 or 1.
    pub minor_version: u8,
    /// Headers in the order received, names as sent.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The first header of this name, in any case, when it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// How many headers of this name, in any case, were sent.
    pub fn header_count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name)).count()
    }

    /// The target up to its first `?`.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The target after its first `?`.
    pub fn raw_query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The first query value of this name, percent-decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.raw_query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }
}

/// Percent-decodes, replacing what is not UTF-8.
pub(crate) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A whole request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The head as received.
    pub head: Head,
    /// The body, de-chunked, up to the server's cap.
    pub body: Bytes,
    /// Length of the whole body; larger than `body` when the cap was hit.
    pub body_bytes: u64,
    /// Which connection it came on, counted from zero.
    pub connection: u64,
    /// Which request of the server it is, counted from zero.
    pub number: u64,
}

/// One thing that the server does while it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Writes these bytes.
    Write(Bytes),
    /// Waits; ends the exchange when the client closes meanwhile.
    Sleep(Duration),
    /// Writes one byte, waits, writes the next.
    Drip {
        /// What to write.
        bytes: Bytes,
        /// Pause after each byte.
        every: Duration,
    },
    /// Writes the same bytes many times, in flat memory.
    Repeat {
        /// What to write.
        bytes: Bytes,
        /// How often.
        times: u64,
    },
    /// Does nothing until the client closes.
    Hang,
    /// Resets the connection.
    Reset,
    /// Closes the connection in the orderly way.
    Close,
    /// Waits for the next request on this connection. A script without an end does the same.
    KeepAlive,
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Still being answered.
    Running,
    /// Everything was written.
    Done(u64),
    /// The server reset the connection after so many bytes.
    Reset(u64),
    /// The client closed while the server was waiting.
    ClientClosed(u64),
    /// A write failed.
    WriteError(u64),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Done(n) => write!(f, "done {n}"),
            Self::Reset(n) => write!(f, "reset after {n}"),
            Self::ClientClosed(n) => write!(f, "client closed after {n}"),
            Self::WriteError(n) => write!(f, "write error after {n}"),
        }
    }
}

/// One recorded exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange {
    /// Which connection it came on, counted from zero.
    pub connection: u64,
    /// Which request of the server it was, counted from zero.
    pub number: u64,
    /// The head as received.
    pub head: Head,
    /// Length of the request body.
    pub body_bytes: u64,
    /// When the request was complete, on tokio's clock.
    pub at: Instant,
    /// How it ended.
    pub outcome: Outcome,
}
