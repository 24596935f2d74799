//! What happened on the way, from the events that the library logs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// One event: a request, or a decision.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Since the command began.
    ms: u64,
    event: String,
    /// The names are those of OpenTelemetry where it has one.
    #[serde(flatten)]
    fields: BTreeMap<String, String>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = |name: &str| self.fields.get(name).map(String::as_str);
        let operation = field("operation").unwrap_or_default();
        write!(f, "{:>7} ms  {operation:<8} ", self.ms)?;
        if let (Some(method), Some(link)) = (field("http.request.method"), field("url.template")) {
            write!(f, "{method} {link}")?;
            match (field("http.response.status_code"), field("http.response.body.size")) {
                (Some(status), Some(size)) => write!(f, " -> {status}, {size} bytes"),
                (Some(status), None) => write!(f, " -> {status}"),
                (None, _) => write!(f, " -> {}", self.event),
            }?;
        } else {
            f.write_str(&self.event)?;
        }
        if let Some(kind) = field("error.type") {
            write!(f, ": {}", kind.replace('_', " "))?;
        }
        field("wait_ms").map_or(Ok(()), |wait| write!(f, ", after {wait} ms"))
    }
}

/// Listens from now on.
#[derive(Clone)]
pub(crate) struct Story {
    started: Instant,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Story {
    pub(crate) fn listen() -> Self {
        let story = Self { started: Instant::now(), steps: Arc::default() };
        // Only the first listener of a process hears anything, and this command has one.
        let _ = tracing_subscriber::registry().with(story.clone()).try_init();
        story
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The fields of a span or an event, as text.
#[derive(Clone, Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Story {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // A dependency may log what this project never would.
        if !event.metadata().target().starts_with("wamedia") {
            return;
        }
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            fields.0.extend(span.extensions().get::<Fields>().cloned().unwrap_or_default().0);
        }
        event.record(&mut fields);
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = fields.0.remove("message").unwrap_or_default();
        let step = Step { ms, event, fields: fields.0 };
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }
}
