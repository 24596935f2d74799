//! The `wamedia` program: everything the library does, from the command line.

mod args;
mod configuration;
mod demo;
mod exit;
mod get;
mod inbound;
mod info;
mod manage;
mod output;
mod progress;
mod providers;
mod put;
mod sandbox;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Failure;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    output::set_up_log(&cli);
    // One thread is enough: the work beside the network has threads of its own when it needs them.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error_line(&format!("cannot start: {error}"));
            return ExitCode::from(exit::OTHER);
        }
    };
    let outcome = runtime.block_on(async {
        let runs_until_stopped = matches!(cli.command, Command::Sandbox(_));
        tokio::select! {
            outcome = run(cli) => outcome,
            () = interrupted(), if !runs_until_stopped => Err(Failure::interrupted()),
        }
    });
    // A blocking read of standard input must not keep the program from ending.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code)
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Get(args) => get::run(args).await,
        Command::Info(args) => info::run(args).await,
        Command::Explain(args) => info::explain(args).await,
        Command::Inbound(args) => inbound::run(&args),
        Command::Put(args) => put::run(args).await,
        Command::Rm(args) => manage::rm(args).await,
        Command::Ls(args) => manage::ls(args).await,
        Command::Check(args) => put::check(&args),
        Command::Providers(args) => providers::run(&args),
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Completions(args) => args::completions(&args),
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
