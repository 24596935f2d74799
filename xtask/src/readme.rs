//! What the README says, where something else decides it.

use std::fs;

use crate::files::read_json;
use crate::{PROVIDERS, root};

/// The README's code is compiled with the facade's page, and its counts of guesses are those of the fixtures.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let read = |name: &str| fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"));
    let (readme, compiled) = (read("README.md")?, read("crates/wamedia/README.md")?);
    let mut problems = Vec::new();
    match readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()) {
        Some(code) if compiled.contains(code) => {}
        _ => problems
            .push("README.md: its code is not in crates/wamedia/README.md, which compiles it".to_owned()),
    }
    for line in maturity()?.into_iter().filter(|line| !readme.contains(line.as_str())) {
        problems.push(format!("README.md: the counts of guesses have changed; the line is now: {line}"));
    }
    Ok(problems)
}

/// The guide's pages whose code is compiled elsewhere have the text of these files.
pub(crate) fn check_pages() -> Result<Vec<String>, String> {
    let read = |name: &str| fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"));
    let page = read("crates/wamedia/docs/webhooks.md")?;
    let mut problems = Vec::new();
    for file in ["actix", "lambda"] {
        let code = read(&format!("crates/wamedia/examples/endpoints/src/{file}.rs"))?;
        // The first line is about the file.
        let code = code.split_once("\n\n").map_or("", |(_, code)| code);
        if code.is_empty() || !page.contains(&format!("```rust,ignore\n{code}```\n")) {
            problems
                .push(format!("docs/webhooks.md: its code is not that of examples/endpoints/src/{file}.rs"));
        }
    }
    Ok(problems)
}

/// The lines of the table, one per kind of data.
fn maturity() -> Result<Vec<String>, String> {
    let mut errors = "| error replies whose meaning is a guess |".to_owned();
    let mut exchanges = "| recorded exchanges and deliveries |".to_owned();
    for provider in PROVIDERS {
        let folder = root().join("fixtures").join(provider);
        let rows = read_json(&folder.join("errors.json"))?;
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let guesses = rows.iter().filter(|row| row["guess"] == true).count();
        errors += &format!(" {guesses} of {} |", rows.len());
        let fixtures = crate::files::files(&folder);
        let fixtures = fixtures.iter().filter(|path| path.ends_with("fixture.json"));
        let fixtures = fixtures.map(|path| read_json(path)).collect::<Result<Vec<_>, _>>()?;
        let recorded = fixtures.iter().filter(|fixture| fixture["provenance"]["kind"] == "recorded").count();
        exchanges += &format!(" {recorded} of {} |", fixtures.len());
    }
    Ok(vec![exchanges, errors])
}
