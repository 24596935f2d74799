//! Responses of 360dialog's API, which are those of the Cloud API: pure functions.

use serde_json::Value;
use wamedia_core::{
    DeleteOutcome, Error, ErrorKind, MediaDescriptor, MediaId, MediaLink, MediaRef, Result, Source,
};
use wamedia_provider::{Origin, Reply, cloud_api, dead_link, delete_outcome};

use crate::LINK_LIFETIME;

/// The JSON of a reply without an error in it.
fn json(reply: &Reply) -> Result<Value> {
    cloud_api::error_in(reply).map_or_else(|| reply.json(), Err)
}

/// The descriptor, with its link moved to 360dialog's host.
///
/// QUIRK(360dialog): the link points at Meta's content host, which the API key does not open. Path and query stay.
/// <https://docs.360dialog.com/docs/messaging/media/upload-retrieve-or-delete-media>
pub(crate) fn descriptor(origin: &Origin, media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let (url, declared) = cloud_api::descriptor(json(reply)?)?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = origin
        .join(&format!("{}{query}", url.path()))
        .map_err(|error| error.with_kind(ErrorKind::Decode).with_note("the answer has no usable link"))?;
    let link = MediaLink::with_credential(url).with_expires_at(reply.at.checked_add(LINK_LIFETIME));
    Ok(MediaDescriptor::new(media.clone(), Source::Link(link)).with_declared(declared))
}

/// What a reply in place of content means; a new link is tried for each of the statuses of a dead one.
pub(crate) fn content_error(reply: &Reply) -> Option<Error> {
    dead_link(reply).or_else(|| cloud_api::error_in(reply))
}

/// The media id of an upload.
pub(crate) fn uploaded(reply: &Reply) -> Result<MediaId> {
    MediaId::new(cloud_api::uploaded_id(&json(reply)?)?).map_err(|error| error.with_kind(ErrorKind::Decode))
}

/// The outcome of a deletion. GUESS: what is gone answers as it does when it is read.
pub(crate) fn deleted(reply: &Reply) -> Result<DeleteOutcome> {
    match json(reply) {
        Ok(body) => delete_outcome(body.get("success").and_then(Value::as_bool)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(DeleteOutcome::AlreadyGone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use wamedia_conformance::{ErrorRow, check_errors};

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
        check_errors(include_str!("../../../fixtures/360dialog/errors.json"), outcomes, []);
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
