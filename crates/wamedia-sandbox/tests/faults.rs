//! Faults do what their sentence says, and end when they should.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{META, WHAPI, fixed_clock, get, meta_bytes, meta_link, sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wamedia_sandbox::Fault;
use wamedia_sandbox::http1::{Request, Response, Server, Step};

const PHOTO: &[u8] = wamedia_fixtures::embedded_bytes("media/photo.jpg").expect("the photo is embedded");

#[tokio::test]
async fn flip_differs_by_one_bit() {
    let sandbox = sandbox().await;
    let body = meta_bytes(&sandbox, "flip-1").await.body;
    assert_eq!(body.len(), PHOTO.len());
    let bits: u32 = body.iter().zip(PHOTO).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(bits, 1);
}

#[tokio::test]
async fn cuts_end_early_once_and_a_range_brings_the_rest() {
    let sandbox = sandbox().await;
    for id in ["cut-declared-1", "reset-1"] {
        let url = meta_link(&sandbox, id).await;
        let cut = get(&url, META).await;
        assert!(!cut.whole && cut.body.len() <= PHOTO.len() / 2, "{id}");
        let range = format!("bytes={}-", PHOTO.len() / 2);
        let etag = cut.header("etag").expect("an etag").to_owned();
        let rest = get(&url, &[META[0], META[1], ("Range", &range), ("If-Range", &etag)]).await;
        assert_eq!(rest.status, 206, "{id}");
        assert_eq!(rest.body, PHOTO[PHOTO.len() / 2..]);
        let changed = get(&url, &[META[0], META[1], ("Range", &range), ("If-Range", "\"other\"")]).await;
        assert!(changed.status == 200, "{id}");
    }
    for id in ["cut-chunked-1", "cut-undeclared-1"] {
        let url = meta_link(&sandbox, id).await;
        assert!(get(&url, META).await.body.len() < PHOTO.len());
        assert_eq!(get(&url, META).await.body, PHOTO);
    }
    for _ in 0..3 {
        assert!(!meta_bytes(&sandbox, "cut-declared-forever-1").await.whole);
    }
}

#[tokio::test]
async fn expired_links_are_renewed_by_another_resolve_only() {
    let sandbox = sandbox().await;
    let dead = meta_link(&sandbox, "expired-1").await;
    assert_eq!(get(&dead, META).await.status, 404);
    assert_eq!(get(&dead, META).await.status, 404);
    let good = meta_link(&sandbox, "expired-1").await;
    assert_eq!(get(&good, META).await.body, PHOTO);
    assert_eq!(meta_bytes(&sandbox, "expired-410-1").await.status, 410);
    let dying = meta_link(&sandbox, "expired-mid-1").await;
    assert!(!get(&dying, META).await.whole);
    assert_eq!(get(&dying, META).await.status, 404);
    assert_eq!(meta_bytes(&sandbox, "expired-mid-1").await.body, PHOTO);
}

#[tokio::test]
async fn busy_servers_say_when_to_come_back() {
    let sandbox = sandbox().await;
    let url = meta_link(&sandbox, "s503-1").await;
    for status in [503, 503, 200, 503] {
        assert_eq!(get(&url, META).await.status, status);
    }
    let url = meta_link(&sandbox, "r429-date-1").await;
    let busy = get(&url, META).await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("Mon, 20 Jun 2022 07:41:26 GMT")));
    assert_eq!(get(&url, META).await.status, 200);
    let base = sandbox.provider("whapi").expect("whapi").base_url.clone();
    for status in [404, 404, 200] {
        assert_eq!(get(&format!("{base}/media/early-1"), WHAPI).await.status, status);
    }
}

#[tokio::test]
async fn ranges_go_wrong_after_a_cut() {
    let sandbox = sandbox().await;
    let range = [META[0], META[1], ("Range", "bytes=100-")];
    for (id, status) in
        [("range-ignored-1", 200), ("range-wrong-1", 206), ("range-changed-1", 206), ("416-1", 416)]
    {
        let url = meta_link(&sandbox, id).await;
        let cut = get(&url, META).await;
        assert!(!cut.whole, "{id}");
        let reply = get(&url, &range).await;
        assert_eq!(reply.status, status, "{id}");
        if id.starts_with("range-wrong") {
            assert!(reply.header("content-range").expect("a range").starts_with("bytes 101-"));
        }
        if id.starts_with("range-changed") {
            assert_ne!(reply.header("etag"), cut.header("etag"));
        }
        assert_eq!(get(&url, META).await.body, PHOTO, "{id}");
    }
}

