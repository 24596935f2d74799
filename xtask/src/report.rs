//! What people see of reports: a table, Markdown, a badge, and the README's line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{Outcome, root};

/// Sentences and sources by id.
#[derive(Debug)]
pub(crate) struct Requirements(pub(crate) BTreeMap<String, Value>);

impl Requirements {
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let place = |why: String| format!("{}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|error| place(error.to_string()))?;
        let all: Value = serde_json::from_str(&text).map_err(|error| place(error.to_string()))?;
        let rows = all["requirements"].as_array().cloned().unwrap_or_default();
        let id = |row: &Value| row["id"].as_str().unwrap_or_default().to_owned();
        Ok(Self(rows.into_iter().map(|row| (id(&row), row)).collect()))
    }

    pub(crate) fn sentence(&self, id: &str) -> &str {
        self.0.get(id).and_then(|row| row["sentence"].as_str()).unwrap_or_default()
    }

    /// The source's link, else the requirement's own place in the generated page.
    fn link(&self, id: &str) -> String {
        let source = self.0.get(id).and_then(|row| row["source"].as_str()).unwrap_or_default();
        if source.starts_with("https://") {
            source.to_owned()
        } else {
            format!("REQUIREMENTS.md#{}", id.to_lowercase())
        }
    }
}

pub(crate) fn name(report: &Value) -> &str {
    report["subject"]["name"].as_str().unwrap_or("?")
}

pub(crate) fn cases(report: &Value) -> impl Iterator<Item = &Value> {
    report["cases"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// All reports in one JSON document.
pub(crate) fn document(reports: &[Value]) -> String {
    let document = json!({ "schema": "wamedia-reports/1", "reports": reports });
    format!("{document:#}\n")
}

pub(crate) fn write(file: &Path, text: &str) -> Outcome {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// A row per group, a column per provider, then what failed and what it means.
pub(crate) fn table(reports: &[Value], requirements: &Requirements) -> String {
    let mut groups: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for (column, report) in reports.iter().enumerate() {
        for case in cases(report).filter(|case| case["outcome"] != "not-run") {
            let good = u64::from(case["outcome"] != "fail");
            for group in [text(case, "id").get(..2).unwrap_or("??"), "all"] {
                let row = groups.entry(group).or_insert_with(|| vec![(0, 0); reports.len()]);
                row[column].0 += good;
                row[column].1 += 1;
            }
        }
    }
    let line = |title: &str, cells: Vec<String>| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>16}")).collect();
        format!("{title:<15}{}\n", cells.concat())
    };
    let mut out = String::from("\n");
    out.push_str(&line("", reports.iter().map(|report| name(report).to_owned()).collect()));
    for (group, row) in &groups {
        out.push_str(&line(group, row.iter().map(|(good, all)| format!("{good}/{all}")).collect()));
    }
    for profile in profile_names(reports) {
        let cell = |report: &Value| {
            let (result, passed, all) = core(report, &profile);
            if all == 0 { "-".to_owned() } else { format!("{result} {passed}/{all}") }
        };
        out.push_str(&line(&profile, reports.iter().map(cell).collect()));
    }
    for report in reports {
        for case in cases(report) {
            let outcome = text(case, "outcome");
            if matches!(outcome, "fail" | "known-failure" | "non-strict") {
                out.push_str(&failure(name(report), outcome, case, requirements));
            }
        }
    }
    out
}

fn failure(provider: &str, outcome: &str, case: &Value, requirements: &Requirements) -> String {
    let (id, why) = (text(case, "id"), text(case, "why"));
    let mut out = format!("\n{} {provider} {id} {}\n", outcome.to_uppercase(), text(case, "case"));
    out.push_str(&format!("  required: {}\n", requirements.sentence(id)));
    // The suite's comparisons read "what: expected A, got B".
    match why.split_once("expected ").and_then(|(what, rest)| Some((what, rest.split_once(", got")?))) {
        Some((what, (expected, actual))) => {
            out.push_str(&format!("  expected: {what}{expected}\n"));
            out.push_str(&format!("  actual:   {}\n", actual.trim_start_matches([':', ' '])));
        }
        None => out.push_str(&format!("  actual:   {why}\n")),
    }
    out
}

fn profile_names(reports: &[Value]) -> Vec<String> {
    let profiles = reports.first().and_then(|report| report["profiles"].as_array());
    profiles.into_iter().flatten().map(|profile| text(profile, "name").to_owned()).collect()
}

/// Result, requirements met, and requirements that apply, of a profile's core.
fn core<'a>(report: &'a Value, profile: &str) -> (&'a str, u64, u64) {
    let profiles = report["profiles"].as_array().into_iter().flatten();
    let Some(profile) = profiles.into_iter().find(|row| row["name"] == profile) else { return ("", 0, 0) };
    let core = &profile["core"];
    let count = |key: &str| core[key].as_array().map_or(0, Vec::len) as u64;
    let passed = core["passed"].as_u64().unwrap_or_default();
    (text(core, "result"), passed, passed + count("failed") + count("known_failures") + count("skipped"))
}

