//! What goes over the wire: pure functions from settings to requests and from replies to values.
//!
//! Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>

use std::collections::HashSet;
use std::time::Duration;

use http::{HeaderValue, header};
use serde_json::Value;
use wamedia_core::{
    ContentMetadata, DeleteOutcome, Error, ErrorKind, ListedMedia, MediaId, MediaLink, MediaPage, MediaRef,
    Phase, Result, Resume, Retry, Sha256, UploadContent,
};
use wamedia_provider::json::{Document, Json, Object};
use wamedia_provider::{Body, Reply, Request};

use crate::NAME;
use crate::config::Settings;
use crate::error::{self, OneRetry};

/// Stands in place of an id where the file is not stored yet.
///
/// QUIRK(whapi): generated clients had to widen their pattern for it. <https://github.com/purelines/whapi-sdk>
pub(crate) const PLACEHOLDER: &str = "media_init";
/// How long media counts as fresh: seconds after the webhook it may not be stored yet.
const FRESH: Duration = Duration::from_secs(600);
/// The first wait for fresh media; a production client waits 1.5 s, then 3 s.
const FRESH_PAUSE: Duration = Duration::from_millis(1500);
/// How many entries of a list are asked for where the caller does not say; the vendor allows 500.
const PAGE: u32 = 100;

/// The path of an id.
fn path_of(id: &MediaId) -> Result<String> {
    if id.as_str() == PLACEHOLDER {
        return Err(not_ready());
    }
    // Ids are made of characters that stand for themselves in a path.
    Ok(format!("/media/{}", id.as_str()))
}

/// What the placeholder means; no request is sent for it.
pub(crate) fn not_ready() -> Error {
    Error::new(ErrorKind::NotReady, "the vendor has not stored the file yet").with_phase(Phase::Prepare)
}

/// `GET /media/{id}`: the bytes.
pub(crate) fn by_id_request(settings: &Settings, id: &MediaId, resume: Option<&Resume>) -> Result<Request> {
    let request = Request::get(settings.api.join(&path_of(id)?)?).bound(settings.token.bearer()?);
    request.header(header::ACCEPT, HeaderValue::from_static("*/*")).resume(resume)
}

