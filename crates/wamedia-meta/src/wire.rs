//! What goes over the wire: pure functions from settings to requests and from replies to values.
//!
//! Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media>

use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use wamedia_core::{
    ContentMetadata, DeleteOutcome, Error, ErrorKind, MediaDescriptor, MediaId, MediaLink, MediaRef, Phase,
    Result, Resume, Source,
};
use wamedia_provider::{Body, Reply, Request};

use crate::config::Settings;
use crate::error;

/// How long a link lives.
pub(crate) const LINK_LIFETIME: Duration = Duration::from_secs(300);

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

#[derive(Deserialize)]
struct Id {
    #[serde(default)]
    id: Option<Value>,
}

/// `GET /{version}/{media-id}`, with the phone number id where it is known.
pub(crate) fn resolve_request(settings: &Settings, id: &MediaId) -> Result<Request> {
    Ok(Request::get(media_url(settings, id)?).bound(settings.token.bearer()?))
}

/// `DELETE /{version}/{media-id}`
pub(crate) fn delete_request(settings: &Settings, id: &MediaId) -> Result<Request> {
    Ok(Request::delete(media_url(settings, id)?).bound(settings.token.bearer()?))
}

fn media_url(settings: &Settings, id: &MediaId) -> Result<Url> {
    let query =
        settings.phone_number_id.as_ref().map(|id| format!("?phone_number_id={id}")).unwrap_or_default();
    // A colon in a first segment cannot be mistaken here, since the version comes before it.
    settings.api.join(&format!("/{}/{}{query}", settings.version, id.as_str()))
}

/// The content behind a link. The token goes along only to origins it is bound to.
pub(crate) fn content_request(
    settings: &Settings,
    link: &MediaLink,
    resume: Option<&Resume>,
) -> Result<Request> {
    let mut request = Request::get(link.url.clone());
    if link.needs_credential {
        request = request.bound(settings.token.bearer()?);
    }
    request.resume(resume)
}

/// `POST /{version}/{phone-number-id}/media`
pub(crate) fn upload_request(settings: &Settings, (kind, body): (HeaderValue, Body)) -> Result<Request> {
    let id = settings.phone_number_id.as_deref().unwrap_or_default();
    let url = settings.api.join(&format!("/{}/{id}/media", settings.version))?;
    Ok(Request::post(url, body).header(header::CONTENT_TYPE, kind).bound(settings.token.bearer()?))
}

/// Opens a resumable upload. Source: <https://developers.facebook.com/docs/graph-api/guides/upload>
pub(crate) fn session_request(
    settings: &Settings,
    app: &str,
    size: u64,
    mime: &str,
    name: &str,
) -> Result<Request> {
    let mut url = settings.api.join(&format!("/{}/{app}/uploads", settings.version))?;
    url.query_pairs_mut()
        .append_pair("file_length", &size.to_string())
        .append_pair("file_type", mime)
        .append_pair("file_name", name);
    Ok(Request::post(url, Body::Empty).bound(settings.token.bearer()?))
}

/// Sends bytes to a session, or asks how many it has.
///
/// QUIRK(meta): the id of a session holds `?sig=`, so it goes into the URL as it is.
/// <https://developers.facebook.com/docs/graph-api/guides/upload>
pub(crate) fn session_step(settings: &Settings, session: &str, part: Option<(u64, Body)>) -> Result<Request> {
    let url = settings.api.join(&format!("/{}/{session}", settings.version))?;
    let request = match part {
        Some((offset, body)) => {
            Request::post(url, body).header(HeaderName::from_static("file_offset"), HeaderValue::from(offset))
        }
        None => Request::get(url),
    };
    Ok(request.bound(settings.token.bearer()?))
}

/// The JSON of a reply without an error in it.
fn json<T: serde::de::DeserializeOwned>(reply: &Reply) -> Result<T> {
    if let Some(error) = error::in_reply(reply) {
        return Err(error);
    }
    serde_json::from_slice(&reply.body)
        .map_err(|error| undecodable("the answer is not the vendor's JSON").with_source(error))
}

fn undecodable(why: &str) -> Error {
    Error::new(ErrorKind::Decode, why).with_phase(Phase::Head)
}

