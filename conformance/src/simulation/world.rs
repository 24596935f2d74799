//! What a world is made of: plain data, one JSON file each.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wamedia_core::Sha256;

use super::{Content, Shape};

/// Everything that a simulated transfer depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// What can be fetched, and how it is served.
    pub objects: Vec<Object>,
    /// What all replies have in common.
    pub server: Server,
    /// What the caller asks for.
    pub client: Client,
    /// What lies in the folder before the first run.
    pub before: Vec<ExistingFile>,
    /// What happens meanwhile.
    pub event: Event,
}

/// What all replies have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The provider declares that content can be read from an offset on.
    pub ranges: bool,
    /// The provider names a link; otherwise it serves content by id.
    pub links: bool,
    /// The size of the chunks of honest replies.
    pub chunk: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self { ranges: true, links: true, chunk: 65_536 }
    }
}

/// One object, the claims about it, and what the server does when it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Object {
    /// Its content.
    pub content: Content,
    /// Another content that takes its place.
    pub replacement: Option<Replacement>,
    /// What the webhook says.
    pub webhook: Statement,
    /// Whether the webhook's signature was verified.
    pub signed: bool,
    /// What the reply to `resolve` says.
    pub reply: Statement,
    /// What the caller demands.
    pub caller: CallerClaims,
    /// The name of the file, where the destination is one file.
    pub target: String,
    /// What the server answers to each `resolve`; afterwards it is honest.
    pub resolve: Vec<Option<Failure>>,
    /// What the server answers to each request for content; afterwards it is honest.
    pub open: Vec<Reply>,
}

impl Default for Object {
    fn default() -> Self {
        Self {
            content: Content::default(),
            replacement: None,
            webhook: Statement::default(),
            signed: false,
            reply: Statement::default(),
            caller: CallerClaims::default(),
            target: "photo".to_owned(),
            resolve: Vec::new(),
            open: Vec::new(),
        }
    }
}

/// A second version of an object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Requests for content that still get the first version.
    pub after: u32,
    /// How many bytes it has more.
    pub grow: i32,
}

/// What somebody says about an object.
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
    /// The digest of nothing in this world.
    Wrong,
    /// Text that is not a digest.
    Unusable,
}

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
pub enum Reply {
    /// A body.
    Body(BodyReply),
    /// An error.
    Fail(Failure),
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

/// What the caller asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Where the bytes go.
    pub destination: Destination,
    /// What to do where the name is taken.
    pub exists: IfExists,
    /// What to do where the bytes are not what was declared.
    pub mismatch: Mismatch,
    /// The most bytes.
    pub max_bytes: Option<u64>,
    /// Milliseconds for each transfer.
    pub deadline_ms: Option<u64>,
    /// Go on from a partial file.
    pub resume_partial: bool,
    /// All objects at once, so many at a time; otherwise one after the other.
    pub many: Option<u8>,
    /// Attempts in all.
    pub max_attempts: u32,
    /// New links in all.
    pub max_renewals: u32,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            destination: Destination::Memory,
            exists: IfExists::Refuse,
            mismatch: Mismatch::Reject,
            max_bytes: None,
            deadline_ms: None,
            resume_partial: false,
            many: None,
            max_attempts: 5,
            max_renewals: 1,
        }
    }
}

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// Into memory.
    Memory,
    /// Into a writer.
    Writer,
    /// Into a file with a given name.
    File,
    /// Into a folder, under a name made from what was declared.
    Folder,
}

/// What to do where the name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfExists {
    /// Fail.
    Refuse,
    /// Keep what is there.
    Keep,
    /// Replace it.
    Replace,
}

/// What to do where the bytes are not what was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    /// Fail.
    Reject,
    /// Fail, and keep the bytes under another name.
    Quarantine,
    /// Succeed, and say so.
    Record,
}

/// Something that lies in the folder before the first run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExistingFile {
    /// Somebody else's file, under the name of this object.
    File(u8),
    /// A folder under the name of this object.
    Folder(u8),
    /// A symbolic link under the name of this object, to a file elsewhere.
    Symlink(u8),
    /// A hard link under the name of this object, to a file elsewhere.
    HardLink(u8),
    /// What a killed run left that stored an object.
    Partial {
        /// Which object.
        object: u8,
        /// The name of the file that it was to become.
        target: String,
        /// What the partial file holds.
        bytes: PartialBytes,
    },
}

/// What a partial file holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartialBytes {
    /// The first bytes of the object.
    Beginning(u32),
    /// Something else.
    Garbage(u32),
    /// It is a symbolic link to a file elsewhere that begins as the object does.
    Symlink(u32),
    /// It is a hard link to such a file.
    HardLink(u32),
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Nothing.
    #[default]
    None,
    /// The caller gives up after so many polls.
    Cancel(u32),
    /// The same command runs a second time.
    Again,
    /// The same command runs twice at once.
    Twice,
    /// The same command runs twice at once, on two threads that take no turns.
    Apart,
    /// The process is killed after so many polls, and the same command runs again.
    Kill(u32),
}

impl Object {
    /// The salt of a version's content.
    fn salt(index: usize, version: usize) -> u32 {
        u32::try_from(index * 2 + version).unwrap_or(u32::MAX)
    }

    /// The versions: the first one, and the one that takes its place.
    pub fn versions(&self, index: usize) -> Vec<Bytes> {
        let mut out = vec![self.content.bytes(Self::salt(index, 0))];
        if let Some(replacement) = self.replacement {
            let size = self.content.size.saturating_add_signed(replacement.grow);
            out.push(Content { size, ..self.content }.bytes(Self::salt(index, 1)));
        }
        out
    }

    /// Which version the server has after so many requests for content.
    pub fn version_after(&self, requests: u32) -> usize {
        usize::from(self.replacement.is_some_and(|replacement| requests >= replacement.after))
    }

    /// What the server answers to the request for content with this number.
    pub fn reply(&self, number: u32, server: &Server) -> Reply {
        let honest = || Reply::Body(BodyReply { chunk: server.chunk, ..BodyReply::default() });
        self.open.get(number as usize).cloned().unwrap_or_else(honest)
    }
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
