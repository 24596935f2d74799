//! Whapi's errors: the status repeats in the envelope, and only the message tells three kinds of 404 apart.
//!
//! Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs> and
//! <https://github.com/Whapi-Cloud/whapi-whatsapp-api-skill>

use serde_json::Value;
use wamedia_core::{Error, ErrorKind, Retry};
use wamedia_provider::{Reply, RetryOnce, error_for_status, vendor_text};

/// Where the meaning of a bad token is written.
const SKILL: &str = "https://github.com/Whapi-Cloud/whapi-whatsapp-api-skill";
const SPEC: &str = "https://github.com/Whapi-Cloud/whatsapp-api-docs";
const BAN: &str = "https://support.whapi.cloud/help-desk/troubleshooting/429-too-many-requests-soft-ban";

struct Row {
    status: u16,
    /// What the message holds, in lower case; empty for any.
    words: &'static str,
    kind: ErrorKind,
    retry: Retry,
    note: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the source stands beside the fact; a test reads it"))]
    source: &'static str,
}

const fn row(
    status: u16,
    words: &'static str,
    kind: ErrorKind,
    retry: Retry,
    note: &'static str,
    source: &'static str,
) -> Row {
    Row { status, words, kind, retry, note, source }
}

/// The first row that fits counts.
const TABLE: &[Row] = &[
    // QUIRK(whapi): a wrong token is answered by 404. https://github.com/Whapi-Cloud/whapi-whatsapp-api-skill
    row(
        404,
        "channel not found",
        ErrorKind::Unauthorized,
        Retry::Never,
        "the token belongs to no channel",
        SKILL,
    ),
    row(404, "", ErrorKind::NotFound, Retry::Never, "", SPEC),
    row(
        401,
        "channel authorization",
        ErrorKind::Unauthorized,
        Retry::Never,
        "the token is good, but no phone is linked to the channel: scan its code",
        SPEC,
    ),
    row(402, "", ErrorKind::Forbidden, Retry::Never, "the trial or the plan is used up", SPEC),
    row(413, "", ErrorKind::TooLarge, Retry::Never, "", SPEC),
    row(415, "", ErrorKind::InvalidRequest, Retry::Never, "the vendor does not take that type", SPEC),
    row(429, "", ErrorKind::RateLimited, Retry::Backoff, "WhatsApp restricts this number for a while", BAN),
];

/// The error in a reply of any status, where there is one.
pub(crate) fn in_reply(reply: &Reply) -> Option<Error> {
    let body = serde_json::from_slice::<Value>(&reply.body).ok();
    let error = body.as_ref().and_then(|body| body.get("error"));
    let envelope = error.filter(|error| error.get("code").is_some() && error.get("message").is_some());
    if reply.is_success() && envelope.is_none() {
        return None;
    }
    let text = error
        .and_then(|error| error.get("message").and_then(Value::as_str).or_else(|| error.as_str()))
        .or_else(|| body.as_ref()?.get("message")?.as_str());
    // A failure inside a success counts by the code in it.
    let inside =
        envelope.and_then(|error| error.get("code")?.as_u64()).and_then(|code| u16::try_from(code).ok());
    let status = if reply.is_success() {
        inside.filter(|code| (400..600).contains(code)).unwrap_or(500)
    } else {
        reply.status
    };
    let lower = text.unwrap_or_default().to_lowercase();
    let found = TABLE.iter().find(|row| row.status == status && lower.contains(row.words));
    let by_status = error_for_status(&reply.with_status(status));
    let (kind, retry) = match found {
        Some(row) if row.retry == Retry::Backoff => (row.kind, by_status.retry()),
        Some(row) => (row.kind, row.retry),
        None => (by_status.kind(), by_status.retry()),
    };
    let message = text.map_or_else(
        || by_status.message().to_owned(),
        |text| format!("HTTP status {status}: {}", vendor_text(text)),
    );
    let result = Error::new(kind, message).with_retry(retry).with_status(status);
    let result = match found.map(|row| row.note).filter(|note| !note.is_empty()) {
        Some(note) => result.with_note(note),
        None => result,
    };
    Some(match inside {
        Some(code) => result.with_provider_code(code),
        None => result,
    })
}

/// True for the 404 that means "no such media", and no other.
pub(crate) fn names_missing_media(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.message().to_lowercase().contains("media")
}

