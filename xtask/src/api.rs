//! The public API of every published library as text, so that a change of it shows in a review.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use public_api::PublicItem;
use serde_json::Value;

use crate::{Outcome, clean, package, root, step};

/// The toolchain whose rustdoc writes the format that the crate `public-api` reads, so that a listing changes with the
/// code alone.
const TOOLCHAIN: &str = "1.95.0";
/// Where the listings are.
const FOLDER: &str = "xtask/api";

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these packages
    #[arg(long = "package", short, value_name = "NAME")]
    packages: Vec<String>,
    /// Write nothing: fail where a listing is not what the code says
    #[arg(long)]
    check: bool,
}

/// Writes or checks the listings.
pub(crate) fn run(options: &Options) -> Outcome {
    let libraries = libraries()?;
    let mut problems = Vec::new();
    if let Some(name) = options.packages.iter().find(|name| !libraries.contains(name)) {
        return Err(format!("{name} is not a published library"));
    }
    let is_asked = |name: &&String| options.packages.is_empty() || options.packages.contains(name);
    for name in libraries.iter().filter(is_asked) {
        let listing = listing(name)?;
        let file = file(name);
        if options.check {
            let committed = fs::read_to_string(&file).unwrap_or_default();
            problems
                .extend(differences(&committed, &listing).into_iter().map(|line| format!("{name}: {line}")));
        } else {
            fs::write(&file, listing).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    if options.packages.is_empty() {
        problems.extend(strays(&libraries));
    }
    if problems.is_empty() {
        return Ok(());
    }
    problems.push(
        "If this is meant, run `cargo xtask api`, and say in the changelog what callers have to do."
            .to_owned(),
    );
    Err(problems.join("\n"))
}

fn file(name: &str) -> PathBuf {
    root().join(FOLDER).join(name).with_extension("txt")
}

/// The packages that can be published and have a library.
fn libraries() -> Result<Vec<String>, String> {
    let is_library = |package: &Value| {
        let targets = package["targets"].as_array().into_iter().flatten();
        targets.filter_map(|target| target["kind"].as_array()).flatten().any(|kind| kind == "lib")
    };
    let packages = package::packages()?.into_iter().filter(is_library);
    Ok(packages.filter_map(|package| package["name"].as_str().map(ToOwned::to_owned)).collect())
}

/// Files in the folder that belong to no library any more.
fn strays(libraries: &[String]) -> Vec<String> {
    let files = crate::files::files(&root().join(FOLDER)).into_iter();
    let is_known = |path: &PathBuf| libraries.iter().any(|name| file(name) == *path);
    files
        .filter(|path| !is_known(path))
        .map(|path| format!("{} belongs to no library", path.display()))
        .collect()
}

/// What rustdoc knows of a package with all features, one item a line.
fn listing(name: &str) -> Result<String, String> {
    let target = root().join("target/api");
    // Not the cargo that started this task: the toolchain is another one, perhaps.
    let mut rustdoc = Command::new("rustup");
    rustdoc.args([
        "run",
        TOOLCHAIN,
        "cargo",
        "rustdoc",
        "--quiet",
        "--locked",
        "--lib",
        "--all-features",
        "-p",
        name,
    ]);
    rustdoc.args(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    rustdoc.current_dir(root()).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    // The format is not stable; nothing else that is unstable is used.
    rustdoc.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", &target);
    clean(&mut rustdoc);
    step(&format!("the API of {name}, by rustdoc {TOOLCHAIN}"), &mut rustdoc)?;
    let json = target.join("doc").join(name.replace('-', "_")).with_extension("json");
    read(&json).map_err(|error| format!("{}: {error}", json.display()))
}

fn read(json: &Path) -> Result<String, String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .map_err(|error| error.to_string())?;
    let items: Vec<_> = api.into_items().collect();
    let lines = lines(&items);
    if lines.is_empty() { Err("no public item".to_owned()) } else { Ok(lines.join("\n") + "\n") }
}

/// Without the methods of trait implementations, which the line of the implementation implies.
fn lines(items: &[PublicItem]) -> Vec<String> {
    let is_of_trait = |item: &&PublicItem| {
        let line = item.to_string();
        line.starts_with("impl") && line.contains(" for ")
    };
    let implementations: HashSet<_> = items.iter().filter(is_of_trait).map(PublicItem::id).collect();
    let is_implied = |item: &&PublicItem| item.parent_id().is_some_and(|id| implementations.contains(&id));
    let mut lines: Vec<_> = items.iter().filter(|item| !is_implied(item)).map(ToString::to_string).collect();
    // The compiler's own, beside every derived `PartialEq`.
    lines.retain(|line| !line.contains("core::marker::StructuralPartialEq"));
    lines.dedup();
    lines
}

/// The lines that are only in one of both.
fn differences(committed: &str, listing: &str) -> Vec<String> {
    let sets = [committed, listing].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = committed
        .lines()
        .filter(|line| !sets[1].contains(line))
        .map(|line| format!("no longer there: {line}"));
    let new = listing
        .lines()
        .filter(|line| !sets[0].contains(line))
        .map(|line| format!("not in the listing: {line}"));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_new_is_named() {
        assert_eq!(differences("pub fn a()\npub fn b()\n", "pub fn b()\npub fn a()\n"), Vec::<String>::new());
        assert_eq!(
            differences("pub fn a()\npub fn b()\n", "pub fn b()\npub fn c()\n"),
            ["no longer there: pub fn a()", "not in the listing: pub fn c()"]
        );
    }

    #[test]
    fn every_published_library_has_a_listing() {
        for name in libraries().expect("metadata") {
            assert!(file(&name).is_file(), "{name} has no listing: `cargo xtask api` writes it");
        }
    }
}
