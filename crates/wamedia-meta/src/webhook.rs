//! Deliveries of Meta.
//!
//! Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint>

use std::time::Duration;

use wamedia_core::{
    Authenticity, Delivery, Handshake, Inbound, Result, Secret, WebhookCapabilities, Webhooks,
};
use wamedia_provider::cloud_api::{self, ParseOptions};
use wamedia_provider::{json, signature};

use crate::{LINK_LIFETIME, NAME};

/// The largest body that is parsed, in bytes: Meta sends at most 3 MB.
pub const MAX_BYTES: u64 = 3 * 1024 * 1024;

/// What Meta offers for webhooks.
///
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media>
pub const CAPABILITIES: WebhookCapabilities =
    WebhookCapabilities::new(MAX_BYTES).with_signed().with_handshake().with_id_lifetime(ID_LIFETIME);

/// How long an id that came with a webhook lives.
const ID_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// No figure is published for links in messages; that of resolved ones is taken.
const OPTIONS: ParseOptions =
    ParseOptions::new(NAME).with_id_lifetime(ID_LIFETIME).with_link_lifetime(LINK_LIFETIME);

/// Deliveries of Meta: verified with the app secret, without the API's token.
#[derive(Clone, Debug)]
pub struct MetaWebhooks {
    capabilities: WebhookCapabilities,
    secrets: Vec<Secret>,
    verify_token: Option<Secret>,
}

impl MetaWebhooks {
    /// Begins without a secret: then deliveries can be parsed and not verified.
    pub fn builder() -> MetaWebhooksBuilder {
        MetaWebhooksBuilder(Self { capabilities: CAPABILITIES, secrets: Vec::new(), verify_token: None })
    }
}

/// Builds [`MetaWebhooks`].
#[derive(Clone, Debug)]
#[must_use]
pub struct MetaWebhooksBuilder(MetaWebhooks);

impl MetaWebhooksBuilder {
    /// The app secret, which signs deliveries; several during a rotation.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.0.secrets.push(secret);
        self
    }

    /// The token that the check of a webhook address must present.
    pub fn verify_token(mut self, token: Secret) -> Self {
        self.0.verify_token = Some(token);
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
    pub fn build(self) -> Result<MetaWebhooks> {
        Ok(self.0)
    }
}

impl Webhooks for MetaWebhooks {
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
        parse_up_to(delivery, self.capabilities.max_bytes)
    }

    fn handshake(&self, query: &str) -> Handshake {
        handshake(query, self.verify_token.as_ref())
    }
}

/// Parses a delivery; nothing in it is dropped, and no token is needed.
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
    json::read_delivery(delivery, NAME, max_bytes, |root, items| cloud_api::parse(root, &OPTIONS, items))
}

/// Checks `X-Hub-Signature-256`: HMAC-SHA256 with the app secret over the raw body, in hex behind `sha256=`.
pub fn verify(delivery: &Delivery<'_>, app_secrets: &[Secret]) -> Authenticity {
    let header = delivery.header("x-hub-signature-256");
    signature::verify_hmac_sha256(app_secrets, delivery.body, header, "sha256=", false)
}

/// Answers the check of a webhook address, from the query of its GET request.
pub fn handshake(query: &str, verify_token: Option<&Secret>) -> Handshake {
    let value = |name: &str| {
        url::form_urlencoded::parse(query.trim_start_matches('?').as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let (Some(want), Some(token)) =
        (verify_token.filter(|token| !token.is_blank()), value("hub.verify_token"))
    else {
        return Handshake::Refused;
    };
    let right = signature::constant_time_eq(want.expose().as_bytes(), token.as_bytes());
    match value("hub.challenge") {
        Some(challenge) if right && value("hub.mode").as_deref() == Some("subscribe") => {
            Handshake::Accepted(challenge)
        }
        _ => Handshake::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"215589313241560","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15557010001","phone_number_id":"391200000000017"},"contacts":[{"profile":{"name":"Zo\u00eb"},"wa_id":"15557770102"}],"messages":[{"from":"15557770102","id":"wamid.HBgLMTU1NTc3NzAxMDIVAgASGBQzQTAwMDAwMDAwMDAwMDAwMDAwMQA=","timestamp":"1767225600","type":"document","document":{"caption":"caf\u00e9","filename":"note.txt","mime_type":"text\/plain","sha256":"0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=","id":"812345678901234"}}]}}]}]}"#;

    fn check(header: &str) -> Authenticity {
        let headers = [("x-HUB-signature-256".to_owned(), header.to_owned())];
        let secrets = [Secret::new("test_app_secret")];
        verify(&Delivery::new(BODY.as_bytes()).with_headers(&headers), &secrets)
    }

    #[test]
    fn the_vector_verifies_and_its_neighbours_do_not() {
        let hex = "6af8f0e1dfe2d260fd9ce5dc7755aea62cd623e7247d013584da894071ce0f4e";
        assert_eq!(check(&format!("sha256={hex}")), Authenticity::Verified);
        // Of the same body, serialised again.
        let again = "f35bd720c5174de96ccd83fd63eb97ac606d5034ff9277a49ff8d4ae47b1c1f6";
        for wrong in [
            hex.to_owned(),
            format!("sha1={hex}"),
            format!("sha256={again}"),
            format!("sha256={}", &hex[1..]),
        ] {
            assert!(matches!(check(&wrong), Authenticity::Invalid(_)), "{wrong}");
        }
    }

    #[test]
    fn the_document_becomes_a_reference() {
        let inbound = parse(&Delivery::new(BODY.as_bytes())).unwrap();
        let item = inbound.media().next().unwrap();
        assert_eq!(item.path, "entry[0].changes[0].value.messages[0].document");
        assert_eq!(item.media.declared.sha256, Some(wamedia_core::Sha256::of(b"hello media")));
        assert_eq!(item.media.declared.name.as_deref(), Some("note.txt"));
        assert_eq!(item.caption.as_deref(), Some("café"));
        assert_eq!(item.media.scope.account.as_deref(), Some("391200000000017"));
        assert!(item.media.expires_at.is_some());
    }

    #[test]
    fn the_handshake_echoes_the_challenge_for_the_right_token() {
        let token = Secret::new("s3cret");
        let ask = |query: &str| handshake(query, Some(&token));
        let good = "hub.mode=subscribe&hub.challenge=0115&hub.verify_token=s3cret";
        assert_eq!(ask(good), Handshake::Accepted("0115".to_owned()));
        for bad in [
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=no",
            "hub.mode=x&hub.challenge=1&hub.verify_token=s3cret",
            "",
        ] {
            assert_eq!(ask(bad), Handshake::Refused, "{bad}");
        }
        assert_eq!(handshake(good, None), Handshake::Refused);
        for blank in ["", " "] {
            let query = format!("hub.mode=subscribe&hub.challenge=1&hub.verify_token={blank}");
            assert_eq!(handshake(&query, Some(&blank.into())), Handshake::Refused, "anybody knows {blank:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
            let _ = parse(&Delivery::new(&body));
            let body = format!("{{\"entry\":[{{\"changes\":[{{\"value\":{{\"messages\":[{text}]}}}}]}}]}}");
            let _ = parse(&Delivery::new(body.as_bytes()));
        }
    }
}
