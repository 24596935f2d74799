//! One trial per requirement and fixture, and the report.

use std::env;
use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};
use wamedia_core::{Clock as _, format_rfc3339};
use wamedia_provider::SystemClock;

use crate::cases::{self, Case, Setup};
use crate::fixture::Fixture;
use crate::profile::Profile;
use crate::report::{self, About, Outcome, Row};
use crate::requirements::{self, Requirement, Rules};
use crate::{Package, ProviderUnderTest, TestNet, mutations, snapshot};

/// The file that the report is written to; without it, none is written.
const REPORT: &str = "WAMEDIA_CONFORMANCE_REPORT";
/// Set to `1`: a SHOULD that is not met fails.
const STRICT: &str = "WAMEDIA_CONFORMANCE_STRICT";
/// Only the requirements of this profile.
const PROFILE: &str = "WAMEDIA_CONFORMANCE_PROFILE";

/// What all trials share.
struct Run {
    setup: Setup,
    rules: Rules,
    rows: Mutex<Vec<Row>>,
    /// Today, `YYYY-MM-DD`.
    date: String,
    strict: bool,
}

/// Lists and runs the cases of a provider; see [`main!`](crate::main).
pub fn run<H: ProviderUnderTest>(package: Package) -> ExitCode {
    match prepared::<H>(package) {
        Ok(code) => code,
        Err(why) => fail(&why),
    }
}

fn prepared<H: ProviderUnderTest>(package: Package) -> Result<ExitCode, String> {
    let arguments = Arguments::from_args();
    let root = H::fixtures();
    snapshot::keep_in(H::snapshots());
    let fixtures = Arc::new(Fixture::load_all(&root, H::NAME)?);
    let rules = Rules::load(&root, H::NAME)?;
    let profile = Profile::load(&root, H::NAME)?;
    let net = TestNet::new(wamedia_provider::TransportOptions::default());
    let capabilities = *H::build(&net).capabilities();
    let webhook_capabilities = H::webhooks(&net).map(|webhooks| *webhooks.capabilities());
    let features =
        requirements::features(&capabilities, webhook_capabilities.as_ref(), H::SIGNATURE, &profile);
    rules.check_reasons(H::NAME, &features)?;
    let setup = Setup {
        build: H::build,
        webhooks: H::webhooks,
        name: H::NAME,
        package: package.name,
        root,
        fixtures,
        capabilities,
        webhook_capabilities,
        profile: Arc::new(profile),
        signature: H::SIGNATURE,
        with_range: false,
        mutation: None,
    };
    setup.check_profile()?;
    let Some(setup) = mutations::on_request(setup)? else { return Ok(ExitCode::SUCCESS) };
    let profile = env::var(PROFILE).ok().filter(|name| !name.is_empty());
    if let Some(name) = profile.as_deref().filter(|name| !report::PROFILES.contains(name)) {
        return Err(format!("there is no profile {name}; there are {}", report::PROFILES.join(", ")));
    }
    let mut cases = cases::all(&setup);
    for case in &cases {
        if rules.get(case.requirement).is_none() {
            return Err(format!("the case {} proves an unknown requirement", case.requirement));
        }
    }
    let in_profile = |requirement: &Requirement| profile.as_ref().is_none_or(|p| *p == requirement.profile);
    cases.retain(|case| rules.get(case.requirement).is_some_and(in_profile));
    if cases.is_empty() {
        return Err("no case applies: that is a failure, not a success".to_owned());
    }
    let rows = cases.iter().map(|case| not_run(case, &rules)).collect();
    let date = format_rfc3339(SystemClock.now()).chars().take(10).collect();
    let strict = env::var(STRICT).is_ok_and(|value| value == "1");
    let run = Arc::new(Run { setup, rules, rows: Mutex::new(rows), date, strict });
    let trials = cases.into_iter().enumerate().map(|(place, case)| trial(place, case, &run)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let rows = run.rows.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = env::var_os(REPORT) {
        let about = About {
            provider: H::NAME,
            package,
            root: &run.setup.root,
            features: &features,
            date: run.date.clone(),
            strict: run.strict,
            profile: profile.as_deref(),
        };
        let report = report::build(&about, &run.rules, &rows);
        fs::write(&path, format!("{report:#}\n"))
            .map_err(|error| format!("cannot write the report: {error}"))?;
    }
    // Only a whole run shows which snapshots are still used.
    if profile.is_none() && rows.iter().all(|row| row.outcome != Outcome::NotRun) {
        let unused = snapshot::unreferenced(H::NAME);
        if !unused.is_empty() {
            return Err(format!(
                "no case refers to these snapshots; delete them:\n  {}",
                unused.join("\n  ")
            ));
        }
    }
    Ok(conclusion.exit_code())
}

fn not_run(case: &Case, rules: &Rules) -> Row {
    let level = rules.get(case.requirement).map_or("MUST", |requirement| requirement.level.as_str());
    Row {
        requirement: case.requirement.to_owned(),
        case: case.name.clone(),
        level: level.to_owned(),
        outcome: Outcome::NotRun,
        why: None,
        ms: 0,
    }
}

fn trial(place: usize, case: Case, run: &Arc<Run>) -> Trial {
    let run = Arc::clone(run);
    let requirement = run.rules.get(case.requirement);
    let level = requirement.map_or_else(|| "MUST".to_owned(), |requirement| requirement.level.clone());
    let name = format!("{}::{}::{}", run.setup.name, case.requirement, case.name);
    Trial::test(name, move || {
        let started = Instant::now();
        let verdict = run_case(&case, &run.setup);
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (outcome, why, failure) = classify(&case, &run, verdict);
        let mut rows = run.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows.get_mut(place) {
            (row.outcome, row.why, row.ms) = (outcome, why, ms);
        }
        failure.map_or(Ok(()), |why| {
            let sentence =
                run.rules.get(case.requirement).map_or("", |requirement| requirement.sentence.as_str());
            Err(Failed::from(format!("{}: {sentence}\n  {why}", case.requirement)))
        })
    })
    .with_kind(level)
}

/// A case that panics fails, and is reported like any other.
fn run_case(case: &Case, setup: &Setup) -> Result<(), String> {
    let work = std::panic::AssertUnwindSafe(|| (case.run)(setup));
    std::panic::catch_unwind(work).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text");
        Err(format!("it panicked: {text}"))
    })
}

