//! Requests of Whapi's API: pure functions.
//!
//! Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>

use http::{HeaderValue, header};
use wamedia_core::{Error, ErrorKind, MediaLink, MediaRef, Result, Resume, UploadContent};
use wamedia_provider::{Multipart, Request};

use crate::config::Settings;
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
    let name = upload_name(&content);
    let (mime, size) = (content.mime, content.size_bytes);
    let form = Multipart::new().file("media", &name, &mime, content.body, size);
    Ok(Request::multipart(settings.api.url("/media")?, form).bound(settings.token.bearer()?))
}

/// `DELETE /media/{id}`
pub(crate) fn delete(settings: &Settings, media: &MediaRef) -> Result<Request> {
    Ok(Request::delete(settings.api.url(&path(media)?)?).bound(settings.token.bearer()?))
}

/// `GET /media?count=&offset=`; the count is always sent, since its default is documented twice.
pub(crate) fn list(settings: &Settings, count: u32, offset: u64) -> Result<Request> {
    let url = settings.api.url(&format!("/media?count={count}&offset={offset}"))?;
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
