//! The kit for provider authors: the transport, which is the only place that builds an HTTP client, and what
//! several vendors' deliveries have in common. A caller never needs it.
//!
//! * A [`Credential`] is bound to its [`Origin`]s when it is made; no other origin ever gets it.
//! * [`Http::call`] is for small replies, [`Http::open`] for content. Both rebuild the request for
//!   every attempt and repeat it until the head of a good reply has arrived, within a
//!   [`Budget`](wamedia_core::Budget).
//! * Redirects are followed by hand, names are resolved through an address filter, nothing is
//!   decompressed, and errors never contain a URL.
//! * Every error passes a filter that takes out each piece of eight bytes or more of every credential that
//!   the client was told, however a server spells it.
//! * [`json`] reads a delivery without losing any of it, [`cloud_api`] is the webhook shape that several vendors
//!   share, and [`signature`] compares in constant time.

mod address;
mod body;
mod breaker;
mod client;
pub mod cloud_api;
mod credential;
mod failure;
pub mod json;
mod multipart;
mod net;
mod origin;
mod redact;
mod request;
pub mod signature;
mod status;

pub use client::{Call, Http, Opened};
pub use credential::{BoundHeader, Credential};
pub use multipart::Multipart;
pub use net::{Lookup, Net, Resolver, SystemClock, TransportOptions};
pub use origin::{HostRules, Origin};
pub use request::{Body, Reply, Request};
pub use status::{error_for_status, retry_after, vendor_text};
