//! The manifest of a folder: which reference is stored under which name.
//!
//! One JSON line is appended for each file before it gets its final name. The line names the temporary file, so that
//! the next run recognises a crash in between: while the temporary file exists, the record is not valid. Before a
//! temporary file is removed, its record is taken back by the session that wrote it, or made void by a line that a later
//! session appends.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wamedia_core::Sha256;

use super::steps::Steps;
use crate::Require;

/// Ends a line that has no end, and makes it unreadable: the end may be all that it lacks.
const TORN_END: &[u8] = b"-\n";
/// In place of the first byte of a line, makes it unreadable.
const TAKEN_BACK: u8 = b'-';

/// A file that the folder holds for a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
    /// What it was verified against, by [`Verified::name`](crate::Verified::name); empty where a line does not say.
    pub(crate) verified: String,
}

impl Record {
    /// Whether it was verified as strongly as is required.
    pub(crate) fn meets(&self, require: Require) -> bool {
        match require {
            Require::Nothing => true,
            Require::Length => matches!(&*self.verified, "digest" | "length"),
            Require::Digest => self.verified == "digest",
        }
    }
}

/// A line of the manifest: that a file is stored, or that the record of a temporary file is void. What it does not say
/// is empty.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    r#ref: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    sha256: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    part: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    verified: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    void: Cow<'a, str>,
}

#[derive(Debug)]
pub(crate) struct Manifest {
    path: PathBuf,
    file: Option<File>,
    records: HashMap<String, Record>,
    /// Temporary files that have a record and were there when the manifest was read.
    unfinished: Vec<String>,
    /// Whether the last line has no end, because a run stopped while writing it.
    is_torn: bool,
    /// The line that was appended last.
    last: Vec<u8>,
    steps: Steps,
}

impl Manifest {
    /// How long the manifest is, before [`load`](Self::load) and before temporary files are listed.
    pub(crate) fn length(path: &Path) -> u64 {
        path.symlink_metadata().map_or(0, |metadata| metadata.len())
    }

    /// Reads the manifest. Torn and unknown lines and void records are ignored, and so are records whose temporary
    /// file is still `present`.
    ///
    /// A record behind the first `length` bytes is ignored, too: its temporary file may have been created after those that
    /// are present were listed, so that nothing tells whether it has its name. The other process knows.
    pub(crate) fn load(
        path: PathBuf,
        length: u64,
        present: &HashSet<String>,
        steps: &Steps,
    ) -> io::Result<Self> {
        let mut text = Vec::new();
        match open(&path, Access::Read) {
            Ok(mut file) => drop(file.read_to_end(&mut text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut end = 0;
        let lines = text.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
            let start = end;
            end += line.len() as u64;
            let read = line.ends_with(b"\n").then(|| serde_json::from_slice(line).ok()).flatten();
            read.map(|line: Line<'_>| (line, start < length))
        });
        let lines: Vec<_> = lines.collect();
        let void: HashSet<&str> =
            lines.iter().map(|(line, _)| &*line.void).filter(|part| !part.is_empty()).collect();
        let mut records = HashMap::new();
        let mut unfinished = Vec::new();
        for (line, is_settled) in &lines {
            let Line { r#ref: identity, name, size: Some(size), sha256, part, .. } = line else { continue };
            let (Ok(sha256), false) = (Sha256::from_hex(sha256), void.contains(&**part)) else { continue };
            if present.contains(&**part) {
                unfinished.push(part.clone().into_owned());
                continue;
            }
            // The line may be damaged or forged: only a plain file name is accepted.
            if !is_settled || Path::new(&**name).file_name().is_none_or(|base| base != &**name) {
                continue;
            }
            let verified = line.verified.clone().into_owned();
            let record = Record { name: name.clone().into_owned(), size: *size, sha256, verified };
            records.insert(identity.clone().into_owned(), record);
        }
        let is_torn = text.last().is_some_and(|byte| *byte != b'\n');
        Ok(Self { path, file: None, records, unfinished, is_torn, last: Vec::new(), steps: steps.clone() })
    }

    /// The record of a reference, if its file still exists with the recorded size.
    pub(crate) fn stored(&self, identity: &str, folder: &Path) -> Option<&Record> {
        let record = self.records.get(identity)?;
        let metadata = folder.join(&record.name).symlink_metadata().ok()?;
        (metadata.is_file() && metadata.len() == record.size).then_some(record)
    }

    /// Appends the record of a file that is about to get its name.
    pub(crate) fn append(&mut self, identity: &str, record: &Record, part: &str) -> io::Result<()> {
        self.append_line(&Line {
            r#ref: identity.into(),
            name: record.name.as_str().into(),
            size: Some(record.size),
            sha256: record.sha256.to_hex().into(),
            part: part.into(),
            verified: record.verified.as_str().into(),
            void: Cow::default(),
        })
    }

    /// Adds the record of a file that has its name now.
    pub(crate) fn remember(&mut self, identity: &str, record: Record) {
        self.records.insert(identity.to_owned(), record);
    }

    /// Whether this temporary file had a record when the manifest was read.
    pub(crate) fn is_unfinished(&self, part: &str) -> bool {
        self.unfinished.iter().any(|unfinished| unfinished == part)
    }

    /// Appends that the record of a temporary file is void.
    pub(crate) fn append_void(&mut self, part: &str) -> io::Result<()> {
        self.append_line(&Line { void: part.into(), ..Line::default() })
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// Writes one line with one call, so that lines of several processes do not mix. A line that does not fit is none.
    fn append_line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut text = if self.is_torn { TORN_END.to_vec() } else { Vec::new() };
        let start = text.len();
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        self.steps.write(text.len())?;
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path, Access::Append)?),
        };
        // If this write fails, the next line must not continue what was written of this one.
        self.is_torn = true;
        file.write_all(&text)?;
        self.is_torn = false;
        text.drain(..start);
        self.last = text;
        Ok(())
    }

