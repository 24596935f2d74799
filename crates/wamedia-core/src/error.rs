use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

/// The result of everything in wamedia.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest message that an error keeps, in characters; vendor text beyond it is cut.
const MESSAGE_MAX_CHARS: usize = 400;
/// The longest host that an error keeps: a name has 253 characters at most, and a port follows.
const HOST_MAX_CHARS: usize = 259;

/// What kind of thing went wrong. Callers branch on this, never on text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The media does not exist, no longer exists, or is not visible to this account.
    NotFound,
    /// The link has expired; resolving again may give a valid one.
    Expired,
    /// The media exists, but its bytes are not there yet.
    NotReady,
    /// The media exists and its bytes will never come (the vendor says so).
    Unavailable,
    /// The credential is missing, wrong or outdated.
    Unauthorized,
    /// The credential is good, but may not do this.
    Forbidden,
    /// Too many calls; see [`Error::retry_after`].
    RateLimited,
    /// The request itself is wrong: a bad id, a bad parameter, a bad configuration.
    InvalidRequest,
    /// More bytes than the limit allows.
    TooLarge,
    /// The bytes are not the bytes that were sent.
    Integrity,
    /// Something other than the media arrived, such as an error page with status 200.
    UnexpectedContent,
    /// Refused by our own policy: a host, an address, a redirect, a scheme.
    Refused,
    /// This provider cannot do that.
    Unsupported,
    /// The vendor's reply cannot be understood: the API has changed, or a proxy has answered.
    Decode,
    /// The vendor failed.
    Upstream,
    /// The network failed.
    Transport,
    /// Nothing arrived in time.
    Timeout,
    /// The local file system, or a writer of the caller, failed.
    Local,
}

impl ErrorKind {
    const ALL: [Self; 18] = [
        Self::NotFound,
        Self::Expired,
        Self::NotReady,
        Self::Unavailable,
        Self::Unauthorized,
        Self::Forbidden,
        Self::RateLimited,
        Self::InvalidRequest,
        Self::TooLarge,
        Self::Integrity,
        Self::UnexpectedContent,
        Self::Refused,
        Self::Unsupported,
        Self::Decode,
        Self::Upstream,
        Self::Transport,
        Self::Timeout,
        Self::Local,
    ];

    /// The stable lower-case name, as in JSON output: `"not_found"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Expired => "expired",
            Self::NotReady => "not_ready",
            Self::Unavailable => "unavailable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::InvalidRequest => "invalid_request",
            Self::TooLarge => "too_large",
            Self::Integrity => "integrity",
            Self::UnexpectedContent => "unexpected_content",
            Self::Refused => "refused",
            Self::Unsupported => "unsupported",
            Self::Decode => "decode",
            Self::Upstream => "upstream",
            Self::Transport => "transport",
            Self::Timeout => "timeout",
            Self::Local => "local",
        }
    }
}

impl FromStr for ErrorKind {
    type Err = Error;

    /// Reads a stable name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for any other text.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            Error::new(Self::InvalidRequest, format!("no kind of error is called {name:?}"))
                .with_phase(Phase::Prepare)
        })
    }
}

/// Whether asking again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The same call gives the same answer.
    Never,
    /// Worth another try after an ordinary backoff.
    Backoff,
    /// Worth another try, not before this much time has passed.
    After(Duration),
}

/// When in the life of an operation it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Before anything was sent.
    Prepare,
    /// Sending the request, or waiting for the head of the reply.
    Head,
    /// While the body came in or went out.
    Body,
    /// After the last byte, comparing length and digest.
    Verify,
    /// Writing or renaming locally.
    Store,
}

impl Phase {
    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Head => "head",
            Self::Body => "body",
            Self::Verify => "verify",
            Self::Store => "store",
        }
    }
}

