use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempPath;
use wamedia_core::{Error, ErrorKind, MediaRef, Phase, Provider, Result};

use crate::hash::Hasher;
use crate::pipe::{Pipe, Sink, local};
use crate::{Exists, Receipt, Transfer, safe_name};

/// What every temporary file ends in, so that people and the next run recognise it.
const PART: &str = ".wamedia-part";
/// What content that is not what was declared ends in.
const QUARANTINE: &str = ".wamedia-quarantine";

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is stored under its final name.
    Stored,
    /// It was there before, and was kept; nothing was requested.
    Kept,
}

/// A file under its final name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is new.
    pub outcome: Outcome,
    /// How it came here; `None` for a file that was kept.
    pub receipt: Option<Receipt>,
}

/// A temporary file: created exclusively, locked while it is written, removed on drop.
struct Part {
    path: TempPath,
    file: File,
    lock: File,
}

pub(crate) async fn download_to<P: Provider + ?Sized>(
    transfer: &Transfer<'_, P>,
    media: &MediaRef,
    path: &Path,
) -> Result<Downloaded> {
    let (folder, name) = split(path)?;
    if path.symlink_metadata().is_ok() {
        match transfer.options().exists {
            Exists::Refuse => return Err(taken(path)),
            Exists::Keep => {
                return Ok(Downloaded { path: path.to_owned(), outcome: Outcome::Kept, receipt: None });
            }
            Exists::Replace => {}
        }
    }
    let adopted = if transfer.options().resume_partial { adopt(folder, name) } else { None };
    sweep_for(folder, Some(name));
    let (part, start) = match adopted {
        Some((part, hasher, taken)) => (part, Some((hasher, taken))),
        None => (create(folder, name)?, None),
    };
    let file = part.file.try_clone().map_err(local)?;
    let mut pipe = match start {
        Some((hasher, taken)) => Pipe::resumed(file, hasher, taken),
        None => Pipe::new(Sink::File(file)),
    };
    let ended = transfer.run_to_file(media, &mut pipe).await?;
    if let Some(mismatch) = ended.mismatch {
        return Err(quarantine(part, path, mismatch));
    }
    finish(part, &pipe, transfer, path)?;
    Ok(Downloaded { path: path.to_owned(), outcome: Outcome::Stored, receipt: Some(ended.receipt) })
}

pub(crate) async fn download_in<P: Provider + ?Sized>(
    transfer: &Transfer<'_, P>,
    media: &MediaRef,
    folder: &Path,
) -> Result<Downloaded> {
    let id = media.id.as_ref().map_or("media", |id| id.as_str());
    let fallback = format!("{}-{id}", media.provider.as_deref().unwrap_or(transfer.provider_name()));
    let exists = transfer.options().exists;
    let declared = &media.declared;
    let predicted = safe_name(declared.name.as_deref(), declared.mime.as_ref(), &fallback);
    if exists == Exists::Keep && folder.join(&predicted).symlink_metadata().is_ok() {
        return Ok(Downloaded { path: folder.join(predicted), outcome: Outcome::Kept, receipt: None });
    }
    let part = create(folder, &predicted)?;
    let mut pipe = Pipe::new(Sink::File(part.file.try_clone().map_err(local)?));
    let ended = transfer.run_to_file(media, &mut pipe).await?;
    let receipt = ended.receipt;
    let mime = receipt.sniffed_mime.as_ref().or(receipt.declared.mime.as_ref());
    let name = safe_name(receipt.declared.name.as_deref(), mime, &fallback);
    if let Some(mismatch) = ended.mismatch {
        return Err(quarantine(part, &folder.join(name), mismatch));
    }
    // Different media may have the same name from their senders, so such a name gets a number; a name
    // made from the id can only be the same media.
    let numbers = if receipt.declared.name.is_some() && exists == Exists::Refuse { 1000 } else { 1 };
    let free = (1..=numbers)
        .map(|number| folder.join(numbered(&name, number)))
        .find(|path| exists == Exists::Replace || path.symlink_metadata().is_err());
    let path = free.ok_or_else(|| taken(&folder.join(&name)))?;
    finish(part, &pipe, transfer, &path)?;
    Ok(Downloaded { path, outcome: Outcome::Stored, receipt: Some(receipt) })
}

/// Removes what killed runs left behind in a folder, and gives the number of files removed. Files
/// that a running transfer holds are left alone.
pub fn sweep(folder: &Path) -> usize {
    sweep_for(folder, None)
}

fn sweep_for(folder: &Path, name: Option<&OsStr>) -> usize {
    leftovers(folder, name).into_iter().filter(|(path, _lock)| fs::remove_file(path).is_ok()).count()
}

