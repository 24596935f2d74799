//! Tests the suite: every requirement catches the mutations that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::{Outcome, PROVIDERS, root, suite};

/// The providers in the order in which they are tried: the first has most of the operations.
const ORDER: [&str; 6] = ["meta", "nxcloud", "whapi", "chakra", "360dialog", "twilio"];

/// Which requirements caught each mutation.
type Caught = BTreeMap<String, BTreeSet<String>>;

/// Runs each mutation against the cases of its requirements; with `matrix`, against all of them.
pub(crate) fn run(matrix: bool) -> Outcome {
    let path = root().join("fixtures/requirements.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let all: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut pairs = Vec::new();
    let mut problems = Vec::new();
    for requirement in all["requirements"].as_array().into_iter().flatten() {
        let id = requirement["id"].as_str().unwrap_or_default();
        let mutations = requirement["mutations"].as_array().map(Vec::as_slice).unwrap_or_default();
        pairs.extend(
            mutations.iter().filter_map(Value::as_str).map(|mutation| (mutation.to_owned(), id.to_owned())),
        );
        if mutations.is_empty() && !requirement["why_no_mutation"].is_string() {
            problems.push(format!("{id} catches nothing: name its mutation, or say why there is none"));
        }
    }
    let count = pairs.len();
    let named: BTreeSet<String> = pairs.iter().map(|(mutation, _)| mutation.clone()).collect();
    let programs = suite::build(&PROVIDERS)?;
    let program = |provider: &str| {
        programs.get(provider).ok_or_else(|| format!("the suite of {provider} was not built"))
    };
    let mut caught = Caught::new();
    for provider in ORDER {
        let which: Vec<String> = pairs.iter().map(|(mutation, id)| format!("{mutation}={id}")).collect();
        if which.is_empty() {
            break;
        }
        let (known, rows) = against(provider, program(provider)?, &which.join(","))?;
        problems.extend(
            known.difference(&named).map(|mutation| format!("no requirement names the mutation {mutation}")),
        );
        merge(&mut caught, rows);
        pairs.retain(|(mutation, id)| !caught.get(mutation).is_some_and(|ids| ids.contains(id)));
    }
    if matrix {
        merge(&mut caught, against(ORDER[0], program(ORDER[0])?, "all")?.1);
    }
    for (mutation, ids) in &caught {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        println!("{mutation:<32} {}", ids.join(" "));
    }
    problems.extend(pairs.iter().map(|(mutation, id)| format!("the mutation {mutation} survives {id}")));
    problems.sort();
    problems.dedup();
    println!(
        "{} mutations, {} of {count} times caught by the requirement that names them",
        named.len(),
        count - pairs.len()
    );
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn merge(caught: &mut Caught, rows: Caught) {
    for (mutation, ids) in rows {
        caught.entry(mutation).or_default().extend(ids);
    }
}

/// Runs mutations of one provider; every mutation there is, and what caught those that were run.
fn against(provider: &str, program: &Path, which: &str) -> Result<(BTreeSet<String>, Caught), String> {
    println!("== mutations of {provider}");
    let report = root().join("target").join(format!("mutations-{provider}.json"));
    let _ = fs::remove_file(&report);
    let status = suite::command(provider, program)
        .env("WAMEDIA_CONFORMANCE_MUTATIONS", which)
        .env("WAMEDIA_CONFORMANCE_MUTATIONS_REPORT", &report)
        .stdout(Stdio::null())
        // Snapshots that do not fit are shown there, a hundred times over.
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(format!(
            "the mutations of {provider} did not run: start {} by hand, with WAMEDIA_CONFORMANCE_MUTATIONS set",
            program.display()
        ));
    }
    let text = fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let known = serde_json::from_value(report["mutations"].clone()).map_err(|error| error.to_string())?;
    let caught = serde_json::from_value(report["caught"].clone()).map_err(|error| error.to_string())?;
    Ok((known, caught))
}
