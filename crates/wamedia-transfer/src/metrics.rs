//! Counts of transfers for the crate `metrics`, under names that the guide documents.

use std::time::Duration;

use metrics::{Label, counter, histogram};

/// Records the end of one transfer.
pub(crate) fn record(
    provider: &'static str,
    outcome: &'static str,
    error: Option<&'static str>,
    bytes: u64,
    elapsed: Duration,
) {
    let mut labels = vec![
        Label::from_static_parts("provider", provider),
        Label::from_static_parts("operation", "fetch"),
        Label::from_static_parts("outcome", outcome),
    ];
    labels.extend(error.map(|kind| Label::from_static_parts("error.type", kind)));
    counter!("wamedia.transfer.bytes", labels.clone()).increment(bytes);
    counter!("wamedia.transfers", labels.clone()).increment(1);
    histogram!("wamedia.transfer.duration", labels).record(elapsed.as_secs_f64());
}
