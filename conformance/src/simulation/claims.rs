//! What is claimed about an object, and what follows from a claim.

use serde::{Deserialize, Serialize};
use wamedia_core::Sha256;

/// What the webhook or the reply states about an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Statement {
    /// The media type.
    pub mime: Option<String>,
    /// The kind of media, by its stable name.
    pub kind: Option<String>,
    /// The size.
    pub size: SizeClaim,
    /// The digest.
    pub sha256: DigestClaim,
    /// The file name.
    pub name: Option<String>,
}

/// What the caller demands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallerClaims {
    /// The size.
    pub size: SizeClaim,
    /// The digest.
    pub sha256: DigestClaim,
}

/// A claim about a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SizeClaim {
    /// None.
    #[default]
    Absent,
    /// The size.
    Right,
    /// The size and so many more.
    Off(i32),
    /// 2^64 less so many.
    Huge(u8),
}

/// A claim about a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestClaim {
    /// None.
    #[default]
    Absent,
    /// The digest of the first version; in a reply, of the version that is current.
    Right,
    /// A digest that no content in this world has.
    Wrong,
    /// Text that is not a digest.
    Unusable,
}

/// What an unusable digest looks like.
const UNUSABLE_DIGEST: &str = "SfInY0gG";

impl DigestClaim {
    /// The claimed digest of these bytes, where the claim is a digest.
    pub fn of(self, bytes: &[u8]) -> Option<Sha256> {
        match self {
            Self::Absent | Self::Unusable => None,
            Self::Right => Some(Sha256::of(bytes)),
            Self::Wrong => Some(Sha256::of(b"the digest of nothing in any world")),
        }
    }

    /// The claim as text.
    pub fn text(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Unusable => Some(UNUSABLE_DIGEST.to_owned()),
            claim => claim.of(bytes).map(|digest| digest.to_hex()),
        }
    }
}

impl SizeClaim {
    /// The claimed size of a content with `size` bytes.
    pub fn of(self, size: usize) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Right => Some(size as u64),
            Self::Off(more) => Some((size as u64).saturating_add_signed(more.into())),
            Self::Huge(less) => Some(u64::MAX - u64::from(less)),
        }
    }
}
