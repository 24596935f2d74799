//! What goes over the wire: pure functions from settings to requests and from replies to values.
//!
//! Source: <https://apidocs.chakrahq.com/api-20534427>

use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use wamedia_core::{
    ContentMetadata, Error, ErrorKind, MediaDescriptor, MediaId, MediaLink, MediaRef, Phase, Result, Source,
    unix_seconds,
};
use wamedia_provider::{Body, Reply, Request};

use crate::ShowPrefix;
use crate::config::Settings;
use crate::error;

#[derive(Deserialize)]
struct Descriptor {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    file_size: Option<Value>,
}

/// `GET /v1/whatsapp/{version}/media/{id}`
pub(crate) fn resolve_request(settings: &Settings, id: &MediaId) -> Result<Request> {
    let url = settings.api.join(&format!("/v1/whatsapp/{}/media/{}", settings.version, id.as_str()))?;
    Ok(Request::get(url).bound(settings.token.bearer()?))
}

/// `GET /v2/whatsapp/{version}/media/{id}/show`
pub(crate) fn show_request(settings: &Settings, id: &MediaId) -> Result<Request> {
    let prefix = if settings.prefix == ShowPrefix::V1 { "v1" } else { "v2" };
    let url =
        settings.api.join(&format!("/{prefix}/whatsapp/{}/media/{}/show", settings.version, id.as_str()))?;
    Ok(Request::get(url).bound(settings.token.bearer()?))
}

/// The content behind a link, which is used as it is: its version is another one than that of the
/// request, and its `mid` is not the media id.
pub(crate) fn content_request(settings: &Settings, link: &MediaLink) -> Result<Request> {
    let request = Request::get(link.url.clone());
    Ok(if link.needs_credential { request.bound(settings.token.bearer()?) } else { request })
}

/// `POST /v1/ext/plugin/whatsapp/{pluginId}/upload-public-media`
///
/// Source: <https://apidocs.chakrahq.com/api-11313630>
pub(crate) fn upload_request(
    settings: &Settings,
    plugin: &str,
    (kind, body): (HeaderValue, Body),
) -> Result<Request> {
    let url = settings.api.join(&format!("/v1/ext/plugin/whatsapp/{plugin}/upload-public-media"))?;
    Ok(Request::post(url, body).header(header::CONTENT_TYPE, kind).bound(settings.token.bearer()?))
}

fn undecodable(why: &str) -> Error {
    Error::new(ErrorKind::Decode, why).with_phase(Phase::Head)
}

/// The JSON of a reply without an error in it.
fn json(reply: &Reply) -> Result<Value> {
    if let Some(error) = error::in_reply(reply) {
        return Err(error);
    }
    serde_json::from_slice(&reply.body)
        .map_err(|error| undecodable("the answer is not the vendor's JSON").with_source(error))
}

/// The descriptor: bare in the vendor's sample, perhaps wrapped as all other answers are.
pub(crate) fn read_descriptor(media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let mut body = json(reply)?;
    if body.get("url").is_none()
        && let Some(wrapped) = body.get_mut("_data")
    {
        body = wrapped.take();
    }
    let descriptor: Descriptor = serde_json::from_value(body)
        .map_err(|error| undecodable("the answer is not a descriptor").with_source(error))?;
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
    // `ext` looks like the time when the link dies; the documents do not say so.
    let expires_at =
        url.query_pairs().find(|(key, _)| key == "ext").and_then(|(_, value)| value.parse().ok());
    let link = MediaLink::with_credential(url).with_expires_at(expires_at.and_then(unix_seconds));
    Ok(MediaDescriptor::new(media.clone(), Source::Link(link)).with_declared(declared))
}

/// What a reply in place of content means: of a link, four statuses lead to a new one.
pub(crate) fn judge_content(reply: &Reply, by_link: bool) -> Option<Error> {
    if by_link && matches!(reply.status, 401 | 403 | 404 | 410) {
        let message = format!("the link is not accepted any more (HTTP status {})", reply.status);
        return Some(
            Error::new(ErrorKind::Expired, message).with_status(reply.status).with_phase(Phase::Head),
        );
    }
    error::in_reply(reply)
}

/// The public link in an answer to an upload.
pub(crate) fn read_uploaded(reply: &Reply) -> Result<Url> {
    let body = json(reply)?;
    let link = body.get("_data").unwrap_or(&body).get("publicMediaUrl").and_then(Value::as_str);
    let link = link.and_then(|link| Url::parse(link).ok());
    link.ok_or_else(|| undecodable("the upload was accepted and no link came back"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> MediaRef {
        MediaRef::new("chakra", MediaId::new("1279279128").unwrap())
    }

    #[test]
    fn the_link_of_the_documents_stays_as_it_is() {
        let link = "https://api.chakrahq.com/v1/whatsapp/v22.0/whatsapp_business/attachments/?mid=656872923516276&ext=1755849148&hash=a-_b";
        for body in [
            format!("{{\"url\":\"{link}\",\"file_size\":1059386}}"),
            format!("{{\"_data\":{{\"url\":\"{link}\",\"file_size\":\"1059386\"}}}}"),
        ] {
            let descriptor = read_descriptor(&media(), &Reply::new(200, body)).unwrap();
            assert_eq!(descriptor.link().unwrap().url.as_str(), link);
            assert_eq!(descriptor.declared.size_bytes, Some(1_059_386));
            assert_eq!(descriptor.expires_at(), unix_seconds(1_755_849_148));
        }
    }

    #[test]
    fn the_token_is_for_the_api_alone() {
        let settings = crate::ChakraHq::builder("TEST-canary").build().unwrap().settings;
        let request = resolve_request(&settings, media().id.as_ref().unwrap()).unwrap();
        let sees = |link: &str| request.bound_headers()[0].value_for(&Url::parse(link).unwrap()).is_some();
        assert!(sees("https://api.chakrahq.com/x"));
        assert!(
            !sees("https://lookaside.fbsbx.com/x") && !sees("https://chakra-public-media.chakrahq.com/x")
        );
    }

    #[test]
    fn uploads_give_a_link() {
        let body = r#"{"_data":{"publicMediaUrl":"https://chakra-public-media.chakrahq.com/a/b.png"}}"#;
        assert!(read_uploaded(&Reply::new(200, body)).is_ok());
        assert_eq!(read_uploaded(&Reply::new(200, r#"{"_data":{}}"#)).unwrap_err().kind(), ErrorKind::Decode);
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>) {
            let reply = Reply::new(status, body);
            let _ = read_descriptor(&media(), &reply);
            let _ = (read_uploaded(&reply), judge_content(&reply, true), judge_content(&reply, false));
        }
    }
}
