//! The scoreboard: clients as their registries give them, scored by the same rows.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wamedia_conformance::outside::{self, Client, Score, Version};
use wamedia_conformance::render::cases;

use crate::{Outcome, badge, root, step};

const PAGE: &str = "conformance/SCOREBOARD.md";

/// What the command line asks for.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// One client, by the name of its description in `conformance/clients`; the page is not written
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The provider that they are scored on
    #[arg(long, value_name = "NAME", default_value = "meta")]
    provider: String,
}

/// Clients of others in their newest versions, unchanged: each downloads and uploads.
pub(crate) fn interop() -> Outcome {
    let temporary = workplace()?;
    let folder = temporary.path();
    let mut failed = Vec::new();
    println!("| client | version | download | upload |\n|---|---|---|---|");
    for name in names(folder)? {
        let mut client = Client::read(folder.join(&name).with_extension("json"))?;
        if client.install.is_empty() {
            continue;
        }
        client.version = None;
        install(&client, folder)?;
        let (package, version) = (client.name.clone(), installed(&client, folder));
        let path = Some(path_with(folder)?);
        let only = Some("upload".to_owned());
        let score =
            Score { client, providers: vec!["meta".to_owned()], filter: only, path, ..Score::default() };
        let report = outside::score(&score)?.remove(0);
        let upload = cases(&report).find(|case| case["case"] == "upload").map(|case| &case["outcome"]);
        let outcomes = [&report["control"]["outcome"], upload.unwrap_or(&Value::Null)];
        let [download, upload] = outcomes.map(|outcome| outcome.as_str().unwrap_or("-"));
        println!("| {package} | {version} | {download} | {upload} |");
        if outcomes.iter().any(|outcome| **outcome != "pass") {
            failed.push(package);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("these clients failed: {}", failed.join(", "))) }
}

/// The version of a client that its installer chose.
pub(crate) fn installed(client: &Client, folder: &Path) -> String {
    let Some((installer, packages)) = client.install.first_key_value() else { return String::new() };
    let package = packages.first().map_or("", String::as_str);
    let output = if installer == "pip" {
        Command::new(folder.join("venv/bin/pip")).args(["show", package]).output()
    } else {
        Command::new("npm").args(["ls", "--parseable", "--long", package]).current_dir(folder).output()
    };
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = match installer.as_str() {
        "pip" => text.lines().find_map(|line| line.strip_prefix("Version: ")),
        _ => text.lines().next().and_then(|line| line.rsplit('@').next()?.split(':').next()),
    };
    version.unwrap_or("?").trim().to_owned()
}

/// A temporary folder with the descriptions and scripts, which find their packages beside them.
pub(crate) fn workplace() -> Result<tempfile::TempDir, String> {
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    copy(&root().join("conformance/clients"), temporary.path())?;
    Ok(temporary)
}

pub(crate) fn run(options: &Options) -> Outcome {
    let temporary = workplace()?;
    let folder = temporary.path();
    let mut rows = Vec::new();
    for name in names(folder)? {
        if options.only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let client = Client::read(folder.join(&name).with_extension("json"))?;
        if !client.commands.contains_key(&options.provider) && !client.commands.contains_key("*") {
            continue;
        }
        println!("== {name}");
        install(&client, folder)?;
        let score = Score {
            client,
            providers: vec![options.provider.clone()],
            path: Some(path_with(folder)?),
            ..Score::default()
        };
        let report = outside::score(&score)?.remove(0);
        println!("{}", row(&name, &report, &COLUMNS));
        rows.push((name, report));
    }
    if rows.is_empty() {
        return Err("there is no such client: that is a failure, not a success".to_owned());
    }
    if options.only.is_some() {
        return Ok(());
    }
    // By the share of rows that are met, in thousandths.
    let share = |report: &Value| {
        let (passed, all) = met(report);
        passed * 1000 / all.max(1)
    };
    rows.sort_by_key(|(name, report)| (std::cmp::Reverse(share(report)), name.clone()));
    badge::write(&root().join(PAGE), &page(&options.provider, &rows))
}

