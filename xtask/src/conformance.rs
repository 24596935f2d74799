//! The behavioural suite: builds it, runs it, and says how it went.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use wamedia_conformance::outside::{self, Client, Score, Sentences};
use wamedia_conformance::render::{self, cases, name};

use crate::{Outcome, PROVIDERS, badge, cargo, root, step, suite};

const PROFILES: [&str; 5] = ["receive", "send", "resume", "list", "signed-webhook"];

/// What the command line asks for.
#[derive(Debug, Default, clap::Parser)]
pub(crate) struct Options {
    /// One provider, or one that is being written: a crate `wamedia-NAME` with a suite
    #[arg(long, value_parser = provider)]
    pub(crate) provider: Option<String>,
    /// Only what this profile needs
    #[arg(long, value_parser = PROFILES)]
    pub(crate) profile: Option<String>,
    /// Cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Scores a program, in any language, on what can be seen from outside, as its file describes it; further options
    /// are those of `wamedia-conformance client`
    #[arg(long, value_name = "FILE")]
    pub(crate) client: Option<PathBuf>,
    /// The report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The report as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = "The report as JUnit XML")]
    pub(crate) junit: Option<PathBuf>,
    /// The report in the Test Anything Protocol
    #[arg(long, value_name = "FILE")]
    pub(crate) tap: Option<PathBuf>,
    /// The badge (JSON, and SVG beside it), and the README's numbers
    #[arg(long, value_name = "FILE")]
    pub(crate) badge: Option<PathBuf>,
    /// A SHOULD that is not met fails
    #[arg(long)]
    pub(crate) strict: bool,
    /// Only list
    #[arg(long)]
    pub(crate) list: bool,
    /// Each requirement catches the mutations of the client that it names
    #[arg(long)]
    pub(crate) mutations: bool,
    /// With `--mutations`: every case against every mutation, which takes minutes
    #[arg(long)]
    pub(crate) matrix: bool,
}

impl Options {
    /// Everything of every provider: only then do the numbers mean anything.
    fn is_whole(&self) -> bool {
        self.provider.is_none() && self.profile.is_none() && self.filter.is_none() && !self.list
    }

    fn providers(&self) -> Vec<&str> {
        self.provider.as_deref().map_or_else(|| PROVIDERS.to_vec(), |one| vec![one])
    }
}

pub(crate) fn run(options: &Options) -> Outcome {
    if options.badge.is_some() && !options.is_whole() {
        return Err("--badge wants a run of everything: its numbers go into the README".to_owned());
    }
    if let Some(client) = &options.client {
        return from_outside(options, client);
    }
    if options.mutations || options.matrix {
        return crate::mutations::run(options.matrix);
    }
    let programs = suite::build()?;
    let (mut reports, mut failed) = (Vec::new(), Vec::new());
    for provider in options.providers() {
        let program =
            programs.get(provider).ok_or_else(|| format!("the suite of {provider} was not built"))?;
        println!("== conformance of {provider}");
        let (report, passed) = run_one(options, provider, program)?;
        reports.extend(report);
        if !passed {
            failed.push(provider);
        }
    }
    if options.list {
        return if failed.is_empty() { Ok(()) } else { Err(format!("{} cannot list", failed.join(", "))) };
    }
    show(options, &reports)?;
    if !failed.is_empty() {
        return Err(format!("conformance failed for {}", failed.join(", ")));
    }
    if options.is_whole() {
        expected_cases(&reports)?;
        covered(&reports)?;
        clauses(&reports)?;
        committed_badge(options, &reports)?;
    }
    Ok(())
}

/// A provider's name; one that has a suite is enough.
fn provider(name: &str) -> Result<String, String> {
    if PROVIDERS.contains(&name) || suite::exists(name) {
        return Ok(name.to_owned());
    }
    Err(format!("there is none with a suite; there are {}", PROVIDERS.join(", ")))
}

/// Scores a program on what can be seen from outside.
fn from_outside(options: &Options, file: &Path) -> Outcome {
    let client = Client::read(file)?;
    let score = Score {
        client,
        providers: options.provider.clone().into_iter().collect(),
        filter: options.filter.clone(),
        profile: options.profile.clone(),
        strict: options.strict,
        path: Some(path_with_own_program()?),
        again: format!("cargo xtask conformance --client {} ROW", file.display()),
    };
    let reports = outside::score(&score)?;
    show(options, &reports)?;
    outside::verdict(&reports)
}

/// `PATH`, with the program of this repository before all others.
pub(crate) fn path_with_own_program() -> Result<OsString, String> {
    step("the program", &mut cargo(&["build", "--quiet", "--locked", "-p", "wamedia-cli"]))?;
    let own = suite::target_folder().join("debug");
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(own).chain(env::split_paths(&path))).map_err(|error| error.to_string())
}

/// The table, and reports as files: JSON, Markdown, `JUnit`, TAP, badge.
fn show(options: &Options, reports: &[Value]) -> Outcome {
    let sentences = Sentences::embedded()?;
    print!("{}", render::table(reports, &sentences));
    follows_schema(&render::document(reports))?;
    if let Some(file) = &options.json {
        badge::write(file, &render::document(reports))?;
    }
    if let Some(file) = &options.markdown {
        badge::write(file, &render::markdown(reports, &sentences))?;
    }
    if let Some(file) = &options.junit {
        badge::write(file, &render::junit(reports))?;
    }
    if let Some(file) = &options.tap {
        badge::write(file, &render::tap(reports))?;
    }
    if let Some(file) = &options.badge {
        badge::write_badge(file, reports)?;
    }
    Ok(())
}

