//! Responses of Chakra's API: pure functions.
//!
//! Source: <https://apidocs.chakrahq.com/api-20534427>

use serde_json::Value;
use url::Url;
use wamedia_core::{Error, MediaDescriptor, MediaLink, MediaRef, Result, Source, unix_seconds};
use wamedia_provider::{Reply, cloud_api, dead_link, decode_error};

use crate::error;

/// The JSON of a reply without an error in it.
fn json(reply: &Reply) -> Result<Value> {
    error::in_reply(reply).map_or_else(|| reply.json(), Err)
}

/// The descriptor: bare in the vendor's sample, perhaps wrapped as all other answers are.
pub(crate) fn descriptor(media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let mut body = json(reply)?;
    if body.get("url").is_none()
        && let Some(wrapped) = body.get_mut("_data")
    {
        body = wrapped.take();
    }
    let (url, declared) = cloud_api::descriptor(body)?;
    // `ext` looks like the time when the link dies; the documents do not say so.
    let ext = url.query_pairs().find(|(key, _)| key == "ext");
    let expires_at = ext.and_then(|(_, value)| value.parse().ok()).and_then(unix_seconds);
    let link = reply.link(MediaLink::with_credential(url).with_expires_at(expires_at));
    Ok(MediaDescriptor::new(media.clone(), Source::Link(link)).with_declared(declared))
}

/// What a reply in place of content means: of a link, four statuses lead to a new one.
pub(crate) fn content_error(reply: &Reply, is_link: bool) -> Option<Error> {
    dead_link(reply).filter(|_| is_link).or_else(|| error::in_reply(reply))
}

/// The public link in an answer to an upload.
pub(crate) fn uploaded(reply: &Reply) -> Result<Url> {
    let body = json(reply)?;
    let link = body.get("_data").unwrap_or(&body).get("publicMediaUrl").and_then(Value::as_str);
    let link = link.and_then(|link| Url::parse(link).ok());
    link.ok_or_else(|| decode_error("the upload was accepted and no link came back"))
}

#[cfg(test)]
mod tests {
    use wamedia_core::{ErrorKind, MediaId};

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
            let descriptor = super::descriptor(&media(), &Reply::new(200, body)).unwrap();
            assert_eq!(descriptor.link().unwrap().url.as_str(), link);
            assert_eq!(descriptor.declared.size_bytes, Some(1_059_386));
            assert_eq!(descriptor.expires_at(), unix_seconds(1_755_849_148));
        }
    }

    #[test]
    fn an_ext_that_is_not_decimal_seconds_is_an_unknown_expiry() {
        for ext in ["6afd87ec", "0x6afd87ec", "", "-1795000300"] {
            let body =
                format!("{{\"url\":\"https://api.chakrahq.com/v1/whatsapp/v22.0/a/?mid=1&ext={ext}\"}}");
            let descriptor = descriptor(&media(), &Reply::new(200, body)).unwrap();
            assert_eq!(descriptor.expires_at(), None, "{ext}");
        }
    }

    #[test]
    fn uploads_give_a_link() {
        let body = r#"{"_data":{"publicMediaUrl":"https://chakra-public-media.chakrahq.com/a/b.png"}}"#;
        assert!(uploaded(&Reply::new(200, body)).is_ok());
        assert_eq!(uploaded(&Reply::new(200, r#"{"_data":{}}"#)).unwrap_err().kind(), ErrorKind::Decode);
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>) {
            let reply = Reply::new(status, body);
            let _ = descriptor(&media(), &reply);
            let _ = (uploaded(&reply), content_error(&reply, true), content_error(&reply, false));
        }
    }
}
