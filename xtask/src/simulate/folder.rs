//! The folder of a world: the files in it before, and the files at the end.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};
use tempfile::TempDir;
use wamedia_conformance::simulation::{
    Destination, Entry, ExistingFile, PartialBytes, Planted, PlantedRole, World,
};

use super::provider::Shared;

/// The name of a partial file of this target, as a killed run leaves it.
fn partial_name(target: &str) -> String {
    format!(".{target}.wamedia-part")
}

/// Where the client records what a folder holds.
const MANIFEST: &str = ".wamedia/manifest.jsonl";

/// A file system in memory, where there is one.
const MEMORY: &str = "/dev/shm";

/// The content of a file that is not the client's.
const FOREIGN: &[u8] = b"a file of the user, which no transfer may change";

/// The folder, and the files outside that links lead to.
pub(crate) struct Folder {
    root: TempDir,
    outside: BTreeMap<PathBuf, Bytes>,
    /// The object store that takes the place of the folder.
    store: Option<Arc<InMemory>>,
    pub(crate) planted: Vec<Planted>,
}

impl Folder {
    /// Creates the folder and the files in it.
    pub(crate) fn new(shared: &Shared) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("wamedia-simulate-");
        let root = builder.tempdir_in(MEMORY).or_else(|_| builder.tempdir())?;
        let is_store = shared.world.client.destination == Destination::ObjectStore;
        let store = is_store.then(|| Arc::clone(&shared.store));
        let mut folder = Self { root, outside: BTreeMap::new(), store, planted: Vec::new() };
        fs::create_dir(folder.path())?;
        fs::create_dir(folder.root.path().join("outside"))?;
        for existing in &shared.world.before {
            folder.plant(shared, existing)?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("folder")
    }

    fn plant(&mut self, shared: &Shared, existing: &ExistingFile) -> io::Result<()> {
        let world = &shared.world;
        let (name, role) = match existing {
            ExistingFile::Partial { target, .. } => {
                (Some(partial_name(target)), PlantedRole::PartialOf(target.clone()))
            }
            ExistingFile::File(object)
            | ExistingFile::Folder(object)
            | ExistingFile::Symlink(object)
            | ExistingFile::HardLink(object) => (name_of(world, usize::from(*object)), PlantedRole::Foreign),
        };
        let Some(name) = name else { return Ok(()) };
        if let Some(store) = &self.store {
            if matches!(existing, ExistingFile::File(_) | ExistingFile::HardLink(_)) {
                now(store.put(&location(&name), Bytes::from_static(FOREIGN).into()))?;
                self.planted.push(Planted { path: name, role });
            }
            return Ok(());
        }
        let path = self.path().join(&name);
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        match existing {
            ExistingFile::File(_) => fs::write(&path, FOREIGN)?,
            ExistingFile::Folder(_) => fs::create_dir(&path)?,
            ExistingFile::Symlink(_) => symlink(self.victim(Bytes::from_static(FOREIGN))?, &path)?,
            ExistingFile::HardLink(_) => fs::hard_link(self.victim(Bytes::from_static(FOREIGN))?, &path)?,
            ExistingFile::Partial { object, bytes, .. } => {
                let object = usize::from(*object) % world.objects.len().max(1);
                let content = shared.version(object, 0);
                let first = |count: u32| content.slice(..content.len().min(count as usize));
                match *bytes {
                    PartialBytes::Beginning(count) => fs::write(&path, first(count))?,
                    PartialBytes::Garbage(count) => fs::write(&path, vec![b'g'; count as usize])?,
                    PartialBytes::Symlink(count) => symlink(self.victim(first(count))?, &path)?,
                    PartialBytes::HardLink(count) => fs::hard_link(self.victim(first(count))?, &path)?,
                }
            }
        }
        self.planted.push(Planted { path: name, role });
        Ok(())
    }

