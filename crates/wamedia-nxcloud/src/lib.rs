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
mod sign;
pub mod webhook;

use std::time::Duration;

use wamedia_core::{Capabilities, DigestSource, KindLimit, MediaKind, UploadResult};

#[cfg(feature = "client")]
pub use client::{NxCloud, TemplateHandle};
#[cfg(feature = "client")]
pub use config::NxCloudBuilder;
pub use webhook::{NxCloudWebhooks, NxCloudWebhooksBuilder};

/// Where the API is.
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention>
pub const BASE_URL: &str = "https://api2.nxcloud.com";

/// The provider's name.
const NAME: &str = "nxcloud";

/// Where the vendor says what it takes.
const LIMITS_SOURCE: &str = "https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadMedia";
const MIB: u64 = 1024 * 1024;

/// The vendor's table. Whether MB means 10^6 or 2^20 is not stated; the larger is taken, and the
/// server has the last word.
const LIMITS: &[KindLimit] = &[
    KindLimit::new(MediaKind::Image, &["image/jpeg", "image/png"], 5 * MIB, LIMITS_SOURCE),
    KindLimit::new(
        MediaKind::Audio,
        &["audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg"],
        16 * MIB,
        LIMITS_SOURCE,
    ),
    KindLimit::new(MediaKind::Video, &["video/mp4", "video/3gpp", "video/3gp"], 16 * MIB, LIMITS_SOURCE),
    KindLimit::new(
        MediaKind::Document,
        &[
            "text/plain",
            "application/pdf",
            "application/vnd.ms-powerpoint",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ],
        100 * MIB,
        LIMITS_SOURCE,
    ),
    KindLimit::new(MediaKind::Sticker, &["image/webp"], 100 * 1024, LIMITS_SOURCE),
];

/// What works. The lifetime of links and ids is not documented.
pub const CAPABILITIES: Capabilities = Capabilities::NONE
    .with_resolve()
    .with_open_range()
    .with_expiring_links(None::<Duration>)
    .with_digest(DigestSource::Webhook)
    .with_signed_requests()
    .with_upload(UploadResult::Id, None)
    .with_delete()
    .with_limits(LIMITS);

/// What the vendor takes as a sample for a template, of any size that fits its own table.
///
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadTemplateFile>
#[cfg(feature = "client")]
const TEMPLATE_CAPABILITIES: Capabilities =
    Capabilities::NONE.with_upload(UploadResult::None, None).with_limits(&[KindLimit::new(
        MediaKind::Other,
        &["application/pdf", "video/mp4", "image/jpeg", "image/png", "image/jpg"],
        u64::MAX,
        "https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-uploadTemplateFile",
    )]);
