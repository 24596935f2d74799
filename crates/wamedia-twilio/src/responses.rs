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

/// The error in a reply without success, or `None`.
pub(crate) fn error_in(reply: &Reply) -> Option<Error> {
    if reply.is_success() {
        return None;
    }
    let by_status = error_for_status(reply);
    let body: Value = reply.json().unwrap_or_default();
    let Some(code) = integer(body.get("code")) else { return Some(by_status) };
    let kind = CODES.iter().find(|row| row.0 == code).map_or(by_status.kind(), |row| row.1);
    let text = body.get("message").and_then(Value::as_str).unwrap_or("the vendor gives no message");
    let error = Error::new(kind, vendor_text(text)).with_provider_code(code);
    Some(error.with_retry(by_status.retry()))
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
    use wamedia_conformance::{ErrorRow, check_errors};

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
        let documented = include_str!("../../../fixtures/twilio/errors.json");
        check_errors(documented, outcomes, codes.iter().map(String::as_str));
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>) {
            let reply = Reply::new(status, body);
            let _ = (error_in(&reply), deleted(&reply));
        }
    }
}
