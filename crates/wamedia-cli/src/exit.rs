//! Exit codes, and what a failure says to people.

use wamedia::{Error, ErrorKind, Phase};

use crate::configuration::{registry, variable};
use crate::output;

pub(crate) const OTHER: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const LOCAL: u8 = 10;
const INTERRUPTED: u8 = 130;

/// Why the program ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    message: Option<String>,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), causes: Vec::new(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(INTERRUPTED, "interrupted; nothing unfinished was kept")
    }

    /// Whoever read standard output has seen enough, which is no failure.
    pub(crate) fn closed_pipe() -> Self {
        Self { code: 0, message: None, causes: Vec::new(), hint: None }
    }

    /// The lines were printed already, one by one; only the code is left to say.
    pub(crate) fn reported(codes: &[u8]) -> Result<(), Self> {
        let Some(first) = codes.first() else { return Ok(()) };
        let code = if codes.iter().all(|code| code == first) { *first } else { OTHER };
        Err(Self { code, message: None, causes: Vec::new(), hint: None })
    }

    pub(crate) fn print(&self) {
        if let Some(message) = &self.message {
            output::error_line(message);
        }
        for cause in &self.causes {
            output::detail_line(&format!("because: {cause}"));
        }
        if let Some(hint) = &self.hint {
            output::detail_line(&format!("hint: {hint}"));
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: code(&error),
            message: Some(error.to_string()),
            causes: causes(&error),
            hint: hint(&error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(LOCAL, error.to_string())
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
        ErrorKind::Cancelled => INTERRUPTED,
        _ => OTHER,
    }
}

/// The chain of causes behind an error.
pub(crate) fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

/// What to do next: the library's advice, with the names that this program has for it.
pub(crate) fn hint(error: &Error) -> Option<String> {
    let provider = error.provider().unwrap_or_default();
    let variables = || {
        let info = registry().info(provider)?;
        let credentials = info.settings.iter().filter(|setting| setting.required && setting.secret);
        // A number is no credential, however private it is.
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
        ErrorKind::Unsupported if !provider.is_empty() => {
            Some(format!("`wamedia providers {provider}` shows what works"))
        }
        _ => error.hint().map(ToOwned::to_owned),
    }
}
