//! Deliveries of NXCloud: flat, with contacts, messages or statuses at the top.
//!
//! Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-webhook>

use std::time::SystemTime;

use serde_json::Value;
use wamedia_core::{
    Authenticity, Declared, Delivery, Error, ErrorKind, FailedItem, Inbound, InboundItem, MediaId, MediaItem,
    MediaKind, MediaRef, OtherItem, Phase, Result, Secret, signature, unix_seconds,
};

use crate::NAME;
use crate::sign::Signed;

/// The largest body that is parsed, in bytes. Nothing is documented; it is what Meta sends at most.
pub const MAX_BYTES: u64 = 3 * 1024 * 1024;

/// Checks the signature of a delivery.
///
/// The headers are in lower case on the wire, the names inside the signed text in camel case; any
/// algorithm but `sha256` means MD5. No age is checked: a repeated delivery may carry an old time.
///
/// Source: <https://github.com/nxtele/http-api-document/wiki/whatsapp-callback-verify>
pub fn verify(delivery: &Delivery<'_>, access_secret: &Secret) -> Authenticity {
    if access_secret.is_blank() {
        return Authenticity::Unsigned;
    }
    let header = |name: &str| delivery.header(name).filter(|value| !value.is_empty());
    let (Some(access_key), Some(action), Some(biz_type), Some(ts), Some(algorithm), Some(sign)) = (
        header("accesskey"),
        header("action"),
        header("biztype"),
        header("ts"),
        header("algorithm"),
        header("sign"),
    ) else {
        return Authenticity::Forged("a signature header is missing");
    };
    let signed = Signed { access_key, action, biz_type, ts, body: delivery.body };
    let want = signed.sign(access_secret.expose(), algorithm.eq_ignore_ascii_case("sha256"));
    if signature::constant_time_eq(want.as_bytes(), sign.to_ascii_lowercase().as_bytes()) {
        Authenticity::Verified
    } else {
        Authenticity::Forged("the signature does not match the body")
    }
}

/// Parses a delivery; nothing in it is dropped.
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
    let Some(root) = root.as_object() else {
        return Err(error(ErrorKind::Decode, "the delivery is not a JSON object"));
    };
    let phone = ["business_phone", "merchant_phone"]
        .into_iter()
        .find_map(|key| root.get(key).and_then(Value::as_str));
    let mut inbound = Inbound::default();
    for (index, message) in array(root.get("messages")) {
        item(message, &format!("messages[{index}]"), phone, &mut inbound.items);
    }
    for (index, status) in array(root.get("statuses")) {
        let mut other = OtherItem::new("status", format!("statuses[{index}]"));
        other.message_id = text(status, "id");
        inbound.items.push(InboundItem::Other(other));
    }
    if inbound.items.is_empty() {
        let kind =
            root.get("type").or_else(|| root.get("event")).and_then(Value::as_str).unwrap_or("unknown");
        inbound.items.push(InboundItem::Other(OtherItem::new(kind, "")));
    }
    Ok(inbound)
}

fn array(value: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    value.and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(ToOwned::to_owned)
}

/// The kind of a message type that carries media. `voice` is a type of its own here.
fn kind_of(name: &str, object: Option<&Value>) -> Option<MediaKind> {
    Some(match name {
        "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        "voice" => MediaKind::Voice,
        "audio" if object.and_then(|object| object.get("voice")) == Some(&Value::Bool(true)) => {
            MediaKind::Voice
        }
        "audio" => MediaKind::Audio,
        "document" => MediaKind::Document,
        "sticker" => MediaKind::Sticker,
        _ => return None,
    })
}

fn item(message: &Value, path: &str, phone: Option<&str>, items: &mut Vec<InboundItem>) {
    let name = message.get("type").and_then(Value::as_str).unwrap_or("unknown");
    let object = message.get(name).filter(|object| object.is_object());
    let message_id = text(message, "id");
    let Some(kind) = kind_of(name, object) else {
        let mut other = OtherItem::new(name, path);
        other.message_id = message_id;
        if message.get("errors").is_some_and(Value::is_array) {
            items.push(InboundItem::Failed(failed(message, name, path)));
        } else {
            items.push(InboundItem::Other(other));
        }
        return;
    };
    let id = object.and_then(|object| object.get("id")).and_then(Value::as_str).map(MediaId::new);
    let (Some(object), Some(Ok(id))) = (object, id) else {
        items.push(InboundItem::Failed(failed(message, name, path)));
        return;
    };
    let sent_at = timestamp(message.get("timestamp"));
    let declared = Declared::NOTHING
        .with_kind(kind)
        .with_mime_text(object.get("mime_type").and_then(Value::as_str))
        .with_sha256_text(object.get("sha256").and_then(Value::as_str))
        .with_name(object.get("filename").and_then(Value::as_str));
    let media = MediaRef::new(NAME, id)
        .with_declared(declared)
        .with_account(phone)
        .with_message(message_id.as_deref())
        .with_sent_at(sent_at);
    let mut item = MediaItem::new(media, kind, format!("{path}.{name}"));
    item.message_id = message_id;
    item.sender = text(message, "from").map(Secret::new);
    item.caption = text(object, "caption");
    item.timestamp = sent_at;
    item.raw = object.to_string();
    items.push(InboundItem::Media(Box::new(item)));
}

