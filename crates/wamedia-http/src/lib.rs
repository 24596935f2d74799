//! The transport of wamedia, and the only crate that builds an HTTP client.
//!
//! * A [`Credential`] is bound to its [`Origin`]s when it is made; no other origin ever gets it.
//! * [`Http::call`] is for small replies, [`Http::open`] for content. Both rebuild the request for
//!   every attempt and repeat it until the head of a good reply has arrived, within a
//!   [`Budget`](wamedia_core::Budget).
//! * Redirects are followed by hand, names are resolved through an address filter, nothing is
//!   decompressed, and errors never contain a URL.
//! * Every error passes a filter that takes out each piece of eight bytes or more of every credential that
//!   the client was told, however a server spells it.

mod address;
mod body;
mod breaker;
mod client;
mod credential;
mod failure;
mod multipart;
mod net;
mod origin;
mod redact;
mod request;
mod status;

pub use client::{Call, Http, Opened};
pub use credential::{BoundHeader, Credential};
pub use multipart::Multipart;
pub use net::{Lookup, Net, Resolver, SystemClock, TransportOptions};
pub use origin::{HostRules, Origin};
pub use request::{Body, Reply, Request};
pub use status::{error_for_status, retry_after, vendor_text};
