use std::fmt;
use std::time::Duration;

use wamedia_core::{ContentMetadata, DeclaredBy, Mime, Sha256};

/// What the content was verified against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// A digest that the caller, the webhook or the provider declared.
    Digest(DeclaredBy),
    /// Its length alone.
    Length(DeclaredBy),
    /// Nothing was declared, or the mismatch was only recorded.
    None,
}

impl Verified {
    /// `"digest"`, `"length"` or `"none"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digest(_) => "digest",
            Self::Length(_) => "length",
            Self::None => "none",
        }
    }

    /// Who declared what it was verified against.
    pub const fn declared_by(self) -> Option<DeclaredBy> {
        match self {
            Self::Digest(by) | Self::Length(by) => Some(by),
            Self::None => None,
        }
    }
}

/// The stable name, as in serialised shapes.
impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A difference between declared metadata and the content that did not make the transfer fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Difference {
    /// The size differs, although the digest matches.
    #[non_exhaustive]
    Size {
        /// What was declared.
        declared: u64,
        /// What arrived.
        actual: u64,
    },
    /// The reply, or the bytes themselves, have another type than the declared one.
    #[non_exhaustive]
    Type {
        /// What was declared.
        declared: Mime,
        /// What arrived.
        actual: Mime,
    },
    /// The digest differs, and the caller chose to record that.
    #[non_exhaustive]
    Digest {
        /// What was declared.
        declared: Sha256,
        /// What arrived.
        actual: Sha256,
    },
    /// A declared digest could not be used: it is truncated, or not a SHA-256.
    UnusableDigest(String),
    /// The webhook and the provider declared different digests; the provider's was used.
    #[non_exhaustive]
    Disagreement {
        /// The digest in the webhook.
        webhook: Sha256,
        /// The digest in the provider's reply.
        provider: Sha256,
    },
}

/// How the content was fetched and verified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Receipt {
    /// The size of the content.
    pub bytes: u64,
    /// The digest of the content.
    pub sha256: Sha256,
    /// What it was verified against.
    pub verified: Verified,
    /// The declared metadata, merged in this order: caller, signed webhook, provider, unsigned webhook.
    pub declared: ContentMetadata,
    /// Who declared the digest, or else the size, that it was checked against.
    pub declared_by: Option<DeclaredBy>,
    /// The media type by the first bytes.
    pub sniffed_mime: Option<Mime>,
    /// What differs from the declared metadata.
    pub differences: Vec<Difference>,
    /// Attempts in all: the first one, and one for every failure that was recovered from.
    pub attempts: u32,
    /// How often a broken body was resumed.
    pub resumes: u32,
    /// How often a dead link was replaced.
    pub renewals: u32,
    /// Requests that were sent.
    pub requests: u32,
    /// Content bytes received, discarded ones included.
    pub received_bytes: u64,
    /// Time spent waiting between attempts.
    pub waited: Duration,
    /// Time from beginning to end.
    pub elapsed: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_has_a_stable_name_and_says_against_whom() {
        for (verified, name, by) in [
            (Verified::Digest(DeclaredBy::Caller), "digest", Some(DeclaredBy::Caller)),
            (Verified::Length(DeclaredBy::Provider), "length", Some(DeclaredBy::Provider)),
            (Verified::None, "none", None),
        ] {
            assert_eq!((verified.name(), verified.declared_by()), (name, by));
        }
    }
}
