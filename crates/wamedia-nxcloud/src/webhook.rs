//! Deliveries of NXCloud: flat, with contacts, messages or statuses at the top.
//!
//! Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-webhook>

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wamedia_core::{
    Authenticity, Clock as _, ContentMetadata, Delivery, FailedItem, Inbound, Items, MediaId, MediaItem,
    MediaKind, MediaRef, Result, Role, Secret, WebhookCapabilities, Webhooks, short_name,
};
use wamedia_provider::SystemClock;
use wamedia_provider::json::{self, Json, Object};
use wamedia_provider::signature;

use crate::NAME;
use crate::sign::Signed;

/// The largest body that is parsed, in bytes. Nothing is documented; it is what Meta sends at most.
pub const MAX_BYTES: u64 = 3 * 1024 * 1024;

/// What NXCloud offers for webhooks.
pub const CAPABILITIES: WebhookCapabilities = WebhookCapabilities::new(MAX_BYTES).with_signed();

/// Deliveries of NXCloud: verified with the access secret, which is the vendor's only one.
#[derive(Clone, Debug)]
pub struct NxCloudWebhooks {
    capabilities: WebhookCapabilities,
    secrets: Vec<Secret>,
    max_age: Option<Duration>,
    sha256: bool,
}

impl NxCloudWebhooks {
    /// Begins without a secret: then deliveries can be parsed and not verified.
    pub fn builder() -> NxCloudWebhooksBuilder {
        NxCloudWebhooksBuilder(Self {
            capabilities: CAPABILITIES,
            secrets: Vec::new(),
            max_age: None,
            sha256: false,
        })
    }
}

/// Builds [`NxCloudWebhooks`].
#[derive(Clone, Debug)]
#[must_use]
pub struct NxCloudWebhooksBuilder(NxCloudWebhooks);

impl NxCloudWebhooksBuilder {
    /// The access secret, which signs deliveries; several during a rotation.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.0.secrets.push(secret);
        self
    }

    /// Refuses deliveries that were signed longer ago than this. Off unless it is set: whether the
    /// vendor signs a repeated delivery afresh is not documented.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.0.max_age = Some(max_age);
        self
    }

    /// Refuses signatures by MD5, which a sender chooses by leaving `sha256` out of a header that is not signed.
    /// Set it where the account signs by SHA-256.
    ///
    /// Source: <https://github.com/nxtele/http-api-document/wiki/whatsapp-callback-verify>
    pub fn sha256_only(mut self, sha256: bool) -> Self {
        self.0.sha256 = sha256;
        self
    }

    /// The largest body that is parsed, in bytes; [`MAX_BYTES`] unless it is set.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.0.capabilities = self.0.capabilities.with_max_bytes(max_bytes);
        self
    }

    /// The reader of deliveries.
    ///
    /// # Errors
    ///
    /// None so far: what is left out is not checked.
    pub fn build(mut self) -> Result<NxCloudWebhooks> {
        for secret in &mut self.0.secrets {
            // As for the API: what is pasted often has a space or a line end.
            *secret = Secret::new(secret.expose().trim());
        }
        Ok(self.0)
    }
}

impl Webhooks for NxCloudWebhooks {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &WebhookCapabilities {
        &self.capabilities
    }

    fn verify(&self, delivery: &Delivery<'_>) -> Authenticity {
        let authenticity = verify(delivery, &self.secrets);
        if authenticity != Authenticity::Verified {
            return authenticity;
        }
        if self.sha256 && !is_sha256(delivery) {
            return Authenticity::Invalid("it is signed by MD5, and SHA-256 is configured");
        }
        let now = delivery.received_at.unwrap_or_else(|| SystemClock.now());
        if self.max_age.is_some_and(|age| is_older(delivery, now, age)) {
            return Authenticity::Invalid("it was signed too long ago");
        }
        authenticity
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        parse_up_to(delivery, self.capabilities.max_bytes)
    }
}

