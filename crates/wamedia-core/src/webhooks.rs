use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Delivery, Error, ErrorKind, Inbound, InboundItem, Phase, Result};

/// How one vendor delivers. Pure and offline: it needs the webhook secret, never the API token.
///
/// [`receive`](Webhooks::receive) is what a server calls: it verifies, then parses.
pub trait Webhooks: fmt::Debug + Send + Sync + 'static {
    /// The provider's stable lower-case name, the same as [`Provider::name`](crate::Provider::name).
    fn provider(&self) -> &'static str;

    /// What works with this configuration.
    fn capabilities(&self) -> &WebhookCapabilities;

    /// Whether the delivery is the vendor's.
    fn verify(&self, delivery: &Delivery<'_>) -> Authenticity;

    /// Every media item, every failed item, and a count of what held no media. It does not verify.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] for what is not a JSON object; [`ErrorKind::TooLarge`].
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound>;

    /// Answers the vendor's check of a webhook address, from the query of its GET request.
    fn handshake(&self, _query: &str) -> Handshake {
        Handshake::NotOffered
    }

    /// Verifies, then parses. Media of a verified delivery are marked as [`signed`](crate::MediaRef::signed),
    /// media of any other never are.
    ///
    /// Bodies above 256 KiB take milliseconds: hand them to a thread that may block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorized`] for a delivery that is not verified, unless the options allow it; for one with
    /// a wrong signature always. What [`parse`](Webhooks::parse) refuses.
    fn receive(&self, delivery: &Delivery<'_>, options: ReceiveOptions) -> Result<Received> {
        let authenticity = self.verify(delivery);
        authenticity.check(options).map_err(|error| error.with_provider(self.provider()))?;
        let mut inbound = self.parse(delivery)?;
        for item in &mut inbound.items {
            if let InboundItem::Media(item) = item {
                item.media.signed = authenticity == Authenticity::Verified;
            }
        }
        Ok(Received { authenticity, inbound })
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        impl<W: Webhooks + ?Sized> Webhooks for $pointer<W> {
            fn provider(&self) -> &'static str {
                (**self).provider()
            }

            fn capabilities(&self) -> &WebhookCapabilities {
                (**self).capabilities()
            }

            fn verify(&self, delivery: &Delivery<'_>) -> Authenticity {
                (**self).verify(delivery)
            }

            fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
                (**self).parse(delivery)
            }

            fn handshake(&self, query: &str) -> Handshake {
                (**self).handshake(query)
            }

            fn receive(&self, delivery: &Delivery<'_>, options: ReceiveOptions) -> Result<Received> {
                (**self).receive(delivery, options)
            }
        }
    };
}

forward!(Arc);
forward!(Box);

/// What a vendor offers for webhooks, with this configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookCapabilities {
    /// Deliveries carry a signature or a static secret that [`Webhooks::verify`] can check.
    pub signed: bool,
    /// The vendor checks a webhook address with a challenge.
    pub handshake: bool,
    /// The largest body that is parsed, in bytes.
    pub max_bytes: u64,
    /// How long an id that came with a webhook lives.
    pub id_lifetime: Option<Duration>,
}

impl WebhookCapabilities {
    /// Deliveries of at most so many bytes are parsed, and nothing else works.
    pub const fn new(max_bytes: u64) -> Self {
        Self { signed: false, handshake: false, max_bytes, id_lifetime: None }
    }

    /// Deliveries can be verified.
    #[must_use]
    pub const fn with_signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// The vendor checks the address with a challenge.
    #[must_use]
    pub const fn with_handshake(mut self) -> Self {
        self.handshake = true;
        self
    }

    /// Sets the largest body that is parsed, in bytes.
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Ids from webhooks live this long.
    #[must_use]
    pub const fn with_id_lifetime(mut self, lifetime: Duration) -> Self {
        self.id_lifetime = Some(lifetime);
        self
    }
}

/// What the signature of a delivery says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Authenticity {
    /// It was made with one of the configured secrets over exactly these bytes.
    Verified,
    /// No secret is configured, so nothing was checked. Never treat this as verified.
    NotConfigured,
    /// A secret is configured, and the delivery has no signature.
    MissingSignature,
    /// A secret is configured, and the signature is not made with it; the reason holds no secret.
    Invalid(&'static str),
    /// This vendor signs nothing.
    NotOffered,
}

