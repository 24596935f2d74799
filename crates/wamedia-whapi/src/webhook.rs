//! Deliveries of Whapi: messages, updates of messages and chats, statuses, and more.
//!
//! A receiver goes by the body, never by path or verb: the vendor has three ways to deliver.
//!
//! Source: <https://support.whapi.cloud/help-desk/receiving/webhooks/incoming-webhooks-format/incoming-message>

mod message;

use std::fmt;

use wamedia_core::{
    Authenticity, Delivery, Error, ErrorKind, Inbound, Items, Phase, Result, Secret, WebhookCapabilities,
    Webhooks, short_name,
};
use wamedia_provider::json::{self, Json, Object};
use wamedia_provider::signature;

use self::message::Messages;
use crate::NAME;

/// The largest body that is parsed, in bytes. Nothing is documented; deliveries carry previews inline.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What Whapi offers for webhooks.
pub const CAPABILITIES: WebhookCapabilities = WebhookCapabilities::new(MAX_BYTES).with_signed();

/// Deliveries of Whapi: verified by a static header, without the API's token.
#[derive(Clone, Debug)]
pub struct WhapiWebhooks {
    capabilities: WebhookCapabilities,
    headers: Vec<(String, Secret)>,
}

impl WhapiWebhooks {
    /// Begins without a secret: then deliveries can be parsed and not verified.
    pub fn builder() -> WhapiWebhooksBuilder {
        WhapiWebhooksBuilder(Self { capabilities: CAPABILITIES, headers: Vec::new() })
    }
}

/// Builds [`WhapiWebhooks`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WhapiWebhooksBuilder(WhapiWebhooks);

impl WhapiWebhooksBuilder {
    /// The header that is configured for deliveries; several values during a rotation.
    pub fn header(mut self, name: &str, value: Secret) -> Self {
        self.0.headers.push((name.to_owned(), value));
        self
    }

    /// The largest body that is parsed, in bytes; [`MAX_BYTES`] unless it is set.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.0.capabilities = self.0.capabilities.with_max_bytes(max_bytes);
        self
    }

    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming every problem.
    pub fn build(self) -> Result<WhapiWebhooks> {
        let mut problems = Vec::new();
        if self.0.headers.iter().any(|(_, value)| value.is_blank()) {
            problems.push("the value of the webhook header is empty");
        }
        let token_char = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if self.0.headers.iter().any(|(name, _)| name.is_empty() || !name.bytes().all(token_char)) {
            problems.push("the name of the webhook header is not a header name");
        }
        if problems.is_empty() {
            return Ok(self.0);
        }
        let message = format!("the configuration is not usable: {}", problems.join("; "));
        Err(Error::new(ErrorKind::InvalidRequest, message).with_provider(NAME).with_phase(Phase::Prepare))
    }
}

impl Webhooks for WhapiWebhooks {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &WebhookCapabilities {
        &self.capabilities
    }

    fn verify(&self, delivery: &Delivery<'_>) -> Authenticity {
        verify(delivery, &self.headers)
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        parse_up_to(delivery, self.capabilities.max_bytes)
    }
}

/// Checks the static header that is configured for deliveries; the vendor signs nothing.
///
/// Any of several headers is enough, so that a value can be replaced without a gap.
///
/// Source: <https://support.whapi.cloud/help-desk/receiving/webhooks/detailed-webhook-settings>
pub fn verify(delivery: &Delivery<'_>, headers: &[(String, Secret)]) -> Authenticity {
    if headers.iter().all(|(_, value)| value.is_blank()) {
        return Authenticity::NotConfigured;
    }
    if headers.iter().all(|(name, _)| delivery.header(name).is_none_or(str::is_empty)) {
        return Authenticity::MissingSignature;
    }
    let mut verified = false;
    for (name, want) in headers {
        let given = delivery.header(name).unwrap_or_default();
        // Every header is compared, so that the time does not tell which one fits.
        verified |=
            !want.is_blank() && signature::constant_time_eq(given.as_bytes(), want.expose().as_bytes());
    }
    if verified { Authenticity::Verified } else { Authenticity::Invalid("the agreed header is wrong") }
}