fn failed(message: &Value, name: &str, path: &str) -> FailedItem {
    let mut item = FailedItem::new(name, path);
    let error = message.get("errors").and_then(|errors| errors.get(0));
    item.message_id = text(message, "id");
    item.provider_code =
        error.and_then(|error| error.get("code")).map(|code| code.to_string().trim_matches('"').to_owned());
    item.message = error
        .and_then(|error| text(error, "title").or_else(|| text(error, "message")))
        .or_else(|| Some("the message names media and has no usable media id".to_owned()));
    item.raw = message.to_string();
    item
}

/// Unix seconds, as text or as a number.
fn timestamp(value: Option<&Value>) -> Option<SystemTime> {
    let seconds = match value? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    unix_seconds(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"contacts":[{"profile":{"name":"Jay"},"wa_id":"8617600000819"}],"messages":[{"from":"8617600000819","id":"ABGHhhdgYFCBnwIQk5kC-xMSoi3XpEwoF2ZkIg","image":{"id":"2bc7102f-5491-40b1-a92f-338303eab9d3","mime_type":"image/jpeg","sha256":"0ed3d9d4db83ed7751314af5f2e9bf008edc49a101bebb9054a97f824cf2136b"},"timestamp":"1663053029","type":"image"}],"business_phone":"8615800001795","messaging_product":"whatsapp"}"#;

    fn headers(algorithm: &str, sign: &str) -> Vec<(String, String)> {
        [
            ("AccessKey", "fme2na3kdi3ki"),
            ("action", "mo"),
            ("bizType", "2"),
            ("ts", "1663053030000"),
            ("algorithm", algorithm),
            ("Sign", sign),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn the_vector_verifies_in_both_algorithms_and_any_case() {
        let secret = Secret::new("abciiiko2k3");
        let md5 = "962c3bd6b53958d73228d71af633763f";
        let sha256 = "34f0cb25d9142c4d5964d157aa1f8d540d96c5205fb551c1e339043a28e75ed7";
        let check = |algorithm, sign: &str, body: &str| {
            verify(&Delivery::new(body.as_bytes()).with_headers(&headers(algorithm, sign)), &secret)
        };
        assert_eq!(check("md5", md5, BODY), Authenticity::Verified);
        assert_eq!(check("SHA256", &sha256.to_uppercase(), BODY), Authenticity::Verified);
        assert!(matches!(check("md5", sha256, BODY), Authenticity::Forged(_)));
        assert!(matches!(check("md5", md5, &BODY.replace("Jay", "Joy")), Authenticity::Forged(_)));
        assert!(matches!(check("", md5, BODY), Authenticity::Forged(_)));
        let delivery = Delivery::new(BODY.as_bytes());
        assert_eq!(verify(&delivery, &Secret::new("")), Authenticity::Unsigned);
        assert!(matches!(verify(&delivery, &secret), Authenticity::Forged(_)));
    }

    #[test]
    fn the_image_becomes_a_reference() {
        let inbound = parse(&Delivery::new(BODY.as_bytes())).unwrap();
        let item = inbound.media().next().unwrap();
        assert_eq!(item.path, "messages[0].image");
        assert_eq!(item.media.scope.account.as_deref(), Some("8615800001795"));
        assert!(item.media.declared.sha256.is_some());
    }

    #[test]
    fn hollow_media_is_failed_and_the_rest_is_counted() {
        let body = br#"{"messages":[{"type":"image","id":"a"},{"type":"voice","voice":{"id":"a/b"}},{"type":"hologram"},{}],"statuses":[{"id":"s"}]}"#;
        let inbound = parse(&Delivery::new(body)).unwrap();
        assert_eq!((inbound.failed().count(), inbound.media().count()), (2, 0));
        assert_eq!(inbound.others().values().sum::<usize>(), 3);
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
            let _ = parse(&Delivery::new(&body));
            let _ = parse(&Delivery::new(format!("{{\"messages\":[{{\"type\":\"image\",\"image\":{text}}}]}}").as_bytes()));
        }
    }
}
