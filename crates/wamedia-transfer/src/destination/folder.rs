use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OnceCell;
use wamedia_core::{Error, MediaRef, Result, Sha256};

use super::file::{already_exists, cannot_create, not_begun, quarantine_file, steps_of, sync_folder_of};
use super::manifest::{Manifest, Record};
use super::partial::{PartialFile, SUFFIX, digest_of, is_same_file, mode_of, open_own, remove_unused};
use super::steps::Steps;
use super::{Begin, BeginContext, Destination, blocking, local};
use crate::{IfExists, Receipt, Require, safe_name};

/// The folder for partial files, the manifest and locks.
const OWN: &str = ".wamedia";
const MANIFEST: &str = "manifest.jsonl";
const LOCK: &str = ".lock";

/// A folder that receives files under safe names, made from the declared metadata and the content.
///
/// An existing file is never replaced because of a name that a sender chose: other content with the same name gets the
/// next free one, such as `photo (2).jpg`, in every mode, between all tasks and processes. With a
/// [manifest](Self::with_manifest) the folder recognises references that it has already.
///
/// Temporary files, the manifest and locks are in `.wamedia` inside the folder. What a killed run left there is
/// removed when the next run begins. Clones are the same folder: share one among many transfers.
#[derive(Clone, Debug)]
pub struct Folder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// As the caller gave it.
    path: PathBuf,
    /// Made absolute once, not for every file.
    absolute: PathBuf,
    has_manifest: bool,
    session: OnceCell<Session>,
}

/// The use of the folder by this process, from the first transfer to the last.
#[derive(Debug)]
struct Session {
    own: PathBuf,
    /// The prefix of the temporary files of this session.
    id: String,
    lock_path: PathBuf,
    _lock: fs::File,
    /// The permissions of an ordinary new file.
    mode: Option<u32>,
    names: Mutex<Names>,
    steps: Steps,
}

#[derive(Debug)]
struct Names {
    manifest: Option<Manifest>,
    /// The next number to try for a name that exists.
    next: HashMap<String, u32>,
}

impl Folder {
    /// The folder with this path, which is made when the first content is stored, unless it is there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        Self { shared: Arc::new(Shared { path, absolute, has_manifest: false, session: OnceCell::new() }) }
    }

    /// Records which reference is stored under which name, in `.wamedia/manifest.jsonl`. Then
    /// [`IfExists::Keep`] fetches nothing for a reference that is stored, [`IfExists::Replace`] swaps its file, and
    /// [`IfExists::Refuse`] fails. Without it every transfer stores under a free name.
    #[must_use]
    pub fn with_manifest(self, has_manifest: bool) -> Self {
        let (path, absolute) = (self.shared.path.clone(), self.shared.absolute.clone());
        Self { shared: Arc::new(Shared { path, absolute, has_manifest, session: OnceCell::new() }) }
    }

    /// The path, as it was given.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The destination of one reference in this folder.
    pub fn entry(&self, media: &MediaRef) -> FolderEntry {
        FolderEntry {
            folder: self.clone(),
            identity: media.identity(),
            fallback: fallback_name(media),
            exists: IfExists::Refuse,
            sync: false,
            partial: None,
            path: None,
        }
    }

    async fn session(&self, steps: Steps) -> Result<&Session> {
        let shared = Arc::clone(&self.shared);
        let begin = || async move {
            let (path, has_manifest) = (shared.absolute.clone(), shared.has_manifest);
            let begin = move || {
                let made = fs::create_dir_all(&path);
                made.map_err(|error| {
                    io::Error::new(error.kind(), format!("the folder cannot be made: {error}"))
                })?;
                Session::begin(&path, has_manifest, steps)
            };
            blocking(begin).await?.map_err(|error| cannot_create(&self.shared.absolute, error))
        };
        self.shared.session.get_or_try_init(begin).await
    }
}

impl From<&Self> for Folder {
    fn from(folder: &Self) -> Self {
        folder.clone()
    }
}

