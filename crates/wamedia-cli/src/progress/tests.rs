use indicatif::InMemoryTerm;

use super::*;
use wamedia::ErrorKind;

fn at(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn the_whole_has_files_bytes_rate_and_time_left() {
    let start = Instant::now();
    let mut state = State::new(4, start);
    assert_eq!(state.lines(start), ["0/4 files  0 B  0 B/s  time left unknown"]);
    let names = ["a", "b", "c"].map(|name| state.add(name.to_owned(), Some(1 << 20)));
    state.event(names[0], &Event::Opened { offset: 0, size_bytes: Some(1 << 20) }, start);
    for second in 1..=4 {
        state.event(names[0], &Event::Received { bytes: 128 << 10 }, at(start, second));
    }
    // Half of one of four files of 1 MiB each, as far as is known, at 128 KiB a second.
    assert_eq!(
        state.lines(at(start, 4)),
        [
            "  a                           ████████░░░░░░░░ 512.0 KiB of 1.0 MiB",
            "0/4 files  512.0 KiB  128.0 KiB/s  28 s left"
        ]
    );
    state.event(names[0], &Event::Received { bytes: 512 << 10 }, at(start, 8));
    state.remove(names[0]);
    state.count(true);
    assert_eq!(state.lines(at(start, 8)), ["1/4 files  1.0 MiB  128.0 KiB/s  24 s left"]);
    state.remove(names[1]);
    state.count(false);
    let last = state.lines(at(start, 8)).pop().expect("a line");
    assert!(
        last.starts_with("2/4 files") && last.contains("16 s left") && last.contains("1 failed"),
        "{last}"
    );
}

#[test]
fn one_slow_file_at_the_end_is_not_as_fast_as_all_were() {
    let start = Instant::now();
    let mut state = State::new(2, start);
    let [slow, fast] = ["slow", "fast"].map(|name| state.add(name.to_owned(), Some(1 << 20)));
    for number in [slow, fast] {
        state.event(number, &Event::Opened { offset: 0, size_bytes: Some(1 << 20) }, start);
    }
    for second in 1..=4 {
        state.event(slow, &Event::Received { bytes: 16 << 10 }, at(start, second));
        state.event(fast, &Event::Received { bytes: 256 << 10 }, at(start, second));
    }
    state.remove(fast);
    state.count(true);
    // 960 KiB at its 16 KiB a second, and not at the 272 KiB a second of both.
    let last = state.lines(at(start, 4)).pop().expect("a line");
    assert_eq!(last, "1/2 files  1.1 MiB  272.0 KiB/s  1 min 0 s left");
    // It became faster: 480 KiB are left, at 108.8 KiB a second.
    state.event(slow, &Event::Received { bytes: 480 << 10 }, at(start, 5));
    let last = state.lines(at(start, 5)).pop().expect("a line");
    assert!(last.ends_with("  5 s left"), "{last}");
}

#[test]
fn only_what_runs_has_a_line_and_a_wait_and_a_stall_are_named() {
    let start = Instant::now();
    let mut state = State::new(20, start);
    let numbers: Vec<_> = (0..20).map(|number| state.add(format!("meta:{number}"), None)).collect();
    for number in &numbers {
        state.event(*number, &Event::Resolved { size_bytes: Some(100) }, start);
    }
    assert_eq!(state.lines(start).len(), 1, "what waits has no line");
    let wait = Duration::from_secs(30);
    state.event(numbers[0], &Event::Retrying { kind: ErrorKind::RateLimited, wait }, start);
    state.event(numbers[1], &Event::Opened { offset: 0, size_bytes: Some(100) }, start);
    state.event(numbers[2], &Event::Renewing, start);
    let text = state.lines(at(start, 4)).join("\n");
    for words in ["waiting 26 s: rate limited", "stalled: no byte for 4 s", "asking for a new link"] {
        assert!(text.contains(words), "{text}");
    }
    state.event(numbers[0], &Event::Opened { offset: 0, size_bytes: Some(100) }, at(start, 30));
    assert!(!state.lines(at(start, 30)).join("\n").contains("rate limited"));
    for number in &numbers {
        state.event(*number, &Event::Received { bytes: 1 }, at(start, 30));
    }
    let lines = state.lines(at(start, 30));
    assert_eq!((lines.len(), &lines[8][..]), (10, "  and 12 more at work"));
}

#[test]
fn bytes_that_are_fetched_again_count_once() {
    let start = Instant::now();
    let mut state = State::new(2, start);
    let number = state.add("a".to_owned(), Some(1000));
    state.event(number, &Event::Received { bytes: 800 }, start);
    state.event(number, &Event::Restarted, start);
    state.event(number, &Event::Received { bytes: 1000 }, start);
    state.remove(number);
    assert!(state.lines(start)[0].contains("  1000 B  "), "{:?}", state.lines(start));
}

#[test]
fn nothing_stays_on_the_terminal() {
    let terminal = InMemoryTerm::new(24, 80);
    let bars = Bars::on(ProgressDrawTarget::term_like(Box::new(terminal.clone())), 50);
    let observers: Vec<_> = (0..50).map(|number| bars.observer(&format!("meta:{number}"), None)).collect();
    for observer in &observers[..3] {
        observer.event(&Event::Opened { offset: 0, size_bytes: Some(10) });
    }
    bars.block.force_draw();
    let shown = terminal.contents();
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(
        shown.contains("meta:2") && shown.ends_with("0/50 files  0 B  0 B/s  time left unknown"),
        "{shown}"
    );
    // An interruption drops everything where it is.
    drop(bars);
    assert_eq!(terminal.contents(), "");
}
