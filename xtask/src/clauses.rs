//! The clauses of the requirements: each has a case, and a mutation of the library that the case catches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::files::read_json;
use crate::patches::{self, Patch, Scratch};
use crate::simulate::MUTATIONS;
use crate::{Outcome, root, suite};

/// The patches that clauses name, besides those of the simulation.
const PATCHES: &str = "clauses";
/// The providers in the order in which they are asked for a case: the first has most of the operations.
pub(crate) const ORDER: [&str; 6] = ["meta", "nxcloud", "whapi", "chakra", "360dialog", "twilio"];
/// Cases that take longer hang, which also catches a mutation.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stands between two parts of a clause that are not side by side in the sentence.
const GAP: char = '…';
/// Words that claim nothing by themselves.
const JOINING: [&str; 2] = ["and", "or"];

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only requirements whose id begins like this; may stand several times
    #[arg(long, value_name = "ID")]
    requirement: Vec<String>,
    /// Only the mutation with this name; may stand several times
    #[arg(long, value_name = "NAME")]
    mutation: Vec<String>,
    /// Only so many mutations
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Which sample
    #[arg(long, default_value_t = 1, requires = "sample")]
    seed: usize,
}

/// One row of `requirements.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Requirement {
    id: String,
    sentence: String,
    #[serde(default)]
    mutations: Vec<String>,
    #[serde(default)]
    clauses: Vec<Clause>,
}

/// A part of a sentence, what asserts it, and what breaks it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clause {
    #[serde(rename = "clause")]
    text: String,
    /// Names of cases, or their beginnings.
    cases: Vec<String>,
    /// A patch of the library.
    mutation: Option<String>,
    /// A mutation of the suite, where no patch of the library makes sense.
    suite_mutation: Option<String>,
    /// Why there is no patch of the library.
    why: Option<String>,
    /// For a clause of a vendor: whose cases they are. Others run for the first provider that has them.
    provider: Option<String>,
}

#[derive(Deserialize)]
struct RequirementsFile {
    requirements: Vec<Requirement>,
}

/// A clause with the provider whose suite shows it.
#[derive(Debug)]
struct Placed<'a> {
    id: &'a str,
    clause: &'a Clause,
    provider: &'static str,
}

/// The outcome of every case of a provider, by requirement.
type Outcomes = BTreeMap<String, BTreeMap<String, String>>;

/// Breaks the library once for each clause, and demands that a case of the clause fails.
pub(crate) fn run(options: &Options) -> Outcome {
    let requirements = load()?;
    let patches = all_patches()?;
    let is_wanted = |id: &str| {
        options.requirement.is_empty()
            || options.requirement.iter().any(|wanted| id.starts_with(wanted.as_str()))
    };
    let is_named = |name: &String| options.mutation.is_empty() || options.mutation.contains(name);
    let mut wrong = problems_of(&requirements, &patches, &own_patches()?);
    wrong.retain(|why| is_wanted(why));
    fail(&wrong)?;
    let wanted: Vec<_> = requirements.iter().filter(|row| is_wanted(&row.id)).collect();
    let scratch = Scratch::new("clauses")?;
    let mut waiting: Vec<(&str, &Clause)> = wanted
        .iter()
        .flat_map(|row| row.clauses.iter().map(|clause| (row.id.as_str(), clause)))
        .filter(|(_, clause)| clause.mutation.as_ref().is_some_and(is_named))
        .collect();
    let (mut problems, mut count, mut caught) = (Vec::new(), 0, 0);
    for provider in ORDER {
        let could = |clause: &Clause| clause.provider.as_deref().is_none_or(|name| name == provider);
        if !waiting.iter().any(|(_, clause)| could(clause)) {
            continue;
        }
        let program = suite::build_in(&scratch, provider)?;
        let outcomes = run_suite(&scratch, provider, &program, None)?
            .ok_or_else(|| format!("the suite of {provider} does not end"))?;
        let (here, rest) = place(&waiting, provider, &outcomes);
        waiting = rest;
        problems.extend(here.iter().flat_map(|placed| not_passing(placed, &outcomes)));
        for (name, clauses) in sampled(options, by_patch(&here)) {
            let patch = patches.iter().find(|patch| patch.name == name).ok_or("a patch vanished")?;
            let results = broken(&scratch, provider, patch, &clauses)?;
            for (placed, result) in clauses.iter().zip(results) {
                count += 1;
                let words = format!("{provider:<9} {} {:<24} {}", placed.id, name, placed.clause.text);
                match result {
                    Ok(case) => {
                        caught += 1;
                        println!("caught   {words}: {case}");
                    }
                    Err(why) => {
                        println!("SURVIVED {words}: {why}");
                        problems
                            .push(format!("{} survives {}: {}: {why}", name, placed.id, placed.clause.text));
                    }
                }
            }
        }
    }
    problems.extend(waiting.iter().map(|(id, clause)| {
        format!("{id}: no provider has the cases {} of: {}", clause.cases.join(", "), clause.text)
    }));
    println!("{caught} of {count} clauses caught their mutation of the library");
    fail(&problems)
}

