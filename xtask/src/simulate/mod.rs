//! `cargo xtask simulate`: random worlds, the client in them, and oracles that know only the world.

mod adapter;
mod engine;
mod folder;
mod mutations;
mod program;
mod provider;
mod reply;
mod shrink;
mod vendor;
mod wire;

pub(crate) use mutations::PATCHES as MUTATIONS;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use wamedia_conformance::simulation::{Destination, Trace, Violation, World, WorldEvent, check, strategy};
use wamedia_core::Sha256;

use crate::{Outcome, root};

/// How many worlds `ci` runs.
const DEFAULT_WORLDS: u64 = 2_000;
/// Every so many worlds, one goes over sockets.
const WIRE_EVERY: u64 = 22;
/// Every so many worlds, one runs the program.
const PROGRAM_EVERY: u64 = 200;
/// How the names of files begin whose worlds go over sockets, and of those that run the program.
const WIRE_PREFIX: &str = "wire-";
const PROGRAM_PREFIX: &str = "program-";
/// Every so many worlds, one runs a second time and must give the same trace.
const REPEAT_EVERY: u64 = 8;

/// What to run.
#[derive(Clone, Debug, clap::Parser)]
pub(crate) struct Options {
    /// How many worlds [default: 2000, or 500 for each mutation]
    #[arg(long, value_name = "N")]
    worlds: Option<u64>,
    /// Which worlds
    #[arg(long, value_name = "S", default_value_t = Options::default().seed)]
    seed: u64,
    /// One world, with its trace in words
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// The world with this number of the seed, with its trace in words
    #[arg(long, value_name = "N", conflicts_with = "world")]
    number: Option<u64>,
    /// Counts every failure in a table
    #[arg(long)]
    keep_going: bool,
    /// What runs every world
    #[arg(long)]
    driver: Option<Driver>,
    /// Breaks one rule of the engine after the other, and tells which ones random worlds find
    #[arg(long)]
    mutations: bool,
    /// Only the mutation with this name
    #[arg(long, value_name = "NAME", requires = "mutations")]
    only: Option<String>,
    /// Only the first world that fails, without regressions, in a line for a program
    #[arg(long, hide = true)]
    first: bool,
}

/// What runs a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Driver {
    /// The engine alone; the world is the provider.
    Engine,
    /// Real providers and the real transport, over sockets.
    Wire,
    /// The program, over sockets and in real time.
    Program,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            worlds: None,
            seed: 20_261_126,
            world: None,
            number: None,
            keep_going: false,
            driver: None,
            mutations: false,
            only: None,
            first: false,
        }
    }
}

impl Options {
    /// The driver of a world; a plain run mixes them.
    fn driver_for(&self, number: u64) -> Driver {
        let is_last_of = |count: u64| number % count == count - 1;
        self.driver.unwrap_or(match () {
            () if is_last_of(PROGRAM_EVERY) => Driver::Program,
            () if is_last_of(WIRE_EVERY) => Driver::Wire,
            () => Driver::Engine,
        })
    }
}

/// The driver of a regression, by the name of its file.
fn driver_of(file: &Path) -> Driver {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match () {
        () if name.starts_with(PROGRAM_PREFIX) => Driver::Program,
        () if name.starts_with(WIRE_PREFIX) => Driver::Wire,
        () => Driver::Engine,
    }
}

/// The trace of one world, and the oracles that it violates.
pub(crate) struct RunReport {
    pub(crate) trace: Trace,
    pub(crate) violations: Vec<Violation>,
}

/// Runs one world.
pub(crate) fn simulate(world: &World, driver: Driver, twice: bool) -> Result<RunReport, String> {
    match driver {
        Driver::Engine => {}
        Driver::Wire => {
            let world = wire::adapted(world);
            let trace = wire::run(&world)?;
            let violations = check(&world, &trace);
            return Ok(RunReport { trace, violations });
        }
        Driver::Program => {
            let world = program::adapted(world);
            let (trace, mut violations) = program::run(&world)?;
            violations.extend(check(&world, &trace));
            return Ok(RunReport { trace, violations });
        }
    }
    let trace = engine::run(world)?;
    let mut violations = check(world, &trace);
    if twice && violations.is_empty() && is_repeatable(world) {
        let again = engine::run(world)?;
        if fingerprint(&trace) != fingerprint(&again) {
            let detail = "two runs of one world gave different traces".to_owned();
            violations.push(Violation { oracle: "same", clue: "another trace the second time", detail });
        }
    }
    Ok(RunReport { trace, violations })
}

