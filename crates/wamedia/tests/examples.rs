//! The examples, against the sandbox.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]
#![allow(clippy::duplicate_mod, reason = "examples are programs that share a module")]
#![allow(dead_code, reason = "the mains of examples are for people")]

#[path = "../examples/custom_provider.rs"]
mod custom_provider;
#[path = "../examples/fetch.rs"]
mod fetch;
#[path = "../examples/many.rs"]
mod many;
#[path = "../examples/object_store.rs"]
mod object_store_example;
#[path = "../examples/support/mod.rs"]
mod support;
#[path = "../examples/switching.rs"]
mod switching;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use wamedia::{DeclaredBy, Event, Folder, MediaRef, Sha256, Verified};

#[tokio::test]
async fn fetch_stores_a_verified_file() {
    let sandbox = support::sandbox().await.unwrap();
    let info = sandbox.provider("meta").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("photo.jpg");
    let media: MediaRef = format!("meta:{}", info.media[0].id).parse().unwrap();
    let stored = fetch::fetch(&media, &support::of_sandbox(info), &file).await.unwrap();
    assert_eq!(stored.receipt.unwrap().verified, Verified::Digest(DeclaredBy::Provider));
    assert_eq!(Sha256::of(&std::fs::read(file).unwrap()).to_hex(), info.media[0].sha256_hex);
}

#[tokio::test]
async fn many_report_each_end_and_all_bytes_and_fetch_nothing_twice() {
    let sandbox = support::sandbox().await.unwrap();
    let info = sandbox.provider("meta").unwrap();
    let provider = wamedia::provider("meta", &support::of_sandbox(info)).unwrap();
    let ids = info.media.iter().map(|seed| seed.id.as_str()).chain(["404404"]);
    let references: Vec<MediaRef> = ids.map(|id| format!("meta:{id}").parse().unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut received = Vec::new();
    for _ in 0..2 {
        let (bytes, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counts = (Arc::clone(&bytes), Arc::clone(&ended));
        let observer = move |_: &MediaRef, event: &Event| match event {
            Event::Received { bytes } => _ = counts.0.fetch_add(*bytes, Relaxed),
            Event::Ended(_) => _ = counts.1.fetch_add(1, Relaxed),
            _ => {}
        };
        let (mut stored, mut failed) = (0, 0);
        let references = references.clone();
        let target = Folder::new(folder.path());
        many::fetch_all(Arc::clone(&provider), references, target, observer, |finished| {
            if finished.outcome.is_ok() { stored += 1 } else { failed += 1 }
        })
        .await;
        assert_eq!((stored, failed), (info.media.len() as u64, 1));
        assert_eq!(ended.load(Relaxed), stored + failed);
        received.push(bytes.load(Relaxed));
    }
    let all = info.media.iter().map(|seed| seed.size_bytes).sum();
    assert_eq!(received, [all, 0]);
}

#[tokio::test]
async fn every_object_has_the_bytes_of_its_medium() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let places = object_store_example::run(&objects).await.unwrap();
    let sandbox = support::sandbox().await.unwrap();
    let seeds = &sandbox.provider("meta").unwrap().media;
    assert_eq!(places.len(), seeds.len());
    for (place, seed) in places.iter().zip(seeds) {
        let bytes = objects.get(place).await.unwrap().bytes().await.unwrap();
        assert_eq!(Sha256::of(&bytes).to_hex(), seed.sha256_hex, "{place}");
    }
}

#[tokio::test]
async fn a_provider_of_ones_own_is_verified_like_the_others() {
    let fetched = custom_provider::run().await.unwrap();
    assert_eq!(fetched.receipt.verified, Verified::Digest(DeclaredBy::Provider));
}

#[tokio::test]
async fn references_of_the_old_and_the_new_vendor_are_fetched_side_by_side() {
    let fetched = switching::run().await.unwrap();
    assert_eq!(fetched.len(), 2);
    assert!(fetched.iter().all(|fetched| fetched.receipt.verified.declared_by().is_some()));
    let nobody = switching::Providers::new([]).unwrap();
    assert!(nobody.fetch("meta:1").await.unwrap_err().message().contains("meta"));
}
