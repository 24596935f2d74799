//! Replies of the Cloud API about media, which some vendors forward unchanged.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use url::Url;
use wamedia_core::{ContentMetadata, DeleteOutcome, Error, ErrorKind, MediaId, Result, Retry};

use crate::json::{Document, Json};
use crate::{
    Reply, dead_link, decode_error, delete_outcome, error_for_status, integer, is_digits, retry_after,
    vendor_text,
};

/// Most codes. Source of the table as a whole; single rows name another where they come from there.
const CODES: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes";
const GRAPH: &str = "https://developers.facebook.com/docs/graph-api/guides/error-handling";
const RATE: &str = "https://developers.facebook.com/docs/graph-api/overview/rate-limiting";

struct Row {
    codes: std::ops::RangeInclusive<i64>,
    kind: ErrorKind,
    retry: Retry,
    #[cfg_attr(not(test), expect(dead_code, reason = "the source stands beside the fact; a test reads it"))]
    source: &'static str,
}

const fn row(first: i64, last: i64, kind: ErrorKind, retry: Retry, source: &'static str) -> Row {
    Row { codes: first..=last, kind, retry, source }
}

use ErrorKind::{Forbidden, InvalidRequest, NotFound, RateLimited, Unauthorized, Unavailable, Upstream};
use Retry::{Backoff, Never};

/// Codes without a row are judged by the status.
const TABLE: &[Row] = &[
    row(0, 0, Unauthorized, Never, CODES),
    row(1, 2, Upstream, Backoff, CODES),
    row(3, 3, Forbidden, Never, CODES),
    row(4, 4, RateLimited, Backoff, RATE),
    row(10, 10, Forbidden, Never, CODES),
    // The number of the configuration is deleted, which says nothing of the media.
    row(33, 33, InvalidRequest, Never, CODES),
    row(100, 100, InvalidRequest, Never, CODES),
    row(102, 102, Unauthorized, Never, GRAPH),
    row(104, 104, Unauthorized, Never, CODES),
    row(190, 190, Unauthorized, Never, GRAPH),
    row(200, 299, Forbidden, Never, CODES),
    row(368, 368, Forbidden, Never, CODES),
    row(803, 803, NotFound, Never, GRAPH),
    row(80_007, 80_008, RateLimited, Backoff, RATE),
    row(130_429, 130_429, RateLimited, Backoff, CODES),
    row(131_000, 131_000, Upstream, Backoff, CODES),
    row(131_005, 131_005, Forbidden, Never, CODES),
    row(131_008, 131_009, InvalidRequest, Never, CODES),
    row(131_016, 131_016, Upstream, Backoff, CODES),
    row(131_031, 131_031, Forbidden, Never, CODES),
    row(131_045, 131_045, Forbidden, Never, CODES),
    row(131_048, 131_048, RateLimited, Never, CODES),
    row(131_051, 131_053, Unavailable, Never, CODES),
    row(131_056, 131_056, RateLimited, Backoff, CODES),
    row(131_057, 131_057, Upstream, Backoff, CODES),
    row(131_060, 131_060, Unavailable, Never, CODES),
];

#[derive(Deserialize)]
struct Envelope {
    error: GraphError,
}

#[derive(Deserialize)]
struct GraphError {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    error_subcode: Option<Value>,
    #[serde(default)]
    is_transient: Option<bool>,
    #[serde(default)]
    error_data: Option<Value>,
}

