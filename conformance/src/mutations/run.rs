//! Every mutation against every case. The result says which requirements caught which mutation.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::json;

use super::{ALL, MUTATION, Mutation};
use crate::cases::{self, Case, Setup};

/// A case that takes longer hangs, which also catches the mutation.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which mutations to run, and the file for the result.
const MUTATIONS: &str = "WAMEDIA_CONFORMANCE_MUTATIONS";
const MUTATIONS_REPORT: &str = "WAMEDIA_CONFORMANCE_MUTATIONS_REPORT";
/// The setup to test, or none when the environment asked for mutations and they have been run.
pub(crate) fn on_request(setup: Setup) -> Result<Option<Setup>, String> {
    if let (Ok(which), Some(report)) = (env::var(MUTATIONS), env::var_os(MUTATIONS_REPORT)) {
        run(&setup, &which, Path::new(&report))?;
        return Ok(None);
    }
    let Ok(name) = env::var(MUTATION) else { return Ok(Some(setup)) };
    match Mutation::find(&name) {
        Some(mutation) => Ok(Some(setup.with_mutation(mutation))),
        None => Err(format!("no mutation is called {name}")),
    }
}

/// The requirements that noticed a mutation: by a case that failed, or only by one that never ended.
#[derive(Default)]
struct Noticed {
    caught: BTreeSet<&'static str>,
    timed_out: BTreeSet<&'static str>,
}

impl Noticed {
    fn extend(&mut self, other: Self) {
        self.caught.extend(other.caught);
        self.timed_out.extend(other.timed_out);
    }
}

/// Runs the mutations in `which` and writes what caught them: `all`, or names with commas between; a name
/// may be followed by `=` and the one requirement whose cases are run.
fn run(setup: &Setup, which: &str, report: &Path) -> Result<(), String> {
    let mutations: Vec<(Mutation, Option<&str>)> = if which == "all" {
        ALL.iter().map(|mutation| (*mutation, None)).collect()
    } else {
        fn find(text: &str) -> Result<(Mutation, Option<&str>), String> {
            let (name, only) = text.split_once('=').map_or((text, None), |(name, only)| (name, Some(only)));
            let mutation = Mutation::find(name).ok_or_else(|| format!("no mutation is called {name}"))?;
            Ok((mutation, only))
        }
        which.split(',').map(find).collect::<Result<_, _>>()?
    };
    // Panics of the mutated clients are expected; their messages are noise.
    set_hook(Box::new(|_| {}));
    let noticed: Mutex<BTreeMap<String, Noticed>> = Mutex::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((mutation, only)) = mutations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = row(setup, *mutation, *only);
                    let mut noticed = noticed.lock().unwrap_or_else(PoisonError::into_inner);
                    noticed.entry(mutation.name()).or_default().extend(row);
                }
            });
        }
    });
    let noticed = noticed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let names: Vec<String> = ALL.iter().map(|mutation| mutation.name()).collect();
    let caught: BTreeMap<_, _> = noticed.iter().map(|(name, row)| (name, &row.caught)).collect();
    let timed_out: BTreeMap<_, _> = noticed.iter().map(|(name, row)| (name, &row.timed_out)).collect();
    let report_json =
        json!({ "provider": setup.name, "mutations": names, "caught": caught, "timed_out": timed_out });
    std::fs::write(report, format!("{report_json:#}\n"))
        .map_err(|error| format!("{}: {error}", report.display()))
}

fn row(setup: &Setup, mutation: Mutation, only: Option<&str>) -> Noticed {
    let broken = Arc::new(setup.with_mutation(mutation));
    // wiremock and the fake server check the same exchanges, so one of them is enough.
    let all = cases::all(setup).into_iter().filter(|case| {
        !case.name.ends_with("::wiremock") && only.is_none_or(|only| only == case.requirement)
    });
    let mut noticed = Noticed::default();
    for case in all {
        let requirement = case.requirement;
        if noticed.caught.contains(requirement) {
            continue;
        }
        match outcome(&broken, case) {
            Outcome::Passed => {}
            Outcome::Failed => drop(noticed.caught.insert(requirement)),
            Outcome::NeverEnded => drop(noticed.timed_out.insert(requirement)),
        }
    }
    noticed.timed_out.retain(|requirement| !noticed.caught.contains(requirement));
    noticed
}

enum Outcome {
    Passed,
    Failed,
    NeverEnded,
}

fn outcome(setup: &Arc<Setup>, case: Case) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let setup = Arc::clone(setup);
    std::thread::spawn(move || {
        let verdict = catch_unwind(AssertUnwindSafe(|| (case.run)(&setup)));
        let _ = sender.send(matches!(verdict, Ok(Ok(()))));
    });
    match receiver.recv_timeout(PATIENCE) {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::Failed,
        Err(_) => Outcome::NeverEnded,
    }
}
