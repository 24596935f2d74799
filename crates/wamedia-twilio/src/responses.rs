//! Responses of Twilio's API: pure functions.
//!
//! Source: <https://www.twilio.com/docs/api/errors>

use serde_json::Value;
use wamedia_core::{DeleteOutcome, Error, ErrorKind};
use wamedia_provider::{Reply, error_for_status, integer, vendor_text};

/// Codes whose status does not say it all; what is not here is judged by its status.
///
/// Source: <https://www.twilio.com/docs/api/errors>
const CODES: &[(i64, ErrorKind)] = &[
    (20_003, ErrorKind::Unauthorized),
    (20_404, ErrorKind::NotFound),
    (20_429, ErrorKind::RateLimited),
    // Twilio could not fetch the sender's media, and will not try again.
    (63_019, ErrorKind::Unavailable),
];

/// The error in a reply of any status, where there is one.
///
/// GUESS: an envelope with its own failed status inside a success is an error as well, as it comes through proxies.
pub(crate) fn error_in(reply: &Reply) -> Option<Error> {
    let body: Value = reply.json().unwrap_or_default();
    let (code, text) = (integer(body.get("code")), body.get("message").and_then(Value::as_str));
    let stated = integer(body.get("status")).and_then(|status| u16::try_from(status).ok());
    let status = match stated.filter(|status| (400..600).contains(status)) {
        _ if !reply.is_success() => reply.status,
        Some(inside) if code.is_some() && text.is_some() => inside,
        _ => return None,
    };
    let by_status = error_for_status(&reply.with_status(status));
    let Some(code) = code else { return Some(by_status) };
    let kind = CODES.iter().find(|row| row.0 == code).map_or(by_status.kind(), |row| row.1);
    let error = Error::new(kind, vendor_text(text.unwrap_or("the vendor gives no message")));
    Some(error.with_provider_code(code).with_retry(by_status.retry()))
}

/// The outcome of a deletion: 204 without a body.
pub(crate) fn deleted(reply: &Reply) -> wamedia_core::Result<DeleteOutcome> {
    match error_in(reply) {
        None => Ok(DeleteOutcome::Deleted),
        Some(error) if error.kind() == ErrorKind::NotFound => Ok(DeleteOutcome::AlreadyGone),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use wamedia_conformance::{ErrorRow, check_errors, documented_errors};

    use super::*;

    /// Every call of the API, since `any` is about all of them.
    fn outcomes(row: &ErrorRow, reply: &Reply) -> Vec<(&'static str, Option<Error>)> {
        let all = [("delete", deleted(reply).err()), ("open", error_in(reply))];
        let fits = |call: &str| call == row.operation || row.operation == "any";
        all.into_iter().filter(|(call, _)| fits(call)).collect()
    }

    #[test]
    fn replies_mean_what_the_documents_say() {
        let codes: Vec<String> = CODES.iter().map(|row| row.0.to_string()).collect();
        let documented = documented_errors("twilio");
        check_errors(&documented, outcomes, codes.iter().map(String::as_str));
    }

    #[test]
    fn documents_are_told_from_errors_inside_a_success() {
        for body in [
            r#"{"code":20404,"message":"a document of somebody's"}"#,
            r#"{"code":1,"message":"fine","status":200}"#,
            r#"{"status":500}"#,
            r#"{"status":500,"code":1}"#,
            r#"{"status":500,"message":"of a document"}"#,
            r#"{"error":{"code":500,"message":"of another vendor"}}"#,
            "[1]",
            "",
        ] {
            assert!(error_in(&Reply::new(200, body)).is_none(), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>) {
            let reply = Reply::new(status, body);
            let _ = (error_in(&reply), deleted(&reply));
        }
    }
}