/// The error in a reply of any status, where there is one: Graph errors may come with 200 through proxies.
///
/// Source: <https://developers.facebook.com/docs/graph-api/guides/error-handling>
pub fn error_in(reply: &Reply) -> Option<Error> {
    let Ok(Envelope { error }) = serde_json::from_slice::<Envelope>(&reply.body) else {
        return (!reply.is_success()).then(|| error_for_status(reply));
    };
    let (code, subcode) = (integer(error.code.as_ref()), integer(error.error_subcode.as_ref()));
    let (mut kind, mut retry) = match code.and_then(|code| TABLE.iter().find(|row| row.codes.contains(&code)))
    {
        Some(row) => (row.kind, row.retry),
        None if reply.status >= 500 => (Upstream, Backoff),
        None => {
            let by_status = error_for_status(reply);
            let kind = if reply.is_success() { Upstream } else { by_status.kind() };
            (kind, by_status.retry())
        }
    };
    // "Unsupported get request": gone, another account's, or never there; these cannot be told apart.
    // Source: https://developers.facebook.com/docs/graph-api/guides/error-handling
    if (code, subcode) == (Some(100), Some(33)) {
        (kind, retry) = (NotFound, Never);
    }
    if error.is_transient == Some(true) && retry == Never {
        retry = Backoff;
    }
    if retry == Backoff
        && let Some(wait) = wait_of(reply)
    {
        retry = Retry::After(wait);
    }
    let details = error.error_data.as_ref().and_then(|data| {
        data.get("details").and_then(Value::as_str).or_else(|| data.as_str()).filter(|text| !text.is_empty())
    });
    let mut message = error.message.unwrap_or_else(|| "the vendor gives no message".to_owned());
    if let Some(details) = details {
        message.push_str(": ");
        message.push_str(details);
    }
    let result = Error::new(kind, vendor_text(&message)).with_retry(retry).with_status(reply.status);
    // Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
    let result = if kind == NotFound {
        result.with_hint(
            "media ids from webhooks live 7 days, those of uploads 30; this one is gone or belongs to another account",
        )
    } else {
        result
    };
    Some(match (code, subcode) {
        (Some(code), Some(subcode)) => result.with_provider_code(format!("{code}/{subcode}")),
        (Some(code), None) => result.with_provider_code(code),
        _ => result,
    })
}

/// How long to wait: `Retry-After`, or the minutes in the usage header of the business. That of the app,
/// `X-App-Usage`, has percentages alone and says nothing about the end.
///
/// Source: <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>
fn wait_of(reply: &Reply) -> Option<Duration> {
    if let Some(wait) = retry_after(&reply.headers, reply.at) {
        return Some(wait);
    }
    // QUIRK(meta): the page's own sample has the same business object twice, and each has a wait of its own.
    let usage = Document::parse(reply.header("x-business-use-case-usage")?.as_bytes())?;
    let uses = usage.value().object()?;
    let entries = uses.fields().flat_map(|(_, entries)| entries.listed()).filter_map(Json::object);
    let minutes = entries.filter_map(|entry| entry.get("estimated_time_to_regain_access")?.whole()).max()?;
    (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60)))
}

/// The first and the last code of every row of the table, for a check against the vendor's documents.
pub fn known_codes() -> impl Iterator<Item = i64> {
    TABLE.iter().flat_map(|row| [*row.codes.start(), *row.codes.end()])
}

/// Whether text is a version of the Graph API, such as `v25.0`.
pub fn is_version(text: &str) -> bool {
    let parts = text.strip_prefix('v').and_then(|version| version.split_once('.'));
    parts.is_some_and(|(major, minor)| is_digits(major) && is_digits(minor))
}

#[derive(Deserialize)]
struct Descriptor {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    /// QUIRK(meta): a string in the documents, a number in live replies.
    /// <https://github.com/chatwoot/chatwoot/issues/9809>
    #[serde(default)]
    file_size: Option<Value>,
}

/// The link of a media descriptor and what it says about the content.
///
/// # Errors
///
/// [`ErrorKind::Decode`] for another shape, and where there is no usable link.
pub fn descriptor(body: Value) -> Result<(Url, ContentMetadata)> {
    let descriptor: Descriptor = serde_json::from_value(body)
        .map_err(|error| decode_error("the answer is not a descriptor").with_source(error))?;
    let url = descriptor.url.as_deref().and_then(|url| Url::parse(url).ok());
    let url = url.ok_or_else(|| decode_error("the answer has no usable link"))?;
    let size = integer(descriptor.file_size.as_ref()).and_then(|size| u64::try_from(size).ok());
    let declared = ContentMetadata::EMPTY
        .with_mime_text(descriptor.mime_type.as_deref())
        .with_sha256_text(descriptor.sha256.as_deref())
        .with_size_bytes(size.filter(|size| *size < 1 << 50));
    Ok((url, declared))
}

