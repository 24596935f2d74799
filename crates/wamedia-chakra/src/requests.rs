//! Requests of Chakra's API: pure functions.
//!
//! Source: <https://apidocs.chakrahq.com/api-20534427>

use url::Url;
use wamedia_core::{MediaDescriptor, MediaRef, Result, UploadContent};
use wamedia_provider::{Multipart, Request, decode_error, is_digits};

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

/// Where newer documents have the content behind a link: its `mid` alone, and no slash before the question mark.
///
/// GUESS: from the code of one integration. <https://github.com/Lukkaplace186/lukka-place>
pub(crate) fn attachment(settings: &Settings, link: &Url) -> Result<Url> {
    let mid = link.query_pairs().find(|(key, value)| key == "mid" && is_digits(value));
    let (_, mid) = mid.ok_or_else(|| decode_error("the link of the answer has no mid"))?;
    let version = &settings.version;
    settings.api.url(&format!("/v2/whatsapp/{version}/media/whatsapp_business/attachments?mid={mid}"))
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
    use wamedia_core::{ErrorKind, MediaId};

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
    #[test]
    fn an_attachment_is_asked_for_by_its_mid_alone() {
        let settings = ChakraHq::builder("TEST-canary").build().unwrap().settings;
        let of = |query: &str| {
            attachment(&settings, &format!("https://anywhere.test/attachments/?{query}").parse().unwrap())
        };
        let want = "https://api.chakrahq.com/v2/whatsapp/v22.0/media/whatsapp_business/attachments?mid=656872923516276";
        assert_eq!(of("ext=1&mid=656872923516276&hash=a-_b").unwrap().as_str(), want);
        for query in ["ext=1", "mid=", "mid=1%26x%3D2", "mid=..%2F"] {
            assert_eq!(of(query).unwrap_err().kind(), ErrorKind::Decode, "{query}");
        }
    }
}
