//! The `wamedia` program: everything the library does, from the command line.

mod args;
mod config;
mod config_file;
mod configuration;
mod deadline;
mod demo;
mod doctor;
mod exit;
mod explain;
mod failure;
mod failure_lines;
mod get;
mod inbound;
mod info;
mod input;
mod manage;
mod output;
mod progress;
mod providers;
mod put;
mod reference;
mod sandbox;
mod settings;
mod signals;
mod story;
mod verdict;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Cli, Command};
use crate::exit::Failure;
use crate::signals::Signals;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return args::refused(&error),
    };
    let command = cli.name();
    exit::COMMAND.get_or_init(|| command);
    let lines = failure_lines::FailureLines::of(&cli);
    if cli.verbose() {
        output::set_up_log();
    }
    keep_freed_memory();
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(async {
            // From here on, a signal drops the work in hand, so that it can clean up.
            let signals = Signals::listen()?;
            if let Command::Sandbox(args) = cli.command {
                return sandbox::run(args, signals.wait()).await;
            }
            tokio::select! {
                outcome = run(cli) => outcome,
                () = signals.wait() => Err(Failure::interrupted()),
            }
        });
        // A blocking read of standard input must not keep the program from ending.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(lines) = lines.filter(|_| !failure.is_told && failure.message.is_some()) {
                lines.print(&failure);
            }
            exit::print(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// One thread is enough: the work beside the network has threads of its own when it needs them.
fn runtime() -> Result<Runtime, Failure> {
    // Where the first of those cannot be started, tokio panics.
    let spare = std::thread::Builder::new().spawn(|| ());
    let runtime = spare.and_then(|thread| {
        let _ = thread.join();
        Builder::new_current_thread().enable_all().build()
    });
    runtime.map_err(|error| {
        Failure::new(exit::OTHER, format!("cannot start: {error}")).with_hint(
            "this user or container has no thread or file to spare: see `ulimit -u` and `ulimit -n`",
        )
    })
}

/// Keeps the buffers of a large body in the process. glibc keeps about twice the largest block that was freed, here the
/// two buffers of a batch, and gives memory back to the system beyond that: each batch would be read into new pages. A
/// larger block that is freed once makes it keep more. Its memory is not touched, so it costs none.
///
/// Source: `M_MMAP_THRESHOLD` and `M_TRIM_THRESHOLD` in <https://man7.org/linux/man-pages/man3/mallopt.3.html>
fn keep_freed_memory() {
    const LARGEST_BLOCK_BYTES: usize = 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST_BLOCK_BYTES)));
}

async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Get(args) => get::run(args).await,
        Command::Info(args) => info::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Inbound(args) => inbound::run(args).await,
        Command::Put(args) => put::run(args).await,
        Command::Rm(args) => manage::rm(args).await,
        Command::Ls(args) => manage::ls(args).await,
        Command::Check(args) => put::check(args).await,
        Command::Config(args) => config::run(&args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Providers(args) => providers::run(&args).await,
        // It ends well when it is told to, so it listens itself.
        Command::Sandbox(args) => sandbox::run(args, std::future::pending()).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Man(args) => args::man(&args),
        Command::Completions(args) => args::completions(&args),
    }
}
