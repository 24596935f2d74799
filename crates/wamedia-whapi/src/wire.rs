//! What goes over the wire: pure functions from settings to requests and from replies to values.
//!
//! Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>

use std::time::{Duration, SystemTime};

use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;
use wamedia_core::{
    Declared, DeleteOutcome, Error, ErrorKind, ListedMedia, MediaId, MediaLink, MediaPage, MediaRef, Phase,
    Result, Resume, Retry, unix_seconds,
};
use wamedia_http::{Body, Reply, Request};

use crate::NAME;
use crate::config::Settings;
use crate::error;

/// How long media counts as fresh: seconds after the webhook it may not be stored yet.
const FRESH: Duration = Duration::from_secs(600);
/// The first wait for fresh media; a production client waits 1.5 s, then 3 s.
const FRESH_PAUSE: Duration = Duration::from_millis(1500);
/// How many entries of a list are asked for where the caller does not say; the vendor allows 500.
const PAGE: u32 = 100;

#[derive(Deserialize)]
struct MediaFile {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    file_size: Option<u64>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    timestamp: Option<Value>,
}

/// The id for a path. The placeholder stands where a file is not stored yet.
///
/// QUIRK(whapi): `media_init` in place of an id. <https://github.com/purelines/whapi-sdk>
fn path_of(id: &MediaId) -> Result<String> {
    if id.as_str() == "media_init" {
        return Err(Error::new(ErrorKind::NotReady, "the vendor has not stored the file yet")
            .with_phase(Phase::Prepare));
    }
    Ok(format!("/media/{}", id.as_str()))
}

/// `GET /media/{id}`: the bytes.
pub(crate) fn by_id_request(settings: &Settings, id: &MediaId, resume: Option<&Resume>) -> Result<Request> {
    let request = Request::get(settings.api.join(&path_of(id)?)?).bound(settings.token.bearer()?);
    ranged(request.header(header::ACCEPT, HeaderValue::from_static("*/*")), resume)
}

/// A public link: no credential of any kind.
pub(crate) fn by_link_request(link: &MediaLink, resume: Option<&Resume>) -> Result<Request> {
    ranged(Request::get(link.url.clone()), resume)
}

fn ranged(mut request: Request, resume: Option<&Resume>) -> Result<Request> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            Error::new(ErrorKind::InvalidRequest, "a header value cannot be sent").with_phase(Phase::Prepare)
        })
    };
    if let Some(resume) = resume {
        request = request.header(header::RANGE, value(&format!("bytes={}-", resume.offset))?);
        if let Some(validator) = &resume.validator {
            request = request.header(header::IF_RANGE, value(validator)?);
        }
    }
    Ok(request)
}

/// `POST /media`
pub(crate) fn upload_request(settings: &Settings, (kind, body): (HeaderValue, Body)) -> Result<Request> {
    let request = Request::post(settings.api.join("/media")?, body);
    Ok(request.header(header::CONTENT_TYPE, kind).bound(settings.token.bearer()?))
}

/// `DELETE /media/{id}`
pub(crate) fn delete_request(settings: &Settings, id: &MediaId) -> Result<Request> {
    Ok(Request::delete(settings.api.join(&path_of(id)?)?).bound(settings.token.bearer()?))
}

/// `GET /media?count=&offset=`; the count is always sent, since its default is documented twice.
pub(crate) fn list_request(settings: &Settings, count: u32, offset: u64) -> Result<Request> {
    let url = settings.api.join(&format!("/media?count={count}&offset={offset}"))?;
    Ok(Request::get(url).bound(settings.token.bearer()?))
}

/// The size of a page that the vendor allows.
pub(crate) fn page_size(wanted: Option<u32>) -> u32 {
    wanted.unwrap_or(PAGE).clamp(1, 500)
}

/// What a reply in place of the bytes means. Media that was just announced may not be stored yet.
pub(crate) fn judge_by_id(reply: &Reply, age: Option<Duration>, tries: u32, retries: u32) -> Option<Error> {
    let Some(error) = error::in_reply(reply) else { return page(reply) };
    let fresh = age.is_none_or(|age| age < FRESH) && tries <= retries;
    if error.kind() == ErrorKind::NotFound && fresh && error.message().to_lowercase().contains("media") {
        let wait = FRESH_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(4));
        return Some(error.with_kind(ErrorKind::NotReady).with_retry(Retry::After(wait)));
    }
    Some(error)
}

/// What a reply of the object store in place of the bytes means: XML, and 403 or 404 after 30 days.
pub(crate) fn judge_by_link(reply: &Reply) -> Option<Error> {
    match reply.status {
        401 | 403 | 404 | 410 => {
            let message = format!("the public link is dead (HTTP status {})", reply.status);
            Some(Error::new(ErrorKind::Expired, message).with_status(reply.status).with_phase(Phase::Head))
        }
        200..=299 => page(reply),
        _ => None,
    }
}

