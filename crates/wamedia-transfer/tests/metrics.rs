//! What the crate `metrics` is told of transfers.
#![cfg(feature = "metrics")]
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use support::{Replies, Reply, media};
use wamedia_core::ContentMetadata;
use wamedia_transfer::Transfer;

#[test]
fn every_end_of_a_transfer_is_counted_under_the_documented_names() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    metrics::with_local_recorder(&recorder, || {
        runtime.unwrap().block_on(async {
            let stalled = || Reply { stalls: true, ..Reply::whole("content") };
            let replies = [Reply::whole("content"), stalled()];
            let provider = Replies::new(ContentMetadata::EMPTY, replies);
            let transfer = Transfer::new(&provider);
            transfer.fetch(&media("1")).await.unwrap();
            let slow = media("2");
            let mut cancelled = Box::pin(transfer.fetch(&slow));
            assert!(cancelled.as_mut().now_or_never().is_none());
            tokio::time::advance(Duration::from_secs(3)).await;
            drop(cancelled);
            transfer.fetch(&media("3")).await.unwrap_err();
        });
    });
    let mut told = BTreeMap::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        assert!(unit.is_none() && description.is_none());
        let labels = key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(" ");
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(values) => format!("{values:?}"),
        };
        told.insert(format!("{} {labels}", key.key().name()), value);
    }
    let mut expected = BTreeMap::new();
    for (outcome, bytes, seconds) in
        [("stored", "7", "[0.0]"), ("cancelled", "0", "[3.0]"), ("failed error.type=not_found", "0", "[0.0]")]
    {
        let labels = format!("provider=replies operation=fetch outcome={outcome}");
        expected.insert(format!("wamedia.transfers {labels}"), "1".to_owned());
        expected.insert(format!("wamedia.transfer.bytes {labels}"), bytes.to_owned());
        expected.insert(format!("wamedia.transfer.duration {labels}"), seconds.to_owned());
    }
    assert_eq!(told, expected);
}
