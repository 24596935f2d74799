//! Progress on a terminal: one line for every transfer that runs, and one for the whole when there are many.

mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use wamedia::{Event, Observer};

use self::state::State;

/// How often the lines are drawn anew: rates and waits change without an event.
const TICK: Duration = Duration::from_millis(200);

/// All lines together are one block, drawn from the state of all transfers.
#[derive(Debug)]
pub(crate) struct Bars {
    block: ProgressBar,
    state: Shared,
}

type Shared = Arc<Mutex<State>>;

fn locked(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bars {
    /// Lines for so many transfers; `None` where nobody would see them.
    pub(crate) fn new(files: usize, wanted: bool) -> Option<Self> {
        if !wanted || !crate::output::fancy() {
            return None;
        }
        let bars = Self::on(ProgressDrawTarget::stderr(), files);
        bars.block.enable_steady_tick(TICK);
        Some(bars)
    }

    fn on(target: ProgressDrawTarget, files: usize) -> Self {
        let state = Arc::new(Mutex::new(State::new(files, Instant::now())));
        let block = ProgressBar::with_draw_target(None, target);
        let drawn = Arc::clone(&state);
        let lines = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(&locked(&drawn).lines(Instant::now()).join("\n"));
        };
        let style = ProgressStyle::with_template("{lines}").map(|style| style.with_key("lines", lines));
        block.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { block, state }
    }

    /// What is told of one transfer, and how many bytes it has where that is known beforehand.
    pub(crate) fn observer(&self, name: &str, size_bytes: Option<u64>) -> Arc<dyn Observer> {
        let name = crate::output::printable(name);
        let number = locked(&self.state).add(name, size_bytes);
        Arc::new(Bar { number, state: Arc::clone(&self.state) })
    }

    /// One more ended, with its bytes or without.
    pub(crate) fn finished_one(&self, is_success: bool) {
        locked(&self.state).count(is_success);
    }
}

/// Prints above the lines, where there are some.
pub(crate) fn above<T>(bars: Option<&Bars>, print: impl FnOnce() -> T) -> T {
    match bars {
        Some(bars) => bars.block.suspend(print),
        None => print(),
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.block.finish_and_clear();
    }
}

/// One transfer. Its line goes when the transfer drops it.
#[derive(Debug)]
struct Bar {
    number: usize,
    state: Shared,
}

impl Observer for Bar {
    fn event(&self, event: &Event) {
        locked(&self.state).event(self.number, event, Instant::now());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        locked(&self.state).remove(self.number);
    }
}
