//! Requests of 360dialog's API: pure functions.
//!
//! Source: <https://docs.360dialog.com/docs/messaging/media/upload-retrieve-or-delete-media>

use http::HeaderName;
use wamedia_core::{MediaDescriptor, MediaRef, Result, UploadContent};
use wamedia_provider::{Multipart, Request, link_of};

use crate::NAME;
use crate::config::Settings;

/// The request with the API key, which only 360dialog's host sees.
fn with_key(settings: &Settings, request: Request) -> Result<Request> {
    let key = settings.key.header(HeaderName::from_static("d360-api-key"), ToOwned::to_owned)?;
    Ok(request.bound(key))
}

/// `GET /{media-id}`
pub(crate) fn resolve(settings: &Settings, media: &MediaRef) -> Result<Request> {
    with_key(settings, Request::get(settings.api.url(&format!("/{}", media.id_for(NAME)?))?))
}

/// The content behind a link whose origin is 360dialog's already.
pub(crate) fn content(settings: &Settings, media: &MediaDescriptor) -> Result<Request> {
    with_key(settings, Request::get(link_of(media)?.url.clone()))
}

/// `POST /media`; the key decides on the number.
pub(crate) fn upload(settings: &Settings, content: UploadContent) -> Result<Request> {
    let form = Multipart::new()
        .text("messaging_product", "whatsapp")
        .text("type", content.mime.essence())
        .content("file", content);
    with_key(settings, Request::multipart(settings.api.url("/media")?, form))
}

/// `DELETE /{media-id}`
pub(crate) fn delete(settings: &Settings, media: &MediaRef) -> Result<Request> {
    with_key(settings, Request::delete(settings.api.url(&format!("/{}", media.id_for(NAME)?))?))
}
