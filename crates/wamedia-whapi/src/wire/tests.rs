use super::*;

fn settings() -> Settings {
    crate::WhapiCloud::builder("Bearer TEST-canary").build().unwrap().settings
}

fn id(text: &str) -> MediaId {
    MediaId::new(text).unwrap()
}

fn missing() -> Reply {
    Reply::new(404, r#"{"error":{"code":404,"message":"specified media not found"}}"#)
}

#[test]
fn fresh_media_is_asked_for_again_and_old_media_is_not() {
    let reply = missing();
    let mut fresh = ById::new(Some(Duration::from_secs(5)), 2);
    for wait in [FRESH_PAUSE, FRESH_PAUSE * 2, FRESH] {
        let error = fresh.judge(&reply).unwrap();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::NotReady, Some(wait)));
    }
    let mut unknown = ById::new(None, 2);
    let kinds: Vec<_> = (0..3).map(|_| unknown.judge(&reply).unwrap().kind()).collect();
    assert_eq!(kinds, [ErrorKind::NotReady, ErrorKind::NotReady, ErrorKind::NotFound]);
    let old = ById::new(Some(Duration::from_secs(86_400)), 2).judge(&reply).unwrap();
    assert_eq!((old.kind(), old.retry()), (ErrorKind::NotFound, Retry::Never));
    let never = ById::new(None, 0).judge(&reply).unwrap();
    assert_eq!(never.kind(), ErrorKind::NotFound);
}

