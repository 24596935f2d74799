//! The webhook shape of the WhatsApp Cloud API, which Meta sends and others forward unchanged.
//!
//! Nothing is dropped: every message, echo, status and change becomes an item. Source:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference>

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::{
    Declared, Delivery, Error, ErrorKind, FailedItem, Inbound, InboundItem, MediaId, MediaItem, MediaKind,
    MediaLink, MediaRef, OtherItem, Phase, Result, Role, Secret, unix_seconds,
};

/// How a provider reads the shape.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// The provider's name.
    pub provider: &'static str,
    /// How long ids from webhooks live.
    pub id_lifetime: Option<Duration>,
    /// How long the link in a message lives; `None` where the provider's credential cannot open it.
    pub link_lifetime: Option<Duration>,
}

impl Reading {
    /// A provider whose credential cannot open the links in messages.
    pub const fn new(provider: &'static str) -> Self {
        Self { provider, id_lifetime: None, link_lifetime: None }
    }

    /// Ids from webhooks live this long.
    #[must_use]
    pub const fn with_id_lifetime(mut self, lifetime: Duration) -> Self {
        self.id_lifetime = Some(lifetime);
        self
    }

    /// Links in messages can be opened with the provider's credential, for this long.
    #[must_use]
    pub const fn with_link_lifetime(mut self, lifetime: Duration) -> Self {
        self.link_lifetime = Some(lifetime);
        self
    }
}

/// The JSON object of a delivery.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] above `max_bytes`, [`ErrorKind::Decode`] for what is no JSON object.
pub fn object(delivery: &Delivery<'_>, provider: &'static str, max_bytes: u64) -> Result<Value> {
    let error = |kind, why: &str| {
        Error::new(kind, why)
            .with_provider(provider)
            .with_operation("parse_webhook")
            .with_phase(Phase::Prepare)
    };
    if delivery.body.len() as u64 > max_bytes {
        return Err(error(ErrorKind::TooLarge, "the delivery is larger than any of this provider"));
    }
    let value: Value = serde_json::from_slice(delivery.body)
        .map_err(|cause| error(ErrorKind::Decode, "the delivery is not JSON").with_source(cause))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(error(ErrorKind::Decode, "the delivery is not a JSON object"))
    }
}

/// Everything in a delivery of this shape, in order.
pub fn parse(root: &Value, reading: &Reading) -> Inbound {
    let mut inbound = Inbound::default();
    for (entry_index, entry) in array(root.get("entry")) {
        for (change_index, change) in array(entry.get("changes")) {
            let path = format!("entry[{entry_index}].changes[{change_index}]");
            one_change(change, &path, reading, &mut inbound.items);
        }
    }
    if inbound.items.is_empty() {
        let kind = root.get("object").and_then(Value::as_str).unwrap_or("unknown");
        inbound.items.push(InboundItem::Other(OtherItem::new(kind, "")));
    }
    inbound
}

fn one_change(change: &Value, path: &str, reading: &Reading, items: &mut Vec<InboundItem>) {
    let before = items.len();
    let field = change.get("field").and_then(Value::as_str).unwrap_or("unknown");
    let Some(value) = change.get("value") else {
        items.push(InboundItem::Other(OtherItem::new(field, path)));
        return;
    };
    let account =
        value.get("metadata").and_then(|metadata| metadata.get("phone_number_id")).and_then(Value::as_str);
    let role = if field == "history" { Role::History } else { Role::Main };
    let mut context = Messages { reading, account, items };
    for (index, message) in array(value.get("messages")) {
        context.message(message, &format!("{path}.value.messages[{index}]"), role);
    }
    for (index, message) in array(value.get("message_echoes")) {
        context.message(message, &format!("{path}.value.message_echoes[{index}]"), Role::Echo);
    }
    for (index, chunk) in array(value.get("history")) {
        let path = format!("{path}.value.history[{index}]");
        for (thread_index, thread) in array(chunk.get("threads")) {
            for (index, message) in array(thread.get("messages")) {
                let path = format!("{path}.threads[{thread_index}].messages[{index}]");
                context.message(message, &path, Role::History);
            }
        }
        for (index, error) in array(chunk.get("errors")) {
            context.items.push(InboundItem::Failed(from_error(
                "history",
                error,
                format!("{path}.errors[{index}]"),
            )));
        }
    }
    for (index, status) in array(value.get("statuses")) {
        let mut other = OtherItem::new("status", format!("{path}.value.statuses[{index}]"));
        other.message_id = text(status, "id");
        context.items.push(InboundItem::Other(other));
    }
    for (index, error) in array(value.get("errors")) {
        context.items.push(InboundItem::Failed(from_error(
            "errors",
            error,
            format!("{path}.value.errors[{index}]"),
        )));
    }
    if items.len() == before {
        items.push(InboundItem::Other(OtherItem::new(field, path)));
    }
}

