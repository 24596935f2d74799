//! The items of a delivery, as `expected.json` beside it says: written by hand from the vendor's documents.

use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use wamedia_core::{Inbound, InboundItem, Mime};

use super::super::Verdict;
use crate::fixture::Fixture;

/// The file beside a delivery.
const FILE: &str = "expected.json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    schema: String,
    items: Vec<Item>,
}

/// One item; `null` is what the delivery does not say. Every key must be there: what is left out would not be compared.
#[derive(Deserialize)]
#[serde(tag = "item", rename_all = "lowercase", deny_unknown_fields)]
enum Item {
    Media(Media),
    Failed {
        kind: String,
        #[serde(deserialize_with = "Option::deserialize")]
        message: Option<String>,
        #[serde(deserialize_with = "Option::deserialize")]
        code: Option<String>,
    },
    Other {
        kind: String,
        #[serde(deserialize_with = "Option::deserialize")]
        message: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Media {
    kind: String,
    #[serde(deserialize_with = "Option::deserialize")]
    id: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    message: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    mime: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    name: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    digest: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    size: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    caption: Option<String>,
    sender: bool,
    #[serde(deserialize_with = "Option::deserialize")]
    time: Option<u64>,
}

/// Compares every item, in order, and names everything that differs.
pub(super) fn compare(fixture: &Fixture, inbound: &Inbound) -> Verdict {
    let path = format!("{}/{FILE}", fixture.id);
    let text = fixture.root.read_text(&path).map_err(|error| format!("{path}: {error}"))?;
    let expected: Expected = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    if expected.schema != "wamedia-expected/1" {
        return Err(format!("{path}: unknown schema {:?}", expected.schema));
    }
    let mut differences = Vec::new();
    if expected.items.len() != inbound.items.len() {
        differences.push(format!("{} items, expected {}", inbound.items.len(), expected.items.len()));
    }
    for (index, (want, got)) in expected.items.iter().zip(&inbound.items).enumerate() {
        let mut differ = Differ { index, differences: &mut differences };
        match (want, got) {
            (Item::Media(want), InboundItem::Media(got)) => {
                let declared = &got.media.declared;
                differ.text("kind", Some(got.kind.name()), Some(&want.kind));
                differ.text(
                    "id",
                    got.media.id.as_ref().map(wamedia_core::MediaId::as_str),
                    want.id.as_deref(),
                );
                differ.text("message", got.message_id.as_deref(), want.message.as_deref());
                let mime =
                    want.mime.as_deref().map(|text| Mime::parse(text).map_err(|error| error.to_string()));
                differ.same("mime", &declared.mime.as_ref(), &mime.transpose()?.as_ref());
                differ.text("name", declared.name.as_deref(), want.name.as_deref());
                let digest = declared.sha256.map(|digest| digest.to_hex());
                differ.text("digest", digest.as_deref(), want.digest.as_deref());
                differ.same("size", &declared.size_bytes, &want.size);
                differ.text("caption", got.caption.as_deref(), want.caption.as_deref());
                differ.same("sender", &got.sender.is_some(), &want.sender);
                let time = want.time.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
                differ.same("time", &got.timestamp, &time);
            }
            (Item::Failed { kind, message, code }, InboundItem::Failed(got)) => {
                differ.text("kind", Some(&got.kind), Some(kind));
                differ.text("message", got.message_id.as_deref(), message.as_deref());
                differ.text("code", got.provider_code.as_deref(), code.as_deref());
            }
            (Item::Other { kind, message }, InboundItem::Other(got)) => {
                differ.text("kind", Some(&got.kind), Some(kind));
                differ.text("message", got.message_id.as_deref(), message.as_deref());
            }
            _ => differ.differences.push(format!("item {index} is another one: {got:?}")),
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n  ")) }
}

struct Differ<'a> {
    index: usize,
    differences: &'a mut Vec<String>,
}

impl Differ<'_> {
    fn text(&mut self, what: &str, got: Option<&str>, want: Option<&str>) {
        self.same(what, &got, &want);
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, got: &T, want: &T) {
        if got != want {
            self.differences.push(format!("item {}, {what}: {got:?}, expected {want:?}", self.index));
        }
    }
}
