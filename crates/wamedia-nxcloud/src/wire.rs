//! What goes over the wire: pure functions from settings to requests and from replies to values.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use serde_json::Value;
use url::Url;
use wamedia_core::{
    ContentMetadata, DeleteOutcome, Error, ErrorKind, MediaDescriptor, MediaId, MediaLink, MediaRef, Phase,
    Result, Resume, Retry, Source, unix_seconds,
};
use wamedia_provider::{Body, Reply, Request};

use crate::config::{JSON, Settings};
use crate::error;
use crate::sign::Signed;

/// `bizType` of WhatsApp.
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention>
const WHATSAPP: &str = "2";
/// How long after its message an object may still be on its way to the store; a guess.
const FRESH: Duration = Duration::from_secs(600);
/// The first wait for such an object; the second is twice that.
const FRESH_PAUSE: Duration = Duration::from_millis(1500);

/// The body of getMedia and deleteMedia.
///
/// QUIRK(nxcloud): the key is `Media-ID`, with capitals and a hyphen.
/// <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia>
#[derive(Serialize)]
struct MediaCall<'a> {
    business_phone: &'a str,
    #[serde(rename = "Media-ID")]
    media_id: &'a str,
    messaging_product: &'static str,
}

/// A signed call with a JSON body: serialized once, signed and sent.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia>
pub(crate) fn media_request(
    settings: &Settings,
    action: &'static str,
    id: &MediaId,
    now: SystemTime,
) -> Result<Request> {
    let call = MediaCall {
        business_phone: &settings.business_phone,
        media_id: id.as_str(),
        messaging_product: "whatsapp",
    };
    let body = serde_json::to_vec(&call).map_err(|error| {
        Error::new(ErrorKind::InvalidRequest, "the request cannot be written").with_source(error)
    })?;
    let body = Bytes::from(body);
    let request = Request::post(settings.api.join(&format!("/api/wa/{action}"))?, Body::Bytes(body.clone()));
    Ok(signed(request, settings, action, &body, now)?.header(JSON.0, JSON.1))
}

/// A signed call with a multipart body, of which nothing is signed.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadMedia>
pub(crate) fn upload_request(
    settings: &Settings,
    action: &'static str,
    (kind, body): (HeaderValue, Body),
    now: SystemTime,
) -> Result<Request> {
    let request = Request::post(settings.api.join(&format!("/api/wa/{action}"))?, body);
    Ok(signed(request, settings, action, b"", now)?.header(header::CONTENT_TYPE, kind))
}

fn signed(
    request: Request,
    settings: &Settings,
    action: &'static str,
    body: &[u8],
    now: SystemTime,
) -> Result<Request> {
    if settings.access_secret.is_blank() {
        return Err(
            Error::new(ErrorKind::InvalidRequest, "the access secret is missing").with_phase(Phase::Prepare)
        );
    }
    let millis = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let ts = millis.to_string();
    let text = Signed { access_key: settings.access_key.expose(), action, biz_type: WHATSAPP, ts: &ts, body };
    let name = HeaderName::from_static;
    let mut request = request
        .header(name("biztype"), HeaderValue::from_static(WHATSAPP))
        .header(name("action"), HeaderValue::from_static(action))
        .bound(settings.key.header(name("accesskey"), ToOwned::to_owned)?)
        .bound(settings.secret.header(name("ts"), |_| ts.clone())?)
        .bound(settings.secret.header(name("sign"), |secret| text.sign(secret, settings.sha256))?);
    if settings.sha256 {
        request = request.header(name("algorithm"), HeaderValue::from_static("sha256"));
    }
    Ok(request)
}

/// The content behind a pre-signed link: a bare GET, since every further signed header, and every
/// credential, would make the store refuse it.
///
/// Source: <https://www.alibabacloud.com/help/tc/doc-detail/31952.html>
pub(crate) fn content_request(link: &MediaLink, resume: Option<&Resume>) -> Result<Request> {
    Request::get(link.url.clone()).resume(resume)
}

