//! What is known of all transfers, and the lines that say it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use wamedia::{ErrorKind, Event};

use crate::output::{Paint, human, paint};

/// A terminal has few lines; what does not fit is counted.
const MAX_ROWS: usize = 8;
/// The rate is that of the last seconds.
const WINDOW: Duration = Duration::from_secs(10);
/// Without a byte for so long, a transfer stalls.
const STALL: Duration = Duration::from_secs(3);
const NAME_WIDTH: usize = 26;
const BAR_WIDTH: usize = 16;

#[derive(Debug)]
pub(super) struct State {
    files: usize,
    done: usize,
    failed: usize,
    rows: BTreeMap<usize, Row>,
    next: usize,
    /// Bytes and sizes of transfers that ended.
    ended: u64,
    flow: Flow,
    last_event: Instant,
}

/// Bytes as they come in.
#[derive(Debug)]
struct Flow {
    /// When how many bytes had come, oldest first.
    samples: VecDeque<(Instant, u64)>,
    received: u64,
}

impl Flow {
    fn new(now: Instant) -> Self {
        Self { samples: VecDeque::from([(now, 0)]), received: 0 }
    }

    /// Notes how many bytes have come, ten times a second at most.
    fn add(&mut self, bytes: u64, now: Instant) {
        self.received += bytes;
        let is_due = |(at, _): &(Instant, u64)| now.duration_since(*at) >= Duration::from_millis(100);
        if self.samples.back().is_none_or(is_due) {
            self.samples.push_back((now, self.received));
        }
        // One sample from before the window is the begin of it.
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Bytes per second over the window.
    fn rate(&self, now: Instant) -> u64 {
        let Some((since, before)) = self.samples.front() else { return 0 };
        let ms = now.duration_since(*since).min(WINDOW.max(Duration::from_secs(1))).as_millis().max(1);
        let ms = u64::try_from(ms).unwrap_or(u64::MAX);
        (self.received - before).saturating_mul(1000) / ms
    }

    /// Whether the rate says anything yet.
    fn is_steady(&self, now: Instant) -> bool {
        self.samples.front().is_some_and(|(since, _)| now.duration_since(*since) >= Duration::from_secs(1))
    }
}

/// One transfer that has not ended.
#[derive(Debug)]
struct Row {
    name: String,
    size: Option<u64>,
    received: u64,
    last_byte: Instant,
    /// Since its first answer.
    flow: Option<Flow>,
    phase: RowPhase,
}

#[derive(Debug)]
enum RowPhase {
    /// It may wait for its turn.
    Queued,
    Running,
    Waiting {
        until: Instant,
        kind: ErrorKind,
    },
    Renewing,
}

impl State {
    pub(super) fn new(files: usize, now: Instant) -> Self {
        Self {
            files,
            done: 0,
            failed: 0,
            rows: BTreeMap::new(),
            next: 0,
            ended: 0,
            flow: Flow::new(now),
            last_event: now,
        }
    }

    pub(super) fn add(&mut self, name: String, size: Option<u64>) -> usize {
        self.next += 1;
        let row =
            Row { name, size, received: 0, last_byte: self.last_event, flow: None, phase: RowPhase::Queued };
        self.rows.insert(self.next, row);
        self.next
    }

    pub(super) fn remove(&mut self, number: usize) {
        if let Some(row) = self.rows.remove(&number) {
            self.ended += row.received;
        }
    }

    pub(super) fn count(&mut self, is_success: bool) {
        self.done += 1;
        self.failed += usize::from(!is_success);
    }

    pub(super) fn event(&mut self, number: usize, event: &Event, now: Instant) {
        let Some(row) = self.rows.get_mut(&number) else { return };
        self.last_event = now;
        match *event {
            Event::Resolved { size_bytes } => row.size = size_bytes.or(row.size),
            Event::Opened { size_bytes, .. } => {
                row.size = size_bytes.or(row.size);
                row.start(now);
            }
            Event::Received { bytes } => {
                row.received += bytes;
                row.start(now);
                self.flow.add(bytes, now);
                if let Some(flow) = &mut row.flow {
                    flow.add(bytes, now);
                }
            }
            Event::Retrying { kind, wait } => row.phase = RowPhase::Waiting { until: now + wait, kind },
            Event::Renewing => row.phase = RowPhase::Renewing,
            Event::Restarted => row.received = 0,
            _ => {}
        }
    }

    /// How long the slowest of those that run takes: what the others brought does not make it faster.
    fn slowest(&self, now: Instant) -> u64 {
        self.rows.values().filter_map(|row| row.seconds_left(now)).max().unwrap_or_default()
    }

