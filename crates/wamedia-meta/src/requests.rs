//! Requests of the Cloud API: pure functions.
//!
//! Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media>

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;
use wamedia_core::{Error, ErrorKind, MediaDescriptor, MediaRef, Mime, Result, Resume, UploadContent};
use wamedia_provider::{Body, Multipart, Request, link_of};

use crate::NAME;
use crate::config::Settings;

/// `GET /{version}/{media-id}`, with the phone number id where it is known.
pub(crate) fn resolve(settings: &Settings, media: &MediaRef) -> Result<Request> {
    Ok(Request::get(media_url(settings, media)?).bound(settings.token.bearer()?))
}

/// `DELETE /{version}/{media-id}`
pub(crate) fn delete(settings: &Settings, media: &MediaRef) -> Result<Request> {
    Ok(Request::delete(media_url(settings, media)?).bound(settings.token.bearer()?))
}

fn media_url(settings: &Settings, media: &MediaRef) -> Result<Url> {
    let number = settings.phone_number_id.as_ref();
    let query = number.map(|id| format!("?phone_number_id={id}")).unwrap_or_default();
    // A colon in a first segment cannot be mistaken here, since the version comes before it.
    settings.api.url(&format!("/{}/{}{query}", settings.version, media.id_for(NAME)?))
}

/// The content behind a link. The token goes along only to origins it is bound to.
pub(crate) fn content(
    settings: &Settings,
    media: &MediaDescriptor,
    resume: Option<&Resume>,
) -> Result<Request> {
    let link = link_of(media)?;
    let mut request = Request::get(link.url.clone());
    if link.needs_credential {
        request = request.bound(settings.token.bearer()?);
    }
    request.resume(resume)
}

/// `POST /{version}/{phone-number-id}/media`
pub(crate) fn upload(
    settings: &Settings,
    account: &str,
    content: UploadContent,
    keep_for: Option<Duration>,
) -> Result<Request> {
    let mut form = Multipart::new()
        .text("messaging_product", "whatsapp")
        // The table asks for it, Meta's own samples leave it out; equal to the part's type it does no harm.
        .text("type", content.mime.essence());
    if let Some(keep) = keep_for {
        form = form.text("ttl_minutes", &(keep.as_secs() / 60).clamp(60, 43_200).to_string());
    }
    let url = settings.api.url(&format!("/{}/{account}/media", settings.version))?;
    Ok(Request::multipart(url, form.content("file", content)).bound(settings.token.bearer()?))
}

/// Opens a resumable upload. Source: <https://developers.facebook.com/docs/graph-api/guides/upload>
pub(crate) fn open_session(
    settings: &Settings,
    app_id: &str,
    size: u64,
    mime: &Mime,
    name: &str,
) -> Result<Request> {
    if app_id.is_empty() || !app_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let why = "the app id has a character that no app id has";
        return Err(Error::new(ErrorKind::InvalidRequest, why));
    }
    let mut url = settings.api.url(&format!("/{}/{app_id}/uploads", settings.version))?;
    url.query_pairs_mut()
        .append_pair("file_length", &size.to_string())
        .append_pair("file_type", mime.essence())
        .append_pair("file_name", name);
    Ok(Request::post(url, Body::Empty).bound(settings.token.bearer()?))
}

/// Sends bytes to a session, or asks how many it has.
///
/// QUIRK(meta): the id of a session holds `?sig=`, so it goes into the URL as it is.
/// <https://developers.facebook.com/docs/graph-api/guides/upload>
pub(crate) fn continue_session(
    settings: &Settings,
    session: &str,
    part: Option<(u64, Body)>,
) -> Result<Request> {
    let url = settings.api.url(&format!("/{}/{session}", settings.version))?;
    let request = match part {
        Some((offset, body)) => {
            Request::post(url, body).header(HeaderName::from_static("file_offset"), HeaderValue::from(offset))
        }
        None => Request::get(url),
    };
    Ok(request.bound(settings.token.bearer()?))
}

#[cfg(test)]
mod tests {
    use wamedia_core::MediaId;

    use super::*;
    use crate::MetaCloud;

    fn settings() -> Settings {
        MetaCloud::builder("TEST-canary").phone_number_id("39120").build().unwrap().settings
    }

    #[test]
    fn the_token_is_for_the_api_and_the_content_host_only() {
        let media = MediaRef::new(NAME, MediaId::new("812345678901234").unwrap());
        let request = resolve(&settings(), &media).unwrap();
        assert_eq!(
            request.url().as_str(),
            "https://graph.facebook.com/v25.0/812345678901234?phone_number_id=39120"
        );
        let bearer = &request.bound_headers()[0];
        let sees = |link: &str| bearer.value_for(&Url::parse(link).unwrap()).is_some();
        assert!(sees("https://graph.facebook.com/x") && sees("https://lookaside.fbsbx.com/x"));
        assert!(!sees("https://scontent.whatsapp.net/x") && !sees("https://graph.facebook.com.evil.test/"));
    }

    #[test]
    fn the_id_of_a_session_stays_as_it_is() {
        let session = "upload:MTphdHRhY2htZW50OjAwMDA=?sig=ARZexampleSig";
        let request = continue_session(&settings(), session, Some((0, Body::Empty))).unwrap();
        assert_eq!(request.url().as_str(), format!("https://graph.facebook.com/v25.0/{session}"));
        assert_eq!(request.headers()["file_offset"], "0");
    }
}
