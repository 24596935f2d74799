//! The transport against a server that answers with what it is told to, byte for byte.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wamedia_core::{
    Budget, Capabilities, ContentMetadata, Error, ErrorKind, Limits, MediaDescriptor, MediaId, MediaRef,
    Mime, Retry, Secret, Source, UploadContent, UploadResult,
};
use wamedia_provider::{
    Api, Body, Credential, HostRules, Hosts, NetworkSettings, Origin, Problems, Reply, Request,
    TransportOptions, error_for_status,
};

/// A server that gives one reply to every request, whatever it is, after having read its head.
async fn serve(reply: Vec<u8>) -> Origin {
    serve_with(move |mut stream| {
        let reply = reply.clone();
        async move {
            let _ = stream.write_all(&reply).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

async fn serve_with<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> Origin
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 64 * 1024];
            let mut read = 0;
            while !head[..read].windows(4).any(|window| window == b"\r\n\r\n") {
                match stream.read(&mut head[read..]).await {
                    Ok(count) if count > 0 => read += count,
                    _ => break,
                }
            }
            tokio::spawn(answer(stream));
        }
    });
    origin
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn one_attempt() -> Budget {
    let mut limits = Limits::default();
    limits.max_attempts = 1;
    Budget::new(limits)
}

fn client(options: TransportOptions, origin: &Origin, secrets: &[Secret]) -> Api {
    let hosts = HostRules::new([origin.clone()]);
    Api::new("test", &api_at(origin), hosts, secrets, options).unwrap()
}

fn api_at(origin: &Origin) -> Hosts {
    let settings = NetworkSettings::default().with_base_url(&origin.to_string());
    settings.hosts("", &mut Problems::new("test")).unwrap()
}

fn media() -> MediaDescriptor {
    MediaDescriptor::new(MediaRef::new("test", MediaId::new("1").unwrap()), Source::Direct)
}

/// Everything that an error can show.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {:?}", error.provider_code());
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    text
}

async fn read(api: &Api, origin: &Origin, token: &Credential) -> Error {
    let budget = one_attempt();
    let build = |_| Ok(Request::get(origin.join("/x")?).bound(token.bearer()?));
    api.idempotent("resolve", &budget)
        .send(build, |reply| Err::<(), _>(error_for_status(reply)))
        .await
        .unwrap_err()
}

async fn upload(origin: &Origin, read: impl FnMut(&Reply) -> wamedia_core::Result<()> + Send) -> Error {
    let api = client(TransportOptions::default(), origin, &[]);
    let budget = one_attempt();
    let build = |_| Ok(Request::post(origin.join("/x")?, Body::Bytes(Bytes::from_static(b"bytes"))));
    api.once("upload", &budget).send(build, read).await.unwrap_err()
}

#[tokio::test]
async fn a_credential_across_the_cut_is_not_shown_in_part() {
    const TOKEN: &str = "onlylettersinthistokenofours";
    const NEVER_SENT: &str = "TheSecretThatSignsButNeverTravels";
    for secret in [TOKEN, NEVER_SENT] {
        for before in 150..240 {
            let spelled = format!("{}{secret}", "x ".repeat(before / 2));
            let origin = serve(answer(500, &spelled)).await;
            let api = client(TransportOptions::default(), &origin, &[TOKEN.into(), NEVER_SENT.into()]);
            let token = Credential::new(TOKEN.into(), [origin.clone()]);
            let shown = shown(&read(&api, &origin, &token).await);
            let piece =
                (0..=secret.len() - 8).map(|at| &secret[at..at + 8]).find(|piece| shown.contains(piece));
            assert_eq!(piece, None, "behind {before} characters: {shown}");
        }
    }
}

