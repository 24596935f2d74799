//! What an outcome means, and who can mend it.

use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpStream;
use wamedia::{Error, ErrorKind, NotTheApi, Phase, Provider, Receipt, Transfer, TransferOptions, Verified};

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

/// Vendors whose every refusal has a code of theirs.
const WITH_CODES: [&str; 4] = ["meta", "whapi", "nxcloud", "twilio"];

/// Whether the origin that somebody configured is not the API: nobody listens there, or whoever does answers as this
/// vendor never does. What other hosts answer, and what a provider that fails answers, says nothing about it.
pub(crate) async fn is_wrong_origin(
    error: &Error,
    base_url: Option<&str>,
    provider: &dyn Provider,
    options: TransferOptions,
) -> bool {
    let Some(base_url) = base_url else { return false };
    if error.host() != Some(host_of(base_url).as_str()) {
        return false;
    }
    if is_not_the_api(error) {
        return true;
    }
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Unauthorized | ErrorKind::Forbidden => is_foreign(error),
        ErrorKind::Transport if error.phase() == Some(Phase::Head) => !listens(base_url).await,
        // Where the API gives the bytes too, one medium may be broken; if there is a page for all, it is no API.
        ErrorKind::UnexpectedContent => {
            let Ok(nothing) = nothing(provider.name()) else { return false };
            let transfer = Transfer::new(provider).with_options(options);
            let outcome = transfer.fetch_into(&nothing, &mut tokio::io::sink()).await;
            outcome.is_err_and(|other| {
                other.kind() == ErrorKind::UnexpectedContent && other.host() == error.host()
            })
        }
        _ => false,
    }
}

/// Whether one of the causes says that whoever answered is not the API.
fn is_not_the_api(error: &Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(<dyn std::error::Error>::is::<NotTheApi>)
}

/// The host of an origin, with its port where that is not the scheme's own, as errors name it.
fn host_of(origin: &str) -> String {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("https", origin));
    let own = if scheme.eq_ignore_ascii_case("http") { ":80" } else { ":443" };
    let authority = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    authority.strip_suffix(own).map_or(authority.clone(), ToOwned::to_owned)
}

/// Whether a refusal has the shape of another vendor.
fn is_foreign(error: &Error) -> bool {
    let provider = error.provider().unwrap_or_default();
    let status = error.status().map(|status| status.to_string());
    match error.provider_code() {
        None if WITH_CODES.contains(&provider) || error.kind() == ErrorKind::NotFound => true,
        // These two have no code for a credential; where their message was found, it stands in the error.
        None if provider == "360dialog" => !error.message().contains("developer_message"),
        None => error.message().contains('{') || !error.message().contains(": Unauthorized"),
        // Whapi's code is the status; NXCloud answers 200 and Twilio's codes have five digits.
        code if provider != "whapi" && code == status.as_deref() => true,
        Some(code) => provider == "nxcloud" && code.len() == 5,
    }
}

/// A reference of the right shape that leads to nothing.
pub(crate) fn nothing(provider: &str) -> wamedia::Result<wamedia::MediaRef> {
    let zeros = "0".repeat(32);
    match provider {
        "twilio" => format!("twilio:ME{zeros}?message=MM{zeros}").parse(),
        provider => format!("{provider}:1").parse(),
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
