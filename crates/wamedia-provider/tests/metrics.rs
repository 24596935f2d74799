//! What the crate `metrics` is told of requests.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wamedia_core::{Budget, ErrorKind, Limits, Secret};
use wamedia_provider::{
    Api, HostRules, NetworkSettings, Origin, Problems, Reply, Request, TransportOptions, error_for_status,
};

const HEAD: &str = "retry-after: 0\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// Answers each connection with the next reply, then listens no more.
async fn serve(replies: [String; 3]) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    origin
}

/// A call that is made once, and what became of it.
async fn ask(api: &Api, origin: &Origin) -> Result<(), ErrorKind> {
    let mut limits = Limits::default();
    limits.max_attempts = 2;
    let budget = Budget::new(limits);
    let read = |reply: &Reply| if reply.is_success() { Ok(()) } else { Err(error_for_status(reply)) };
    let call = api.idempotent("resolve", &budget);
    call.send(|_| Ok(Request::get(origin.join("/1001?token=x")?)), read).await.map_err(|error| error.kind())
}

#[test]
fn every_request_is_counted_under_the_documented_names() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    metrics::with_local_recorder(&recorder, || {
        runtime.unwrap().block_on(async {
            let replies = ["503 x", "200 x", "404 x"].map(|status| format!("HTTP/1.1 {status}\r\n{HEAD}"));
            let origin = serve(replies).await;
            let hosts = NetworkSettings::default().with_base_url(&origin.to_string());
            let hosts = hosts.hosts("", &mut Problems::new("test")).unwrap();
            // The host may be a credential, too.
            let secrets = [Secret::new("127.0.0.1")];
            let rules = HostRules::new([origin.clone()]);
            let api = Api::new("test", &hosts, rules, &secrets, TransportOptions::default()).unwrap();
            assert_eq!(ask(&api, &origin).await, Ok(()));
            assert_eq!(ask(&api, &origin).await, Err(ErrorKind::NotFound));
            let mut cancelled = Box::pin(ask(&api, &origin));
            assert!(cancelled.as_mut().now_or_never().is_none());
        });
    });
    let mut told = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels = key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(" ");
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(values) => values.len().to_string(),
        };
        told.insert(format!("{} {labels}", key.key().name()), value);
    }
    let mut expected = BTreeMap::new();
    for end in [
        "http.response.status_code=503 error.type=upstream",
        "http.response.status_code=200",
        "http.response.status_code=404 error.type=not_found",
        "error.type=cancelled",
    ] {
        let labels =
            format!("provider=test operation=resolve http.request.method=GET server.address=.. {end}");
        for name in ["wamedia.requests", "wamedia.request.duration"] {
            expected.insert(format!("{name} {labels}"), "1".to_owned());
        }
    }
    assert_eq!(told, expected);
}
