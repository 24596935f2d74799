//! The WhatsApp Cloud API: its webhook shape and its replies about media, which Meta sends and others forward
//! unchanged.
//!
//! Nothing in a delivery is dropped: every message, echo, status and change becomes an item. Source:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference>

#[cfg(feature = "client")]
mod media;
mod message;
mod options;

use std::fmt;

use self::message::Messages;
use crate::json::{Json, Object};
use wamedia_core::{Items, Role};

#[cfg(feature = "client")]
pub use media::{
    content_error, deleted, descriptor, error_in, is_version, json, known_codes, uploaded, uploaded_id,
};
pub use options::{MessageContext, ParseOptions};

/// Lists beside the messages whose elements are counted one by one.
///
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference>
const LISTS: &[&str] = &["statuses", "calls", "groups", "user_preferences"];
/// Lists of messages. Whether a field other than `history` has the nested form is not documented.
const MESSAGES: &[(&str, Role)] = &[("messages", Role::Main), ("message_echoes", Role::Echo)];

/// Everything in a delivery of this shape, in order.
pub fn parse(root: &Object<'_>, options: &ParseOptions, items: &mut Items) {
    for (entry_index, entry) in root.array("entry") {
        let before = items.len();
        if let Some(entry) = entry.object() {
            for (change_index, change) in entry.array("changes") {
                let path = Element { list: &format!("entry[{entry_index}].changes"), index: change_index };
                one_change(change, path, options, items);
            }
        }
        if items.len() == before {
            items.other("entry", format_args!("entry[{entry_index}]"), entry.raw(), None);
        }
    }
    if items.is_empty() {
        let kind = root.text("object");
        items.other(kind.as_deref().unwrap_or("unknown"), "", root.raw(), None);
    }
}

/// One message that is not part of an envelope, for providers that wrap it themselves.
pub fn message(
    message: Json<'_>,
    path: impl fmt::Display,
    role: Role,
    context: MessageContext<'_>,
    options: &ParseOptions,
    items: &mut Items,
) {
    Messages { options, context, items }.message(message, path, role);
}

/// An element of a list. Its path is written only where it is needed.
#[derive(Clone, Copy)]
struct Element<'a> {
    list: &'a str,
    index: usize,
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.list, self.index)
    }
}

fn one_change(change: Json<'_>, path: Element<'_>, options: &ParseOptions, items: &mut Items) {
    let before = items.len();
    let fields = change.object();
    let field = fields.as_ref().and_then(|change| change.text("field"));
    let field = field.as_deref().unwrap_or("unknown");
    if let Some(value) = fields.as_ref().and_then(|change| change.object("value")) {
        one_value(&value, field, path, options, items);
    }
    if items.len() == before {
        items.other(field, path, change.raw(), None);
    }
}

fn one_value(value: &Object<'_>, field: &str, path: Element<'_>, options: &ParseOptions, items: &mut Items) {
    let path = &format!("{path}.value");
    let account = value.object("metadata").and_then(|metadata| metadata.shared("phone_number_id"));
    let context = MessageContext { account: account.as_deref(), ..MessageContext::default() };
    let mut found = Messages { options, context, items };
    for (name, role) in MESSAGES {
        let role = if field == "history" { Role::History } else { *role };
        each(value, name, path, |message, path| found.message(message, path, role));
    }
    each(value, "history", path, |chunk, path| history(chunk, path, &mut found));
    for name in LISTS {
        each(value, name, path, |entry, path| found.listed(entry, name, path));
    }
    each(value, "errors", path, |error, path| found.error("errors", error, path));
}

/// A chunk of the history of a phone: threads of messages, or the reason why there are none.
fn history(chunk: Json<'_>, path: Element<'_>, found: &mut Messages<'_, '_>) {
    let before = found.items.len();
    if let Some(fields) = chunk.object() {
        let path = &path.to_string();
        each(&fields, "threads", path, |thread, path| {
            let before = found.items.len();
            if let Some(thread) = thread.object() {
                let path = &path.to_string();
                each(&thread, "messages", path, |message, path| {
                    found.message(message, path, Role::History);
                });
            }
            if found.items.len() == before {
                found.items.other("history", path, thread.raw(), None);
            }
        });
        each(&fields, "errors", path, |error, path| found.error("history", error, path));
    }
    if found.items.len() == before {
        found.items.other("history", path, chunk.raw(), None);
    }
}

/// Every element of a list with its path; what is there in place of a list counts as its one element.
fn each<'a>(object: &Object<'a>, list: &str, path: &str, mut take: impl FnMut(Json<'a>, Element<'_>)) {
    let Some(elements) = object.get(list).map(Json::listed) else { return };
    let list = &[path, ".", list].concat();
    for (index, element) in elements.enumerate() {
        take(element, Element { list, index });
    }
}

#[cfg(test)]
mod tests;