struct Messages<'a> {
    reading: &'a Reading,
    account: Option<&'a str>,
    items: &'a mut Vec<InboundItem>,
}

/// One message that is not part of an envelope, for providers that wrap it themselves.
pub fn message(message: &Value, path: &str, account: Option<&str>, reading: &Reading) -> Vec<InboundItem> {
    let mut items = Vec::new();
    Messages { reading, account, items: &mut items }.message(message, path, Role::Main);
    items
}

impl Messages<'_> {
    /// One message gives one item, or several where it carries several media.
    fn message(&mut self, message: &Value, path: &str, role: Role) {
        let name = message.get("type").and_then(Value::as_str).unwrap_or("unknown");
        if name == "edit"
            && let Some(inner) = message.get("edit").and_then(|edit| edit.get("message"))
        {
            return self.typed(message, inner, &format!("{path}.edit.message"), Role::Edit);
        }
        if name == "interactive" && self.flow(message, path) {
            return;
        }
        self.typed(message, message, path, role);
    }

    /// `holder` has the type and the object named like it; `message` has the id and the time.
    fn typed(&mut self, message: &Value, holder: &Value, path: &str, role: Role) {
        let name = holder.get("type").and_then(Value::as_str).unwrap_or("unknown");
        let object = holder.get(name).filter(|object| object.is_object());
        let Some(kind) = kind_of(name, object) else {
            let errors = holder.get("errors").or_else(|| message.get("errors"));
            let item = match errors.and_then(|errors| errors.get(0)) {
                Some(error) => InboundItem::Failed(Self::failed(message, name, path, Some(error))),
                None => {
                    let mut other = OtherItem::new(name, path);
                    other.message_id = text(message, "id");
                    InboundItem::Other(other)
                }
            };
            self.items.push(item);
            return;
        };
        let item = match object.map(|object| (object, media_id(object))) {
            Some((object, Some(id))) => self.media(message, object, id, kind, format!("{path}.{name}"), role),
            _ => {
                let error = message.get("errors").and_then(|errors| errors.get(0));
                InboundItem::Failed(Self::failed(message, name, path, error))
            }
        };
        self.items.push(item);
    }

    fn media(
        &self,
        message: &Value,
        object: &Value,
        id: MediaId,
        kind: MediaKind,
        path: String,
        role: Role,
    ) -> InboundItem {
        let field =
            |names: [&str; 2]| names.into_iter().find_map(|name| object.get(name)).and_then(Value::as_str);
        let sent_at = timestamp(message.get("timestamp"));
        let declared = Declared::NOTHING
            .with_kind(kind)
            .with_mime_text(field(["mime_type", "mimeType"]))
            .with_sha256_text(field(["sha256", "sha256"]))
            .with_name(field(["filename", "file_name"]).or_else(|| field(["fileName", "fileName"])));
        let after = |lifetime: Option<Duration>| {
            sent_at.zip(lifetime).and_then(|(at, lifetime)| at.checked_add(lifetime))
        };
        let link = field(["url", "url"]).and_then(|url| url.parse().ok()).map(MediaLink::with_credential);
        let link = link.filter(|_| self.reading.link_lifetime.is_some());
        let message_id = text(message, "id");
        let media = MediaRef::new(self.reading.provider, id)
            .with_declared(declared)
            .with_account(self.account)
            .with_message(message_id.as_deref())
            .with_sent_at(sent_at)
            .with_expires_at(after(self.reading.id_lifetime))
            .with_link(link.map(|link| link.with_expires_at(after(self.reading.link_lifetime))));
        let mut item = MediaItem::new(media, kind, path);
        item.role = role;
        item.message_id = message_id;
        item.sender = text(message, "from").filter(|from| !from.is_empty()).map(Secret::new);
        item.caption = text(object, "caption");
        item.timestamp = sent_at;
        item.raw = object.to_string();
        InboundItem::Media(Box::new(item))
    }

    fn failed(message: &Value, name: &str, path: &str, error: Option<&Value>) -> FailedItem {
        let mut item = match error {
            Some(error) => from_error(name, error, path.to_owned()),
            None => {
                let mut item = FailedItem::new(name, path);
                item.message = Some("the message names media and has no usable media id".to_owned());
                item
            }
        };
        item.message_id = text(message, "id");
        item.raw = message.to_string();
        item
    }

    /// Files that were filled into a form: JSON inside a string, under names that the form's author chose.
    fn flow(&mut self, message: &Value, path: &str) -> bool {
        let reply = message.get("interactive").and_then(|interactive| interactive.get("nfm_reply"));
        let Some(response) = reply.and_then(|reply| reply.get("response_json")) else { return false };
        let parsed = match response {
            Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            other => other.clone(),
        };
        let before = self.items.len();
        for (field, value) in parsed.as_object().into_iter().flatten() {
            for (index, object) in array(Some(value)) {
                let Some(id) = media_id(object).filter(|_| object.get("mime_type").is_some()) else {
                    continue;
                };
                let mime = object.get("mime_type").and_then(Value::as_str).unwrap_or_default();
                let kind = if mime.starts_with("image/") { MediaKind::Image } else { MediaKind::Document };
                let path = format!("{path}.interactive.nfm_reply.response_json.{field}[{index}]");
                let item = self.media(message, object, id, kind, path, Role::FlowField);
                self.items.push(item);
            }
        }
        self.items.len() > before
    }
}

