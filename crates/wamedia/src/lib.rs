#![doc = include_str!("../README.md")]

mod config;
mod factory;
#[cfg(feature = "serde")]
mod file;
// Pages for rustdoc; a program has nothing of them.
#[cfg(any(
    all(doc, not(doctest)),
    all(doctest, feature = "client", feature = "meta", feature = "http", feature = "object_store")
))]
pub mod guide;
mod names;
mod registry;
mod vendors;

// A provider, chosen by its name.
pub use config::{Config, ConfigError, ConfigProblem};
pub use factory::{ProviderFactory, ProviderInfo, Setting};
#[cfg(feature = "serde")]
pub use file::{ConfigFile, NetworkConfig};
pub use names::nearest_name;
pub use registry::{Registry, provider, webhooks};
pub use wamedia_provider::SystemClock;
#[cfg(feature = "client")]
pub use wamedia_provider::{Lookup, NetworkOptions, NotTheApi, Proxy, Resolver, TransportOptions};

// The contract: providers, references, media.
pub use wamedia_core::{
    Budget, Capabilities, Clock, ContentMetadata, DeclaredBy, DeleteOptions, DeleteOutcome, DigestParseError,
    DigestSource, KindLimit, Limits, ListOptions, ListedMedia, MediaDescriptor, MediaHead, MediaId,
    MediaKind, MediaLink, MediaPage, MediaRef, MediaStream, Mime, MimeParseError, OpenOptions, Provider,
    ResolveOptions, Resume, Scope, Secret, Sha256, Source, Spent, UploadBody, UploadContent, UploadOptions,
    UploadResult, Uploaded,
};
// Errors.
pub use wamedia_core::{Error, ErrorKind, Phase, Result, Retry};
// Deliveries.
pub use wamedia_core::{
    Authenticity, Delivery, FailedItem, Handshake, Inbound, InboundItem, Items, MediaItem, OtherItem,
    Preview, ReceiveOptions, Received, Role, WebhookCapabilities, Webhooks,
};
// The serialised shapes of reports.
#[cfg(feature = "serde")]
pub use wamedia_core::serialize;
// Text for people.
pub use wamedia_core::{format_rfc3339, is_invisible, short_name, unix_from_date, unix_seconds};

// The engine: a reference in, verified bytes out.
#[cfg(feature = "client")]
pub use wamedia_transfer::{
    Begin, BeginContext, Destination, Difference, Downloaded, Event, Fetched, File, Finished, Folder,
    FolderEntry, Hasher, IfExists, Job, ManyOptions, Memory, Observer, OffloadLimit, OnMismatch, Outcome,
    ProviderExt, Receipt, Require, Sequential, Target, Transfer, TransferOptions, Verified, VerifiedReader,
    remove_stale_partials, safe_name, sniff, transfer_many,
};

#[cfg(feature = "object_store")]
pub use wamedia_transfer::Object;

// The vendors, with builders of their own.
#[cfg(feature = "360dialog")]
pub use wamedia_360dialog as dialog360;
#[cfg(feature = "chakra")]
pub use wamedia_chakra as chakra;
#[cfg(feature = "meta")]
pub use wamedia_meta as meta;
#[cfg(feature = "nxcloud")]
pub use wamedia_nxcloud as nxcloud;
#[cfg(feature = "preflight")]
pub use wamedia_preflight as preflight;
#[cfg(feature = "twilio")]
pub use wamedia_twilio as twilio;
#[cfg(feature = "whapi")]
pub use wamedia_whapi as whapi;
