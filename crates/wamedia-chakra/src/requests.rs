//! Requests of Chakra's API: pure functions.
//!
//! Source: <https://apidocs.chakrahq.com/api-20534427>

use wamedia_core::{MediaDescriptor, MediaRef, Result, UploadContent};
use wamedia_provider::{Multipart, Request};

use crate::config::Settings;
use crate::{NAME, ShowPrefix};

/// `GET /v1/whatsapp/{version}/media/{id}`
pub(crate) fn resolve(settings: &Settings, media: &MediaRef) -> Result<Request> {
    let version = &settings.version;
    let url = settings.api.url(&format!("/v1/whatsapp/{version}/media/{}", media.id_for(NAME)?))?;
    Ok(Request::get(url).bound(settings.token.bearer()?))
}

/// The content behind a link, which is used as it is: its version is another one than that of the
/// request, and its `mid` is not the media id. Without a link, `GET /v2/whatsapp/{version}/media/{id}/show`.
pub(crate) fn content(settings: &Settings, media: &MediaDescriptor) -> Result<Request> {
    let (url, needs_credential) = match media.link() {
        Some(link) => (link.url.clone(), link.needs_credential),
        None => {
            let prefix = if settings.prefix == ShowPrefix::V1 { "v1" } else { "v2" };
            let (version, id) = (&settings.version, media.media.id_for(NAME)?);
            (settings.api.url(&format!("/{prefix}/whatsapp/{version}/media/{id}/show"))?, true)
        }
    };
    let request = Request::get(url);
    Ok(if needs_credential { request.bound(settings.token.bearer()?) } else { request })
}

/// `POST /v1/ext/plugin/whatsapp/{pluginId}/upload-public-media`
///
/// Source: <https://apidocs.chakrahq.com/api-11313630>
pub(crate) fn upload(settings: &Settings, plugin: &str, content: UploadContent) -> Result<Request> {
    let url = settings.api.url(&format!("/v1/ext/plugin/whatsapp/{plugin}/upload-public-media"))?;
    // In the order of the vendor's example.
    let form = Multipart::new().text_after("filename", &content.name).content("file", content);
    Ok(Request::multipart(url, form).bound(settings.token.bearer()?))
}

#[cfg(test)]
mod tests {
    use url::Url;
    use wamedia_core::MediaId;

    use super::*;
    use crate::ChakraHq;

    #[test]
    fn the_token_is_for_the_api_alone() {
        let settings = ChakraHq::builder("TEST-canary").build().unwrap().settings;
        let media = MediaRef::new(NAME, MediaId::new("1279279128").unwrap());
        let request = resolve(&settings, &media).unwrap();
        let sees = |link: &str| request.bound_headers()[0].value_for(&Url::parse(link).unwrap()).is_some();
        assert!(sees("https://api.chakrahq.com/x"));
        assert!(
            !sees("https://lookaside.fbsbx.com/x") && !sees("https://chakra-public-media.chakrahq.com/x")
        );
    }
}
