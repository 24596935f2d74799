//! The contract of wamedia: what a caller holds, and what a provider implements.
//!
//! * [`Provider`] is what a provider crate implements; [`MediaRef`] is what a caller stores;
//!   [`MediaDescriptor`] says where the bytes are; [`MediaStream`] carries them.
//! * [`Webhooks`] verifies and parses what a vendor delivers: a [`Delivery`] in, an [`Inbound`] out.
//! * [`Error`] says what happened, where, and what to do next.
//!
//! This crate has no HTTP client, no runtime, no clock and no JSON; time is passed in through [`Clock`].

mod budget;
mod capabilities;
mod descriptor;
mod digest;
mod error;
mod inbound;
mod media;
mod mime;
mod names;
mod provider;
mod reference;
mod secret;
#[cfg(feature = "serde")]
pub mod serialize;
mod stream;
mod text;
mod time;
mod upload;
mod webhooks;

pub use budget::{Budget, Limits, Spent};
pub use capabilities::{Capabilities, DigestSource, KindLimit, UploadResult};
pub use descriptor::{MediaDescriptor, Source};
pub use digest::{DigestParseError, Sha256};
pub use error::{Error, ErrorKind, Phase, Result, Retry};
pub use inbound::{Delivery, FailedItem, Inbound, InboundItem, Items, MediaItem, OtherItem, Preview, Role};
pub use media::{ContentMetadata, DeclaredBy, MediaKind, MediaLink};
pub use mime::{Mime, MimeParseError};
pub use provider::{
    DeleteOptions, DeleteOutcome, ListOptions, ListedMedia, MediaPage, OpenOptions, Provider, ResolveOptions,
    Resume, UploadOptions, Uploaded,
};
pub use reference::{MediaId, MediaRef, Scope};
pub use secret::Secret;
pub use stream::{MediaHead, MediaStream};
pub use text::{hex, is_invisible, short_name};
pub use time::{Clock, format_rfc3339, unix_from_date, unix_seconds};
pub use upload::{UploadBody, UploadContent};
pub use webhooks::{Authenticity, Handshake, ReceiveOptions, Received, WebhookCapabilities, Webhooks};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
