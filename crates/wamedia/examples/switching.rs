//! Changing the vendor: both are configured until the last id of the old one has expired.
//!
//! ```text
//! cargo run -p wamedia --features meta,360dialog --example switching
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::collections::BTreeMap;
use std::sync::Arc;

use wamedia::{Config, Error, ErrorKind, Fetched, MediaRef, Provider, ProviderExt as _, Result};

mod support;

/// The providers that are in use, by name.
pub(crate) struct Providers(BTreeMap<String, Arc<dyn Provider>>);

impl Providers {
    /// Which ones are in use is configuration, not code.
    pub(crate) fn new(configured: impl IntoIterator<Item = (String, Config)>) -> Result<Self> {
        let build = |(name, config): (String, Config)| {
            let provider = wamedia::provider(&name, &config)?;
            Ok((name, provider))
        };
        configured.into_iter().map(build).collect::<Result<_>>().map(Self)
    }

    /// A stored reference names the provider that knows its id.
    pub(crate) async fn fetch(&self, stored: &str) -> Result<Fetched> {
        let media: MediaRef = stored.parse()?;
        let name = media.provider.as_deref().unwrap_or_default();
        let Some(provider) = self.0.get(name) else {
            let why = format!("a reference of {name:?} is stored, and that provider is not configured");
            return Err(Error::new(ErrorKind::InvalidRequest, why));
        };
        provider.fetch(&media).await
    }
}

/// Fetches a reference of the old vendor and one of the new vendor.
pub(crate) async fn run() -> std::io::Result<Vec<Fetched>> {
    let sandbox = support::sandbox().await?;
    let mut configured = Vec::new();
    let mut stored = Vec::new();
    for name in ["meta", "360dialog"] {
        let info = sandbox.provider(name).ok_or(std::io::ErrorKind::NotFound)?;
        configured.push((name.to_owned(), support::of_sandbox(info)));
        stored.push(format!("{name}:{}", info.media[0].id));
    }
    let providers = Providers::new(configured)?;
    let mut fetched = Vec::new();
    for reference in &stored {
        fetched.push(providers.fetch(reference).await?);
    }
    Ok(fetched)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    for fetched in run().await? {
        println!("{} bytes, verified by {}", fetched.bytes.len(), fetched.receipt.verified.name());
    }
    Ok(())
}
