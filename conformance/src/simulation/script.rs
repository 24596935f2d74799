//! What the server does, request by request.

use serde::{Deserialize, Serialize};

use super::Shape;

/// An answer that brings no content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The error's kind, by its stable name.
    pub kind: String,
    /// Whether asking again can help.
    pub retry: Advice,
    /// The status that came with it.
    pub status: Option<u16>,
}

/// Advice about another try.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// It does not help.
    Never,
    /// It helps.
    Backoff,
    /// It helps after so many milliseconds.
    After(u64),
}

/// An answer to a request for content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptedReply {
    /// A body.
    Body(BodyReply),
    /// An error.
    Fail(Failure),
    /// A redirect, where there are sockets; the next answer is that of the place where it leads.
    Redirect(RedirectTo),
}

/// Where a redirect leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedirectTo {
    /// To the same origin.
    Same,
    /// To another origin that content may come from, which must not get the credential.
    Other,
    /// To an address that is not public and was not configured, which must not get a request.
    Forbidden,
}

/// A body and its head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BodyReply {
    /// Which bytes.
    pub served: Served,
    /// The stated media type, where it is not that of the bytes.
    pub mime: Option<String>,
    /// What becomes of a range that was asked for.
    pub range: RangeStyle,
    /// The stated length of the body.
    pub length: LengthClaim,
    /// The stated size of the whole content, of a partial reply.
    pub total: LengthClaim,
    /// The validator.
    pub validator: Validator,
    /// The size of the first chunk, where it differs.
    pub first_chunk: Option<u32>,
    /// The size of the chunks.
    pub chunk: u32,
    /// Milliseconds before each of the first chunks.
    pub pause_ms: u32,
    /// How it ends.
    pub end: End,
}

impl Default for BodyReply {
    fn default() -> Self {
        Self {
            served: Served::Current,
            mime: None,
            range: RangeStyle::Honoured,
            length: LengthClaim::Right,
            total: LengthClaim::Right,
            validator: Validator::Strong,
            first_chunk: None,
            chunk: 65_536,
            pause_ms: 0,
            end: End::Whole,
        }
    }
}

/// Which bytes a body has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Served {
    /// Those of the current version.
    Current,
    /// The same with one bit changed.
    Flipped(u32),
    /// Those of another object, as many places further.
    Other(u8),
    /// A page or an error document.
    Page(Shape),
}

/// What becomes of a range that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RangeStyle {
    /// It is served.
    Honoured,
    /// Everything is served, from the beginning.
    Ignored,
    /// The reply begins, and says that it begins, so many bytes later.
    Shifted(i32),
    /// At most so many bytes of it are served, and the reply says so.
    Part(u32),
    /// It is refused with status 416.
    Refused,
}

/// A stated length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LengthClaim {
    /// As it is.
    Right,
    /// Nothing is stated (`/*` for a total).
    Absent,
    /// So many more.
    Off(i32),
    /// 2^64 less so many.
    Huge(u8),
}

/// The validator of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validator {
    /// The same for every reply with the same version.
    Strong,
    /// None.
    Absent,
    /// Another one with every reply.
    Changing,
    /// Strong, but not in partial replies.
    OnlyWhole,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// After its last byte.
    Whole,
    /// The connection breaks after so many bytes.
    Break(u32),
    /// Nothing comes any more after so many bytes, until the transport's idle timeout.
    Stall(u32),
    /// It ends after so many bytes as if that were all.
    Stop(u32),
    /// So many bytes come beyond the last one.
    Over(u32),
}

impl LengthClaim {
    /// The claimed length.
    pub fn of(self, length: u64) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Right => Some(length),
            Self::Off(more) => Some(length.saturating_add_signed(more.into())),
            Self::Huge(less) => Some(u64::MAX - u64::from(less)),
        }
    }
}
