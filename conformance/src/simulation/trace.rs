//! What a driver records while the client runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use wamedia_core::Sha256;

/// What happened in a world.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Every request, in order.
    pub requests: Vec<RequestLog>,
    /// How every transfer ended.
    pub jobs: Vec<JobTrace>,
    /// What the driver put into the folder.
    pub planted: Vec<Planted>,
    /// The folder before the first run.
    pub before: BTreeMap<String, Entry>,
    /// The folder after the first of two runs.
    pub between: Option<BTreeMap<String, Entry>>,
    /// The folder at the end.
    pub after: BTreeMap<String, Entry>,
    /// Files outside the folder that changed.
    pub outside_changed: Vec<String>,
    /// Whether the client panicked, and how.
    pub panic: Option<String>,
    /// Polls of the whole run.
    pub polls: u64,
    /// Pieces of credentials that were seen in errors or receipts.
    pub leaks: Vec<String>,
    /// Whether the bytes went through sockets, so that the server does not know what arrived.
    pub wire: bool,
    /// Whether the program ran, which tells less than the library.
    pub program: bool,
    /// Whether the client remembers what it stored in a folder.
    pub remembers: bool,
    /// Whether the run was stopped because it made too many polls.
    pub endless: bool,
}

/// One thing in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file with this content.
    File(Bytes),
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
}

/// Something that the driver put into the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Its path, relative to the folder.
    pub path: String,
    /// What it is.
    pub role: PlantedRole,
}

/// What something in the folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlantedRole {
    /// A file of the user.
    Foreign,
    /// The partial file of this target that a killed run left.
    PartialOf(String),
}

/// One request, as the server saw it.
#[derive(Clone, Debug)]
pub struct RequestLog {
    /// Of which run.
    pub run: usize,
    /// For which object.
    pub object: usize,
    /// What was asked.
    pub what: RequestWhat,
    /// The body that was answered, or the name of the error.
    pub answer: Result<BodyLog, String>,
    /// Whether the error says that asking again does not help.
    pub is_final: bool,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestWhat {
    /// Where the bytes are.
    Resolve,
    /// The bytes.
    Open {
        /// From this offset, where one was given.
        offset: Option<u64>,
        /// The validator that was sent along.
        validator: Option<String>,
    },
}

/// A body as far as the client took it.
#[derive(Clone, Debug, Default)]
pub struct BodyLog {
    /// Which version of the object it is from.
    pub version: usize,
    /// A partial reply.
    pub partial: bool,
    /// Where it says that it starts.
    pub start: u64,
    /// The length that it states.
    pub length: Option<u64>,
    /// The size of the whole that it states.
    pub total: Option<u64>,
    /// Its validator.
    pub validator: Option<String>,
    /// The beginning of what it would be in full.
    pub beginning: Bytes,
    /// The bytes that the client took.
    pub sent: Bytes,
    /// Chunks that the client took.
    pub chunks: u64,
    /// The largest chunk.
    pub largest_chunk: u64,
    /// How it ended, as far as the client saw it.
    pub ending: Ending,
}

impl BodyLog {
    /// The size of the whole content by this head alone.
    pub fn stated_total(&self) -> Option<u64> {
        if self.partial { self.total } else { self.length }
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// The client did not read to its end.
    #[default]
    Unread,
    /// Cleanly.
    Clean,
    /// With an error.
    Error,
}

/// How one transfer ended.
#[derive(Clone, Debug)]
pub struct JobTrace {
    /// Of which run.
    pub run: usize,
    /// Of which object.
    pub object: usize,
    /// Success, or the kind of the error; `None` where it was cancelled or killed.
    pub outcome: Option<Result<Success, (String, String)>>,
    /// What a writer got.
    pub written: Option<Bytes>,
    /// How many bytes the client had and the writer had not, when it got its first, and at most.
    pub held: Option<(u64, u64)>,
    /// Virtual time that it took.
    pub elapsed: Duration,
}

/// A successful transfer.
#[derive(Clone, Debug)]
pub struct Success {
    /// The bytes at the destination.
    pub stored: Bytes,
    /// The path in the folder.
    pub path: Option<String>,
    /// It was there before, and nothing was fetched.
    pub kept: bool,
    /// The receipt's size and digest.
    pub receipt: Option<(u64, Sha256)>,
    /// What the receipt says it was verified against.
    pub verified: VerifiedBy,
    /// How many differences the receipt lists.
    pub differences: usize,
    /// The receipt's count of requests.
    pub requests: u32,
    /// The receipt's count of received bytes.
    pub received: u64,
    /// The receipt's count of resumed bodies.
    pub resumes: u32,
    /// The receipt as it is shown to people who debug.
    pub shown: String,
}

/// What a receipt says the content was verified against; the text is who declared it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifiedBy {
    /// A digest.
    Digest(String),
    /// A length.
    Length(String),
    /// Nothing.
    None,
}

impl Trace {
    /// The requests of one transfer.
    pub fn requests_of(&self, run: usize, object: usize) -> impl Iterator<Item = &RequestLog> {
        self.requests.iter().filter(move |request| request.run == run && request.object == object)
    }

