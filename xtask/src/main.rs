//! Tasks of this repository: `cargo xtask ci`, `bench`, `conformance`, `fixtures check`, `tidy`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who runs it")]

mod api;
mod badge;
mod bench;
mod browser;
mod builds;
mod ci;
mod circles;
mod clauses;
mod conformance;
mod counts;
mod features;
mod files;
mod fixtures;
mod mutants;
mod mutations;
mod new_provider;
mod package;
mod patches;
mod readme;
mod release;
mod scoreboard;
mod simulate;
mod spelling;
mod suite;
mod targets;
mod tidy;
mod versions;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Parser;

/// Tasks of this repository
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 110)]
enum Task {
    /// Lists the public API of every published library, in `xtask/api`
    Api(api::Options),
    /// Everything that every change must pass
    Ci,
    /// The behavioural suite, with a table per provider
    Conformance(conformance::Options),
    /// Instructions and system calls of a dozen operations, compared with those that are committed
    Counts(counts::Options),
    /// wamedia beside the baseline client, interleaved
    Bench(bench::Options),
    /// The server of the benchmark, a process of its own
    #[command(hide = true)]
    BenchServer {
        /// Where its certificate goes
        ca_file: PathBuf,
    },
    /// Parses deliveries for the benchmark, built as programs are
    #[command(hide = true)]
    BenchWebhook,
    /// Each clause of each requirement catches the mutation of the library that it names
    Clauses(clauses::Options),
    /// The page of the sandbox in headless Chromium, where one is installed
    Browser,
    /// Every feature alone, and the vendors together with each other feature
    Features,
    /// Checks, exports and records fixtures
    #[command(subcommand)]
    Fixtures(fixtures::Command),
    /// Clients of others, installed from their registries, upload and download against the sandbox
    Interop,
    /// Everything compiles with the least versions of dependencies that are stated
    MinimalVersions,
    /// Mutation testing of the product: no mutant of the critical files survives
    Mutants(mutants::Options),
    /// Each requirement of the suite catches the mutations of the client that it names
    Mutations,
    /// Begins the crate of a provider, in which nothing works and everything is green
    NewProvider(new_provider::Options),
    /// The packages as they would be published: their files, and a program that uses nothing else
    Package(package::Options),
    /// The steps of a release, for its workflow
    #[command(subcommand)]
    Release(release::Command),
    /// Scores other clients, as their registries give them, and writes the page
    Scoreboard(scoreboard::Options),
    /// Random worlds against oracles, and all known regressions
    Simulate(simulate::Options),
    /// Wrong spelling, in code and pages
    Spelling,
    /// The least compiler, and other targets, as far as they are installed
    Targets,
    /// Layers, circles of modules, capability tables, links
    Tidy,
}

/// The providers, in the order of every table.
const PROVIDERS: [&str; 6] = ["meta", "chakra", "whapi", "nxcloud", "360dialog", "twilio"];

/// What a task says when it fails.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Api(options) => api::run(&options),
        Task::Browser => browser::run(),
        Task::Ci => ci::run(),
        Task::Clauses(options) => clauses::run(&options),
        Task::Conformance(options) => conformance::run(&options),
        Task::Counts(options) => counts::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::BenchServer { ca_file } => bench::server::run(&ca_file),
        Task::BenchWebhook => bench::webhook::run(),
        Task::Features => features::run(),
        Task::Fixtures(command) => fixtures::run(command),
        Task::Interop => scoreboard::interop(),
        Task::MinimalVersions => versions::run(),
        Task::Mutants(options) => mutants::run(&options),
        Task::Mutations => mutations::run(false),
        Task::NewProvider(options) => new_provider::run(&options),
        Task::Package(options) => package::run(&options),
        Task::Release(command) => release::run(&command),
        Task::Scoreboard(options) => scoreboard::run(&options),
        Task::Simulate(options) => simulate::run(&options),
        Task::Spelling => spelling::run(),
        Task::Targets => targets::run(),
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Cargo, at the top of the repository, with a clean environment.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.current_dir(root()).args(arguments);
    clean(&mut command);
    command
}

/// Takes away what would make a check pass or fail by itself.
fn clean(command: &mut Command) {
    command.env("INSTA_UPDATE", "no");
    for variable in [
        "INSTA_FORCE_PASS",
        "RUST_BACKTRACE",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(variable);
    }
}

/// Runs a command and says which one failed, and which one took long.
fn step(what: &str, command: &mut Command) -> Outcome {
    println!("== {what}");
    let started = Instant::now();
    match command.status() {
        Ok(status) if status.success() => {
            let seconds = started.elapsed().as_secs();
            if seconds >= 10 {
                println!("   {what}: {seconds} s");
            }
            Ok(())
        }
        Ok(status) => Err(format!("{what} failed: {status}")),
        Err(error) => Err(format!("{what} cannot be started: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Task::command().debug_assert();
    }
}
