//! What the workflow of a release does: checks the tag, makes archives of the program, publishes the packages.

use std::fs;

use wamedia_core::Sha256;

use crate::{Outcome, cargo, root, step};

/// Where archives and their checksums go.
const ARCHIVES: &str = "target/release-archives";
/// What is in an archive beside the program.
const PAGES: [&str; 4] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md"];

/// The steps of a release
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The tag is the version of every package, and every changelog has it
    Check {
        /// The tag: `v0.1.0`
        #[arg(long)]
        tag: String,
    },
    /// An archive of the program with its checksum
    Archive {
        /// The target: `x86_64-unknown-linux-gnu`
        #[arg(long)]
        target: String,
    },
    /// Publishes every package, each after those that it needs
    Publish {
        /// Upload nothing
        #[arg(long)]
        dry_run: bool,
    },
}

pub(crate) fn run(command: &Command) -> Outcome {
    match command {
        Command::Check { tag } => check(tag),
        Command::Archive { target } => archive(target),
        Command::Publish { dry_run } => publish(*dry_run),
    }
}

fn check(tag: &str) -> Outcome {
    let mut problems = Vec::new();
    for package in crate::package::packages()? {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let (name, version, manifest) = (text("name"), text("version"), text("manifest_path"));
        let changelog = std::path::Path::new(&manifest).with_file_name("CHANGELOG.md");
        let changelog = fs::read_to_string(&changelog).unwrap_or_default();
        problems.extend(mistake(tag, &name, &version, &changelog));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// What is wrong with one package for this tag.
fn mistake(tag: &str, name: &str, version: &str, changelog: &str) -> Option<String> {
    if tag.strip_prefix('v') != Some(version) {
        return Some(format!("{name} has the version {version}, the tag is {tag}"));
    }
    let heading = format!("## {version}");
    let has_it = changelog.lines().any(|line| line == heading);
    (!has_it).then(|| format!("the changelog of {name} has no `{heading}`"))
}

fn archive(target: &str) -> Outcome {
    step(
        "the program",
        &mut cargo(&["build", "--release", "--locked", "-p", "wamedia-cli", "--target", target]),
    )?;
    let program = if target.contains("windows") { "wamedia.exe" } else { "wamedia" };
    let stem = format!("wamedia-{target}");
    let (archives, built) = (root().join(ARCHIVES), root().join("target").join(target).join("release"));
    let folder = archives.join(&stem);
    let place = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(place)?;
    fs::copy(built.join(program), folder.join(program)).map_err(place)?;
    for page in PAGES {
        fs::copy(root().join("crates/wamedia-cli").join(page), folder.join(page)).map_err(place)?;
    }
    let file = format!("{stem}.tar.gz");
    let mut tar = std::process::Command::new("tar");
    step("the archive", tar.current_dir(&archives).args(["-czf", &file, &stem]))?;
    fs::remove_dir_all(&folder).map_err(place)?;
    let bytes = fs::read(archives.join(&file)).map_err(place)?;
    // The line is that of `sha256sum --check`.
    let line = format!("{}  {file}\n", Sha256::of(&bytes).to_hex());
    fs::write(archives.join(format!("{file}.sha256")), line).map_err(place)
}

fn publish(dry_run: bool) -> Outcome {
    // Cargo finds the order and waits until the registry has what the next package needs.
    let mut publish = cargo(&["publish", "--locked"]);
    for package in crate::package::packages()? {
        publish.args(["-p", package["name"].as_str().unwrap_or_default()]);
    }
    if dry_run {
        publish.args(["--dry-run", "--allow-dirty"]);
    }
    step("publishing", &mut publish)
}

#[cfg(test)]
mod tests {
    use super::mistake;

    #[test]
    fn a_release_has_the_version_of_its_tag_and_a_changelog() {
        let changelog = "# Changes\n\n## 0.2.0\n";
        assert_eq!(mistake("v0.2.0", "wamedia", "0.2.0", changelog), None);
        for (tag, version) in [("v0.2.1", "0.2.0"), ("0.2.0", "0.2.0"), ("v0.2.0", "0.1.0"), ("v0.2", "0.2")]
        {
            assert!(mistake(tag, "wamedia", version, changelog).is_some(), "{tag} for {version}");
        }
    }
}
