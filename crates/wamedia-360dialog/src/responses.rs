//! Responses of 360dialog's API: pure functions. All but the descriptor are those of the Cloud API, in
//! [`wamedia_provider::cloud_api`].

use wamedia_core::{ErrorKind, MediaDescriptor, MediaLink, MediaRef, Result, Source};
use wamedia_provider::{Origin, Reply, cloud_api};

use crate::LINK_LIFETIME;

/// The descriptor, with its link moved to 360dialog's host.
///
/// QUIRK(360dialog): the link points at Meta's content host, which the API key does not open. Path and query stay.
/// <https://docs.360dialog.com/docs/messaging/media/upload-retrieve-or-delete-media>
pub(crate) fn descriptor(origin: &Origin, media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let (url, declared) = cloud_api::descriptor(cloud_api::json(reply)?)?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = origin
        .join(&format!("{}{query}", url.path()))
        .map_err(|error| error.with_kind(ErrorKind::Decode).with_note("the answer has no usable link"))?;
    let link = MediaLink::with_credential(url).with_expires_at(reply.at.checked_add(LINK_LIFETIME));
    Ok(MediaDescriptor::new(media.clone(), Source::Link(link)).with_declared(declared))
}

#[cfg(test)]
mod tests {
    use wamedia_conformance::{ErrorRow, check_errors, documented_errors};

    use wamedia_core::{Error, MediaId};
    use wamedia_provider::cloud_api::{content_error, deleted, uploaded};

    use super::*;

    fn media() -> MediaRef {
        MediaRef::new("360dialog", MediaId::new("812345678901234").unwrap())
    }

    fn api() -> Origin {
        Origin::parse("https://waba-v2.360dialog.io").unwrap()
    }

    #[test]
    fn the_link_moves_to_the_host_of_the_key() {
        for host in ["https://lookaside.fbsbx.com", "https://other.test:8443"] {
            let body = format!(
                r#"{{"url":"{host}\/whatsapp_business\/attachments\/?mid=1&ext=2&hash=a-_b%3D","mime_type":"image\/jpeg"}}"#
            );
            let descriptor = descriptor(&api(), &media(), &Reply::new(200, body)).unwrap();
            assert_eq!(
                descriptor.link().unwrap().url.as_str(),
                "https://waba-v2.360dialog.io/whatsapp_business/attachments/?mid=1&ext=2&hash=a-_b%3D"
            );
        }
        let odd = r#"{"url":"https://lookaside.fbsbx.com//evil.test/"}"#;
        assert_eq!(
            descriptor(&api(), &media(), &Reply::new(200, odd)).unwrap_err().kind(),
            ErrorKind::Decode
        );
    }

    /// Every call of the API, since `any` is about all of them.
    fn outcomes(row: &ErrorRow, reply: &Reply) -> Vec<(&'static str, Option<Error>)> {
        let all = [
            ("resolve", descriptor(&api(), &media(), reply).err()),
            ("upload", uploaded(reply).err()),
            ("delete", deleted(reply).err()),
            ("open", content_error(reply)),
        ];
        let fits = |call: &str| call == row.operation || (row.operation == "any" && call != "open");
        all.into_iter().filter(|(call, _)| fits(call)).collect()
    }

    #[test]
    fn replies_mean_what_the_documents_say() {
        check_errors(&documented_errors("360dialog"), outcomes, []);
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>, url in "\\PC{0,60}") {
            let link = format!("{{\"url\":\"https://a.test/{url}\"}}");
            for reply in [Reply::new(status, body), Reply::new(status, link)] {
                let _ = (descriptor(&api(), &media(), &reply), uploaded(&reply), deleted(&reply));
                let _ = content_error(&reply);
            }
        }
    }
}
