//! Chakra's errors. It publishes no table for media, so every row here is what integrators saw, and
//! a guess as far as the vendor is concerned.
//!
//! Source of the envelope: <https://apidocs.chakrahq.com/doc-738798>; of the forwarded form:
//! <https://developers.facebook.com/docs/graph-api/guides/error-handling>

use serde_json::Value;
use wamedia_core::{Error, ErrorKind, Phase, Retry};
use wamedia_http::{Reply, vendor_text};

/// Meta's codes where Chakra forwards them; what is not here is judged by its status.
const FORWARDED: &[(i64, ErrorKind, Retry)] = &[
    (0, ErrorKind::Unauthorized, Retry::Never),
    (2, ErrorKind::Upstream, Retry::Backoff),
    (4, ErrorKind::RateLimited, Retry::Backoff),
    (10, ErrorKind::Forbidden, Retry::Never),
    (100, ErrorKind::InvalidRequest, Retry::Never),
    (190, ErrorKind::Unauthorized, Retry::Never),
    (80_007, ErrorKind::RateLimited, Retry::Backoff),
    (130_429, ErrorKind::RateLimited, Retry::Backoff),
    (131_000, ErrorKind::Upstream, Retry::Backoff),
    (131_016, ErrorKind::Upstream, Retry::Backoff),
];

/// The error in a reply of any status, where there is one: an envelope of Chakra's, of Meta's, or a
/// bare message.
pub(crate) fn in_reply(reply: &Reply) -> Option<Error> {
    let by_status = || wamedia_http::error_for_status(reply);
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else {
        return (!reply.is_success()).then(by_status);
    };
    if let Some(error) = body.get("error").filter(|error| error.is_object()) {
        return Some(forwarded(reply, error));
    }
    let first = body.get("_errors").and_then(|errors| errors.get(0));
    let text = first
        .and_then(|error| error.as_str().or_else(|| error.get("message")?.as_str()))
        .or_else(|| body.get("message")?.as_str())
        .or_else(|| body.get("error")?.as_str());
    if reply.is_success() {
        // Only the vendor's own error list makes a success a failure; a message may be anything.
        return first.map(|_| {
            Error::new(
                ErrorKind::Upstream,
                text.map_or_else(|| "the vendor gives no message".to_owned(), vendor_text),
            )
            .with_phase(Phase::Head)
        });
    }
    let by_status = by_status();
    let message = text.map_or_else(
        || by_status.message().to_owned(),
        |text| format!("HTTP status {}: {}", reply.status, vendor_text(text)),
    );
    let retry = wait_in(&body).filter(|_| by_status.is_retryable()).map_or(by_status.retry(), Retry::After);
    Some(
        Error::new(by_status.kind(), message)
            .with_retry(retry)
            .with_status(reply.status)
            .with_phase(Phase::Head),
    )
}

fn forwarded(reply: &Reply, error: &Value) -> Error {
    let number = |name: &str| {
        error.get(name).and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()))
    };
    let (code, subcode) = (number("code"), number("error_subcode"));
    let by_status = wamedia_http::error_for_status(reply);
    let (kind, retry) = match (code, subcode) {
        (Some(100), Some(33)) => (ErrorKind::NotFound, Retry::Never),
        (Some(code), _) => FORWARDED
            .iter()
            .find(|row| row.0 == code)
            .map_or((by_status.kind(), by_status.retry()), |row| (row.1, row.2)),
        _ => (by_status.kind(), by_status.retry()),
    };
    let kind = if kind == ErrorKind::Decode { ErrorKind::Upstream } else { kind };
    let message = error.get("message").and_then(Value::as_str).unwrap_or("the vendor gives no message");
    let result = Error::new(kind, vendor_text(message))
        .with_retry(retry)
        .with_status(reply.status)
        .with_phase(Phase::Head);
    match (code, subcode) {
        (Some(code), Some(subcode)) => result.with_provider_code(format!("{code}/{subcode}")),
        (Some(code), None) => result.with_provider_code(code),
        _ => result,
    }
}

/// A wait in the body, in milliseconds or seconds, as a production client reads it.
fn wait_in(body: &Value) -> Option<std::time::Duration> {
    let number = |names: [&str; 2]| names.into_iter().find_map(|name| body.get(name)?.as_u64());
    number(["retry_after_ms", "retryAfterMs"])
        .map(std::time::Duration::from_millis)
        .or_else(|| number(["retry_after", "retryAfter"]).map(std::time::Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn error(status: u16, body: &str) -> Error {
        in_reply(&Reply::new(status, body.to_owned())).unwrap()
    }

    #[test]
    fn every_known_form_is_understood() {
        assert_eq!(error(401, r#"{"_errors":["Unauthorized"]}"#).kind(), ErrorKind::Unauthorized);
        assert_eq!(error(200, r#"{"_errors":[{"message":"no"}]}"#).kind(), ErrorKind::Upstream);
        assert_eq!(error(404, r#"{"message":"Not found"}"#).kind(), ErrorKind::NotFound);
        assert_eq!(error(403, r#"{"error":"no"}"#).kind(), ErrorKind::Forbidden);
        assert_eq!(error(502, "<html>").retry(), Retry::Backoff);
        assert_eq!(error(429, r#"{"retry_after_ms":1500}"#).retry_after(), Some(Duration::from_millis(1500)));
        assert!(in_reply(&Reply::new(200, r#"{"url":"x"}"#)).is_none());
        assert!(in_reply(&Reply::new(200, r#"{"_errors":[],"_data":{}}"#)).is_none());
    }

    #[test]
    fn forwarded_codes_overrule_the_status() {
        for (code, kind, retry) in FORWARDED {
            let error = error(400, &format!("{{\"error\":{{\"code\":{code},\"message\":\"m\"}}}}"));
            assert_eq!((error.kind(), error.retry()), (*kind, *retry), "{code}");
        }
        assert_eq!(error(400, r#"{"error":{"code":100,"error_subcode":33}}"#).kind(), ErrorKind::NotFound);
    }
}