fn page(reply: &Reply) -> Option<Error> {
    let is_page = reply.text().trim_start().starts_with('<');
    is_page.then(|| {
        Error::new(ErrorKind::UnexpectedContent, "a page came in place of the media").with_phase(Phase::Head)
    })
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

/// The id in an answer to an upload: the documents have it in a list of one, integrators read other places too.
pub(crate) fn read_uploaded(reply: &Reply) -> Result<String> {
    let body = json(reply)?;
    let id = |value: &Value| {
        value.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(ToOwned::to_owned)
    };
    let media = body.get("media");
    let found = media
        .and_then(|media| media.get(0))
        .and_then(id)
        .or_else(|| media.and_then(id))
        .or_else(|| id(&body));
    found.ok_or_else(|| undecodable("the upload was accepted and no id came back"))
}

pub(crate) fn read_deleted(reply: &Reply) -> Result<DeleteOutcome> {
    match json(reply) {
        Ok(body) if body.get("success") == Some(&Value::Bool(false)) => {
            Err(Error::new(ErrorKind::Upstream, "the vendor says that it was not deleted")
                .with_phase(Phase::Head))
        }
        Ok(_) => Ok(DeleteOutcome::Deleted),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(DeleteOutcome::AlreadyGone),
        // An empty success is a success.
        Err(error) if error.kind() == ErrorKind::Decode && reply.is_success() && reply.body.is_empty() => {
            Ok(DeleteOutcome::Deleted)
        }
        Err(error) => Err(error),
    }
}

/// A page of the list. It is the last one when it is short; the total is not trusted, since it is
/// documented in two ways.
pub(crate) fn read_page(reply: &Reply, count: u32, offset: u64) -> Result<MediaPage> {
    let body = json(reply)?;
    let files = body
        .get("files")
        .and_then(Value::as_array)
        .ok_or_else(|| undecodable("the answer has no list of files"))?;
    let items = files.iter().filter_map(|file| {
        let file: MediaFile = serde_json::from_value(file.clone()).ok()?;
        let declared = Declared::NOTHING
            .with_mime_text(file.mime_type.as_deref())
            .with_size_bytes(file.file_size)
            .with_sha256_text(file.sha256.as_deref());
        let media = MediaRef::new(NAME, MediaId::new(file.id?).ok()?).with_declared(declared);
        Some(ListedMedia::new(media, file.timestamp.as_ref().and_then(timestamp)))
    });
    let seen = files.len() as u64;
    let next = (seen >= u64::from(count)).then(|| (offset + seen).to_string());
    Ok(MediaPage::new(items.collect(), next))
}

/// Unix seconds, as text or as a number.
pub(crate) fn timestamp(value: &Value) -> Option<SystemTime> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    unix_seconds(if number > 100_000_000_000 { number / 1000 } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_media_is_asked_for_again_and_old_media_is_not() {
        let reply = Reply::new(404, r#"{"error":{"code":404,"message":"specified media not found"}}"#);
        let judge = |age, tries| judge_by_id(&reply, age, tries, 2).unwrap();
        let fresh = judge(Some(Duration::from_secs(5)), 1);
        assert_eq!((fresh.kind(), fresh.retry_after()), (ErrorKind::NotReady, Some(FRESH_PAUSE)));
        assert_eq!(judge(None, 2).retry_after(), Some(FRESH_PAUSE * 2));
        assert_eq!(judge(None, 3).kind(), ErrorKind::NotFound);
        assert_eq!(judge(Some(Duration::from_secs(86_400)), 1).kind(), ErrorKind::NotFound);
        let channel = Reply::new(404, r#"{"error":{"code":404,"message":"Channel not found"}}"#);
        assert_eq!(judge_by_id(&channel, None, 1, 2).unwrap().kind(), ErrorKind::Unauthorized);
    }

    #[test]
    fn the_placeholder_is_not_asked_for() {
        let settings = crate::WhapiCloud::builder("TEST-canary").build().unwrap().settings;
        let error = by_id_request(&settings, &MediaId::new("media_init").unwrap(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady);
    }

    #[test]
    fn a_short_page_is_the_last() {
        let body = r#"{"files":[{"id":"jpeg-3a","mime_type":"image/jpeg","file_size":652},{"id":"a/b"},{}],"count":100,"total":900}"#;
        let page = read_page(&Reply::new(200, body), 100, 0).unwrap();
        assert_eq!((page.items.len(), page.next), (1, None));
        assert_eq!(read_page(&Reply::new(200, body), 3, 6).unwrap().next.as_deref(), Some("9"));
        assert_eq!(read_page(&Reply::new(200, r#"{"files":[]}"#), 1, 0).unwrap().next, None);
        assert!(read_page(&Reply::new(200, "{}"), 1, 0).is_err());
    }

    #[test]
    fn uploads_and_deletions() {
        assert_eq!(read_uploaded(&Reply::new(201, r#"{"media":[{"id":"pdf-3a"}]}"#)).unwrap(), "pdf-3a");
        assert_eq!(read_uploaded(&Reply::new(200, r#"{"media":[]}"#)).unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(read_deleted(&Reply::new(200, "{}")).unwrap(), DeleteOutcome::Deleted);
        let gone = r#"{"error":{"code":404,"message":"specified media not found"}}"#;
        assert_eq!(read_deleted(&Reply::new(404, gone)).unwrap(), DeleteOutcome::AlreadyGone);
        assert!(read_deleted(&Reply::new(200, r#"{"success":false}"#)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>) {
            let reply = Reply::new(status, body);
            let _ = (read_uploaded(&reply), read_deleted(&reply), read_page(&reply, 10, 0));
            let _ = (judge_by_id(&reply, None, 1, 2), judge_by_link(&reply));
        }
    }
}
