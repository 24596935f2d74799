#![doc = include_str!("../README.md")]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod config;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod requests;
#[cfg(feature = "client")]
mod responses;
pub mod webhook;

#[cfg(feature = "client")]
use wamedia_core::UploadResult;
use wamedia_core::{Capabilities, DigestSource};

#[cfg(feature = "client")]
pub use client::ChakraHq;
#[cfg(feature = "client")]
pub use config::{ChakraHqBuilder, FetchStyle, ShowPrefix};
pub use webhook::{ChakraWebhooks, ChakraWebhooksBuilder};

/// Where the API is, and the links that it gives. Source: <https://apidocs.chakrahq.com/api-20534427>
pub const BASE_URL: &str = "https://api.chakrahq.com";

/// The provider's name.
const NAME: &str = "chakra";

/// What works by descriptor, without a plugin id; with one, `upload` works as well. The lifetime of
/// links and uploads is not documented.
pub const CAPABILITIES: Capabilities = Capabilities::NONE
    .with_resolve()
    .with_open()
    .with_expiring_links(None)
    .with_digest(DigestSource::ResolveAndWebhook);

/// What works by id alone.
#[cfg(feature = "client")]
const BY_ID: Capabilities =
    Capabilities::NONE.with_local_resolve().with_open().with_digest(DigestSource::Webhook);

#[cfg(feature = "client")]
const fn with_upload(capabilities: Capabilities) -> Capabilities {
    capabilities.with_upload(UploadResult::Link, None)
}
