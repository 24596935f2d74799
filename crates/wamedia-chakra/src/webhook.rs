//! Deliveries of Chakra: Meta's shape passed through, and a simpler one of its own.
//!
//! Source: <https://apidocs.chakrahq.com/doc-919167>

use serde_json::Value;
use wamedia_core::cloud_webhook::{self, Reading};
use wamedia_core::{Authenticity, Delivery, Inbound, InboundItem, OtherItem, Result, Secret, signature};

use crate::NAME;

/// The largest body that is parsed, in bytes: what Meta sends at most.
pub const MAX_BYTES: u64 = 3 * 1024 * 1024;

// QUIRK(chakra): the link in a message is Meta's and answers 401 to Chakra's token, so it is left out.
// https://apidocs.chakrahq.com/doc-919167
const READING: Reading = Reading::new(NAME);

/// Parses a delivery of either shape; nothing in it is dropped, and no token is needed.
///
/// # Errors
///
/// [`ErrorKind::Decode`](wamedia_core::ErrorKind::Decode) for what is no JSON object;
/// [`ErrorKind::TooLarge`](wamedia_core::ErrorKind::TooLarge) above [`MAX_BYTES`].
pub fn parse(delivery: &Delivery<'_>) -> Result<Inbound> {
    parse_for(delivery, None)
}

/// The same, with the number id for deliveries that do not name one.
pub(crate) fn parse_for(delivery: &Delivery<'_>, account: Option<&str>) -> Result<Inbound> {
    let root = cloud_webhook::object(delivery, NAME, MAX_BYTES)?;
    let mut inbound = match root.get("payload") {
        Some(payload) => own_shape(&root, payload),
        None => cloud_webhook::parse(&root, &READING),
    };
    // The own shape does not name the number, so references leave it out in both: they must be equal.
    for item in &mut inbound.items {
        if let InboundItem::Media(media) = item {
            media.media.scope.account = account.map(ToOwned::to_owned);
        }
    }
    Ok(inbound)
}

fn own_shape(root: &Value, payload: &Value) -> Inbound {
    let mut inbound = Inbound::default();
    let event = root.get("event").and_then(Value::as_str).unwrap_or("unknown");
    if let Some(message) = payload.get("message").filter(|message| message.is_object()) {
        inbound.items =
            cloud_webhook::message(&completed(message, payload), "payload.message", None, &READING);
    }
    for (index, message) in
        payload.get("message_echoes").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        let path = format!("payload.message_echoes[{index}]");
        inbound.items.extend(cloud_webhook::message(&completed(message, payload), &path, None, &READING));
    }
    if inbound.items.is_empty() {
        let mut other = OtherItem::new(event, "payload");
        other.message_id = ["id", "externalId", "messageId"].into_iter().find_map(|key| text(payload, key));
        inbound.items.push(InboundItem::Other(other));
    }
    inbound
}

/// The message with the id and the time that the envelope has where the message has none. The time
/// of the envelope is in milliseconds; references keep whole seconds either way.
fn completed(message: &Value, payload: &Value) -> Value {
    let mut message = message.clone();
    if let Some(fields) = message.as_object_mut() {
        if !fields.contains_key("id")
            && let Some(id) = ["externalId", "messageId"].into_iter().find_map(|key| payload.get(key))
        {
            fields.insert("id".to_owned(), id.clone());
        }
        if !fields.contains_key("timestamp")
            && let Some(timestamp) = payload.get("timestamp")
        {
            fields.insert("timestamp".to_owned(), timestamp.clone());
        }
    }
    message
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(ToOwned::to_owned)
}

/// Checks `X-Chakra-Signature-256`: HMAC-SHA256 with the team's secret over the raw body, in hex
/// without a prefix; one is tolerated.
pub fn verify(delivery: &Delivery<'_>, team_secrets: &[Secret]) -> Authenticity {
    let header = delivery.header("x-chakra-signature-256");
    signature::verify_hmac_sha256(team_secrets, delivery.body, header, "sha256=", true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = r#"{"event":"message","payload":{"wabaId":"83784929738012","externalId":"wamid.IMG","timestamp":1788259051000,"message":{"from":"5492611234567","id":"wamid.IMG","type":"image","image":{"id":"1279279128","mime_type":"image/jpeg","caption":"¿ves?"}}}}"#;

    fn check(body: &str, secret: &str, header: &str) -> Authenticity {
        let headers = [("X-CHAKRA-Signature-256".to_owned(), header.to_owned())];
        verify(&Delivery::new(body.as_bytes()).with_headers(&headers), &[Secret::new(secret)])
    }

    #[test]
    fn both_vectors_verify() {
        let first = "84cc33df716ed0b0598f07437c94069ace3730358778a592bd6bbd1423d111f3";
        assert_eq!(check(r#"{"hello":"world"}"#, "test-secret", first), Authenticity::Verified);
        let second = "cd7864afa5a0418a7992d69df45bbb4bf1ea287f42d9224a21a0dd54e1d38935";
        assert_eq!(check(OWN, "wamedia-team-secret", second), Authenticity::Verified);
        assert_eq!(
            check(OWN, "wamedia-team-secret", &format!("sha256={}", second.to_uppercase())),
            Authenticity::Verified
        );
        assert!(matches!(check(OWN, "other", second), Authenticity::Forged(_)));
    }

    #[test]
    fn both_shapes_of_one_message_give_equal_references() {
        let passed = r#"{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"39120"},"messages":[{"from":"5492611234567","id":"wamid.IMG","timestamp":"1788259051","type":"image","image":{"id":"1279279128","mime_type":"image/jpeg","caption":"¿ves?","url":"https://lookaside.fbsbx.com/x"}}]}}]}]}"#;
        let media = |body: &str| {
            parse(&Delivery::new(body.as_bytes())).unwrap().media().next().unwrap().media.clone()
        };
        assert_eq!(media(OWN), media(passed));
        assert_eq!(media(OWN).link, None);
    }

    #[test]
    fn events_without_media_are_counted() {
        let status = r#"{"event":"status","payload":{"id":"wamid.S","deliveryStatus":"read"}}"#;
        let inbound = parse(&Delivery::new(status.as_bytes())).unwrap();
        assert_eq!(inbound.others().get("status"), Some(&1));
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
            let _ = parse(&Delivery::new(&body));
            let _ = parse(&Delivery::new(format!("{{\"event\":\"message\",\"payload\":{{\"message\":{text}}}}}").as_bytes()));
        }
    }
}
