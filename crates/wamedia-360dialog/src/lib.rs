#![doc = include_str!("../README.md")]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod config;
#[cfg(feature = "client")]
mod requests;
#[cfg(feature = "client")]
mod responses;
pub mod webhook;

use std::time::Duration;

use wamedia_core::{Capabilities, DigestSource, UploadResult};
#[cfg(feature = "client")]
use wamedia_provider::FailureBudget;

#[cfg(feature = "client")]
pub use client::Dialog360;
#[cfg(feature = "client")]
pub use config::Dialog360Builder;
pub use webhook::Dialog360Webhooks;

/// Where the API is, and the content.
/// Source: <https://docs.360dialog.com/docs/messaging/media/upload-retrieve-or-delete-media>
pub const BASE_URL: &str = "https://waba-v2.360dialog.io";

/// The provider's name.
const NAME: &str = "360dialog";

/// How long an uploaded object lives.
///
/// Source: <https://docs.360dialog.com/docs/messaging/media/upload-retrieve-or-delete-media>
const UPLOAD_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// How long a link lives. GUESS: as Meta's does.
const LINK_LIFETIME: Duration = Duration::from_secs(300);
/// One refusal less than what blocked a number in older copies of the page (five in an hour; now twenty), and the
/// time of the block.
///
/// Source: <https://docs.360dialog.com/docs/messaging/media/upload-retrieve-or-delete-media>
#[cfg(feature = "client")]
const FAILURE_BUDGET: FailureBudget = FailureBudget::new(4, Duration::from_secs(30 * 60));

/// What works. Limits by kind are not published.
pub const CAPABILITIES: Capabilities = Capabilities::NONE
    .with_resolve()
    .with_open()
    .with_expiring_links(Some(LINK_LIFETIME))
    .with_digest(DigestSource::ResolveAndWebhook)
    .with_upload(UploadResult::Id, Some(UPLOAD_LIFETIME))
    .with_delete();
