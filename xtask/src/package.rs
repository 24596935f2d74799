//! The packages as they would be published: what is in them, and whether a stranger can use them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Outcome, cargo, root, step};

/// What every package has at its top.
const REQUIRED: [&str; 5] = ["CHANGELOG.md", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
/// What else may be there: cargo writes the first three.
const ALLOWED: [&str; 5] =
    [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig", "REQUIREMENTS.md", "build.rs"];
/// Folders of code and documentation, and how the names of their files end.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("clients", &["json", "mjs", "py"]),
    ("docs", &["md", "svg"]),
    ("examples", &["rs"]),
    ("src", &["gz", "html", "json", "rs"]),
];
/// The package whose other folders are its data.
const DATA: &str = "wamedia-fixtures";
/// What a page on crates.io is found by.
const FIELDS: [&str; 6] = ["categories", "description", "keywords", "license", "readme", "repository"];

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only look at the lists of files
    #[arg(long)]
    list: bool,
}

/// Looks at the lists, then builds every package from its own files, and a program from the packages.
pub(crate) fn run(options: &Options) -> Outcome {
    list()?;
    if options.list {
        return Ok(());
    }
    forget()?;
    let mut package = cargo(&["package", "--locked", "--allow-dirty"]);
    // Otherwise each package builds its dependencies anew.
    package.env("CARGO_TARGET_DIR", target()).env("CARGO_HOME", home()?);
    for one in packages()? {
        package.args(["-p", one["name"].as_str().unwrap_or_default()]);
    }
    step("every package builds from its own files", &mut package)?;
    stranger()
}

/// Where all of this is built.
fn target() -> PathBuf {
    root().join("target/packaged")
}

/// Cargo's folder for this task. What it unpacks from the packages of one run, it would take for those of the next: one version
/// never changes for it. So they must not lie in the folder of everybody; what was downloaded is shared.
fn home() -> Result<PathBuf, String> {
    let home = target().join("home");
    let place = |error: std::io::Error| format!("{}: {error}", home.display());
    let theirs = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let theirs = theirs.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let theirs = theirs.ok_or("there is no CARGO_HOME")?;
    fs::create_dir_all(home.join("registry")).map_err(place)?;
    for shared in ["config.toml", "registry/cache", "registry/index"] {
        let (from, to) = (theirs.join(shared), home.join(shared));
        if from.exists() && !to.exists() {
            std::os::unix::fs::symlink(from, to).map_err(place)?;
        }
    }
    Ok(home)
}

/// Removes what an earlier run unpacked and built of our packages; their dependencies stay.
fn forget() -> Outcome {
    let place = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let sources = target().join("home/registry/src");
    let mut old = entries(&sources);
    // A registry of packages that were never published has no host.
    old.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('-')));
    for folder in [".fingerprint", "build", "deps", "examples", "incremental"] {
        let mut built = entries(&target().join("debug").join(folder));
        built.retain(|path| path.file_name().is_some_and(|name| is_ours(&name.to_string_lossy())));
        old.extend(built);
    }
    for path in old {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| place(&path, error))?;
    }
    Ok(())
}

