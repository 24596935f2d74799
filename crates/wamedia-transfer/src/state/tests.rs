use std::sync::{Arc, LazyLock, Mutex};

use wamedia_core::{ContentMetadata, ErrorKind, MediaDescriptor, MediaId, MediaRef, Sha256, Source};

use super::*;

const MIB: u64 = 1_048_576;
static MEDIA: LazyLock<MediaRef> = LazyLock::new(|| MediaRef::new("test", MediaId::new("1").unwrap()));

fn options(max_attempts: u32) -> TransferOptions {
    let mut options = TransferOptions::default();
    options.limits.max_attempts = max_attempts;
    options
}

fn expected(options: &TransferOptions, has_digest: bool) -> Expected {
    let media = MEDIA.clone();
    let sha256 = has_digest.then(|| Sha256::of(b"content"));
    let mut declared = ContentMetadata::EMPTY;
    declared.sha256 = sha256;
    Expected::new(options, &MediaDescriptor::new(media, Source::Direct).with_declared(declared))
}

fn whole(total: Option<u64>, validator: Option<&str>) -> MediaHead {
    let validator = validator.map(ToOwned::to_owned);
    let mut head = MediaHead::default();
    (head.total_bytes, head.validator) = (total, validator);
    head
}

/// A partial reply from this offset up to another one.
fn partial(start: u64, end: u64, total: Option<u64>, validator: Option<&str>) -> MediaHead {
    let mut head = whole(total, validator);
    (head.partial, head.start, head.end) = (true, start, Some(end));
    head.body_bytes = end.checked_sub(start);
    head
}

fn broken() -> AttemptOutcome {
    AttemptOutcome::Broken(Error::new(ErrorKind::Transport, "broken"))
}

fn mismatch() -> AttemptOutcome {
    AttemptOutcome::Mismatch(Error::new(ErrorKind::Integrity, "other bytes"))
}

/// The wait in milliseconds and whether the bytes so far are discarded, where another attempt follows.
fn again(next: &Next) -> Option<(u128, bool)> {
    match next {
        Next::Again { wait, from_start } => Some((wait.as_millis(), *from_start)),
        _ => None,
    }
}

#[test]
fn only_what_is_wrong_with_the_content_names_the_host_that_sent_it() {
    let options = options(5);
    let mut state = TransferState::new(&options, MIB, &MEDIA);
    state.host = Some("media.test".to_owned());
    let error = |kind| Error::new(kind, "wrong");
    for (error, host) in [
        (error(ErrorKind::Integrity).with_phase(Phase::Verify), Some("media.test")),
        (error(ErrorKind::Integrity), Some("media.test")),
        (error(ErrorKind::Local), None),
        (error(ErrorKind::Transport).with_phase(Phase::Store), None),
        (error(ErrorKind::Local).with_phase(Phase::Store), None),
        (error(ErrorKind::Upstream).with_operation("open"), None),
        (error(ErrorKind::Local).with_operation("open"), None),
    ] {
        let shown = format!("{error:?}");
        assert_eq!(state.located(error).host(), host, "{shown}");
    }
    state.host = None;
    assert_eq!(state.located(error(ErrorKind::Integrity)).host(), None);
}

#[test]
fn resuming_needs_bytes_and_ranges_and_something_that_checks_the_whole() {
    let reject = options(5);
    let record = TransferOptions { on_mismatch: OnMismatch::Record, ..options(5) };
    let resume = |options: &TransferOptions, written, has_digest, validator, has_range| {
        let mut state = TransferState::new(options, MIB, &MEDIA);
        state.begin_whole(&whole(None, validator));
        state.resume(written, &expected(options, has_digest), has_range)
    };
    let tagged = Some(Resume::new(5, Some("\"a\"".to_owned())));
    assert_eq!(resume(&reject, 5, false, Some("\"a\""), true), tagged);
    assert_eq!(resume(&reject, 5, true, None, true), Some(Resume::new(5, None)));
    assert_eq!(resume(&reject, 5, false, None, true), None);
    assert_eq!(resume(&reject, 0, true, Some("\"a\""), true), None);
    assert_eq!(resume(&reject, 5, true, Some("\"a\""), false), None);
    assert_eq!(resume(&record, 5, true, None, true), None, "a digest that is only recorded refuses nothing");
    assert_eq!(resume(&record, 5, true, Some("\"a\""), true), tagged);
    let mut state = TransferState::new(&reject, MIB, &MEDIA);
    let refused = AttemptOutcome::NotAContinuation(Error::new(ErrorKind::UnexpectedContent, "416"));
    assert_eq!(again(&state.next(refused, 5)), Some((200, true)));
    assert_eq!(state.resume(5, &expected(&reject, true), true), None, "ranges are of no use");
}

