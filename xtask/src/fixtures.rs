//! Fixtures are whole, known, and hold no secrets.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Outcome, PROVIDERS, root};

pub(crate) fn check() -> Outcome {
    let folder = root().join("fixtures");
    let known = requirement_ids(&folder)?;
    let mut problems = Vec::new();
    let mut count = 0;
    for provider in PROVIDERS {
        for path in files(&folder.join(provider)) {
            let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
            let text = match fs::read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => {
                    problems.push(format!("{name}: {error}"));
                    continue;
                }
            };
            problems.extend(secrets(&text).into_iter().map(|why| format!("{name}: {why}")));
            if path.file_name().is_some_and(|file| file == "fixture.json") {
                count += 1;
                problems
                    .extend(fixture(&path, &text, &known).into_iter().map(|why| format!("{name}: {why}")));
            }
        }
    }
    if count == 0 {
        problems.push("there is no fixture at all".to_owned());
    }
    if problems.is_empty() {
        println!("{count} fixtures are in order");
        return Ok(());
    }
    Err(problems.join("\n"))
}

fn requirement_ids(folder: &Path) -> Result<BTreeSet<String>, String> {
    let path = folder.join("requirements.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let all: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let ids: Vec<_> =
        all["requirements"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str()).collect();
    let unique: BTreeSet<_> = ids.iter().map(|id| (*id).to_owned()).collect();
    if unique.len() != ids.len() {
        return Err(format!("{}: an id stands twice", path.display()));
    }
    Ok(unique)
}

/// What the suite's own loader does not check: provenance, ids of requirements, the delivery's file.
fn fixture(path: &Path, text: &str, known: &BTreeSet<String>) -> Vec<String> {
    let fixture: Value = match serde_json::from_str(text) {
        Ok(fixture) => fixture,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems = Vec::new();
    let proves = fixture["proves"].as_array().cloned().unwrap_or_default();
    if proves.is_empty() {
        problems.push("it proves nothing".to_owned());
    }
    for id in proves.iter().filter_map(Value::as_str).filter(|id| !known.contains(*id)) {
        problems.push(format!("/proves: {id} is no requirement"));
    }
    let provenance = &fixture["provenance"];
    if !provenance["source"].as_str().is_some_and(|source| source.starts_with("https://")) {
        problems.push("/provenance/source: a link is wanted".to_owned());
    }
    for key in ["kind", "retrieved", "note"] {
        if provenance[key].as_str().is_none_or(str::is_empty) {
            problems.push(format!("/provenance/{key}: it is missing"));
        }
    }
    if let Some(delivery) = fixture["delivery"].as_str()
        && !path.with_file_name(delivery).is_file()
    {
        problems.push(format!("/delivery: {delivery} is not there"));
    }
    problems
}

/// Things that look like somebody's credential or phone number.
fn secrets(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for prefix in ["EAAG", "EAAB", "LTAI", "AKIA", "eyJhbGci"] {
        if text.contains(prefix) {
            problems.push(format!("it holds something that begins like a credential ({prefix}…)"));
        }
    }
    for token in text.split("Bearer ").skip(1) {
        if !token.starts_with("TEST-") {
            problems.push("a bearer token that does not begin with TEST-".to_owned());
        }
    }
    problems
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}
