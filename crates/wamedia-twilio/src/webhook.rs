//! Deliveries of Twilio: one message as a form.
//!
//! Source: <https://www.twilio.com/docs/messaging/guides/webhook-request>

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use url::{Url, form_urlencoded};
use wamedia_core::{
    Authenticity, ContentMetadata, Delivery, Error, ErrorKind, FailedItem, Inbound, Items, MediaId,
    MediaItem, MediaKind, MediaRef, Result, Secret, WebhookCapabilities, Webhooks,
};

use crate::{NAME, sids};

/// The largest body that is parsed, in bytes. A message has at most ten files and 1,600 characters, so this is plenty.
pub const MAX_BYTES: u64 = 256 * 1024;

/// What Twilio offers for webhooks.
pub const CAPABILITIES: WebhookCapabilities = WebhookCapabilities::new(MAX_BYTES).with_signed();

/// Deliveries of Twilio: verified with the auth token and the public URL.
#[derive(Clone, Debug)]
pub struct TwilioWebhooks {
    capabilities: WebhookCapabilities,
    auth_tokens: Vec<Secret>,
    public_url: Option<String>,
}

impl TwilioWebhooks {
    /// Begins without an auth token: then deliveries can be parsed and not verified.
    pub fn builder() -> TwilioWebhooksBuilder {
        TwilioWebhooksBuilder(Self { capabilities: CAPABILITIES, auth_tokens: Vec::new(), public_url: None })
    }
}

/// Builds [`TwilioWebhooks`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TwilioWebhooksBuilder(TwilioWebhooks);

impl TwilioWebhooksBuilder {
    /// The account's auth token, which signs deliveries; several during a rotation.
    pub fn auth_token(mut self, token: impl Into<Secret>) -> Self {
        let token: Secret = token.into();
        self.0.auth_tokens.push(Secret::new(token.expose().trim()));
        self
    }

    /// The URL of the webhook as Twilio calls it, for deliveries that do not state theirs.
    pub fn public_url(mut self, url: &str) -> Self {
        self.0.public_url = Some(url.trim().to_owned());
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
    pub fn build(self) -> Result<TwilioWebhooks> {
        Ok(self.0)
    }
}

impl Webhooks for TwilioWebhooks {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &WebhookCapabilities {
        &self.capabilities
    }

    /// Checks `X-Twilio-Signature`: HMAC-SHA1 in base64 with the auth token, over the public URL and the fields of
    /// the form in the order of their names.
    ///
    /// Source: <https://www.twilio.com/docs/usage/security>
    fn verify(&self, delivery: &Delivery<'_>) -> Authenticity {
        if self.auth_tokens.iter().all(Secret::is_blank) {
            return Authenticity::NotConfigured;
        }
        let Some(signature) = delivery.header("x-twilio-signature") else {
            return Authenticity::MissingSignature;
        };
        let Some(url) = delivery.public_url.or(self.public_url.as_deref()) else {
            return Authenticity::Invalid("the public URL is not known, and the signature covers it");
        };
        let Ok(signature) = STANDARD.decode(signature.trim()) else {
            return Authenticity::Invalid("the signature header is not base64");
        };
        let mut fields = fields(delivery.body);
        fields.sort();
        let mut is_verified = false;
        for token in self.auth_tokens.iter().filter(|token| !token.is_blank()) {
            // Every token is tried, so that the time does not tell which one fits.
            is_verified |= mac(token, url, &fields).verify_slice(&signature).is_ok();
        }
        if is_verified {
            Authenticity::Verified
        } else {
            Authenticity::Invalid("the signature does not match the URL and the form")
        }
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        if delivery.body.len() as u64 > self.capabilities.max_bytes {
            let why = "the delivery is larger than any that this provider sends";
            return Err(Error::new(ErrorKind::TooLarge, why).with_provider(NAME));
        }
        let form = std::str::from_utf8(delivery.body).ok().map(Form::parse);
        let is_ours = |form: &Form<'_>| ["MessageSid", "AccountSid"].iter().any(|name| form.has(name));
        let Some(form) = form.filter(is_ours) else {
            let why = "the delivery is not a form of Twilio's: it has neither MessageSid nor AccountSid";
            return Err(Error::new(ErrorKind::Decode, why).with_provider(NAME));
        };
        let mut items = Items::new(delivery.body.len());
        form.collect(&mut items);
        items.into_inbound().map_err(|error| error.with_provider(NAME))
    }
}

fn fields(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

fn mac(token: &Secret, url: &str, fields: &[(String, String)]) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.expose().as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac
}

/// One message as it came.
struct Form<'a> {
    raw: &'a str,
    fields: Vec<Field<'a>>,
}