    /// Makes the line that was appended last unreadable, in its place: that needs no room on a full disk.
    pub(crate) fn take_back(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.last);
        let Some(appended) = &mut self.file else { return Ok(()) };
        self.steps.step()?;
        // After appending, the position is the end of what was appended, wherever the file ends by now.
        let end = appended.stream_position()?;
        let start = end.checked_sub(line.len() as u64).ok_or_else(not_in_place)?;
        let mut file = open(&self.path, Access::Change)?;
        let mut found = vec![0; line.len()];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut found)?;
        if found != line {
            return Err(not_in_place());
        }
        file.seek(SeekFrom::Start(start))?;
        file.write_all(&[TAKEN_BACK])
    }
}

fn not_in_place() -> io::Error {
    io::Error::other("the manifest was changed meanwhile")
}

/// What the manifest is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Append,
    Change,
}

/// Opens the manifest without following a link.
fn open(path: &Path, access: Access) -> io::Result<File> {
    let for_append = access == Access::Append;
    let mut options = OpenOptions::new();
    options.read(!for_append).append(for_append).create(for_append).write(access == Access::Change);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the manifest is not a regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> Record {
        Record { name: name.to_owned(), size: 3, sha256: Sha256::of(b"abc"), verified: "length".to_owned() }
    }

    #[test]
    fn a_record_says_how_strongly_its_file_was_verified() {
        let with = |verified: &str| Record { verified: verified.to_owned(), ..record("a") };
        let meets = |verified: &str| {
            [Require::Nothing, Require::Length, Require::Digest].map(|require| with(verified).meets(require))
        };
        assert_eq!(meets("digest"), [true, true, true]);
        assert_eq!(meets("length"), [true, true, false]);
        // A line of an earlier version says nothing.
        assert_eq!((meets("none"), meets("")), ([true, false, false], [true, false, false]));
    }

    #[test]
    fn torn_unknown_and_void_lines_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.jsonl");
        for name in ["a", "b", "c"] {
            std::fs::write(folder.path().join(name), "abc").unwrap();
        }
        let mut manifest =
            Manifest::load(path.clone(), u64::MAX, &HashSet::new(), &Steps::default()).unwrap();
        manifest.append("one", &record("a"), "part-1").unwrap();
        manifest.append("two", &record("b"), "part-2").unwrap();
        manifest.append_void("part-2").unwrap();
        drop(manifest);
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"later\":\"version\"}\nnot JSON\n{\"ref\":\"three\",\"name\":\"../c\",\"size\":3,\"sha256\":\"");
        std::fs::write(&path, text).unwrap();
        let mut manifest =
            Manifest::load(path.clone(), u64::MAX, &HashSet::new(), &Steps::default()).unwrap();
        assert_eq!(manifest.stored("one", folder.path()), Some(&record("a")));
        assert_eq!(manifest.stored("two", folder.path()), None);
        manifest.append("four", &record("c"), "part-3").unwrap();
        let manifest = Manifest::load(path, u64::MAX, &HashSet::new(), &Steps::default()).unwrap();
        assert_eq!(manifest.stored("four", folder.path()), Some(&record("c")));
        std::fs::write(folder.path().join("c"), "longer").unwrap();
        assert_eq!(manifest.stored("four", folder.path()), None);
    }

    #[test]
    fn a_line_without_its_end_is_never_read_and_one_that_is_taken_back_neither() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.jsonl");
        let load = || Manifest::load(path.clone(), u64::MAX, &HashSet::new(), &Steps::default()).unwrap();
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(name), "abc").unwrap();
        }
        load().append("one", &record("a"), "part-1").unwrap();
        // All but the last byte of it fitted on the disk.
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, text.trim_ascii_end()).unwrap();
        assert_eq!(load().stored("one", folder.path()), None);
        let mut manifest = load();
        manifest.append("two", &record("b"), "part-2").unwrap();
        assert_eq!(load().stored("one", folder.path()), None);
        assert!(load().stored("two", folder.path()).is_some());

        // Another process appends after it.
        load().append("three", &record("a"), "part-3").unwrap();
        manifest.take_back().unwrap();
        assert_eq!(load().stored("two", folder.path()), None);
        assert!(load().stored("three", folder.path()).is_some());

        manifest.append("four", &record("b"), "part-4").unwrap();
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[1..]).unwrap();
        assert!(manifest.take_back().is_err(), "somebody else changed the file");
    }

    #[test]
    fn a_record_whose_temporary_file_is_there_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.jsonl");
        std::fs::write(folder.path().join("a"), "abc").unwrap();
        let load = |present: &[&str]| {
            let present = present.iter().map(|part| (*part).to_owned()).collect();
            Manifest::load(path.clone(), u64::MAX, &present, &Steps::default()).unwrap()
        };
        load(&[]).append("one", &record("a"), "part-1").unwrap();
        assert!(load(&[]).stored("one", folder.path()).is_some());
        let unfinished = load(&["part-1", "part-2"]);
        assert_eq!(unfinished.stored("one", folder.path()), None);
        assert!(unfinished.is_unfinished("part-1") && !unfinished.is_unfinished("part-2"));
    }

    #[test]
    fn a_record_that_came_after_temporary_files_were_listed_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.jsonl");
        std::fs::write(folder.path().join("a"), "abc").unwrap();
        let load = |length, present: &[&str]| {
            let present = present.iter().map(|part| (*part).to_owned()).collect();
            Manifest::load(path.clone(), length, &present, &Steps::default()).unwrap()
        };
        load(0, &[]).append("one", &record("a"), "part-1").unwrap();
        let length = Manifest::length(&path);
        load(0, &[]).append("two", &record("a"), "part-2").unwrap();
        let loaded = load(length, &[]);
        assert!(loaded.stored("one", folder.path()).is_some());
        assert_eq!(loaded.stored("two", folder.path()), None);
        assert!(load(length, &["part-2"]).is_unfinished("part-2"), "whoever removes it makes it void");
    }

    #[test]
    fn a_name_outside_the_folder_is_never_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.jsonl");
        let digest = Sha256::of(b"abc");
        let line = format!(
            "{{\"ref\":\"x\",\"name\":\"../{{}}\",\"size\":3,\"sha256\":\"{digest}\",\"part\":\"p\"}}\n"
        );
        std::fs::write(&path, line).unwrap();
        assert!(
            Manifest::load(path, u64::MAX, &HashSet::new(), &Steps::default()).unwrap().records.is_empty()
        );
    }
}