/// One error for every provider: kind, what to do next, context, cause.
///
/// `Display` says everything the vendor told us on one line; the cause is in
/// [`source`](StdError::source) and is not repeated. Neither holds a secret or a signed link.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    retry: Retry,
    phase: Option<Phase>,
    operation: Option<&'static str>,
    provider: Option<Cow<'static, str>>,
    host: Option<String>,
    provider_code: Option<String>,
    status: Option<u16>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind. The message is bounded, and control characters are removed.
    pub fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: tidy(message.as_ref(), MESSAGE_MAX_CHARS),
            retry: match kind {
                ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::NotReady => Retry::Backoff,
                _ => Retry::Never,
            },
            phase: None,
            operation: None,
            provider: None,
            host: None,
            provider_code: None,
            status: None,
            hint: None,
            source: None,
        }))
    }

    /// The answer to an operation that a provider does not have; nothing was sent.
    pub fn unsupported(operation: &'static str) -> Self {
        Self::new(ErrorKind::Unsupported, "this provider has no such operation")
            .with_operation(operation)
            .with_phase(Phase::Prepare)
    }

    /// Names the operation: `"resolve"`, `"open"`, `"upload"`, …; an operation already named stays.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Names the provider; one already named stays.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<Cow<'static, str>>) -> Self {
        self.0.provider.get_or_insert_with(|| provider.into());
        self
    }

    /// Names the host that was asked, with its port where that is not the scheme's own: `"graph.facebook.com"`; one
    /// already named stays. A path, a query or a credential does not belong here.
    #[must_use]
    pub fn with_host(mut self, host: impl AsRef<str>) -> Self {
        self.0.host.get_or_insert_with(|| tidy(host.as_ref(), HOST_MAX_CHARS));
        self
    }

    /// Keeps the vendor's own code.
    #[must_use]
    pub fn with_provider_code(mut self, code: impl fmt::Display) -> Self {
        self.0.provider_code = Some(tidy(&code.to_string(), 60));
        self
    }

    /// Sets the retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Names the phase; one already named stays.
    #[must_use]
    pub fn with_phase(mut self, phase: Phase) -> Self {
        self.0.phase.get_or_insert(phase);
        self
    }

    /// Keeps the HTTP status that came with the failure.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status.get_or_insert(status);
        self
    }

    /// Says what to do next, where that is more than [`hint`](Self::hint) says of every error of the kind;
    /// a hint that is there already stays. It must never suggest to trust a host that a reply named.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Keeps the cause. It must not hold a URL or a secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Replaces the kind, keeping the context; the retry advice becomes that of the new kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        let message = std::mem::take(&mut self.0.message);
        let fresh = Self::new(kind, message);
        self.0.kind = kind;
        self.0.retry = fresh.0.retry;
        self.0.message = fresh.0.message;
        self
    }

    /// Adds a sentence to the message.
    #[must_use]
    pub fn with_note(mut self, note: impl AsRef<str>) -> Self {
        let joined = format!("{}; {}", self.0.message, note.as_ref());
        self.0.message = tidy(&joined, MESSAGE_MAX_CHARS);
        self
    }

    /// Passes everything that came from outside through `redact`: the message, the host, the vendor's code and the
    /// causes. `redact` gives the text that is to be shown, or `None` where a text may stay as it is.
    ///
    /// Causes stay what they are when none of them needs a change; otherwise their texts take their place.
    #[must_use]
    pub fn redacted(mut self, redact: &dyn Fn(&str) -> Option<String>) -> Self {
        if let Some(message) = redact(&self.0.message) {
            self.0.message = message;
        }
        if let Some(host) = self.0.host.as_deref().and_then(redact) {
            self.0.host = Some(host);
        }
        if let Some(code) = self.0.provider_code.as_deref().and_then(redact) {
            self.0.provider_code = Some(code);
        }
        if let Some(hint) = self.0.hint.as_deref().and_then(redact) {
            self.0.hint = Some(hint.into());
        }
        let mut texts = Vec::new();
        let mut clean = true;
        let mut next = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            let redacted = redact(&text);
            clean &= redacted.is_none() && redact(&format!("{cause:?}")).is_none();
            texts.push(redacted.unwrap_or(text));
            next = cause.source();
        }
        if !clean {
            self.0.source = Cause::chain(texts);
        }
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without kind and context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether asking again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// True unless the same call would give the same answer.
    pub fn is_retryable(&self) -> bool {
        self.0.retry != Retry::Never
    }

    /// How long to wait before asking again, where the vendor said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.retry {
            Retry::After(wait) => Some(wait),
            _ => None,
        }
    }

    /// What to do next, in words for people; `None` where the message says it all.
    ///
    /// Options are named as in the library, and as in the program in brackets.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref().or_else(|| default_hint(self.0.kind, self.0.phase))
    }

    /// When in the operation it failed.
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The provider that was asked.
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// The host that was asked, with its port where that is not the scheme's own; `None` where nothing was sent.
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// The vendor's own code, such as `"100/33"`.
    pub fn provider_code(&self) -> Option<&str> {
        self.0.provider_code.as_deref()
    }

    /// The HTTP status that came with the failure.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.kind.name().replace('_', " "))?;
        if let Some(operation) = self.0.operation {
            write!(f, " at {operation}")?;
        }
        let context = [
            ("", self.0.provider.as_deref()),
            ("", self.0.host.as_deref()),
            ("code ", self.0.provider_code.as_deref()),
        ];
        let mut separator = " (";
        for (name, value) in context {
            if let Some(value) = value {
                write!(f, "{separator}{name}{value}")?;
                separator = ", ";
            }
        }
        if separator != " (" {
            f.write_str(")")?;
        }
        write!(f, ": {}", self.0.message)
    }
}