fn is_sha256(delivery: &Delivery<'_>) -> bool {
    delivery.header("algorithm").is_some_and(|algorithm| algorithm.eq_ignore_ascii_case("sha256"))
}

/// Checks the signature of a delivery.
///
/// The headers are in lower case on the wire, the names inside the signed text in camel case; any
/// algorithm but `sha256` means MD5. Several secrets may be valid at once, for rotation; blank ones do
/// not count. No age is checked: a repeated delivery may carry an old time. See [`is_older`].
///
/// Source: <https://github.com/nxtele/http-api-document/wiki/whatsapp-callback-verify>
pub fn verify(delivery: &Delivery<'_>, access_secrets: &[Secret]) -> Authenticity {
    if access_secrets.iter().all(Secret::is_blank) {
        return Authenticity::NotConfigured;
    }
    let header = |name: &str| delivery.header(name).filter(|value| !value.is_empty());
    let (Some(access_key), Some(action), Some(biz_type), Some(ts), Some(_), Some(sign)) = (
        header("accesskey"),
        header("action"),
        header("biztype"),
        header("ts"),
        header("algorithm"),
        header("sign"),
    ) else {
        return Authenticity::MissingSignature;
    };
    let signed = Signed { access_key, action, biz_type, ts, body: delivery.body };
    let sign = sign.to_ascii_lowercase();
    let mut verified = false;
    for secret in access_secrets.iter().filter(|secret| !secret.is_blank()) {
        let want = signed.sign(secret.expose(), is_sha256(delivery));
        // Every secret is tried, so that the time does not tell which one fits.
        verified |= signature::constant_time_eq(want.as_bytes(), sign.as_bytes());
    }
    if verified {
        Authenticity::Verified
    } else {
        Authenticity::Invalid("the signature does not match the body")
    }
}

/// Whether the time that was signed, in milliseconds, is further from `now` than `max_age`, or is none.
///
/// GUESS: the vendor states a window for requests and none for callbacks.
pub fn is_older(delivery: &Delivery<'_>, now: SystemTime, max_age: Duration) -> bool {
    let signed = delivery.header("ts").and_then(|ts| ts.parse().ok());
    let Some(at) = signed.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms))) else {
        return true;
    };
    let apart = now.duration_since(at).or_else(|_| at.duration_since(now));
    apart.is_ok_and(|apart| apart > max_age)
}

/// Parses a delivery; nothing in it is dropped.
///
/// # Errors
///
/// [`ErrorKind::Decode`](wamedia_core::ErrorKind::Decode) for what is not a JSON object; [`ErrorKind::TooLarge`](wamedia_core::ErrorKind::TooLarge) above [`MAX_BYTES`].
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

/// Lists of messages. GUESS: echoes are not documented; the Cloud API has them under this name.
const MESSAGES: &[(&str, Role)] = &[("messages", Role::Main), ("message_echoes", Role::Echo)];

fn collect(root: &Object<'_>, items: &mut Items) {
    // QUIRK(nxcloud): the tables say `business_phone`, every sample says `merchant_phone`.
    // https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-webhook
    let phone = ["business_phone", "merchant_phone"].into_iter().find_map(|key| root.shared(key));
    for (name, role) in MESSAGES {
        for (index, message) in root.array(name) {
            self::message(message, format_args!("{name}[{index}]"), phone.as_deref(), *role, items);
        }
    }
    for (name, value) in root.fields().filter(|(name, value)| name != "contacts" && !value.is_null()) {
        let name = name.as_ref();
        let short = short_name(name);
        match value.array() {
            Some(_) if MESSAGES.iter().any(|(list, _)| *list == name) => {}
            // Everything else is counted under the name of its list.
            Some(entries) => {
                let kind = if name == "statuses" { "status" } else { short };
                for (index, entry) in entries.into_iter().enumerate() {
                    // The ids of templates are not those of messages.
                    let status = entry.object().filter(|_| name == "statuses");
                    let id = status.and_then(|entry| entry.text("id"));
                    items.other(kind, format_args!("{short}[{index}]"), entry.raw(), id.as_deref());
                }
            }
            None if ["messages", "statuses"].contains(&name) => {
                items.other(name, name, value.raw(), None);
            }
            None => {}
        }
    }
    if items.is_empty() {
        let kind = ["type", "event", "field"].into_iter().find_map(|key| root.text(key));
        items.other(kind.as_deref().unwrap_or("unknown"), "", root.raw(), None);
    }
}