impl From<&Path> for Folder {
    fn from(path: &Path) -> Self {
        Self::new(path)
    }
}

impl From<&PathBuf> for Folder {
    fn from(path: &PathBuf) -> Self {
        Self::new(path)
    }
}

impl From<PathBuf> for Folder {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}

/// The name of media without a declared name.
fn fallback_name(media: &MediaRef) -> String {
    let id = media.id.as_ref().map_or("media", |id| id.as_str());
    match &media.provider {
        Some(provider) => format!("{provider}-{id}"),
        None => id.to_owned(),
    }
}

impl Session {
    fn begin(folder: &Path, has_manifest: bool, steps: Steps) -> io::Result<Self> {
        let own = folder.join(OWN);
        let (lock_path, lock) = lock_in(&own, &steps)?;
        let id = lock_path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = own.join(MANIFEST);
        let length = Manifest::length(&manifest);
        let stale = Stale::find(&own)?;
        // A session without a manifest must make records void, too, when it removes their temporary files.
        let manifest = if has_manifest || (!stale.partials.is_empty() && manifest.exists()) {
            Some(Manifest::load(manifest, length, &stale.present, &steps)?)
        } else {
            None
        };
        let manifest = stale.remove(manifest, &steps)?.filter(|_| has_manifest);
        let mode = mode_of(&lock);
        let names = Mutex::new(Names { manifest, next: HashMap::new() });
        Ok(Self { own, id, lock_path, _lock: lock, mode, names, steps })
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the file the first free name, and records that name before.
    ///
    /// The record of a name that is taken is taken back. Where that fails, a later record of the same reference takes its
    /// place, or the temporary file stays: while it is there, its records are not valid, and whoever removes it makes them
    /// void first.
    fn store(
        &self,
        partial: PartialFile,
        folder: &Path,
        identity: &str,
        record: &Record,
    ) -> io::Result<PathBuf> {
        let mut names = self.names();
        let Names { manifest, next } = &mut *names;
        let (base, part) = (record.name.clone(), partial.name());
        let (mut partial, mut has_record) = (partial, false);
        let first = next.get(&base).copied().unwrap_or(1);
        for number in first.. {
            let record = Record { name: numbered(&base, number), ..record.clone() };
            let target = folder.join(&record.name);
            if let Some(manifest) = manifest.as_mut() {
                // The first name is mostly free, and the rename decides. The search for another one looks first, so
                // that it leaves no record for each name that exists.
                if number > first && target.symlink_metadata().is_ok() {
                    continue;
                }
                if let Err(error) = manifest.append(identity, &record, &part) {
                    if has_record {
                        partial.leave();
                    }
                    return Err(error);
                }
            }
            match partial.rename(&target) {
                Ok(()) => {
                    if number > 1 {
                        next.insert(base, number + 1);
                    }
                    if let Some(manifest) = manifest.as_mut() {
                        manifest.remember(identity, record);
                    }
                    return Ok(target);
                }
                Err((error, back)) => {
                    has_record |= manifest.as_mut().is_some_and(|manifest| manifest.take_back().is_err());
                    if error.kind() == io::ErrorKind::AlreadyExists {
                        partial = back;
                        continue;
                    }
                    if has_record {
                        back.leave();
                    }
                    return Err(error);
                }
            }
        }
        Err(io::Error::other("no free name is left"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.steps.has_crashed() {
            return;
        }
        let _ = fs::remove_file(&self.lock_path);
        // This fails while anything is in it.
        let _ = fs::remove_dir(&self.own);
    }
}

/// Creates `.wamedia` where it is missing, and a locked file in it: while the lock is held, the session is alive.
fn lock_in(own: &Path, steps: &Steps) -> io::Result<(PathBuf, fs::File)> {
    for _ in 0..100 {
        steps.step()?;
        match fs::create_dir(own) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match own.symlink_metadata() {
                    Ok(metadata) if metadata.is_dir() => {}
                    Ok(_) => return Err(io::Error::other(format!("{OWN} is not a folder"))),
                    // Another session has just ended and removed it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
        let path = own.join(format!("{:016x}{LOCK}", fastrand::u64(..)));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            // Otherwise another session saw the file before it was locked, and removes it as stale.
            Ok(file) if fs4::FileExt::try_lock(&file).is_ok() && is_same_file(&file, &path) => {
                return Ok((path, file));
            }
            Ok(_) => {}
            // Another session has just ended and removed the folder, or has the same random name.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("other processes removed the lock file again and again"))
}

/// What killed sessions left. A session is alive while its lock is held.
struct Stale {
    /// The names of all temporary files, those of live sessions included.
    present: HashSet<String>,
    partials: Vec<String>,
    /// The lock files of dead sessions, locked so that no other session removes their files at the same time.
    locks: Vec<(PathBuf, fs::File)>,
    own: PathBuf,
}

impl Stale {
    fn find(own: &Path) -> io::Result<Self> {
        // Temporary files are listed before locks: a session creates its lock first, so a temporary file without a
        // lock is stale.
        let partials = names_in(own, SUFFIX)?;
        let mut living = HashSet::new();
        let mut locks = Vec::new();
        for name in names_in(own, LOCK)? {
            let path = own.join(&name);
            let held = open_own(&path)
                .filter(|file| fs4::FileExt::try_lock(file).is_ok() && is_same_file(file, &path));
            match held {
                Some(lock) => locks.push((path, lock)),
                None => drop(living.insert(name.trim_end_matches(LOCK).to_owned())),
            }
        }
        let is_stale = |part: &&String| !living.contains(part.split('-').next().unwrap_or_default());
        let stale = partials.iter().filter(is_stale).cloned().collect();
        Ok(Self { present: partials.into_iter().collect(), partials: stale, locks, own: own.to_owned() })
    }

    /// Removes the files, and makes their records void.
    fn remove(self, mut manifest: Option<Manifest>, steps: &Steps) -> io::Result<Option<Manifest>> {
        for part in &self.partials {
            steps.step()?;
            if let Some(manifest) = manifest.as_mut().filter(|manifest| manifest.is_unfinished(part)) {
                manifest.append_void(part)?;
            }
            remove_unused(&self.own.join(part));
        }
        for (path, _lock) in &self.locks {
            steps.step()?;
            let _ = fs::remove_file(path);
        }
        Ok(manifest)
    }
}

/// The names in a folder that end like this.
fn names_in(folder: &Path, ending: &str) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name.ends_with(ending)).collect())
}

/// One reference on its way into a folder.
#[derive(Debug)]
pub struct FolderEntry {
    /// Declared before the folder, so that `.wamedia` is empty when the folder removes it.
    partial: Option<PartialFile>,
    folder: Folder,
    identity: String,
    fallback: String,
    exists: IfExists,
    sync: bool,
    path: Option<PathBuf>,
}

impl FolderEntry {
    /// The file, once it is stored or found to be stored already.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn partial(&self) -> Result<&PartialFile> {
        self.partial.as_ref().ok_or_else(not_begun)
    }

    fn name_for(&self, receipt: &Receipt) -> String {
        let mime = receipt.sniffed_mime.as_ref().or(receipt.declared.mime.as_ref());
        safe_name(receipt.declared.name.as_deref(), mime, &self.fallback)
    }

    /// The record of this reference, while its file still has the recorded content.
    async fn recorded(&self, session: &Session) -> Option<Record> {
        let folder = &self.folder.shared.absolute;
        let record = {
            let names = session.names();
            names.manifest.as_ref()?.stored(&self.identity, folder)?.clone()
        };
        let seen = digest_of(&folder.join(&record.name)).await.ok()?;
        (seen == (record.size, record.sha256)).then_some(record)
    }

    /// Replaces the recorded file.
    fn replace(&self, session: &Session, partial: PartialFile, record: Record) -> io::Result<PathBuf> {
        let target = self.folder.shared.absolute.join(&record.name);
        let mut names = session.names();
        let Some(manifest) = names.manifest.as_mut() else {
            return partial.replace(&target).map(|()| target).map_err(|(error, _)| error);
        };
        manifest.append(&self.identity, &record, &partial.name())?;
        match partial.replace(&target) {
            Ok(()) => manifest.remember(&self.identity, record),
            Err((error, back)) => {
                if manifest.take_back().is_err() {
                    back.leave();
                }
                return Err(error);
            }
        }
        Ok(target)
    }
}

#[async_trait]
impl Destination for FolderEntry {
    async fn begin(&mut self, context: &BeginContext<'_>) -> Result<Begin> {
        let options = context.options;
        (self.exists, self.sync) = (options.if_exists, options.sync);
        let session = self.folder.session(steps_of(options)).await?;
        let stored = {
            let names = session.names();
            names
                .manifest
                .as_ref()
                .and_then(|all| all.stored(&self.identity, &self.folder.shared.absolute))
                .cloned()
        };
        if let Some(record) = stored {
            let target = self.folder.path().join(&record.name);
            // A digest that the caller states outranks what the record was verified against.
            let is_wanted =
                options.sha256.map_or_else(|| record.meets(options.require), |d| d == record.sha256)
                    && options.size_bytes.is_none_or(|size| size == record.size);
            // Otherwise the size alone tells; reading every kept file again would cost as much as fetching it.
            let needs_digest = options.sha256.is_some() || options.require == Require::Digest;
            match self.exists {
                IfExists::Refuse => return Err(already_exists(&target)),
                IfExists::Keep if is_wanted && (!needs_digest || self.recorded(session).await.is_some()) => {
                    self.path = Some(target);
                    return Ok(Begin::AlreadyStored);
                }
                IfExists::Keep | IfExists::Replace => {}
            }
        }
        let prefix = format!("{}-", session.id);
        let partial = PartialFile::create_in(&session.own, &prefix, session.mode, &steps_of(options))
            .map_err(|error| cannot_create(self.folder.path(), error))?;
        self.partial = Some(partial);
        Ok(Begin::Fresh)
    }

    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()> {
        self.partial()?.write(&chunks).map_err(local)
    }

