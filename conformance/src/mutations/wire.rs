//! The mutations of settings and receipts, and those that the tampering proxy makes on the wire.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use wamedia_provider::{Lookup, Resolver, TransportOptions};
use wamedia_transfer::{Fetched, OnMismatch, TransferOptions, Verified};

use super::Mutation;
use crate::credentials::base64;
use crate::matching::Received;
use crate::{CANARY, TestNet};
use wamedia_sandbox::http1::Response;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The same names, and addresses that are all accepted or all refused.
#[derive(Debug)]
struct Accepting(Arc<dyn Resolver>, bool);

impl Resolver for Accepting {
    fn lookup(&self, name: &str) -> Lookup {
        self.0.lookup(name)
    }

    fn accepts(&self, _: IpAddr) -> bool {
        self.1
    }
}

fn accept(transport: &mut TransportOptions, all: bool) {
    transport.network.resolver = Arc::new(Accepting(Arc::clone(&transport.network.resolver), all));
}

impl Mutation {
    pub(crate) fn net(self, net: &mut TestNet) {
        let transport = &mut net.transport;
        match self {
            Self::WaitsForEver => {
                transport.idle_timeout = YEAR;
                transport.first_byte_timeout = YEAR;
            }
            Self::ConnectsForEver => {
                transport.connect_timeout = YEAR;
                transport.first_byte_timeout = YEAR;
            }
            Self::IgnoresTheMinimumRate => transport.min_rate = None,
            Self::ChecksNoAddress => accept(transport, true),
            // The proxy variable leads nowhere, so this client reaches nothing.
            Self::TakesProxies if std::env::var_os("https_proxy").is_some() => {
                accept(transport, false);
            }
            _ => {}
        }
    }

    pub(crate) fn options(self, options: &mut TransferOptions) {
        let limits = &mut options.limits;
        match self {
            Self::OnlyRecordsMismatches => options.on_mismatch = OnMismatch::Record,
            Self::RenewsForEver => limits.max_renewals = 50,
            Self::SleepsADay => {
                limits.max_wait = YEAR;
                limits.max_total_wait = YEAR;
            }
            Self::NeverRetries => limits.max_attempts = 1,
            Self::RetriesForEver => limits.max_attempts = 100,
            Self::HasNoCap => options.max_bytes = None,
            Self::CutsSlowTransfers => options.deadline = Some(Duration::from_secs(300)),
            Self::IgnoresTheDeadline => options.deadline = None,
            _ => {}
        }
    }

    pub(crate) fn outcome(self, fetched: &mut Fetched) {
        let receipt = &mut fetched.receipt;
        match self {
            Self::SaysVerified => receipt.verified = Verified::Digest(wamedia_core::DeclaredBy::Provider),
            Self::LiesInReceipts => (receipt.requests, receipt.attempts) = (1, 1),
            _ => {}
        }
    }

    /// Whether the mutation is made by the tampering proxy.
    pub(crate) fn is_on_the_wire(self) -> bool {
        matches!(
            self,
            Self::RewritesLinks
                | Self::SendsContentType
                | Self::SendsTheTokenInAHeader
                | Self::SendsTheTokenInBase64
                | Self::SendsTheTokenEverywhere
                | Self::SignsOnce
                | Self::SignsTheForm
                | Self::RenamesParts
                | Self::QuotesNothing
                | Self::ChokesOnUnknownFields
                | Self::IgnoresRetryAfter
                | Self::WaitsOnlyForSeconds
                | Self::TrustsNonsenseWaits
                | Self::TakesSeveralParts
                | Self::Inflates
                | Self::SwallowsHostileHeads
                | Self::TakesPages
                | Self::ConnectsAnew
                | Self::FollowsDowngrades
                | Self::FollowsInside
                | Self::FollowsAnyHost
                | Self::FollowsLookalikes
                | Self::FollowsForEver
        )
    }