#[tokio::test]
async fn a_redirect_to_a_host_named_after_a_credential_does_not_show_it() {
    const TOKEN: &str = "OnlyLettersInThisTokenOfOurs";
    let reply =
        format!("HTTP/1.1 302 x\r\nlocation: https://{TOKEN}.evil.test/\r\ncontent-length: 0\r\n\r\n");
    let origin = serve(reply.into_bytes()).await;
    let api = client(TransportOptions::default(), &origin, &[TOKEN.into()]);
    let budget = one_attempt();
    let build = |_| Ok(Request::get(origin.join("/x")?));
    let error = api.content(&budget).open(&media(), build, |_| None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let shown = format!("{} {:?}", shown(&error), error.hint()).to_lowercase();
    assert!(!shown.contains("letters") && shown.contains("evil.test"), "{shown}");
}

#[tokio::test]
async fn what_receipts_keep_of_a_reply_holds_no_credential() {
    // Plain, in UTF-8, and percent-encoded.
    let names =
        ["filename=a-onlyletters.jpg", "filename=\u{e9}-onlyletters.jpg", "filename*=UTF-8''onl%79letters"];
    for name in names {
        let reply = format!(
            "HTTP/1.1 200 x\r\ncontent-type: image/x-onlyletters\r\n\
             content-disposition: attachment; {name}\r\ncontent-length: 1\r\n\r\nx"
        );
        let origin = serve(reply.into_bytes()).await;
        let api = client(TransportOptions::default(), &origin, &["onlyletters".into()]);
        let budget = one_attempt();
        let build = |_| Ok(Request::get(origin.join("/x")?));
        let opened = api.content(&budget).open(&media(), build, |_| None).await.unwrap();
        let shown = format!("{:?}", opened.head());
        assert!(!shown.contains("letters") && shown.contains("name: Some"), "{shown}");
    }
}

/// In paused time: the pauses of the server take none.
#[tokio::test(start_paused = true)]
async fn a_reply_that_drips_ends_in_time() {
    let origin = serve_with(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n").await;
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut options = TransportOptions::default();
    options.reply_timeout = Duration::from_millis(300);
    let api = client(options, &origin, &[]);
    let token = Credential::new("TEST-canary".into(), [origin.clone()]);
    let error = tokio::time::timeout(Duration::from_secs(10), read(&api, &origin, &token)).await.unwrap();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true), "{error}");
}

#[tokio::test]
async fn no_answer_makes_an_upload_retryable_that_may_have_been_processed() {
    for status in [301, 408, 500, 502, 503, 504, 599] {
        let mut reply = answer(status, "try again");
        reply.splice(14..14, *b" x\r\nretry-after: 1");
        let origin = serve(reply).await;
        let error = upload(&origin, |reply| Err(error_for_status(reply))).await;
        assert!(!error.is_retryable(), "{status}: {error:?}");
        assert!(error.message().contains("may exist"), "{status}: {error}");
    }
    let unreadable = |_: &Reply| Err(Error::new(ErrorKind::Decode, "not JSON").with_retry(Retry::Backoff));
    let error = upload(&serve(answer(200, "{")).await, unreadable).await;
    assert!(!error.is_retryable() && error.message().contains("may exist"), "{error:?}");
    let inside = |_: &Reply| Err(Error::new(ErrorKind::Upstream, "failed").with_retry(Retry::Backoff));
    let error = upload(&serve(answer(200, "{")).await, inside).await;
    assert!(!error.is_retryable() && error.message().contains("may exist"), "{error:?}");
    // Said once, whoever says it.
    let told = |_: &Reply| Err(Error::new(ErrorKind::Decode, "no id, so the object may exist"));
    let error = upload(&serve(answer(200, "{}")).await, told).await;
    assert_eq!(error.message().matches("may exist").count(), 1, "{error}");
}

#[tokio::test]
async fn a_clear_refusal_of_an_upload_keeps_its_advice() {
    let mut reply = answer(429, "slow down");
    reply.splice(14..14, *b" x\r\nretry-after: 7");
    let error = upload(&serve(reply).await, |reply| Err(error_for_status(reply))).await;
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    assert!(!error.message().contains("may exist"));
    for status in [400, 401, 403, 404, 413, 415] {
        let error = upload(&serve(answer(status, "no")).await, |reply| Err(error_for_status(reply))).await;
        assert!(!error.message().contains("may exist"), "{status}: {error}");
    }
    let limited = |_: &Reply| Err(Error::new(ErrorKind::RateLimited, "slow").with_retry(Retry::Backoff));
    let error = upload(&serve(answer(200, "{}")).await, limited).await;
    assert_eq!(error.retry(), Retry::Backoff, "{error}");
}

#[tokio::test]
async fn an_upload_is_sent_only_where_the_capabilities_have_one() {
    let origin = serve(answer(200, "{}")).await;
    let api = client(TransportOptions::default(), &origin, &[]);
    let upload = async |capabilities: Capabilities| {
        let budget = one_attempt();
        let jpeg = Mime::parse("image/jpeg").unwrap();
        let content = UploadContent::from_bytes(Bytes::from_static(b"bytes"), jpeg, "a.jpg");
        let build = |_, _| Ok(Request::post(origin.join("/x")?, Body::Bytes(Bytes::from_static(b"bytes"))));
        let outcome = api.once("upload", &budget).upload(content, &capabilities, build, |_| Ok(())).await;
        (outcome.map_err(|error| error.kind()), budget.spent().requests)
    };
    assert_eq!(upload(Capabilities::NONE).await, (Err(ErrorKind::Unsupported), 0));
    assert_eq!(upload(Capabilities::NONE.with_upload(UploadResult::Id, None)).await, (Ok(()), 1));
}

