//! What a delivery holds, found without the code that is tested.

use std::collections::BTreeSet;

use serde_json::Value;
use url::form_urlencoded;
use wamedia_core::{Delivery, Inbound, InboundItem, Role};

use super::super::{Setup, Verdict, ensure};
use crate::profile::{FormDeliveries, Shape, fill};

/// Texts that are valid JSON and that `serde_json::Value` refuses, with ones that it takes.
const REFUSED: &[(&str, &str)] = &[("1e999", "0"), ("\\ud800", "?"), ("\\udfff", "?")];
/// Where the messages and events stand, and which of them are messages.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) all: BTreeSet<String>,
    pub(super) messages: BTreeSet<String>,
}

pub(super) fn places(setup: &Setup, body: &[u8]) -> Result<Places, String> {
    if let Some(names) = setup.profile.form() {
        return Ok(Places { all: form_places(names, body), ..Places::default() });
    }
    let names = setup.profile.json().ok_or("profile.json does not say where messages stand")?;
    let mut text = String::from_utf8_lossy(body).into_owned();
    for (refused, taken) in REFUSED {
        text = text.replace(refused, taken);
    }
    let root: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let is_it = |shape: &&Shape| {
        shape.when.as_ref().is_none_or(|name| matches!(root[name], Value::Array(_) | Value::Object(_)))
    };
    let mut places = Places::default();
    let Some(shape) = names.shapes.iter().find(is_it) else { return Ok(places) };
    for pattern in &shape.messages {
        find(&root, pattern, "", &shape.not, &mut places.messages);
    }
    for pattern in &shape.others {
        find(&root, pattern, "", &shape.not, &mut places.all);
    }
    places.all.extend(places.messages.iter().cloned());
    Ok(places)
}

/// Every place that a pattern leads to; `not` are names that `*` does not stand for.
fn find(holder: &Value, pattern: &str, path: &str, not: &[String], found: &mut BTreeSet<String>) {
    let (segment, rest) =
        pattern.split_once('.').map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    let mut reached = |value: &Value, path: String| match rest {
        Some(rest) => find(value, rest, &format!("{path}."), not, found),
        None => drop(found.insert(path)),
    };
    let Some(name) = segment.strip_suffix("[]") else {
        // A list or a text in place of an object is not what the pattern means.
        if holder[segment].is_object() {
            reached(&holder[segment], format!("{path}{segment}"));
        }
        return;
    };
    for (key, value) in holder.as_object().into_iter().flatten() {
        if key == name || name == "*" && !not.contains(key) {
            for (index, element) in value.as_array().into_iter().flatten().enumerate() {
                reached(element, format!("{path}{key}[{index}]"));
            }
        }
    }
}

/// Where the items stand: the fields of the files that are counted or there, or else the form itself.
fn form_places(names: &FormDeliveries, body: &[u8]) -> BTreeSet<String> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let value = |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value);
    let counted = value(&names.count).parse().unwrap_or(0_usize).min(names.most);
    let address = |index: usize| fill(&names.address[0], &[("n", &index.to_string())]);
    let is_file = |index: &usize| *index < counted || !value(&address(*index)).is_empty();
    let files: BTreeSet<_> = (0..names.most).filter(is_file).map(address).collect();
    if files.is_empty() { BTreeSet::from([String::new()]) } else { files }
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
    let places = places(setup, body)?;
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
