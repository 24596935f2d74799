//! Everything that is printed.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, filter};
use wamedia::Error;

use crate::args::Cli;
use crate::exit::{self, Failure};

/// An error as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorJson {
    kind: &'static str,
    operation: Option<&'static str>,
    provider: Option<String>,
    provider_code: Option<String>,
    message: String,
    retryable: bool,
    retry_after_s: Option<u64>,
    hint: Option<String>,
}

impl From<&Error> for ErrorJson {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().name(),
            operation: error.operation(),
            provider: error.provider().map(ToOwned::to_owned),
            provider_code: error.provider_code().map(ToOwned::to_owned),
            message: error.message().to_owned(),
            retryable: error.is_retryable(),
            retry_after_s: error.retry_after().map(|wait| wait.as_secs()),
            hint: exit::hint(error),
        }
    }
}

/// A line on standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write_all(format!("{text}\n").as_bytes())
}

/// Text of others on one line of a terminal: without control characters, and without those that turn
/// the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let odd = |c: char| c.is_control() || wamedia::is_invisible(c);
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}

/// A JSON object on a line of its own.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::new(exit::OTHER, error.to_string()))?;
    line(&text)
}

pub(crate) fn write_all(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::from)
}

/// An error on standard error.
pub(crate) fn error_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "wamedia: {text}");
}

/// More about an error.
pub(crate) fn detail_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "  {text}");
}

/// Prints an error of one of several references.
pub(crate) fn error_of(subject: &str, error: &Error) {
    error_line(&format!("{subject}: {error}"));
    for cause in exit::causes(error) {
        detail_line(&format!("because: {cause}"));
    }
    if let Some(hint) = exit::hint(error) {
        detail_line(&format!("hint: {hint}"));
    }
}

/// `48.2 KiB`.
#[expect(clippy::cast_precision_loss, reason = "a size for people has three digits")]
pub(crate) fn human(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// Bars and colour are for terminals of people who want them.
pub(crate) fn fancy() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells what this project's crates decide on standard error; nobody else's log is shown, since a
/// dependency may log what we never would.
pub(crate) fn set_up_log(cli: &Cli) {
    if !cli.verbose() {
        return;
    }
    let ours = filter::filter_fn(|metadata| metadata.target().starts_with("wamedia"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_filter(ours);
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_on_its_line() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c é"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c é");
    }

    #[test]
    fn sizes_for_people() {
        assert_eq!(human(11), "11 B");
        assert_eq!(human(49_357), "48.2 KiB");
        assert_eq!(human(5 << 30), "5.0 GiB");
    }
}
