//! What an outcome means, and who can mend it.

use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpStream;
use wamedia::{Error, ErrorKind, Phase, Receipt, Verified};

/// What an outcome means, in fixed words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Fine,
    FineAfterRenewal,
    FineAfterRetry,
    FineUnverified,
    Gone,
    NotYet,
    Credential,
    Configuration,
    RateLimited,
    ProviderFault,
    Network,
    Tampered,
    RefusedForSafety,
    Local,
}

impl Verdict {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Fine => "all is well",
            Self::FineAfterRenewal => "the link was dead, and a new one gave the media",
            Self::FineAfterRetry => "the media came, though not at the first attempt",
            Self::FineUnverified => {
                "the media came, and no digest was declared: its length at most could be verified"
            }
            Self::Gone => "the media is gone, or belongs to another account",
            Self::NotYet => "the media is not there yet; ask again in a while",
            Self::Credential => "your credential is refused",
            Self::Configuration => "your configuration, or the request, is wrong",
            Self::RateLimited => "the provider wants fewer calls, or a longer wait than is allowed",
            Self::ProviderFault => "the provider answers with a failure, or with what nobody can use",
            Self::Network => "the network, or a provider that does not answer",
            Self::Tampered => "other bytes came than were declared",
            Self::RefusedForSafety => "the reply led somewhere unsafe, or would not end; report it",
            Self::Local => "this machine",
        }
    }

    pub(crate) fn of_success(receipt: &Receipt) -> Self {
        if receipt.renewals > 0 {
            Self::FineAfterRenewal
        } else if receipt.attempts > 1 || receipt.resumes > 0 || !receipt.waited.is_zero() {
            Self::FineAfterRetry
        } else if !matches!(receipt.verified, Verified::Digest { .. }) {
            Self::FineUnverified
        } else {
            Self::Fine
        }
    }

    pub(crate) fn of_failure(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Expired | ErrorKind::Unavailable => Self::Gone,
            ErrorKind::NotReady => Self::NotYet,
            ErrorKind::Unauthorized | ErrorKind::Forbidden => Self::Credential,
            ErrorKind::InvalidRequest | ErrorKind::Unsupported => Self::Configuration,
            ErrorKind::RateLimited => Self::RateLimited,
            // A description that does not end; of content, it is a cap.
            ErrorKind::TooLarge if error.operation() == Some("resolve") => Self::ProviderFault,
            ErrorKind::Upstream | ErrorKind::Decode | ErrorKind::UnexpectedContent => Self::ProviderFault,
            ErrorKind::Transport | ErrorKind::Timeout => Self::Network,
            ErrorKind::Integrity => Self::Tampered,
            ErrorKind::Refused | ErrorKind::TooLarge => Self::RefusedForSafety,
            _ => Self::Local,
        }
    }
}

/// Whether the origin that somebody configured is not the API: nobody listens there, or whoever does knows
/// neither the path nor the vendor's way to say so.
pub(crate) async fn is_wrong_origin(error: &Error, base_url: Option<String>) -> bool {
    let Some(base_url) = base_url else { return false };
    match error.kind() {
        ErrorKind::NotFound => error.operation() == Some("resolve") && error.provider_code().is_none(),
        ErrorKind::Transport if error.phase() == Some(Phase::Head) => !listens(&base_url).await,
        _ => false,
    }
}

/// Whether a connection to an origin can be made at all.
pub(crate) async fn listens(origin: &str) -> bool {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("https", origin));
    let authority = rest.split('/').next().unwrap_or_default();
    let port = if scheme == "http" { 80 } else { 443 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let connected = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}
