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

#[cfg(feature = "client")]
use wamedia_core::UploadResult;
use wamedia_core::{Capabilities, DigestSource, KindLimit, MediaKind};

#[cfg(feature = "client")]
pub use client::{MetaCloud, UploadHandle};
#[cfg(feature = "client")]
pub use config::MetaCloudBuilder;
pub use webhook::{MetaWebhooks, MetaWebhooksBuilder};

/// Where the API is. Source: <https://developers.facebook.com/docs/graph-api/overview>
pub const BASE_URL: &str = "https://graph.facebook.com";

/// The provider's name.
const NAME: &str = "meta";

/// Where Meta says what it takes, and how long things live.
const SOURCE: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media";
const MIB: u64 = 1024 * 1024;

/// Meta's table. Whether MB means 10^6 or 2^20 is not stated; the larger is taken, and Meta has the
/// last word. A sticker that moves may have 500 KiB, one that does not 100 KiB.
const LIMITS: &[KindLimit] = &[
    KindLimit::new(
        MediaKind::Audio,
        &["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"],
        16 * MIB,
        SOURCE,
    ),
    KindLimit::new(
        MediaKind::Document,
        &[
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ],
        100 * MIB,
        SOURCE,
    ),
    KindLimit::new(MediaKind::Image, &["image/jpeg", "image/png"], 5 * MIB, SOURCE),
    KindLimit::new(MediaKind::Sticker, &["image/webp"], 500 * 1024, SOURCE),
    KindLimit::new(MediaKind::Video, &["video/mp4", "video/3gpp"], 16 * MIB, SOURCE),
];

/// What works without a phone number id; with one, `upload` works as well.
pub const CAPABILITIES: Capabilities = Capabilities::NONE
    .with_resolve()
    .with_open()
    .with_expiring_links(Some(LINK_LIFETIME))
    .with_digest(DigestSource::ResolveAndWebhook)
    .with_delete()
    .with_limits(LIMITS);

/// How long a link lives.
const LINK_LIFETIME: Duration = Duration::from_secs(300);
/// How long an uploaded object lives.
#[cfg(feature = "client")]
const UPLOAD_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

#[cfg(feature = "client")]
const fn with_upload(capabilities: Capabilities) -> Capabilities {
    capabilities.with_upload(UploadResult::Id, Some(UPLOAD_LIFETIME))
}
