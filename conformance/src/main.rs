//! `wamedia-conformance`: scores any WhatsApp media client, and serves what it is scored against.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to the person who runs it")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use clap::Parser;
use wamedia_conformance::outside::{self, Client, Score, Sentences, Version};
use wamedia_conformance::{render, serve};

/// Scores any WhatsApp media client, in any language
#[derive(Debug, Parser)]
#[command(name = "wamedia-conformance", version, max_term_width = 110)]
enum Program {
    /// Starts a client against a server that misbehaves in one way at a time, and says what came of it
    #[command(
        after_help = "Examples:\n  wamedia-conformance client -- ./fetch {base} {provider} {id} {out}\n  \
                            wamedia-conformance client --driver --junit report.xml -- python3 driver.py"
    )]
    Client(Box<ClientOptions>),
    /// Every provider's API on loopback over TLS; an id that begins with a fault's name has that fault
    #[command(
        after_help = "Prints one JSON object when it is ready, then one for each request, until it is stopped."
    )]
    Serve {
        /// The first of the ports that it listens on; free ports without it
        #[arg(long)]
        port: Option<u16>,
        /// Where the authority's certificate goes, as PEM
        #[arg(long, value_name = "FILE", default_value = "wamedia-ca.pem")]
        ca_file: PathBuf,
        /// Without TLS
        #[arg(long)]
        plain_http: bool,
    },
    /// The names of all rows, each with what it is about
    Rows,
    /// The JSON Schema of the protocol of drivers, or of a report
    Schema {
        /// Which one
        #[arg(value_parser = ["driver", "report"])]
        what: String,
    },
}

#[derive(Debug, clap::Args)]
struct ClientOptions {
    /// Program and arguments; a word may hold {base} {content} {provider} {id} {out} {sha256} {size} {ca}. Credentials
    /// are in the environment under the program's names: WAMEDIA_…_TOKEN and the like
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// A description of the client, with its commands and known failures, as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["command", "driver", "plain_http"])]
    file: Option<PathBuf>,
    /// The program reads JSON requests on standard input: uploads, deletions, lists and deliveries count too
    #[arg(long)]
    driver: bool,
    /// Without TLS, for a client that cannot be told which authority to trust
    #[arg(long)]
    plain_http: bool,
    /// One provider; repeatable
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,
    /// Rows whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Rows of one profile
    #[arg(long, value_parser = ["receive", "send", "resume", "list", "signed-webhook"])]
    profile: Option<String>,
    /// A SHOULD that is not met fails
    #[arg(long)]
    strict: bool,
    /// What the report calls the client
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// The version that the report names
    #[arg(long, value_name = "TEXT")]
    subject_version: Option<String>,
    /// The commit that the report names
    #[arg(long, value_name = "TEXT")]
    subject_commit: Option<String>,
    /// Where the client comes from
    #[arg(long, value_name = "URL")]
    subject_url: Option<String>,
    /// The report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The report as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = "The report as JUnit XML")]
    junit: Option<PathBuf>,
    /// The report in the Test Anything Protocol
    #[arg(long, value_name = "FILE")]
    tap: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = match Program::parse() {
        Program::Client(options) => client(&options),
        Program::Serve { port, ca_file, plain_http } => serve::run(port, &ca_file, plain_http),
        Program::Rows => rows(),
        Program::Schema { what } => {
            let schema = if what == "driver" { outside::DRIVER_SCHEMA } else { outside::REPORT_SCHEMA };
            print!("{schema}");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("wamedia-conformance: {why}");
            ExitCode::FAILURE
        }
    }
}

fn rows() -> Result<(), String> {
    for (name, sentence) in outside::list()? {
        println!("{name:<24}{sentence}");
    }
    Ok(())
}

fn client(options: &ClientOptions) -> Result<(), String> {
    let mut client = match &options.file {
        Some(file) => Client::read(file)?,
        None => Client::from_words(options.command.clone(), options.driver)?,
    };
    client.plain_http |= options.plain_http;
    client.name = options.name.clone().unwrap_or(client.name);
    client.version = options.subject_version.clone().map(Version::Text).or(client.version);
    client.commit = options.subject_commit.clone().or(client.commit);
    client.url = options.subject_url.clone().or(client.url);
    let score = Score {
        client,
        providers: options.provider.clone(),
        filter: options.filter.clone(),
        profile: options.profile.clone(),
        strict: options.strict,
        path: None,
        again: again(options),
    };
    let reports = outside::score(&score)?;
    let sentences = Sentences::embedded()?;
    print!("{}", render::table(&reports, &sentences));
    write(options.json.as_deref(), || render::document(&reports))?;
    write(options.markdown.as_deref(), || render::markdown(&reports, &sentences))?;
    write(options.junit.as_deref(), || render::junit(&reports))?;
    write(options.tap.as_deref(), || render::tap(&reports))?;
    outside::verdict(&reports)
}

fn write(file: Option<&Path>, text: impl Fn() -> String) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    fs::write(file, text()).map_err(|error| format!("{}: {error}", file.display()))
}

/// The command that was typed, without what chooses rows and reports: options of one row come behind it.
fn again(options: &ClientOptions) -> String {
    let mut words = vec![env::args().next().unwrap_or_default(), "client".to_owned()];
    if let Some(file) = &options.file {
        words.extend(["--file".to_owned(), file.display().to_string()]);
    }
    words.extend(options.driver.then(|| "--driver".to_owned()));
    words.extend(options.plain_http.then(|| "--plain-http".to_owned()));
    let quoted = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    if options.command.is_empty() {
        return format!("{quoted} ROW");
    }
    let command = shlex::try_join(options.command.iter().map(String::as_str)).unwrap_or_default();
    format!("{quoted} ROW -- {command}")
}
