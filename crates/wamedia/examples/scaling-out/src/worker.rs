//! Claims, fetches, stores, and writes one end state.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path;
use wamedia::{IfExists, Object, Provider, Retry, Transfer, TransferOptions};

use crate::store::{Claim, Outcome, Result, Store};

/// A claim must outlive the fetch: the fetch ends before.
const LEASE: Duration = Duration::from_secs(300);
const DEADLINE: Duration = Duration::from_secs(240);
/// How long to wait where the provider does not say.
const BACKOFF: Duration = Duration::from_secs(60);

/// Works on what is due, and gives whether there was something.
pub async fn step(
    store: &dyn Store,
    provider: &dyn Provider,
    objects: &Arc<dyn ObjectStore>,
) -> Result<bool> {
    let Some(claim) = store.claim(LEASE).await? else { return Ok(false) };
    let outcome = fetch(&claim, provider, objects).await;
    // False: the lease ran out and somebody else has it. What is stored is what they would store.
    store.finish(&claim, outcome).await?;
    Ok(true)
}

async fn fetch(claim: &Claim, provider: &dyn Provider, objects: &Arc<dyn ObjectStore>) -> Outcome {
    let place = Path::from(format!("inbox/{}", claim.identity));
    let options = TransferOptions::default().with_if_exists(IfExists::Keep).with_deadline(DEADLINE);
    let mut object = Object::new(Arc::clone(objects), place.clone());
    match Transfer::new(provider).with_options(options).store(&claim.media, &mut object).await {
        Ok(_) => Outcome::Stored(place.to_string()),
        Err(error) => match error.retry() {
            Retry::Never => Outcome::Failed(error.to_string()),
            Retry::After(wait) => Outcome::Later(wait, error.to_string()),
            _ => Outcome::Later(BACKOFF, error.to_string()),
        },
    }
}
