use std::error::Error as StdError;
use std::io;

use wamedia_core::{Error, ErrorKind, Phase, Retry};

use crate::address::AddressRefused;

/// The cause of an error where whoever answered is not the vendor's API at all, whatever it is.
///
/// A caller that configured the address finds it among the causes of an error, and looks at the address first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTheApi {
    /// A page in HTML came in place of the reply.
    Page,
    /// The address is one of https, and the server does not speak TLS.
    NoTls,
}

impl std::fmt::Display for NotTheApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Page => "a page in HTML came in place of the API's answer",
            Self::NoTls => "the server does not speak TLS there, as https needs",
        })
    }
}

impl StdError for NotTheApi {}

/// Why an attempt failed, and whether the request can have reached the server.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// True when nothing was sent.
    pub(crate) is_unsent: bool,
}

/// What the causes of the client's error say.
#[derive(Default)]
struct Causes {
    /// The address filter refused the address.
    is_refused: bool,
    /// The TLS handshake failed.
    is_tls: bool,
    /// What answered the TLS handshake is no TLS.
    is_plain: bool,
    /// The proxy did not connect.
    is_proxy: bool,
    /// The system's own error.
    system: Option<io::Error>,
    /// The caller's source of an upload failed.
    local: Option<Error>,
    /// The text of the innermost cause.
    text: Option<String>,
}

impl Causes {
    fn of(error: &reqwest::Error) -> Self {
        let mut causes = Self::default();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.add(cause, error.is_connect());
            next = cause.source();
        }
        causes
    }

    fn add(&mut self, cause: &(dyn StdError + 'static), is_connecting: bool) {
        self.is_refused |= cause.is::<AddressRefused>();
        if let Some(own) = cause.downcast_ref::<SourceFailed>() {
            self.local = Some(Error::new(own.0, own.1.clone()));
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            self.is_tls |= is_connecting && io.kind() == io::ErrorKind::InvalidData;
            if let Some(inner) = io.get_ref() {
                self.is_refused |= inner.is::<AddressRefused>();
            }
            if let Some(code) = io.raw_os_error() {
                self.system = Some(io::Error::from_raw_os_error(code));
            }
        }
        let text = cause.to_string();
        // The client wraps what its TLS library says; the words are all that is left of it.
        self.is_tls |= is_connecting && text.contains("certificate");
        self.is_plain |= is_connecting && text.contains("InvalidContentType");
        // The client keeps no more of what the proxy said.
        self.is_proxy |= is_connecting && (text.contains("tunnel") || text.contains("proxy auth"));
        self.text = Some(text);
    }

    /// What happened, with the innermost cause, unless that is the system's: it is kept as a cause, not repeated.
    fn because(&self, what: &str) -> String {
        match (&self.system, &self.text) {
            (None, Some(cause)) => format!("{what}: {cause}"),
            _ => what.to_owned(),
        }
    }
}

/// Turns the client's error into ours: no URL, the right kind, and what really happened.
pub(crate) fn convert(error: reqwest::Error, phase: Phase) -> Error {
    let error = error.without_url();
    if error.is_builder() {
        // Nothing can send it, now or later: the vendor's link is longer than any address, for example.
        return Error::new(ErrorKind::Decode, "the link cannot be used as an address")
            .with_phase(Phase::Prepare);
    }
    let causes = Causes::of(&error);
    if let Some(local) = causes.local {
        return local.with_phase(phase);
    }
    let (is_connecting, is_timeout) = (error.is_connect(), error.is_timeout());
    let refused = "the host's name leads to an address that is not public";
    let (kind, message) = match () {
        () if causes.is_refused => (ErrorKind::Refused, refused.to_owned()),
        () if is_timeout && is_connecting => (ErrorKind::Timeout, "no connection in time".to_owned()),
        () if is_timeout => (ErrorKind::Timeout, "no answer in time".to_owned()),
        () if causes.is_plain => (ErrorKind::Transport, "no trusted connection".to_owned()),
        () if causes.is_tls => (ErrorKind::Transport, causes.because("no trusted connection")),
        () if causes.is_proxy => (ErrorKind::Transport, causes.because("the proxy did not connect")),
        () if is_connecting => (ErrorKind::Transport, causes.because("cannot connect")),
        () if phase == Phase::Body => (ErrorKind::Transport, causes.because("the body broke off")),
        () => (ErrorKind::Transport, causes.because("no answer")),
    };
    let is_final = causes.is_refused || causes.is_tls || causes.is_plain;
    let retry = if is_final { Retry::Never } else { Retry::Backoff };
    let error = Error::new(kind, message).with_retry(retry).with_phase(phase);
    let error = if causes.is_plain {
        error
            .with_hint("check the address: its port, and whether it is https at all")
            .with_source(NotTheApi::NoTls)
    } else if causes.is_tls {
        error.with_hint(
            "the server's certificate is not signed by an authority that this machine trusts, or is for another \
             name or time; a proxy that opens TLS needs its own certificate among extra_roots (--ca-file)",
        )
    } else if causes.is_proxy {
        error.with_hint(
            "check the address, user and password of the proxy (--proxy, or proxy under [network])",
        )
    } else if is_timeout && is_connecting {
        error.with_hint("try again, or allow more time with connect_timeout (--connect-timeout)")
    } else {
        error
    };
    match causes.system {
        Some(system) => error.with_source(system),
        None => error,
    }
}

/// True when the request cannot have reached the server.
pub(crate) fn nothing_sent(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

/// The caller's own upload source failed; carried through the client as an error of the body.
#[derive(Debug)]
pub(crate) struct SourceFailed(pub(crate) ErrorKind, pub(crate) String);

impl std::fmt::Display for SourceFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1)
    }
}

impl StdError for SourceFailed {}
