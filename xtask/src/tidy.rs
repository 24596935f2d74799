//! The rules of this repository: layers, circles, tables, links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::files::files;
use crate::{Outcome, PROVIDERS, builds, cargo, root};

/// What may stand at the top of the repository.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".config",
    ".git",
    ".github",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "conformance",
    "crates",
    "deny.toml",
    "fixtures",
    "rustfmt.toml",
    "target",
    "xtask",
];

pub(crate) fn run() -> Outcome {
    let mut problems = top();
    problems.extend(layers()?);
    problems.extend(without_client()?);
    problems.extend(builds::check()?);
    problems.extend(tables()?);
    problems.extend(links());
    problems.extend(vendors(&root().join("conformance/src")));
    problems.extend(circles()?);
    problems.extend(crate::badge::check_readme().err());
    problems.extend(crate::readme::check()?);
    problems.extend(crate::readme::check_pages()?);
    if problems.is_empty() {
        println!("tidy: nothing to mend");
        return Ok(());
    }
    Err(problems.join("\n"))
}

fn top() -> Vec<String> {
    let names = fs::read_dir(root()).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| !TOP.contains(&name.as_str()))
        .map(|name| format!("{name} does not belong at the top"))
        .collect()
}

/// No files of a crate use each other in a circle.
fn circles() -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    let crates = fs::read_dir(root().join("crates")).into_iter().flatten().flatten();
    let folders =
        crates.map(|entry| entry.path()).chain(["conformance", "xtask"].map(|name| root().join(name)));
    for folder in folders.filter(|folder| folder.join("src").is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for circle in crate::circles::find(&folder.join("src"))? {
            problems.push(format!("{name}: files use each other: {circle}"));
        }
    }
    problems.sort();
    Ok(problems)
}

/// Who may depend on whom, from what cargo itself knows.
fn layers() -> Result<Vec<String>, String> {
    let output = cargo(&["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| error.to_string())?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut names = BTreeMap::new();
    let mut normal: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if let (Some(id), Some(name)) = (package["id"].as_str(), package["name"].as_str()) {
            names.insert(id, name);
        }
    }
    for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
        let Some(id) = node["id"].as_str() else { continue };
        let deps = node["deps"].as_array().into_iter().flatten();
        let is_normal = |dep: &&Value| {
            dep["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"].is_null())
        };
        normal.insert(id, deps.filter(is_normal).filter_map(|dep| dep["pkg"].as_str()).collect());
    }
    let reach = |start: &str| -> BTreeSet<&str> {
        let Some((id, _)) = names.iter().find(|(_, name)| **name == start) else { return BTreeSet::new() };
        let (mut seen, mut todo) = (BTreeSet::new(), vec![*id]);
        while let Some(id) = todo.pop() {
            for dep in normal.get(id).into_iter().flatten() {
                if seen.insert(*dep) {
                    todo.push(dep);
                }
            }
        }
        seen.into_iter().filter_map(|id| names.get(id).copied()).collect()
    };
    let mut problems = Vec::new();
    let mut forbid = |who: &str, what: &[&str]| {
        let reached = reach(who);
        for name in what.iter().filter(|name| reached.contains(*name)) {
            problems.push(format!("{who} must not depend on {name}"));
        }
    };
    forbid("wamedia-core", &["tokio", "reqwest", "hyper", "serde_json", "wamedia-provider"]);
    forbid("wamedia-transfer", &["reqwest", "hyper", "wamedia-provider"]);
    forbid("wamedia-provider", &["wamedia-transfer"]);
    let crates: Vec<_> = PROVIDERS.iter().map(|provider| format!("wamedia-{provider}")).collect();
    let crates: Vec<&str> = crates.iter().map(String::as_str).collect();
    forbid("wamedia-fixtures", &["serde", "wamedia-core"]);
    forbid("wamedia-sandbox", &[&crates[..], &["wamedia-provider"]].concat());
    forbid("wamedia-conformance", &crates);
    for provider in PROVIDERS {
        let others: Vec<_> = PROVIDERS
            .iter()
            .filter(|other| **other != provider)
            .map(|other| format!("wamedia-{other}"))
            .collect();
        let mut what: Vec<&str> = others.iter().map(String::as_str).collect();
        what.extend([
            "wamedia-transfer",
            "wamedia-cli",
            "wamedia-sandbox",
            "wamedia-conformance",
            "clap",
            "wiremock",
        ]);
        forbid(&format!("wamedia-{provider}"), &what);
    }
    Ok(problems)
}

/// A reader of deliveries has neither an HTTP client nor a runtime.
fn without_client() -> Result<Vec<String>, String> {
    let features = PROVIDERS.join(",");
    let alone = ["--no-default-features", "--features", &features];
    let tree = builds::tree(&[&["-p", "wamedia", "-e", "normal"][..], &alone].concat())?;
    let forbidden = ["reqwest", "hyper", "tokio"];
    let found = forbidden.iter().filter(|name| tree.lines().any(|line| line.split(' ').next() == Some(name)));
    Ok(found.map(|name| format!("wamedia without its client depends on {name}")).collect())
}