/// Whether the trace depends on the world alone. Other threads hash large bodies and files that are there already, so
/// that polls and the order between transfers may differ.
fn is_repeatable(world: &World) -> bool {
    let small = world.objects.iter().all(|object| object.content.size < 100_000);
    let in_turn = matches!(world.event, WorldEvent::None | WorldEvent::Again | WorldEvent::Forget(_));
    let alone = world.client.many.is_none() && in_turn;
    // A folder begins on another thread.
    let here = world.client.destination != Destination::Folder;
    (small && here && world.before.is_empty() && world.event != WorldEvent::Apart) || alone
}

/// A trace without the order between objects, and without random names.
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
        return one(&read(file)?, options.driver.unwrap_or(driver_of(file)));
    }
    if let Some(number) = options.number {
        return one(&tree(options.seed, number).current(), options.driver_for(number));
    }
    if options.mutations {
        return mutations::run(options.seed, options.worlds, options.only.as_deref());
    }
    let worlds = options.worlds.unwrap_or(DEFAULT_WORLDS);
    if options.first {
        return first(options, worlds);
    }
    let known = regressions()?;
    println!("seed {}, {worlds} worlds, {} regressions", options.seed, known.len());
    let mut failed = 0;
    for (file, world) in &known {
        let report = simulate(world, driver_of(file), true)?;
        if let Some(violation) = report.violations.first() {
            failed += 1;
            println!("{}: {}: {}: {}", file.display(), violation.oracle, violation.clue, violation.detail);
        }
    }
    let (found, ran, seconds) = search(options, worlds)?;
    println!("{ran} of {worlds} worlds in {seconds:.1} s, {:.0} worlds/s", to_f64(ran) / seconds);
    if options.keep_going {
        table(&found);
        let mut kinds: Vec<_> = found.iter().collect();
        kinds.sort_by_key(|(_, found)| found.first);
        for (kind, found) in kinds {
            report(options, *kind, found.first)?;
        }
    } else if let Some(((oracle, clue), first)) = found.iter().min_by_key(|(_, found)| found.first) {
        report(options, (oracle, clue), first.first)?;
        failed += 1;
    }
    match (failed, found.len()) {
        (0, 0) => Ok(()),
        (failed, kinds) => {
            Err(format!("the simulation failed: {kinds} kinds of failures, {failed} failures shown"))
        }
    }
}

/// Prints the first world that fails, for a program to read; that one fails is no failure of this run.
fn first(options: &Options, worlds: u64) -> Outcome {
    let (found, ..) = search(options, worlds)?;
    match found.iter().min_by_key(|(_, found)| found.first) {
        Some(((oracle, clue), found)) => {
            println!("{}{}: {oracle}: {clue}", mutations::FIRST_FAILURE, found.first);
        }
        None => println!("{}", mutations::NO_FAILURE),
    }
    Ok(())
}

/// How often a kind of violation was found, and in which world first.
struct Found {
    count: u64,
    first: u64,
    detail: String,
}

type Kinds = BTreeMap<(&'static str, &'static str), Found>;

/// What the threads of a search share.
struct Search<'o> {
    options: &'o Options,
    worlds: u64,
    started: Instant,
    next: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Kinds>,
    broken: Mutex<Option<String>>,
}

