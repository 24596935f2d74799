//! Counts of requests for the crate `metrics`, under names that the guide documents.

use metrics::{Label, SharedString, counter, histogram};
use tokio::time::Instant;
use wamedia_core::ErrorKind;

/// Tells the recorder of one request when it ends; one that is dropped before has the error `cancelled`.
pub(crate) struct RequestMetrics {
    labels: Vec<Label>,
    started: Instant,
    error: Option<&'static str>,
}

impl RequestMetrics {
    /// A request that is about to be sent. `host` is shown as it is.
    pub(crate) fn start(
        provider: &'static str,
        operation: &'static str,
        method: &http::Method,
        host: String,
    ) -> Self {
        let labels = vec![
            Label::from_static_parts("provider", provider),
            Label::from_static_parts("operation", operation),
            Label::new("http.request.method", SharedString::from_owned(method.to_string())),
            Label::new("server.address", SharedString::from_owned(host)),
        ];
        Self { labels, started: Instant::now(), error: Some("cancelled") }
    }

    /// The head of the reply is there.
    pub(crate) fn answered(&mut self, status: u16) {
        let status = SharedString::from_owned(status.to_string());
        self.labels.push(Label::new("http.response.status_code", status));
    }

    /// The reply is read, or what failed is known.
    pub(crate) fn end(mut self, error: Option<ErrorKind>) {
        self.error = error.map(ErrorKind::name);
    }
}

impl Drop for RequestMetrics {
    fn drop(&mut self) {
        let mut labels = std::mem::take(&mut self.labels);
        labels.extend(self.error.map(|kind| Label::from_static_parts("error.type", kind)));
        counter!("wamedia.requests", labels.clone()).increment(1);
        histogram!("wamedia.request.duration", labels).record(self.started.elapsed().as_secs_f64());
    }
}
