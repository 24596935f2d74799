#![doc = include_str!("../README.md")]

mod client;
mod config;
mod error;
pub mod webhook;
mod wire;

use std::time::Duration;

use wamedia_core::{Capabilities, DigestSource, UploadResult};

pub use client::WhapiCloud;
pub use config::WhapiCloudBuilder;
pub use webhook::{WhapiWebhooks, WhapiWebhooksBuilder};

/// The provider's name.
const NAME: &str = "whapi";

/// How long the vendor's own copy lives.
/// Source: <https://support.whapi.cloud/help-desk/receiving/file-expiration-period>
const COPY_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// What works. There is no descriptor by id, and no size limit is documented.
pub const CAPABILITIES: Capabilities = Capabilities::NONE
    .with_local_resolve()
    .with_open()
    .with_digest(DigestSource::Webhook)
    .with_upload(UploadResult::Id, Some(COPY_LIFETIME))
    .with_delete()
    .with_list();