impl Authenticity {
    /// The stable lower-case name: `"missing_signature"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::NotConfigured => "not_configured",
            Self::MissingSignature => "missing_signature",
            Self::Invalid(_) => "invalid",
            Self::NotOffered => "not_offered",
        }
    }

    /// Refuses a delivery that must not be read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorized`] unless it is verified, or not verified and allowed by the options. A wrong
    /// signature is never allowed.
    pub fn check(self, options: ReceiveOptions) -> Result<()> {
        let why = match self {
            Self::Verified => return Ok(()),
            Self::Invalid(why) => format!("the delivery is not the provider's: {why}"),
            _ if options.allow_unverified => return Ok(()),
            Self::NotConfigured => {
                "the delivery cannot be verified: no webhook secret is configured".to_owned()
            }
            Self::MissingSignature => {
                "the delivery is not verified: its signature header is missing".to_owned()
            }
            Self::NotOffered => "the delivery cannot be verified: this provider signs none".to_owned(),
        };
        let hint = "check that the webhook secret is the vendor's, and that the headers and the body are those that came in";
        Err(Error::new(ErrorKind::Unauthorized, why)
            .with_hint(hint)
            .with_operation("receive")
            .with_phase(Phase::Prepare))
    }
}

/// Options of [`Webhooks::receive`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveOptions {
    /// Also read a delivery that could not be verified: without a secret, without a signature, or of a vendor
    /// that signs nothing. A wrong signature is refused all the same.
    pub allow_unverified: bool,
}

impl ReceiveOptions {
    /// Also reads a delivery that could not be verified.
    #[must_use]
    pub const fn with_allow_unverified(mut self, allow: bool) -> Self {
        self.allow_unverified = allow;
        self
    }
}

/// A delivery that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Received {
    /// What its signature says.
    pub authenticity: Authenticity,
    /// Everything in it.
    pub inbound: Inbound,
}

/// The answer to a vendor's check of a webhook address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handshake {
    /// Answer 200 with exactly this text as the body.
    Accepted(String),
    /// Answer 403.
    Refused,
    /// This vendor does not check addresses: answer 405.
    NotOffered,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MediaId, MediaItem, MediaKind, MediaRef};

    /// A vendor whose deliveries are as authentic as it is told, with one media item each.
    #[derive(Debug)]
    struct Fixed(Authenticity);

    const CAPABILITIES: WebhookCapabilities = WebhookCapabilities::new(10);

    impl Webhooks for Fixed {
        fn provider(&self) -> &'static str {
            "fixed"
        }

        fn capabilities(&self) -> &WebhookCapabilities {
            &CAPABILITIES
        }

        fn verify(&self, _: &Delivery<'_>) -> Authenticity {
            self.0
        }

        fn parse(&self, _: &Delivery<'_>) -> Result<Inbound> {
            // A mark that nobody may believe.
            let media = MediaRef::new("fixed", MediaId::new("1")?).with_signed(true);
            Ok(Inbound {
                items: vec![InboundItem::Media(Box::new(MediaItem::new(media, MediaKind::Image, "")))],
            })
        }
    }

    #[test]
    fn only_what_is_verified_is_received_and_signed_unless_more_is_allowed() {
        let allowed = ReceiveOptions::default().with_allow_unverified(true);
        let delivery = Delivery::new(b"{}");
        let mut messages = std::collections::BTreeSet::new();
        for (authenticity, strict, lenient) in [
            (Authenticity::Verified, true, true),
            (Authenticity::NotConfigured, false, true),
            (Authenticity::MissingSignature, false, true),
            (Authenticity::NotOffered, false, true),
            (Authenticity::Invalid("it differs"), false, false),
        ] {
            let webhooks: Arc<dyn Webhooks> = Arc::new(Fixed(authenticity));
            for (options, is_taken) in [(ReceiveOptions::default(), strict), (allowed, lenient)] {
                match webhooks.receive(&delivery, options) {
                    Ok(received) => {
                        assert!(is_taken, "{authenticity:?}");
                        assert_eq!(received.authenticity, authenticity);
                        let is_signed = received.inbound.media().all(|item| item.media.signed);
                        assert_eq!(is_signed, authenticity == Authenticity::Verified);
                    }
                    Err(error) => {
                        assert!(!is_taken, "{authenticity:?}");
                        assert_eq!(
                            (error.kind(), error.provider()),
                            (ErrorKind::Unauthorized, Some("fixed"))
                        );
                        messages.insert(error.to_string());
                    }
                }
            }
        }
        assert_eq!(messages.len(), 4, "each says which it is: {messages:?}");
        assert_eq!(Fixed(Authenticity::Verified).handshake("x"), Handshake::NotOffered);
    }
}
