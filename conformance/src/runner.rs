//! One trial per requirement and fixture, and the report.

use std::env;
use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

use crate::cases::{self, Case, Subject};
use crate::fixture::Fixture;
use crate::{Harness, TestNet};

/// Where the report goes, when somebody wants one.
const REPORT: &str = "WAMEDIA_CONFORMANCE_REPORT";

/// Lists and runs the cases of a provider; see [`main!`](crate::main).
pub fn run<H: Harness>() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = H::fixtures();
    let fixtures = match Fixture::load_all(&root, H::PROVIDER) {
        Ok(fixtures) => Arc::new(fixtures),
        Err(why) => return complain(&why),
    };
    let requirements = match requirements(&root) {
        Ok(requirements) => Arc::new(requirements),
        Err(why) => return complain(&why),
    };
    let transport = wamedia_http::TransportOptions::default();
    let capabilities = H::build(&TestNet { transport, with_webhook_secret: true }).capabilities();
    let subject = Arc::new(Subject {
        build: H::build,
        handshake: H::handshake,
        provider: H::PROVIDER,
        root,
        fixtures,
        capabilities,
    });
    let cases = cases::all(&subject);
    if cases.is_empty() {
        return complain("no case applies: that is a failure, not a success");
    }
    for case in &cases {
        if !requirements.iter().any(|requirement| requirement["id"] == case.requirement) {
            return complain(&format!("the case {} proves an unknown requirement", case.requirement));
        }
    }
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let trials = cases.into_iter().map(|case| trial(case, &subject, &requirements, &outcomes)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(path) = env::var_os(REPORT) {
        let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let report = report(&subject, &outcomes);
        if let Err(error) = fs::write(&path, format!("{report:#}\n")) {
            return complain(&format!("cannot write the report: {error}"));
        }
    }
    conclusion.exit_code()
}

fn trial(
    case: Case,
    subject: &Arc<Subject>,
    requirements: &Arc<Vec<Value>>,
    outcomes: &Arc<Mutex<Vec<Value>>>,
) -> Trial {
    let (subject, outcomes) = (Arc::clone(subject), Arc::clone(outcomes));
    let requirement =
        requirements.iter().find(|row| row["id"] == case.requirement).cloned().unwrap_or_default();
    let level = requirement["level"].as_str().unwrap_or("MUST").to_owned();
    let name = format!("{}::{}::{}", subject.provider, case.requirement, case.name);
    Trial::test(name, move || {
        let started = Instant::now();
        let outcome = (case.run)(&subject);
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push(json!({
            "id": case.requirement, "case": case.name, "level": requirement["level"],
            "outcome": if outcome.is_err() { "fail" } else if case.negative { "unsupported" } else { "pass" },
            "why": outcome.as_ref().err(), "ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }));
        outcome.map_err(|why| {
            let sentence = requirement["sentence"].as_str().unwrap_or_default();
            Failed::from(format!("{}: {sentence}\n  {why}", case.requirement))
        })
    })
    .with_kind(level)
}

fn requirements(root: &std::path::Path) -> Result<Vec<Value>, String> {
    let path = root.join("requirements.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let all: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    all["requirements"]
        .as_array()
        .cloned()
        .ok_or_else(|| format!("{}: no requirements in it", path.display()))
}

fn report(subject: &Subject, outcomes: &[Value]) -> Value {
    let count = |outcome: &str| outcomes.iter().filter(|row| row["outcome"] == outcome).count();
    let can = &subject.capabilities;
    let features = [
        ("resolve", can.resolve),
        ("open", can.open),
        ("range", can.open_range),
        ("upload", can.upload),
        ("delete", can.delete),
        ("list", can.list),
        ("webhook", can.webhook),
        ("signed-webhook", can.signed_webhook),
        ("handshake", can.handshake),
    ];
    let named = |want: bool| features.iter().filter(|row| row.1 == want).map(|row| row.0).collect::<Vec<_>>();
    json!({
        "schema": "wamedia-report/1",
        "suite": env!("CARGO_PKG_VERSION"),
        "subject": { "name": subject.provider },
        "capabilities": { "supported": named(true), "unsupported": named(false) },
        "passed": count("pass"), "unsupported": count("unsupported"), "failed": count("fail"),
        "result": if count("fail") == 0 { "success" } else { "failure" },
        "cases": outcomes,
    })
}

#[expect(clippy::print_stderr, reason = "this is the test program's own voice")]
fn complain(why: &str) -> ExitCode {
    eprintln!("conformance: {why}");
    ExitCode::FAILURE
}
