//! Tests the suite: every requirement catches the mutations that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::clauses::ORDER;
use crate::{Outcome, root, suite};

/// Which requirements caught each mutation.
type Caught = BTreeMap<String, BTreeSet<String>>;

/// What one provider's suite noticed.
struct Noticed {
    /// Every mutation that there is.
    known: BTreeSet<String>,
    /// By a case that failed.
    caught: Caught,
    /// Only by cases that did not end: the client hangs, or the machine was slow.
    timed_out: Caught,
}

/// Runs each mutation against the cases of its requirements; with `matrix`, against all cases of every provider.
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
    let programs = suite::build()?;
    let program = |provider: &str| {
        programs.get(provider).ok_or_else(|| format!("the suite of {provider} was not built"))
    };
    let mut caught = Caught::new();
    for provider in ORDER {
        let which: Vec<String> = pairs.iter().map(|(mutation, id)| format!("{mutation}={id}")).collect();
        if which.is_empty() {
            break;
        }
        let noticed = against(provider, program(provider)?, &which.join(","))?;
        let unnamed = noticed.known.difference(&named);
        problems.extend(unnamed.map(|mutation| format!("no requirement names the mutation {mutation}")));
        // What hangs is noticed as well.
        merge(&mut caught, noticed.caught);
        merge(&mut caught, noticed.timed_out);
        pairs.retain(|(mutation, id)| !caught.get(mutation).is_some_and(|ids| ids.contains(id)));
    }
    if matrix {
        let mut columns = Vec::new();
        for provider in ORDER {
            columns.push(against(provider, program(provider)?, "all")?);
        }
        print!("{}", table(&columns));
        for column in columns {
            merge(&mut caught, column.caught);
        }
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

/// A row per mutation, a column per provider: how many requirements caught it, and how many only hung.
fn table(columns: &[Noticed]) -> String {
    let line = |title: &str, cells: Vec<String>| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>12}")).collect();
        format!("{title:<32}{}\n", cells.concat())
    };
    let mut out = line("", ORDER.iter().take(columns.len()).map(ToString::to_string).collect());
    for mutation in columns.iter().flat_map(|column| &column.known).collect::<BTreeSet<_>>() {
        let count = |rows: &Caught| rows.get(mutation).map_or(0, BTreeSet::len);
        let cell = |column: &Noticed| match (count(&column.caught), count(&column.timed_out)) {
            (0, 0) => "-".to_owned(),
            (caught, 0) => caught.to_string(),
            (caught, hung) => format!("{caught} +{hung} hung"),
        };
        out.push_str(&line(mutation, columns.iter().map(cell).collect()));
    }
    out
}

/// Runs mutations of one provider.
fn against(provider: &str, program: &Path, which: &str) -> Result<Noticed, String> {
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
    let of = |key: &str| serde_json::from_value(report[key].clone()).map_err(|error| error.to_string());
    let known = serde_json::from_value(report["mutations"].clone()).map_err(|error| error.to_string())?;
    Ok(Noticed { known, caught: of("caught")?, timed_out: of("timed_out")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_what_failed_from_what_hung() {
        let rows = |name: &str, ids: &[&str]| {
            Caught::from([(name.to_owned(), ids.iter().map(ToString::to_string).collect())])
        };
        let known = BTreeSet::from(["waits".to_owned(), "lies".to_owned()]);
        let column = Noticed { known, caught: rows("lies", &["A", "B"]), timed_out: rows("waits", &["C"]) };
        let table = table(&[column]);
        let line = |name: &str| table.lines().find(|line| line.starts_with(name)).expect("a row").to_owned();
        assert!(line("lies").ends_with("           2") && line("waits").ends_with("0 +1 hung"), "{table}");
    }
}