pub(crate) fn read_descriptor(media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let descriptor: Descriptor = json(reply)?;
    let url = descriptor.url.as_deref().and_then(|url| Url::parse(url).ok());
    let url = url.ok_or_else(|| undecodable("the answer has no usable link"))?;
    let size = match &descriptor.file_size {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let declared = ContentMetadata::EMPTY
        .with_mime_text(descriptor.mime_type.as_deref())
        .with_sha256_text(descriptor.sha256.as_deref())
        .with_size_bytes(size.filter(|size| *size < 1 << 50));
    let link = MediaLink::with_credential(url).with_expires_at(reply.at.checked_add(LINK_LIFETIME));
    Ok(MediaDescriptor::new(media.clone(), Source::Link(link)).with_declared(declared))
}

/// What a reply of the content host means. Its body for a dead link is not documented; a new link is
/// tried for each of the statuses that it may have.
pub(crate) fn judge_content(reply: &Reply) -> Option<Error> {
    let dead = matches!(reply.status, 401 | 403 | 404 | 410);
    if dead {
        let message = format!("the link is not accepted any more (HTTP status {})", reply.status);
        return Some(
            Error::new(ErrorKind::Expired, message).with_status(reply.status).with_phase(Phase::Head),
        );
    }
    error::in_reply(reply)
}

pub(crate) fn read_id(reply: &Reply) -> Result<String> {
    match json::<Id>(reply)?.id {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        Some(Value::Number(id)) => Ok(id.to_string()),
        _ => Err(undecodable("the upload was accepted and no id came back")),
    }
}

/// The handle of a finished resumable upload.
pub(crate) fn read_handle(reply: &Reply) -> Result<String> {
    let body: Value = json(reply)?;
    let handle = body.get("h").and_then(Value::as_str).filter(|handle| !handle.is_empty());
    handle
        .map(ToOwned::to_owned)
        .ok_or_else(|| undecodable("the upload was accepted and no handle came back"))
}

/// How many bytes a session has.
pub(crate) fn read_offset(reply: &Reply) -> Result<u64> {
    let body: Value = json(reply)?;
    let offset = body.get("file_offset");
    let offset = offset.and_then(|offset| offset.as_u64().or_else(|| offset.as_str()?.parse().ok()));
    offset.ok_or_else(|| undecodable("the session does not say how many bytes it has"))
}

pub(crate) fn read_deleted(reply: &Reply) -> Result<DeleteOutcome> {
    let body: Value = match json(reply) {
        Ok(body) => body,
        // The same answer as for reading an id that is gone; not captured for deletion, a guess.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(DeleteOutcome::AlreadyGone),
        Err(error) => return Err(error),
    };
    match body.get("success").and_then(Value::as_bool) {
        Some(true) => Ok(DeleteOutcome::Deleted),
        Some(false) => Err(Error::new(ErrorKind::Upstream, "the vendor says that it was not deleted")
            .with_phase(Phase::Head)),
        None => Err(undecodable("the answer does not say whether it was deleted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> MediaRef {
        MediaRef::new("meta", MediaId::new("812345678901234").unwrap())
    }

    fn settings() -> Settings {
        crate::MetaCloud::builder("TEST-canary").phone_number_id("39120").build().unwrap().settings
    }

    #[test]
    fn the_token_is_for_the_api_and_the_content_host_only() {
        let request = resolve_request(&settings(), media().id.as_ref().unwrap()).unwrap();
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
    fn sizes_in_both_forms_and_nonsense_as_unknown() {
        for (size, want) in [
            ("11", Some(11)),
            ("\"11\"", Some(11)),
            ("-1", None),
            ("\"x\"", None),
            ("null", None),
            ("1e99", None),
        ] {
            let body = format!("{{\"url\":\"https://lookaside.fbsbx.com/x\",\"file_size\":{size}}}");
            let descriptor = read_descriptor(&media(), &Reply::new(200, body)).unwrap();
            assert_eq!(descriptor.declared.size_bytes, want, "{size}");
        }
    }

    #[test]
    fn the_id_of_a_session_stays_as_it_is() {
        let session = "upload:MTphdHRhY2htZW50OjAwMDA=?sig=ARZexampleSig";
        let request = session_step(&settings(), session, Some((0, Body::Empty))).unwrap();
        assert_eq!(request.url().as_str(), format!("https://graph.facebook.com/v25.0/{session}"));
        assert_eq!(request.headers()["file_offset"], "0");
    }

    #[test]
    fn deletion() {
        assert_eq!(read_deleted(&Reply::new(200, r#"{"success":true}"#)).unwrap(), DeleteOutcome::Deleted);
        assert!(read_deleted(&Reply::new(200, r#"{"success":false}"#)).is_err());
        let gone = r#"{"error":{"code":100,"error_subcode":33}}"#;
        assert_eq!(read_deleted(&Reply::new(400, gone)).unwrap(), DeleteOutcome::AlreadyGone);
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>) {
            let reply = Reply::new(status, body);
            let _ = read_descriptor(&media(), &reply);
            let _ = (read_id(&reply), read_handle(&reply), read_offset(&reply), read_deleted(&reply));
            let _ = judge_content(&reply);
        }
    }
}