/// A row per requirement, a column per provider; a cell is the worst outcome of its cases.
pub(crate) fn markdown(reports: &[Value], requirements: &Requirements) -> String {
    const WORST: [&str; 6] = ["fail", "known-failure", "not-run", "non-strict", "pass", "unsupported"];
    let mut out = String::from("| | level | requirement |");
    for report in reports {
        out.push_str(&format!(" {} |", name(report)));
    }
    out.push_str(&format!("\n|---|---|---|{}\n", "---|".repeat(reports.len())));
    for (id, row) in &requirements.0 {
        let (level, sentence, link) = (text(row, "level"), text(row, "sentence"), requirements.link(id));
        out.push_str(&format!("| {id} | {level} | [{}]({link}) |", sentence.replace('|', "\\|")));
        for report in reports {
            let of: Vec<_> = cases(report).filter(|case| text(case, "id") == id).collect();
            let worst = WORST.iter().find(|outcome| of.iter().any(|case| case["outcome"] == **outcome));
            let listed = |key: &str| {
                report[key].as_array().is_some_and(|all| all.iter().any(|row| text(row, "id") == id))
            };
            let cell = match worst {
                Some(worst) => worst,
                None if listed("not_run") => "not-run",
                None => "-",
            };
            out.push_str(&format!(" {cell} |"));
        }
        out.push('\n');
    }
    out
}

/// The document of a badge endpoint: requirements of `receive` that are met, of those that apply, over
/// all providers.
pub(crate) fn badge(reports: &[Value]) -> Value {
    let each: Vec<_> = reports.iter().map(|report| (name(report), core(report, "receive"))).collect();
    let passed: u64 = each.iter().map(|(_, (_, passed, _))| passed).sum();
    let all: u64 = each.iter().map(|(_, (_, _, all))| all).sum();
    let failed = each.iter().any(|(_, (result, ..))| *result == "failure");
    let color = if failed {
        "red"
    } else if passed == all {
        "brightgreen"
    } else {
        "yellow"
    };
    let providers: Vec<_> = each
        .iter()
        .map(|(name, (result, passed, all))| {
            json!({ "name": name, "result": result, "passed": passed, "of": all })
        })
        .collect();
    let count: usize = reports.iter().map(|report| cases(report).count()).sum();
    json!({
        "schemaVersion": 1, "label": "wamedia conformance", "message": format!("receive {passed}/{all}"),
        "color": color, "cases": count, "providers": providers,
    })
}

/// Writes the endpoint file, a static picture beside it, and the README's line.
pub(crate) fn write_badge(file: &Path, reports: &[Value]) -> Outcome {
    let badge = badge(reports);
    write(file, &format!("{badge:#}\n"))?;
    write(&file.with_extension("svg"), &svg(&badge))?;
    let readme = root().join("README.md");
    let old = fs::read_to_string(&readme).map_err(|error| format!("{}: {error}", readme.display()))?;
    write(&readme, &with_line(&old, &readme_line(&badge))?)
}

