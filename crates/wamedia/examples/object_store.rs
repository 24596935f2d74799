//! Webhook media into an object store, by the crate `object_store`.
//!
//! The store here is in memory, and the vendor is the sandbox, so that the example runs anywhere. For S3 take
//! `AmazonS3Builder::from_env().with_bucket_name("media").build()?` of `object_store`, feature `aws`; nothing else
//! changes.
//!
//! ```text
//! cargo run -p wamedia --features meta,object_store --example object_store
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use wamedia::{
    Delivery, IfExists, MediaRef, Object, Provider, ReceiveOptions, Result, Transfer, TransferOptions,
};

mod support;

/// Stores one reference and gives its place. The key is made of what identifies the media, never of a name that
/// a sender chose; what is there already is not fetched again.
pub(crate) async fn store(
    provider: &dyn Provider,
    media: &MediaRef,
    store: &Arc<dyn ObjectStore>,
) -> Result<Path> {
    let place = Path::from(format!("inbox/{}", media.identity()));
    let options = TransferOptions::default().with_if_exists(IfExists::Keep);
    let mut object = Object::new(Arc::clone(store), place.clone());
    Transfer::new(provider).with_options(options).store(media, &mut object).await?;
    Ok(place)
}

/// Takes one delivery of every medium of the sandbox, and stores what it carries.
pub(crate) async fn run(objects: &Arc<dyn ObjectStore>) -> std::result::Result<Vec<Path>, std::io::Error> {
    let sandbox = support::sandbox().await?;
    let info = sandbox.provider("meta").ok_or(std::io::ErrorKind::NotFound)?;
    let config = support::of_sandbox(info);
    let (provider, webhooks) = (wamedia::provider("meta", &config)?, wamedia::webhooks("meta", &config)?);
    let mut places = Vec::new();
    for seed in &info.media {
        let delivery = sandbox.webhook("meta", &seed.id).await?;
        let delivery = Delivery::new(&delivery.body).with_headers(&delivery.headers);
        let received = webhooks.receive(&delivery, ReceiveOptions::default())?;
        for item in received.inbound.media() {
            places.push(store(&*provider, &item.media, objects).await?);
        }
    }
    Ok(places)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for place in run(&objects).await? {
        println!("{place}");
    }
    Ok(())
}
