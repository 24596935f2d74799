//! What a world is made of: plain data, one JSON file each.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{BodyReply, CallerClaims, Content, Failure, ScriptedReply, Statement};

/// Everything that a simulated transfer depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// What can be fetched, and how it is served.
    pub objects: Vec<Object>,
    /// Properties of all replies.
    pub server: Server,
    /// What the caller asks for.
    pub client: Client,
    /// What lies in the folder before the first run.
    pub before: Vec<ExistingFile>,
    /// What happens meanwhile.
    pub event: WorldEvent,
    /// When the client's clock is set.
    pub clock: Option<ClockJump>,
}

/// Over sockets: the client's clock is set forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockJump {
    /// How often it is looked at before.
    pub after: u8,
    /// By so many seconds.
    pub seconds: i32,
}

/// Properties of all replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The provider declares that content can be read from an offset on.
    pub ranges: bool,
    /// The provider names a link; otherwise it serves content by id.
    pub links: bool,
    /// The size of the chunks of honest replies.
    pub chunk: u32,
    /// Over sockets: which of the providers that serve content in this way is used.
    pub provider: u8,
    /// Over sockets: when links say that they die, in seconds from the beginning.
    pub link_seconds: Option<i32>,
}

impl Default for Server {
    fn default() -> Self {
        Self { ranges: true, links: true, chunk: 65_536, provider: 0, link_seconds: None }
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
    pub open: Vec<ScriptedReply>,
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
    /// A folder records what it has.
    pub manifest: bool,
    /// How many bytes of content the disk takes in each run.
    pub disk_room: Option<u32>,
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
            manifest: true,
            disk_room: None,
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
    /// Into an object store in memory, under a given name.
    ObjectStore,
}

impl Destination {
    /// Whether the caller gives the name.
    pub(super) fn is_named(self) -> bool {
        matches!(self, Self::File | Self::ObjectStore)
    }
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
pub enum WorldEvent {
    /// Nothing.
    #[default]
    None,
    /// The caller gives up after so many polls.
    Cancel(u32),
    /// The same command runs a second time.
    Again,
    /// The same command runs a second time, and only so many bytes of what the first one recorded are left.
    Forget(u32),
    /// The same command runs twice at once.
    Twice,
    /// The same command runs twice at once, on two threads that take no turns.
    Apart,
    /// The process is killed after so many polls, and the same command runs again.
    Kill(u32),
    /// The machine stops after so many operations on files, and the same command runs again.
    Crash(u32),
}

impl WorldEvent {
    /// Whether the same command may run more than once.
    pub(super) fn may_run_twice(self) -> bool {
        !matches!(self, Self::None | Self::Cancel(_))
    }

    /// Whether the first run may end without clearing up.
    pub(super) fn is_sudden(self) -> bool {
        matches!(self, Self::Kill(_) | Self::Crash(_))
    }
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
    pub fn reply(&self, number: u32, server: &Server) -> ScriptedReply {
        let honest = || ScriptedReply::Body(BodyReply { chunk: server.chunk, ..BodyReply::default() });
        self.open.get(number as usize).cloned().unwrap_or_else(honest)
    }
}