#[test]
fn only_missing_media_counts_as_early() {
    let mut judge = ById::new(None, 1);
    let channel = Reply::new(404, r#"{"error":{"code":404,"message":"Channel not found"}}"#);
    assert_eq!(judge.judge(&channel).unwrap().kind(), ErrorKind::Unauthorized);
    assert_eq!(judge.judge(&Reply::new(500, "")).unwrap().retry(), Retry::Backoff);
    assert_eq!(judge.judge(&missing()).unwrap().kind(), ErrorKind::NotReady);
    assert_eq!(judge.judge(&Reply::new(429, "")).unwrap().retry(), Retry::Backoff);
    assert_eq!(judge.judge(&Reply::new(429, "")).unwrap().retry(), Retry::Never);
}

#[test]
fn envelopes_are_told_from_documents() {
    let kind =
        |body: &'static str| ById::new(None, 0).judge(&Reply::new(200, body)).map(|error| error.kind());
    let envelope = r#"{"error":{"code":404,"message":"Channel not found"}}"#;
    assert_eq!(kind(envelope), Some(ErrorKind::Unauthorized));
    for body in ["{\"a\":1}", "<?xml version=\"1.0\"?><invoice/>", "<html>"] {
        assert_eq!(kind(body), None, "{body}");
    }
}

#[test]
fn a_dead_link_is_expired_and_its_text_is_not_quoted() {
    for status in [401, 403, 404, 410] {
        let error = judge_by_link(&Reply::new(status, "<Error><Code>NoSuchKey</Code>")).unwrap();
        assert_eq!(error.kind(), ErrorKind::Expired);
    }
    let error = judge_by_link(&Reply::new(400, "bad /in-files/15550100999/TEST-canary")).unwrap();
    assert!(!error.to_string().contains("15550100999"));
    assert_eq!(judge_by_link(&Reply::new(503, "")).unwrap().retry(), Retry::Backoff);
    let store = judge_by_link(&Reply::new(200, "<Error><Code>NoSuchKey</Code>")).unwrap();
    assert_eq!(store.kind(), ErrorKind::UnexpectedContent);
    assert!(judge_by_link(&Reply::new(200, "<invoice/>")).is_none());
}

#[test]
fn the_token_is_bound_to_the_api() {
    let settings = settings();
    let foreign = "https://s3.eu-central-1.wasabisys.com/x".parse().unwrap();
    let form = (HeaderValue::from_static("multipart/form-data; boundary=x"), Body::Empty);
    for (request, method, target) in [
        (by_id_request(&settings, &id("jpeg-3a:1+@="), None), "GET", "/media/jpeg-3a:1+@="),
        (delete_request(&settings, &id("jpeg-3a")), "DELETE", "/media/jpeg-3a"),
        (list_request(&settings, 100, 7), "GET", "/media?count=100&offset=7"),
        (upload_request(&settings, form), "POST", "/media"),
    ] {
        let request = request.unwrap();
        assert_eq!(request.method().as_str(), method);
        assert_eq!(request.url().as_str(), format!("https://gate.whapi.cloud{target}"));
        assert!(!request.headers().contains_key(header::AUTHORIZATION));
        let [bearer] = request.bound_headers() else { panic!("one bound header") };
        assert_eq!(bearer.value_for(request.url()).unwrap(), "Bearer TEST-canary");
        assert_eq!(bearer.value_for(&foreign), None);
    }
    let bytes = by_id_request(&settings, &id("jpeg-3a"), None).unwrap();
    assert_eq!(bytes.headers()[header::ACCEPT], "*/*");
    assert!(
        !bytes.headers().contains_key(header::CONTENT_TYPE) && !bytes.headers().contains_key(header::RANGE)
    );
}

#[test]
fn a_link_is_used_as_it_is_and_without_any_credential() {
    let text = "https://s3.eu-central-1.wasabisys.com/in-files/1/document.pdf?b=%3D&a=-_";
    let link = MediaLink::public(text.parse().unwrap());
    let request = by_link_request(&link, Some(&Resume::new(7, Some("\"v1\"".to_owned())))).unwrap();
    assert_eq!(request.url().as_str(), text);
    assert!(request.bound_headers().is_empty());
    assert_eq!(request.headers()[header::RANGE], "bytes=7-");
    assert_eq!(request.headers()[header::IF_RANGE], "\"v1\"");
}

#[test]
fn the_placeholder_is_not_asked_for() {
    let settings = settings();
    for request in
        [by_id_request(&settings, &id(PLACEHOLDER), None), delete_request(&settings, &id(PLACEHOLDER))]
    {
        assert_eq!(request.unwrap_err().kind(), ErrorKind::NotReady);
    }
}

#[test]
fn a_short_page_is_the_last() {
    let body = r#"{"files":[{"id":"jpeg-3a","mime_type":"image/jpeg","file_size":"652","timestamp":1754413767},{"id":"a/b"},{},{"id":"jpeg-3a"},{"id":"pdf-3a","file_size":-1,"timestamp":null}],"count":100,"total":900}"#;
    let first = Cursor::default();
    let page = read_page(&Reply::new(200, body), 100, &first).unwrap();
    assert_eq!((page.items.len(), page.next), (2, None));
    assert_eq!(page.items[0].media.declared.size_bytes, Some(652));
    assert_eq!((page.items[1].media.declared.size_bytes, page.items[1].created_at), (None, None));
    assert_eq!(read_page(&Reply::new(200, r#"{"files":[]}"#), 1, &first).unwrap().next, None);
    for body in ["{}", "[]", "", "<html>", r#"{"files":{}}"#] {
        assert_eq!(
            read_page(&Reply::new(200, body), 1, &first).unwrap_err().kind(),
            ErrorKind::Decode,
            "{body}"
        );
    }
}

#[test]
fn a_repeated_page_ends_the_list() {
    let body = r#"{"files":[{"id":"jpeg-3a"},{"id":"pdf-3a"}],"count":2,"total":900}"#;
    let page = read_page(&Reply::new(200, body), 100, &Cursor::default()).unwrap();
    let cursor = Cursor::parse(page.next.as_deref()).unwrap();
    assert_eq!(cursor.offset, 2);
    let again = read_page(&Reply::new(200, body), 100, &cursor).unwrap();
    assert_eq!((again.items.len(), again.next), (0, None));
    let other = read_page(&Reply::new(200, r#"{"files":[{"id":"mp4-3a"}],"count":2}"#), 2, &cursor).unwrap();
    assert_eq!((other.items.len(), other.next), (1, None));
    assert_eq!(Cursor::parse(Some("7")).unwrap().offset, 7);
    assert!(Cursor::parse(Some("next")).is_err());
    assert_eq!((page_size(None), page_size(Some(0)), page_size(Some(9000))), (100, 1, 500));
}

#[test]
fn uploads_and_deletions() {
    for body in [r#"{"media":[{"id":"pdf-3a"}]}"#, r#"{"media":{"id":"pdf-3a"}}"#, r#"{"id":"pdf-3a"}"#] {
        assert_eq!(read_uploaded(&Reply::new(201, body)).unwrap().as_str(), "pdf-3a");
    }
    for body in
        [r#"{"media":[]}"#, r#"{"media":[{"id":"media_init"}]}"#, r#"{"media":[{"id":"a/b"}]}"#, "", "{}"]
    {
        assert_eq!(read_uploaded(&Reply::new(200, body)).unwrap_err().kind(), ErrorKind::Decode, "{body}");
    }
    assert_eq!(read_deleted(&Reply::new(200, "{}")).unwrap(), DeleteOutcome::Deleted);
    assert_eq!(read_deleted(&Reply::new(204, "")).unwrap(), DeleteOutcome::Deleted);
    assert_eq!(read_deleted(&missing()).unwrap(), DeleteOutcome::AlreadyGone);
    assert_eq!(read_deleted(&Reply::new(404, "")).unwrap(), DeleteOutcome::AlreadyGone);
    let channel = r#"{"error":{"code":404,"message":"Channel not found"}}"#;
    assert_eq!(read_deleted(&Reply::new(404, channel)).unwrap_err().kind(), ErrorKind::Unauthorized);
    assert!(read_deleted(&Reply::new(200, r#"{"success":false}"#)).is_err());
    assert!(read_deleted(&Reply::new(200, "<html>")).is_err());
}

#[test]
fn an_upload_is_given_an_extension() {
    let name = |name: &str, mime: &str| {
        upload_name(&UploadContent::from_bytes(&b"x"[..], wamedia_core::Mime::parse(mime).unwrap(), name))
    };
    assert_eq!(name("report.pdf", "application/pdf"), "report.pdf");
    assert_eq!(name("report", "application/pdf"), "report.pdf");
    assert_eq!(name("v1.2 final", "application/pdf"), "v1.2 final.pdf");
    assert_eq!(name(" ", "image/jpeg"), "file.jpg");
    assert_eq!(name("data", "application/x-own"), "data");
}

proptest::proptest! {
    #[test]
    fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>, files in "\\PC{0,60}") {
        let list = format!("{{\"files\":[{{\"id\":\"a-1\",\"file_size\":{files}}}]}}");
        for reply in [Reply::new(status, body), Reply::new(status, list)] {
            let _ = (read_uploaded(&reply), read_deleted(&reply), read_page(&reply, 10, &Cursor::default()));
            let _ = (ById::new(None, 2).judge(&reply), judge_by_link(&reply));
        }
    }
}
