//! What a delivery holds, found without the code that is tested.

use std::collections::BTreeSet;

use serde_json::Value;
use url::form_urlencoded;
use wamedia_core::{Delivery, Inbound, InboundItem, Role};

use super::super::{Setup, Verdict, ensure};
use crate::DeliveryFormat;

/// Texts that are valid JSON and that `serde_json::Value` refuses, with ones that it takes.
const REFUSED: &[(&str, &str)] = &[("1e999", "0"), ("\\ud800", "?"), ("\\udfff", "?")];
/// Lists of which each element is a message or an event of its own.
const LISTS: &[&str] =
    &["messages", "message_echoes", "statuses", "errors", "calls", "groups", "user_preferences"];
const MESSAGES: &[&str] = &["messages", "message_echoes", "messages_updates", "chats_updates", "chats"];

/// The most files of one message, where deliveries are forms.
/// Source: <https://www.twilio.com/docs/messaging/guides/webhook-request>
pub(super) const MOST_FILES: usize = 10;

/// Where the messages and events stand, and which of them are messages.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) all: BTreeSet<String>,
    pub(super) messages: BTreeSet<String>,
}

pub(super) fn places(format: DeliveryFormat, body: &[u8]) -> Result<Places, String> {
    if format == DeliveryFormat::Form {
        return Ok(Places { all: form_places(body), ..Places::default() });
    }
    let mut text = String::from_utf8_lossy(body).into_owned();
    for (refused, taken) in REFUSED {
        text = text.replace(refused, taken);
    }
    let root: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut places = Places::default();
    if let Some(entries) = root["entry"].as_array() {
        for (index, entry) in entries.iter().enumerate() {
            places.entry(entry, &format!("entry[{index}]"));
        }
    } else if let Some(payload) = root["payload"].as_object() {
        if payload.get("message").is_some_and(Value::is_object) {
            places.messages.insert("payload.message".to_owned());
        }
        for name in ["messages", "message_echoes"] {
            places.list(&root["payload"], name, "payload.");
        }
        if places.messages.is_empty() {
            places.all.insert("payload".to_owned());
        }
    } else {
        for (name, _) in root.as_object().into_iter().flatten().filter(|(name, _)| *name != "contacts") {
            places.list(&root, name, "");
        }
    }
    places.all.extend(places.messages.iter().cloned());
    Ok(places)
}

/// Where the items stand: the fields of the files that are counted or there, or else the form itself.
fn form_places(body: &[u8]) -> BTreeSet<String> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let value = |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value);
    let counted = value("NumMedia").parse().unwrap_or(0_usize).min(MOST_FILES);
    let is_file = |index: &usize| *index < counted || !value(&format!("MediaUrl{index}")).is_empty();
    let files: BTreeSet<_> =
        (0..MOST_FILES).filter(is_file).map(|index| format!("MediaUrl{index}")).collect();
    if files.is_empty() { BTreeSet::from([String::new()]) } else { files }
}

impl Places {
    fn entry(&mut self, entry: &Value, path: &str) {
        let changes = entry["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        if changes.is_empty() {
            self.all.insert(path.to_owned());
        }
        for (index, change) in changes.iter().enumerate() {
            let path = format!("{path}.changes[{index}]");
            let value = &change["value"];
            for name in LISTS {
                self.list(value, name, &format!("{path}.value."));
            }
            for (index, chunk) in value["history"].as_array().into_iter().flatten().enumerate() {
                let path = format!("{path}.value.history[{index}].");
                self.list(chunk, "errors", &path);
                for (index, thread) in chunk["threads"].as_array().into_iter().flatten().enumerate() {
                    self.list(thread, "messages", &format!("{path}threads[{index}]."));
                }
            }
            // Whatever is in it: a change is never without an item.
            self.all.insert(path);
        }
    }

    fn list(&mut self, holder: &Value, name: &str, path: &str) {
        for index in 0..holder[name].as_array().map_or(0, Vec::len) {
            let place = format!("{path}{name}[{index}]");
            if MESSAGES.contains(&name) {
                self.messages.insert(place);
            } else {
                self.all.insert(place);
            }
        }
    }
}

pub(super) fn path(item: &InboundItem) -> &str {
    match item {
        InboundItem::Media(media) => &media.path,
        InboundItem::Failed(failed) => &failed.path,
        InboundItem::Other(other) => &other.path,
        _ => "",
    }
}

/// Whether a path is a place or stands below it.
pub(super) fn below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Every message and event has an item, and every item but the last resort has its place.
pub(super) fn nothing_is_missing(setup: &Setup, body: &[u8]) -> Verdict {
    let places = places(setup.deliveries, body)?;
    let inbound = setup.webhooks(true)?.parse(&Delivery::new(body)).map_err(|error| error.to_string())?;
    ensure(!inbound.items.is_empty(), "a delivery without any item")?;
    let paths: Vec<_> = inbound.items.iter().map(path).collect();
    for place in &places.all {
        ensure(paths.iter().any(|path| below(path, place)), format!("{place} is not in {paths:?}"))?;
    }
    for item in &inbound.items {
        let path = path(item);
        let has_place = places.all.iter().any(|place| below(path, place));
        ensure(has_place || matches!(item, InboundItem::Other(_)), format!("{path} is nowhere"))?;
    }
    Ok(())
}

/// Every item keeps its text as it came; what stood inside a string was unescaped first.
pub(super) fn raw_text_is_from(inbound: &Inbound, body: &str) -> Verdict {
    for item in &inbound.items {
        let raw = match item {
            InboundItem::Media(media) if media.role == Role::FlowField => continue,
            InboundItem::Media(media) => &media.raw,
            InboundItem::Failed(failed) => &failed.raw,
            InboundItem::Other(other) => &other.raw,
            _ => continue,
        };
        ensure(!raw.is_empty() && body.contains(raw.as_str()), format!("{}: not as it came", path(item)))?;
    }
    Ok(())
}