/// What can be said about clauses without building anything.
pub(crate) fn problems() -> Result<Vec<String>, String> {
    Ok(problems_of(&load()?, &all_patches()?, &own_patches()?))
}

/// What is wrong with the cases of clauses, after a whole run of the suite.
pub(crate) fn unknown_cases(reports: &[Value]) -> Result<Vec<String>, String> {
    let requirements = load()?;
    let mut waiting: Vec<(&str, &Clause)> = requirements
        .iter()
        .flat_map(|row| row.clauses.iter().map(|clause| (row.id.as_str(), clause)))
        .collect();
    let mut problems = Vec::new();
    for provider in ORDER {
        let Some(report) = reports.iter().find(|report| report["subject"]["name"] == provider) else {
            continue;
        };
        let outcomes = outcomes_of(report);
        let (here, rest) = place(&waiting, provider, &outcomes);
        waiting = rest;
        problems.extend(here.iter().flat_map(|placed| not_passing(placed, &outcomes)));
    }
    problems.extend(waiting.iter().map(|(id, clause)| {
        format!("{id}: no provider has the cases {} of: {}", clause.cases.join(", "), clause.text)
    }));
    Ok(problems)
}

fn load() -> Result<Vec<Requirement>, String> {
    let all = read_json(&root().join("fixtures/requirements.json"))?;
    let file: RequirementsFile =
        serde_json::from_value(all).map_err(|error| format!("fixtures/requirements.json: {error}"))?;
    Ok(file.requirements)
}

fn own_patches() -> Result<Vec<Patch>, String> {
    patches::load(PATCHES)
}

fn all_patches() -> Result<Vec<Patch>, String> {
    Ok([own_patches()?, patches::load(MUTATIONS)?].concat())
}

fn fail(problems: &[String]) -> Outcome {
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// Every requirement has clauses, these are its whole sentence, and each names what breaks it.
fn problems_of(requirements: &[Requirement], all: &[Patch], own: &[Patch]) -> Vec<String> {
    let mut problems = patches::problems(all);
    let mut named = BTreeSet::new();
    for row in requirements {
        let mut at = |why: String| problems.push(format!("{}: {why}", row.id));
        if row.clauses.is_empty() {
            at("it has no clause; name a case, and the mutation of the library that it catches".to_owned());
            continue;
        }
        if let Err(rest) = covers(&row.sentence, &row.clauses) {
            at(rest);
        }
        for clause in &row.clauses {
            let text = &clause.text;
            if clause.cases.is_empty() {
                at(format!("{text:?} has no case"));
            }
            if let Some(provider) = clause.provider.as_deref().filter(|name| !ORDER.contains(name)) {
                at(format!("{text:?} runs for {provider}, which is not a provider"));
            }
            match (&clause.mutation, &clause.suite_mutation, &clause.why) {
                (Some(name), None, None) => {
                    named.insert(name.as_str());
                    if !all.iter().any(|patch| patch.name == *name) {
                        at(format!("{name} is not a patch of xtask/patches"));
                    }
                }
                (None, Some(name), Some(_)) if row.mutations.contains(name) => {}
                (None, Some(name), Some(_)) => at(format!("{name} is not among its mutations of the suite")),
                (None, None, Some(_)) => {}
                _ => at(format!(
                    "{text:?} needs the mutation of the library that it catches, or `why` there is none and the \
                     `suite_mutation` in its place"
                )),
            }
        }
    }
    let unnamed = own.iter().filter(|patch| !named.contains(patch.name.as_str()));
    problems.extend(unnamed.map(|patch| format!("no clause names the patch {}", patch.name)));
    problems
}

/// Whether every word of a sentence stands in a clause, and every clause in the sentence.
fn covers(sentence: &str, clauses: &[Clause]) -> Result<(), String> {
    let mut is_covered = vec![false; sentence.len()];
    for clause in clauses {
        let mut from = 0;
        for part in clause.text.split(GAP).map(str::trim).filter(|part| !part.is_empty()) {
            let Some(at) = sentence[from..].find(part) else {
                return Err(format!("its sentence has no {part:?}, or not in this order"));
            };
            let start = from + at;
            from = start + part.len();
            is_covered[start..from].fill(true);
        }
    }
    let left: String = sentence
        .char_indices()
        .map(|(at, c)| if is_covered[at] || !c.is_alphanumeric() { ' ' } else { c })
        .collect();
    let left: Vec<_> = left.split_whitespace().filter(|word| !JOINING.contains(word)).collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("no clause has the words {:?} of its sentence", left.join(" ")))
    }
}

