//! The vendor's codes.

use wamedia_core::{Error, ErrorKind, Phase, Retry};

const AUTH: &str = "https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention";
const MEDIA: &str = "https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia";
const SEND: &str = "https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-mt";

struct Row {
    code: i64,
    kind: ErrorKind,
    retry: Retry,
    what: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the source stands beside the fact; a test reads it"))]
    source: &'static str,
}

const fn row(code: i64, kind: ErrorKind, retry: Retry, what: &'static str, source: &'static str) -> Row {
    Row { code, kind, retry, what, source }
}

/// The codes that the media pages and the calling convention name.
const TABLE: &[Row] = &[
    row(-1, ErrorKind::Upstream, Retry::Never, "the request failed without a reason", MEDIA),
    row(1001, ErrorKind::InvalidRequest, Retry::Never, "a header is missing", AUTH),
    row(1002, ErrorKind::InvalidRequest, Retry::Never, "a parameter is wrong", AUTH),
    row(
        1003,
        ErrorKind::Unauthorized,
        Retry::Never,
        "the signature is not accepted: check the access secret",
        AUTH,
    ),
    row(
        1004,
        ErrorKind::Unauthorized,
        Retry::Backoff,
        "the time is more than a minute off: check this machine's clock",
        AUTH,
    ),
    row(1005, ErrorKind::Unauthorized, Retry::Never, "the access key is wrong or may not do this", AUTH),
    row(9000, ErrorKind::InvalidRequest, Retry::Never, "a parameter is missing", MEDIA),
    row(9001, ErrorKind::Upstream, Retry::Backoff, "the system failed", MEDIA),
    row(9002, ErrorKind::Forbidden, Retry::Never, "the business phone is not one of this account", MEDIA),
    row(9005, ErrorKind::Forbidden, Retry::Never, "the balance is too low", SEND),
    row(9006, ErrorKind::Forbidden, Retry::Never, "the number is not bound to the application", MEDIA),
];

/// The error for a code that is not zero.
pub(crate) fn for_code(code: i64, message: &str) -> Error {
    let row = TABLE.iter().find(|row| row.code == code);
    let (kind, retry, what) = match row {
        Some(row) => (row.kind, row.retry, row.what),
        // The whole family is about authentication; single codes of it are not explained.
        None if (1000..1010).contains(&code) => {
            (ErrorKind::Unauthorized, Retry::Never, "authentication failed")
        }
        None => (ErrorKind::Upstream, Retry::Never, "the request failed"),
    };
    Error::new(kind, format!("{what}: {message}"))
        .with_retry(retry)
        .with_provider_code(code)
        .with_phase(Phase::Head)
}

/// An error of the object store, from its XML. Only code and EC are kept: the rest quotes the key id
/// and the text that was signed.
///
/// Source: <https://www.alibabacloud.com/help/en/oss/user-guide/0002-00000069>
pub(crate) fn for_store(status: u16, xml: &str) -> Error {
    let code = element(xml, "Code").unwrap_or("");
    let (kind, what) = match code {
        // QUIRK(nxcloud): an expired link and an altered one are both answered by 403; a new link is the
        // cure for either. https://www.alibabacloud.com/help/en/oss/user-guide/0002-00000069
        "AccessDenied" | "SignatureDoesNotMatch" | "InvalidAccessKeyId" => {
            (ErrorKind::Expired, "the link is not accepted any more")
        }
        "NoSuchKey" => (ErrorKind::NotFound, "the object is gone"),
        _ if matches!(status, 401 | 403 | 410) => (ErrorKind::Expired, "the link is not accepted any more"),
        _ if status == 404 => (ErrorKind::Expired, "there is nothing behind the link"),
        _ if status >= 500 => (ErrorKind::Upstream, "the object store failed"),
        _ if status < 300 => (ErrorKind::UnexpectedContent, "the object store answered with a page"),
        _ => (ErrorKind::InvalidRequest, "the object store refused the request"),
    };
    let error = Error::new(kind, format!("{what} (HTTP status {status})"))
        .with_phase(Phase::Head)
        .with_status(status);
    let error = if status >= 500 { error.with_retry(Retry::Backoff) } else { error };
    match (code, element(xml, "EC")) {
        ("", _) => error,
        (code, Some(ec)) => error.with_provider_code(format!("{code}/{ec}")),
        (code, None) => error.with_provider_code(code),
    }
}

/// The text of the first element with this name, where it is a plain word.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let rest = &xml[start..];
    let text = rest[..rest.find("</")?].trim();
    let plain = text.len() <= 40 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_source_and_its_kind() {
        for row in TABLE {
            assert!(row.source.starts_with("https://"));
            let error = for_code(row.code, "请求失败");
            assert_eq!((error.kind(), error.retry()), (row.kind, row.retry));
            assert_eq!(error.provider_code(), Some(row.code.to_string().as_str()));
        }
        assert_eq!(for_code(1007, "").kind(), ErrorKind::Unauthorized);
        assert_eq!(for_code(77, "x").kind(), ErrorKind::Upstream);
    }

    #[test]
    fn the_stores_xml_is_read_without_what_it_quotes() {
        let xml = "<?xml version=\"1.0\"?>\n<Error>\n <Code>SignatureDoesNotMatch</Code><OSSAccessKeyId>TEST-canary</OSSAccessKeyId>\
            <StringToSign>GET TEST-canary</StringToSign><EC>0002-00000040</EC></Error>";
        let error = for_store(403, xml);
        assert_eq!(error.kind(), ErrorKind::Expired);
        assert_eq!(error.provider_code(), Some("SignatureDoesNotMatch/0002-00000040"));
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert_eq!(for_store(404, "<Code>NoSuchKey</Code>").kind(), ErrorKind::NotFound);
        for odd in ["<Code>", "<Code></Code>", "<Code>&lt;x&gt;</Code>", "<Code>\u{e9}</"] {
            assert_eq!(for_store(403, odd).kind(), ErrorKind::Expired, "{odd}");
        }
    }
}
