#![doc = include_str!("../README.md")]

mod client;
mod config;
mod error;
pub mod webhook;
mod wire;

use wamedia_core::{Capabilities, DigestSource, UploadResult};

pub use client::ChakraHq;
pub use config::{ChakraHqBuilder, FetchStyle, ShowPrefix};
pub use webhook::{ChakraWebhooks, ChakraWebhooksBuilder};

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
const BY_ID: Capabilities =
    Capabilities::NONE.with_local_resolve().with_open().with_digest(DigestSource::Webhook);

const fn with_upload(capabilities: Capabilities) -> Capabilities {
    capabilities.with_upload(UploadResult::Link, None)
}

/// Reads a descriptor out of any bytes; only fuzz targets see this.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_descriptor(media: &wamedia_core::MediaRef, status: u16, body: &[u8]) -> bool {
    let reply = wamedia_provider::Reply::new(status, body.to_vec());
    wire::read_descriptor(media, &reply).is_ok()
}
