//! Deliveries of Whapi: messages, updates of messages and chats, statuses, and more.
//!
//! Source: <https://support.whapi.cloud/help-desk/receiving/webhooks/incoming-webhooks-format/incoming-message>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use wamedia_core::{
    Authenticity, Declared, Delivery, Error, ErrorKind, FailedItem, Inbound, InboundItem, MediaId, MediaItem,
    MediaKind, MediaLink, MediaRef, Mime, OtherItem, Phase, Preview, Result, Role, Secret, signature,
};

use crate::{COPY_LIFETIME, NAME, wire};

/// The largest body that is parsed, in bytes. Nothing is documented; deliveries carry previews inline.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The content keys that carry media, and their kind. The key counts, not `type`: the two disagree in
/// stories, documents with captions, and perhaps short films.
const KEYS: &[(&str, MediaKind)] = &[
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    ("gif", MediaKind::Gif),
    ("short", MediaKind::VideoNote),
    ("audio", MediaKind::Audio),
    ("voice", MediaKind::Voice),
    ("document", MediaKind::Document),
    ("sticker", MediaKind::Sticker),
];

/// Checks the static header that is configured for deliveries; the vendor signs nothing.
///
/// Source: <https://support.whapi.cloud/help-desk/receiving/webhooks/detailed-webhook-settings>
pub fn verify(delivery: &Delivery<'_>, headers: &[(String, Secret)]) -> Authenticity {
    if headers.is_empty() {
        return Authenticity::Unsigned;
    }
    let mut verified = false;
    for (name, want) in headers {
        let given = delivery.header(name).unwrap_or_default();
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
/// [`ErrorKind::Decode`] for what is no JSON object; [`ErrorKind::TooLarge`] above [`MAX_BYTES`].
pub fn parse(delivery: &Delivery<'_>) -> Result<Inbound> {
    let error = |kind, why: &str| {
        Error::new(kind, why).with_provider(NAME).with_operation("parse_webhook").with_phase(Phase::Prepare)
    };
    if delivery.body.len() as u64 > MAX_BYTES {
        return Err(error(ErrorKind::TooLarge, "the delivery is larger than any of this provider"));
    }
    let root: Value = serde_json::from_slice(delivery.body)
        .map_err(|cause| error(ErrorKind::Decode, "the delivery is not JSON").with_source(cause))?;
    let Some(fields) = root.as_object() else {
        return Err(error(ErrorKind::Decode, "the delivery is not a JSON object"));
    };
    let channel = root.get("channel_id").and_then(Value::as_str);
    let mut items = Vec::new();
    for (index, one) in array(root.get("messages")) {
        message(one, &format!("messages[{index}]"), channel, &mut items);
    }
    for (index, update) in array(root.get("messages_updates")) {
        if let Some(after) = update.get("after_update") {
            message(after, &format!("messages_updates[{index}].after_update"), channel, &mut items);
        }
    }
    for (index, update) in array(root.get("chats_updates")) {
        let last = update.get("after_update").and_then(|after| after.get("last_message"));
        let path = format!("chats_updates[{index}].after_update");
        match last {
            Some(last) => message(last, &format!("{path}.last_message"), channel, &mut items),
            None => items.push(InboundItem::Other(OtherItem::new("chat", path))),
        }
    }
    for (index, chat) in array(root.get("chats")) {
        match chat.get("last_message") {
            Some(last) => message(last, &format!("chats[{index}].last_message"), channel, &mut items),
            None => items.push(InboundItem::Other(OtherItem::new("chat", format!("chats[{index}]")))),
        }
    }
    // Everything else is counted by the name of its list, in the singular.
    let known = ["messages", "messages_updates", "chats_updates", "chats"];
    for (name, list) in fields.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let kind = if name == "statuses" { "status" } else { name.as_str() };
        for (index, entry) in array(Some(list)) {
            let mut other = OtherItem::new(kind, format!("{name}[{index}]"));
            other.message_id = text(entry, "id");
            items.push(InboundItem::Other(other));
        }
    }
    if items.is_empty() {
        let kind = root
            .get("event")
            .and_then(|event| event.get("type"))
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        items.push(InboundItem::Other(OtherItem::new(kind, "")));
    }
    let mut inbound = Inbound::default();
    inbound.items = items;
    Ok(inbound)
}

/// One message gives its media, and that of the message it quotes.
fn message(message: &Value, path: &str, channel: Option<&str>, items: &mut Vec<InboundItem>) {
    let name = message.get("type").and_then(Value::as_str).unwrap_or("unknown");
    let content = KEYS
        .iter()
        .find_map(|(key, kind)| Some((*key, *kind, message.get(*key).filter(|value| value.is_object())?)));
    match content {
        Some((key, kind, object)) => {
            items.push(media(message, object, kind, format!("{path}.{key}"), Role::Main, channel));
        }
        None if KEYS.iter().any(|(key, _)| *key == name) => {
            let mut failed = FailedItem::new(name, path);
            failed.message_id = text(message, "id");
            failed.message = Some("the message names media and has no object for it".to_owned());
            failed.raw = message.to_string();
            items.push(InboundItem::Failed(failed));
        }
        None => {
            let mut other = OtherItem::new(name, path);
            other.message_id = text(message, "id");
            items.push(InboundItem::Other(other));
        }
    }
    let reply = message.get("context");
    let quoted =
        reply.and_then(|reply| reply.get("quoted_content")).filter(|quoted| quoted.get("id").is_some());
    let kind = reply.and_then(|reply| reply.get("quoted_type")).and_then(Value::as_str);
    let kind = kind.and_then(|name| KEYS.iter().find(|(key, _)| *key == name)).map(|(_, kind)| *kind);
    if let (Some(quoted), Some(kind)) = (quoted, kind) {
        items.push(media(
            message,
            quoted,
            kind,
            format!("{path}.context.quoted_content"),
            Role::Quoted,
            channel,
        ));
    }
}

fn media(
    message: &Value,
    object: &Value,
    kind: MediaKind,
    path: String,
    role: Role,
    channel: Option<&str>,
) -> InboundItem {
    let field = |name: &str| object.get(name).and_then(Value::as_str);
    let message_id = match role {
        Role::Quoted => message.get("context").and_then(|context| text(context, "quoted_id")),
        _ => text(message, "id"),
    };
    let sent_at = message.get("timestamp").and_then(wire::timestamp);
    let id = field("id").filter(|id| *id != "media_init").map(MediaId::new).and_then(Result::ok);
    let link = field("link").and_then(|link| link.parse().ok()).map(MediaLink::public);
    let expires_at = sent_at.and_then(|at| at.checked_add(COPY_LIFETIME));
    let link = link.map(|link| link.with_expires_at(expires_at));
    if id.is_none() && link.is_none() {
        let mut failed = FailedItem::new(kind.name(), path);
        let not_ready = field("id") == Some("media_init");
        failed.message_id = message_id;
        failed.provider_code = not_ready.then(|| "media_init".to_owned());
        failed.message = Some(
            if not_ready { "the vendor has not stored the file yet" } else { "it has no usable media id" }
                .to_owned(),
        );
        failed.raw = object.to_string();
        return InboundItem::Failed(failed);
    }
    let name = field("file_name").or_else(|| field("filename")).map(repaired);
    let declared = Declared::NOTHING
        .with_kind(kind)
        .with_mime_text(field("mime_type"))
        .with_size_bytes(object.get("file_size").and_then(Value::as_u64))
        .with_sha256_text(field("sha256"))
        .with_name(name.as_deref());
    let mut media = match (id, link) {
        (Some(id), link) => MediaRef::new(NAME, id).with_link(link),
        (None, Some(link)) => MediaRef::from_link(NAME, link),
        (None, None) => unreachable!("checked above"),
    };
    media = media
        .with_declared(declared)
        .with_account(channel)
        .with_message(message_id.as_deref())
        // The quoted message is older by an unknown time.
        .with_sent_at(sent_at.filter(|_| role == Role::Main));
    let mut item = MediaItem::new(media, kind, path);
    item.role = role;
    item.message_id = message_id;
    item.sender = text(message, "from").map(Secret::new);
    item.caption = text(object, "caption");
    item.timestamp = sent_at;
    item.preview = field("preview").and_then(preview);
    item.raw = object.to_string();
    InboundItem::Media(Box::new(item))
}

/// A preview: a data URL in every real payload, bare base64 by the documents.
fn preview(text: &str) -> Option<Preview> {
    let (mime, data) = match text.strip_prefix("data:") {
        Some(rest) => {
            let (head, data) = rest.split_once(',')?;
            (Mime::parse(head.split(';').next()?).ok(), data)
        }
        None => (None, text),
    };
    Some(Preview::new(mime, STANDARD.decode(data.trim()).ok()?.into()))
}

/// QUIRK(whapi): names that are not ASCII come back as UTF-8 read as Latin-1. They are repaired where
/// that is certain. <https://github.com/hexamarkco/kifersaude>
fn repaired(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    let bytes: Option<Vec<u8>> = name.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| name.to_owned())
}

