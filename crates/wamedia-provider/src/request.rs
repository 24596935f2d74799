use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;
use wamedia_core::{Error, ErrorKind, Phase, Result, Resume};

use crate::BoundHeader;

/// One request, built afresh for each attempt.
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) bound: Vec<BoundHeader>,
    pub(crate) body: Body,
}

/// What a request carries.
#[non_exhaustive]
pub enum Body {
    /// Nothing.
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes as they come; without a size they go out in chunks.
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>, Option<u64>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_, size) => write!(f, "Stream({size:?})"),
        }
    }
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), bound: Vec::new(), body: Body::Empty }
    }

    /// A GET.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST with a body.
    pub fn post(url: Url, body: Body) -> Self {
        Self { body, ..Self::new(Method::POST, url) }
    }

    /// A DELETE.
    pub fn delete(url: Url) -> Self {
        Self::new(Method::DELETE, url)
    }

    /// Adds a header that is no secret.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Asks for the bytes behind those that are there, of the same content only where that can be told.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for a validator that cannot stand in a header.
    pub fn resume(mut self, from: Option<&Resume>) -> Result<Self> {
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| {
                Error::new(ErrorKind::InvalidRequest, "a header value cannot be sent")
                    .with_phase(Phase::Prepare)
            })
        };
        if let Some(from) = from {
            self = self.header(header::RANGE, value(&format!("bytes={}-", from.offset))?);
            if let Some(validator) = &from.validator {
                self = self.header(header::IF_RANGE, value(validator)?);
            }
        }
        Ok(self)
    }

    /// Adds a header that only its origins see.
    #[must_use]
    pub fn bound(mut self, header: BoundHeader) -> Self {
        self.bound.push(header);
        self
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The plain headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The bound headers.
    pub fn bound_headers(&self) -> &[BoundHeader] {
        &self.bound
    }

    /// The body, where it is in memory.
    pub fn body_bytes(&self) -> Option<&Bytes> {
        match &self.body {
            Body::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// A small reply, read up to the cap.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// True when the body was longer than the cap and was cut.
    pub truncated: bool,
    /// The time when the head arrived, from the injected clock.
    pub at: std::time::SystemTime,
}

impl Reply {
    /// A reply for tests of pure parsers.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            truncated: false,
            at: std::time::SystemTime::UNIX_EPOCH,
        }
    }

    /// True for 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the body begins like the error of an object store; other XML may be somebody's document.
    pub fn is_store_error(&self) -> bool {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(1024)]).to_ascii_lowercase();
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let declared = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
        declared.map_or(text, |(_, rest)| rest.trim_start()).starts_with("<error>")
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_object_stores_are_recognised() {
        for body in [
            &b"<?xml version=\"1.0\"?>\n<Error><Code>"[..],
            b"\xef\xbb\xbf<error><Code>",
            b" <Error><Code>AccessDenied</Code>",
        ] {
            assert!(Reply::new(200, body).is_store_error(), "{}", String::from_utf8_lossy(body));
        }
        for body in [
            &b""[..],
            b"<?xml version=\"1.0\"?><invoice/>",
            b"{}",
            b"<html>",
            b"<?xml",
            b"text <Error>",
            b"<Errors>",
        ] {
            assert!(!Reply::new(200, body).is_store_error(), "{}", String::from_utf8_lossy(body));
        }
    }
}
