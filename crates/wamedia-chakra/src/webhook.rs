//! Deliveries of Chakra: Meta's shape passed through, and a simpler one of its own.
//!
//! Source: <https://apidocs.chakrahq.com/doc-919167>

use wamedia_core::{
    Authenticity, Delivery, Inbound, InboundItem, Items, Result, Role, Secret, WebhookCapabilities, Webhooks,
};
use wamedia_provider::cloud_api::{self, MessageContext, ParseOptions};
use wamedia_provider::json::{self, Json, Object};
use wamedia_provider::signature;

use crate::NAME;

/// The largest body that is parsed, in bytes: what Meta sends at most.
pub const MAX_BYTES: u64 = 3 * 1024 * 1024;

// QUIRK(chakra): the link in a message is Meta's and answers 401 to Chakra's token, so it is left out.
// https://apidocs.chakrahq.com/doc-919167
const OPTIONS: ParseOptions = ParseOptions::new(NAME);

/// What Chakra offers for webhooks.
pub const CAPABILITIES: WebhookCapabilities = WebhookCapabilities::new(MAX_BYTES).with_signed();

/// Deliveries of Chakra: verified with the team's secret, without the API's token.
#[derive(Clone, Debug)]
pub struct ChakraWebhooks {
    capabilities: WebhookCapabilities,
    secrets: Vec<Secret>,
    phone_number_id: Option<String>,
}

impl ChakraWebhooks {
    /// Begins without a secret: then deliveries can be parsed and not verified.
    pub fn builder() -> ChakraWebhooksBuilder {
        ChakraWebhooksBuilder(Self { capabilities: CAPABILITIES, secrets: Vec::new(), phone_number_id: None })
    }
}

/// Builds [`ChakraWebhooks`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ChakraWebhooksBuilder(ChakraWebhooks);

impl ChakraWebhooksBuilder {
    /// The team's secret, which signs deliveries; several during a rotation.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.0.secrets.push(secret);
        self
    }

    /// The id of the business phone number, noted in references: deliveries may not name it.
    pub fn phone_number_id(mut self, id: &str) -> Self {
        self.0.phone_number_id = Some(id.trim().to_owned());
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
    pub fn build(self) -> Result<ChakraWebhooks> {
        Ok(self.0)
    }
}

impl Webhooks for ChakraWebhooks {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &WebhookCapabilities {
        &self.capabilities
    }

    fn verify(&self, delivery: &Delivery<'_>) -> Authenticity {
        verify(delivery, &self.secrets)
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        parse_for(delivery, self.phone_number_id.as_deref(), self.capabilities.max_bytes)
    }
}

/// Parses a delivery of either shape; nothing in it is dropped, and no token is needed.
///
/// # Errors
///
/// [`ErrorKind::Decode`](wamedia_core::ErrorKind::Decode) for what is not a JSON object;
/// [`ErrorKind::TooLarge`](wamedia_core::ErrorKind::TooLarge) above [`MAX_BYTES`].
pub fn parse(delivery: &Delivery<'_>) -> Result<Inbound> {
    parse_up_to(delivery, MAX_BYTES)
}

/// The same with another limit on the body, in bytes.
///
/// # Errors
///
/// As [`parse`], with the cap in place of [`MAX_BYTES`].
pub fn parse_up_to(delivery: &Delivery<'_>, max_bytes: u64) -> Result<Inbound> {
    parse_for(delivery, None, max_bytes)
}

/// The same, with the number id for deliveries that do not name one.
pub(crate) fn parse_for(delivery: &Delivery<'_>, account: Option<&str>, max_bytes: u64) -> Result<Inbound> {
    let mut inbound = json::read_delivery(delivery, NAME, max_bytes, |root, items| {
        match root.get("payload").filter(|_| root.get("entry").is_none()) {
            Some(payload) => own_shape(root, payload, items),
            None => cloud_api::parse(root, &OPTIONS, items),
        }
    })?;
    // The own shape does not name the number, so references leave it out in both: they must be equal.
    for item in &mut inbound.items {
        if let InboundItem::Media(media) = item {
            media.media.scope.account = account.map(ToOwned::to_owned);
        }
    }
    Ok(inbound)
}

/// The own shape: Meta's message object in an envelope that names it.
///
/// GUESS: `messages` as a list is in no sample; it is read like `message_echoes`, which one
/// integration has seen.
fn own_shape(root: &Object<'_>, payload: Json<'_>, items: &mut Items) {
    let event = root.text("event");
    let event = event.as_deref().unwrap_or("unknown");
    let role = if event.contains("echo") { Role::Echo } else { Role::Main };
    let fields = payload.object();
    // The time of the envelope is in milliseconds; references keep whole seconds either way.
    let field = |name: &str| fields.as_ref().and_then(|fields| fields.shared(name));
    let id = ["externalId", "messageId"].into_iter().find_map(field);
    let sent_at = fields.as_ref().and_then(|fields| fields.get("timestamp")).and_then(Json::time);
    let context = MessageContext::default().with_message_id(id.as_deref()).with_sent_at(sent_at);
    if let Some(fields) = &fields {
        if let Some(message) = fields.get("message").filter(|message| message.is_object()) {
            cloud_api::message(message, "payload.message", role, context, &OPTIONS, items);
        }
        for (name, role) in [("messages", role), ("message_echoes", Role::Echo)] {
            for (index, message) in fields.array(name) {
                // The id of the envelope is that of one message.
                let context = MessageContext::default().with_sent_at(sent_at);
                cloud_api::message(
                    message,
                    format_args!("payload.{name}[{index}]"),
                    role,
                    context,
                    &OPTIONS,
                    items,
                );
            }
        }
    }
    if items.is_empty() {
        // Templates have an `id` too, and it is not that of a message.
        let names: &[_] = if event == "status" { &["id"] } else { &["externalId", "messageId"] };
        let id = names.iter().copied().find_map(field);
        items.other(event, "payload", payload.raw(), id.as_deref());
    }
}

/// Checks `X-Chakra-Signature-256`: HMAC-SHA256 with the team's secret over the raw body, in hex
/// without a prefix; one is tolerated.
pub fn verify(delivery: &Delivery<'_>, team_secrets: &[Secret]) -> Authenticity {
    let header = delivery.header("x-chakra-signature-256");
    signature::verify_hmac_sha256(team_secrets, delivery.body, header, "sha256=", true)
}

#[cfg(test)]
mod tests {
    use wamedia_core::InboundItem;

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
        assert!(matches!(check(OWN, "other", second), Authenticity::Invalid(_)));
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
        // Only of a status is `id` that of a message.
        for (event, id) in [("status", Some("wamid.S")), ("template", None)] {
            let inbound = parse(&Delivery::new(status.replace("status\"", &format!("{event}\"")).as_bytes()));
            let InboundItem::Other(item) = inbound.unwrap().items.remove(0) else { panic!("{event}") };
            assert_eq!((item.kind.as_str(), item.message_id.as_deref()), (event, id));
        }
    }

    #[test]
    fn three_mebibytes_are_taken_and_no_byte_more() {
        let webhooks = ChakraWebhooks::builder().build().unwrap();
        let body = |size: usize| format!("{{{}}}", " ".repeat(size - 2));
        assert!(webhooks.parse(&Delivery::new(body(3 << 20).as_bytes())).is_ok());
        assert!(webhooks.parse(&Delivery::new(body((3 << 20) + 1).as_bytes())).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
            let _ = parse(&Delivery::new(&body));
            let _ = parse(&Delivery::new(format!("{{\"event\":\"message\",\"payload\":{{\"message\":{text}}}}}").as_bytes()));
        }
    }
}