/// The JSON of a reply.
///
/// # Errors
///
/// The error in it, as [`error_in`]; [`ErrorKind::Decode`] for what is not JSON.
pub fn json(reply: &Reply) -> Result<Value> {
    error_in(reply).map_or_else(|| reply.json(), Err)
}

/// What a reply of the content host means in place of content. Its body for a dead link is not documented; a new link
/// is tried for each of the statuses that it may have.
pub fn content_error(reply: &Reply) -> Option<Error> {
    dead_link(reply).or_else(|| error_in(reply))
}

/// The id in the answer to an upload, or to the opening of an upload session; a number counts as well.
///
/// # Errors
///
/// As [`json`]; [`ErrorKind::Decode`] where the id is missing.
pub fn uploaded_id(reply: &Reply) -> Result<String> {
    match json(reply)?.get("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id.clone()),
        Some(Value::Number(id)) => Ok(id.to_string()),
        _ => Err(decode_error("the upload was accepted and no id came back")),
    }
}

/// The media id in the answer to an upload.
///
/// # Errors
///
/// As [`uploaded_id`]; [`ErrorKind::Decode`] for an id that cannot be used.
pub fn uploaded(reply: &Reply) -> Result<MediaId> {
    MediaId::new(uploaded_id(reply)?).map_err(|error| error.with_kind(ErrorKind::Decode))
}

/// The outcome of a deletion. GUESS: what is gone answers as it does when it is read.
///
/// # Errors
///
/// As [`json`]; [`ErrorKind::Upstream`] where the vendor says that nothing was deleted.
pub fn deleted(reply: &Reply) -> Result<DeleteOutcome> {
    match json(reply) {
        Ok(body) => delete_outcome(body.get("success").and_then(Value::as_bool)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(DeleteOutcome::AlreadyGone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> Error {
        error_in(&Reply::new(status, body.to_owned())).unwrap()
    }

    #[test]
    fn a_version_has_two_numbers() {
        for (text, is_good) in [
            ("v25.0", true),
            ("25.0", false),
            ("v25", false),
            ("v.0", false),
            ("v25.", false),
            ("v2x.0", false),
        ] {
            assert_eq!(is_version(text), is_good, "{text}");
        }
    }

    #[test]
    fn every_row_has_its_source() {
        assert!(TABLE.iter().all(|row| row.source.starts_with("https://")));
    }

    #[test]
    fn refinements() {
        let gone = r#"{"error":{"message":"Unsupported get request. See https://x.test/TEST-canary","code":100,"error_subcode":33}}"#;
        assert_eq!(error(400, gone).kind(), NotFound);
        assert_eq!(error(400, gone).provider_code(), Some("100/33"));
        assert!(!error(400, gone).to_string().contains("canary"));
        assert_eq!(error(400, r#"{"error":{"code":"190"}}"#).kind(), Unauthorized);
        assert_eq!(error(400, r#"{"error":{"code":100,"is_transient":true}}"#).retry(), Backoff);
        assert_eq!(error(500, r#"{"error":{"code":3}}"#).retry(), Never);
        assert_eq!(error(502, "<html>").retry(), Backoff);
        assert_eq!(error(418, r#"{"error":{"code":777777}}"#).retry(), Never);
        assert!(error_in(&Reply::new(200, "{}")).is_none());
    }

    #[test]
    fn the_wait_is_in_minutes() {
        let mut reply = Reply::new(400, r#"{"error":{"code":80007}}"#);
        for (minutes, wait) in [(19, Some(Duration::from_secs(19 * 60))), (0, None)] {
            let usage = format!(
                r#"{{"1":[{{"type":"whatsapp","call_count":95,"estimated_time_to_regain_access":{minutes}}}]}}"#
            );
            reply.headers.insert("x-business-use-case-usage", usage.parse().unwrap());
            assert_eq!(error_in(&reply).unwrap().retry_after(), wait);
        }
    }

    #[test]
    fn a_link_may_be_dead_where_content_was_asked_for() {
        let refused = Reply::new(400, r#"{"error":{"code":190}}"#);
        assert_eq!(content_error(&refused).unwrap().kind(), Unauthorized);
        assert_eq!(content_error(&Reply::new(410, "")).unwrap().kind(), ErrorKind::Expired);
        assert!(content_error(&Reply::new(200, "bytes")).is_none());
    }
}
