//! Requests of Whapi's API: pure functions.
//!
//! Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::{HeaderValue, header};
use wamedia_core::{
    Error, ErrorKind, MediaId, MediaLink, MediaRef, Result, Resume, UploadBody, UploadContent,
};
use wamedia_provider::{Body, Multipart, Request};

use crate::config::{ListFilter, Settings, UploadForm};
use crate::data_url::Base64;
use crate::{NAME, PLACEHOLDER};

/// How many entries of a list are asked for where the caller does not say; the vendor allows 500.
const PAGE: u32 = 100;

/// What the placeholder means; no request is sent for it.
pub(crate) fn not_ready() -> Error {
    Error::new(ErrorKind::NotReady, "the vendor has not stored the file yet")
}

/// The path of a media object.
fn path(media: &MediaRef) -> Result<String> {
    let id = media.id_for(NAME)?;
    if id.as_str() == PLACEHOLDER {
        return Err(not_ready());
    }
    // Ids are made of characters that stand for themselves in a path.
    Ok(format!("/media/{id}"))
}

/// `GET /media/{id}`: the bytes.
pub(crate) fn content_by_id(
    settings: &Settings,
    media: &MediaRef,
    resume: Option<&Resume>,
) -> Result<Request> {
    let request = Request::get(settings.api.url(&path(media)?)?).bound(settings.token.bearer()?);
    request.header(header::ACCEPT, HeaderValue::from_static("*/*")).resume(resume)
}

/// A public link: no credential of any kind.
pub(crate) fn content_by_link(link: &MediaLink, resume: Option<&Resume>) -> Result<Request> {
    Request::get(link.url.clone()).resume(resume)
}

/// `POST /media`
pub(crate) fn upload(settings: &Settings, content: UploadContent) -> Result<Request> {
    let (url, name) = (settings.api.url("/media")?, upload_name(&content));
    let (mime, size) = (content.mime, content.size_bytes);
    let post = |kind: &str, body| {
        let kind = HeaderValue::from_str(kind)
            .map_err(|_| Error::new(ErrorKind::InvalidRequest, "the media type cannot stand in a header"))?;
        Ok(Request::post(url.clone(), body).header(header::CONTENT_TYPE, kind))
    };
    let request: Result<Request> = match settings.upload_form {
        UploadForm::Multipart => {
            let form = Multipart::new().file("media", &name, &mime, content.body, size);
            Ok(Request::multipart(url, form))
        }
        UploadForm::Raw => post(mime.as_str(), Body::framed(Bytes::new(), content.body, size, Bytes::new())),
        UploadForm::Json { no_encode } => {
            // Nothing in these parts needs to be escaped in JSON, or ends a part of a data URL.
            let plain = |c: char| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' };
            let name: String = name.chars().map(plain).collect();
            let head = format!(r#"{{"media":"data:{};name={name};base64,"#, mime.essence());
            let Body::Stream(bytes, _) = Body::framed(Bytes::new(), content.body, size, Bytes::new()) else {
                return Err(Error::new(ErrorKind::Unsupported, "this content cannot be written as base64"));
            };
            let text = UploadBody::Stream(Box::pin(Base64::new(bytes)));
            let tail = format!(r#"","no_encode":{no_encode}}}"#);
            let size = size.map(|size| size.div_ceil(3) * 4);
            post("application/json", Body::framed(head.into(), text, size, tail.into()))
        }
    };
    Ok(request?.bound(settings.token.bearer()?))
}

/// `DELETE /media/{id}`
pub(crate) fn delete(settings: &Settings, media: &MediaRef) -> Result<Request> {
    Ok(Request::delete(settings.api.url(&path(media)?)?).bound(settings.token.bearer()?))
}

/// `GET /media?count=&offset=` with `time_from`, `time_to` and `sort`; the count is always sent, since its default is
/// documented twice.
pub(crate) fn list(settings: &Settings, filter: &ListFilter, count: u32, offset: u64) -> Result<Request> {
    let mut target = format!("/media?count={count}&offset={offset}");
    for (name, time) in [("time_from", filter.from), ("time_to", filter.until)] {
        if let Some(time) = time {
            // Nothing was stored before that.
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            target.push_str(&format!("&{name}={}", since.as_secs()));
        }
    }
    if let Some(newest_first) = filter.newest_first {
        target.push_str(if newest_first { "&sort=desc" } else { "&sort=asc" });
    }
    Ok(Request::get(settings.api.url(&target)?).bound(settings.token.bearer()?))
}

/// `GET /messages/{id}`, with `resync` where the channel must ask WhatsApp first.
pub(crate) fn message(settings: &Settings, id: &str, resync: bool) -> Result<Request> {
    // Ids of messages have the characters of those of media.
    let id = MediaId::new(id)
        .map_err(|_| Error::new(ErrorKind::InvalidRequest, "the message id cannot be valid"))?;
    let query = if resync { "?resync=true" } else { "" };
    let url = settings.api.url(&format!("/messages/{id}{query}"))?;
    Ok(Request::get(url).bound(settings.token.bearer()?))
}

/// The size of a page that the vendor allows.
pub(crate) fn page_size(wanted: Option<u32>) -> u32 {
    wanted.unwrap_or(PAGE).clamp(1, 500)
}

/// The name that the vendor is told. It decides the type by the extension, so there must be one.
///
/// Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>
fn upload_name(content: &UploadContent) -> String {
    let name = content.name.trim();
    let has_extension = name.rsplit_once('.').is_some_and(|(stem, end)| {
        !stem.is_empty() && (1..=5).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    let stem = if name.is_empty() { "file" } else { name };
    match content.mime.extension() {
        Some(extension) if !has_extension => format!("{stem}.{extension}"),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests;
