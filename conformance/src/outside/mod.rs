//! Scores any program, in real time, on what can be seen from outside.
//!
//! Each row gets a sandbox and a folder of its own; the program is started with the sandbox's test credentials and
//! the suite's certificate authority in its environment, and nothing else but `PATH`. A row counts only if the
//! client fetched a good file in the same run.

mod client;
mod driver;
mod environment;
mod operations;
mod row;
mod sentences;
mod start;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wamedia_core::{Clock as _, format_rfc3339};
use wamedia_provider::SystemClock;
use wamedia_sandbox::{Options, Sandbox};

pub use client::{Client, KnownFailures, Version};
pub use driver::SCHEMA as DRIVER_SCHEMA;
use environment::Launcher;
pub(crate) use environment::wrap as tls_wrap;
use operations::{Operation, Verdict};
use row::{Observation, Row, Violation};
pub use sentences::Sentences;
use start::Limits;

/// The schema of reports.
pub const REPORT_SCHEMA: &str = include_str!("report.schema.json");

/// So many programs at once: most of them wait most of the time.
const AT_ONCE: usize = 12;

/// What is scored, and on what.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// The client.
    pub client: Client,
    /// The providers; all that the client has a command for, where there are none.
    pub providers: Vec<String>,
    /// Only rows whose name contains this.
    pub filter: Option<String>,
    /// Only rows of this profile.
    pub profile: Option<String>,
    /// A SHOULD that is not met fails.
    pub strict: bool,
    /// Where programs are looked for, in place of `PATH`.
    pub path: Option<OsString>,
    /// The command that repeats the run, with `ROW` where the options go that choose a row.
    pub again: String,
}

impl Score {
    fn includes(&self, case: &str, profile: &str) -> bool {
        self.filter.as_ref().is_none_or(|part| case.contains(part.as_str()))
            && self.profile.as_ref().is_none_or(|name| name == profile)
    }
}

/// The providers that clients can be scored on.
///
/// # Errors
///
/// When no sandbox can be started.
pub fn providers() -> Result<Vec<String>, String> {
    runtime()?.block_on(sandbox_providers())
}

async fn sandbox_providers() -> Result<Vec<String>, String> {
    let options = Options::new(Arc::new(|| SystemClock.now()));
    let sandbox = Sandbox::start(options).await.map_err(|error| error.to_string())?;
    let names = sandbox.providers().iter().map(|info| info.name.to_owned()).collect();
    sandbox.shutdown().await;
    Ok(names)
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Runtime::new().map_err(|error| error.to_string())
}

fn rows() -> Result<Vec<Row>, String> {
    let text = wamedia_fixtures::embedded().read_text("faults.json").map_err(|error| error.to_string())?;
    Row::all(&serde_json::from_str(&text).map_err(|error| format!("faults.json: {error}"))?)
}

/// The names of all rows, each with what it is about.
///
/// # Errors
///
/// When the embedded data cannot be read, which is a defect of this package.
pub fn list() -> Result<Vec<(String, String)>, String> {
    let sentences = Sentences::embedded()?;
    let of_fault = |row: &Row| (row.case(), sentences.sentence(&Sentences::of_fault(&row.fault)).to_owned());
    let of_operation = |operation: Operation| {
        let first = operation.requirements.first().map_or("", String::as_str);
        (operation.case, sentences.sentence(first).to_owned())
    };
    let faults = rows()?.iter().map(of_fault).collect::<Vec<_>>();
    Ok(faults.into_iter().chain(operations::all()?.into_iter().map(of_operation)).collect())
}

/// Runs every row: a report per provider, in the format `wamedia-report/1`.
///
/// # Errors
///
/// When nothing could be run: an unknown provider, no row of that name, a program that cannot be started.
pub fn score(score: &Score) -> Result<Vec<Value>, String> {
    let all = providers()?;
    if let Some(unknown) = score.providers.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no provider {unknown}; there are {}", all.join(", ")));
    }
    let wanted = if score.providers.is_empty() { all } else { score.providers.clone() };
    let has_command = |name: &String| score.client.command(name).is_some();
    let providers: Vec<String> = wanted.into_iter().filter(has_command).collect();
    if providers.is_empty() {
        return Err("the client has no command for any of these providers".to_owned());
    }
    let mut rows = rows()?;
    rows.retain(|row| score.includes(&row.case(), row.profile()));
    let mut operations = if score.client.driver { operations::all()? } else { Vec::new() };
    operations.retain(|operation| score.includes(&operation.case, &operation.profile));
    if rows.is_empty() && operations.is_empty() {
        return Err("no row is of that name and profile: that is a failure, not a success".to_owned());
    }
    let launcher = Launcher { client: Arc::new(score.client.clone()), path: score.path.clone() };
    let run = Run { score, launcher, rows, operations, sentences: Sentences::embedded()? };
    runtime()?.block_on(run.reports(&providers))
}