#[tokio::test]
async fn a_link_that_no_client_can_parse_is_not_retryable() {
    let origin = serve(answer(200, "")).await;
    let api = client(TransportOptions::default(), &origin, &[]);
    let budget = Budget::default();
    let long = format!("/{}", "x".repeat(70_000));
    let build = |_| Ok(Request::get(origin.join(&long)?));
    let error = api.content(&budget).open(&media(), build, |_| None).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Decode, Retry::Never), "{error}");
    assert_eq!(budget.spent().retries, 0);
}

#[tokio::test]
async fn a_refused_connection_keeps_its_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let api = client(TransportOptions::default(), &origin, &[]);
    let error = read(&api, &origin, &Credential::new("TEST-canary".into(), [origin.clone()])).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Transport, true));
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    assert_eq!(cause.map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionRefused), "{error:?}");
    assert!(!error.message().contains("os error"), "the cause is not repeated: {error}");
}

#[tokio::test]
async fn an_error_says_how_far_the_call_came() {
    let token = |origin: &Origin| Credential::new("TEST-canary".into(), [origin.clone()]);
    for (reply, words) in [
        (&b""[..], "no answer"),
        (&b"HTTP/1.1 200 x\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhalf"[..], "the body broke off"),
    ] {
        let origin = serve(reply.to_vec()).await;
        let error = read(&client(TransportOptions::default(), &origin, &[]), &origin, &token(&origin)).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Transport, true), "{error}");
        assert!(error.message().starts_with(words), "{error}");
    }
}

/// In paused time: no wait takes any.
#[tokio::test(start_paused = true)]
async fn waits_between_attempts_are_those_of_the_vendor_and_spend_the_budget() {
    let budget_of = |max_attempts| {
        let mut limits = Limits::default();
        limits.max_attempts = max_attempts;
        Budget::new(limits)
    };
    let fails = async |seconds: u64, budget: &Budget| {
        let mut reply = answer(503, "busy");
        reply.splice(14..14, format!(" x\r\nretry-after: {seconds}").into_bytes());
        let origin = serve(reply).await;
        let api = client(TransportOptions::default(), &origin, &[]);
        let build = |_| Ok(Request::get(origin.join("/x")?));
        let started = tokio::time::Instant::now();
        let call = api.idempotent("resolve", budget);
        let error = call.send(build, |reply| Err::<(), _>(error_for_status(reply))).await.unwrap_err();
        (error, started.elapsed().as_secs())
    };
    let budget = budget_of(3);
    let (error, seconds) = fails(7, &budget).await;
    assert_eq!((seconds, budget.spent().retries, budget.spent().requests), (14, 2, 3));
    assert_eq!(budget.spent().waited, Duration::from_secs(14));
    assert!(error.message().ends_with("given up after 3 attempts"), "{error}");
    let (error, seconds) = fails(7, &budget_of(1)).await;
    assert_eq!((seconds, error.message()), (0, "HTTP status 503: busy"));
    // A minute at a time, and three in all.
    let budget = budget_of(10);
    let (error, seconds) = fails(60, &budget).await;
    assert_eq!((seconds, budget.spent().waited.as_secs()), (180, 180));
    assert!(error.message().ends_with("a wait of 60 s is longer than allowed"), "{error}");
    let (error, seconds) = fails(61, &budget_of(10)).await;
    assert_eq!((seconds, error.retry_after()), (0, Some(Duration::from_secs(61))));
    assert!(error.hint().is_some_and(|hint| hint.starts_with("try again in 61 s")), "{error:?}");
}

