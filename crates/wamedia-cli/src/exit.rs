//! Exit codes, and what a failure says to people.

use std::io;
use std::sync::OnceLock;

use wamedia::{Error, ErrorKind, Phase};

pub(crate) use crate::failure::{Failure, LOCAL, OTHER, USAGE};
use crate::output;
use crate::settings::{registry, variable};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: code(&error),
            message: Some(error.to_string()),
            causes: causes(&error),
            hint: hint(&error),
            names_operation: error.operation().is_some(),
            json: Some(error_json(&error)),
            is_told: false,
        }
    }
}

/// What keeps a command from an error of the library, in the shape of one.
pub(crate) fn failure_json(failure: &Failure) -> serde_json::Value {
    if let Some(json) = &failure.json {
        let mut json = json.clone();
        json["hint"] = failure.hint.clone().into();
        return json;
    }
    let kind = match failure.code {
        LOCAL | OTHER => ErrorKind::Local,
        4 => ErrorKind::Unauthorized,
        5 => ErrorKind::Decode,
        9 => ErrorKind::Refused,
        _ => ErrorKind::InvalidRequest,
    };
    let mut json = error_json(&Error::new(kind, failure.message.clone().unwrap_or_default()));
    json["hint"] = failure.hint.clone().into();
    json
}

/// An error as `--json` prints it: with the hint of this program.
pub(crate) fn error_json(error: &Error) -> serde_json::Value {
    let mut json = serde_json::to_value(error).unwrap_or_default();
    json["hint"] = hint(error).into();
    json
}

/// The command that runs, which names the operation where no error does.
pub(crate) static COMMAND: OnceLock<&'static str> = OnceLock::new();

/// Says why the program ends.
pub(crate) fn print(failure: &Failure) {
    let command = COMMAND.get().filter(|_| !failure.names_operation);
    let command = command.map_or_else(String::new, |command| format!("{command}: "));
    if let Some(message) = &failure.message {
        // A file may have several problems, a line each. What came from outside was written out on one line before.
        let mut lines = message.split('\n');
        output::error_line(&format!("{command}{}", lines.next().unwrap_or_default()));
        lines.for_each(output::detail_line);
    }
    for cause in &failure.causes {
        output::detail_line(&format!("because: {cause}"));
    }
    if let Some(hint) = &failure.hint {
        output::detail_line(&format!("hint: {hint}"));
    }
}

/// The exit code for an error.
pub(crate) fn code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Expired | ErrorKind::NotReady | ErrorKind::Unavailable => 3,
        ErrorKind::Unauthorized | ErrorKind::Forbidden => 4,
        ErrorKind::Integrity | ErrorKind::UnexpectedContent | ErrorKind::Decode => 5,
        ErrorKind::RateLimited => 6,
        ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Upstream => 7,
        ErrorKind::InvalidRequest if error.phase() == Some(Phase::Prepare) => USAGE,
        ErrorKind::Unsupported | ErrorKind::InvalidRequest => 8,
        ErrorKind::Refused | ErrorKind::TooLarge => 9,
        ErrorKind::Local => LOCAL,
        _ => OTHER,
    }
}

/// The chain of causes behind an error, without those that its message ends with.
pub(crate) fn causes(error: &Error) -> Vec<String> {
    let chain = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    chain.map(ToString::to_string).filter(|cause| !error.message().ends_with(cause)).collect()
}

/// What to do next: the library's advice, with the names that this program has for it.
pub(crate) fn hint(error: &Error) -> Option<String> {
    if io_causes(error).any(is_out_of_files) {
        return Some(
            "too many files are open: allow more with `ulimit -n`, or fetch fewer at once with --concurrency"
                .into(),
        );
    }
    let provider = error.provider().unwrap_or_default();
    let variables = || {
        let info = registry().info(provider)?;
        let credentials = info.settings.iter().filter(|setting| setting.required && setting.secret);
        // A phone number is private, and still no credential.
        let credentials = credentials.filter(|setting| setting.key != "business_phone");
        let names: Vec<_> = credentials.map(|setting| variable(provider, setting.key)).collect();
        Some(names.join(" and "))
    };
    match error.kind() {
        // A delivery that is not verified has nothing to do with the API's credential.
        ErrorKind::Unauthorized if error.operation() != Some("receive") => match variables() {
            Some(names) => Some(format!(
                "check {names}; `wamedia providers {provider}` shows whether it is set, but not whether it is right"
            )),
            None => error.hint().map(ToOwned::to_owned),
        },
        ErrorKind::InvalidRequest if error.operation().is_none() && !provider.is_empty() => {
            let settings = "`wamedia config` shows every setting and where it came from; `--help` says what a flag \
                            takes";
            Some(error.hint().unwrap_or(settings).to_owned())
        }
        ErrorKind::Local => local_hint(error).map(ToOwned::to_owned),
        ErrorKind::Unsupported if !provider.is_empty() => {
            Some(format!("`wamedia providers {provider}` shows what works"))
        }
        _ => error.hint().map(ToOwned::to_owned),
    }
}

/// What solves a problem with a place.
fn local_hint(error: &Error) -> Option<&str> {
    Some(match io_causes(error).next().map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => {
            "the folder is missing: make it first, or name another with -o or --dir"
        }
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            "nothing may be written there: change its permissions, or name another place with -o or --dir"
        }
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            "make room, or name another place with -o or --dir"
        }
        _ => return error.hint(),
    })
}

fn io_causes(error: &Error) -> impl Iterator<Item = &io::Error> {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref())
}

/// Whether this process, or the whole system, has as many files open as it may: `EMFILE` and `ENFILE`, which have these
/// numbers on every Unix.
fn is_out_of_files(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// Prints an error of one of several references.
pub(crate) fn error_of(subject: &str, error: &Error) {
    output::error_line(&format!("{subject}: {error}"));
    for cause in causes(error) {
        output::detail_line(&format!("because: {cause}"));
    }
    if let Some(hint) = hint(error) {
        output::detail_line(&format!("hint: {hint}"));
    }
}