/// The kind of a message type that carries media.
fn kind_of(name: &str, object: Option<&Value>) -> Option<MediaKind> {
    Some(match name {
        "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        "audio" if object.and_then(|object| object.get("voice")) == Some(&Value::Bool(true)) => {
            MediaKind::Voice
        }
        "audio" => MediaKind::Audio,
        "voice" => MediaKind::Voice,
        "document" => MediaKind::Document,
        "sticker" => MediaKind::Sticker,
        _ => return None,
    })
}

fn media_id(object: &Value) -> Option<MediaId> {
    let id = match object.get("id")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    MediaId::new(id).ok()
}

/// An error object in any of its forms: with `error_data.details`, with `details`, or as plain text.
fn from_error(kind: &str, error: &Value, path: String) -> FailedItem {
    let mut item = FailedItem::new(kind, path);
    item.provider_code = error.get("code").map(|code| code.to_string().trim_matches('"').to_owned());
    let details = error
        .get("error_data")
        .and_then(|data| text(data, "details").or_else(|| data.as_str().map(ToOwned::to_owned)));
    item.message = details
        .or_else(|| text(error, "details"))
        .or_else(|| text(error, "title"))
        .or_else(|| text(error, "message"));
    item.raw = error.to_string();
    item
}

/// A time as Meta writes it (seconds, as text) or as others do (a number, in seconds or milliseconds).
pub fn timestamp(value: Option<&Value>) -> Option<SystemTime> {
    let number = match value? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // Seconds reach 10^11 in the year 5138.
    unix_seconds(if number > 100_000_000_000 { number / 1000 } else { number })
}

fn array(value: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    value.and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(ToOwned::to_owned)
}
