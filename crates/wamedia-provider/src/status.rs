use std::time::{Duration, SystemTime};

use http::HeaderMap;
use wamedia_core::{Error, ErrorKind, Retry};

use crate::Reply;

/// The shared status table: what a status means when the vendor's own code says nothing better.
///
/// The beginning of a text body is kept in the message; HTML is not.
pub fn error_for_status(reply: &Reply) -> Error {
    let (kind, retry) = match reply.status {
        401 => (ErrorKind::Unauthorized, Retry::Never),
        402 | 403 => (ErrorKind::Forbidden, Retry::Never),
        404 | 410 => (ErrorKind::NotFound, Retry::Never),
        408 => (ErrorKind::Timeout, Retry::Backoff),
        413 => (ErrorKind::TooLarge, Retry::Never),
        425 => (ErrorKind::NotReady, Retry::Backoff),
        429 => (ErrorKind::RateLimited, Retry::Backoff),
        400..=499 => (ErrorKind::InvalidRequest, Retry::Never),
        501 | 505 => (ErrorKind::Upstream, Retry::Never),
        500..=599 => (ErrorKind::Upstream, Retry::Backoff),
        300..=399 => (ErrorKind::Refused, Retry::Never),
        _ => (ErrorKind::Decode, Retry::Never),
    };
    let retry = match (retry, retry_after(&reply.headers, reply.at)) {
        (Retry::Backoff, Some(wait)) => Retry::After(wait),
        (retry, _) => retry,
    };
    let text = reply.text();
    let text = text.trim();
    let message = if text.is_empty() {
        format!("HTTP status {}", reply.status)
    } else if text.starts_with('<') || text.starts_with('\u{feff}') {
        format!("HTTP status {} with a page instead of an answer", reply.status)
    } else {
        let beginning: String = text.chars().take(200).collect();
        format!("HTTP status {}: {}", reply.status, vendor_text(&beginning))
    };
    Error::new(kind, message).with_retry(retry).with_status(reply.status)
}

/// A vendor's text as an error may show it: on one line, without words that may be a phone number, a link
/// or a token.
pub fn vendor_text(text: &str) -> String {
    let private = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        digits >= 7 || word.contains("://") || (word.len() >= 24 && word.is_ascii() && digits > 0)
    };
    let words = text.split_whitespace().map(|word| if private(word) { ".." } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// `Retry-After` in seconds or as a date; a past date means now. Malformed values are ignored.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|seconds| *seconds <= 10 * 365 * 86_400).map(Duration::from_secs);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770))
    }

    #[test]
    fn a_status_means_what_the_standard_says() {
        use ErrorKind::{
            Decode, Forbidden, InvalidRequest, NotFound, NotReady, RateLimited, Refused, Timeout, TooLarge,
            Unauthorized, Upstream,
        };
        for (status, kind, is_retryable) in [
            (100, Decode, false),
            (200, Decode, false),
            (302, Refused, false),
            (400, InvalidRequest, false),
            (401, Unauthorized, false),
            (402, Forbidden, false),
            (403, Forbidden, false),
            (404, NotFound, false),
            (408, Timeout, true),
            (410, NotFound, false),
            (413, TooLarge, false),
            (415, InvalidRequest, false),
            (425, NotReady, true),
            (429, RateLimited, true),
            (500, Upstream, true),
            (501, Upstream, false),
            (503, Upstream, true),
            (505, Upstream, false),
            (599, Upstream, true),
            (600, Decode, false),
        ] {
            let error = error_for_status(&Reply::new(status, ""));
            assert_eq!((error.kind(), error.is_retryable()), (kind, is_retryable), "{status}");
            assert_eq!((error.status(), error.message()), (Some(status), &*format!("HTTP status {status}")));
        }
    }

    #[test]
    fn retry_after_in_both_forms() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1983 08:49:37 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "-1", "1.5", "99999999999999999999999", "soon"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn what_may_be_private_is_left_out() {
        let text = "No 491700000000 at https://x.test/?a=1\nwith TEST-canary-7f3a-0123456789: sorry";
        assert_eq!(vendor_text(text), "No .. at .. with .. sorry");
        let word = |letters: usize| format!("{}1", "x".repeat(letters - 1));
        assert_eq!(vendor_text(&format!("{} {}", word(24), word(23))), format!(".. {}", word(23)));
        assert_eq!(vendor_text("1234567 123456"), ".. 123456");
        let error = error_for_status(&Reply::new(400, text));
        assert_eq!(error.message(), "HTTP status 400: No .. at .. with .. sorry");
    }

    #[test]
    fn pages_are_not_quoted() {
        let error = error_for_status(&Reply::new(502, "<html>TEST-canary</html>"));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Upstream, Retry::Backoff));
        assert!(!error.to_string().contains("canary"));
    }
}
