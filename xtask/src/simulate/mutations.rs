//! How many mutations of the engine the simulation finds without being told. A mutation is a patch of a copy of the
//! sources: the product has no switch for it.

mod list;

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::list::{MUTATIONS, Mutation};
use crate::{Outcome, cargo, clean, root};

/// What a line begins with that has the number of the first world that fails, and how it fails.
pub(super) const FIRST_FAILURE: &str = "first failing world ";
/// The line that says that none fails.
pub(super) const NO_FAILURE: &str = "no failing world";

/// How many worlds each mutation gets.
const WORLDS: u64 = 500;
/// Of a hundred mutations, so many must be found.
const GOAL_PERCENT: usize = 80;
/// What the copy leaves out at the top.
const NOT_COPIED: [&str; 2] = [".git", "target"];

impl Mutation {
    /// The broken file, or why the patch does not fit.
    fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(self.find).count() {
            1 => Ok(text.replacen(self.find, self.replace, 1)),
            count => Err(format!("{}: {} has {count} times: {}", self.name, self.file, self.find)),
        }
    }
}

/// Tries all mutations, or one, and prints a table.
pub(crate) fn run(seed: u64, worlds: Option<u64>, only: Option<&str>) -> Outcome {
    let worlds = worlds.unwrap_or(WORLDS);
    let is_wanted = |mutation: &&Mutation| only.is_none_or(|only| only == mutation.name);
    let wanted: Vec<_> = MUTATIONS.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        let names: Vec<_> = MUTATIONS.iter().map(|mutation| mutation.name).collect();
        return Err(format!("there is no such mutation; there are {}", names.join(", ")));
    }
    let copy = Copy { sources: root().join("target/mutated"), target: root().join("target/mutated-target") };
    copy.update()?;
    println!("seed {seed}, at most {worlds} worlds for each mutation");
    println!("{:<24} {:>6}  failure", "mutation", "world");
    let mut found = 0;
    for mutation in &wanted {
        match copy.first_failure(mutation, seed, worlds)? {
            Some((number, failure)) => {
                found += 1;
                println!("{:<24} {:>6}  {failure}", mutation.name, number + 1);
            }
            None => println!("{:<24} {:>6}  {}", mutation.name, "-", mutation.what),
        }
    }
    println!("{found} of {} mutations were found", wanted.len());
    if found * 100 < wanted.len() * GOAL_PERCENT {
        return Err(format!("fewer than {GOAL_PERCENT} % of the mutations were found"));
    }
    Ok(())
}

/// A copy of the workspace, and what is built of it.
struct Copy {
    sources: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Makes the copy equal to the workspace. A file that is equal is left alone, so that only changes are built.
    fn update(&self) -> Outcome {
        update(&root(), &self.sources, &NOT_COPIED)
    }

    /// The number of the first world that fails with this mutation, and how it fails.
    fn first_failure(
        &self,
        mutation: &Mutation,
        seed: u64,
        worlds: u64,
    ) -> Result<Option<(u64, String)>, String> {
        let path = self.sources.join(mutation.file);
        let text = fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
        write(&path, &mutation.apply(&text)?)?;
        let output = self.build(mutation).and_then(|()| self.simulate(mutation, seed, worlds));
        write(&path, &text)?;
        parse(&output?).ok_or_else(|| format!("{}: the simulation ended without a result", mutation.name))
    }

    fn build(&self, mutation: &Mutation) -> Outcome {
        let mut command = cargo(&["build", "--quiet", "--package", "xtask"]);
        command.current_dir(&self.sources).env("CARGO_TARGET_DIR", &self.target);
        let output = command.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} does not compile:\n{errors}", mutation.name))
    }

    /// What the broken build prints.
    fn simulate(&self, mutation: &Mutation, seed: u64, worlds: u64) -> Result<String, String> {
        let mut command = Command::new(self.target.join("debug").join(format!("xtask{EXE_SUFFIX}")));
        command.current_dir(&self.sources).args(["simulate", "--first", "--driver", "engine"]);
        command.args(["--worlds", &worlds.to_string(), "--seed", &seed.to_string()]);
        clean(&mut command);
        let output = command.output().map_err(|error| format!("{}: {error}", mutation.name))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}: the simulation cannot run: {errors}", mutation.name))
    }
}

/// The result in the output of a simulation, if there is one.
#[expect(clippy::option_option, reason = "no result is not the result that no world fails")]
fn parse(output: &str) -> Option<Option<(u64, String)>> {
    output.lines().find_map(|line| {
        if line == NO_FAILURE {
            return Some(None);
        }
        let (number, failure) = line.strip_prefix(FIRST_FAILURE)?.split_once(": ")?;
        Some(Some((number.parse().ok()?, failure.to_owned())))
    })
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mutation_fits_one_place_of_the_sources() {
        let mut problems = Vec::new();
        for mutation in MUTATIONS {
            let text = fs::read_to_string(root().join(mutation.file)).unwrap();
            problems.extend(mutation.apply(&text).err());
            if mutation.find == mutation.replace {
                problems.push(format!("{} changes nothing", mutation.name));
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        let names: BTreeSet<_> = MUTATIONS.iter().map(|mutation| mutation.name).collect();
        assert_eq!(names.len(), MUTATIONS.len(), "two mutations have one name");
    }

    #[test]
    fn the_result_is_a_line_of_the_output() {
        assert_eq!(parse("seed 1, 2 worlds\n"), None);
        assert_eq!(parse(&format!("seed 1\n{NO_FAILURE}\n")), Some(None));
        let line = format!("seed 1\n{FIRST_FAILURE}17: bytes: lost: all\n");
        assert_eq!(parse(&line), Some(Some((17, "bytes: lost: all".to_owned()))));
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