#[test]
fn a_partial_reply_must_continue_the_same_content() {
    let options = options(5);
    let (tag, other) = (Some("\"a\""), Some("\"b\""));
    let mut open_end = partial(5, 10, Some(10), tag);
    (open_end.end, open_end.body_bytes) = (None, None);
    let mut longer = partial(5, 10, Some(10), tag);
    longer.body_bytes = Some(6);
    let mut endless = partial(5, 10, Some(10), tag);
    endless.body_bytes = Some(u64::MAX);
    let mut endless_without_range = endless.clone();
    endless_without_range.end = None;
    for (before, head, has_digest, why) in [
        (tag, partial(5, 10, Some(10), tag), false, None),
        (tag, partial(5, 10, None, tag), false, None),
        (tag, partial(5, 10, Some(10), None), true, None),
        (None, partial(5, 10, Some(10), tag), true, None),
        (tag, open_end, false, None),
        (tag, partial(4, 10, Some(10), tag), true, Some("another offset")),
        (tag, partial(6, 10, Some(10), tag), true, Some("another offset")),
        (tag, partial(5, 11, Some(11), tag), true, Some("another size")),
        (tag, partial(5, 10, Some(10), other), true, Some("another version")),
        (tag, partial(5, 10, Some(10), None), false, Some("no validator")),
        (None, partial(5, 10, Some(10), None), false, Some("no validator")),
        (tag, longer, true, Some("two different lengths")),
        (tag, endless, true, Some("two different lengths")),
        (tag, endless_without_range, true, Some("two different lengths")),
    ] {
        let mut state = TransferState::new(&options, MIB, &MEDIA);
        state.begin_whole(&whole(Some(10), before));
        let outcome = state.begin_partial(&head, 5, &expected(&options, has_digest));
        match why {
            None => assert_eq!((outcome, state.resumes), (Ok(()), 1), "{head:?}"),
            Some(why) => assert!(outcome.unwrap_err().contains(why), "{head:?}"),
        }
        assert_eq!(state.total(), Some(10), "{head:?}");
    }
}

#[test]
fn what_the_first_reply_leaves_open_a_later_one_states() {
    let options = options(5);
    let expected = expected(&options, true);
    let mut state = TransferState::new(&options, MIB, &MEDIA);
    state.begin_whole(&whole(None, None));
    state.begin_partial(&partial(5, 8, Some(10), Some("\"a\"")), 5, &expected).unwrap();
    assert_eq!(state.total(), Some(10));
    assert_eq!(state.resume(8, &expected, true).unwrap().validator.as_deref(), Some("\"a\""));
    state.begin_partial(&partial(8, 10, None, Some("\"a\"")), 8, &expected).unwrap();
    assert_eq!((state.total(), state.resumes), (Some(10), 2));
    state.restarted();
    assert_eq!((state.total(), state.resume(8, &expected, true).unwrap().validator), (None, None));
    let mut head = whole(None, None);
    head.body_bytes = Some(7);
    state.begin_whole(&head);
    assert_eq!(state.total(), Some(7), "the length of a whole reply is the size of the content");
}

#[test]
fn waits_double_until_there_is_good_progress() {
    let options = options(20);
    let mut state = TransferState::new(&options, 100 * MIB, &MEDIA);
    let mut waits = |written| again(&state.next(broken(), written)).unwrap();
    for wait in [200, 400, 800, 1600, 3200, 6400, 12_800, 12_800] {
        assert_eq!(waits(MIB - 1), (wait, false));
    }
    assert_eq!(waits(MIB), (0, false), "a mebibyte more costs nothing");
    assert_eq!(waits(MIB), (200, false));
    assert_eq!(waits(2 * MIB - 1), (400, false));
    assert_eq!(waits(2 * MIB), (0, false));
    assert_eq!(waits(MIB), (200, false), "the same beginning again is no progress");
    assert_eq!(state.budget.spent().retries, 11);
}