/// A public link: no credential of any kind.
pub(crate) fn by_link_request(link: &MediaLink, resume: Option<&Resume>) -> Result<Request> {
    Request::get(link.url.clone()).resume(resume)
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

/// What replies in place of the bytes mean, over all attempts of one call by id.
#[derive(Debug)]
pub(crate) struct ById {
    age: Option<Duration>,
    retries: u32,
    missing: u32,
    limited: OneRetry,
}

impl ById {
    /// `age` is that of the message, `retries` how often missing media is asked for again.
    pub(crate) fn new(age: Option<Duration>, retries: u32) -> Self {
        Self { age, retries, missing: 0, limited: OneRetry::default() }
    }

    /// QUIRK(whapi): media that was just announced may be 404 for some seconds; a production client
    /// asks again after 1.5 s and 3 s. <https://github.com/hexamarkco/kifersaude>
    pub(crate) fn judge(&mut self, reply: &Reply) -> Option<Error> {
        let error = error::in_reply(reply)?;
        let fresh = self.age.is_none_or(|age| age < FRESH);
        if !fresh || !error::names_missing_media(&error) {
            return Some(self.limited.bound(error));
        }
        self.missing += 1;
        if self.missing <= self.retries {
            let wait = FRESH_PAUSE.saturating_mul(1 << (self.missing - 1).min(4));
            return Some(error.with_kind(ErrorKind::NotReady).with_retry(Retry::After(wait)));
        }
        // Without a time nobody can tell "not yet" from "no more".
        if self.age.is_none() {
            return Some(error);
        }
        // The wait is longer than one that is slept through, so the caller gets the advice.
        Some(error.with_kind(ErrorKind::NotReady).with_retry(Retry::After(FRESH)))
    }
}

/// What a reply of the object store in place of the bytes means: XML, and 403 or 404 after 30 days.
///
/// GUESS: nothing is documented; this is how such stores answer.
pub(crate) fn judge_by_link(reply: &Reply) -> Option<Error> {
    match reply.status {
        401 | 403 | 404 | 410 => {
            let message = format!("the public link is dead (HTTP status {})", reply.status);
            Some(Error::new(ErrorKind::Expired, message).with_status(reply.status).with_phase(Phase::Head))
        }
        200..=299 => reply.is_store_error().then(|| {
            Error::new(
                ErrorKind::UnexpectedContent,
                "the object store answered with an error in place of the media",
            )
            .with_phase(Phase::Head)
        }),
        // The text of the store may quote the link, which has a phone number in it.
        _ => {
            let mut bare = Reply::new(reply.status, "");
            bare.headers = reply.headers.clone();
            bare.at = reply.at;
            Some(wamedia_provider::error_for_status(&bare))
        }
    }
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
pub(crate) fn read_uploaded(reply: &Reply) -> Result<MediaId> {
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
    found.filter(|id| id != PLACEHOLDER).and_then(|id| MediaId::new(id).ok()).ok_or_else(|| {
        undecodable("the upload was accepted and no usable id came back, so the object may exist")
    })
}

/// The outcome of a deletion; the schema requires a field that it does not define, so only `success` counts.
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

/// Where a list goes on: an offset, and a mark of the page before.
///
/// The mark ends the list of a server that gives the same page for every offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) offset: u64,
    before: Option<String>,
}

impl Cursor {
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for text that no page gave.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self> {
        let Some(text) = text else { return Ok(Self::default()) };
        let (offset, before) =
            text.split_once('.').map_or((text, None), |(offset, before)| (offset, Some(before.to_owned())));
        let offset = offset.parse().map_err(|_| {
            Error::new(ErrorKind::InvalidRequest, "the cursor is not one of this list")
                .with_phase(Phase::Prepare)
        })?;
        Ok(Self { offset, before })
    }
}

/// A page of the list. It is the last one when it is short or repeated; the total is not trusted,
/// since it is documented in two ways.
pub(crate) fn read_page(reply: &Reply, count: u32, cursor: &Cursor) -> Result<MediaPage> {
    if let Some(error) = error::in_reply(reply) {
        return Err(error);
    }
    let document = Document::parse(&reply.body);
    let root = document.as_ref().map(Document::value).and_then(Json::object);
    let root = root.ok_or_else(|| undecodable("the answer is not the vendor's JSON"))?;
    let files = root.get("files").and_then(Json::array);
    let files = files.ok_or_else(|| undecodable("the answer has no list of files"))?;
    let mut ids = HashSet::new();
    let items: Vec<ListedMedia> = files
        .clone()
        .filter_map(|file| listed(&file.object()?))
        // Files that come or go between two requests move the others.
        .filter(|listed| ids.insert(listed.media.id.clone()))
        .collect();
    let names: Vec<String> = items.iter().map(|listed| listed.media.short()).collect();
    let mark = Sha256::of(names.join("\n").as_bytes()).to_hex()[..16].to_owned();
    if cursor.before.as_ref() == Some(&mark) {
        return Ok(MediaPage::default());
    }
    // A server may grant less than it is asked for, and says so.
    let granted = root.get("count").and_then(Json::whole).filter(|granted| *granted > 0);
    let full = granted.map_or(u64::from(count), |granted| granted.min(u64::from(count)));
    let seen = files.count() as u64;
    let next = (seen > 0 && seen >= full).then(|| format!("{}.{mark}", cursor.offset.saturating_add(seen)));
    Ok(MediaPage::new(items, next))
}

fn listed(file: &Object<'_>) -> Option<ListedMedia> {
    let declared = ContentMetadata::EMPTY
        .with_mime_text(file.text("mime_type").as_deref())
        .with_size_bytes(file.get("file_size").and_then(Json::whole))
        .with_sha256_text(file.text("sha256").as_deref())
        .with_name(file.text("file_name").as_deref());
    let id = MediaId::new(file.text("id").filter(|id| id != PLACEHOLDER)?).ok()?;
    let media = MediaRef::new(NAME, id).with_declared(declared);
    Some(ListedMedia::new(media, file.get("timestamp").and_then(Json::time)))
}

/// The name that the vendor is told. It decides the type by the extension, so there must be one.
///
/// Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>
pub(crate) fn upload_name(content: &UploadContent) -> String {
    let name = content.name.trim();
    let has_extension = name.rsplit_once('.').is_some_and(|(stem, end)| {
        !stem.is_empty() && (1..=5).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    let stem = if name.is_empty() { "file" } else { name };
    match content.mime.extension() {
        Some(extension) if !has_extension => format!("{stem}.{extension}"),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests;
