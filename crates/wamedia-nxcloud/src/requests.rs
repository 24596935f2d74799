//! Requests of NXCloud's API: pure functions.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use wamedia_core::{Error, ErrorKind, MediaLink, MediaRef, Mime, Result, Resume, UploadContent};
use wamedia_provider::{Body, Multipart, Request};

use crate::NAME;
use crate::config::Settings;
use crate::sign::Signed;

/// `bizType` of WhatsApp.
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention>
const WHATSAPP: &str = "2";

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

/// A signed call about media with a JSON body, which is serialized once, signed and sent.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia>
pub(crate) fn media(
    settings: &Settings,
    action: &'static str,
    media: &MediaRef,
    now: SystemTime,
) -> Result<Request> {
    let call = MediaCall {
        business_phone: &settings.business_phone,
        media_id: media.id_for(NAME)?.as_str(),
        messaging_product: "whatsapp",
    };
    let body = serde_json::to_vec(&call).map_err(|error| {
        Error::new(ErrorKind::InvalidRequest, "the request cannot be written").with_source(error)
    })?;
    let body = Bytes::from(body);
    let url = settings.api.url(&format!("/api/wa/{action}"))?;
    let request = Request::post(url, Body::Bytes(body.clone()))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    signed(request, settings, action, &body, now)
}

/// A signed call with a multipart body, of which nothing is signed.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadMedia>
pub(crate) fn upload(
    settings: &Settings,
    action: &'static str,
    content: UploadContent,
    now: SystemTime,
) -> Result<Request> {
    check_codec(&content.mime)?;
    // GUESS: the codec of voice notes belongs to the type, since the table takes Opus alone.
    let form = Multipart::new()
        .text("business_phone", &settings.business_phone)
        .text("messaging_product", "whatsapp")
        .text("type", content.mime.as_str())
        .content("file", content);
    let url = settings.api.url(&format!("/api/wa/{action}"))?;
    signed(Request::multipart(url, form), settings, action, b"", now)
}

/// The table takes Ogg with Opus only.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadMedia>
pub(crate) fn check_codec(mime: &Mime) -> Result<()> {
    let codec = mime.parameter("codecs");
    let is_other = codec.is_some_and(|codec| !codec.eq_ignore_ascii_case("opus"));
    if mime.essence() == "audio/ogg" && is_other {
        return Err(Error::new(ErrorKind::InvalidRequest, "the vendor takes Ogg with Opus only"));
    }
    Ok(())
}

fn signed(
    request: Request,
    settings: &Settings,
    action: &'static str,
    body: &[u8],
    now: SystemTime,
) -> Result<Request> {
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
pub(crate) fn content(link: &MediaLink, resume: Option<&Resume>) -> Result<Request> {
    Request::get(link.url.clone()).resume(resume)
}

#[cfg(test)]
mod tests;
