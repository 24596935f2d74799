//! `wamedia explain`

use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpStream;
use wamedia::{Error, ErrorKind, Phase, Receipt, Transfer, Verified};

use crate::args::ExplainArgs;
use crate::configuration::{Providers, transfer_options};
use crate::exit::{self, Failure};
use crate::output;

/// Whose turn it is, in fixed words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
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
    fn sentence(self) -> &'static str {
        match self {
            Self::Fine => "all is well",
            Self::FineAfterRenewal => "the link was dead, and a new one gave the media",
            Self::FineAfterRetry => "the media came, though not at the first attempt",
            Self::FineUnverified => "the media came, and nothing was declared to verify it against",
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

    fn of_success(receipt: &Receipt) -> Self {
        if receipt.renewals > 0 {
            Self::FineAfterRenewal
        } else if receipt.attempts > 1 || receipt.resumes > 0 || !receipt.waited.is_zero() {
            Self::FineAfterRetry
        } else if receipt.verified == Verified::None {
            Self::FineUnverified
        } else {
            Self::Fine
        }
    }

    fn of_failure(error: &Error) -> Self {
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

#[derive(Serialize)]
struct ExplainJson<'a> {
    r#ref: String,
    verdict: Verdict,
    #[serde(flatten)]
    receipt: Option<&'a Receipt>,
    error: Option<serde_json::Value>,
}

/// Fetches once without storing, telling every request and decision on the way, and says whose turn it is.
pub(crate) async fn run(args: ExplainArgs) -> Result<(), Failure> {
    let mut providers = Providers::new(&args.common)?;
    let media = providers.media(&args.media)?;
    let name = media.provider.as_deref().unwrap_or_default();
    let provider = providers.get(name)?;
    let transfer = Transfer::new(&*provider).with_options(transfer_options(&args.common));
    let outcome = transfer.fetch_into(&media, &mut tokio::io::sink()).await;
    let verdict = match &outcome {
        Ok(receipt) => Verdict::of_success(receipt),
        Err(error) if is_wrong_origin(error, providers.base_url(name)).await => Verdict::Configuration,
        Err(error) => Verdict::of_failure(error),
    };
    if args.common.json {
        output::json(&ExplainJson {
            r#ref: media.short(),
            verdict,
            receipt: outcome.as_ref().ok(),
            error: outcome.as_ref().err().map(exit::error_json),
        })?;
    } else {
        output::line(&match &outcome {
            Ok(receipt) => format!("{}: {}", media.short(), counts(receipt)),
            Err(error) => format!("{}: {error}", media.short()),
        })?;
        output::line(&format!("verdict: {}", verdict.sentence()))?;
    }
    outcome.map(|_| ()).map_err(Failure::from)
}

fn counts(receipt: &Receipt) -> String {
    format!(
        "{} bytes, verified: {}, {} requests, {} attempts, {} resumes, {} renewals, {} ms waited",
        receipt.bytes,
        receipt.verified.name(),
        receipt.requests,
        receipt.attempts,
        receipt.resumes,
        receipt.renewals,
        receipt.waited.as_millis(),
    )
}

/// Whether the origin that somebody configured is not the API: nobody listens there, or whoever does knows
/// neither the path nor the vendor's way to say so.
async fn is_wrong_origin(error: &Error, base_url: Option<String>) -> bool {
    let Some(base_url) = base_url else { return false };
    match error.kind() {
        ErrorKind::NotFound => error.operation() == Some("resolve") && error.provider_code().is_none(),
        ErrorKind::Transport if error.phase() == Some(Phase::Head) => !listens(&base_url).await,
        _ => false,
    }
}

/// Whether a connection to an origin can be made at all.
async fn listens(origin: &str) -> bool {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("https", origin));
    let authority = rest.split('/').next().unwrap_or_default();
    let port = if scheme == "http" { 80 } else { 443 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let connected = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}