/// Temporary files that nobody holds, each with its lock.
fn leftovers(folder: &Path, name: Option<&OsStr>) -> Vec<(PathBuf, File)> {
    let prefix = name.map(prefix);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let matching = entries.flatten().filter(|entry| {
        let file_name = entry.file_name();
        let text = file_name.to_string_lossy();
        text.ends_with(PART) && prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix.as_str()))
    });
    let free = matching.filter_map(|entry| {
        let path = entry.path();
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        fs4::FileExt::try_lock(&file).is_ok().then_some((path, file))
    });
    free.collect()
}

/// Takes over the longest partial file of a killed run, after hashing what is there.
fn adopt(folder: &Path, name: &OsStr) -> Option<(Part, Hasher, u64)> {
    let all = leftovers(folder, Some(name));
    let longest = all.into_iter().max_by_key(|(_, file)| file.metadata().map_or(0, |meta| meta.len()))?;
    let (path, lock) = longest;
    let mut file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut taken = 0;
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                taken += count as u64;
            }
        }
    }
    let path = TempPath::try_from_path(path).ok()?;
    (taken > 0).then_some((Part { path, file, lock }, hasher, taken))
}

fn create(folder: &Path, name: impl AsRef<OsStr>) -> Result<Part> {
    let prefix = prefix(name.as_ref());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(PART).rand_bytes(8);
    #[cfg(unix)]
    {
        // The usual permissions of a new file; the process's mask still applies.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    for _ in 0..3 {
        let (file, path) =
            builder.tempfile_in(folder).map_err(|error| cannot_create(folder, error))?.into_parts();
        let lock = file.try_clone().map_err(local)?;
        // A sweeping run may have seen the file before it was locked; then it is gone, or will be.
        if fs4::FileExt::try_lock(&lock).is_ok() && path.exists() {
            return Ok(Part { path, file, lock });
        }
    }
    Err(cannot_create(folder, io::Error::other("another process removes temporary files here")))
}

/// Flushes if asked, and gives the file its final name.
fn finish<P: Provider + ?Sized>(
    part: Part,
    pipe: &Pipe<'_>,
    transfer: &Transfer<'_, P>,
    path: &Path,
) -> Result<()> {
    if transfer.options().sync {
        pipe.file().map_or(Ok(()), File::sync_all).map_err(local)?;
    }
    let Part { path: temporary, lock, .. } = part;
    let renamed = match transfer.options().exists {
        Exists::Replace => temporary.persist(path).map_err(|error| error.error),
        Exists::Refuse | Exists::Keep => temporary.persist_noclobber(path).map_err(|error| error.error),
    };
    drop(lock);
    renamed.map_err(
        |error| if error.kind() == io::ErrorKind::AlreadyExists { taken(path) } else { local(error) },
    )?;
    if transfer.options().sync {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(local)?;
    }
    Ok(())
}

/// Keeps the content under a name that cannot be mistaken, with a note beside it.
fn quarantine(part: Part, path: &Path, mismatch: Error) -> Error {
    let with_ending = |ending: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        path.with_file_name(name)
    };
    let (kept, note) = (with_ending(QUARANTINE), with_ending(&format!("{QUARANTINE}.txt")));
    let written = File::create(&note).and_then(|mut file| {
        writeln!(file, "This content is not what was declared. Do not use it.\n{mismatch}")
    });
    match written.and_then(|()| part.path.persist(&kept).map_err(|error| error.error)) {
        Ok(()) => mismatch.with_note(format!("kept aside as {}", kept.display())),
        Err(error) => mismatch.with_note(format!("it could not be kept aside: {error}")),
    }
}

fn prefix(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    let mut end = name.len().min(180);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!(".{}.", &name[..end])
}

fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (1, _) => name.to_owned(),
        (_, Some((stem, extension))) => format!("{stem} ({number}).{extension}"),
        (_, None) => format!("{name} ({number})"),
    }
}

fn split(path: &Path) -> Result<(&Path, &OsStr)> {
    let name = path.file_name().ok_or_else(|| {
        Error::new(ErrorKind::Local, format!("{} is not the name of a file", path.display()))
            .with_phase(Phase::Prepare)
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((folder, name))
}

fn taken(path: &Path) -> Error {
    Error::new(
        ErrorKind::Local,
        format!("{} exists; choose another name, or keep or replace it", path.display()),
    )
    .with_phase(Phase::Store)
}

fn cannot_create(folder: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Local, format!("cannot create a file in {}: {error}", folder.display()))
        .with_phase(Phase::Prepare)
        .with_source(error)
}
