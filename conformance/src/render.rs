//! What people and their tools read of reports: a table, Markdown, `JUnit`, TAP.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::outside::Sentences;

/// The name of what a report is about: a provider.
pub fn name(report: &Value) -> &str {
    report["subject"]["name"].as_str().unwrap_or("?")
}

/// The cases of a report.
pub fn cases(report: &Value) -> impl Iterator<Item = &Value> {
    report["cases"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// All reports in one JSON document.
pub fn document(reports: &[Value]) -> String {
    let document = json!({ "schema": "wamedia-reports/1", "reports": reports });
    format!("{document:#}\n")
}

/// A row per group, a column per provider, then what failed and what it means.
pub fn table(reports: &[Value], sentences: &Sentences) -> String {
    let mut groups: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for (column, report) in reports.iter().enumerate() {
        for case in cases(report).filter(|case| counts(case)) {
            let good = u64::from(matches!(text(case, "outcome"), "pass" | "unsupported"));
            let group = case["group"].as_str().or_else(|| text(case, "id").get(..2)).unwrap_or("??");
            for group in [group, "all"] {
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
        let mut said = "";
        let bad = |case: &&Value| matches!(text(case, "outcome"), "fail" | "known-failure" | "non-strict");
        for case in cases(report).filter(bad) {
            // Where a control failed, all its rows say the same.
            let has_control = case["requirements"].is_null() || broken(case).next().is_some();
            if has_control || text(case, "why") != said {
                out.push_str(&failure(name(report), case, sentences));
            }
            said = text(case, "why");
        }
    }
    out
}

/// Whether a case says something about its subject.
fn counts(case: &Value) -> bool {
    !matches!(text(case, "outcome"), "not-run" | "not-offered")
}

/// The requirements that a client's row broke.
fn broken(case: &Value) -> impl Iterator<Item = &Value> {
    case["requirements"].as_array().into_iter().flatten().filter(|row| row["outcome"] == "fail")
}

/// Each requirement that a case broke, with what was expected of it and what came, and how to run it again.
fn failure(provider: &str, case: &Value, sentences: &Sentences) -> String {
    let mut out = format!("\n{} {provider} {}\n", text(case, "outcome").to_uppercase(), text(case, "case"));
    let mut rows: Vec<_> = broken(case).collect();
    if rows.is_empty() {
        rows.push(case);
    }
    for row in rows {
        let (id, why) = (text(row, "id"), text(row, "why"));
        out.push_str(&format!("  required: {id} {}\n", sentences.sentence(id)));
        // The suite's comparisons read "what: expected A, got B".
        match why.split_once("expected ").and_then(|(what, rest)| Some((what, rest.split_once(", got")?))) {
            Some((what, (expected, actual))) => {
                out.push_str(&format!("  expected: {what}{expected}\n"));
                out.push_str(&format!("  actual:   {}\n", actual.trim_start_matches([':', ' '])));
            }
            None => out.push_str(&format!("  actual:   {why}\n")),
        }
    }
    if let Some(again) = case["again"].as_str() {
        out.push_str(&format!("  again:    {again}\n"));
    }
    out
}

fn profile_names(reports: &[Value]) -> Vec<String> {
    let profiles = reports.first().and_then(|report| report["profiles"].as_array());
    profiles.into_iter().flatten().map(|profile| text(profile, "name").to_owned()).collect()
}

/// Result, requirements met, and requirements that apply, of a profile's core.
pub fn core<'a>(report: &'a Value, profile: &str) -> (&'a str, u64, u64) {
    let profiles = report["profiles"].as_array().into_iter().flatten();
    let Some(profile) = profiles.into_iter().find(|row| row["name"] == profile) else { return ("", 0, 0) };
    let core = &profile["core"];
    let count = |key: &str| core[key].as_array().map_or(0, Vec::len) as u64;
    let passed = core["passed"].as_u64().unwrap_or_default();
    (text(core, "result"), passed, passed + count("failed") + count("known_failures") + count("skipped"))
}

/// A row per requirement, a column per provider. Of a provider's suite, a cell is the worst outcome of its cases; of
/// a client, how many of the rows that exercise the requirement met it.
pub fn markdown(reports: &[Value], sentences: &Sentences) -> String {
    let mut out = String::new();
    for report in reports.iter().take(1).filter(|report| report["subject"]["client"].is_string()) {
        out.push_str(&format!("{}\n\n", subject(report)));
    }
    out.push_str("| | level | requirement |");
    for report in reports {
        out.push_str(&format!(" {} |", name(report)));
    }
    out.push_str(&format!("\n|---|---|---|{}\n", "---|".repeat(reports.len())));
    for (id, row) in sentences.requirements() {
        let cells: Vec<_> = reports.iter().map(|report| cell(report, id)).collect();
        // What no row of a client's run exercises says nothing about it.
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let (level, sentence, link) = (text(row, "level"), text(row, "sentence"), sentences.link(id));
        out.push_str(&format!("| {id} | {level} | [{}]({link}) |", sentence.replace('|', "\\|")));
        for cell in cells {
            out.push_str(&format!(" {} |", cell.as_deref().unwrap_or("-")));
        }
        out.push('\n');
    }
    out
}

/// The client that was scored, in a line.
fn subject(report: &Value) -> String {
    let of = |key: &str| report["subject"][key].as_str().map(|text| format!(" {text}")).unwrap_or_default();
    let commit =
        report["subject"]["commit"].as_str().map(|text| format!(", commit {text}")).unwrap_or_default();
    format!(
        "Client:{}{}{commit}{}. Measured on {}.",
        of("client"),
        of("version"),
        of("url"),
        text(report, "date")
    )
}

/// What a table says of a requirement; none where a client's run does not exercise it.
fn cell(report: &Value, id: &str) -> Option<String> {
    const WORST: [&str; 6] = ["fail", "known-failure", "not-run", "non-strict", "pass", "unsupported"];
    if report["subject"]["client"].is_string() {
        let rows =
            cases(report).filter(|case| counts(case)).filter_map(|case| case["requirements"].as_array());
        let rows: Vec<_> = rows.flatten().filter(|row| text(row, "id") == id).collect();
        let met = rows.iter().filter(|row| row["outcome"] == "pass").count();
        return (!rows.is_empty()).then(|| format!("{met}/{}", rows.len()));
    }
    let of: Vec<_> = cases(report).filter(|case| text(case, "id") == id).collect();
    let worst = WORST.iter().find(|outcome| of.iter().any(|case| case["outcome"] == **outcome));
    let listed =
        |key: &str| report[key].as_array().is_some_and(|all| all.iter().any(|row| text(row, "id") == id));
    Some(match worst {
        Some(worst) => (*worst).to_owned(),
        None if listed("not_run") => "not-run".to_owned(),
        None => "-".to_owned(),
    })
}

/// The format that continuous integration reads: a suite per provider, a test case per case.
pub fn junit(reports: &[Value]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for report in reports {
        let count = |outcome: &str| cases(report).filter(|case| case["outcome"] == outcome).count();
        let skipped = cases(report).filter(|case| is_skipped(case)).count();
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{skipped}\">\n",
            escaped(name(report)),
            cases(report).count(),
            count("fail"),
        ));
        for case in cases(report) {
            let seconds = case["ms"].as_f64().unwrap_or_default() / 1000.0;
            out.push_str(&format!(
                "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\"",
                escaped(text(case, "id")),
                escaped(text(case, "case")),
            ));
            let why = escaped(text(case, "why"));
            let again = escaped(text(case, "again"));
            match text(case, "outcome") {
                "fail" => {
                    out.push_str(&format!("><failure message=\"{why}\">{again}</failure></testcase>\n"));
                }
                _ if is_skipped(case) => {
                    let outcome = text(case, "outcome");
                    out.push_str(&format!("><skipped message=\"{outcome}: {why}\"/></testcase>\n"));
                }
                _ => out.push_str("/>\n"),
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Neither passed nor failed.
fn is_skipped(case: &Value) -> bool {
    !matches!(text(case, "outcome"), "pass" | "fail" | "unsupported")
}

/// Text for XML: no mark of its own, and no control character, which XML cannot hold.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The Test Anything Protocol, version 14: one line a case.
pub fn tap(reports: &[Value]) -> String {
    let count: usize = reports.iter().map(|report| cases(report).count()).sum();
    let mut out = format!("TAP version 14\n1..{count}\n");
    let all = reports.iter().flat_map(|report| cases(report).map(move |case| (report, case)));
    for (number, (report, case)) in (1..).zip(all) {
        let what = format!("{} {} {}", name(report), text(case, "id"), text(case, "case"));
        // A `#` begins a directive.
        let what = what.replace('#', "\\#").replace(['\n', '\r'], " ");
        let why = text(case, "why").replace(['\n', '\r'], " ");
        out.push_str(&match text(case, "outcome") {
            "pass" | "unsupported" => format!("ok {number} - {what}\n"),
            "fail" => format!("not ok {number} - {what}\n# {why}\n# {}\n", text(case, "again")),
            "known-failure" | "non-strict" => format!("not ok {number} - {what} # TODO {why}\n"),
            outcome => format!("ok {number} - {what} # SKIP {outcome}\n"),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences() -> Sentences {
        Sentences::embedded().expect("readable")
    }

    fn report(outcome: &str, failed: &[&str]) -> Value {
        let result = if failed.is_empty() { "success" } else { "failure" };
        json!({
            "subject": { "name": "acme" },
            "profiles": [{ "name": "receive", "core": { "result": result, "passed": 1 - failed.len(),
                "failed": failed, "known_failures": [], "skipped": [] } }],
            "cases": [{ "id": "IN-001", "case": "flip", "outcome": outcome, "why": "kind: expected <A>, got B",
                "again": "run flip", "ms": 1500 }],
        })
    }

    #[test]
    fn a_failure_shows_expected_actual_the_sentence_and_how_to_run_it_again() {
        let table = table(&[report("fail", &["IN-001"])], &sentences());
        for part in [
            "FAIL acme flip",
            "required: IN-001 Bytes that do not match",
            "expected: kind: <A>",
            "actual:   B",
            "again:    run flip",
            "0/1",
        ] {
            assert!(table.contains(part), "{part} is not in\n{table}");
        }
        assert!(!self::table(&[report("pass", &[])], &sentences()).contains("required"));
    }

    #[test]
    fn a_clients_failure_names_each_requirement_that_it_broke_and_no_other() {
        let mut report = report("fail", &["flip"]);
        report["cases"][0]["requirements"] = json!([
            { "id": "IN-001", "outcome": "fail", "why": "expected an error, got: success" },
            { "id": "IN-010", "outcome": "pass", "why": null },
        ]);
        let table = table(&[report], &sentences());
        assert!(table.contains("IN-001") && !table.contains("IN-010"), "{table}");
    }

    #[test]
    fn markdown_links_each_sentence_and_counts_what_a_client_met() {
        let page = markdown(&[report("pass", &[])], &sentences());
        assert!(page.contains("| IN-001 | MUST | [Bytes that do not match"), "{page}");
        let mut client = report("fail", &[]);
        client["subject"]["client"] = json!("curl");
        client["cases"][0]["requirements"] = json!([{ "id": "IN-001", "outcome": "fail" }]);
        let page = markdown(&[client], &sentences());
        assert!(
            page.starts_with("Client: curl") && page.contains(" 0/1 |") && !page.contains("IN-002"),
            "{page}"
        );
    }

    #[test]
    fn junit_and_tap_tell_outcomes_apart() {
        let (pass, fail, skip) =
            (report("pass", &[]), report("fail", &["IN-001"]), report("not-offered", &[]));
        let xml = junit(&[pass.clone(), fail.clone(), skip.clone()]);
        for part in [
            "<testsuite name=\"acme\" tests=\"1\" failures=\"1\" skipped=\"0\">",
            "<failure message=\"kind: expected &lt;A&gt;, got B\">run flip</failure>",
            "<skipped message=\"not-offered",
            "time=\"1.500\"/>",
        ] {
            assert!(xml.contains(part), "{part} is not in\n{xml}");
        }
        let tap = tap(&[pass, fail, skip, report("known-failure", &[])]);
        for part in [
            "1..4\nok 1 - acme IN-001 flip\n",
            "\nnot ok 2 - ",
            "\nok 3 - acme IN-001 flip # SKIP",
            "# TODO kind",
        ] {
            assert!(tap.contains(part), "{part} is not in\n{tap}");
        }
        assert_eq!(escaped("a\u{1b}[31m&"), "a [31m&amp;");
    }
}