/// One field: its text as it came, its name and its value.
struct Field<'a> {
    raw: &'a str,
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Form<'a> {
    fn parse(raw: &'a str) -> Self {
        let field = |raw: &'a str| {
            let (name, value) = form_urlencoded::parse(raw.as_bytes()).next()?;
            Some(Field { raw, name, value })
        };
        Self { raw, fields: raw.split('&').filter_map(field).collect() }
    }

    fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The first field with this name.
    fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The value of a field, where it has one.
    fn text(&self, name: &str) -> Option<&str> {
        self.field(name).map(|field| &*field.value).filter(|value| !value.is_empty())
    }

    /// Every file is an item, and so is every one that `NumMedia` counts and the form does not have.
    fn collect(&self, items: &mut Items) {
        let counted = self.text("NumMedia").and_then(|count| count.parse().ok()).unwrap_or(0).min(10);
        for index in 0..10 {
            let name = format!("MediaUrl{index}");
            match self.field(&name).filter(|field| !field.value.is_empty()) {
                Some(field) => self.file(index, field, items),
                None if index < counted => {
                    let raw = self.field("NumMedia").map_or("", |field| field.raw);
                    items.failed(self.failed(&name, raw, "the form counts it and has no address"));
                }
                None => {}
            }
        }
        if items.is_empty() {
            let kinds = [("MessageStatus", "status"), ("MessageSid", "message")];
            let kind = kinds.iter().find(|(name, _)| self.has(name)).map_or("unknown", |(_, kind)| kind);
            items.other(kind, "", self.raw, self.text("MessageSid"));
        }
    }

    fn file(&self, index: usize, field: &Field<'_>, items: &mut Items) {
        let (name, raw) = (&*field.name, field.raw);
        let url = Url::parse(&field.value).ok();
        let Some((account, message, media)) = url.as_ref().and_then(sids::of_address) else {
            return items.failed(self.failed(name, raw, "the address is not one of a media resource"));
        };
        let mime = self.text(&format!("MediaContentType{index}"));
        let kind = kind_of(mime.unwrap_or_default());
        let Ok(id) = MediaId::new(media) else {
            return items.failed(self.failed(name, raw, "the address has no usable media id"));
        };
        let declared = ContentMetadata::EMPTY.with_kind(kind).with_mime_text(mime);
        let media = MediaRef::new(NAME, id)
            .with_declared(declared)
            .with_account(Some(account))
            .with_message(Some(message));
        let mut item = MediaItem::new(media, kind, name);
        // The address may state the same message by another prefix; status callbacks name it by this one.
        item.message_id = Some(self.text("MessageSid").unwrap_or(message).to_owned());
        item.sender = self.text("WaId").or_else(|| self.text("From")).map(Secret::new);
        item.caption = self.text("Body").map(ToOwned::to_owned);
        raw.clone_into(&mut item.raw);
        items.media(item);
    }

    fn failed(&self, name: &str, raw: &str, why: &str) -> FailedItem {
        let mut item = FailedItem::new("media", name);
        item.message_id = self.text("MessageSid").map(ToOwned::to_owned);
        item.message = Some(why.to_owned());
        raw.clone_into(&mut item.raw);
        item
    }
}

/// The kind of a file, which the form does not state.
fn kind_of(mime: &str) -> MediaKind {
    match mime.split('/').next() {
        Some("image") if mime.starts_with("image/webp") => MediaKind::Sticker,
        Some("image") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        Some("audio") if mime.starts_with("audio/ogg") => MediaKind::Voice,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const FORM: &[u8] =
        b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";

    fn check(token: &str, url: Option<&'static str>, signature: &str) -> Authenticity {
        let webhooks = TwilioWebhooks::builder().auth_token(token).build().unwrap();
        let headers = [("x-twilio-signature".to_owned(), signature.to_owned())];
        let mut delivery = Delivery::new(FORM).with_headers(&headers);
        delivery.public_url = url;
        webhooks.verify(&delivery)
    }

    /// The example of the vendor's page on security.
    #[test]
    fn the_documented_signature_verifies_and_its_neighbours_do_not() {
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert_eq!(check("12345", Some(URL), signature), Authenticity::Verified);
        assert!(matches!(check("12346", Some(URL), signature), Authenticity::Invalid(_)));
        assert!(matches!(
            check("12345", Some("https://mycompany.com/"), signature),
            Authenticity::Invalid(_)
        ));
        assert!(matches!(check("12345", None, signature), Authenticity::Invalid(_)));
        assert!(matches!(check("12345", Some(URL), "RSOYDt4T1cUTdK1PDd93"), Authenticity::Invalid(_)));
        assert_eq!(check("", Some(URL), signature), Authenticity::NotConfigured);
    }

    #[test]
    fn a_file_is_known_by_its_type_and_has_what_the_form_says() {
        let hex = "0123456789abcdef0123456789abcdef";
        let address =
            format!("https://api.twilio.com/2010-04-01/Accounts/AC{hex}/Messages/MM{hex}/Media/ME{hex}");
        for (mime, kind) in [
            ("image/jpeg", MediaKind::Image),
            ("image/webp", MediaKind::Sticker),
            ("video/mp4", MediaKind::Video),
            ("audio/ogg", MediaKind::Voice),
            ("audio/mpeg", MediaKind::Audio),
            ("application/pdf", MediaKind::Document),
        ] {
            let form = format!(
                "MessageSid=SM1&NumMedia=1&Body=Hi&WaId=15550001111&MediaUrl0={address}&MediaContentType0={mime}"
            );
            let webhooks = TwilioWebhooks::builder().auth_token("t").build().unwrap();
            let inbound = webhooks.parse(&Delivery::new(form.as_bytes())).unwrap();
            let item = inbound.media().next().unwrap();
            assert_eq!(item.kind, kind, "{mime}");
            assert_eq!((item.message_id.as_deref(), item.caption.as_deref()), (Some("SM1"), Some("Hi")));
            assert_eq!(item.sender.as_ref().unwrap().expose(), "15550001111");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
            let webhooks = TwilioWebhooks::builder().auth_token("t").build().unwrap();
            let form = format!("MessageSid=SM1&NumMedia=3&MediaUrl0={text}");
            for body in [&body[..], form.as_bytes()] {
                let _ = (webhooks.parse(&Delivery::new(body)), webhooks.verify(&Delivery::new(body)));
            }
        }
    }
}
