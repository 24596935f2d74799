//! Scores any program, in real time, on what can be seen from outside.
//!
//! Each row gets a sandbox and a folder of its own; the program is started with the sandbox's test
//! credentials in its environment and nothing else but `PATH`.

mod command;
mod row;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wamedia_core::{Clock as _, format_rfc3339};
use wamedia_provider::SystemClock;

use crate::files::read_json;
use crate::report::Requirements;
use crate::{Outcome, cargo, root, step};
use command::Commands;
use row::Row;
use run::Pace;

/// So many programs at once: most of them wait most of the time.
const AT_ONCE: usize = 12;

/// Runs a command line, or a file of them: the reports, and whether they are as the file says.
pub(crate) fn run(
    client: &str,
    providers: &[&str],
    filter: Option<&str>,
    requirements: &Requirements,
) -> Result<(Vec<Value>, Outcome), String> {
    let commands = Commands::read(client)?;
    if commands.program() == Some("wamedia") {
        step("the program", &mut cargo(&["build", "--quiet", "--locked", "-p", "wamedia-cli"]))?;
    }
    let mut rows = Row::all(&read_json(&root().join("fixtures/faults.json"))?)?;
    rows.retain(|row| filter.is_none_or(|part| row.case().contains(part)));
    if rows.is_empty() {
        return Err("no row has that in its name: that is a failure, not a success".to_owned());
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let reports = runtime.block_on(score(providers, &commands, &rows, requirements))?;
    let verdict = commands.judge(&reports);
    Ok((reports, verdict))
}

async fn score(
    providers: &[&str],
    commands: &Commands,
    rows: &[Row],
    requirements: &Requirements,
) -> Result<Vec<Value>, String> {
    let mut controls = Vec::new();
    for provider in providers {
        controls.push(match commands.of(provider) {
            Some(words) => control(provider, words).await?,
            None => (Ok(()), Pace::of(Duration::ZERO)),
        });
    }
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut not_applicable = vec![Vec::new(); providers.len()];
    for (column, provider) in providers.iter().enumerate() {
        let Some(words) = commands.of(provider) else { continue };
        for (place, row) in rows.iter().enumerate() {
            if let Some(why) = row.except.get(*provider) {
                let id = &row.requirement;
                not_applicable[column].push(json!({ "id": id, "case": row.case(), "reason": why }));
                continue;
            }
            let (row, words, provider) = (row.clone(), words.to_vec(), (*provider).to_owned());
            let (places, pace) = (Arc::clone(&places), controls[column].1);
            running.spawn(async move {
                let _place = places.acquire_owned().await;
                (column, place, run::one(&provider, &row, &words, pace).await)
            });
        }
    }
    let mut seen = BTreeMap::new();
    while let Some(done) = running.join_next().await {
        let (column, place, one) = done.map_err(|error| error.to_string())?;
        seen.insert((column, place), one?);
    }
    let mut reports = Vec::new();
    for (column, provider) in providers.iter().enumerate().filter(|(_, name)| commands.of(name).is_some()) {
        let of = |(place, row): (usize, &Row)| {
            seen.get(&(column, place)).map(|seen| row.report(seen, &controls[column].0, requirements))
        };
        let cases: Vec<Value> = rows.iter().enumerate().filter_map(of).collect();
        reports.push(report(commands, provider, &cases, &not_applicable[column]));
    }
    if reports.is_empty() {
        return Err("the client has no command for any of these providers".to_owned());
    }
    Ok(reports)
}

/// The fetch of a good file: whether it worked, and what that says about the machine.
async fn control(provider: &str, words: &[String]) -> Result<(Result<(), String>, Pace), String> {
    let row = Row::control();
    let started = Instant::now();
    let seen = run::one(provider, &row, words, Pace::of(Duration::from_secs(3))).await?;
    Ok((row.judge(&seen), Pace::of(started.elapsed())))
}

/// The same shape as a provider's own report, with one profile: what can be seen from outside.
fn report(commands: &Commands, provider: &str, cases: &[Value], not_applicable: &[Value]) -> Value {
    let failed: Vec<_> =
        cases.iter().filter(|case| case["outcome"] == "fail").map(|case| &case["case"]).collect();
    let core = json!({
        "result": if failed.is_empty() { "success" } else { "failure" },
        "passed": cases.len() - failed.len(), "failed": failed, "known_failures": [], "non_strict": [],
        "skipped": [],
    });
    json!({
        "schema": "wamedia-report/1",
        "suite": env!("CARGO_PKG_VERSION"),
        "date": format_rfc3339(SystemClock.now()).chars().take(10).collect::<String>(),
        "strict": false,
        "subject": { "name": provider, "client": commands.name },
        "profiles": [{ "name": "outside", "core": core }],
        "not_applicable": not_applicable,
        "cases": cases,
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_nothing_scores_nothing() {
        let requirements = Requirements::load(&root().join("fixtures/requirements.json")).expect("readable");
        for script in ["exit 1", "exit 0", ": > \"$1\"; exit 1"] {
            let (reports, _) =
                run(&format!("sh -c '{script}' sh {{out}}"), &["meta"], Some("flip"), &requirements)
                    .expect("it runs");
            let core = &reports[0]["profiles"][0]["core"];
            assert_eq!(
                (&core["passed"], &core["result"]),
                (&0.into(), &"failure".into()),
                "{script}: {core}"
            );
        }
    }
}