fn array(value: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    value.and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_repaired_only_where_that_is_certain() {
        assert_eq!(repaired("contrato aÃ§Ã£o.pdf"), "contrato ação.pdf");
        assert_eq!(repaired("contrato ação.pdf"), "contrato ação.pdf");
        assert_eq!(repaired("牛.pdf"), "牛.pdf");
    }

    #[test]
    fn previews_in_both_forms() {
        for text in ["data:image/jpeg;base64,/9j/", "/9j/"] {
            assert_eq!(preview(text).unwrap().bytes, &[0xff, 0xd8, 0xff][..]);
        }
        assert!(preview("data:image/jpeg").is_none() && preview("!").is_none());
    }

    #[test]
    fn the_key_counts_and_quoted_media_is_found() {
        let body = br#"{"messages":[{"id":"m","type":"documentWithCaption","document":{"id":"pdf-3a","file_name":"a.pdf"},"context":{"quoted_id":"q","quoted_type":"image","quoted_content":{"id":"jpeg-3a"}}}],"event":{"type":"messages","method":"post"},"channel_id":"MANTIS-M72HC"}"#;
        let inbound = parse(&Delivery::new(body)).unwrap();
        let kinds: Vec<_> = inbound.media().map(|item| (item.kind, item.role)).collect();
        assert_eq!(kinds, [(MediaKind::Document, Role::Main), (MediaKind::Image, Role::Quoted)]);
    }

    #[test]
    fn the_static_header_is_compared_whole() {
        let want = [("X-Hook".to_owned(), Secret::new("s3cret"))];
        let check = |name: &str, value: &str| {
            let headers = [(name.to_owned(), value.to_owned())];
            verify(&Delivery::new(b"{}").with_headers(&headers), &want)
        };
        assert_eq!(check("x-hook", "s3cret"), Authenticity::Verified);
        assert!(matches!(check("x-hook", "s3cre"), Authenticity::Forged(_)));
        assert!(matches!(check("other", "s3cret"), Authenticity::Forged(_)));
        assert_eq!(verify(&Delivery::new(b"{}"), &[]), Authenticity::Unsigned);
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
            let _ = parse(&Delivery::new(&body));
            let _ = parse(&Delivery::new(format!("{{\"messages\":[{{\"type\":\"image\",\"image\":{text}}}]}}").as_bytes()));
        }
    }
}