/// The capability tables of the READMEs say what the code says.
fn tables() -> Result<Vec<String>, String> {
    let output =
        cargo(&["run", "--quiet", "--locked", "-p", "wamedia-cli", "--", "providers", "--json"]).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut problems = Vec::new();
    let mut seen = 0;
    for line in text.lines() {
        let provider: Value =
            serde_json::from_str(line).map_err(|error| format!("providers --json: {error}"))?;
        let name = provider["provider"].as_str().unwrap_or_default();
        let readme = root().join(format!("crates/wamedia-{name}/README.md"));
        let readme = fs::read_to_string(&readme).map_err(|error| format!("{}: {error}", readme.display()))?;
        seen += 1;
        for (operation, works) in provider["operations"].as_object().into_iter().flatten() {
            let want = if works == &Value::Bool(true) { "yes" } else { "no" };
            let row = readme.lines().find_map(|line| {
                let cells: Vec<_> = line
                    .trim()
                    .trim_matches('|')
                    .split('|')
                    .map(|cell| cell.trim().trim_matches('`'))
                    .collect();
                (cells.len() > 1 && cells[0] == operation).then(|| cells[1].to_owned())
            });
            match row {
                Some(got) if got == want => {}
                Some(got) => problems
                    .push(format!("wamedia-{name}/README.md says {operation}: {got}, the code says {want}")),
                None => problems.push(format!("wamedia-{name}/README.md has no row {operation}")),
            }
        }
    }
    if seen != PROVIDERS.len() {
        problems.push(format!("{seen} providers answered, {} are expected", PROVIDERS.len()));
    }
    Ok(problems)
}

/// Vendor facts carry a link; nothing names a machine.
fn links() -> Vec<String> {
    let mut problems = Vec::new();
    for provider in PROVIDERS {
        let folder = root().join(format!("crates/wamedia-{provider}"));
        for file in ["src/requests.rs", "src/responses.rs", "src/webhook.rs", "README.md"] {
            let path = folder.join(file);
            match fs::read_to_string(&path) {
                Ok(text) if text.contains("https://") => {}
                Ok(_) => problems.push(format!("{} states facts without a link", path.display())),
                Err(error) => problems.push(format!("{}: {error}", path.display())),
            }
        }
    }
    let sources =
        ["crates", "conformance", "xtask", "fixtures"].into_iter().flat_map(|name| files(&root().join(name)));
    // Spelt in pieces, so that this file does not find itself.
    let machine: Vec<String> =
        ["tmp", "home", "root", "work"].iter().map(|name| format!("\"/{name}/")).collect();
    for path in
        sources.filter(|path| path.extension().is_some_and(|end| end == "rs" || end == "md" || end == "json"))
    {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for word in machine.iter().filter(|word| text.contains(word.as_str())) {
            problems.push(format!("{} names a machine path ({word})", path.display()));
        }
    }
    problems
}

/// Spellings of the vendors besides the names of their crates.
const COMPANIES: &[&str] =
    &["facebook", "fbsbx", "graph api", "whatsapp_", "whatsapp:", "d360", "nxtele", "chakrahq"];

/// The cases of the suite are for any provider: what a vendor calls things stands in its `profile.json`, and how it signs in
/// its harness. The simulation is about the engine, with providers as its drivers.
fn vendors(suite: &Path) -> Vec<String> {
    let names: Vec<_> = PROVIDERS.iter().chain(COMPANIES).collect();
    let mut problems = Vec::new();
    for path in files(suite).into_iter().filter(|path| !path.starts_with(suite.join("simulation"))) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (line, text) in text.lines().enumerate() {
            let text = text.to_lowercase();
            for name in names.iter().filter(|name| has_word(&text, name)) {
                problems.push(format!(
                    "{}:{}: it names a vendor ({name}); move that to the provider's profile.json or harness",
                    path.display(),
                    line + 1
                ));
            }
        }
    }
    problems
}

/// Whether a text has this word, not as part of a longer one of letters: `metadata` is not `meta`.
fn has_word(text: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let ends_openly = !word.ends_with(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let after = text[at + word.len()..].chars().next();
        !is_letter(text[..at].chars().next_back()) && (ends_openly || !is_letter(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_in_the_suite_is_found_and_a_longer_word_is_not_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("good.rs", "let metadata = \"metallic\"; // meters");
        fs::create_dir(folder.path().join("simulation")).expect("a folder");
        write("simulation/world.rs", "what the driver does to meta");
        assert_eq!(vendors(folder.path()), Vec::<String>::new());
        for text in
            ["// as at Meta", "\"X-Chakra-Signature-256\"", "\"whatsapp_business_account\"", "api.twilio.com"]
        {
            write("bad.rs", text);
            assert_eq!(vendors(folder.path()).len(), 1, "{text}");
        }
    }
}