/// Whoever reads reports relies on their schema.
fn follows_schema(document: &str) -> Outcome {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let schema =
        jsonschema::validator_for(&parsed(outside::REPORT_SCHEMA)?).map_err(|error| error.to_string())?;
    let document = parsed(document)?;
    match schema.iter_errors(&document).next() {
        None => Ok(()),
        Some(error) => {
            Err(format!("the report does not follow its schema: {}: {error}", error.instance_path()))
        }
    }
}

/// Runs one provider's suite: its report, and whether it passed.
fn run_one(options: &Options, provider: &str, program: &Path) -> Result<(Option<Value>, bool), String> {
    let path = root().join("target").join(format!("conformance-{provider}.json"));
    let _ = fs::remove_file(&path);
    let mut command = suite::command(provider, program);
    command.env("WAMEDIA_CONFORMANCE_REPORT", &path);
    command.env("WAMEDIA_CONFORMANCE_STRICT", if options.strict { "1" } else { "0" });
    command.env("WAMEDIA_CONFORMANCE_PROFILE", options.profile.as_deref().unwrap_or_default());
    command.arg("--quiet").args(options.filter.as_deref());
    if options.list {
        command.arg("--list");
    }
    let status = command.status().map_err(|error| format!("{}: {error}", program.display()))?;
    let report = match fs::read_to_string(&path) {
        Ok(text) => {
            Some(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        Err(_) => None,
    };
    Ok((report, status.success()))
}

/// The number of cases is committed: cases that vanish are noticed.
fn expected_cases(reports: &[Value]) -> Outcome {
    let path = root().join("conformance/expected-cases.json");
    let expected: BTreeMap<String, u64> = read(&path)?;
    for report in reports {
        let count = cases(report).count() as u64;
        if count == 0 || expected.get(name(report)) != Some(&count) {
            return Err(format!(
                "{} ran {count} cases, {} expects {:?}; change it if that is meant",
                name(report),
                path.display(),
                expected.get(name(report))
            ));
        }
    }
    Ok(())
}

/// Every requirement that applies has a case or a written reason, and no reason is out of date.
fn covered(reports: &[Value]) -> Outcome {
    let mut problems = Vec::new();
    for report in reports {
        let provider = name(report);
        for row in report["not_run"].as_array().into_iter().flatten().filter(|row| row["reason"].is_null()) {
            problems.push(format!(
                "{provider} has no case for {}; write one, or say in fixtures/coverage-reasons.json why not",
                row["id"].as_str().unwrap_or_default()
            ));
        }
        for id in report["stale_reasons"].as_array().into_iter().flatten() {
            problems.push(format!(
                "{provider} has cases for {}; take its name out of that row of fixtures/coverage-reasons.json",
                id.as_str().unwrap_or_default()
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// Every case that a clause names is there.
fn clauses(reports: &[Value]) -> Outcome {
    let problems = crate::clauses::unknown_cases(reports)?;
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// The committed badge says what this run says.
fn committed_badge(options: &Options, reports: &[Value]) -> Outcome {
    let path = root().join("conformance/badge.json");
    if options.strict || options.badge.is_some() {
        return Ok(());
    }
    let committed: Value = read(&path)?;
    let now = badge::badge(reports);
    if committed == now {
        return Ok(());
    }
    Err(format!(
        "{} says {}, this run says {}; write it anew with `cargo xtask conformance --badge conformance/badge.json`",
        path.display(),
        committed["message"],
        now["message"]
    ))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let place = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| place(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| place(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_known_or_refused_by_name() {
        let parse = |words: &[&str]| Options::try_parse_from([&["conformance"], words].concat());
        let options = parse(&["--provider", "meta", "--strict", "--json", "f"]).expect("known");
        assert_eq!((options.provider.as_deref(), options.strict), (Some("meta"), true));
        assert!(!options.is_whole());
        for (words, part) in [
            (&["--provider", "acme"][..], "acme"),
            (&["--profile", "x"], "receive, send"),
            (&["--json"], "--json"),
            (&["--wat"], "--wat"),
        ] {
            let why = parse(words).expect_err("refused").to_string();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn a_report_that_does_not_follow_its_schema_is_refused() {
        let case = json!({ "id": "IN-001", "case": "flip", "level": "MUST", "outcome": "pass" });
        let mut report = json!({ "schema": "wamedia-report/1", "suite": "0.1.0", "date": "2026-11-27", "strict": false,
            "subject": { "name": "x" }, "profiles": [], "not_applicable": [], "cases": [case] });
        assert_eq!(follows_schema(&render::document(&[report.clone()])), Ok(()));
        report["cases"][0]["outcome"] = json!("splendid");
        assert!(follows_schema(&render::document(&[report])).expect_err("refused").contains("outcome"));
    }

    #[test]
    fn a_requirement_without_case_and_reason_is_named() {
        let report = json!({ "subject": { "name": "meta" },
            "not_run": [{ "id": "UP-001", "reason": null }, { "id": "UP-002", "reason": "later" }],
            "stale_reasons": ["IN-001"] });
        let why = covered(&[report]).expect_err("refused");
        assert!(why.contains("UP-001") && why.contains("IN-001") && !why.contains("UP-002"), "{why}");
    }
}