/// The outcome, what to say about it, and the text that fails the trial, if it does.
fn classify(
    case: &Case,
    run: &Run,
    verdict: Result<(), String>,
) -> (Outcome, Option<String>, Option<String>) {
    let known = run.rules.known(case.requirement, &case.name);
    let should = run.rules.get(case.requirement).is_some_and(|requirement| !requirement.is_core());
    match (verdict, known) {
        (Ok(()), None) if case.negative => (Outcome::Unsupported, None, None),
        (Ok(()), None) => (Outcome::Pass, None, None),
        (Ok(()), Some(known)) => {
            let why = format!(
                "it passes, although it is a known failure ({}); take it out of known-failures.json",
                known.issue
            );
            (Outcome::Fail, Some(why.clone()), Some(why))
        }
        (Err(why), Some(known)) if known.expires >= run.date => {
            (Outcome::KnownFailure, Some(format!("{why} (known: {}, {})", known.reason, known.issue)), None)
        }
        (Err(why), Some(known)) => {
            let why = format!("{why} (it was a known failure until {}: {})", known.expires, known.issue);
            (Outcome::Fail, Some(why.clone()), Some(why))
        }
        (Err(why), None) if should && !run.strict => (Outcome::NonStrict, Some(why), None),
        (Err(why), None) => (Outcome::Fail, Some(why.clone()), Some(why)),
    }
}

#[expect(clippy::print_stderr, reason = "a test program reports to standard error")]
fn fail(why: &str) -> ExitCode {
    eprintln!("conformance: {why}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirements::KnownFailure;

    fn run_with(known: Option<&str>, strict: bool) -> Run {
        let root = wamedia_fixtures::embedded();
        let mut rules = Rules::load(&root, "nobody").expect("the catalogue is readable");
        rules.known.extend(known.map(|expires| KnownFailure {
            requirement: "IN-001".to_owned(),
            case: "case".to_owned(),
            reason: "a reason".to_owned(),
            issue: "issue 7".to_owned(),
            expires: expires.to_owned(),
        }));
        let setup = Setup {
            build: |_| unreachable!("nothing is built here"),
            webhooks: |_| None,
            name: "nobody",
            package: "nobody",
            root,
            fixtures: Arc::default(),
            capabilities: wamedia_core::Capabilities::NONE,
            webhook_capabilities: None,
            profile: Arc::default(),
            signature: crate::SignatureFormat::default(),
            with_range: false,
            mutation: None,
        };
        Run { setup, rules, rows: Mutex::default(), date: "2026-11-20".to_owned(), strict }
    }

    fn classified(id: &'static str, run: &Run, verdict: Result<(), &str>) -> (Outcome, bool) {
        let case =
            Case { requirement: id, name: "case".to_owned(), negative: false, run: Box::new(|_| Ok(())) };
        let (outcome, _, failure) = classify(&case, run, verdict.map_err(ToOwned::to_owned));
        (outcome, failure.is_some())
    }

    #[test]
    fn a_known_failure_is_forgiven_until_its_day_and_must_not_pass() {
        let run = run_with(Some("2026-11-20"), false);
        assert_eq!(classified("IN-001", &run, Err("no")), (Outcome::KnownFailure, false));
        assert_eq!(classified("IN-001", &run, Ok(())), (Outcome::Fail, true));
        let late = run_with(Some("2026-11-19"), false);
        assert_eq!(classified("IN-001", &late, Err("no")), (Outcome::Fail, true));
        assert_eq!(classified("IN-002", &run, Err("no")), (Outcome::Fail, true));
    }

    #[test]
    fn a_should_fails_a_strict_run_only() {
        assert_eq!(classified("LM-008", &run_with(None, false), Err("no")), (Outcome::NonStrict, false));
        assert_eq!(classified("LM-008", &run_with(None, true), Err("no")), (Outcome::Fail, true));
    }
}