    /// Changes a request of the client before the server gets it.
    pub(super) fn request(self, received: &mut Received, signed_anew: &[String]) {
        let is_form = received.header("content-type").is_some_and(|kind| kind.starts_with("multipart/"));
        match self {
            Self::RewritesLinks => received.target = received.target.replace("%3D", "=").replace("/?", "?"),
            Self::SendsContentType if received.method == "GET" => {
                received.headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            Self::SendsTheTokenInAHeader => {
                received.headers.push(("x-api-key".to_owned(), CANARY.to_owned()));
            }
            Self::SendsTheTokenInBase64 => {
                let value = base64(format!("user:{CANARY}").as_bytes(), false);
                received.headers.push(("x-api-key".to_owned(), value));
            }
            Self::SendsTheTokenEverywhere if received.header("authorization").is_none() => {
                received.headers.push(("authorization".to_owned(), format!("Bearer {CANARY}")));
            }
            Self::SignsOnce | Self::SignsTheForm if self == Self::SignsOnce || is_form => {
                for (name, value) in &mut received.headers {
                    if signed_anew.iter().any(|signed| signed.eq_ignore_ascii_case(name)) {
                        "0".clone_into(value);
                    }
                }
            }
            Self::RenamesParts if is_form => {
                // The last letter of the name of the part with the file.
                if let Some(at) = find(&received.body, b"\"; filename=") {
                    received.body[at - 1] = b'_';
                }
            }
            Self::QuotesNothing if is_form && find(&received.body, b"X-Evil").is_some() => {
                received.headers.push(("x-evil".to_owned(), "1".to_owned()));
            }
            _ => {}
        }
    }

    /// Changes a reply before the client gets it, into what such a client would read.
    pub(super) fn reply(self, reply: &mut Response) {
        let header = |reply: &Response, name: &str| {
            reply
                .headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone())
        };
        let without = |reply: &mut Response, name: &str| {
            reply.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        };
        match self {
            Self::ChokesOnUnknownFields if find(&reply.body, b"new_in_2031").is_some() => {
                reply.body = "{}".into();
            }
            Self::IgnoresRetryAfter => without(reply, "retry-after"),
            Self::WaitsOnlyForSeconds
                if header(reply, "retry-after").is_some_and(|wait| wait.contains("GMT")) =>
            {
                without(reply, "retry-after");
            }
            Self::TrustsNonsenseWaits
                if header(reply, "retry-after").is_some_and(|wait| wait.parse::<u32>().is_err()) =>
            {
                *reply = reply.clone().header("retry-after", "86400");
            }
            Self::TakesSeveralParts => {
                without(reply, "content-encoding");
                if header(reply, "content-type").is_some_and(|kind| kind.starts_with("multipart/")) {
                    without(reply, "content-type");
                }
            }
            Self::Inflates if header(reply, "content-encoding").is_some() => {
                reply.body = reply.body.repeat(2).into();
            }
            Self::SwallowsHostileHeads => without(reply, "x-flood"),
            Self::TakesPages if reply.body.starts_with(b"<") || reply.body.starts_with(b"{\"status\"") => {
                without(reply, "content-type");
                reply.body = [b"_", &reply.body[..]].concat().into();
            }
            Self::ConnectsAnew => *reply = reply.clone().header("connection", "close"),
            _ => {}
        }
    }

    /// Whether such a client follows a redirect to this location.
    pub(super) fn follows(self, location: &str) -> bool {
        let inside = ["127.", "2130706434", "[::ffff:"].iter().any(|text| location.contains(text));
        self == if location.starts_with("http://") {
            Self::FollowsDowngrades
        } else if inside {
            Self::FollowsInside
        } else if location.starts_with("https://evil.test/") {
            Self::FollowsAnyHost
        } else if location.starts_with("https://") {
            Self::FollowsLookalikes
        } else {
            Self::FollowsForEver
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