#[tokio::test]
async fn faulty_links_lead_to_the_other_host_and_record_what_came_along() {
    let sandbox = sandbox().await;
    for id in ["foreign-host-1", "lookalike-1"] {
        let url = meta_link(&sandbox, id).await;
        let host = sandbox.foreign_origin();
        assert!(url.contains(host.trim_start_matches("http://")), "{url}");
        assert_eq!(get(&url, &META[1..]).await.body, PHOTO);
    }
    assert!(sandbox.leaks().is_empty());
    let redirected = meta_bytes(&sandbox, "redirect-1").await;
    assert_eq!(redirected.status, 302);
    let to = redirected.header("location").expect("a target").to_owned();
    assert_eq!(get(&to, META).await.status, 200);
    assert_eq!(sandbox.leaks()[0].origin, "foreign");
    assert_eq!(sandbox.forbidden_host_connections(), 0);
    assert_eq!(meta_bytes(&sandbox, "redirect-private-1").await.status, 302);
}

#[tokio::test]
async fn switched_faults_are_used_up() {
    let sandbox = sandbox().await;
    sandbox.set_fault("html-200", 1).expect("a row");
    let page = meta_bytes(&sandbox, "1001").await;
    assert!(page.body.starts_with(b"<!DOCTYPE html>"));
    assert_eq!(meta_bytes(&sandbox, "1001").await.body, PHOTO);
    sandbox.set_fault("no-digest", 1).expect("a row");
    let base = sandbox.provider("meta").expect("meta").base_url.clone();
    assert!(get(&format!("{base}/v23.0/1001"), META).await.json().get("sha256").is_none());
    sandbox.set_fault("gone", 1).expect("a row");
    let whapi = sandbox.provider("whapi").expect("whapi");
    let url = format!("{}/media/{}", whapi.base_url, whapi.media[0].id);
    assert_eq!(get(&url, WHAPI).await.status, 404);
    assert_eq!(get(&url, WHAPI).await.body, PHOTO);
    assert!(sandbox.set_fault("no-such-fault", 1).is_err());
    let faults: Vec<_> = sandbox.requests().iter().filter_map(|log| log.fault).collect();
    assert_eq!(faults, [Fault::Html200, Fault::NoDigest, Fault::Gone]);
}

