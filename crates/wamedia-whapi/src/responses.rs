//! Responses of Whapi's API: pure functions.
//!
//! Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use wamedia_core::{
    ContentMetadata, DeleteOutcome, Delivery, Error, ErrorKind, Inbound, ListedMedia, MediaId, MediaPage,
    MediaRef, Result, Sha256,
};
use wamedia_provider::json::{Document, Json, Object};
use wamedia_provider::{
    NotYetStoredRetry, Reply, RetryOnce, dead_link, decode_error, delete_outcome, error_for_status,
};

use crate::{NAME, PLACEHOLDER, error, webhook};

/// Retries of content that is asked for by id, over all attempts of one call.
#[derive(Debug)]
pub(crate) struct ContentRetry {
    not_yet_stored: NotYetStoredRetry,
    limited: RetryOnce,
}

impl ContentRetry {
    /// `age` is that of the message, `retries` how often missing media is asked for again.
    pub(crate) fn new(age: Option<Duration>, retries: u32) -> Self {
        Self { not_yet_stored: NotYetStoredRetry::new(age, retries), limited: error::one_retry() }
    }

    /// The error in a reply in place of the bytes.
    ///
    /// QUIRK(whapi): media that was just announced may be 404 for some seconds; a production client
    /// asks again after 1.5 s and 3 s. <https://github.com/hexamarkco/kifersaude>
    pub(crate) fn classify(&mut self, reply: &Reply) -> Option<Error> {
        let error = error::in_reply(reply)?;
        if !error::names_missing_media(&error) {
            return Some(self.limited.apply(error));
        }
        let error = self.not_yet_stored.apply(error);
        Some(self.not_yet_stored.apply_to_last(error))
    }
}

/// What a reply of the object store in place of the bytes means: XML, and 403 or 404 after 30 days.
///
/// GUESS: nothing is documented; this is how such stores answer.
pub(crate) fn link_error(reply: &Reply) -> Option<Error> {
    match reply.status {
        401 | 403 | 404 | 410 => dead_link(reply),
        200..=299 => reply.is_store_error().then(|| {
            let why = "the object store answered with an error in place of the media";
            Error::new(ErrorKind::UnexpectedContent, why)
        }),
        // The text of the store may quote the link, which has a phone number in it.
        _ => Some(error_for_status(&reply.without_body())),
    }
}

/// The JSON of a reply without an error in it.
fn json(reply: &Reply) -> Result<Value> {
    error::in_reply(reply).map_or_else(|| reply.json(), Err)
}

/// The id in an answer to an upload: the documents have it in a list of one, integrators read other places too.
pub(crate) fn uploaded(reply: &Reply) -> Result<MediaId> {
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
        decode_error("the upload was accepted and no usable id came back, so the object may exist")
    })
}

/// The outcome of a deletion; the schema requires a field that it does not define, so only `success` counts.
pub(crate) fn deleted(reply: &Reply) -> Result<DeleteOutcome> {
    match json(reply) {
        Ok(body) if body.get("success") == Some(&Value::Bool(false)) => delete_outcome(Some(false)),
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
        let offset = offset
            .parse()
            .map_err(|_| Error::new(ErrorKind::InvalidRequest, "the cursor is not one of this list"))?;
        Ok(Self { offset, before })
    }
}

/// A page of the list. It is the last one when it is short or repeated; the total is not trusted,
/// since it is documented in two ways. `count`, at least one, is what was asked for.
pub(crate) fn page(reply: &Reply, count: u32, cursor: &Cursor) -> Result<MediaPage> {
    if let Some(error) = error::in_reply(reply) {
        return Err(error);
    }
    let document = Document::parse(&reply.body);
    let root = document.as_ref().map(Document::value).and_then(Json::object);
    let root = root.ok_or_else(|| decode_error("the answer is not the vendor's JSON"))?;
    let files = root.get("files").and_then(Json::array);
    let files = files.ok_or_else(|| decode_error("the answer has no list of files"))?;
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
    let next = (seen >= full).then(|| format!("{}.{mark}", cursor.offset.saturating_add(seen)));
    Ok(MediaPage::new(items, next))
}

/// A message as a delivery of it would be read.
pub(crate) fn message(reply: &Reply) -> Result<Inbound> {
    match error::in_reply(reply) {
        Some(error) => Err(error),
        None => webhook::message(&Delivery::new(&reply.body)),
    }
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

#[cfg(test)]
mod tests;
