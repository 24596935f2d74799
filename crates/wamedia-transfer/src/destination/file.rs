use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use wamedia_core::{Error, ErrorKind, Phase, Result, Sha256};

use super::partial::{PartialFile, digest_of};
use super::steps::Steps;
use super::{Begin, BeginContext, Destination, blocking, local};
use crate::expected::Expected;
use crate::{IfExists, Receipt, TransferOptions};

/// The suffix of content that is not what was declared.
const QUARANTINE: &str = ".wamedia-quarantine";

/// A file with a name that the caller chose.
///
/// The content is in a temporary file beside it until it is verified. An existing file is refused, kept or replaced
/// as [`TransferOptions::if_exists`] says.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    partial: Option<PartialFile>,
    exists: IfExists,
    sync: bool,
}

impl File {
    /// The file with this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), partial: None, exists: IfExists::Refuse, sync: false }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn partial(&self) -> Result<&PartialFile> {
        self.partial.as_ref().ok_or_else(not_begun)
    }

    /// Whether the file exists and is kept.
    async fn is_stored(&self, context: &BeginContext<'_>) -> Result<bool> {
        let Ok(metadata) = self.path.symlink_metadata() else { return Ok(false) };
        if metadata.is_dir() {
            return Err(refused(&self.path, "is a folder; name a file in it"));
        }
        match context.options.if_exists {
            IfExists::Replace => Ok(false),
            IfExists::Refuse => Err(already_exists(&self.path)),
            IfExists::Keep => check_kept(&self.path, context).await.map(|()| true),
        }
    }
}

#[async_trait]
impl Destination for File {
    async fn begin(&mut self, context: &BeginContext<'_>) -> Result<Begin> {
        let options = context.options;
        (self.exists, self.sync) = (options.if_exists, options.sync);
        if self.path.file_name().is_none() {
            return Err(refused(&self.path, "is not the name of a file; name one in it"));
        }
        if self.is_stored(context).await? {
            return Ok(Begin::AlreadyStored);
        }
        let steps = steps_of(options);
        let partial = PartialFile::for_target(&self.path, options.resume_partial, &steps)
            .map_err(|error| cannot_create(&self.path, error))?;
        self.partial.insert(partial).begin().await
    }

    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()> {
        self.partial()?.write(&chunks).map_err(local)
    }

    async fn restart(&mut self, _: u64, _: Sha256) -> Result<()> {
        self.partial()?.clear().map_err(local)
    }

    async fn commit(&mut self, _: &Receipt) -> Result<()> {
        let partial = self.partial.take().ok_or_else(not_begun)?;
        if self.sync {
            partial.sync().await?;
        }
        match self.exists {
            IfExists::Replace => partial.replace(&self.path).map_err(|(error, _)| local(error))?,
            IfExists::Refuse | IfExists::Keep => partial.rename(&self.path).map_err(|(error, _)| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    already_exists(&self.path)
                } else {
                    local(error)
                }
            })?,
        }
        if self.sync { sync_folder_of(&self.path).await } else { Ok(()) }
    }

    async fn abort(&mut self) {
        self.partial = None;
    }

    async fn quarantine(&mut self, _: &Receipt, mismatch: Error) -> Error {
        match self.partial.take() {
            Some(partial) => quarantine_file(partial, &self.path, mismatch),
            None => mismatch,
        }
    }
}

/// Checks what is kept against every digest and size that binds before the first request.
async fn check_kept(path: &Path, context: &BeginContext<'_>) -> Result<()> {
    let mut expected = Expected::before_requests(context.options, context.media);
    if !expected.is_binding() {
        return Ok(());
    }
    let (size, digest) = digest_of(path).await?;
    expected.verify(size, digest).map_err(|error| {
        let path = path.display();
        let message = format!(
            "{path} exists and is not what was declared: {}; replace it or choose another name",
            error.message()
        );
        Error::new(ErrorKind::Integrity, message).with_phase(Phase::Prepare)
    })
}

/// Renames content to a free name with the quarantine suffix, and writes a note beside it.
pub(crate) fn quarantine_file(partial: PartialFile, path: &Path, mismatch: Error) -> Error {
    let mut partial = partial.private();
    for number in 1..1000 {
        let kept = quarantine_name(path, number, "");
        let note = quarantine_name(path, number, ".txt");
        match write_note(&note, &mismatch) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return mismatch.with_note(format!("it could not be quarantined: {error}")),
        }
        match partial.rename(&kept) {
            Ok(()) => return mismatch.with_note(format!("quarantined as {}", kept.display())),
            Err((error, back)) => {
                let _ = std::fs::remove_file(&note);
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return mismatch.with_note(format!("it could not be quarantined: {error}"));
                }
                partial = back;
            }
        }
    }
    mismatch.with_note("it was not quarantined: there are 999 such files already")
}

fn quarantine_name(path: &Path, number: u32, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    if number > 1 {
        name.push(format!(" ({number})"));
    }
    name.push(QUARANTINE);
    name.push(ending);
    path.with_file_name(name)
}

fn write_note(note: &Path, mismatch: &Error) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(note)?;
    writeln!(file, "This content is not what was declared. Do not use it.\n{mismatch}")
}

/// Flushes the folder of a new file to the disk, on a blocking thread.
pub(crate) async fn sync_folder_of(path: &Path) -> Result<()> {
    if !cfg!(unix) {
        // Other systems cannot open a folder, and flush the name with the file.
        return Ok(());
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    blocking(move || std::fs::File::open(folder).and_then(|folder| folder.sync_all())).await?.map_err(local)
}

#[cfg_attr(
    not(feature = "simulation"),
    expect(unused_variables, reason = "only a simulation has a disk of its own")
)]
pub(crate) fn steps_of(options: &TransferOptions) -> Steps {
    Steps {
        #[cfg(feature = "simulation")]
        disk: options.disk.clone(),
    }
}

pub(crate) fn not_begun() -> Error {
    Error::new(ErrorKind::Local, "the destination was used before begin, or after commit or abort")
        .with_phase(Phase::Store)
}

pub(crate) fn already_exists(path: &Path) -> Error {
    refused(path, "exists; choose another name, or keep or replace it")
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Local, format!("{} {why}", path.display())).with_phase(Phase::Store)
}

pub(crate) fn cannot_create(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Local, format!("cannot create a temporary file for {}: {error}", path.display()))
        .with_phase(Phase::Prepare)
        .with_source(error)
}