#[tokio::test]
async fn times_without_end_are_clamped() {
    let origin = serve(answer(200, "{}")).await;
    let mut options = TransportOptions::default();
    options.connect_timeout = Duration::MAX;
    options.first_byte_timeout = Duration::MAX;
    options.idle_timeout = Duration::MAX;
    options.reply_timeout = Duration::MAX;
    let budget = wamedia_provider::FailureBudget::new(1, Duration::MAX);
    let (hosts, rules) = (api_at(&origin), HostRules::new([origin.clone()]));
    let api = Api::with_failure_budget("test", &hosts, rules, &[], options, Some(budget)).unwrap();
    let budget = one_attempt();
    let build = |_| {
        let body = Body::Bytes(Bytes::from(vec![0; 100_000]));
        let kind = HeaderValue::from_static("text/plain");
        Ok(Request::post(origin.join("/x")?, body).header(http::header::CONTENT_TYPE, kind))
    };
    let refuse = |_: &Reply| Err::<(), _>(Error::new(ErrorKind::Unauthorized, "no"));
    api.idempotent("test", &budget).send(build, refuse).await.unwrap_err();
    let error = api.idempotent("test", &budget).send(build, refuse).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
}

/// Whoever sends a message chooses the type that its webhook states, so that alone does not make an error content.
#[tokio::test]
async fn an_error_is_told_from_content_unless_everybody_declares_its_type() {
    let body = r#"{"error":{"message":"no"}}"#;
    let reply = format!(
        "HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let origin = serve(reply.into_bytes()).await;
    let api = client(TransportOptions::default(), &origin, &[]);
    let typed = |text| ContentMetadata::EMPTY.with_mime_text(text);
    let (json, jpeg) = (Some("application/json"), Some("image/jpeg"));
    for (webhook, reply, is_content) in [
        (None, None, false),
        (jpeg, None, false),
        (None, jpeg, false),
        (json, jpeg, false),
        (jpeg, json, false),
        (json, None, true),
        (None, json, true),
        (json, json, true),
    ] {
        let mut media = media().with_declared(typed(reply));
        media.media.declared = typed(webhook);
        let budget = one_attempt();
        let build = |_| Ok(Request::get(origin.join("/x")?));
        let classify = |_: &Reply| Some(Error::new(ErrorKind::Forbidden, "no"));
        let opened = api.content(&budget).open(&media, build, classify).await;
        assert_eq!(opened.is_ok(), is_content, "webhook {webhook:?}, reply {reply:?}");
    }
    // Nobody says what it is: the vendor's error is one all the same, and anything else is content.
    for (body, is_content) in [("{\"error\":1}", false), ("photo", true)] {
        let origin = serve(answer(200, body)).await;
        let api = client(TransportOptions::default(), &origin, &[]);
        let budget = one_attempt();
        let build = |_| Ok(Request::get(origin.join("/x")?));
        let classify = |reply: &Reply| {
            let is_error = reply.text().contains("error");
            is_error.then(|| Error::new(ErrorKind::Forbidden, "no"))
        };
        let mut opened = api.content(&budget).open(&media(), build, classify).await;
        let read = match &mut opened {
            Ok(stream) => stream.next().await.transpose().unwrap(),
            Err(_) => None,
        };
        assert_eq!(read.as_deref(), is_content.then_some(body.as_bytes()), "{body}");
    }
    let picture = b"HTTP/1.1 200 x\r\ncontent-type: image/jpeg\r\ncontent-length: 1\r\n\r\nx";
    let origin = serve(picture.to_vec()).await;
    let api = client(TransportOptions::default(), &origin, &[]);
    let budget = one_attempt();
    let build = |_| Ok(Request::get(origin.join("/x")?));
    let classify = |_: &Reply| Some(Error::new(ErrorKind::Forbidden, "no"));
    let opened = api.content(&budget).open(&media(), build, classify).await;
    assert!(opened.is_ok(), "no vendor's error is a picture");
}

#[tokio::test]
async fn a_closed_port_was_sent_nothing_and_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let origin = Origin::parse(&format!("http://{address}")).unwrap();
    let api = client(TransportOptions::default(), &origin, &[]);
    let token = Credential::new("TOKEN".into(), [origin.clone()]);
    // What was not sent may be sent again, even where it can be done once only.
    for error in [read(&api, &origin, &token).await, upload(&origin, |_| Ok(())).await] {
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Transport, Retry::Backoff), "{error}");
        assert!(error.message().starts_with("cannot connect"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(&address)), "{:?}", error.hint());
    }
}

#[tokio::test]
async fn an_upload_whose_answer_is_too_long_to_be_read_may_have_happened() {
    let origin = serve(answer(200, &"x".repeat(4 << 20))).await;
    let error = upload(&origin, |_| Ok(())).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::TooLarge, Retry::Never), "{error}");
    assert!(error.message().contains("the object may exist"), "{error}");
}
