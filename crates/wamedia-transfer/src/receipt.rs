use std::time::Duration;

use wamedia_core::{ContentMetadata, DeclaredBy, Mime, Sha256};

/// What the content was verified against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// A digest that the caller, the webhook or the provider declared.
    Digest(DeclaredBy),
    /// Only its length.
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

/// Something that was not as declared, and did not make the transfer fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The digest fits, the declared size does not.
    Size {
        /// What was declared.
        declared: u64,
        /// What arrived.
        actual: u64,
    },
    /// The reply, or the bytes themselves, have another type than the declared one.
    Type {
        /// What was declared.
        declared: Mime,
        /// What arrived.
        actual: Mime,
    },
    /// The digest does not fit (recorded on the caller's wish).
    Digest {
        /// What was declared.
        declared: Sha256,
        /// What arrived.
        actual: Sha256,
    },
    /// A declared digest could not be used: it is truncated, or no SHA-256.
    UnusableDigest(String),
    /// The webhook and the provider declared different digests; the provider's was used.
    Disagreement {
        /// What the webhook said.
        webhook: Sha256,
        /// What the provider said.
        provider: Sha256,
    },
}

/// How the content came here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Receipt {
    /// How many bytes the content has.
    pub bytes: u64,
    /// What it hashes to.
    pub sha256: Sha256,
    /// What it was verified against.
    pub verified: Verified,
    /// What was declared, everybody's word together: caller before provider before webhook.
    pub declared: ContentMetadata,
    /// Who declared most of it.
    pub declared_by: Option<DeclaredBy>,
    /// The type of the bytes themselves.
    pub sniffed_mime: Option<Mime>,
    /// What was not as declared.
    pub differences: Vec<Difference>,
    /// Tries in all: the first one, and one for every failure that was absorbed.
    pub attempts: u32,
    /// How often a broken body was continued.
    pub resumes: u32,
    /// How often a dead link was replaced.
    pub renewals: u32,
    /// Requests on the wire.
    pub requests: u32,
    /// Content bytes received, discarded ones included.
    pub received_bytes: u64,
    /// Time spent waiting between attempts.
    pub waited: Duration,
    /// Time from beginning to end.
    pub elapsed: Duration,
}
