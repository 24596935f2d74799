//! Everything that is logged on this thread, by us and by our dependencies.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

/// Runs `work` and returns the lines that it logged at any level, spans included.
pub(crate) fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(listen);
    LINES.set(Some(Vec::new()));
    let outcome = work();
    let text = String::from_utf8_lossy(&LINES.take().unwrap_or_default()).into_owned();
    (outcome, text.lines().map(ToOwned::to_owned).collect())
}

/// Installs one subscriber for the process, which ignores threads without a capture: installing and removing
/// subscribers on several threads at once makes `tracing` disable some call sites for a moment.
fn listen() {
    let layer = tracing_subscriber::fmt::layer()
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .with_writer(|| Line)
        .with_filter(dynamic_filter_fn(|_, _| LINES.with_borrow(Option::is_some)));
    // A subscriber that is already installed would stay, and the cases that capture logs would fail.
    drop(tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)));
    // Records of the `log` crate reach it as well.
    drop(tracing_log::LogTracer::init());
}

thread_local! {
    /// What was logged on this thread, during a capture.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
