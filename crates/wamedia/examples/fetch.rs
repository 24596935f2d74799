//! Fetches one reference into a file.
//!
//! ```text
//! WAMEDIA_META_TOKEN=… cargo run -p wamedia --features meta --example fetch -- meta:1279279128 photo.jpg
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::path::Path;

use wamedia::{Config, Downloaded, Error, ErrorKind, MediaRef, ProviderExt as _, Result};

mod support;

/// The file appears under its name only when its content is complete and verified.
pub(crate) async fn fetch(media: &MediaRef, config: &Config, file: &Path) -> Result<Downloaded> {
    let provider = wamedia::provider(media.provider.as_deref().unwrap_or_default(), config)?;
    provider.download_to(media, file).await
}

/// What is returned here is printed with its cause and a hint.
#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [reference, file] = arguments.as_slice() else {
        return Err(Error::new(ErrorKind::InvalidRequest, "usage: fetch PROVIDER:ID FILE"));
    };
    let media: MediaRef = reference.parse()?;
    let config = support::from_environment(media.provider.as_deref().unwrap_or_default());
    let stored = fetch(&media, &config, Path::new(file)).await?;
    if let Some(receipt) = stored.receipt {
        println!(
            "{}: {} bytes, verified by {}",
            stored.path.display(),
            receipt.bytes,
            receipt.verified.name()
        );
    }
    Ok(())
}
