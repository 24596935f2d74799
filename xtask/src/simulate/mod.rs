//! `cargo xtask simulate`: random worlds, the client in them, and oracles that know only the world.

mod adapter;
mod engine;
mod folder;
mod provider;
mod shrink;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use wamedia_conformance::simulation::{Trace, Violation, World, check, strategy};
use wamedia_core::Sha256;

use crate::{Outcome, root};

/// How many worlds `ci` runs.
const DEFAULT_WORLDS: u64 = 2_000;
/// Every so many worlds, one runs a second time and must give the same trace.
const REPEAT_EVERY: u64 = 8;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    worlds: u64,
    seed: u64,
    world: Option<PathBuf>,
    keep_going: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { worlds: DEFAULT_WORLDS, seed: 20_261_126, world: None, keep_going: false }
    }
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().copied().ok_or_else(|| format!("{argument} needs a value"));
            let number = |text: &str| text.parse().map_err(|_| format!("{text} is not a number"));
            match *argument {
                "--worlds" => options.worlds = number(value()?)?,
                "--seed" => options.seed = number(value()?)?,
                "--world" => options.world = Some(PathBuf::from(value()?)),
                "--keep-going" => options.keep_going = true,
                "--driver" => match value()? {
                    "engine" => {}
                    other => return Err(format!("there is no driver {other}; there is engine")),
                },
                other => return Err(format!("simulate does not know {other}")),
            }
        }
        Ok(options)
    }
}

/// What one world showed.
pub(crate) struct Shown {
    pub(crate) trace: Trace,
    pub(crate) violations: Vec<Violation>,
}

/// Runs one world.
pub(crate) fn simulate(world: &World, twice: bool) -> Result<Shown, String> {
    let trace = engine::run(world)?;
    let mut violations = check(world, &trace);
    if twice && violations.is_empty() {
        let again = engine::run(world)?;
        if fingerprint(&trace) != fingerprint(&again) {
            let detail = "two runs of one world gave different traces".to_owned();
            violations.push(Violation { oracle: "same", clue: "another trace the second time", detail });
        }
    }
    Ok(Shown { trace, violations })
}

/// A trace without the order between objects, and without names that are chosen at random.
fn fingerprint(trace: &Trace) -> Vec<String> {
    let mut out: Vec<String> = trace
        .requests
        .iter()
        .map(|request| format!("{} {} {:?} {:?}", request.run, request.object, request.what, request.answer))
        .collect();
    out.extend(trace.jobs.iter().map(|job| {
        let outcome = job.outcome.as_ref().map(|outcome| match outcome {
            Ok(success) => format!("{} {:?}", Sha256::of(&success.stored), success.verified),
            Err((kind, _)) => kind.clone(),
        });
        format!("{} {} {outcome:?}", job.run, job.object)
    }));
    out.sort();
    out
}

pub(crate) fn run(options: &Options) -> Outcome {
    engine::catch_panics();
    if let Some(file) = &options.world {
        return one(file);
    }
    let known = regressions()?;
    println!("seed {}, {} worlds, {} regressions", options.seed, options.worlds, known.len());
    let mut failed = 0;
    for (file, world) in &known {
        let shown = simulate(world, true)?;
        if let Some(violation) = shown.violations.first() {
            failed += 1;
            println!("{}: {}: {}: {}", file.display(), violation.oracle, violation.clue, violation.detail);
        }
    }
    let found = search(options)?;
    if options.keep_going {
        table(&found);
    } else if let Some(((oracle, clue), first)) = found.iter().min_by_key(|(_, found)| found.first) {
        report(options, (oracle, clue), first.first)?;
        failed += 1;
    }
    match (failed, found.len()) {
        (0, 0) => Ok(()),
        (failed, kinds) => Err(format!("the simulation failed: {kinds} kinds of failures, {failed} failures shown")),
    }
}