    /// A file outside the folder that must stay as it is.
    fn victim(&mut self, content: Bytes) -> io::Result<PathBuf> {
        let path = self.root.path().join("outside").join(self.outside.len().to_string());
        fs::write(&path, &content)?;
        self.outside.insert(path.clone(), content);
        Ok(path)
    }

    /// Files outside that are not as they were, and files that came to be there.
    pub(crate) fn outside_changed(&self) -> Vec<String> {
        let changed =
            self.outside.iter().filter(|(path, content)| fs::read(path).ok().as_deref() != Some(content));
        let mut out: Vec<_> = changed.map(|(path, _)| format!("outside/{}", name(path))).collect();
        let here = fs::read_dir(self.root.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        let there = fs::read_dir(self.root.path().join("outside")).into_iter().flatten().flatten();
        let new = here.chain(there.map(|entry| entry.path())).filter(|path| !self.outside.contains_key(path));
        out.extend(new.map(|path| name(&path)).filter(|name| name != "folder" && name != "outside"));
        out
    }

    /// Everything in the folder.
    pub(crate) fn entries(&self) -> BTreeMap<String, Entry> {
        let mut out = BTreeMap::new();
        match &self.store {
            Some(store) => {
                let listed = now(store.list(None).try_collect::<Vec<_>>()).unwrap_or_default();
                let read =
                    |meta: ObjectMeta| Some((meta.location.to_string(), read_object(store, &meta.location)?));
                out.extend(
                    listed.into_iter().filter_map(read).map(|(path, bytes)| (path, Entry::File(bytes))),
                );
            }
            None => collect(&self.path(), "", &mut out),
        }
        out
    }

    /// The folder as it would be if the process were killed now.
    pub(crate) fn freeze(&self) -> io::Result<()> {
        copy(&self.path(), &self.root.path().join("frozen"))
    }

    /// Cuts what is recorded to so many bytes.
    pub(crate) fn forget(&self, bytes: u32) -> io::Result<()> {
        match fs::OpenOptions::new().write(true).open(self.path().join(MANIFEST)) {
            Ok(file) => file.set_len(file.metadata()?.len().min(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Goes back to the frozen folder.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        fs::remove_dir_all(self.path())?;
        fs::rename(self.root.path().join("frozen"), self.path())
    }
}

/// The name that an object would get, where it is plain.
fn name_of(world: &World, object: usize) -> Option<String> {
    let object = world.objects.get(object)?;
    if matches!(world.client.destination, Destination::File | Destination::ObjectStore) {
        return Some(object.target.clone());
    }
    let plain = |name: &&String| {
        name.len() < 100
            && !name.starts_with(['.', '-'])
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._ ()".contains(&b))
    };
    object.webhook.name.as_ref().filter(plain).cloned()
}

/// The place of an object with this name.
pub(crate) fn location(name: &str) -> object_store::path::Path {
    object_store::path::Path::from(name)
}

/// The content of an object.
pub(crate) fn read_object(store: &InMemory, location: &object_store::path::Path) -> Option<Bytes> {
    now(async { store.get(location).await?.bytes().await }).ok()
}

/// A store in memory is always ready.
fn now<T>(work: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    let done = work.now_or_never().ok_or(io::ErrorKind::WouldBlock)?;
    done.map_err(io::Error::other)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn collect(folder: &Path, prefix: &str, out: &mut BTreeMap<String, Entry>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let relative = format!("{prefix}{}", name(&path));
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_symlink() {
            out.insert(relative, Entry::Symlink);
        } else if metadata.is_dir() {
            collect(&path, &format!("{relative}/"), out);
            out.insert(relative, Entry::Folder);
        } else {
            out.insert(relative, Entry::File(fs::read(&path).unwrap_or_default().into()));
        }
    }
}

/// Copies a folder; links stay links.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        let metadata = path.symlink_metadata()?;
        if metadata.is_symlink() {
            symlink(fs::read_link(&path)?, &target)?;
        } else if metadata.is_dir() {
            copy(&path, &target)?;
        } else if metadata.nlink() > 1 {
            fs::hard_link(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
