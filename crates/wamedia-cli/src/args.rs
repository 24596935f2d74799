//! The command line.

mod values;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use wamedia::{IfExists, MediaKind, OnMismatch, Require, Sha256};

use crate::exit::{self, Failure};
use crate::settings::registry;
use values::{FaultName, bytes, kinds, seconds};

/// WhatsApp media for every provider: a webhook or a media id in, verified bytes out.
#[derive(Debug, Parser)]
#[command(name = "wamedia", version, max_term_width = 110)]
#[command(
    after_help = "Credentials come from the environment or wamedia.toml, never from a flag; `wamedia providers NAME` lists them.\nTry `wamedia demo`: the whole job on this machine, with no account."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download, verify, and store under the final name
    #[command(
        after_help = "Examples:\n  wamedia get meta:1001 -o lamp.jpg\n  wamedia get meta:1001 meta:1002 --dir media --require digest"
    )]
    Get(GetArgs),
    /// What the provider says about it, without the bytes
    #[command(after_help = "Examples:\n  wamedia info meta:1001\n  wamedia info 1001 --provider meta --json")]
    Info(InfoArgs),
    /// What a webhook delivery carries: one line per item
    #[command(
        after_help = "Examples:\n  wamedia inbound delivery.json --provider meta\n  wamedia inbound delivery.json --provider meta --refs"
    )]
    Inbound(InboundArgs),
    /// Upload; prints the id or the public link
    #[command(
        after_help = "Examples:\n  wamedia put photo.jpg --provider meta\n  wamedia put photo.jpg --provider whapi --as image --name holiday.jpg"
    )]
    Put(PutArgs),
    /// Delete
    #[command(after_help = "Examples:\n  wamedia rm meta:1001\n  wamedia rm meta:1001 meta:1002 --json")]
    Rm(RmArgs),
    /// List, where the provider can
    #[command(
        after_help = "Examples:\n  wamedia ls --provider whapi\n  wamedia ls --provider whapi --limit 10 --json"
    )]
    Ls(LsArgs),
    /// Will this provider, and the phone, take it? Nothing is sent
    #[command(
        after_help = "Examples:\n  wamedia check photo.jpg --provider meta\n  wamedia check photo.jpg --provider whapi --as document"
    )]
    Check(CheckArgs),
    /// The redacted story of every request and decision of one download
    #[command(after_help = "Examples:\n  wamedia explain meta:1001\n  wamedia explain meta:1001 --json")]
    Explain(ExplainArgs),
    /// Which settings are in effect, and where each came from
    #[command(after_help = "Examples:\n  wamedia config\n  wamedia config --provider meta --json")]
    Config(ConfigArgs),
    /// Configuration, name, connection, TLS and one harmless call, with a verdict
    #[command(after_help = "Examples:\n  wamedia doctor\n  wamedia doctor meta --json")]
    Doctor(DoctorArgs),
    /// Capability table, or one provider in full
    #[command(after_help = "Examples:\n  wamedia providers\n  wamedia providers meta")]
    Providers(ProvidersArgs),
    /// Every provider's API on this machine, with fault switches
    #[command(after_help = "Examples:\n  wamedia sandbox\n  wamedia sandbox --fault flip:3 --json")]
    Sandbox(SandboxArgs),
    /// The whole job, against the sandbox, in a few seconds, with no account
    #[command(after_help = "Examples:\n  wamedia demo\n  wamedia demo --dir files")]
    Demo(DemoArgs),
    /// Completions for a shell
    #[command(after_help = "Examples:\n  wamedia completions bash\n  wamedia completions zsh")]
    Completions(CompletionsArgs),
    /// The manual page of the program, or of one command
    #[command(after_help = "Examples:\n  wamedia man\n  wamedia man get")]
    Man(ManArgs),
}

