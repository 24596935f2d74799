//! Deliveries of Whapi: messages, updates of messages and chats, statuses, and more.
//!
//! A receiver goes by the body, never by path or verb: the vendor has three ways to deliver.
//!
//! Source: <https://support.whapi.cloud/help-desk/receiving/webhooks/incoming-webhooks-format/incoming-message>

mod message;

use wamedia_core::json::{self, Json, Object, short_name};
use wamedia_core::{Authenticity, Delivery, Inbound, InboundItem, OtherItem, Result, Secret, signature};

use self::message::Messages;
use crate::NAME;

/// The largest body that is parsed, in bytes. Nothing is documented; deliveries carry previews inline.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Checks the static header that is configured for deliveries; the vendor signs nothing.
///
/// Any of several headers is enough, so that a value can be replaced without a gap.
///
/// Source: <https://support.whapi.cloud/help-desk/receiving/webhooks/detailed-webhook-settings>
pub fn verify(delivery: &Delivery<'_>, headers: &[(String, Secret)]) -> Authenticity {
    if headers.is_empty() {
        return Authenticity::Unsigned;
    }
    let mut verified = false;
    for (name, want) in headers {
        let given = delivery.header(name).unwrap_or_default();
        // Every header is compared, so that the time does not tell which one fits.
        verified |=
            !want.is_blank() && signature::constant_time_eq(given.as_bytes(), want.expose().as_bytes());
    }
    if verified {
        Authenticity::Verified
    } else {
        Authenticity::Forged("the agreed header is missing or wrong")
    }
}

/// Parses a delivery; nothing in it is dropped, and no token is needed.
///
/// # Errors
///
/// [`ErrorKind::Decode`](wamedia_core::ErrorKind::Decode) for what is no JSON object; [`ErrorKind::TooLarge`](wamedia_core::ErrorKind::TooLarge) above [`MAX_BYTES`].
pub fn parse(delivery: &Delivery<'_>) -> Result<Inbound> {
    parse_up_to(delivery, MAX_BYTES)
}

/// The same, with a cap of one's own on the body, in bytes.
///
/// # Errors
///
/// As [`parse`], with the cap in place of [`MAX_BYTES`].
pub fn parse_up_to(delivery: &Delivery<'_>, max_bytes: u64) -> Result<Inbound> {
    let document = json::delivery(delivery, NAME, max_bytes)?;
    let root = document.root();
    let mut inbound = Inbound::default();
    inbound.items = items(&root);
    Ok(inbound)
}

/// The lists of messages and chats; everything else is counted under the name of its list.
const READ: &[&str] = &["messages", "messages_updates", "chats_updates", "chats"];

fn items(root: &Object<'_>) -> Vec<InboundItem> {
    let channel = root.shared("channel_id");
    let mut messages = Messages::new(channel.as_deref());
    for (index, message) in root.array("messages") {
        messages.message(message, &format!("messages[{index}]"), "unknown");
    }
    for (index, update) in root.array("messages_updates") {
        let path = format!("messages_updates[{index}]");
        match update.object().and_then(|update| update.get("after_update")) {
            Some(after) => messages.message(after, &format!("{path}.after_update"), "message_update"),
            None => messages.other("message_update", path, update, None),
        }
    }
    // QUIRK(whapi): stories come through the chat, as its last message.
    // https://support.whapi.cloud/help-desk/receiving/webhooks/incoming-webhooks-format
    for (index, update) in root.array("chats_updates") {
        let path = format!("chats_updates[{index}].after_update");
        let chat = update.object().and_then(|update| update.get("after_update"));
        last_message(chat.unwrap_or(update), path, &mut messages);
    }
    for (index, chat) in root.array("chats") {
        last_message(chat, format!("chats[{index}]"), &mut messages);
    }
    for (name, value) in root.fields().filter(|(_, value)| !value.is_null()) {
        let name = name.as_ref();
        let short = short_name(name);
        match value.array() {
            Some(_) if READ.contains(&name) => {}
            Some(entries) => {
                let kind = if name == "statuses" { "status" } else { short };
                for (index, entry) in entries.into_iter().enumerate() {
                    // What was removed is a list of bare ids.
                    let id = entry.object().map_or_else(|| entry.text(), |entry| entry.text("id"));
                    messages.other(kind, format!("{short}[{index}]"), entry, id.as_deref());
                }
            }
            None if READ.contains(&name) => messages.other(name, name.to_owned(), value, None),
            None => {}
        }
    }
    let mut items = messages.into_items();
    if items.is_empty() {
        let kind = root.object("event").and_then(|event| event.text("type"));
        let mut other = OtherItem::new(kind.as_deref().unwrap_or("unknown"), "");
        root.raw().clone_into(&mut other.raw);
        items.push(InboundItem::Other(Box::new(other)));
    }
    items
}

fn last_message(chat: Json<'_>, path: String, messages: &mut Messages<'_>) {
    match chat.object().and_then(|chat| chat.get("last_message")) {
        Some(last) => messages.message(last, &format!("{path}.last_message"), "unknown"),
        None => messages.other("chat", path, chat, None),
    }
}

#[cfg(test)]
mod tests;