/// A file or folder that was built from one of our packages, or from the stranger's.
fn is_ours(name: &str) -> bool {
    let name = name.strip_prefix("lib").unwrap_or(name);
    ["wamedia", "stranger"].iter().any(|ours| name.starts_with(ours))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Every package has its licences and pages, and no file that only this repository needs.
pub(crate) fn list() -> Outcome {
    let mut problems = Vec::new();
    for package in packages()? {
        let name = package["name"].as_str().unwrap_or_default();
        problems.extend(fields(&package).into_iter().map(|field| format!("{name} states no {field}")));
        problems.extend(files(name)?.into_iter().map(|problem| format!("{name}: {problem}")));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// What cargo knows of the workspace's own packages.
pub(crate) fn metadata() -> Result<Value, String> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]).output();
    let output = output.map_err(|error| format!("cargo metadata: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// The packages that can be published.
pub(crate) fn packages() -> Result<Vec<Value>, String> {
    let metadata = metadata()?;
    let mut packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    packages.retain(|package| package["publish"].is_null());
    if packages.is_empty() { Err("no package can be published".to_owned()) } else { Ok(packages) }
}

fn fields(package: &Value) -> Vec<&'static str> {
    let is_missing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let mut missing: Vec<_> = FIELDS.into_iter().filter(|field| is_missing(&package[*field])).collect();
    if package["metadata"]["docs"]["rs"]["all-features"] != true {
        missing.push("metadata for docs.rs");
    }
    missing
}

fn files(name: &str) -> Result<Vec<String>, String> {
    let output = cargo(&["package", "--list", "--allow-dirty", "-p", name]).output();
    let output = output.map_err(|error| format!("cargo package: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo package --list: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout).replace('\\', "/");
    Ok(strays(name, &text.lines().collect()))
}

/// What a list of files lacks, and what has no place in it.
fn strays(name: &str, listed: &BTreeSet<&str>) -> Vec<String> {
    let missing = REQUIRED.iter().filter(|file| !listed.contains(**file));
    let mut problems: Vec<_> = missing.map(|file| format!("{file} is missing")).collect();
    let has_place = |file: &str| {
        let Some((folder, rest)) = file.split_once('/') else {
            let is_data = name == DATA && has_ending(file, &["json"]);
            return is_data || REQUIRED.contains(&file) || ALLOWED.contains(&file);
        };
        match FOLDERS.iter().find(|(name, _)| *name == folder) {
            Some((_, endings)) => has_ending(rest, endings),
            None => name == DATA && folder != "regressions",
        }
    };
    let strays = listed.iter().filter(|file| !has_place(file));
    problems.extend(strays.map(|file| format!("{file} does not belong into the package")));
    problems
}

fn has_ending(file: &str, endings: &[&str]) -> bool {
    Path::new(file).extension().is_some_and(|end| endings.iter().any(|ending| end == *ending))
}

/// The manifest of the stranger's program.
const MANIFEST: &str = r#"[package]
name = "stranger"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
wamedia = { version = "0.1", features = ["meta"] }
"#;

/// It builds a provider and refuses a delivery that is not signed.
const PROGRAM: &str = r#"use wamedia::{Config, Delivery, ReceiveOptions};

fn main() -> wamedia::Result<()> {
    let config = Config::default().with("token", "TEST-token").with("app_secret", "TEST-secret");
    let provider = wamedia::provider("meta", &config)?;
    let webhooks = wamedia::webhooks("meta", &config)?;
    let refused = webhooks.receive(&Delivery::new(b"{}"), ReceiveOptions::default()).unwrap_err();
    println!("{}: {refused}", provider.name());
    Ok(())
}
"#;

/// In an empty folder, from the packages alone: everything in them compiles, and programs run and install.
fn stranger() -> Outcome {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let folder = folder.path();
    let unpacked = unpack(folder)?;
    // The registry has no such packages, or older ones.
    write(&folder.join(".cargo/config.toml"), &patches(&unpacked))?;
    let program = folder.join("stranger");
    write(&program.join("Cargo.toml"), MANIFEST)?;
    write(&program.join("src/main.rs"), PROGRAM)?;
    let run = |what: &str, arguments: &[&str], inside: &Path| {
        step(what, cargo(arguments).current_dir(inside).env("CARGO_TARGET_DIR", target()))
    };
    run("a program of the packages", &["run", "--quiet"], &program)?;
    let installed = folder.join("installed").display().to_string();
    run(
        "its installation",
        &["install", "--quiet", "--debug", "--path", ".", "--root", &installed],
        &program,
    )?;
    for package in ["wamedia-cli", "wamedia-conformance"] {
        let unpacked = unpacked.iter().find(|path| name_of(path) == package);
        let unpacked = unpacked.ok_or_else(|| format!("no {package} is packaged"))?;
        let what = format!("the program of {package}");
        run(&what, &["install", "--quiet", "--debug", "--path", ".", "--root", &installed], unpacked)?;
    }
    // The suite, installed, scores the program, installed.
    let programs = folder.join("installed/bin");
    let command =
        ["get", "{provider}:{id}", "-o", "{out}", "--sha256", "{sha256}", "--ca-file", "{ca}", "--quiet"];
    let mut score = Command::new(programs.join("wamedia-conformance"));
    score.args(["client", "--provider", "meta", "--filter", "flip", "--"]).arg(programs.join("wamedia"));
    step("a client, scored by the installed suite", score.args(command).current_dir(folder))?;
    for package in &unpacked {
        let what = format!("the tests and examples of {}", name_of(package));
        run(&what, &["check", "--quiet", "--all-targets", "--all-features"], package)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Outcome {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|error| format!("{}: {error}", path.display()))
}

/// Unpacks every package that was built; gives their folders.
fn unpack(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut unpacked = Vec::new();
    for package in packages()? {
        let (name, version) = (package["name"].as_str(), package["version"].as_str());
        let stem = format!("{}-{}", name.unwrap_or_default(), version.unwrap_or_default());
        let file = target().join("package").join(format!("{stem}.crate"));
        let mut tar = std::process::Command::new("tar");
        step(&format!("unpacking {stem}"), tar.arg("-xzf").arg(&file).arg("-C").arg(folder))?;
        unpacked.push(folder.join(stem));
    }
    Ok(unpacked)
}

/// The folder's name without the version.
fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or_else(|| name.to_string(), |(name, _)| name.to_owned())
}

fn patches(unpacked: &[PathBuf]) -> String {
    let line =
        |folder: &PathBuf| format!("{} = {{ path = {:?} }}\n", name_of(folder), folder.display().to_string());
    let lines: String = unpacked.iter().map(line).collect();
    format!("[patch.crates-io]\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [&str; 6] =
        ["CHANGELOG.md", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];

    #[test]
    fn what_was_built_of_our_packages_is_told_from_dependencies() {
        for ours in ["wamedia-core-0a1b", "libwamedia_core-0a1b.rmeta", "wamedia", "stranger-0a1b"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["tokio-0a1b", "libserde-0a1b.rlib", "libc-0a1b", "liblibc-0a1b.rmeta"] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        let with = |more: &'static str| WHOLE.into_iter().chain([more]).collect::<BTreeSet<_>>();
        assert!(strays("wamedia", &WHOLE.into()).is_empty());
        for stray in
            ["src/lib.rs.orig", "tests/suite.rs", "benches/parse.rs", "notes.txt", "snapshots/a.snap"]
        {
            assert_eq!(
                strays("wamedia", &with(stray)),
                [format!("{stray} does not belong into the package")]
            );
        }
        assert!(strays(DATA, &with("media/photo.jpg")).is_empty());
        assert_eq!(strays(DATA, &with("regressions/one.json")).len(), 1);
        let lacking = WHOLE.into_iter().filter(|file| *file != "LICENSE-MIT").collect();
        assert_eq!(strays("wamedia", &lacking), ["LICENSE-MIT is missing"]);
    }
}
