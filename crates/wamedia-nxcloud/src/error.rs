//! The vendor's codes.

use wamedia_core::{Error, ErrorKind, Retry};
use wamedia_provider::{Reply, RetryOnce, error_for_status, vendor_text};

const AUTH: &str = "https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention";
const MEDIA: &str = "https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia";
/// A copy of pages that the vendor took down.
const COPY: &str = "https://github.com/Demon-2012/NXcloud-API-document";
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
    row(1000, ErrorKind::Unauthorized, Retry::Never, "authentication failed", MEDIA),
    row(1001, ErrorKind::InvalidRequest, Retry::Never, "a header is missing", AUTH),
    row(1002, ErrorKind::InvalidRequest, Retry::Never, "a parameter is wrong", AUTH),
    row(
        1003,
        ErrorKind::Unauthorized,
        Retry::Never,
        "the signature is not accepted: check the access secret",
        AUTH,
    ),
    // The credential is good and no limit is reached, so neither of those kinds fits.
    row(
        CLOCK,
        ErrorKind::Upstream,
        Retry::Backoff,
        "the time is more than a minute off: check this machine's clock",
        AUTH,
    ),
    row(1005, ErrorKind::Unauthorized, Retry::Never, "the access key is wrong or may not do this", AUTH),
    row(1100, ErrorKind::Forbidden, Retry::Never, "the customer is missing or disabled", COPY),
    row(1102, ErrorKind::Forbidden, Retry::Never, "the balance is too low", COPY),
    row(9000, ErrorKind::InvalidRequest, Retry::Never, "a parameter is missing", MEDIA),
    row(SYSTEM, ErrorKind::Upstream, Retry::Backoff, "the system failed", MEDIA),
    row(9002, ErrorKind::Forbidden, Retry::Never, "the business phone is not one of this account", MEDIA),
    row(9003, ErrorKind::Forbidden, Retry::Never, "the application is missing or disabled", SEND),
    row(9004, ErrorKind::Forbidden, Retry::Never, "there is no price for the country", SEND),
    row(9005, ErrorKind::Forbidden, Retry::Never, "the balance is too low", SEND),
    row(9006, ErrorKind::Forbidden, Retry::Never, "the number is not bound to the application", MEDIA),
    // QUIRK(nxcloud): two meanings, a failure further down when sending and "no integrator" elsewhere.
    // https://github.com/Demon-2012/NXcloud-API-document
    row(9007, ErrorKind::Upstream, Retry::Never, "something further down failed, or it is not allowed", SEND),
    row(9099, ErrorKind::Upstream, Retry::Never, "Meta refused it", SEND),
    row(9999, ErrorKind::Upstream, Retry::Never, "unknown to the vendor", COPY),
];

/// The time of the request is more than a minute off.
const CLOCK: i64 = 1004;
/// A failure of the system that may pass.
const SYSTEM: i64 = 9001;

/// The error for a code that is not zero. A code without a meaning leaves it to the status.
pub(crate) fn for_code(code: i64, message: &str, reply: &Reply) -> Error {
    let row = TABLE.iter().find(|row| row.code == code);
    let says_nothing = code == -1 || row.is_none();
    let (kind, retry, what) = match row {
        _ if says_nothing && !reply.is_success() => {
            let by_status = error_for_status(reply);
            (by_status.kind(), by_status.retry(), "the request failed")
        }
        Some(row) => (row.kind, row.retry, row.what),
        // The whole family is about authentication; single codes of it are not explained.
        None if (1000..1010).contains(&code) => {
            (ErrorKind::Unauthorized, Retry::Never, "authentication failed")
        }
        None => (ErrorKind::Upstream, Retry::Never, "the request failed"),
    };
    let message = vendor_text(message);
    let message = if message.is_empty() { what.to_owned() } else { format!("{what}: {message}") };
    let error = Error::new(kind, message).with_retry(retry).with_provider_code(code);
    if reply.is_success() { error } else { error.with_status(reply.status) }
}

/// A wrong time is retried once: the second request is signed with a fresh time, and a third would not differ.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention>
pub(crate) fn one_retry() -> RetryOnce {
    RetryOnce::new(is_about_time, "a fresh time was refused as well")
}

