use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wamedia_core::{DeleteOutcome, Error, ErrorKind, MediaLink, Result};

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

    /// Whether the body begins like a page in HTML.
    pub fn is_page(&self) -> bool {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(1024)]).to_ascii_lowercase();
        let text = text.trim_start_matches('\u{feff}').trim_start();
        text.starts_with("<!doctype html") || text.starts_with("<html")
    }

    /// A link that this reply names. Where it says that it died long ago, the clocks differ, and only a request can
    /// tell whether it is alive: that time is left out.
    #[must_use]
    pub fn link(&self, link: MediaLink) -> MediaLink {
        if link.is_dead(self.at) { link.with_expires_at(None) } else { link }
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] for anything else than JSON of the wanted shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| decode_error("the answer is not the vendor's JSON").with_source(error))
    }

    /// The same reply as one of another status, for a failure inside a success.
    #[must_use]
    pub fn with_status(&self, status: u16) -> Self {
        Self { status, ..self.clone() }
    }

    /// The same reply without its body, for errors whose text must not be quoted.
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self { body: Bytes::new(), ..self.clone() }
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

/// A reply that cannot be understood.
pub fn decode_error(why: &str) -> Error {
    Error::new(ErrorKind::Decode, why)
}

/// A number, or a number that is written as text: vendors do both for one field.
pub fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The error for a content link that is dead: 401, 403, 404 and 410, since stores use each of them. A new link is
/// tried for these.
pub fn dead_link(reply: &Reply) -> Option<Error> {
    matches!(reply.status, 401 | 403 | 404 | 410).then(|| {
        let message = format!("the link is not accepted any more (HTTP status {})", reply.status);
        Error::new(ErrorKind::Expired, message)
    })
}

/// What a vendor's `success` says about a deletion.
///
/// # Errors
///
/// [`ErrorKind::Upstream`] for `false`, [`ErrorKind::Decode`] where it is missing.
pub fn delete_outcome(success: Option<bool>) -> Result<DeleteOutcome> {
    match success {
        Some(true) => Ok(DeleteOutcome::Deleted),
        Some(false) => Err(Error::new(ErrorKind::Upstream, "the vendor says that it was not deleted")),
        None => Err(decode_error("the answer does not say whether it was deleted")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_link_that_is_dead_when_it_comes_says_nothing_about_its_end() {
        let mut reply = Reply::new(200, "");
        let url: url::Url = "https://host.test/x".parse().unwrap();
        let dies = reply.at + Duration::from_secs(1_000);
        for (later, want) in [(0, Some(dies)), (1_300, Some(dies)), (1_301, None)] {
            reply.at = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(later);
            let link = reply.link(MediaLink::public(url.clone()).with_expires_at(dies));
            assert_eq!(link.expires_at, want, "{later}");
        }
    }

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

    #[test]
    fn pages_are_recognised() {
        for body in [&b"<!DOCTYPE html>\n<html>"[..], b"\xef\xbb\xbf <HTML lang=de>"] {
            assert!(Reply::new(200, body).is_page(), "{}", String::from_utf8_lossy(body));
        }
        for body in [&b""[..], b"{}", b"<?xml version=\"1.0\"?>", b"<Error>", b"text <html>"] {
            assert!(!Reply::new(200, body).is_page(), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_failure_inside_a_success_is_judged_as_a_failure() {
        let reply = Reply::new(200, "gone");
        let failed = reply.with_status(404);
        assert_eq!((failed.status, failed.is_success(), &*failed.text()), (404, false, "gone"));
        assert_eq!((reply.status, reply.without_body().body.len()), (200, 0));
    }

    #[test]
    fn four_statuses_say_that_a_link_is_dead() {
        for status in [401, 403, 404, 410] {
            assert_eq!(dead_link(&Reply::new(status, "")).unwrap().kind(), ErrorKind::Expired, "{status}");
        }
        for status in [200, 206, 302, 400, 405, 416, 429, 500] {
            assert!(dead_link(&Reply::new(status, "")).is_none(), "{status}");
        }
    }
}