/// One delayed retry is all that a 429 gets: it is a ban of WhatsApp's, not a throttle of the API, and
/// advice is to rest the number.
///
/// Source: <https://support.whapi.cloud/help-desk/troubleshooting/429-too-many-requests-soft-ban>
pub(crate) fn one_retry() -> RetryOnce {
    RetryOnce::new(|error| error.kind() == ErrorKind::RateLimited, "")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wamedia_conformance::{ErrorRow, check_errors, documented_errors};

    use super::*;
    use crate::responses::{self, ContentRetry, Cursor};

    fn error(status: u16, body: &str) -> Error {
        in_reply(&Reply::new(status, body.to_owned())).unwrap()
    }

    /// Every call of the API, since `any` is about all of them. The media is old: what is asked for again
    /// while it is fresh has its own tests.
    fn outcomes(row: &ErrorRow, reply: &Reply) -> Vec<(&'static str, Option<Error>)> {
        let old = Some(Duration::from_secs(30 * 86_400));
        let all = [
            ("upload", responses::uploaded(reply).err()),
            ("delete", responses::deleted(reply).err()),
            ("list", responses::page(reply, 100, &Cursor::default()).err()),
            ("open by id", ContentRetry::new(old, 2).classify(reply)),
            ("open by link", responses::link_error(reply)),
        ];
        let wanted = row.by.as_ref().map_or_else(|| row.operation.clone(), |by| format!("open by {by}"));
        let fits = |call: &str| call == wanted || (wanted == "any" && call != "open by link");
        all.into_iter().filter(|(call, _)| fits(call)).collect()
    }

    #[test]
    fn replies_mean_what_the_documents_say() {
        let codes: Vec<String> = TABLE.iter().map(|row| row.status.to_string()).collect();
        let documented = documented_errors("whapi");
        check_errors(&documented, outcomes, codes.iter().map(String::as_str));
    }

    #[test]
    fn every_row_has_its_source_and_a_reply_with_its_words() {
        let documented = ErrorRow::read_all(&documented_errors("whapi"));
        for row in TABLE {
            assert!(row.source.starts_with("https://"));
            let fits = |reply: &ErrorRow| {
                reply.status == row.status && reply.body.to_string().to_lowercase().contains(row.words)
            };
            assert!(documented.iter().any(fits), "{} {}", row.status, row.words);
        }
    }

    #[test]
    fn other_bodies() {
        assert_eq!(error(404, "").kind(), ErrorKind::NotFound);
        assert_eq!(error(500, "<html>").retry(), Retry::Backoff);
        assert_eq!(error(400, r#"{"error":"bad"}"#).kind(), ErrorKind::InvalidRequest);
        assert_eq!(error(400, r#"{"message":"bad"}"#).message(), "HTTP status 400: bad");
        assert_eq!(
            error(200, r#"{"error":{"code":404,"message":"Channel not found"}}"#).kind(),
            ErrorKind::Unauthorized
        );
        for document in [
            r#"{"error":"a document of somebody"}"#,
            r#"{"error":{"code":404}}"#,
            r#"{"error":{"message":"a document of somebody"}}"#,
        ] {
            assert!(in_reply(&Reply::new(200, document)).is_none(), "{document}");
        }
        assert_eq!(error(503, "").kind(), ErrorKind::Upstream);
        assert_eq!(error(200, r#"{"error":{"code":"x","message":null}}"#).kind(), ErrorKind::Upstream);
    }

    #[test]
    fn the_three_kinds_of_404() {
        let body = |message: &str| format!("{{\"error\":{{\"code\":404,\"message\":\"{message}\"}}}}");
        for message in ["Channel not found", "channel not found"] {
            assert_eq!(error(404, &body(message)).kind(), ErrorKind::Unauthorized);
        }
        for message in ["specified media not found", "media with specified id not found"] {
            assert!(names_missing_media(&error(404, &body(message))), "{message}");
        }
        for body in ["", &body("specified message not found"), "<html>media</html>"] {
            assert!(!names_missing_media(&error(404, body)), "{body}");
            assert_eq!(error(404, body).kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn an_unlinked_phone_is_not_a_bad_token() {
        let error =
            error(401, r#"{"error":{"code":401,"message":"need channel authorization for get media"}}"#);
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert!(error.message().contains("no phone is linked"), "{error}");
    }

    #[test]
    fn a_soft_ban_is_tried_once_more() {
        let mut once = one_retry();
        let mut reply = Reply::new(429, "{}");
        reply.headers.insert("retry-after", "7".parse().unwrap());
        let limited = || in_reply(&reply).unwrap();
        assert_eq!(once.apply(limited()).retry_after(), Some(std::time::Duration::from_secs(7)));
        let last = once.apply(limited());
        assert_eq!((last.kind(), last.retry()), (ErrorKind::RateLimited, Retry::Never));
        assert!(last.message().contains("7 s"));
        assert_eq!(once.apply(error(500, "")).retry(), Retry::Backoff);
    }

    #[test]
    fn private_parts_of_vendor_text_are_left_out() {
        let body = r#"{"error":{"code":400,"message":"chat 15550100123@s.whatsapp.net of +15550100123 at https://x.test/?token=TEST-canary is wrong"}}"#;
        let shown = error(400, body).to_string();
        assert!(
            !shown.contains("1555") && !shown.contains("canary") && shown.contains("is wrong"),
            "{shown}"
        );
    }
}
