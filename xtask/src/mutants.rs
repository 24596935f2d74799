//! Proof that the suite bites: every requirement catches the broken client that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::{Outcome, conformance, root};

/// The providers in the order in which they are tried: the first has most of the operations.
const ORDER: [&str; 4] = ["meta", "nxcloud", "whapi", "chakra"];

/// Which requirements caught each mutant.
type Caught = BTreeMap<String, BTreeSet<String>>;

/// Runs each mutant against the cases of its requirements; with `matrix`, against all of them.
pub(crate) fn run(matrix: bool) -> Outcome {
    let path = root().join("fixtures/requirements.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let all: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut pairs = Vec::new();
    let mut problems = Vec::new();
    for requirement in all["requirements"].as_array().into_iter().flatten() {
        let id = requirement["id"].as_str().unwrap_or_default();
        let mutants = requirement["mutants"].as_array().map(Vec::as_slice).unwrap_or_default();
        pairs.extend(
            mutants.iter().filter_map(Value::as_str).map(|mutant| (mutant.to_owned(), id.to_owned())),
        );
        if mutants.is_empty() && !requirement["why_no_mutant"].is_string() {
            problems.push(format!("{id} catches nothing: name its mutant, or say why there is none"));
        }
    }
    let count = pairs.len();
    let named: BTreeSet<String> = pairs.iter().map(|(mutant, _)| mutant.clone()).collect();
    let programs = conformance::build()?;
    let program = |provider: &str| {
        programs.get(provider).ok_or_else(|| format!("the suite of {provider} was not built"))
    };
    let mut caught = Caught::new();
    for provider in ORDER {
        let which: Vec<String> = pairs.iter().map(|(mutant, id)| format!("{mutant}={id}")).collect();
        if which.is_empty() {
            break;
        }
        let (known, rows) = against(provider, program(provider)?, &which.join(","))?;
        problems.extend(
            known.difference(&named).map(|mutant| format!("no requirement names the mutant {mutant}")),
        );
        merge(&mut caught, rows);
        pairs.retain(|(mutant, id)| !caught.get(mutant).is_some_and(|ids| ids.contains(id)));
    }
    if matrix {
        merge(&mut caught, against(ORDER[0], program(ORDER[0])?, "all")?.1);
    }
    for (mutant, ids) in &caught {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        println!("{mutant:<32} {}", ids.join(" "));
    }
    problems.extend(pairs.iter().map(|(mutant, id)| format!("the mutant {mutant} survives {id}")));
    problems.sort();
    problems.dedup();
    println!(
        "{} mutants, {} of {count} times caught by the requirement that names them",
        named.len(),
        count - pairs.len()
    );
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn merge(caught: &mut Caught, rows: Caught) {
    for (mutant, ids) in rows {
        caught.entry(mutant).or_default().extend(ids);
    }
}

/// Runs mutants of one provider; every mutant there is, and what caught those that were run.
fn against(provider: &str, program: &Path, which: &str) -> Result<(BTreeSet<String>, Caught), String> {
    println!("== mutants of {provider}");
    let report = root().join("target").join(format!("mutants-{provider}.json"));
    let _ = fs::remove_file(&report);
    let status = conformance::suite(provider, program)
        .env("WAMEDIA_CONFORMANCE_MUTANTS", which)
        .env("WAMEDIA_CONFORMANCE_MUTANTS_REPORT", &report)
        .stdout(Stdio::null())
        // Snapshots that do not fit are shown there, a hundred times over.
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(format!(
            "the mutants of {provider} did not run: start {} by hand, with WAMEDIA_CONFORMANCE_MUTANTS set",
            program.display()
        ));
    }
    let text = fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let known = serde_json::from_value(report["mutants"].clone()).map_err(|error| error.to_string())?;
    let caught = serde_json::from_value(report["caught"].clone()).map_err(|error| error.to_string())?;
    Ok((known, caught))
}
