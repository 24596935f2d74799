//! The language of wamedia: what every provider says, in one set of types.
//!
//! * [`Provider`] is what a provider crate implements; [`MediaRef`] is what a caller stores;
//!   [`MediaDescriptor`] says where the bytes are; [`MediaStream`] carries them.
//! * [`Webhooks`] verifies and parses what a vendor delivers: a [`Delivery`] in, an [`Inbound`] out.
//! * [`Error`] says what happened, where, and what to do next.
//!
//! This crate has no HTTP client, no runtime and no clock; time is passed in through [`Clock`].

mod budget;
mod capabilities;
pub mod cloud_webhook;
mod digest;
mod error;
mod inbound;
pub mod json;
mod media;
mod mime;
mod provider;
mod reference;
mod secret;
pub mod signature;
mod stream;
mod text;
mod time;
mod webhooks;

pub use budget::{Budget, Limits, Spent};
pub use capabilities::{Capabilities, DigestSource, FailureBudget, KindLimit, UploadResult};
pub use digest::{DigestParseError, Sha256};
pub use error::{Error, ErrorKind, Phase, Result, Retry};
pub use inbound::{Delivery, FailedItem, Inbound, InboundItem, Items, MediaItem, OtherItem, Preview, Role};
pub use media::{Declared, DeclaredBy, MediaDescriptor, MediaKind, MediaLink, Source};
pub use mime::{Mime, MimeParseError};
pub use provider::{
    DeleteOptions, DeleteOutcome, ListOptions, ListedMedia, MediaPage, OpenOptions, Provider, ResolveOptions,
    Resume, UploadBody, UploadContent, UploadOptions, Uploaded,
};
pub use reference::{MediaId, MediaRef, Scope};
pub use secret::Secret;
pub use stream::{MediaHead, MediaStream};
pub use text::is_invisible;
pub use time::{Clock, format_rfc3339, unix_seconds};
pub use webhooks::{Authenticity, Handshake, ReceiveOptions, Received, WebhookCapabilities, Webhooks};