impl Search<'_> {
    /// Runs one world after another until there is none left or one fails.
    fn work(&self) {
        while !self.stop.load(Relaxed) {
            let number = self.next.fetch_add(1, Relaxed);
            if number >= self.worlds {
                break;
            }
            if number > 0 && number.is_multiple_of(10_000) {
                let rate = to_f64(number) / self.started.elapsed().as_secs_f64();
                println!("{number} of {} worlds, {rate:.0} worlds/s", self.worlds);
            }
            let world = tree(self.options.seed, number).current();
            let twice = number.is_multiple_of(REPEAT_EVERY);
            match simulate(&world, self.options.driver_for(number), twice) {
                Ok(report) => self.add(number, &report.violations),
                Err(why) => {
                    *locked(&self.broken) = Some(why);
                    self.stop.store(true, Relaxed);
                }
            }
        }
    }

    /// Counts each kind of violation once for a world.
    fn add(&self, number: u64, violations: &[Violation]) {
        let kinds: BTreeMap<_, _> = violations
            .iter()
            .map(|violation| ((violation.oracle, violation.clue), &violation.detail))
            .collect();
        let mut found = locked(&self.found);
        for (kind, detail) in kinds {
            let new = || Found { count: 0, first: number, detail: detail.clone() };
            let entry = found.entry(kind).or_insert_with(new);
            entry.count += 1;
            entry.first = entry.first.min(number);
        }
        if !violations.is_empty() && !self.options.keep_going {
            self.stop.store(true, Relaxed);
        }
    }
}

/// Runs so many random worlds on all cores, fewer where one fails, and gives the failures, how many worlds ran, and the
/// seconds that it took.
fn search(options: &Options, worlds: u64) -> Result<(Kinds, u64, f64), String> {
    let search = Search {
        options,
        worlds,
        started: Instant::now(),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        found: Mutex::default(),
        broken: Mutex::default(),
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| search.work());
        }
    });
    if let Some(why) = locked(&search.broken).take() {
        return Err(why);
    }
    let found = std::mem::take(&mut *locked(&search.found));
    Ok((found, search.next.into_inner().min(worlds), search.started.elapsed().as_secs_f64()))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        println!("{:>8} {:>8}  {oracle}: {clue} ({})", found.first, found.count, found.detail);
    }
}

/// Shrinks a failing world, prints it and writes it to a file.
fn report(options: &Options, kind: (&str, &str), number: u64) -> Outcome {
    println!("\nworld {number} of seed {}: {}: {}", options.seed, kind.0, kind.1);
    let driver = options.driver_for(number);
    let same = |report: RunReport| {
        report.violations.iter().any(|violation| (violation.oracle, violation.clue) == kind)
    };
    let fails = |world: &World| {
        !world.objects.is_empty() && simulate(world, driver, kind.0 == "same").is_ok_and(same)
    };
    let world = shrink::shrink(&mut *tree(options.seed, number), &fails);
    let report = simulate(&world, driver, true)?;
    show(&world, &report);
    let folder = root().join("target/simulate");
    let prefix = match driver {
        Driver::Engine => "",
        Driver::Wire => WIRE_PREFIX,
        Driver::Program => PROGRAM_PREFIX,
    };
    let name = format!("{prefix}{}-{}.json", kind.0, kind.1).replace([' ', '\''], "-");
    let path = folder.join(name);
    let text = shrink::compact(&world)?;
    fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text)).map_err(|error| error.to_string())?;
    println!("to keep it, commit {} to fixtures/regressions/", path.display());
    Ok(())
}

fn show(world: &World, report: &RunReport) {
    println!("{}", shrink::compact(world).unwrap_or_default());
    print!("{}", report.trace.in_words());
    for violation in &report.violations {
        println!("broken: {}: {}: {}", violation.oracle, violation.clue, violation.detail);
    }
}

fn one(world: &World, driver: Driver) -> Outcome {
    let report = simulate(world, driver, true)?;
    show(world, &report);
    if report.violations.is_empty() { Ok(()) } else { Err("the world fails".to_owned()) }
}

fn read(file: &Path) -> Result<World, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The worlds of failures that were found before.
fn regressions() -> Result<Vec<(PathBuf, World)>, String> {
    let folder = root().join("fixtures/regressions");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    files.into_iter().map(|file| read(&file).map(|world| (file, world))).collect()
}
