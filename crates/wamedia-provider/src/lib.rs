//! The kit for provider authors: the transport, which is the only place that builds an HTTP client, and what
//! several vendors have in common. A caller never needs it.
//!
//! * [`Api`] is a vendor's API: its name, its hosts and the transport to them. It makes [`Call`]s.
//! * [`Call::send`] is for small replies, [`Call::open`] for content, [`Call::upload`] for what is sent once. All of
//!   them rebuild the request for every attempt and repeat it within a [`Budget`](wamedia_core::Budget) where that
//!   is safe; they name provider, operation and phase in every error.
//! * A [`Credential`] is bound to its [`Origin`]s when it is made; no other origin ever gets it.
//! * Redirects are followed by hand, names are resolved through an address filter, nothing is decompressed, and
//!   errors never contain a URL.
//! * Every error passes a filter that takes out each piece of eight bytes or more of every credential that the
//!   client was told, however a server spells it.
//! * [`NetworkSettings`] and [`Problems`] are what every builder has; [`RetryOnce`] and [`NotYetStoredRetry`] are
//!   rules that more than one vendor needs.
//! * [`json`] reads a delivery without losing any of it, [`cloud_api`] is what Meta says and others forward, and
//!   [`signature`] compares in constant time.
//!
//! Without the feature `client` only what reads and verifies deliveries is left: no HTTP client and no runtime.

mod clock;
pub mod cloud_api;
pub mod json;
pub mod signature;

#[cfg(feature = "client")]
mod address;
#[cfg(feature = "client")]
mod api;
#[cfg(feature = "client")]
mod body;
#[cfg(feature = "client")]
mod breaker;
#[cfg(feature = "client")]
mod builder;
#[cfg(feature = "client")]
mod call;
#[cfg(feature = "client")]
mod content;
#[cfg(feature = "client")]
mod credential;
#[cfg(feature = "client")]
mod disposition;
#[cfg(feature = "client")]
mod failure;
#[cfg(feature = "client")]
mod head;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "client")]
mod multipart;
#[cfg(feature = "client")]
mod network;
#[cfg(feature = "client")]
mod origin;
#[cfg(feature = "client")]
mod proxy;
#[cfg(feature = "client")]
mod redact;
#[cfg(feature = "client")]
mod redirect;
#[cfg(feature = "client")]
mod reply;
#[cfg(feature = "client")]
mod request;
#[cfg(feature = "client")]
mod retry;
#[cfg(feature = "client")]
mod status;
#[cfg(feature = "client")]
mod tls;
#[cfg(feature = "client")]
mod transport;

pub use clock::SystemClock;

#[cfg(feature = "client")]
pub use {
    api::Api,
    breaker::FailureBudget,
    builder::{Hosts, NetworkSettings, Problems, is_digits},
    call::Call,
    content::link_of,
    credential::{BoundHeader, Credential},
    failure::NotTheApi,
    multipart::Multipart,
    network::{Lookup, NetworkOptions, Resolver, TransportOptions},
    origin::{HostRules, Origin},
    proxy::Proxy,
    reply::{Reply, dead_link, decode_error, delete_outcome, integer},
    request::{Body, Request},
    retry::{NotYetStoredRetry, RetryOnce},
    status::{error_for_status, retry_after, vendor_text},
};

#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
mod readme {}
