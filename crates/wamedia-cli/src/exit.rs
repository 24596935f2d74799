//! Exit codes, and what a failure says to people.

use wamedia::{Error, ErrorKind, Phase};

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

/// What to do next.
pub(crate) fn hint(error: &Error) -> Option<String> {
    let provider = error.provider().unwrap_or_default();
    let variable = |key: &str| format!("WAMEDIA_{}_{key}", provider.to_uppercase());
    Some(match error.kind() {
        ErrorKind::NotFound if provider == "meta" => {
            "media ids from webhooks live 7 days, those of uploads 30; this one is gone or belongs to another account"
                .to_owned()
        }
        ErrorKind::NotFound => "the id is gone, was never there, or belongs to another account".to_owned(),
        ErrorKind::NotReady => "the provider has not stored it yet; try again in a few seconds".to_owned(),
        ErrorKind::Expired => "the link died and a new one did not work either; try again".to_owned(),
        ErrorKind::Unauthorized if provider == "nxcloud" => {
            format!("check {} and {}", variable("ACCESS_KEY"), variable("ACCESS_SECRET"))
        }
        ErrorKind::Unauthorized => format!("check {}", variable("TOKEN")),
        ErrorKind::Integrity => "the bytes are not what was declared; nothing was stored under the final name, fetch it again or ask for it again".to_owned(),
        ErrorKind::Refused => format!("if you trust that host, add its origin with --content-origin or {}", variable("CONTENT_ORIGINS")),
        ErrorKind::TooLarge => "raise --max-bytes if you want it all the same".to_owned(),
        ErrorKind::RateLimited => match error.retry_after() {
            Some(wait) => format!("try again in {} s, or allow the wait with --max-wait", wait.as_secs().max(1)),
            None => "slow down and try again later".to_owned(),
        },
        ErrorKind::Unsupported => format!("`wamedia providers {provider}` shows what works"),
        _ => return None,
    })
}