/// The descriptions in a folder, by name.
pub(crate) fn names(folder: &Path) -> Result<BTreeSet<String>, String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let paths = entries.flatten().map(|entry| entry.path());
    let described = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    Ok(described.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let entries = fs::read_dir(from).map_err(|error| error.to_string())?.flatten();
    for entry in entries.filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Puts the client, in the version that is said or the newest, and what it needs beside its script.
pub(crate) fn install(client: &Client, folder: &Path) -> Outcome {
    for (installer, packages) in &client.install {
        let pinned = |(place, package): (usize, &String)| match (&client.version, installer.as_str()) {
            (Some(Version::Text(version)), "pip") if place == 0 => format!("{package}=={version}"),
            (Some(Version::Text(version)), _) if place == 0 => format!("{package}@{version}"),
            _ => package.clone(),
        };
        let packages: Vec<String> = packages.iter().enumerate().map(pinned).collect();
        match installer.as_str() {
            "pip" => {
                let mut venv = Command::new("python3");
                step("a Python environment", venv.args(["-m", "venv", "venv"]).current_dir(folder))?;
                let mut pip = Command::new(folder.join("venv/bin/pip"));
                step("pip install", pip.args(["install", "--quiet"]).args(packages).current_dir(folder))?;
            }
            "npm" => {
                let mut npm = Command::new("npm");
                npm.args(["install", "--silent", "--no-save", "--no-audit", "--no-fund"]);
                step("npm install", npm.args(packages).current_dir(folder))?;
            }
            other => return Err(format!("{}: {other} is no installer that is known", client.name)),
        }
    }
    Ok(())
}

/// `PATH`, with the Python environment and the program of this repository before all others.
pub(crate) fn path_with(folder: &Path) -> Result<OsString, String> {
    let own = crate::conformance::path_with_own_program()?;
    let first: PathBuf = folder.join("venv/bin");
    env::join_paths(std::iter::once(first).chain(env::split_paths(&own))).map_err(|error| error.to_string())
}

/// The groups of rows, in the order of the page.
const COLUMNS: [&str; 9] =
    ["bytes", "time", "links", "trust", "local", "upload", "delete", "parse", "verify"];

/// Rows that were passed, and rows that count: a known failure is one, what is not offered is none.
fn met(report: &Value) -> (usize, usize) {
    score_of(report, |_| true)
}

fn score_of(report: &Value, wanted: impl Fn(&Value) -> bool) -> (usize, usize) {
    let counted = cases(report).filter(|case| wanted(case));
    // What only breaks a SHOULD is left out, expected or not.
    let counted: Vec<_> =
        counted.filter(|case| case["outcome"] != "not-offered" && case["level"] != "SHOULD").collect();
    (counted.iter().filter(|case| case["outcome"] == "pass").count(), counted.len())
}

fn row(name: &str, report: &Value, columns: &[&str]) -> String {
    let (passed, all) = met(report);
    let subject = &report["subject"];
    let text = |key: &str| subject[key].as_str().unwrap_or_default();
    let cell = |group: &&str| match score_of(report, |case| case["group"] == **group) {
        (_, 0) => "not offered".to_owned(),
        (passed, all) => format!("{passed}/{all}"),
    };
    let cells: Vec<_> = columns.iter().map(cell).collect();
    let ends = |end: &str| cases(report).filter(|case| case["end"] == end).count().to_string();
    let ends = ["recovered", "clean", "wrong", "killed"].map(ends).join(" / ");
    // A version that a command says may be a sentence; the number is what compares.
    let version = text("version").split_whitespace().find(|word| word.contains('.')).unwrap_or_default();
    format!(
        "| [{}]({}) | {version} | {passed}/{all} | {} | {ends} | `{name}` |",
        text("client"),
        text("url"),
        cells.join(" | ")
    )
}

fn page(provider: &str, rows: &[(String, Value)]) -> String {
    let date = rows.first().map_or("", |(_, report)| report["date"].as_str().unwrap_or_default());
    let mut out = format!(
        "# Scoreboard\n\n\
         Clients as their registries give them, unchanged, each through the driver in [clients](clients), against the same rows\n\
         for `{provider}`. Written by `cargo xtask scoreboard` on {date}; `cargo xtask scoreboard --only NAME` repeats one, with the name\n\
         in the last column. What each row is about: `wamedia-conformance rows`.\n\n\
         A row counts when the client fetched a good file in the same run. What a package does not offer does not count. The\n\
         minimum rate, which is optional, is left out. *Ends* counts how the downloads ended, whatever was expected: the right\n\
         file / an error and no file / something else / no end within the limit.\n\n\
         | client | version | rows met | {} | ends | name |\n|---|---|--:|{}---|---|\n",
        COLUMNS.join(" | "),
        "--:|".repeat(COLUMNS.len()),
    );
    for (name, report) in rows {
        out.push_str(&row(name, report, &COLUMNS));
        out.push('\n');
    }
    out.push_str(
        "\nNot in the table: whatsapp-business-rs 0.5, whose API host is a constant, so that it cannot be pointed at another server\n\
         without changing it.\n\
         \n`wamedia` is this repository's program, so its score is not a comparison that anybody else has checked; the rows, the\n\
         servers and the drivers are here to be checked. A client is better served by a pull request that improves its driver\n\
         than by a number that is unfair to it.\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_offered_does_not_count_and_a_known_failure_does() {
        let report = json!({ "date": "2026-11-27",
            "subject": { "client": "x", "version": "x 1.2 y", "url": "u" }, "cases": [
            { "group": "bytes", "outcome": "pass", "end": "recovered" },
            { "group": "bytes", "outcome": "known-failure", "end": "wrong" },
            { "group": "time", "outcome": "non-strict", "level": "SHOULD", "end": "killed" },
            { "group": "upload", "outcome": "not-offered" }] });
        assert_eq!(met(&report), (1, 2));
        let row = row("x", &report, &["bytes", "upload"]);
        assert_eq!(row, "| [x](u) | 1.2 | 1/2 | 1/2 | not offered | 1 / 0 / 1 / 1 | `x` |");
        assert!(page("meta", &[("x".to_owned(), report)]).contains("2026-11-27"));
    }
}
