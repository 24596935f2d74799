//! Every mistake against every case. The result says which requirements caught which mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::json;

use super::{ALL, Mistake};
use crate::cases::{self, Case, Subject};

/// A case of a broken client that is not over by then is caught as well: it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which mistakes to run against every case, and where the result goes.
const MUTANTS: &str = "WAMEDIA_CONFORMANCE_MUTANTS";
const MUTANTS_REPORT: &str = "WAMEDIA_CONFORMANCE_MUTANTS_REPORT";
/// One mistake to make while the suite runs as usual.
pub(crate) const MUTANT: &str = "WAMEDIA_CONFORMANCE_MUTANT";

/// What is to be tested, or nothing where the environment wanted mistakes to be run, and they were.
pub(crate) fn on_request(subject: Subject) -> Result<Option<Subject>, String> {
    if let (Ok(which), Some(report)) = (env::var(MUTANTS), env::var_os(MUTANTS_REPORT)) {
        run(&subject, &which, Path::new(&report))?;
        return Ok(None);
    }
    let Ok(name) = env::var(MUTANT) else { return Ok(Some(subject)) };
    match Mistake::find(&name) {
        Some(mistake) => Ok(Some(subject.with_mistake(mistake))),
        None => Err(format!("no mutant is called {name}")),
    }
}

/// The requirements that caught a mistake.
type Caught = BTreeSet<&'static str>;

/// Runs the mistakes in `which` and writes what caught them: `all`, or names with commas between; a name
/// may be followed by `=` and the one requirement whose cases are run.
fn run(subject: &Subject, which: &str, report: &Path) -> Result<(), String> {
    let mistakes: Vec<(Mistake, Option<&str>)> = if which == "all" {
        ALL.iter().map(|mistake| (*mistake, None)).collect()
    } else {
        fn find(text: &str) -> Result<(Mistake, Option<&str>), String> {
            let (name, only) = text.split_once('=').map_or((text, None), |(name, only)| (name, Some(only)));
            let mistake = Mistake::find(name).ok_or_else(|| format!("no mutant is called {name}"))?;
            Ok((mistake, only))
        }
        which.split(',').map(find).collect::<Result<_, _>>()?
    };
    // What the broken clients say on their way out is of no use to anybody.
    set_hook(Box::new(|_| {}));
    let caught: Mutex<BTreeMap<String, Caught>> = Mutex::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((mistake, only)) = mistakes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = row(subject, *mistake, *only);
                    let mut caught = caught.lock().unwrap_or_else(PoisonError::into_inner);
                    caught.entry(mistake.name()).or_default().extend(row);
                }
            });
        }
    });
    let caught = caught.into_inner().unwrap_or_else(PoisonError::into_inner);
    let names: Vec<String> = ALL.iter().map(|mistake| mistake.name()).collect();
    let report_json = json!({ "provider": subject.name, "mutants": names, "caught": caught });
    std::fs::write(report, format!("{report_json:#}\n"))
        .map_err(|error| format!("{}: {error}", report.display()))
}

fn row(subject: &Subject, mistake: Mistake, only: Option<&str>) -> Caught {
    let broken = Arc::new(subject.with_mistake(mistake));
    // wiremock sees what the fault server sees, so once is enough.
    let all = cases::all(subject).into_iter().filter(|case| {
        !case.name.ends_with("::wiremock") && only.is_none_or(|only| only == case.requirement)
    });
    let mut caught = Caught::new();
    for case in all {
        let requirement = case.requirement;
        if !caught.contains(requirement) && fails(&broken, case) {
            caught.insert(requirement);
        }
    }
    caught
}

fn fails(subject: &Arc<Subject>, case: Case) -> bool {
    let (sender, receiver) = mpsc::channel();
    let subject = Arc::clone(subject);
    std::thread::spawn(move || {
        let verdict = catch_unwind(AssertUnwindSafe(|| (case.run)(&subject)));
        let _ = sender.send(!matches!(verdict, Ok(Ok(()))));
    });
    receiver.recv_timeout(PATIENCE).unwrap_or(true)
}