    /// The trace in words: request, answer, decision, bytes.
    pub fn in_words(&self) -> String {
        let planted = self
            .planted
            .iter()
            .map(|planted| format!("in the folder: {} ({:?})", planted.path, planted.role));
        let requests = self.requests.iter().map(RequestLog::in_words);
        let jobs = self.jobs.iter().map(JobTrace::in_words);
        let after = self.after.iter().map(|(path, entry)| {
            let same = if self.before.get(path) == Some(entry) { ", as before" } else { "" };
            format!("at the end: {path:?}, {}{same}", entry.in_words())
        });
        let gone = self.before.keys().filter(|path| !self.after.contains_key(*path));
        let gone = gone.map(|path| format!("at the end: {path:?} is gone"));
        let panic = self.panic.iter().map(|panic| format!("panic: {panic}"));
        let lines = planted.chain(requests).chain(jobs).chain(after).chain(gone).chain(panic);
        lines.flat_map(|line| ["  ".to_owned(), line, "\n".to_owned()]).collect()
    }
}

impl Entry {
    fn in_words(&self) -> String {
        match self {
            Self::File(bytes) => format!("file of {} bytes", bytes.len()),
            Self::Folder => "folder".to_owned(),
            Self::Symlink => "symbolic link".to_owned(),
        }
    }
}

impl RequestLog {
    fn in_words(&self) -> String {
        let asked = match &self.what {
            RequestWhat::Resolve => "resolve".to_owned(),
            RequestWhat::Open { offset: None, .. } => "open".to_owned(),
            RequestWhat::Open { offset: Some(offset), validator } => {
                format!("open from {offset} if {}", validator.as_deref().unwrap_or("(no validator)"))
            }
        };
        let answer = match &self.answer {
            Err(kind) => kind.clone(),
            Ok(body) if self.what == RequestWhat::Resolve => format!("version {}", body.version + 1),
            Ok(body) => words(body),
        };
        format!("run {} object {}: {asked} -> {answer}", self.run + 1, self.object)
    }
}

impl JobTrace {
    fn in_words(&self) -> String {
        let end = match &self.outcome {
            None => "cancelled".to_owned(),
            Some(Err((kind, text))) => format!("failed: {kind}: {text}"),
            Some(Ok(success)) => format!(
                "success: {} bytes{}{}, verified: {:?}, {} differences",
                success.stored.len(),
                success.path.as_ref().map_or_else(String::new, |path| format!(" as {path:?}")),
                if success.kept { " (kept)" } else { "" },
                success.verified,
                success.differences
            ),
        };
        format!("run {} object {}: {end}, after {} ms", self.run + 1, self.object, self.elapsed.as_millis())
    }
}

fn words(body: &BodyLog) -> String {
    let mut out = if body.partial { format!("206 from {}", body.start) } else { "200".to_owned() };
    let stated = |value: Option<u64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let _ = write!(out, ", length {}", stated(body.length));
    if body.partial {
        let _ = write!(out, ", total {}", stated(body.total));
    }
    let _ = write!(
        out,
        ", validator {}, version {}, {} bytes in {} chunks taken, end: {:?}",
        body.validator.as_deref().unwrap_or("none"),
        body.version + 1,
        body.sent.len(),
        body.chunks,
        body.ending
    );
    out
}
