use crate::{Authenticity, DeclaredBy, MediaKind, Role};

use super::*;

#[test]
fn display_says_everything_on_one_line() {
    let error = Error::new(ErrorKind::RateLimited, "too many\r\n\u{1b}[31mcalls")
        .with_operation("resolve")
        .with_provider("meta")
        .with_provider_code(4);
    assert_eq!(error.to_string(), "rate limited at resolve (meta, code 4): too many [31mcalls");
    let error = error.with_host("127.0.0.1:4010");
    assert_eq!(
        error.to_string(),
        "rate limited at resolve (meta, 127.0.0.1:4010, code 4): too many [31mcalls"
    );
    let bare = Error::new(ErrorKind::Upstream, "it failed").with_host("a.test\u{202e}\n");
    assert_eq!((bare.to_string().as_str(), bare.host()), ("upstream (a.test): it failed", Some("a.test")));
}

#[test]
fn characters_that_turn_a_text_around_are_removed() {
    let error = Error::new(ErrorKind::Upstream, "a\u{61c}b\u{202e}c\u{200b}d");
    assert_eq!(error.message(), "abcd");
}

#[test]
fn long_messages_are_cut() {
    let error = Error::new(ErrorKind::Upstream, "x".repeat(10_000_000));
    assert_eq!(error.message().chars().count(), MESSAGE_MAX_CHARS + 1);
}

#[test]
fn a_hint_of_its_own_outranks_that_of_the_kind() {
    let error = Error::new(ErrorKind::NotFound, "gone");
    assert!(error.hint().is_some_and(|hint| hint.contains("another account")));
    let error = error.with_hint("ids live 7 days").with_hint("later").with_kind(ErrorKind::Upstream);
    assert_eq!(error.hint(), Some("ids live 7 days"));
    assert_eq!(error.redacted(&|text| Some(text.replace("7 days", ".."))).hint(), Some("ids live .."));
    assert_eq!(Error::new(ErrorKind::InvalidRequest, "").hint(), None);
    let refused = Error::new(ErrorKind::Refused, "the host a.test is not one of this provider's");
    assert!(refused.hint().is_some_and(|hint| !hint.contains("trust") && hint.contains("report")));
}

#[test]
fn names_are_written_and_kinds_of_media_read() {
    assert_eq!("video_note".parse::<MediaKind>().unwrap(), MediaKind::VideoNote);
    assert_eq!(MediaKind::VideoNote.to_string(), "video_note");
    assert_eq!("VideoNote".parse::<MediaKind>().unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(Role::FlowField.to_string(), "flow_field");
    assert_eq!(format!("{:>10}|", Phase::Verify), "    verify|");
    assert_eq!(DeclaredBy::Webhook.to_string(), "webhook");
    assert_eq!(Authenticity::Invalid("why").to_string(), "invalid");
}

#[test]
fn kinds_are_written_and_read_by_their_names() {
    for kind in ErrorKind::ALL {
        assert_eq!(kind.to_string(), kind.name());
        assert_eq!(kind.name().parse::<ErrorKind>().unwrap(), kind);
    }
    assert_eq!(ErrorKind::NotFound.to_string(), "not_found");
    assert_eq!("not found".parse::<ErrorKind>().unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[test]
fn debug_is_what_a_person_reads_when_main_fails() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let error = Error::new(ErrorKind::Transport, "cannot connect")
        .with_operation("resolve")
        .with_provider("meta")
        .with_source(refused);
    let want = "transport at resolve (meta): cannot connect\n  caused by: connection refused\n  \
                hint: the network or the provider failed; try again";
    assert_eq!(format!("{error:?}"), want);
    assert!(format!("{error:#?}").contains("retry: Backoff"));
}

#[test]
fn an_error_of_the_standard_library_has_the_nearest_kind_and_the_cause() {
    let own = |kind| io::Error::from(Error::new(kind, "why"));
    assert_eq!(own(ErrorKind::NotFound).kind(), io::ErrorKind::NotFound);
    assert_eq!(own(ErrorKind::Integrity).kind(), io::ErrorKind::InvalidData);
    assert_eq!(own(ErrorKind::Transport).kind(), io::ErrorKind::Other);
    let system = io::Error::from(io::ErrorKind::ConnectionRefused);
    let error = io::Error::from(Error::new(ErrorKind::Transport, "cannot connect").with_source(system));
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    assert_eq!(inner.map(Error::kind), Some(ErrorKind::Transport));
}

#[test]
fn errors_travel_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Error>();
}

#[test]
fn context_is_kept_and_what_was_named_first_stays() {
    let error = Error::new(ErrorKind::Transport, "broken")
        .with_operation("open")
        .with_operation("fetch")
        .with_provider("meta")
        .with_provider("other")
        .with_host("a.test")
        .with_host("b.test")
        .with_phase(Phase::Body)
        .with_phase(Phase::Head)
        .with_status(502)
        .with_status(200)
        .with_provider_code("4/33");
    assert_eq!((error.operation(), error.provider()), (Some("open"), Some("meta")));
    assert_eq!(error.host(), Some("a.test"));
    let clean = |text: &str| text.contains("a.test").then(|| "[redacted]".to_owned());
    assert_eq!(error.status(), Some(502));
    let error = error.redacted(&clean);
    assert_eq!(error.host(), Some("[redacted]"));
    assert_eq!((error.phase(), error.status()), (Some(Phase::Body), Some(502)));
    assert_eq!((error.provider_code(), error.message()), (Some("4/33"), "broken"));
    assert_eq!((error.retry(), error.is_retryable(), error.retry_after()), (Retry::Backoff, true, None));
    let bare = Error::unsupported("list");
    assert_eq!((bare.operation(), bare.provider(), bare.status()), (Some("list"), None, None));
    assert_eq!(bare.host(), None);
    assert_eq!((bare.is_retryable(), bare.provider_code()), (false, None));
}
