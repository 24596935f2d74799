//! Tasks of this repository: `cargo xtask ci`, `bench`, `conformance`, `fixtures check`, `tidy`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who runs it")]

mod bench;
mod ci;
mod conformance;
mod fixtures;
mod tidy;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask ci                         everything that every change must pass
cargo xtask conformance [OPTIONS]      the behavioural suite, with a table per provider
    --provider P    one provider       --filter TEXT   cases whose name contains it
    --list          only list          --json FILE     the report as JSON
    --markdown FILE the report as Markdown
cargo xtask bench [OPTIONS]            wamedia beside the baseline client, interleaved
    --quick         under two minutes  --scenario TEXT only what contains it
    --rounds N      rounds of each     --list          only list
    --json FILE     all figures        --markdown FILE the table
    --wamedia FILE  another build of the program
cargo xtask fixtures check             fixtures are whole, known, and hold no secrets
cargo xtask tidy                       layers, capability tables, links";

/// The providers, in the order of every table.
const PROVIDERS: [&str; 4] = ["meta", "chakra", "whapi", "nxcloud"];

/// What a task says when it fails.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(),
        ["bench", options @ ..] => bench::run(options),
        // The other end of the benchmark, a process of its own.
        ["bench-server", options @ ..] => bench::server::run(options),
        ["conformance", options @ ..] => conformance::run(options),
        ["fixtures", "check"] => fixtures::check(),
        ["tidy"] => tidy::run(),
        _ => Err(USAGE.to_owned()),
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

/// Cargo, without the variables that would make a check pass or fail by themselves.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.current_dir(root()).args(arguments).env("INSTA_UPDATE", "no");
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
    command
}

/// Runs a command and says which one failed.
fn step(what: &str, command: &mut Command) -> Outcome {
    println!("== {what}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed: {status}")),
        Err(error) => Err(format!("{what} cannot be started: {error}")),
    }
}