/// True for a time that is too far off: it is checked with the signature, before anything is processed.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention>
pub(crate) fn is_about_time(error: &Error) -> bool {
    error.provider_code().and_then(|code| code.parse().ok()) == Some(CLOCK)
}

/// An upload is not repeated when it may have been processed; a bad signature or time comes before that.
pub(crate) fn of_upload(error: Error) -> Error {
    if error.provider_code().and_then(|code| code.parse().ok()) == Some(SYSTEM) {
        return error.with_retry(Retry::Never).with_note("the object may exist");
    }
    error
}

/// An error of the object store, from its XML. Only code and EC are kept: the rest quotes the key id
/// and the text that was signed.
///
/// Source: <https://www.alibabacloud.com/help/en/oss/user-guide/0002-00000069>
pub(crate) fn for_store(reply: &Reply) -> Error {
    let xml = reply.text();
    let code = element(&xml, "Code").unwrap_or("");
    let ec = element(&xml, "EC");
    let status = reply.status;
    let dead = "the link is not accepted any more";
    // GUESS: the status of these codes is general knowledge of that store, so the code is asked first.
    let known = match (code, ec) {
        // QUIRK(nxcloud): an expired link and an altered one are both answered by 403; a new link is the
        // cure for either. https://www.alibabacloud.com/help/en/oss/user-guide/0002-00000069
        ("AccessDenied" | "SignatureDoesNotMatch" | "InvalidAccessKeyId", _)
        | (_, Some("0002-00000067" | "0002-00000068" | "0002-00000069" | "0002-00000070")) => {
            Some((ErrorKind::Expired, dead))
        }
        ("NoSuchKey", _) => Some((ErrorKind::NotFound, "the object is gone")),
        _ if matches!(status, 401 | 403 | 410) => Some((ErrorKind::Expired, dead)),
        _ if status == 404 => Some((ErrorKind::Expired, "there is nothing behind the link")),
        _ if reply.is_success() => {
            Some((ErrorKind::UnexpectedContent, "the object store answered with something else"))
        }
        _ => None,
    };
    // The body is not quoted, whatever the status.
    let by_status = error_for_status(&reply.without_body());
    let (kind, what, retry) = match known {
        Some((kind, what)) => (kind, what, Retry::Never),
        None => (by_status.kind(), "the object store failed or refused", by_status.retry()),
    };
    let error =
        Error::new(kind, format!("{what} (HTTP status {status})")).with_retry(retry).with_status(status);
    match (code, ec) {
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
    use wamedia_conformance::{ErrorRow, check_errors, documented_errors};
    use wamedia_core::{MediaId, MediaRef};

    use super::*;
    use crate::responses;

    fn inside_200(code: i64, message: &str) -> Error {
        for_code(code, message, &Reply::new(200, ""))
    }

    /// Every call of the API, since `any` is about all of them.
    fn outcomes(row: &ErrorRow, reply: &Reply) -> Vec<(&'static str, Option<Error>)> {
        let media = MediaRef::new("nxcloud", MediaId::new("fd81acff-eea8-4d9d-acc9-6c62904d6615").unwrap());
        let all = [
            ("resolve", responses::descriptor(&media, reply).err()),
            ("upload", responses::uploaded(reply).err()),
            ("delete", responses::deleted(reply).err()),
            ("open", responses::content_error(reply)),
        ];
        let fits = |call: &str| call == row.operation || (row.operation == "any" && call != "open");
        all.into_iter().filter(|(call, _)| fits(call)).collect()
    }

    #[test]
    fn replies_mean_what_the_documents_say() {
        let codes: Vec<String> = TABLE.iter().map(|row| row.code.to_string()).collect();
        let documented = documented_errors("nxcloud");
        check_errors(&documented, outcomes, codes.iter().map(String::as_str));
    }

    #[test]
    fn every_row_has_its_source_and_says_what_happened() {
        for row in TABLE {
            assert!(row.source.starts_with("https://"));
            let error = inside_200(row.code, "请求失败");
            assert!(error.message().contains(row.what) && error.message().ends_with("请求失败"));
        }
        assert_eq!(inside_200(9006, "").message(), "the number is not bound to the application");
    }

    #[test]
    fn a_code_without_a_meaning_leaves_it_to_the_status() {
        for (status, code, kind, retry) in [
            (429, -1, ErrorKind::RateLimited, Retry::Backoff),
            (500, -1, ErrorKind::Upstream, Retry::Backoff),
            (403, 77, ErrorKind::Forbidden, Retry::Never),
            (500, 9002, ErrorKind::Forbidden, Retry::Never),
            (400, 9001, ErrorKind::Upstream, Retry::Backoff),
        ] {
            let error = for_code(code, "", &Reply::new(status, ""));
            assert_eq!(
                (error.kind(), error.retry(), error.status()),
                (kind, retry, Some(status)),
                "{status} {code}"
            );
        }
    }

    #[test]
    fn a_wrong_time_is_tried_once_more() {
        let mut once = one_retry();
        assert_eq!(once.apply(inside_200(9001, "")).retry(), Retry::Backoff);
        assert_eq!(once.apply(inside_200(1004, "")).retry(), Retry::Backoff);
        let last = once.apply(inside_200(1004, ""));
        assert_eq!((last.kind(), last.retry()), (ErrorKind::Upstream, Retry::Never));
        assert!(last.message().contains("clock"));
        assert_eq!(once.apply(inside_200(9001, "")).retry(), Retry::Backoff);
        assert_eq!(of_upload(inside_200(9001, "")).retry(), Retry::Never);
        assert_eq!(of_upload(inside_200(1004, "")).retry(), Retry::Backoff);
    }

    #[test]
    fn private_parts_of_vendor_text_are_left_out() {
        let shown =
            inside_200(9002, "phone 8615800001795 has no https://x.test/?sign=TEST-canary").to_string();
        assert!(
            !shown.contains("86158") && !shown.contains("canary") && shown.contains("phone .. has no .."),
            "{shown}"
        );
    }

    #[test]
    fn the_stores_xml_is_read_without_what_it_quotes() {
        let xml = "<?xml version=\"1.0\"?>\n<Error>\n <Code> SignatureDoesNotMatch\n</Code><OSSAccessKeyId>TEST-canary</OSSAccessKeyId>\
            <StringToSign>GET TEST-canary</StringToSign><EC>0002-00000040</EC></Error>";
        let error = for_store(&Reply::new(403, xml));
        assert_eq!(error.kind(), ErrorKind::Expired);
        assert_eq!(error.provider_code(), Some("SignatureDoesNotMatch/0002-00000040"));
        assert!(!format!("{error} {error:?}").contains("canary"));
        let huge = format!("<Code>{}</Code>", "x".repeat(1_000_000));
        for odd in ["<Code>", "<Code></Code>", "<Code>&lt;x&gt;</Code>", "<Code>\u{e9}</", &huge] {
            let error = for_store(&Reply::new(403, odd.to_owned()));
            assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Expired, None));
        }
    }

    #[test]
    fn the_stores_errors() {
        for (status, code, ec, kind, retry) in [
            (403, "AccessDenied", "0002-00000069", ErrorKind::Expired, Retry::Never),
            (400, "InvalidArgument", "0002-00000070", ErrorKind::Expired, Retry::Never),
            (400, "InvalidArgument", "0002-00000001", ErrorKind::InvalidRequest, Retry::Never),
            (403, "InvalidAccessKeyId", "", ErrorKind::Expired, Retry::Never),
            (404, "NoSuchKey", "", ErrorKind::NotFound, Retry::Never),
            (404, "", "", ErrorKind::Expired, Retry::Never),
            (410, "", "", ErrorKind::Expired, Retry::Never),
            (416, "InvalidRange", "", ErrorKind::InvalidRequest, Retry::Never),
            (429, "", "", ErrorKind::RateLimited, Retry::Backoff),
            (503, "", "", ErrorKind::Upstream, Retry::Backoff),
            (200, "", "", ErrorKind::UnexpectedContent, Retry::Never),
        ] {
            let xml = format!("<Error><Code>{code}</Code><EC>{ec}</EC></Error>");
            let error = for_store(&Reply::new(status, xml));
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{status} {code}");
        }
        let mut busy = Reply::new(503, "");
        busy.headers.insert("retry-after", "7".parse().unwrap());
        assert_eq!(for_store(&busy).retry_after(), Some(std::time::Duration::from_secs(7)));
    }
}