#[test]
fn retries_and_waits_come_to_an_end() {
    let options = options(3);
    let mut state = TransferState::new(&options, MIB, &MEDIA);
    assert!(again(&state.next(broken(), 0)).is_some() && again(&state.next(broken(), 0)).is_some());
    let Next::Fail(error) = state.next(broken(), 0) else { panic!("no retry was left") };
    assert_eq!(error.message(), "broken; gave up after 3 attempts");
    let after = |seconds| {
        let error = Error::new(ErrorKind::Transport, "busy");
        let wait = Duration::from_secs(seconds);
        let outcome = AttemptOutcome::Broken(error.with_retry(Retry::After(wait)));
        TransferState::new(&options, MIB, &MEDIA).next(outcome, 0)
    };
    assert_eq!(again(&after(7)), Some((7000, false)), "what the provider asks for goes before our own wait");
    let Next::Fail(error) = after(61) else { panic!("the wait is too long") };
    assert_eq!(error.message(), "busy; the time for waiting is used up");
    let last = AttemptOutcome::Broken(Error::new(ErrorKind::Decode, "final"));
    let Next::Fail(error) = TransferState::new(&options, MIB, &MEDIA).next(last, 5 * MIB) else {
        panic!("not retryable")
    };
    assert_eq!(error.message(), "final");
}

#[test]
fn a_mismatch_is_read_again_once_where_the_network_may_be_the_cause() {
    let options = options(5);
    let state = |total, is_joined| {
        let mut state = TransferState::new(&options, MIB, &MEDIA);
        state.begin_whole(&whole(total, None));
        if is_joined {
            state.resume_from_partial();
        }
        state
    };
    for (total, is_joined) in [(None, false), (None, true), (Some(5), true)] {
        let mut state = state(total, is_joined);
        assert_eq!(again(&state.next(mismatch(), 5)), Some((200, true)), "{total:?} {is_joined}");
        assert!(state.resume(5, &expected(&options, true), true).is_none(), "in one reply this time");
        assert!(matches!(state.next(mismatch(), 5), Next::Mismatch(_)), "{total:?} {is_joined}");
    }
    assert!(matches!(state(Some(5), false).next(mismatch(), 5), Next::Mismatch(_)));
    let mut joined = state(Some(10), false);
    joined.begin_partial(&partial(5, 10, Some(10), None), 5, &expected(&options, true)).unwrap();
    assert!(again(&joined.next(mismatch(), 10)).is_some(), "the content came in two replies");
    let once = self::options(1);
    let mut state = TransferState::new(&once, MIB, &MEDIA);
    assert!(matches!(state.next(mismatch(), 5), Next::Mismatch(_)), "no retry is left");
}

#[test]
fn what_needs_no_other_attempt_gets_none() {
    let options = options(5);
    let mut state = TransferState::new(&options, MIB, &MEDIA);
    let dead = || AttemptOutcome::NeedsNewLink(Error::new(ErrorKind::Expired, "dead"));
    assert!(matches!(state.next(dead(), 0), Next::Renew(_)));
    assert!(matches!(state.next(dead(), 0), Next::Fail(_)), "one renewal");
    let failed = AttemptOutcome::Failed(Error::new(ErrorKind::Timeout, "failed"));
    assert!(matches!(state.next(failed, 0), Next::Fail(_)));
    assert!(matches!(state.next(AttemptOutcome::Complete, 0), Next::Finish));
    assert_eq!(state.budget.spent().retries, 0);
}

#[test]
fn a_transfer_ends_after_three_times_the_largest_content_unless_told_otherwise() {
    let default = options(5);
    let most = |options| TransferState::new(options, 10, &MEDIA).budget.limits().max_total_bytes;
    assert_eq!(most(&default), Some(30 + MIB));
    let mut limited = options(5);
    limited.limits.max_total_bytes = Some(7);
    assert_eq!(most(&limited), Some(7));
}

#[test]
fn an_observer_is_told_of_each_retry() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let observer = move |media: &MediaRef, event: &Event| told.lock().unwrap().push((media.clone(), *event));
    let options = options(2).with_observer(observer);
    let mut state = TransferState::new(&options, MIB, &MEDIA);
    let _ = (state.next(broken(), 0), state.next(broken(), 0));
    let retrying = Event::Retrying { kind: ErrorKind::Transport, wait: Duration::from_millis(200) };
    assert_eq!(*events.lock().unwrap(), [(MEDIA.clone(), retrying)]);
}
