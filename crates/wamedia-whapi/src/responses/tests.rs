use wamedia_core::Retry;

use super::*;

const FRESH_PAUSE: Duration = Duration::from_millis(1500);
const FRESH: Duration = Duration::from_secs(600);

fn missing() -> Reply {
    Reply::new(404, r#"{"error":{"code":404,"message":"specified media not found"}}"#)
}

#[test]
fn fresh_media_is_asked_for_again_and_old_media_is_not() {
    let reply = missing();
    let mut fresh = ContentRetry::new(Some(Duration::from_secs(5)), 2);
    for wait in [FRESH_PAUSE, FRESH_PAUSE * 2, FRESH] {
        let error = fresh.classify(&reply).unwrap();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::NotReady, Some(wait)));
    }
    let mut unknown = ContentRetry::new(None, 2);
    let kinds: Vec<_> = (0..3).map(|_| unknown.classify(&reply).unwrap().kind()).collect();
    assert_eq!(kinds, [ErrorKind::NotReady, ErrorKind::NotReady, ErrorKind::NotFound]);
    let old = ContentRetry::new(Some(Duration::from_secs(86_400)), 2).classify(&reply).unwrap();
    assert_eq!((old.kind(), old.retry()), (ErrorKind::NotFound, Retry::Never));
    let never = ContentRetry::new(None, 0).classify(&reply).unwrap();
    assert_eq!(never.kind(), ErrorKind::NotFound);
}

#[test]
fn only_missing_media_counts_as_early() {
    let mut retry = ContentRetry::new(None, 1);
    let channel = Reply::new(404, r#"{"error":{"code":404,"message":"Channel not found"}}"#);
    assert_eq!(retry.classify(&channel).unwrap().kind(), ErrorKind::Unauthorized);
    assert_eq!(retry.classify(&Reply::new(500, "")).unwrap().retry(), Retry::Backoff);
    assert_eq!(retry.classify(&missing()).unwrap().kind(), ErrorKind::NotReady);
    assert_eq!(retry.classify(&Reply::new(429, "")).unwrap().retry(), Retry::Backoff);
    assert_eq!(retry.classify(&Reply::new(429, "")).unwrap().retry(), Retry::Never);
}

#[test]
fn envelopes_are_told_from_documents() {
    let kind = |body: &'static str| {
        ContentRetry::new(None, 0).classify(&Reply::new(200, body)).map(|error| error.kind())
    };
    let envelope = r#"{"error":{"code":404,"message":"Channel not found"}}"#;
    assert_eq!(kind(envelope), Some(ErrorKind::Unauthorized));
    for body in ["{\"a\":1}", "<?xml version=\"1.0\"?><invoice/>", "<html>"] {
        assert_eq!(kind(body), None, "{body}");
    }
}

#[test]
fn a_dead_link_is_expired_and_its_text_is_not_quoted() {
    for status in [401, 403, 404, 410] {
        let error = link_error(&Reply::new(status, "<Error><Code>NoSuchKey</Code>")).unwrap();
        assert_eq!(error.kind(), ErrorKind::Expired);
    }
    let error = link_error(&Reply::new(400, "bad /in-files/15550100999/TEST-canary")).unwrap();
    assert!(!error.to_string().contains("15550100999"));
    assert_eq!(link_error(&Reply::new(503, "")).unwrap().retry(), Retry::Backoff);
    let store = link_error(&Reply::new(200, "<Error><Code>NoSuchKey</Code>")).unwrap();
    assert_eq!(store.kind(), ErrorKind::UnexpectedContent);
    assert!(link_error(&Reply::new(200, "<invoice/>")).is_none());
}

#[test]
fn a_short_page_is_the_last() {
    let body = r#"{"files":[{"id":"jpeg-3a","mime_type":"image/jpeg","file_size":"652","timestamp":1754413767},{"id":"a/b"},{},{"id":"jpeg-3a"},{"id":"pdf-3a","file_size":-1,"timestamp":null}],"count":100,"total":900}"#;
    let first = Cursor::default();
    let first_page = super::page(&Reply::new(200, body), 100, &first).unwrap();
    assert_eq!((first_page.items.len(), first_page.next), (2, None));
    assert_eq!(first_page.items[0].media.declared.size_bytes, Some(652));
    assert_eq!((first_page.items[1].media.declared.size_bytes, first_page.items[1].created_at), (None, None));
    assert_eq!(page(&Reply::new(200, r#"{"files":[]}"#), 1, &first).unwrap().next, None);
    for body in ["{}", "[]", "", "<html>", r#"{"files":{}}"#] {
        assert_eq!(page(&Reply::new(200, body), 1, &first).unwrap_err().kind(), ErrorKind::Decode, "{body}");
    }
}

#[test]
fn a_repeated_page_ends_the_list() {
    let body = r#"{"files":[{"id":"jpeg-3a"},{"id":"pdf-3a"}],"count":2,"total":900}"#;
    let first_page = super::page(&Reply::new(200, body), 100, &Cursor::default()).unwrap();
    let cursor = Cursor::parse(first_page.next.as_deref()).unwrap();
    assert_eq!(cursor.offset, 2);
    let again = page(&Reply::new(200, body), 100, &cursor).unwrap();
    assert_eq!((again.items.len(), again.next), (0, None));
    let other = page(&Reply::new(200, r#"{"files":[{"id":"mp4-3a"}],"count":2}"#), 2, &cursor).unwrap();
    assert_eq!((other.items.len(), other.next), (1, None));
    assert_eq!(Cursor::parse(Some("7")).unwrap().offset, 7);
    assert!(Cursor::parse(Some("next")).is_err());
}

#[test]
fn uploads_and_deletions() {
    for body in [r#"{"media":[{"id":"pdf-3a"}]}"#, r#"{"media":{"id":"pdf-3a"}}"#, r#"{"id":"pdf-3a"}"#] {
        assert_eq!(uploaded(&Reply::new(201, body)).unwrap().as_str(), "pdf-3a");
    }
    for body in
        [r#"{"media":[]}"#, r#"{"media":[{"id":"media_init"}]}"#, r#"{"media":[{"id":"a/b"}]}"#, "", "{}"]
    {
        assert_eq!(uploaded(&Reply::new(200, body)).unwrap_err().kind(), ErrorKind::Decode, "{body}");
    }
    assert_eq!(deleted(&Reply::new(200, "{}")).unwrap(), DeleteOutcome::Deleted);
    assert_eq!(deleted(&Reply::new(204, "")).unwrap(), DeleteOutcome::Deleted);
    assert_eq!(deleted(&missing()).unwrap(), DeleteOutcome::AlreadyGone);
    assert_eq!(deleted(&Reply::new(404, "")).unwrap(), DeleteOutcome::AlreadyGone);
    let channel = r#"{"error":{"code":404,"message":"Channel not found"}}"#;
    assert_eq!(deleted(&Reply::new(404, channel)).unwrap_err().kind(), ErrorKind::Unauthorized);
    assert!(deleted(&Reply::new(200, r#"{"success":false}"#)).is_err());
    assert!(deleted(&Reply::new(200, "<html>")).is_err());
}

proptest::proptest! {
    #[test]
    fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>, files in "\\PC{0,60}") {
        let list = format!("{{\"files\":[{{\"id\":\"a-1\",\"file_size\":{files}}}]}}");
        for reply in [Reply::new(status, body), Reply::new(status, list)] {
            let _ = (uploaded(&reply), deleted(&reply), page(&reply, 10, &Cursor::default()));
            let _ = (ContentRetry::new(None, 2).classify(&reply), link_error(&reply));
        }
    }
}