/// Options of every command that talks to a provider.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Common {
    /// Provider of references that name none
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(registry().names()))]
    pub(crate) provider: Option<String>,
    /// Profile of the configuration for references that name none, as in meta@sales:ID
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Account, number or number id, where one provider has several
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Origin of the API: https, or http on loopback
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Further origin that content may come from (repeatable)
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) content_origin: Vec<String>,
    /// Version of the provider's API
    #[arg(long, value_name = "V")]
    pub(crate) api_version: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Proxy for https: a URL, `env` for the one that the environment names, or `none`
    #[arg(long, value_name = "URL|env|none")]
    pub(crate) proxy: Option<String>,
    /// Further certificates to trust, PEM (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Vec<PathBuf>,
    /// Seconds for a connection
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Seconds to the first byte of a reply
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) first_byte_timeout: Option<Duration>,
    /// Seconds without a byte in a body
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Least bytes per second, measured over ten seconds
    #[arg(long, value_name = "N", value_parser = bytes)]
    pub(crate) min_rate: Option<u64>,
    /// Seconds for everything together
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) deadline: Option<Duration>,
    /// Attempts in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) max_attempts: Option<u32>,
    /// Longest single wait in seconds that is honoured
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) max_wait: Option<Duration>,
    /// One JSON object per line on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing but errors
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Tell every request and decision on standard error
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// References: provider:id, or a bare id with --provider
    #[arg(value_name = "REF")]
    pub(crate) refs: Vec<String>,
    /// Read more references from a file, or `-`: one per line, or the JSON lines of `inbound --json`
    #[arg(long, value_name = "FILE|-")]
    pub(crate) from: Option<String>,
    /// Verify a webhook delivery of --provider, and fetch all media in it
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["from", "refs"])]
    pub(crate) webhook: Option<String>,
    /// A header that came with the delivery, `Name: value` (repeatable)
    #[arg(long, value_name = "HEADER", requires = "webhook")]
    pub(crate) header: Vec<String>,
    /// Take a delivery that cannot be verified; one with a wrong signature is refused all the same
    #[arg(long, requires = "webhook")]
    pub(crate) allow_unverified: bool,
    /// Store one reference under this name; `-` for standard output, where a mismatch shows in the exit code only (and in the line of --json, which is on standard error then)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Store in this folder, under safe names
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub(crate) dir: Option<PathBuf>,
    /// What the bytes must hash to (hex or base64)
    #[arg(long, value_name = "DIGEST")]
    pub(crate) sha256: Option<Sha256>,
    /// How many bytes it must be
    #[arg(long, value_name = "N", value_parser = bytes)]
    pub(crate) size: Option<u64>,
    /// Fetch only what a digest, or a length or a digest, is declared for; what a folder holds with less is fetched again
    #[arg(long, value_enum)]
    pub(crate) require: Option<RequireArg>,
    /// When the bytes are not what was declared
    #[arg(long, value_enum, default_value = "reject")]
    pub(crate) on_mismatch: MismatchArg,
    /// When the file exists, or in a folder: when the reference is stored already [default: refuse with -o,
    /// keep with --dir]. In a folder no file is ever overwritten or skipped because of its name
    #[arg(long, value_enum)]
    pub(crate) exists: Option<ExistsArg>,
    /// Keep no record of what a folder holds: every run stores under free names
    #[arg(long, conflicts_with = "output")]
    pub(crate) no_manifest: bool,
    /// Most bytes that are accepted (16MiB)
    #[arg(long, value_name = "N", value_parser = bytes)]
    pub(crate) max_bytes: Option<u64>,
    /// Downloads at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
    /// Go on from the partial file of a killed run, after hashing what is there
    #[arg(long, requires = "output")]
    pub(crate) resume: bool,
    /// Flush the file and its folder to the disk
    #[arg(long)]
    pub(crate) sync: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MismatchArg {
    Reject,
    Quarantine,
    Record,
}

