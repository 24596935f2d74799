//! The behavioural suite, and its report.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::{Outcome, PROVIDERS, cargo, root};

pub(crate) fn run(options: &[&str]) -> Outcome {
    let mut providers: Vec<&str> = PROVIDERS.to_vec();
    let (mut filter, mut json_file, mut markdown_file, mut list) = (None, None, None, false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut value = || options.next().copied().ok_or_else(|| format!("{option} wants a value"));
        match *option {
            "--provider" => providers = vec![value()?],
            "--filter" => filter = Some(value()?),
            "--json" => json_file = Some(value()?),
            "--markdown" => markdown_file = Some(value()?),
            "--list" => list = true,
            other => return Err(format!("conformance has no option {other}")),
        }
    }
    if let Some(unknown) = providers.iter().find(|name| !PROVIDERS.contains(name)) {
        return Err(format!("no provider is called {unknown}"));
    }
    let mut reports = Vec::new();
    let mut failed = Vec::new();
    let whole = filter.is_none() && !list;
    for provider in providers {
        println!("== conformance of {provider}");
        let path = root().join("target").join(format!("conformance-{provider}.json"));
        let _ = fs::remove_file(&path);
        let package = format!("wamedia-{provider}");
        let mut arguments =
            vec!["test", "--locked", "-p", &package, "--test", "conformance", "--", "--quiet"];
        arguments.extend(filter);
        if list {
            arguments.push("--list");
        }
        let status = cargo(&arguments).env("WAMEDIA_CONFORMANCE_REPORT", &path).status();
        if !status.is_ok_and(|status| status.success()) {
            failed.push(provider);
        }
        if let Ok(text) = fs::read_to_string(&path) {
            reports.push(serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())?);
        }
    }
    if list {
        return Ok(());
    }
    print!("{}", table(&reports));
    if let Some(file) = json_file {
        let report = json!({ "schema": "wamedia-reports/1", "reports": reports });
        fs::write(file, format!("{report:#}\n")).map_err(|error| format!("{file}: {error}"))?;
    }
    if let Some(file) = markdown_file {
        fs::write(file, markdown(&reports)).map_err(|error| format!("{file}: {error}"))?;
    }
    if !failed.is_empty() {
        return Err(format!("conformance failed for {}", failed.join(", ")));
    }
    if whole { expected_cases(&reports) } else { Ok(()) }
}

/// The number of cases is committed: cases that vanish are noticed.
fn expected_cases(reports: &[Value]) -> Outcome {
    let path = root().join("conformance/expected-cases.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let expected: BTreeMap<String, u64> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    for report in reports {
        let name = report["subject"]["name"].as_str().unwrap_or_default();
        let count = report["cases"].as_array().map_or(0, Vec::len) as u64;
        if count == 0 || expected.get(name) != Some(&count) {
            return Err(format!(
                "{name} ran {count} cases, {} expects {:?}; change it if that is meant",
                path.display(),
                expected.get(name)
            ));
        }
    }
    Ok(())
}

fn cases(report: &Value) -> impl Iterator<Item = &Value> {
    report["cases"].as_array().into_iter().flatten()
}

/// A row per group, a column per provider.
fn table(reports: &[Value]) -> String {
    let mut groups: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for (column, report) in reports.iter().enumerate() {
        for case in cases(report) {
            let group = case["id"].as_str().and_then(|id| id.get(..2)).unwrap_or("??");
            let row = groups.entry(group).or_insert_with(|| vec![(0, 0); reports.len()]);
            row[column].1 += 1;
            row[column].0 += u64::from(case["outcome"] != "fail");
        }
    }
    let mut out = format!("\n{:<8}", "");
    for report in reports {
        out.push_str(&format!("{:>12}", report["subject"]["name"].as_str().unwrap_or("?")));
    }
    for (group, row) in groups {
        out.push_str(&format!("\n{group:<8}"));
        for (passed, all) in row {
            out.push_str(&format!("{:>12}", format!("{passed}/{all}")));
        }
    }
    out.push_str(&format!("\n{:<8}", "all"));
    for report in reports {
        let all = cases(report).count();
        let failed = cases(report).filter(|case| case["outcome"] == "fail").count();
        out.push_str(&format!("{:>12}", format!("{}/{all}", all - failed)));
    }
    out.push('\n');
    for report in reports {
        for case in cases(report).filter(|case| case["outcome"] == "fail") {
            let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
            let name = report["subject"]["name"].as_str().unwrap_or("?");
            out.push_str(&format!("FAIL {name} {} {}: {}\n", text("id"), text("case"), text("why")));
        }
    }
    out
}

/// A row per requirement, a column per provider.
fn markdown(reports: &[Value]) -> String {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (column, report) in reports.iter().enumerate() {
        for case in cases(report) {
            let Some(id) = case["id"].as_str() else { continue };
            let row = rows.entry(id).or_insert_with(|| vec![""; reports.len()]);
            let outcome = case["outcome"].as_str().unwrap_or("?");
            if row[column] != "fail" {
                row[column] = outcome;
            }
        }
    }
    let mut out = String::from("| requirement |");
    for report in reports {
        out.push_str(&format!(" {} |", report["subject"]["name"].as_str().unwrap_or("?")));
    }
    out.push_str(&format!("\n|---|{}\n", "---|".repeat(reports.len())));
    for (id, row) in rows {
        out.push_str(&format!("| {id} | {} |\n", row.join(" | ")));
    }
    out
}
