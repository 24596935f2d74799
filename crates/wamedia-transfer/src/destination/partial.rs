use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::{PathPersistError, TempPath};
use wamedia_core::{Result, Sha256};

use super::steps::Steps;
use super::{Begin, blocking, local};
use crate::Hasher;
use crate::content::SNIFFED_BYTES;
use crate::names::truncated;

/// The suffix of every temporary file, by which people and the next run recognise it.
pub(crate) const SUFFIX: &str = ".wamedia-part";
/// How many downloads to one name may run at the same time.
const SLOTS: u32 = 16;
/// A longer name is shortened in the name of its temporary file; file systems allow 255 bytes.
const NAME_BYTES: usize = 180;

/// A temporary file with content that is not complete. It is removed on drop.
#[derive(Debug)]
pub(crate) struct PartialFile {
    /// Declared before the file, so that the name is removed before the lock is released.
    path: OwnPath,
    file: File,
    /// The permissions of an ordinary new file, which it gets on commit. Before, only its owner can read it.
    mode: Option<u32>,
    steps: Steps,
}

impl PartialFile {
    /// Creates a temporary file with a random name. `mode` has the permissions of an ordinary new file.
    pub(crate) fn create_in(
        folder: &Path,
        prefix: &str,
        mode: Option<u32>,
        steps: &Steps,
    ) -> io::Result<Self> {
        steps.step()?;
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(prefix).suffix(SUFFIX).rand_bytes(8);
        // Its own way of creating a file hides the system's error behind the path.
        let (file, path) = builder.make_in(folder, create_private)?.into_parts();
        Ok(Self { path: OwnPath::new(path, steps), file, mode, steps: steps.clone() })
    }

    /// Creates the temporary file of a named target, or opens the one that an interrupted run left. Its content is
    /// cleared unless `keep_content`. A link, or a file of another user, is never opened.
    pub(crate) fn for_target(target: &Path, keep_content: bool, steps: &Steps) -> io::Result<Self> {
        for path in (0..SLOTS).map(|slot| slot_path(target, slot)) {
            steps.step()?;
            let created = match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                Err(error) => return Err(error),
            };
            let is_new = created.is_some();
            let Some(file) = created.or_else(|| open_own(&path)) else { continue };
            // Another run writes it, or has just removed it.
            if fs4::FileExt::try_lock(&file).is_err() || !is_same_file(&file, &path) {
                continue;
            }
            let mode = if is_new { mode_of(&file) } else { ordinary_mode(&path) };
            let path = OwnPath::new(TempPath::try_from_path(path)?, steps);
            let partial = Self { path, file, mode, steps: steps.clone() };
            set_mode(&partial.file, Some(0o600))?;
            if !is_new && !keep_content {
                partial.clear()?;
            }
            return Ok(partial);
        }
        Err(io::Error::other("too many downloads to this name run at the same time"))
    }

    /// Hashes the existing content on a blocking thread.
    pub(crate) async fn begin(&self) -> Result<Begin> {
        if self.file.metadata().map_err(local)?.len() == 0 {
            return Ok(Begin::Fresh);
        }
        let mut file = self.file.try_clone().map_err(local)?;
        let content = blocking(move || hash_all(&mut file)).await?.map_err(local)?;
        Ok(Begin::Resume { offset: content.size, hasher: content.hasher, first: content.first })
    }

    pub(crate) fn write(&self, chunks: &[Bytes]) -> io::Result<()> {
        self.steps.write(chunks.iter().map(Bytes::len).sum())?;
        let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            // One call to the system where it takes all at once.
            match (&self.file).write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Discards the content.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.steps.step()?;
        (&self.file).seek(SeekFrom::Start(0))?;
        self.file.set_len(0)
    }

    /// Flushes the content to the disk, on a blocking thread.
    pub(crate) async fn sync(&self) -> Result<()> {
        self.steps.step().map_err(local)?;
        let file = self.file.try_clone().map_err(local)?;
        blocking(move || file.sync_all()).await?.map_err(local)
    }

    /// The name of the temporary file.
    pub(crate) fn name(&self) -> String {
        self.path
            .0
            .as_ref()
            .and_then(|path| path.file_name())
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Gives the file its final name, and replaces an existing file.
    pub(crate) fn replace(self, target: &Path) -> Result<(), (io::Error, Self)> {
        self.persist(|path| path.persist(target))
    }

    /// Gives the file its final name, or gives the file back if the name exists.
    pub(crate) fn rename(self, target: &Path) -> Result<(), (io::Error, Self)> {
        self.persist(|path| path.persist_noclobber(target))
    }

    fn persist(
        mut self,
        persist: impl FnOnce(TempPath) -> Result<(), PathPersistError>,
    ) -> Result<(), (io::Error, Self)> {
        if let Err(error) = set_mode(&self.file, self.mode).and_then(|()| self.steps.step()) {
            return Err((error, self));
        }
        let Some(path) = self.path.0.take() else { return Ok(()) };
        if let Err(error) = persist(path) {
            self.path.0 = Some(error.path);
            return Err((error.error, self));
        }
        self.steps.committed(self.file);
        Ok(())
    }

    /// Keeps the name of the temporary file, without its content, for the next run to remove.
    pub(crate) fn leave(mut self) {
        let _ = self.file.set_len(0);
        if let Some(path) = self.path.0.take() {
            let _ = path.keep();
        }
    }

    /// Keeps the file readable by its owner alone, under its final name, too.
    pub(crate) fn private(self) -> Self {
        Self { mode: None, ..self }
    }
}

/// Creates a file that only its owner can read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The path of a temporary file, which is removed on drop.
#[derive(Debug)]
struct OwnPath(Option<TempPath>, Steps);

