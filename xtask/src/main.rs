//! Tasks of this repository: `cargo xtask ci`, `bench`, `conformance`, `fixtures check`, `tidy`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who runs it")]

mod bench;
mod ci;
mod client;
mod conformance;
mod fixtures;
mod mutations;
mod report;
mod simulate;
mod tidy;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask ci                         everything that every change must pass
cargo xtask conformance [OPTIONS]      the behavioural suite, with a table per provider
    --provider P    one provider          --filter TEXT   cases whose name contains it
    --profile P     receive, send, resume, list or signed-webhook
    --strict        a SHOULD that is not met fails        --list  only list
    --json FILE     the report as JSON    --markdown FILE the report as Markdown
    --badge FILE    the badge (JSON, and SVG beside it), and the README's numbers
    --client 'PROGRAM {base} {content} {provider} {id} {out} {sha256} {size}', or a file of commands:
                    scores a program, in any language, on what can be seen from outside
    --mutations     each requirement catches the mutations of the client that it names
    --matrix        with --mutations: every case against every mutation, which takes minutes
cargo xtask bench [OPTIONS]            wamedia beside the baseline client, interleaved
    --quick         smaller bodies        --scenario TEXT only what contains it
    --rounds N      rounds of each        --list          only list
    --json FILE     all figures           --markdown FILE the table
    --wamedia FILE  another build of the program
cargo xtask fixtures check             fixtures are whole, known, and hold no secrets
cargo xtask fixtures docs              writes conformance/REQUIREMENTS.md from its data
cargo xtask fixtures export --wiremock DIR
                                       exchanges as WireMock mappings and files
cargo xtask fixtures record --origin NAME --upstream URL --out DIR [--requests N]
                                       records through a loopback proxy, redacted by allow-list
cargo xtask simulate [OPTIONS]         random worlds against oracles, and all known regressions
    --worlds N      how many              --seed S        which
    --world FILE    one world, with its trace in words
    --driver D      engine or wire        --keep-going    counts every failure in a table
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
        // So is what it parses, to be built as programs are.
        ["bench-webhook"] => bench::webhook::run(),
        ["conformance", options @ ..] => {
            conformance::Options::parse(options).and_then(|options| conformance::run(&options))
        }
        ["fixtures", words @ ..] => fixtures::run(words),
        ["mutations"] => mutations::run(false),
        ["simulate", options @ ..] => {
            simulate::Options::parse(options).and_then(|options| simulate::run(&options))
        }
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

/// Runs a command and says which one failed.
fn step(what: &str, command: &mut Command) -> Outcome {
    println!("== {what}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed: {status}")),
        Err(error) => Err(format!("{what} cannot be started: {error}")),
    }
}
