//! Patches of the sources, each of which breaks one rule, and the scratch copy of the workspace that they are
//! applied to: the product has no switch for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::{Outcome, cargo, root};

/// What a scratch copy leaves out at the top.
const NOT_COPIED: [&str; 2] = [".git", "target"];

/// A patch of the sources that breaks a rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    pub(crate) name: String,
    /// What the code does wrong.
    pub(crate) what: String,
    pub(crate) file: String,
    /// What the file has exactly once.
    find: String,
    /// The broken code that takes its place.
    replace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchesFile {
    patch: Vec<Patch>,
}

/// The patches of `xtask/patches/<name>.toml`.
pub(crate) fn load(name: &str) -> Result<Vec<Patch>, String> {
    let path = root().join("xtask/patches").join(name).with_extension("toml");
    let text = fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
    let file: PatchesFile = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.patch)
}

/// What is wrong with patches: each has a name of its own, changes something, and fits one place of the sources.
pub(crate) fn problems<'a>(patches: impl IntoIterator<Item = &'a Patch>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for patch in patches {
        let path = root().join(&patch.file);
        match fs::read_to_string(&path) {
            Ok(text) => problems.extend(patch.apply(&text).err()),
            Err(error) => problems.push(format!("{}: {}", patch.name, at(&path, &error))),
        }
        if patch.find == patch.replace {
            problems.push(format!("{} changes nothing", patch.name));
        }
        if !names.insert(&patch.name) {
            problems.push(format!("two patches are called {}", patch.name));
        }
    }
    problems
}

impl Patch {
    /// The broken file, or why the patch does not fit.
    fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => Err(format!("{}: {} has {count} times: {}", self.name, self.file, self.find)),
        }
    }
}

/// A copy of the workspace, and what is built of it.
pub(crate) struct Scratch {
    pub(crate) sources: PathBuf,
    pub(crate) build: PathBuf,
}

impl Scratch {
    /// The copy of this name, equal to the workspace. A file that is equal is left alone, so that only changes are
    /// built.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let folder = root().join("target").join(name);
        let scratch = Self { sources: folder.join("sources"), build: folder.join("build") };
        update(&root(), &scratch.sources, &NOT_COPIED)?;
        Ok(scratch)
    }

    /// Cargo, in the copy.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(arguments);
        command.current_dir(&self.sources).env("CARGO_TARGET_DIR", &self.build);
        // Nobody debugs what is built here.
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        command
    }

    /// Does something while the copy is broken.
    pub(crate) fn with<T>(
        &self,
        patch: &Patch,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        let file = self.sources.join(&patch.file);
        let whole = fs::read_to_string(&file).map_err(|error| at(&file, &error))?;
        write(&file, &patch.apply(&whole)?)?;
        let outcome = work();
        write(&file, &whole)?;
        outcome
    }
}

/// Makes one folder equal to another, without these names.
fn update(from: &Path, to: &Path, without: &[&str]) -> Outcome {
    fs::create_dir_all(to).map_err(|error| at(to, &error))?;
    for entry in fs::read_dir(to).map_err(|error| at(to, &error))?.flatten() {
        let (path, original) = (entry.path(), from.join(entry.file_name()));
        if path.is_dir() && !original.is_dir() {
            fs::remove_dir_all(&path).map_err(|error| at(&path, &error))?;
        } else if !path.is_dir() && !original.is_file() {
            fs::remove_file(&path).map_err(|error| at(&path, &error))?;
        }
    }
    for entry in fs::read_dir(from).map_err(|error| at(from, &error))?.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let copy = to.join(&name);
        if without.iter().any(|other| name == *other) {
            continue;
        }
        if path.is_dir() {
            update(&path, &copy, &[])?;
            continue;
        }
        let bytes = fs::read(&path).map_err(|error| at(&path, &error))?;
        if fs::read(&copy).ok().as_ref() != Some(&bytes) {
            fs::write(&copy, bytes).map_err(|error| at(&copy, &error))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(find: &str, replace: &str) -> Patch {
        let text = |text: &str| text.to_owned();
        Patch {
            name: text("P"),
            what: text("w"),
            file: text("README.md"),
            find: text(find),
            replace: text(replace),
        }
    }

    #[test]
    fn a_patch_that_fits_no_place_or_two_or_changes_nothing_is_named() {
        assert_eq!(patch("old", "new").apply("an old word"), Ok("an new word".to_owned()));
        assert!(patch("old", "new").apply("old and old").is_err());
        let problems = problems([&patch("no such line in it", "x"), &patch("# wamedia\n", "# wamedia\n")]);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("0 times") && problems[1].contains("changes nothing"), "{problems:?}");
        assert!(problems[2].contains("two patches"), "{problems:?}");
    }

    #[test]
    fn the_copy_follows_the_sources() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for name in ["a", "target"] {
            fs::create_dir_all(from.join(name)).unwrap();
            fs::write(from.join(name).join("x"), "old").unwrap();
        }
        update(&from, &to, &["target"]).unwrap();
        assert!(!to.join("target").exists());
        fs::write(to.join("a/x"), "broken").unwrap();
        fs::write(to.join("a/y"), "left").unwrap();
        update(&from, &to, &["target"]).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/x")).unwrap(), "old");
        assert!(!to.join("a/y").exists());
    }
}