impl OwnPath {
    fn new(path: TempPath, steps: &Steps) -> Self {
        Self(Some(path), steps.clone())
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        if self.1.has_crashed()
            && let Some(path) = self.0.take()
        {
            // A crashed process cleans nothing up.
            let _ = path.keep();
        }
    }
}

/// A file that was read to its end.
pub(crate) struct Content {
    pub(crate) size: u64,
    pub(crate) hasher: Hasher,
    pub(crate) first: Vec<u8>,
}

/// Reads and hashes a whole file. Its position is at the end afterwards.
pub(crate) fn hash_all(file: &mut File) -> io::Result<Content> {
    file.seek(SeekFrom::Start(0))?;
    let mut content = Content { size: 0, hasher: Hasher::new(), first: Vec::new() };
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(content);
        }
        let read = &buffer[..count];
        content.hasher.update(read);
        content.size += count as u64;
        let room = SNIFFED_BYTES - content.first.len();
        content.first.extend_from_slice(&read[..count.min(room)]);
    }
}

/// Size and digest of the regular file with this name, on a blocking thread. Links to files are followed.
pub(crate) async fn digest_of(path: &Path) -> Result<(u64, Sha256)> {
    let path = path.to_owned();
    let read = move || {
        let mut file = open_regular(&path)?;
        hash_all(&mut file).map(|content| (content.size, content.hasher.finish()))
    };
    blocking(read).await?.map_err(local)
}

/// The name of the temporary file of exactly one target.
fn slot_path(target: &Path, slot: u32) -> PathBuf {
    let name = target.file_name().unwrap_or_default();
    let mut temporary = OsString::from(".");
    if name.len() <= NAME_BYTES {
        temporary.push(name);
    } else {
        let text = name.to_string_lossy();
        let start = truncated(&text, NAME_BYTES - 70);
        temporary.push(format!("{start}~{}", Sha256::of(name.as_encoded_bytes())));
    }
    temporary.push(SUFFIX);
    if slot > 0 {
        temporary.push(format!("-{slot}"));
    }
    target.with_file_name(temporary)
}

/// Removes the temporary files that killed runs left in a folder, and gives their number. Files of running transfers
/// and links are left alone. It reads the whole folder: call it on a thread that may block.
pub fn remove_stale_partials(folder: impl AsRef<Path>) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let is_partial = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let slot = name.rsplit_once(SUFFIX).map(|(_, slot)| slot.strip_prefix('-').unwrap_or(slot));
        name.starts_with('.') && slot.is_some_and(|slot| slot.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let partials = entries.flatten().map(|entry| entry.path()).filter(is_partial);
    partials.filter(|path| remove_unused(path)).count()
}

/// Removes a temporary file that no run has locked.
pub(crate) fn remove_unused(path: &Path) -> bool {
    let Some(file) = open_own(path) else { return false };
    fs4::FileExt::try_lock(&file).is_ok() && is_same_file(&file, path) && fs::remove_file(path).is_ok()
}

/// Opens an existing file for reading and writing if it is a regular file of this user with no other name. Links are
/// not followed, and a named pipe does not block.
#[cfg(unix)]
pub(crate) fn open_own(path: &Path) -> Option<File> {
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = flags.cast_signed();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    (metadata.is_file() && metadata.nlink() == 1 && is_ours).then_some(file)
}

#[cfg(not(unix))]
pub(crate) fn open_own(path: &Path) -> Option<File> {
    path.symlink_metadata().ok().filter(fs::Metadata::is_file)?;
    OpenOptions::new().read(true).write(true).open(path).ok()
}

/// Opens a regular file for reading. A named pipe is an error and does not block.
fn open_regular(path: &Path) -> io::Result<File> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    File::open(path)
}

/// Whether the path still names this file.
#[cfg(unix)]
pub(crate) fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    match (file.metadata(), path.symlink_metadata()) {
        (Ok(file), Ok(path)) => (file.dev(), file.ino()) == (path.dev(), path.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
pub(crate) fn is_same_file(_: &File, path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(unix)]
pub(crate) fn mode_of(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;

    file.metadata().ok().map(|metadata| metadata.mode() & 0o777)
}

#[cfg(not(unix))]
pub(crate) fn mode_of(_: &File) -> Option<u32> {
    None
}

/// The permissions of an ordinary new file beside this one, found out by creating one.
fn ordinary_mode(beside: &Path) -> Option<u32> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(beside.parent()?).ok().and_then(|file| mode_of(file.as_file()))
}

#[cfg(unix)]
fn set_mode(file: &File, mode: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    mode.map_or(Ok(()), |mode| file.set_permissions(fs::Permissions::from_mode(mode)))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: Option<u32>) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_belongs_to_one_target() {
        let name = |target: &str, slot| slot_path(Path::new(target), slot).to_string_lossy().into_owned();
        assert_eq!(name("in/photo.jpg", 0), "in/.photo.jpg.wamedia-part");
        assert_eq!(name("in/photo.jpg", 3), "in/.photo.jpg.wamedia-part-3");
        let long = |end: &str| name(&format!("{}{end}", "ä".repeat(110)), 15);
        assert!(long("a").len() <= 255);
        assert_ne!(long("a"), long("b"));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let create = || PartialFile::create_in(folder.path(), "x-", Some(0o644), &Steps::default()).unwrap();
        let mode = |name: &str| mode_of(&File::open(folder.path().join(name)).unwrap());
        let partial = create();
        assert_eq!(mode(&partial.name()), Some(0o600));
        partial.rename(&folder.path().join("whole")).unwrap();
        assert_eq!(mode("whole"), Some(0o644));
        create().private().rename(&folder.path().join("apart")).unwrap();
        assert_eq!(mode("apart"), Some(0o600));
    }
}