const KINDS: &[(&str, MediaKind)] = &[
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    // QUIRK(nxcloud): a type of its own here, where the Cloud API has `audio` with a flag.
    // https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-webhook
    ("voice", MediaKind::Voice),
    ("audio", MediaKind::Audio),
    ("document", MediaKind::Document),
    ("sticker", MediaKind::Sticker),
];

/// One message gives one item.
fn message(value: Json<'_>, path: impl fmt::Display, phone: Option<&str>, role: Role, items: &mut Items) {
    if items.is_over() {
        return;
    }
    let Some(message) = value.object().filter(|message| !message.is_empty()) else {
        return items.other("unknown", path, value.raw(), None);
    };
    let message_id = message.text("id");
    let name = message.text("type");
    // Without a type the object that is there counts.
    let found = match name.as_deref() {
        Some(name) => KINDS.iter().find(|(key, _)| *key == name),
        None => KINDS.iter().find(|(key, _)| message.get(key).is_some_and(Json::is_object)),
    };
    let Some((key, kind)) = found else {
        let name = name.as_deref().unwrap_or("unknown");
        if message.array("errors").next().is_some() {
            return items.failed(failed(&message, name, path));
        }
        return items.other(name, path, value.raw(), message_id.as_deref());
    };
    let object = message.object(key);
    let id = object.as_ref().and_then(|object| object.text("id")).map(MediaId::new);
    let (Some(object), Some(Ok(id))) = (object, id) else {
        return items.failed(failed(&message, key, path));
    };
    let is_voice = *kind == MediaKind::Audio && object.get("voice").and_then(Json::flag) == Some(true);
    let kind = if is_voice { MediaKind::Voice } else { *kind };
    let sent_at = message.get("timestamp").and_then(Json::time);
    let declared = ContentMetadata::EMPTY
        .with_kind(kind)
        .with_mime_text(object.text("mime_type").as_deref())
        .with_size_bytes(object.get("file_size").and_then(Json::whole))
        .with_sha256_text(object.text("sha256").as_deref())
        .with_name(object.text("filename").as_deref());
    let media = MediaRef::new(NAME, id)
        .with_declared(declared)
        .with_account(phone)
        .with_message(message_id.as_deref())
        .with_sent_at(sent_at);
    let mut item = MediaItem::new(media, kind, format!("{path}.{key}"));
    item.role = role;
    item.message_id = message_id.map(Cow::into_owned);
    item.sender = message.plain("from").map(Secret::new);
    item.caption = object.text("caption").map(Cow::into_owned);
    item.timestamp = sent_at;
    object.raw().clone_into(&mut item.raw);
    items.media(item);
}

fn failed(message: &Object<'_>, name: &str, path: impl fmt::Display) -> FailedItem {
    let mut item = FailedItem::new(name, path.to_string());
    let error = message.array("errors").find_map(|(_, error)| error.object());
    let text = |key: &str| error.as_ref().and_then(|error| error.text(key));
    item.message_id = message.text("id").map(Cow::into_owned);
    item.provider_code = error.as_ref().and_then(|error| error.plain("code")).map(Cow::into_owned);
    item.message = Some(
        text("title")
            .or_else(|| text("message"))
            .map_or_else(|| "the message names media and has no usable media id".to_owned(), Cow::into_owned),
    );
    message.raw().clone_into(&mut item.raw);
    item
}

#[cfg(test)]
mod tests;