/// How often a kind of failure was seen, and where first.
struct Found {
    count: u64,
    first: u64,
}

type Kinds = BTreeMap<(&'static str, &'static str), Found>;

fn search(options: &Options) -> Result<Kinds, String> {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let found: Mutex<Kinds> = Mutex::new(BTreeMap::new());
    let broken: Mutex<Option<String>> = Mutex::new(None);
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = || {
        while !stop.load(Relaxed) {
            let number = next.fetch_add(1, Relaxed);
            if number >= options.worlds {
                break;
            }
            if number > 0 && number % 10_000 == 0 {
                let seconds = started.elapsed().as_secs_f64();
                println!("{number} of {} worlds, {:.0} worlds/s", options.worlds, to_f64(number) / seconds);
            }
            match simulate(&tree(options.seed, number).current(), number % REPEAT_EVERY == 0) {
                Err(why) => {
                    *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    stop.store(true, Relaxed);
                }
                Ok(shown) => {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    let kinds: std::collections::BTreeSet<_> =
                        shown.violations.iter().map(|violation| (violation.oracle, violation.clue)).collect();
                    for kind in kinds {
                        let entry = found.entry(kind).or_insert(Found { count: 0, first: number });
                        entry.count += 1;
                        entry.first = entry.first.min(number);
                    }
                    if !shown.violations.is_empty() && !options.keep_going {
                        stop.store(true, Relaxed);
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    if let Some(why) = broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(why);
    }
    let done = next.load(Relaxed).min(options.worlds);
    let seconds = started.elapsed().as_secs_f64();
    println!("{done} worlds in {seconds:.1} s, {:.0} worlds/s", to_f64(done) / seconds);
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

/// The world with this number: the same for the same seed, whatever ran before.
fn tree(seed: u64, number: u64) -> Box<dyn ValueTree<Value = World>> {
    let digest = Sha256::of(format!("{seed} {number}").as_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, digest.as_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = strategy::world().new_tree(&mut runner);
    Box::new(tree.expect("the grammar has no filter that could fail"))
}

fn table(found: &Kinds) {
    let mut rows: Vec<_> = found.iter().collect();
    rows.sort_by_key(|(_, found)| found.first);
    println!("{:>8} {:>8}  failure", "first", "count");
    for ((oracle, clue), found) in rows {
        println!("{:>8} {:>8}  {oracle}: {clue}", found.first, found.count);
    }
}

/// Shrinks a failing world, and shows it.
fn report(options: &Options, kind: (&str, &str), number: u64) -> Outcome {
    println!("world {number} of seed {} fails; shrinking", options.seed);
    let world = shrink::shrink(&mut *tree(options.seed, number), kind);
    let shown = simulate(&world, true)?;
    show(&world, &shown);
    let folder = root().join("target/simulate");
    let name = format!("{}-{}-{number}.json", kind.0.replace(' ', "-"), options.seed);
    let path = folder.join(name);
    let text = shrink::compact(&world)?;
    fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text)).map_err(|error| error.to_string())?;
    println!("to keep it, commit {} to fixtures/regressions/", path.display());
    Ok(())
}

fn show(world: &World, shown: &Shown) {
    println!("{}", shrink::compact(world).unwrap_or_default());
    print!("{}", shown.trace.in_words());
    for violation in &shown.violations {
        println!("broken: {}: {}: {}", violation.oracle, violation.clue, violation.detail);
    }
}

fn one(file: &Path) -> Outcome {
    let world = read(file)?;
    let shown = simulate(&world, true)?;
    show(&world, &shown);
    if shown.violations.is_empty() { Ok(()) } else { Err("the world fails".to_owned()) }
}

fn read(file: &Path) -> Result<World, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The worlds of failures that were found before.
fn regressions() -> Result<Vec<(PathBuf, World)>, String> {
    let folder = root().join("fixtures/regressions");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    files.into_iter().map(|file| read(&file).map(|world| (file, world))).collect()
}
