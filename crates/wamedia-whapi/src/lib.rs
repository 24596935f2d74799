#![doc = include_str!("../README.md")]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod config;
#[cfg(feature = "client")]
mod data_url;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod requests;
#[cfg(feature = "client")]
mod responses;
pub mod webhook;

use std::time::Duration;

use wamedia_core::{Capabilities, DigestSource, UploadResult};

#[cfg(feature = "client")]
pub use client::WhapiCloud;
#[cfg(feature = "client")]
pub use config::{ListFilter, UploadForm, WhapiCloudBuilder};
pub use webhook::{WhapiWebhooks, WhapiWebhooksBuilder};

/// Where the API is. Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>
pub const BASE_URL: &str = "https://gate.whapi.cloud";

/// The provider's name.
const NAME: &str = "whapi";

/// Stands in place of an id where the file is not stored yet.
///
/// QUIRK(whapi): generated clients had to widen their pattern for it. <https://github.com/purelines/whapi-sdk>
const PLACEHOLDER: &str = "media_init";

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