/// Whether every case of these reports is as it should be.
///
/// # Errors
///
/// How many failed, by provider.
pub fn verdict(reports: &[Value]) -> Result<(), String> {
    let mut failed = Vec::new();
    for report in reports {
        let cases = report["cases"].as_array().into_iter().flatten();
        let count = cases.filter(|case| case["outcome"] == "fail").count();
        if count > 0 {
            let name = report["subject"]["name"].as_str().unwrap_or_default();
            failed.push(format!("{count} rows of {name}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// A run, with all that its rows share.
struct Run<'a> {
    score: &'a Score,
    launcher: Launcher,
    rows: Vec<Row>,
    operations: Vec<Operation>,
    sentences: Sentences,
}

/// What the fetch of a good file said.
#[derive(Clone, Debug)]
struct Control {
    /// Why rows about downloads say nothing.
    failure: Option<String>,
    not_offered: bool,
    limits: Limits,
}

impl Control {
    fn outcome(&self) -> &'static str {
        match (self.not_offered, &self.failure) {
            (true, _) => "not-offered",
            (_, Some(_)) => "fail",
            _ => "pass",
        }
    }
}

impl Run<'_> {
    async fn reports(&self, providers: &[String]) -> Result<Vec<Value>, String> {
        let mut controls = Vec::new();
        for provider in providers {
            controls.push(self.control(provider).await?);
        }
        let mut seen = self.fetch_all(providers, &controls).await?;
        let mut reports = Vec::new();
        for (column, provider) in providers.iter().enumerate() {
            let control = &controls[column];
            let mut cases = Vec::new();
            for (index, row) in self.rows.iter().enumerate() {
                if let Some(seen) = seen.remove(&(column, index)) {
                    cases.push(self.fetch_case(provider, row, &seen, control));
                }
            }
            cases.extend(self.operation_cases(provider, control.limits).await?);
            let mut report = self.report(provider, &cases);
            report["control"] = json!({ "outcome": control.outcome(), "why": control.failure });
            reports.push(report);
        }
        Ok(reports)
    }

    /// The fetch of a good file: whether it worked, and what that says about the machine.
    async fn control(&self, provider: &str) -> Result<Control, String> {
        let row = Row::control();
        let started = Instant::now();
        let seen = start::one(provider, &row, &self.launcher, Limits::of(Duration::from_secs(3))).await?;
        let failure = row.violations(&seen).into_iter().next().map(|(_, why)| why);
        let failure = failure.map(|why| match seen.said.as_str() {
            "" => why,
            said => format!("{why}; it said: {said}"),
        });
        Ok(Control { failure, not_offered: seen.not_offered, limits: Limits::of(started.elapsed()) })
    }

    async fn fetch_all(
        &self,
        providers: &[String],
        controls: &[Control],
    ) -> Result<BTreeMap<(usize, usize), Observation>, String> {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for (column, provider) in providers.iter().enumerate() {
            for (index, row) in self.rows.iter().enumerate() {
                if row.except.contains_key(provider) {
                    continue;
                }
                let (row, provider, launcher) = (row.clone(), provider.clone(), self.launcher.clone());
                let (places, limits) = (Arc::clone(&places), controls[column].limits);
                running.spawn(async move {
                    let _place = places.acquire_owned().await;
                    (column, index, start::one(&provider, &row, &launcher, limits).await)
                });
            }
        }
        let mut seen = BTreeMap::new();
        while let Some(done) = running.join_next().await {
            let (column, index, one) = done.map_err(|error| error.to_string())?;
            seen.insert((column, index), one?);
        }
        Ok(seen)
    }

    fn fetch_case(&self, provider: &str, row: &Row, seen: &Observation, control: &Control) -> Value {
        let case = row.case();
        let assessment = match (&control.failure, control.not_offered || seen.not_offered) {
            (_, true) => Assessment::NotOffered,
            (Some(why), _) => Assessment::NoControl(format!("it does not even fetch a good file: {why}")),
            (None, _) => Assessment::Violation(row.violations(seen)),
        };
        let exercised = row.requirements();
        let mut out = self.case(provider, &case, &row.group, assessment, seen.ended, &exercised);
        let own = json!({ "fault": row.fault, "end": seen.end(), "ms": seen.ms, "requests": seen.requests,
            "exit": seen.exits });
        extend(&mut out, own);
        out
    }

    /// A case as the report shows it. Without a passed control no row passes, whatever was seen.
    fn case(
        &self,
        provider: &str,
        case: &str,
        group: &str,
        assessment: Assessment,
        ended: bool,
        exercised: &std::collections::BTreeSet<String>,
    ) -> Value {
        let (broken, is_assessed, fixed) = match assessment {
            Assessment::NotOffered => (Vec::new(), false, Some(("not-offered", None))),
            Assessment::NoControl(why) => (Vec::new(), false, Some(("fail", Some(why)))),
            Assessment::Violation(broken) => (broken, ended, None),
        };
        let (outcome, why) = fixed.unwrap_or_else(|| self.outcome(provider, case, &broken));
        let first = broken.first().map_or_else(|| exercised.first().cloned(), |(id, _)| Some(id.clone()));
        let is_should =
            !broken.is_empty() && broken.iter().all(|(id, _)| self.sentences.level(id) == "SHOULD");
        let level = if is_should { "SHOULD" } else { "MUST" };
        json!({
            "id": first, "case": case, "group": group, "level": level, "outcome": outcome, "why": why,
            "requirements": row::requirement_rows(exercised, &broken, is_assessed, &self.sentences),
            "again": self.score.again.replacen("ROW", &format!("--provider {provider} --filter {case}"), 1),
        })
    }

    fn outcome(&self, provider: &str, case: &str, broken: &[Violation]) -> (&'static str, Option<String>) {
        let known = self.score.client.known(provider, case);
        let why = broken.iter().map(|(id, why)| format!("{id}: {why}")).collect::<Vec<_>>().join("; ");
        let is_should = broken.iter().all(|(id, _)| self.sentences.level(id) == "SHOULD");
        match known {
            None if broken.is_empty() => ("pass", None),
            None if is_should && !self.score.strict => ("non-strict", Some(why)),
            None => ("fail", Some(why)),
            Some(known) if broken.is_empty() => {
                let what = "passes, although it is a known failure";
                ("fail", Some(format!("{what} ({}); take it out of the list", known.issue)))
            }
            Some(known) if known.expires >= today() => {
                ("known-failure", Some(format!("{why} (known: {}, {})", known.reason, known.issue)))
            }
            Some(known) => (
                "fail",
                Some(format!("{why} (it was a known failure until {}: {})", known.expires, known.issue)),
            ),
        }
    }

    fn is_in_run(&self, operation: &Operation) -> bool {
        self.score.includes(&operation.case, &operation.profile)
    }

    /// The operations of a driver, each after its control.
    async fn operation_cases(&self, provider: &str, limits: Limits) -> Result<Vec<Value>, String> {
        let mut cases = Vec::new();
        let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
        let mut operations = self.operations.clone();
        if self.score.client.driver {
            operations
                .extend(operations::deliveries(provider)?.into_iter().filter(|row| self.is_in_run(row)));
        }
        for operation in operations.iter().filter(|one| !one.except.contains_key(provider)) {
            let verdict = operations::one(provider, operation, &self.launcher, limits.whole).await?;
            // With a filter the control may not be in the run.
            let control = operation.control.as_deref().and_then(|name| verdicts.get(name));
            let assessment = match (&verdict, control) {
                (Verdict::NotOffered, _) | (_, Some(Verdict::NotOffered)) => Assessment::NotOffered,
                (_, Some(Verdict::Fail(why))) => {
                    Assessment::NoControl(format!("it cannot even {}: {why}", operation.op))
                }
                (Verdict::Pass, _) => Assessment::Violation(Vec::new()),
                (Verdict::Fail(why), _) => Assessment::Violation(
                    operation.requirements.iter().map(|id| (id.clone(), why.clone())).collect(),
                ),
            };
            verdicts.insert(operation.case.clone(), verdict);
            cases.push(self.case(
                provider,
                &operation.case,
                &operation.op,
                assessment,
                true,
                &operation.requirements,
            ));
        }
        Ok(cases)
    }

    /// The same shape as a provider's own report, with one profile: what can be seen from outside.
    fn report(&self, provider: &str, cases: &[Value]) -> Value {
        let of = |outcome: &str| -> Vec<&Value> {
            cases.iter().filter(|case| case["outcome"] == outcome).map(|case| &case["case"]).collect()
        };
        let (failed, known) = (of("fail"), of("known-failure"));
        let result = match (failed.len(), known.len(), of("pass").len()) {
            (1.., ..) => "failure",
            (_, 1.., _) => "partial",
            (.., 0) => "unsupported",
            _ => "success",
        };
        let core = json!({ "result": result, "passed": of("pass").len(), "failed": failed,
            "known_failures": known, "non_strict": of("non-strict"), "skipped": [], "not_offered": of("not-offered") });
        let faults = self.rows.iter().map(|row| (row.case(), &row.except));
        let operations = self.operations.iter().map(|operation| (operation.case.clone(), &operation.except));
        let except = faults.chain(operations).filter_map(|(case, except)| {
            except.get(provider).map(|why| json!({ "case": case, "reason": why }))
        });
        json!({
            "schema": "wamedia-report/1",
            "suite": env!("CARGO_PKG_VERSION"),
            "date": today(),
            "strict": self.score.strict,
            "subject": self.score.client.subject(provider, self.score.path.as_deref()),
            "profiles": [{ "name": "outside", "core": core }],
            "not_applicable": except.collect::<Vec<_>>(),
            "cases": cases,
        })
    }
}

/// What there is to say about a row.
enum Assessment {
    NotOffered,
    /// The control failed: nothing else that this client does says anything.
    NoControl(String),
    Violation(Vec<Violation>),
}

fn extend(object: &mut Value, with: Value) {
    if let (Value::Object(all), Value::Object(own)) = (object, with) {
        all.extend(own);
    }
}

/// Today, `YYYY-MM-DD`.
fn today() -> String {
    format_rfc3339(SystemClock.now()).chars().take(10).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn scored(script: &str, known: &[(&str, &str)]) -> Value {
        let words = ["sh", "-c", script, "sh", "{out}", "{base}"].map(ToOwned::to_owned).to_vec();
        let mut client = Client::from_words(words, false).expect("a command");
        client.known_failures = known
            .iter()
            .map(|(case, expires)| KnownFailures {
                cases: vec![(*case).to_owned()],
                reason: "it does nothing".to_owned(),
                issue: "a test".to_owned(),
                expires: (*expires).to_owned(),
            })
            .collect();
        let providers = providers().expect("a sandbox").into_iter().take(1).collect();
        let run = Score { client, providers, filter: Some("flip".to_owned()), ..Score::default() };
        score(&run).expect("it runs").remove(0)
    }

    #[test]
    fn a_client_that_does_nothing_scores_nothing() {
        for script in ["exit 1", "exit 0", ": > \"$1\"; exit 1"] {
            let report = scored(script, &[]);
            let core = &report["profiles"][0]["core"];
            assert_eq!(
                (&core["passed"], &core["result"]),
                (&0.into(), &"failure".into()),
                "{script}: {core}"
            );
            assert!(verdict(&[report]).is_err());
        }
    }

    fn run(known: &[(&str, &str)], strict: bool) -> (Score, Sentences) {
        let known_failures = known.iter().map(|(case, expires)| KnownFailures {
            cases: vec![(*case).to_owned()],
            reason: "a reason".to_owned(),
            issue: "an issue".to_owned(),
            expires: (*expires).to_owned(),
        });
        let client = Client { known_failures: known_failures.collect(), ..Client::default() };
        (Score { client, strict, ..Score::default() }, Sentences::embedded().expect("readable"))
    }

    #[test]
    fn a_known_failure_is_forgiven_until_its_day_and_must_not_pass() {
        let outcome = |known: &[(&str, &str)], strict: bool, broken: &[&str]| {
            let (score, sentences) = run(known, strict);
            let launcher = Launcher { client: Arc::default(), path: None };
            let run = Run { score: &score, launcher, rows: Vec::new(), operations: Vec::new(), sentences };
            let broken: Vec<Violation> =
                broken.iter().map(|id| ((*id).to_owned(), "expected this, got: that".to_owned())).collect();
            run.outcome("any", "flip-1", &broken).0
        };
        assert_eq!(outcome(&[], false, &[]), "pass");
        assert_eq!(outcome(&[], false, &["IN-001"]), "fail");
        assert_eq!(outcome(&[("flip-1", "2999-01-01")], false, &["IN-001"]), "known-failure");
        assert_eq!(outcome(&[("flip-1", "2999-01-01")], false, &[]), "fail");
        assert_eq!(outcome(&[("any/flip-1", "2020-01-01")], false, &["IN-001"]), "fail");
        assert_eq!(outcome(&[], false, &["LM-008"]), "non-strict");
        assert_eq!(outcome(&[], true, &["LM-008"]), "fail");
        assert_eq!(outcome(&[], false, &["LM-008", "IN-001"]), "fail");
    }
}