/// Whether a clause means this case.
fn means(clause: &Clause, case: &str) -> bool {
    clause.cases.iter().any(|name| case.starts_with(name.as_str()))
}

/// The clauses that this provider shows, and those that are left for others.
fn place<'a>(
    waiting: &[(&'a str, &'a Clause)],
    provider: &'static str,
    outcomes: &Outcomes,
) -> (Vec<Placed<'a>>, Vec<(&'a str, &'a Clause)>) {
    let (mut here, mut rest) = (Vec::new(), Vec::new());
    for (id, clause) in waiting.iter().copied() {
        let has_case = outcomes.get(id).is_some_and(|cases| cases.keys().any(|case| means(clause, case)));
        let is_its = clause.provider.as_deref().is_none_or(|name| name == provider);
        if is_its && has_case {
            here.push(Placed { id, clause, provider });
        } else {
            rest.push((id, clause));
        }
    }
    (here, rest)
}

/// Cases of a clause that are not there, or do not pass without its mutation.
fn not_passing(placed: &Placed<'_>, outcomes: &Outcomes) -> Vec<String> {
    let none = BTreeMap::new();
    let cases = outcomes.get(placed.id).unwrap_or(&none);
    let mut problems = Vec::new();
    for name in &placed.clause.cases {
        let found: Vec<_> = cases.iter().filter(|(case, _)| case.starts_with(name.as_str())).collect();
        if found.is_empty() {
            problems.push(format!("{}: {} has no case {name}", placed.id, placed.provider));
        }
        let failed = found.iter().filter(|(_, outcome)| !matches!(outcome.as_str(), "pass" | "unsupported"));
        problems.extend(failed.map(|(case, outcome)| {
            format!("{}: {} of {} ends as {outcome} without any mutation", placed.id, case, placed.provider)
        }));
    }
    problems
}

/// The clauses by the patch that they name.
fn by_patch<'a, 'b>(here: &'b [Placed<'a>]) -> BTreeMap<&'a str, Vec<&'b Placed<'a>>> {
    let mut all: BTreeMap<&str, Vec<&Placed<'_>>> = BTreeMap::new();
    for placed in here {
        if let Some(name) = &placed.clause.mutation {
            all.entry(name).or_default().push(placed);
        }
    }
    all
}

/// Some of the patches, spread over all of them.
fn sampled<'a, T>(options: &Options, all: BTreeMap<&'a str, T>) -> Vec<(&'a str, T)> {
    let step = options.sample.map_or(1, |wanted| all.len().div_ceil(wanted.max(1)).max(1));
    all.into_iter()
        .enumerate()
        .filter(|(at, _)| at % step == options.seed % step)
        .map(|(_, row)| row)
        .collect()
}

/// Whether each of these clauses notices the patch: the case that failed, or why none did.
fn broken(
    scratch: &Scratch,
    provider: &str,
    patch: &Patch,
    clauses: &[&Placed<'_>],
) -> Result<Vec<Result<String, String>>, String> {
    scratch.with(patch, || {
        let program = match suite::build_in(scratch, provider) {
            Ok(program) => program,
            // The others are tried all the same.
            Err(errors) => {
                println!("{errors}");
                return Ok(clauses.iter().map(|_| Err("it does not compile".to_owned())).collect());
            }
        };
        let mut results = Vec::new();
        for placed in clauses {
            results.push(match run_suite(scratch, provider, &program, Some(placed.id))? {
                None => Ok("it hangs".to_owned()),
                Some(outcomes) => failed_case(placed, &outcomes),
            });
        }
        Ok(results)
    })
}

fn failed_case(placed: &Placed<'_>, outcomes: &Outcomes) -> Result<String, String> {
    let none = BTreeMap::new();
    let cases = outcomes.get(placed.id).unwrap_or(&none);
    let failed: Vec<_> =
        cases.iter().filter(|(_, outcome)| *outcome == "fail").map(|(case, _)| case.as_str()).collect();
    match failed.iter().find(|case| means(placed.clause, case)) {
        Some(case) => Ok((*case).to_owned()),
        None if failed.is_empty() => Err("no case fails".to_owned()),
        None => Err(format!("only other cases fail: {}", failed.join(", "))),
    }
}

/// Runs the cases of a requirement, or all: their outcomes, or none where they do not end.
fn run_suite(
    scratch: &Scratch,
    provider: &str,
    program: &Path,
    requirement: Option<&str>,
) -> Result<Option<Outcomes>, String> {
    let report = scratch.build.join(format!("clauses-{provider}.json"));
    let _ = fs::remove_file(&report);
    let mut command = suite::command_in(&scratch.sources, provider, program);
    command.env("WAMEDIA_CONFORMANCE_REPORT", &report).env("WAMEDIA_CONFORMANCE_STRICT", "1").arg("--quiet");
    if let Some(id) = requirement {
        command.arg(format!("{provider}::{id}::"));
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // A whole run has many cases; only one requirement is watched closely.
    let patience = if requirement.is_some() { PATIENCE } else { PATIENCE * 10 };
    if !ends(command, patience).map_err(|error| format!("{}: {error}", program.display()))? {
        return Ok(None);
    }
    // A process that ends without a report was aborted by what it ran.
    if !report.is_file() {
        return Ok(None);
    }
    Ok(Some(outcomes_of(&read_json(&report)?)))
}

/// Runs a program, which is stopped after this time; whether it ended before.
fn ends(command: Command, patience: Duration) -> std::io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        tokio::time::timeout(patience, child.wait()).await.map_or(Ok(false), |ended| ended.map(|_| true))
    })
}