    /// All bytes that are still to come; of sizes that are not known yet, the mean of those that are.
    fn left(&self) -> Option<u64> {
        let sizes = self.rows.values().filter_map(|row| row.size);
        let known = sizes.clone().count() as u64;
        let unknown = (self.files - self.done.min(self.files)).saturating_sub(sizes.clone().count()) as u64;
        let ended = (self.done - self.failed.min(self.done)) as u64;
        let whole = sizes.sum::<u64>() + self.ended;
        let mean = whole.checked_div(known + ended);
        let here: u64 = self.rows.values().map(|row| row.received).sum();
        match (unknown, mean) {
            (0, _) => Some((whole - self.ended).saturating_sub(here)),
            (_, None) => None,
            (_, Some(mean)) => Some((whole - self.ended + mean * unknown).saturating_sub(here)),
        }
    }

    /// What is shown now.
    pub(super) fn lines(&self, now: Instant) -> Vec<String> {
        let is_shown = |row: &&Row| self.files == 1 || !matches!(row.phase, RowPhase::Queued);
        let running: Vec<_> = self.rows.values().filter(is_shown).collect();
        let mut lines: Vec<_> = running.iter().take(MAX_ROWS).map(|row| row.line(now)).collect();
        if running.len() > MAX_ROWS {
            lines.push(format!("  and {} more at work", running.len() - MAX_ROWS));
        }
        lines.push(self.whole(now));
        lines
    }

    fn whole(&self, now: Instant) -> String {
        let here: u64 = self.rows.values().map(|row| row.received).sum();
        let rate = self.flow.rate(now);
        let mut parts = vec![human(self.ended + here), format!("{}/s", human(rate))];
        if self.files > 1 {
            parts.insert(0, format!("{}/{} files", self.done, self.files));
        }
        let idle = now.duration_since(self.last_event);
        parts.push(match self.left() {
            Some(left) if rate > 0 => {
                let seconds = self.slowest(now).max(left.div_ceil(rate));
                format!("{} left", time(Duration::from_secs(seconds)))
            }
            _ if idle >= STALL => format!("no answer for {}", time(idle)),
            _ => "time left unknown".to_owned(),
        });
        if self.failed > 0 {
            parts.push(paint(Paint::Bad, &format!("{} failed", self.failed)));
        }
        parts.join("  ")
    }
}

impl Row {
    fn start(&mut self, now: Instant) {
        self.last_byte = now;
        self.flow.get_or_insert_with(|| Flow::new(now));
        self.phase = RowPhase::Running;
    }

    /// At its own rate; `None` while that or its size is not known.
    fn seconds_left(&self, now: Instant) -> Option<u64> {
        let rate = self.flow.as_ref().filter(|flow| flow.is_steady(now))?.rate(now);
        let left = self.size?.saturating_sub(self.received);
        (rate > 0).then(|| left.div_ceil(rate))
    }

    fn line(&self, now: Instant) -> String {
        let name: String = self.name.chars().take(NAME_WIDTH).collect();
        let idle = now.duration_since(self.last_byte);
        let text = match &self.phase {
            RowPhase::Queued => "waiting for an answer".to_owned(),
            RowPhase::Renewing => "asking for a new link".to_owned(),
            RowPhase::Waiting { until, kind } => {
                let wait = time(until.saturating_duration_since(now));
                paint(Paint::Warn, &format!("waiting {wait}: {}", kind.name().replace('_', " ")))
            }
            RowPhase::Running if idle >= STALL => {
                let stall = paint(Paint::Warn, &format!("stalled: no byte for {}", time(idle)));
                format!("{}  {stall}", human(self.received))
            }
            RowPhase::Running => self.bar(),
        };
        format!("  {name:<NAME_WIDTH$}  {text}")
    }

    fn bar(&self) -> String {
        let Some(size) = self.size.filter(|size| *size > 0) else { return human(self.received) };
        let part = u128::from(self.received.min(size)) * BAR_WIDTH as u128 / u128::from(size);
        let full = usize::try_from(part).unwrap_or(BAR_WIDTH);
        let bar = "█".repeat(full) + &"░".repeat(BAR_WIDTH - full);
        format!("{bar} {} of {}", human(self.received), human(size))
    }
}

/// `2 min 5 s`.
fn time(time: Duration) -> String {
    // The rest of a second counts: nobody waits 0 s.
    let seconds = time.as_millis().div_ceil(1000);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