/// `{:?}` is for people, since `main() -> Result` prints it: the message, the causes and what to do next. `{:#?}` has
/// the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            write!(f, "{self}")?;
            let mut next = self.source();
            while let Some(cause) = next {
                write!(f, "\n  caused by: {cause}")?;
                next = cause.source();
            }
            return self.hint().map_or(Ok(()), |hint| write!(f, "\n  hint: {hint}"));
        }
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("retry", &self.0.retry)
            .field("phase", &self.0.phase)
            .field("operation", &self.0.operation)
            .field("provider", &self.0.provider)
            .field("host", &self.0.host)
            .field("provider_code", &self.0.provider_code)
            .field("status", &self.0.status)
            .field("hint", &self.0.hint)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// For callers whose own errors are those of the standard library: the nearest kind, with the error as its cause.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::Refused => {
                io::ErrorKind::PermissionDenied
            }
            ErrorKind::InvalidRequest => io::ErrorKind::InvalidInput,
            ErrorKind::TooLarge => io::ErrorKind::FileTooLarge,
            ErrorKind::Integrity | ErrorKind::UnexpectedContent | ErrorKind::Decode => {
                io::ErrorKind::InvalidData
            }
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::NotReady => io::ErrorKind::ResourceBusy,
            ErrorKind::Timeout => io::ErrorKind::TimedOut,
            ErrorKind::Transport | ErrorKind::Local => cause_kind(&error),
            ErrorKind::Expired | ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::Upstream => {
                io::ErrorKind::Other
            }
        };
        Self::new(kind, error)
    }
}

/// The system's kind, where it is among the causes.
fn cause_kind(error: &Error) -> io::ErrorKind {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(system) = cause.downcast_ref::<io::Error>() {
            return system.kind();
        }
        next = cause.source();
    }
    io::ErrorKind::Other
}

/// What helps with most errors of a kind.
fn default_hint(kind: ErrorKind, phase: Option<Phase>) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => "the id is gone, was never there, or belongs to another account",
        ErrorKind::Expired => "the link died and a new one did not work either; try again",
        ErrorKind::NotReady => "the provider has not stored it yet; try again in a few seconds",
        ErrorKind::Unavailable => "its bytes will never come; ask the sender to send it again",
        ErrorKind::Unauthorized => {
            "check that the credential is set, complete and still valid, and that it belongs to this account"
        }
        ErrorKind::Forbidden => {
            "the credential is good and may not do this; check its permissions at the vendor"
        }
        ErrorKind::RateLimited => "slow down and try again later",
        ErrorKind::TooLarge => "raise max_bytes (--max-bytes) if you want it all the same",
        ErrorKind::Integrity => {
            "the bytes are not what was declared, and nothing was stored under the final name; fetch it again, or \
             keep it for inspection with on_mismatch = quarantine (--on-mismatch quarantine)"
        }
        ErrorKind::UnexpectedContent => {
            "the link or the session behind it died, or something in between answered; resolve it again later"
        }
        ErrorKind::Refused => {
            "the provider's answer led away from the provider, so nothing was sent there; report it to the provider"
        }
        ErrorKind::Unsupported => "the capabilities of a provider say what works",
        ErrorKind::Decode => {
            "the vendor may have changed its answers, or something in between answered; `wamedia explain` tells \
             the story for a report"
        }
        ErrorKind::Upstream => "the provider failed, not you; try again later",
        ErrorKind::Transport => "the network or the provider failed; try again",
        ErrorKind::Timeout => match phase {
            Some(Phase::Body) => {
                "the body stalled: try again, or allow more with idle_timeout (--idle-timeout) or less min_rate \
                 (--min-rate)"
            }
            _ => "try again, or allow more time with first_byte_timeout (--first-byte-timeout)",
        },
        ErrorKind::Local => {
            "check the place: whether its folder is there, whether a file of that name is there already (if_exists, \
             --exists), whether it may be written to, and whether it has room"
        }
        ErrorKind::InvalidRequest => return None,
    })
}

/// What is left of a cause whose text had to be changed.
#[derive(Debug)]
struct Cause {
    text: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Cause {
    /// Causes with these texts, the outermost first.
    fn chain(texts: Vec<String>) -> Option<Box<dyn StdError + Send + Sync>> {
        texts.into_iter().rev().fold(None, |source, text| Some(Box::new(Self { text, source })))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// One line, no control or invisible characters, at most `max` characters.
fn tidy(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max * 4));
    let mut space = true;
    for (count, c) in text.chars().enumerate() {
        if count >= max {
            out.push('…');
            break;
        }
        if c.is_whitespace() || c.is_control() {
            if !space {
                out.push(' ');
            }
            space = true;
        } else if !crate::is_invisible(c) {
            out.push(c);
            space = false;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests;