fn outcomes_of(report: &Value) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for case in report["cases"].as_array().into_iter().flatten() {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        outcomes.entry(text("id")).or_default().insert(text("case"), text("outcome"));
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn clause(text: &str, case: &str) -> Clause {
        let row = json!({ "clause": text, "cases": [case], "mutation": "PageAccepted" });
        serde_json::from_value(row).unwrap()
    }

    fn requirement(clauses: &Value) -> Requirement {
        let row = json!({ "id": "IN-001", "sentence": "Bytes arrive, whole and once.", "clauses": clauses });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn every_word_of_a_sentence_is_in_a_clause() {
        let sentence = "Bytes arrive, whole and once.";
        let check = |texts: &[&str]| {
            covers(sentence, &texts.iter().map(|text| clause(text, "x")).collect::<Vec<_>>())
        };
        assert_eq!(check(&["Bytes arrive, whole", "Bytes arrive … and once"]), Ok(()));
        assert!(check(&["Bytes arrive, whole"]).unwrap_err().contains("\"once\""));
        assert!(check(&["Bytes vanish"]).unwrap_err().contains("Bytes vanish"));
        assert!(check(&["once … Bytes"]).is_err());
    }

    #[test]
    fn a_clause_names_what_breaks_it_or_says_why_nothing_does() {
        let all = all_patches().unwrap();
        let of = |clauses: Value| problems_of(&[requirement(&clauses)], &all, &[]);
        let whole = "Bytes arrive, whole and once.";
        assert_eq!(
            of(json!([{ "clause": whole, "cases": ["x"], "mutation": "PageAccepted" }])),
            Vec::<String>::new()
        );
        assert_eq!(of(json!([{ "clause": whole, "cases": ["x"], "why": "so" }])), Vec::<String>::new());
        for (clauses, part) in [
            (json!([]), "no clause"),
            (json!([{ "clause": whole, "cases": [], "mutation": "PageAccepted" }]), "no case"),
            (json!([{ "clause": whole, "cases": ["x"], "mutation": "Nobody" }]), "Nobody is not a patch"),
            (json!([{ "clause": whole, "cases": ["x"] }]), "needs the mutation"),
            (json!([{ "clause": whole, "cases": ["x"], "suite_mutation": "y", "why": "so" }]), "not among"),
            (json!([{ "clause": whole, "cases": ["x"], "why": "so", "provider": "acme" }]), "acme"),
        ] {
            let problems = of(clauses);
            assert!(problems.iter().any(|why| why.contains(part)), "{part}: {problems:?}");
        }
        let unnamed = problems_of(&[], &all, &all[..1]);
        assert!(unnamed[0].contains("no clause names the patch"), "{unnamed:?}");
    }

    #[test]
    fn a_clause_runs_for_the_first_provider_that_has_its_case() {
        let outcomes = |case: &str, outcome: &str| {
            let row = json!({ "cases": [{ "id": "IN-001", "case": case, "outcome": outcome }] });
            outcomes_of(&row)
        };
        let (one, two) = (clause("a", "flip"), clause("b", "page"));
        let (here, rest) =
            place(&[("IN-001", &one), ("IN-001", &two)], "meta", &outcomes("flip-late", "fail"));
        assert_eq!((here.len(), rest.len()), (1, 1));
        assert_eq!(not_passing(&here[0], &outcomes("flip-late", "fail")).len(), 1);
        assert_eq!(not_passing(&here[0], &outcomes("flip-late", "pass")), Vec::<String>::new());
        assert_eq!(failed_case(&here[0], &outcomes("flip-late", "fail")), Ok("flip-late".to_owned()));
        assert!(failed_case(&here[0], &outcomes("other", "fail")).unwrap_err().contains("other"));
        assert!(failed_case(&here[0], &outcomes("flip", "pass")).is_err());
    }
}
