use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;
use wamedia_core::{Error, ErrorKind, Result, Resume};

use crate::BoundHeader;

/// One request, built afresh for each attempt.
pub struct Request {
    pub(crate) head: RequestHead,
    pub(crate) body: Body,
}

/// A request without its body.
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) bound: Vec<BoundHeader>,
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
        let head = RequestHead { method, url, headers: HeaderMap::new(), bound: Vec::new() };
        Self { head, body: Body::Empty }
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

    /// Adds a header that is not a secret.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.head.headers.insert(name, value);
        self
    }

    /// A POST of a form.
    pub fn multipart(url: Url, (content_type, body): (HeaderValue, Body)) -> Self {
        Self::post(url, body).header(header::CONTENT_TYPE, content_type)
    }

    /// Asks for the bytes behind those that are there, of the same content only where that can be told.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for a validator that cannot stand in a header.
    pub fn resume(mut self, from: Option<&Resume>) -> Result<Self> {
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| Error::new(ErrorKind::InvalidRequest, "a header value cannot be sent"))
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
        self.head.bound.push(header);
        self
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.head.url
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The plain headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The bound headers.
    pub fn bound_headers(&self) -> &[BoundHeader] {
        &self.head.bound
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
            .field("method", &self.head.method)
            .field("host", &self.head.url.host_str())
            .field("bound", &self.head.bound)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use wamedia_core::Secret;

    use super::*;
    use crate::{Credential, Origin};

    #[test]
    fn a_request_is_shown_without_its_address_and_secrets() {
        let url = Url::parse("https://api.test/TEST-id?hash=TEST-hash").unwrap();
        let token = Credential::new(Secret::new("TEST-canary"), [Origin::of(&url).unwrap()]);
        let body = Body::Bytes(Bytes::from_static(b"abc"));
        assert_eq!(format!("{body:?}"), "Bytes(3)");
        let request = Request::post(url, body).bound(token.bearer().unwrap());
        let shown = format!("{request:?}");
        assert!(shown.starts_with("Request { method: POST, host: Some(\"api.test\"), bound: ["), "{shown}");
        assert!(!shown.contains("TEST"), "{shown}");
    }
}
