#![doc = include_str!("../README.md")]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod config;
#[cfg(feature = "client")]
mod requests;
#[cfg(feature = "client")]
mod responses;
mod sids;
pub mod webhook;

use wamedia_core::Capabilities;

#[cfg(feature = "client")]
pub use client::TwilioMedia;
#[cfg(feature = "client")]
pub use config::TwilioMediaBuilder;
pub use webhook::{TwilioWebhooks, TwilioWebhooksBuilder};

/// Where the API is. Source: <https://www.twilio.com/docs/messaging/api/media-resource>
pub const BASE_URL: &str = "https://api.twilio.com";

/// The provider's name.
const NAME: &str = "twilio";

/// What works. Media is kept until it is deleted, and its limits on WhatsApp are not published.
///
/// Source: <https://www.twilio.com/docs/messaging/api/media-resource>
pub const CAPABILITIES: Capabilities = Capabilities::NONE.with_local_resolve().with_open().with_delete();