/// Fails when the README's numbers are not the committed badge's.
pub(crate) fn check_readme() -> Outcome {
    let read = |name: &str| fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"));
    let badge: Value = serde_json::from_str(&read("conformance/badge.json")?)
        .map_err(|error| format!("conformance/badge.json: {error}"))?;
    if read("conformance/badge.svg")? != svg(&badge) {
        return Err("conformance/badge.svg is not the picture of conformance/badge.json; write both anew \
                    with `cargo xtask conformance --badge conformance/badge.json`"
            .to_owned());
    }
    let readme = read("README.md")?;
    if with_line(&readme, &readme_line(&badge))? == readme {
        return Ok(());
    }
    Err(format!(
        "README.md: its conformance numbers are old; conformance/badge.json says {}; write it anew with \
         `cargo xtask conformance --badge conformance/badge.json`",
        badge["message"]
    ))
}

const BEGIN: &str = "<!-- conformance -->\n";
const END: &str = "<!-- /conformance -->";

fn with_line(readme: &str, line: &str) -> Result<String, String> {
    let parts = readme.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or("README.md: the marks <!-- conformance --> are missing")?;
    Ok(format!("{before}{BEGIN}{line}{END}{after}"))
}

fn readme_line(badge: &Value) -> String {
    let message = text(badge, "message");
    let each = badge["providers"].as_array().into_iter().flatten();
    let each = each.map(|row| format!("{} {}/{}", text(row, "name"), row["passed"], row["of"]));
    format!(
        "![wamedia conformance: {message}](conformance/badge.svg)\n\
         {} cases; core requirements of `receive` met: {}.\n",
        badge["cases"],
        each.collect::<Vec<_>>().join(", ")
    )
}

/// The picture, wide enough for `receive 999/999`.
const BADGE: &str = include_str!("badge.svg");

fn svg(badge: &Value) -> String {
    let (label, message) = (text(badge, "label"), text(badge, "message"));
    let color = match text(badge, "color") {
        "brightgreen" => "#2f8f2f",
        "yellow" => "#b08800",
        _ => "#b00020",
    };
    BADGE.replace("{label}", label).replace("{message}", message).replace("{color}", color)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements() -> Requirements {
        let row = json!({ "id": "IN-001", "level": "MUST", "sentence": "Bytes are right.", "source": "house rule" });
        Requirements(BTreeMap::from([("IN-001".to_owned(), row)]))
    }

    fn report(outcome: &str, failed: &[&str]) -> Value {
        let result = if failed.is_empty() { "success" } else { "failure" };
        json!({
            "subject": { "name": "meta" },
            "profiles": [{ "name": "receive", "core": { "result": result, "passed": 1 - failed.len(),
                "failed": failed, "known_failures": [], "skipped": [] } }],
            "cases": [{ "id": "IN-001", "case": "flip", "outcome": outcome, "why": "kind: expected A, got B" }],
        })
    }

    #[test]
    fn a_failure_shows_expected_actual_and_the_sentence() {
        let table = table(&[report("fail", &["IN-001"])], &requirements());
        for part in
            ["FAIL meta IN-001 flip", "required: Bytes are right.", "expected: kind: A", "actual:   B", "0/1"]
        {
            assert!(table.contains(part), "{part} is not in\n{table}");
        }
        assert!(!self::table(&[report("pass", &[])], &requirements()).contains("required"));
    }

    #[test]
    fn the_readme_line_follows_the_badge() {
        let badge = badge(&[report("pass", &[])]);
        assert_eq!((text(&badge, "message"), text(&badge, "color")), ("receive 1/1", "brightgreen"));
        let readme = format!("a\n{BEGIN}old\n{END}\nb\n");
        let new = with_line(&readme, &readme_line(&badge)).expect("the marks are there");
        assert!(new.contains("meta 1/1") && new.starts_with("a\n") && new.ends_with("\nb\n"), "{new}");
        assert!(with_line("no marks", "").is_err());
        assert!(svg(&badge).contains("receive 1/1"));
    }

    #[test]
    fn markdown_links_each_sentence() {
        let page = markdown(&[report("pass", &[])], &requirements());
        assert!(
            page.contains("| IN-001 | MUST | [Bytes are right.](REQUIREMENTS.md#in-001) | pass |"),
            "{page}"
        );
    }
}