/// Parses a delivery; nothing in it is dropped, and no token is needed.
///
/// # Errors
///
/// [`ErrorKind::Decode`] for what is not a JSON object; [`ErrorKind::TooLarge`] above [`MAX_BYTES`].
pub fn parse(delivery: &Delivery<'_>) -> Result<Inbound> {
    parse_up_to(delivery, MAX_BYTES)
}

/// The same with another limit on the body, in bytes.
///
/// # Errors
///
/// As [`parse`], with the cap in place of [`MAX_BYTES`].
pub fn parse_up_to(delivery: &Delivery<'_>, max_bytes: u64) -> Result<Inbound> {
    json::read_delivery(delivery, NAME, max_bytes, collect)
}

/// One message in a reply: bare in the documents; one client reads it in an envelope as well.
/// <https://github.com/hexamarkco/kifersaude>
#[cfg(feature = "client")]
pub(crate) fn message(reply: &Delivery<'_>) -> Result<Inbound> {
    json::read_delivery(reply, NAME, MAX_BYTES, |root, items| {
        if root.get("messages").is_some() {
            return collect(root, items);
        }
        let message = root.object("message").unwrap_or_else(|| root.clone());
        Messages::new(None, items).read(message, "message", "unknown");
    })
}

/// The lists of messages and chats; everything else is counted under the name of its list.
const READ: &[&str] = &["messages", "messages_updates", "chats_updates", "chats"];

fn collect(root: &Object<'_>, items: &mut Items) {
    let channel = root.shared("channel_id");
    let mut messages = Messages::new(channel.as_deref(), items);
    for (index, message) in root.array("messages") {
        messages.message(message, format_args!("messages[{index}]"), "unknown");
    }
    for (index, update) in root.array("messages_updates") {
        match update.object().and_then(|update| update.get("after_update")) {
            Some(after) => {
                messages.message(
                    after,
                    format_args!("messages_updates[{index}].after_update"),
                    "message_update",
                );
            }
            None => {
                let id = update.object().and_then(|update| update.text("id"));
                let items = &mut *messages.items;
                items.other(
                    "message_update",
                    format_args!("messages_updates[{index}]"),
                    update.raw(),
                    id.as_deref(),
                );
            }
        }
    }
    // QUIRK(whapi): stories come through the chat, as its last message.
    // https://support.whapi.cloud/help-desk/receiving/webhooks/incoming-webhooks-format
    for (index, update) in root.array("chats_updates") {
        let chat = update.object().and_then(|update| update.get("after_update"));
        let message = chat.unwrap_or(update);
        last_message(message, format_args!("chats_updates[{index}].after_update"), &mut messages);
    }
    for (index, chat) in root.array("chats") {
        last_message(chat, format_args!("chats[{index}]"), &mut messages);
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
                    // The ids of calls, groups and contacts are not those of messages.
                    let id = id.filter(|_| ["statuses", "messages_removed"].contains(&name));
                    items.other(kind, format_args!("{short}[{index}]"), entry.raw(), id.as_deref());
                }
            }
            None if READ.contains(&name) => items.other(name, name, value.raw(), None),
            None => {}
        }
    }
    if items.is_empty() {
        let kind = root.object("event").and_then(|event| event.text("type"));
        items.other(kind.as_deref().unwrap_or("unknown"), "", root.raw(), None);
    }
}

fn last_message(chat: Json<'_>, path: impl fmt::Display, messages: &mut Messages<'_, '_>) {
    match chat.object().and_then(|chat| chat.get("last_message")) {
        Some(last) => messages.message(last, format_args!("{path}.last_message"), "unknown"),
        None => messages.items.other("chat", path, chat.raw(), None),
    }
}

#[cfg(test)]
mod tests;