    async fn restart(&mut self, _: u64, _: Sha256) -> Result<()> {
        self.partial()?.clear().map_err(local)
    }

    async fn commit(&mut self, receipt: &Receipt) -> Result<()> {
        let partial = self.partial.take().ok_or_else(not_begun)?;
        let session = self.folder.shared.session.get().ok_or_else(not_begun)?;
        if self.sync {
            partial.sync().await?;
        }
        let record = Record {
            name: self.name_for(receipt),
            size: receipt.bytes,
            sha256: receipt.sha256,
            verified: receipt.verified.name().to_owned(),
        };
        let old = if self.exists == IfExists::Replace { self.recorded(session).await } else { None };
        let target = match old {
            Some(old) => self.replace(session, partial, Record { name: old.name, ..record }),
            None => session.store(partial, &self.folder.shared.absolute, &self.identity, &record),
        };
        let target = target.map_err(local)?;
        if self.sync {
            sync_folder_of(&target).await?;
            session.names().manifest.as_ref().map_or(Ok(()), Manifest::sync).map_err(local)?;
        }
        self.path = target.file_name().map(|name| self.folder.path().join(name));
        Ok(())
    }

    async fn abort(&mut self) {
        self.partial = None;
    }

    async fn quarantine(&mut self, receipt: &Receipt, mismatch: Error) -> Error {
        match self.partial.take() {
            Some(partial) => {
                quarantine_file(partial, &self.folder.path().join(self.name_for(receipt)), mismatch)
            }
            None => mismatch,
        }
    }
}

fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (1, _) => name.to_owned(),
        (_, Some((stem, extension))) => format!("{stem} ({number}).{extension}"),
        (_, None) => format!("{name} ({number})"),
    }
}
