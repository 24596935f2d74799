//! Deliveries of 360dialog: those of Meta, forwarded.
//!
//! Source: <https://github.com/nyaruka/courier> (`handlers/dialog360`)

use wamedia_core::{Authenticity, Delivery, Inbound, Result, WebhookCapabilities, Webhooks};
use wamedia_provider::cloud_api::{self, ParseOptions};
use wamedia_provider::json;

use crate::NAME;

/// The largest body that is parsed, in bytes: what Meta sends at most.
pub const MAX_BYTES: u64 = 3 * 1024 * 1024;

/// What 360dialog offers for webhooks. No signature is known.
pub const CAPABILITIES: WebhookCapabilities = WebhookCapabilities::new(MAX_BYTES);

// QUIRK(360dialog): the link in a message is Meta's, which the API key does not open, so it is left out.
const OPTIONS: ParseOptions = ParseOptions::new(NAME);

/// Deliveries of 360dialog. They carry no signature, so a receiver needs another proof of where they come from.
#[derive(Clone, Debug)]
pub struct Dialog360Webhooks {
    capabilities: WebhookCapabilities,
}

impl Default for Dialog360Webhooks {
    fn default() -> Self {
        Self { capabilities: CAPABILITIES }
    }
}

impl Dialog360Webhooks {
    /// The largest body that is parsed, in bytes; [`MAX_BYTES`] unless it is set.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.capabilities = self.capabilities.with_max_bytes(max_bytes);
        self
    }
}

impl Webhooks for Dialog360Webhooks {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &WebhookCapabilities {
        &self.capabilities
    }

    fn verify(&self, _: &Delivery<'_>) -> Authenticity {
        Authenticity::NotOffered
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        let max_bytes = self.capabilities.max_bytes;
        json::read_delivery(delivery, NAME, max_bytes, |root, items| cloud_api::parse(root, &OPTIONS, items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_body_is_what_was_set() {
        let webhooks = Dialog360Webhooks::default();
        assert_eq!(webhooks.capabilities().max_bytes, MAX_BYTES);
        let webhooks = webhooks.with_max_bytes(2);
        assert!(webhooks.parse(&Delivery::new(b"{}")).is_ok());
        assert!(webhooks.parse(&Delivery::new(b"{ }")).is_err());
    }
}
