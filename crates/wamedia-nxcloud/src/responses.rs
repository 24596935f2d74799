//! Responses of NXCloud's API and of its object store: pure functions.

use std::time::SystemTime;

use serde_json::Value;
use url::Url;
use wamedia_core::{
    ContentMetadata, DeleteOutcome, Error, MediaDescriptor, MediaId, MediaLink, MediaRef, Result, Source,
    unix_from_date, unix_seconds,
};
use wamedia_provider::{Reply, decode_error, delete_outcome, error_for_status, integer};

use crate::error;

/// The payload of an answer whose code is zero. The envelope is `code`, `message` and `data`; messages
/// may be Chinese, so only the code counts.
fn payload(reply: &Reply) -> Result<Option<Value>> {
    let mut envelope: Value = match reply.json() {
        Err(_) if !reply.is_success() => return Err(error_for_status(reply)),
        envelope => envelope?,
    };
    // QUIRK(nxcloud): older products of the vendor write the code as text.
    // https://github.com/Demon-2012/NXcloud-API-document
    match integer(envelope.get("code")) {
        Some(0) if reply.is_success() => {
            Ok(envelope.get_mut("data").map(Value::take).filter(|data| !data.is_null()))
        }
        Some(code) if code != 0 => {
            let message = envelope.get("message").and_then(Value::as_str).unwrap_or_default();
            Err(error::for_code(code, message, reply))
        }
        _ if !reply.is_success() => Err(error_for_status(reply)),
        _ => Err(decode_error("the answer has no code")),
    }
}

/// What a reply of the store in place of the bytes means. A success that is not the store's own error is content.
pub(crate) fn content_error(reply: &Reply) -> Option<Error> {
    (!reply.is_success() || reply.is_store_error()).then(|| error::for_store(reply))
}

/// The descriptor in an answer of getMedia. It has no size and no digest.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia>
pub(crate) fn descriptor(media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let data = payload(reply)?.ok_or_else(|| decode_error("the answer says success and has no data"))?;
    let field = |name: &str| data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let url = field("url").and_then(|url| Url::parse(url).ok());
    let url = url.ok_or_else(|| decode_error("the answer says success and has no usable link"))?;
    let expires_at = link_expiry(&url);
    // `file_name` is made up from the id, not the sender's name, so it is not passed on.
    let declared = ContentMetadata::EMPTY.with_mime_text(field("mime_type"));
    let source = Source::Link(reply.link(MediaLink::public(url).with_expires_at(expires_at)));
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
    let days = unix_from_date(number(0..4)?, number(4..6)?, number(6..8)?)?;
    Some(days + number(9..11)? * 3_600 + number(11..13)? * 60 + number(13..15)?)
}

/// The id in an answer to an upload.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadMedia>
pub(crate) fn uploaded(reply: &Reply) -> Result<String> {
    let data = payload(reply).map_err(error::of_upload)?;
    let id =
        data.as_ref().and_then(|data| data.get("id")).and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(ToOwned::to_owned).ok_or_else(|| decode_error("the upload was accepted and no id came back"))
}

/// The media id in an answer to an upload.
pub(crate) fn uploaded_media(reply: &Reply) -> Result<MediaId> {
    MediaId::new(uploaded(reply)?).map_err(|_| {
        decode_error("the upload was accepted and no usable id came back, so the object may exist")
    })
}

/// The outcome of deleteMedia. A deletion of what is gone is not documented; the general failure code is not
/// read as one, since it may mean anything.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-deleteMedia>
pub(crate) fn deleted(reply: &Reply) -> Result<DeleteOutcome> {
    let data = payload(reply)?;
    delete_outcome(data.as_ref().and_then(|data| data.get("success")).and_then(Value::as_bool))
}

#[cfg(test)]
mod tests;
