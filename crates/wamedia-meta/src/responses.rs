//! Responses of the Cloud API: pure functions. The shapes and the error table that other vendors forward are in
//! [`wamedia_provider::cloud_api`].

use serde_json::Value;
use wamedia_core::{MediaDescriptor, MediaLink, MediaRef, Result, Source};
use wamedia_provider::{Reply, cloud_api, decode_error, integer};

use crate::LINK_LIFETIME;

pub(crate) fn descriptor(media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
    let (url, declared) = cloud_api::descriptor(cloud_api::json(reply)?)?;
    let link = MediaLink::with_credential(url).with_expires_at(reply.at.checked_add(LINK_LIFETIME));
    Ok(MediaDescriptor::new(media.clone(), Source::Link(link)).with_declared(declared))
}

/// The handle of a finished resumable upload.
pub(crate) fn handle(reply: &Reply) -> Result<String> {
    let body = cloud_api::json(reply)?;
    let handle = body.get("h").and_then(Value::as_str).filter(|handle| !handle.is_empty());
    handle
        .map(ToOwned::to_owned)
        .ok_or_else(|| decode_error("the upload was accepted and no handle came back"))
}

/// How many bytes a session has.
pub(crate) fn offset(reply: &Reply) -> Result<u64> {
    let offset =
        integer(cloud_api::json(reply)?.get("file_offset")).and_then(|offset| u64::try_from(offset).ok());
    offset.ok_or_else(|| decode_error("the session does not say how many bytes it has"))
}

#[cfg(test)]
mod tests {
    use wamedia_conformance::{ErrorRow, check_errors, documented_errors};

    use wamedia_core::{DeleteOutcome, Error, MediaId};
    use wamedia_provider::cloud_api::{content_error, deleted, uploaded};

    use super::*;

    fn media() -> MediaRef {
        MediaRef::new("meta", MediaId::new("812345678901234").unwrap())
    }

    /// Every call of the API, since `any` is about all of them.
    fn outcomes(row: &ErrorRow, reply: &Reply) -> Vec<(&'static str, Option<Error>)> {
        let all = [
            ("resolve", descriptor(&media(), reply).err()),
            ("upload", uploaded(reply).err()),
            ("delete", deleted(reply).err()),
            ("open", content_error(reply)),
        ];
        let fits = |call: &str| call == row.operation || (row.operation == "any" && call != "open");
        all.into_iter().filter(|(call, _)| fits(call)).collect()
    }

    #[test]
    fn replies_mean_what_the_documents_say() {
        let codes: Vec<String> = cloud_api::known_codes().map(|code| code.to_string()).collect();
        let documented = documented_errors("meta");
        check_errors(&documented, outcomes, codes.iter().map(String::as_str));
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
            let descriptor = descriptor(&media(), &Reply::new(200, body)).unwrap();
            assert_eq!(descriptor.declared.size_bytes, want, "{size}");
        }
    }

    #[test]
    fn deletion() {
        assert_eq!(deleted(&Reply::new(200, r#"{"success":true}"#)).unwrap(), DeleteOutcome::Deleted);
        assert!(deleted(&Reply::new(200, r#"{"success":false}"#)).is_err());
        let gone = r#"{"error":{"code":100,"error_subcode":33}}"#;
        assert_eq!(deleted(&Reply::new(400, gone)).unwrap(), DeleteOutcome::AlreadyGone);
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>) {
            let reply = Reply::new(status, body);
            let _ = descriptor(&media(), &reply);
            let _ = (uploaded(&reply), handle(&reply), offset(&reply), deleted(&reply));
            let _ = content_error(&reply);
        }
    }
}