async fn nxcloud_describe(base: &str, id: &str) -> common::Reply {
    let body =
        format!(r#"{{"business_phone":"8615800001795","Media-ID":"{id}","messaging_product":"whatsapp"}}"#);
    let ts = common::VECTOR_MS.to_string();
    let text = format!(
        "accessKey=TEST-nxcloud-key&action=getMedia&bizType=2&ts={ts}&body={body}&accessSecret=TEST-nxcloud-secret"
    );
    let digest = <md5::Md5 as md5::Digest>::digest(text.as_bytes());
    let sign = digest.iter().fold(String::new(), |mut sign, byte| {
        use std::fmt::Write as _;
        let _ = write!(sign, "{byte:02x}");
        sign
    });
    let headers = [
        ("accessKey", "TEST-nxcloud-key"),
        ("ts", &ts),
        ("bizType", "2"),
        ("action", "getMedia"),
        ("sign", &sign),
        ("Content-Type", "application/json"),
    ];
    common::send("POST", &format!("{base}/api/wa/getMedia"), &headers, body.as_bytes()).await
}

/// Slow and large faults are tested elsewhere, or not at all.
#[tokio::test]
async fn every_quick_fault_shows_at_every_provider() {
    let sandbox = sandbox().await;
    let base = |name: &str| sandbox.provider(name).expect("all four").base_url.clone();
    let slow = ["silent", "stall", "drip", "slow-big", "huge-json", "over"];
    for fault in Fault::ALL.iter().filter(|fault| !slow.contains(&fault.name())) {
        let id = format!("{}-forever-9", fault.name());
        let meta = get(&format!("{}/v23.0/{id}", base("meta")), META).await;
        let chakra = get(&format!("{}/v1/whatsapp/v22.0/media/{id}", base("chakra")), common::CHAKRA).await;
        let nxcloud = nxcloud_describe(&base("nxcloud"), &id).await;
        for (reply, headers) in [(meta, META), (chakra, common::CHAKRA), (nxcloud, &[])] {
            let described = serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap_or_default();
            if let Some(url) = described["url"].as_str().or(described["data"]["url"].as_str()) {
                get(url, headers).await;
            }
        }
        get(&format!("{}/media/{id}", base("whapi")), WHAPI).await;
        // A link is what expires, and Whapi's ids have none.
        let one_hop = ["expired", "expired-mid"].contains(&fault.name());
        for name in ["meta", "chakra", "nxcloud", "whapi"] {
            let shown =
                sandbox.requests().iter().any(|log| log.provider == name && log.fault == Some(*fault));
            assert!(shown || (name == "whapi" && one_hop), "{fault} never showed at {name}");
        }
    }
}

#[tokio::test]
async fn slow_faults_begin_and_then_wait() {
    let sandbox = sandbox().await;
    for (id, at_least, at_most) in [
        ("silent-1", 0, 0),
        ("drip-1", 1, 400),
        ("stall-1", PHOTO.len() / 2, PHOTO.len() / 2 + 400),
        ("slow-big-1", 64 * 1024, 64 * 1024 + 400),
    ] {
        let url = meta_link(&sandbox, id).await;
        let (host, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
        let mut stream = tokio::net::TcpStream::connect(host).await.expect("a listener");
        let head = format!(
            "GET /{path} HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\nAuthorization: Bearer TEST-meta-token\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut bytes)).await;
        assert!(read.is_err(), "{id} ended");
        assert!((at_least..=at_most).contains(&bytes.len()), "{id} sent {}", bytes.len());
    }
}

#[tokio::test]
async fn sizes_are_made_on_the_fly_and_match_their_digest() {
    let sandbox = sandbox().await;
    let base = sandbox.provider("meta").expect("meta").base_url.clone();
    let described = get(&format!("{base}/v23.0/size-1000001"), META).await.json();
    let url = described["url"].as_str().expect("a link").to_owned();
    let whole = get(&url, META).await.body;
    assert_eq!(whole.len(), 1_000_001);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&whole);
    let first = format!("{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2]);
    assert!(described["sha256"].as_str().expect("a digest").starts_with(&first));
    let part = get(&url, &[META[0], META[1], ("Range", "bytes=65535-200000")]).await;
    assert_eq!(part.body, whole[65535..=200_000]);
}

#[tokio::test(start_paused = true)]
async fn waiting_needs_no_real_time_and_a_close_is_seen() {
    let server = Server::bind("127.0.0.1:0".parse().expect("an address"), |request: Request| async move {
        if request.head.target == "/hang" {
            return Response::raw(vec![Step::Hang]).into_steps();
        }
        let body = vec![
            Step::Sleep(Duration::from_secs(3600)),
            Step::Drip { bytes: Bytes::from_static(b"abc"), every: Duration::from_secs(60) },
            Step::Repeat { bytes: Bytes::from_static(b"xy"), times: 2 },
        ];
        Response::new(200).header("Content-Length", 7).steps(body).into_steps()
    })
    .await
    .expect("loopback");
    let reply = get(&server.origin(), &[]).await;
    assert_eq!(reply.body, b"abcxyxy");
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.expect("a listener");
    stream.write_all(b"GET /hang HTTP/1.1\r\n\r\n").await.expect("written");
    while server.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while server.seen()[1].outcome.to_string() != "client closed after 0" {
        tokio::task::yield_now().await;
    }
    assert!(server.seen()[0].outcome.to_string().starts_with("done "));
}

#[tokio::test]
async fn bodies_arrive_chunked_expected_and_capped() {
    let limits = wamedia_sandbox::http1::Limits::default().with_body_bytes(4);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let server = Server::start(
        listener,
        |request: Request| async move {
            let text = format!("{} {}", String::from_utf8_lossy(&request.body), request.body_bytes);
            Response::with_body(200, "text/plain", text).into_steps()
        },
        limits,
        |stream| async move { Ok(stream) },
    )
    .expect("a server");
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.expect("a listener");
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\n\r\n").await.expect("written");
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await.expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("two answers");
    assert!(text.contains("abcd 6") && text.ends_with("\r\n\r\n 0"), "{text}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn latency_and_folders_are_options() {
    let dir = std::env::temp_dir().join(format!("wamedia-sandbox-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("meta")).expect("a folder");
    std::fs::write(dir.join("meta").join("777.txt"), b"mine").expect("a file");
    let options = wamedia_sandbox::Options::new(fixed_clock(common::VECTOR_MS))
        .with_data_dir(&dir)
        .with_latency(Duration::from_millis(5));
    let sandbox = wamedia_sandbox::Sandbox::start(options).await.expect("loopback");
    assert_eq!(meta_bytes(&sandbox, "777").await.body, b"mine");
    std::fs::remove_dir_all(dir).expect("removed");
}

struct Early;

impl wamedia_sandbox::http1::Service for Early {
    fn call(&self, _request: Request) -> wamedia_sandbox::http1::Answer<'_> {
        Box::pin(async { Response::new(204).into_steps() })
    }

    fn early(&self, _head: &wamedia_sandbox::http1::Head) -> Option<Vec<Step>> {
        Some(Response::with_body(413, "text/plain", "too large").end(Step::Close).into_steps())
    }
}

#[tokio::test]
async fn an_early_answer_arrives_although_the_upload_goes_on() {
    let server = Server::bind("127.0.0.1:0".parse().expect("an address"), Early).await.expect("loopback");
    for _ in 0..20 {
        let reply = common::send("POST", &server.origin(), &[], &vec![7; 4 << 20]).await;
        assert_eq!((reply.status, reply.whole), (413, true));
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let sandbox = sandbox().await;
    let url = meta_link(&sandbox, "reset-forever-1").await;
    let cut = get(&url, META).await;
    assert!(!cut.whole && cut.body.len() <= PHOTO.len() / 2);
    let exchange = sandbox.content_exchanges("meta").pop().expect("one exchange");
    assert!(exchange.outcome.to_string().starts_with("reset after "));
}
