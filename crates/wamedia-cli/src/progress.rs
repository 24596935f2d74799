//! Progress bars on a terminal: one per transfer, and one for the whole when there are many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use wamedia::{Event, Observer};

#[derive(Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    whole: Option<ProgressBar>,
}

impl Bars {
    /// Bars for so many transfers; `None` where nobody would see them.
    pub(crate) fn new(count: usize, wanted: bool) -> Option<Self> {
        if !wanted || !crate::output::fancy() {
            return None;
        }
        let all = MultiProgress::new();
        let whole = (count > 1).then(|| {
            let bar = all.add(ProgressBar::new(count as u64));
            bar.set_style(style("{bar:30} {pos}/{len} files {elapsed}"));
            bar
        });
        Some(Self { all, whole })
    }

    pub(crate) fn observer(&self, name: &str) -> Arc<dyn Observer> {
        let bar = self.whole.as_ref().map_or_else(
            || self.all.add(ProgressBar::no_length()),
            |whole| self.all.insert_before(whole, ProgressBar::no_length()),
        );
        bar.set_style(style("{msg:28!} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}"));
        bar.set_message(crate::output::printable(&name.chars().take(60).collect::<String>()));
        Arc::new(Bar { bar, received: AtomicU64::new(0) })
    }

    pub(crate) fn finished_one(&self) {
        if let Some(whole) = &self.whole {
            whole.inc(1);
        }
    }

    /// Prints above the bars.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    received: AtomicU64,
}

impl Observer for Bar {
    fn event(&self, event: &Event) {
        match *event {
            Event::Resolved { size_bytes: Some(size) } | Event::Opened { size_bytes: Some(size), .. } => {
                self.bar.set_length(size);
            }
            Event::Received { bytes } => {
                self.bar.set_position(self.received.fetch_add(bytes, Relaxed) + bytes);
            }
            Event::Restarted => {
                self.received.store(0, Relaxed);
                self.bar.set_position(0);
            }
            _ => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
