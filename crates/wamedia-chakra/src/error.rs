//! Chakra's errors. It publishes no table for media, so every row here is what integrators saw, and
//! a guess as far as the vendor is concerned.
//!
//! Source of the envelope: <https://apidocs.chakrahq.com/doc-738798>; of the forwarded form:
//! <https://developers.facebook.com/docs/graph-api/guides/error-handling>

use std::time::Duration;

use serde_json::Value;
use wamedia_core::{Error, ErrorKind, Retry};
use wamedia_provider::{Reply, cloud_api, error_for_status, vendor_text};

/// The error in a reply of any status, where there is one: an envelope of Chakra's, of Meta's, or a
/// bare message.
pub(crate) fn in_reply(reply: &Reply) -> Option<Error> {
    let by_status = || error_for_status(reply);
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else {
        return (!reply.is_success()).then(by_status);
    };
    if let Some(error) = body.get("error").filter(|error| error.is_object()) {
        // The form of Meta's Graph API, forwarded.
        let text = error.get("message").and_then(Value::as_str);
        let error = cloud_api::error_in(reply)?;
        let retry = waiting(error.retry(), reply, &body, text);
        return Some(error.with_retry(retry));
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
        });
    }
    let by_status = by_status();
    let message = text.map_or_else(
        || by_status.message().to_owned(),
        |text| format!("HTTP status {}: {}", reply.status, vendor_text(text)),
    );
    let retry = waiting(by_status.retry(), reply, &body, text);
    Some(Error::new(by_status.kind(), message).with_retry(retry).with_status(reply.status))
}

/// The retry with how long to wait, where the answer says so: in `Retry-After`, in the body in milliseconds
/// or seconds, or in the text as "retry after 1500 ms", as a production client reads it.
///
/// Source: <https://github.com/GSS-Interprise/sigma-new>
fn waiting(retry: Retry, reply: &Reply, body: &Value, text: Option<&str>) -> Retry {
    if retry != Retry::Backoff {
        return retry;
    }
    let number = |names: [&str; 2]| names.into_iter().find_map(|name| body.get(name)?.as_u64());
    wamedia_provider::retry_after(&reply.headers, reply.at)
        .or_else(|| number(["retry_after_ms", "retryAfterMs"]).map(Duration::from_millis))
        .or_else(|| number(["retry_after", "retryAfter"]).map(Duration::from_secs))
        .or_else(|| wait_in_text(text?))
        .map_or(retry, Retry::After)
}

fn wait_in_text(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let rest = text.split_once("retry after ")?.1.trim_start();
    let (number, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
    let unit = unit.trim_start().strip_prefix("ms")?;
    let ends = !unit.starts_with(|c: char| c.is_ascii_alphanumeric());
    number.parse().ok().filter(|_| ends).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use wamedia_conformance::{ErrorRow, check_errors, documented_errors};
    use wamedia_core::{MediaId, MediaRef};

    use super::*;
    use crate::responses;

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

    /// Every call of the API, since `any` is about all of them.
    fn outcomes(row: &ErrorRow, reply: &Reply) -> Vec<(&'static str, Option<Error>)> {
        let media = MediaRef::new("chakra", MediaId::new("1279279128").unwrap());
        let all = [
            ("resolve", responses::descriptor(&media, reply).err()),
            ("upload", responses::uploaded(reply).err()),
            ("open by id", responses::content_error(reply, false)),
            ("open by link", responses::content_error(reply, true)),
        ];
        let wanted = row.by.as_ref().map_or_else(|| row.operation.clone(), |by| format!("open by {by}"));
        let fits = |call: &str| call == wanted || (wanted == "any" && call != "open by link");
        all.into_iter().filter(|(call, _)| fits(call)).collect()
    }

    #[test]
    fn replies_mean_what_the_documents_say() {
        let documented = documented_errors("chakra");
        check_errors(&documented, outcomes, []);
    }
}
