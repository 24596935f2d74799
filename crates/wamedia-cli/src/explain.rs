//! `wamedia explain`

use serde::Serialize;
use wamedia::{Receipt, Transfer};

use crate::args::ExplainArgs;
use crate::configuration::{Providers, known, transfer_options};
use crate::exit::{self, Failure};
use crate::output::{self, plural};
use crate::reference::Reference;
use crate::story::{Step, Story};
use crate::verdict::{Verdict, is_wrong_origin};

#[derive(Serialize)]
struct ExplainJson<'a> {
    r#ref: String,
    verdict: Verdict,
    #[serde(flatten)]
    receipt: Option<&'a Receipt>,
    error: Option<serde_json::Value>,
    story: Vec<Step>,
}

/// Fetches once without storing, telling every request and decision on the way, and says what the outcome means.
pub(crate) async fn run(args: ExplainArgs) -> Result<(), Failure> {
    let story = (!args.common.verbose).then(Story::listen);
    let mut providers = Providers::new(&args.common).await?;
    let reference = providers.reference(&args.media)?;
    let provider = providers.get(&reference.account)?;
    let options = transfer_options(&args.common);
    let transfer = Transfer::new(&*provider).with_options(options.clone());
    let outcome = transfer.fetch_into(&reference.media, &mut tokio::io::sink()).await;
    let origin = own_origin(&providers, &reference);
    let verdict = match &outcome {
        Ok(receipt) => Verdict::of_success(receipt),
        Err(error) if is_wrong_origin(error, origin.as_deref(), &*provider, options).await => {
            Verdict::Configuration
        }
        Err(error) => Verdict::of_failure(error),
    };
    let story = story.map(|story| story.steps()).unwrap_or_default();
    if args.common.json {
        output::json(&ExplainJson {
            r#ref: reference.to_string(),
            verdict,
            receipt: outcome.as_ref().ok(),
            error: outcome.as_ref().err().map(exit::error_json),
            story,
        })?;
    } else {
        for step in &story {
            output::line(&step.to_string())?;
        }
        output::line(&match &outcome {
            Ok(receipt) => format!("{reference}: {}", counts(receipt)),
            Err(error) => format!("{reference}: {error}"),
        })?;
        output::line(&format!("verdict: {}", verdict.sentence()))?;
    }
    outcome.map(|_| ()).map_err(|error| Failure::from(error).told())
}

/// The origin that somebody configured in place of the vendor's, where this machine reaches it by itself.
fn own_origin(providers: &Providers<'_>, reference: &Reference) -> Option<String> {
    let vendor = known(&reference.account.provider).ok()?.base_url;
    let configured = providers.base_url(&reference.account)?;
    let is_default = vendor.is_some_and(|vendor| configured.trim_end_matches('/') == vendor);
    (!is_default && providers.network().0.is_none()).then_some(configured)
}

fn counts(receipt: &Receipt) -> String {
    format!(
        "{}, verified: {}, {}, {}, {}, {}, {} ms waited",
        plural(receipt.bytes, "byte"),
        receipt.verified.name(),
        plural(receipt.requests, "request"),
        plural(receipt.attempts, "attempt"),
        plural(receipt.resumes, "resume"),
        plural(receipt.renewals, "renewal"),
        receipt.waited.as_millis(),
    )
}