impl From<MismatchArg> for OnMismatch {
    fn from(arg: MismatchArg) -> Self {
        match arg {
            MismatchArg::Reject => Self::Reject,
            MismatchArg::Quarantine => Self::Quarantine,
            MismatchArg::Record => Self::Record,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RequireArg {
    Digest,
    Length,
}

impl From<RequireArg> for Require {
    fn from(arg: RequireArg) -> Self {
        match arg {
            RequireArg::Digest => Self::Digest,
            RequireArg::Length => Self::Length,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExistsArg {
    Refuse,
    Keep,
    Replace,
}

impl From<ExistsArg> for IfExists {
    fn from(arg: ExistsArg) -> Self {
        match arg {
            ExistsArg::Refuse => Self::Refuse,
            ExistsArg::Keep => Self::Keep,
            ExistsArg::Replace => Self::Replace,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// Reference: provider:id, or a bare id with --provider
    #[arg(value_name = "REF")]
    pub(crate) media: String,
    /// Show the link, which is a credential in itself
    #[arg(long)]
    pub(crate) show_link: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Reference: provider:id, or a bare id with --provider
    #[arg(value_name = "REF")]
    pub(crate) media: String,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct InboundArgs {
    /// The body of the delivery
    #[arg(value_name = "FILE|-", default_value = "-")]
    pub(crate) file: String,
    /// A header that came with it, `Name: value` (repeatable); with one, the signature is checked
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Refuse a delivery that is not verified
    #[arg(long)]
    pub(crate) require_signature: bool,
    /// Print references for `get --from -`
    #[arg(long, conflicts_with = "json")]
    pub(crate) refs: bool,
    /// Largest body that is parsed (16MiB); else what the provider sends at most
    #[arg(long, value_name = "N", value_parser = bytes)]
    pub(crate) max_bytes: Option<u64>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// Files to upload
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Name that the provider is told
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Media type (else by name and content)
    #[arg(long = "type", value_name = "MIME")]
    pub(crate) mime: Option<wamedia::Mime>,
    /// What it is to be used for
    #[arg(long = "as", value_name = "KIND", value_parser = kinds())]
    pub(crate) kind: Option<MediaKind>,
    /// Upload without checking first
    #[arg(long)]
    pub(crate) no_check: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Media type (else by name and content)
    #[arg(long = "type", value_name = "MIME")]
    pub(crate) mime: Option<wamedia::Mime>,
    /// What it is to be used for
    #[arg(long = "as", value_name = "KIND", value_parser = kinds())]
    pub(crate) kind: Option<MediaKind>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// References: provider:id, or a bare id with --provider
    #[arg(value_name = "REF", required = true)]
    pub(crate) refs: Vec<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// At most this many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// One provider, or one account as in meta@sales; else everything that is configured
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// One provider in full
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(registry().names()))]
    pub(crate) name: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One JSON object per line on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// First port; else any free ones
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Listen here in place of loopback, for containers; whoever reaches it can use it
    #[arg(long, value_name = "ADDR")]
    pub(crate) bind: Option<IpAddr>,
    /// Serve the files in DIR/<provider>/ too, each under its name without the extension, and keep uploads there
    /// across restarts
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Switch a fault on, for the next N requests or for ever (repeatable); `list` prints what each does
    #[arg(long, value_name = "NAME[:N]", value_parser = FaultName, hide_possible_values = true)]
    pub(crate) fault: Vec<String>,
    /// Post one signed delivery per provider to this loopback address
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<String>,
    /// Wait so many milliseconds before each reply
    #[arg(long, value_name = "MS", hide = true)]
    pub(crate) latency: Option<u64>,
    /// One JSON object when ready, then one per request
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the files in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// One command
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

/// Prints what is wrong with the command line, or the help that was asked for.
pub(crate) fn refused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return match crate::output::block(text.trim_end()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => ExitCode::from(failure.code),
        };
    }
    let mut text = text;
    let mut pasted = false;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    for argument in &arguments {
        let argument = argument.to_string_lossy();
        let value = argument.split_once('=').filter(|(name, _)| name.starts_with("--"));
        let value = value.map_or(&*argument, |(_, value)| value);
        // A link is a credential in itself for a while.
        if crate::output::is_link(value) {
            pasted |= text.contains(value);
            text = text.replace(value, "a link");
        } else if crate::output::may_be_secret(value) {
            text = text.replace(value, "a value that may be a credential");
        }
    }
    // The command stands first, as in all errors.
    let program = Cli::command();
    let mut given = arguments.iter().map(|argument| argument.to_string_lossy());
    let command = given.find(|argument| program.find_subcommand(&**argument).is_some());
    let place = command.as_ref().map_or_else(String::new, |command| format!("{command}: "));
    let mut lines = text.trim_end().split('\n');
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    crate::output::error_line(&format!("{place}{first}"));
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")) {
        crate::output::detail_line(line.trim_start());
    }
    if pasted {
        crate::output::detail_line(&format!("{LINK_REFUSED}; {LINK_HINT}"));
    }
    let command = command.map_or_else(String::new, |command| format!(" {command}"));
    crate::output::detail_line(&format!("hint: `wamedia{command} --help` has every option, with examples"));
    ExitCode::from(exit::USAGE)
}

/// Why no link is taken in place of a reference.
pub(crate) const LINK_REFUSED: &str = "this is a link that dies within minutes, not a reference";
/// What to give in place of a link.
pub(crate) const LINK_HINT: &str = "give the media id, such as meta:1279128";

pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wamedia", &mut script);
    crate::output::write_all(&script)
}

/// A page for `man -l -`.
pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    let mut program = Cli::command();
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            Failure::usage(format!(
                "there is no command {}; see `wamedia --help`",
                crate::output::typed(name)
            ))
        })?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    crate::output::write_all(&page)
}

impl Cli {
    /// The name of the command.
    pub(crate) fn name(&self) -> &'static str {
        match self.command {
            Command::Get(_) => "get",
            Command::Info(_) => "info",
            Command::Inbound(_) => "inbound",
            Command::Put(_) => "put",
            Command::Rm(_) => "rm",
            Command::Ls(_) => "ls",
            Command::Check(_) => "check",
            Command::Explain(_) => "explain",
            Command::Config(_) => "config",
            Command::Doctor(_) => "doctor",
            Command::Providers(_) => "providers",
            Command::Sandbox(_) => "sandbox",
            Command::Demo(_) => "demo",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }

    /// Whether decisions are told on standard error.
    pub(crate) fn verbose(&self) -> bool {
        match &self.command {
            Command::Get(args) => args.common.verbose,
            Command::Info(args) => args.common.verbose,
            Command::Inbound(args) => args.common.verbose,
            Command::Put(args) => args.common.verbose,
            Command::Rm(args) => args.common.verbose,
            Command::Ls(args) => args.common.verbose,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