/// The payload of an answer whose code is zero. The envelope is `code`, `message` and `data`; messages
/// may be Chinese, so only the code counts.
fn payload(reply: &Reply) -> Result<Option<Value>> {
    let mut envelope: Value = match serde_json::from_slice(&reply.body) {
        Ok(envelope) => envelope,
        Err(_) if !reply.is_success() => return Err(wamedia_provider::error_for_status(reply)),
        Err(error) => return Err(undecodable("the answer is not the vendor's JSON").with_source(error)),
    };
    // QUIRK(nxcloud): older products of the vendor write the code as text.
    // https://github.com/Demon-2012/NXcloud-API-document
    let code = match envelope.get("code") {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    match code {
        Some(0) if reply.is_success() => {
            Ok(envelope.get_mut("data").map(Value::take).filter(|data| !data.is_null()))
        }
        Some(code) if code != 0 => {
            let message = envelope.get("message").and_then(Value::as_str).unwrap_or_default();
            Err(error::for_code(code, message, reply))
        }
        _ if !reply.is_success() => Err(wamedia_provider::error_for_status(reply)),
        _ => Err(undecodable("the answer has no code")),
    }
}

/// What a reply of the store in place of the bytes means. A success that is not the store's own error is content.
pub(crate) fn judge_content(reply: &Reply) -> Option<Error> {
    (!reply.is_success() || reply.is_store_error()).then(|| error::for_store(reply))
}

/// An object that the store does not have although getMedia just gave a link to it: it is asked for
/// twice more, unless the message is old.
///
/// GUESS: the vendor does not say that media may come late; others' stores do that.
#[derive(Debug)]
pub(crate) struct Early {
    age: Option<Duration>,
    missing: u32,
}

impl Early {
    /// `age` is that of the message.
    pub(crate) fn new(age: Option<Duration>) -> Self {
        Self { age, missing: 0 }
    }

    pub(crate) fn judge(&mut self, error: Error) -> Error {
        let fresh = self.age.is_none_or(|age| age < FRESH);
        if error.kind() != ErrorKind::NotFound || !fresh || self.missing >= 2 {
            return error;
        }
        self.missing += 1;
        let wait = FRESH_PAUSE.saturating_mul(self.missing);
        error.with_kind(ErrorKind::NotReady).with_retry(Retry::After(wait))
    }
}

fn undecodable(why: &str) -> Error {
    Error::new(ErrorKind::Decode, why).with_phase(Phase::Head)
}

/// The descriptor in an answer of getMedia. It has no size and no digest.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia>
pub(crate) fn read_descriptor(media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let data = payload(reply)?.ok_or_else(|| undecodable("the answer says success and has no data"))?;
    let field = |name: &str| data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let url = field("url").and_then(|url| Url::parse(url).ok());
    let url = url.ok_or_else(|| undecodable("the answer says success and has no usable link"))?;
    let expires_at = link_expiry(&url);
    // `file_name` is made up from the id, not the sender's name, so it is not passed on.
    let declared = ContentMetadata::EMPTY.with_mime_text(field("mime_type"));
    let source = Source::Link(MediaLink::public(url).with_expires_at(expires_at));
    Ok(MediaDescriptor::new(media.clone(), source).with_declared(declared))
}

/// When a pre-signed link dies: `Expires` in Unix seconds, or the fourth version's date and seconds.
///
/// Source: <https://www.alibabacloud.com/help/tc/doc-detail/31952.html>
pub(crate) fn link_expiry(url: &Url) -> Option<SystemTime> {
    let value =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if let Some(seconds) = value("Expires") {
        return seconds.parse().ok().and_then(unix_seconds);
    }
    let start = compact_date(&value("x-oss-date")?)?;
    let seconds: u64 = value("x-oss-expires")?.parse().ok()?;
    unix_seconds(start.checked_add(seconds)?)
}

/// `20260120T235959Z` in Unix seconds.
fn compact_date(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    if text.len() != 16 || text.as_bytes().get(8) != Some(&b'T') {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970, with years that begin in March so that leap days come last.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100
        + shifted_year / 400
        + (153 * shifted_month + 2) / 5
        + day
        - 1
        - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// The id in an answer to an upload.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadMedia>
pub(crate) fn read_uploaded(reply: &Reply) -> Result<String> {
    let data = payload(reply).map_err(error::of_upload)?;
    let id =
        data.as_ref().and_then(|data| data.get("id")).and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(ToOwned::to_owned).ok_or_else(|| undecodable("the upload was accepted and no id came back"))
}

/// The outcome of deleteMedia. A deletion of what is gone is not documented; the general failure
/// code is taken for it by nobody here, since it may mean anything.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-deleteMedia>
pub(crate) fn read_deleted(reply: &Reply) -> Result<DeleteOutcome> {
    match payload(reply)?.as_ref().and_then(|data| data.get("success")).and_then(Value::as_bool) {
        Some(true) => Ok(DeleteOutcome::Deleted),
        Some(false) => Err(Error::new(ErrorKind::Upstream, "the vendor says that it was not deleted")
            .with_phase(Phase::Head)),
        None => Err(undecodable("the answer does not say whether it was deleted")),
    }
}

#[cfg(test)]
mod tests;
