use std::error::Error as StdError;
use std::io;

use wamedia_core::{Error, ErrorKind, Phase, Retry};

use crate::address::AddressRefused;

/// Why an attempt failed, and whether the request can have reached the server.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// True when nothing was sent.
    pub(crate) is_unsent: bool,
}

/// Turns the client's error into ours: no URL, the right kind, and what really happened.
pub(crate) fn convert(error: reqwest::Error, phase: Phase) -> Error {
    let error = error.without_url();
    if error.is_builder() {
        // Nothing can send it, now or later: the vendor's link is longer than any address, for example.
        return Error::new(ErrorKind::Decode, "the link cannot be used as an address")
            .with_phase(Phase::Prepare);
    }
    let connecting = error.is_connect();
    let timeout = error.is_timeout();
    let mut refused = false;
    let mut tls = false;
    let mut cause: Option<String> = None;
    // Ours are for messages alone; the system's own error is a cause of its own.
    let mut system: Option<io::Error> = None;
    let mut local: Option<Error> = None;
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(source) = next {
        if source.is::<AddressRefused>() {
            refused = true;
        }
        if let Some(own) = source.downcast_ref::<SourceFailed>() {
            local = Some(Error::new(own.0, own.1.clone()));
        }
        if let Some(io) = source.downcast_ref::<io::Error>() {
            tls |= connecting && io.kind() == io::ErrorKind::InvalidData;
            system = io.raw_os_error().map(io::Error::from_raw_os_error).or(system);
            if let Some(inner) = io.get_ref() {
                refused |= inner.is::<AddressRefused>();
            }
        }
        let text = source.to_string();
        // The client wraps what its TLS library says; the words are all that is left of it.
        tls |= connecting && text.contains("certificate");
        cause = Some(text);
        next = source.source();
    }
    if let Some(local) = local {
        return local.with_phase(phase);
    }
    // A cause of the system is kept as such and not repeated.
    let because = |what: &str| match (&system, &cause) {
        (None, Some(cause)) => format!("{what}: {cause}"),
        _ => what.to_owned(),
    };
    let (kind, message) = if refused {
        (ErrorKind::Refused, "the host's name leads to an address that is not public".to_owned())
    } else if timeout && connecting {
        (ErrorKind::Timeout, "no connection in time".to_owned())
    } else if timeout {
        (ErrorKind::Timeout, "no answer in time".to_owned())
    } else if tls {
        (ErrorKind::Transport, because("no trusted connection"))
    } else if connecting {
        (ErrorKind::Transport, because("cannot connect"))
    } else if phase == Phase::Body {
        (ErrorKind::Transport, because("the body broke off"))
    } else {
        (ErrorKind::Transport, because("no answer"))
    };
    let retry = if refused || tls { Retry::Never } else { Retry::Backoff };
    let error = Error::new(kind, message).with_retry(retry).with_phase(phase);
    let error = if tls {
        error.with_hint(
            "the server's certificate is not signed by an authority that this machine trusts, or is for another \
             name or time; a proxy that opens TLS needs its own among the system's certificates",
        )
    } else if timeout && connecting {
        error.with_hint("try again, or allow more time with connect_timeout (--connect-timeout)")
    } else {
        error
    };
    match system {
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
