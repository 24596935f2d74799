//! The receiver against the sandbox's signed webhooks, over sockets, one provider each.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wamedia::{Clock as _, Config, DeclaredBy, Secret, Sha256, SystemClock};
use wamedia_provider::signature;
use wamedia_sandbox::{Options, ProviderInfo, Sandbox, WebhookDelivery, post_webhook};

#[allow(dead_code, reason = "its main is for people")]
#[path = "../examples/receiver.rs"]
mod receiver;

use receiver::{Report, Settings, serve};

/// What the receiver reports: the reference, and the file or the error.
type Reported = (String, Result<(std::path::PathBuf, Option<DeclaredBy>), String>);

struct Running {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    url: String,
    reports: mpsc::UnboundedReceiver<Reported>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

/// The configuration that the sandbox's environment stands for.
fn config(info: &ProviderInfo) -> Config {
    let prefix = format!("WAMEDIA_{}_", info.name.to_uppercase());
    let mut config = Config::default().with_base_url(&info.base_url);
    config.content_origins.clone_from(&info.content_origins);
    for (name, value) in &info.env {
        let key = name.trim_start_matches(&prefix).to_lowercase();
        // Both are fields of their own.
        if !matches!(key.as_str(), "base_url" | "content_origins") {
            config = config.with(&key, Secret::new(value.clone()));
        }
    }
    config
}

impl Running {
    async fn start(name: &str, waiting: usize) -> Self {
        let sandbox = Sandbox::start(Options::new(Arc::new(|| SystemClock.now()))).await.unwrap();
        let config = config(sandbox.provider(name).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            provider: wamedia::provider(name, &config).unwrap(),
            webhooks: wamedia::webhooks(name, &config).unwrap(),
            folder: folder.path().into(),
            at_once: 2,
            waiting,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, reports) = mpsc::unbounded_channel();
        let sender = Mutex::new(sender);
        let report: Report = Arc::new(move |media, outcome| {
            let outcome = match outcome {
                Ok(file) => {
                    let by = file.receipt.as_ref().and_then(|receipt| receipt.verified.declared_by());
                    Ok((file.path.clone(), by))
                }
                Err(error) => Err(error.to_string()),
            };
            let _ = sender.lock().unwrap().send((media.short(), outcome));
        });
        let stopped = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve(listener, settings, stopped, report));
        Self { sandbox, folder, url, reports, stop, served }
    }

    async fn post(&self, delivery: &WebhookDelivery) -> u16 {
        post_webhook(&self.url, delivery).await.unwrap()
    }

    /// Stops, waits for the end, and returns what was not asked for yet.
    async fn end(mut self) -> Vec<Reported> {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        let mut rest = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            rest.push(report);
        }
        assert_eq!(self.sandbox.leaks(), []);
        rest
    }
}

async fn from_webhook_to_file(name: &str) {
    let mut running = Running::start(name, 100).await;
    let seeds = running.sandbox.provider(name).unwrap().media.clone();
    assert!(!seeds.is_empty());
    for seed in seeds.iter().take(4) {
        let delivery = running.sandbox.webhook(name, &seed.id).await.unwrap();
        assert_eq!(running.post(&delivery).await, 200, "{}", seed.id);
        let (reference, outcome) = running.reports.recv().await.unwrap();
        assert!(reference.starts_with(name), "{reference}");
        let (path, verified_by) = outcome.unwrap();
        // Twilio states no digest and no size.
        assert_eq!(
            verified_by.is_some(),
            name != "twilio",
            "{reference} is verified against {verified_by:?}"
        );
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(Sha256::of(&bytes).to_hex(), seed.sha256_hex, "{}", path.display());
        // The same delivery again is welcome, and fetches nothing.
        assert_eq!(running.post(&delivery).await, 200);
    }
    let folder = running.folder.path().to_owned();
    let delivery = running.sandbox.webhook(name, &seeds[0].id).await.unwrap();
    for forged in forgeries(&delivery) {
        assert_eq!(running.post(&forged).await, 401, "{forged:?}");
    }
    let is_file = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_type().unwrap().is_file();
    let stored =
        || std::fs::read_dir(&folder).unwrap().filter_map(|entry| is_file(entry).then_some(())).count();
    assert_eq!(stored(), seeds.len().min(4));
    assert_eq!(running.end().await, []);
}

/// A changed byte where the body is signed, no headers, and a changed header.
fn forgeries(delivery: &WebhookDelivery) -> Vec<WebhookDelivery> {
    let mut bare = delivery.clone();
    bare.headers.clear();
    let mut other = delivery.clone();
    for (name, value) in &mut other.headers {
        if !name.eq_ignore_ascii_case("content-type") {
            value.push('0');
        }
    }
    let mut all = vec![bare, other];
    if delivery.headers.iter().any(|(name, _)| name.to_lowercase().contains("sign")) {
        let mut changed = delivery.clone();
        let mut body = changed.body.to_vec();
        let last = body.len() - 1;
        body[last] = b' ';
        changed.body = body.into();
        all.push(changed);
    }
    all
}

#[tokio::test]
async fn meta() {
    from_webhook_to_file("meta").await;
}

#[tokio::test]
async fn chakra() {
    from_webhook_to_file("chakra").await;
}

#[tokio::test]
async fn whapi() {
    from_webhook_to_file("whapi").await;
}

#[tokio::test]
async fn nxcloud() {
    from_webhook_to_file("nxcloud").await;
}

#[tokio::test]
async fn twilio() {
    from_webhook_to_file("twilio").await;
}

/// A delivery that is Meta's by its signature, whatever it says.
fn signed(body: &str) -> WebhookDelivery {
    let secret = Secret::new("TEST-meta-app-secret");
    let signature = signature::hmac_sha256_hex(&secret, body.as_bytes());
    delivery_with(format!("sha256={signature}"), body)
}

fn delivery_with(signature: String, body: &str) -> WebhookDelivery {
    let mut delivery = WebhookDelivery::default();
    delivery.headers = vec![("X-Hub-Signature-256".to_owned(), signature)];
    delivery.body = body.to_owned().into();
    delivery
}

#[tokio::test]
async fn what_cannot_be_taken_now_is_refused_whole_and_what_was_taken_is_finished() {
    let running = Running::start("meta", 3).await;
    let message = |id: &str| format!(r#"{{"id":"m{id}","type":"image","image":{{"id":"{id}"}}}}"#);
    let body = |ids: &[&str]| {
        let messages: Vec<_> = ids.iter().map(|id| message(id)).collect();
        format!(
            r#"{{"entry":[{{"changes":[{{"field":"messages","value":{{"messages":[{}]}}}}]}}]}}"#,
            messages.join(",")
        )
    };
    // Four do not fit, and none of them is taken.
    assert_eq!(running.post(&signed(&body(&["1001", "1002", "1003", "1004"]))).await, 503);
    assert_eq!(running.post(&signed("[]")).await, 400);
    assert_eq!(running.post(&signed(r#"{"entry":[{"changes":[]}]}"#)).await, 200);
    assert_eq!(running.post(&signed(&body(&["1001", "1001", "404404"]))).await, 200);
    let mut rest = running.end().await;
    rest.sort_by(|one, other| one.0.cmp(&other.0));
    let names: Vec<_> =
        rest.iter().map(|(reference, outcome)| (reference.as_str(), outcome.is_ok())).collect();
    assert_eq!(names, [("meta:1001", true), ("meta:404404", false)]);
}

/// Media without an id is known by its link.
#[tokio::test]
async fn two_links_of_one_message_are_two_files() {
    let running = Running::start("whapi", 10).await;
    let info = running.sandbox.provider("whapi").unwrap().clone();
    let origin = &info.content_origins[0];
    let message = |name: &str| {
        format!(r#"{{"id":"m1","type":"image","chat_id":"1","image":{{"link":"{origin}/{name}.jpg"}}}}"#)
    };
    let (_, header) = info.env.iter().find(|(name, _)| name.ends_with("WEBHOOK_HEADER")).unwrap();
    let (name, value) = header.split_once(": ").unwrap();
    let mut delivery = WebhookDelivery::default();
    delivery.headers = vec![(name.to_owned(), value.to_owned())];
    delivery.body = format!(r#"{{"messages":[{},{}]}}"#, message("one"), message("two")).into();
    assert_eq!(running.post(&delivery).await, 200);
    assert_eq!(running.end().await.len(), 2, "a file was left out, although the answer was 200");
}

#[tokio::test]
async fn the_handshake_is_answered_by_meta_alone() {
    let ask = async |url: &str, token: &str| {
        let address = url.trim_start_matches("http://").trim_end_matches("/webhook");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /webhook?hub.mode=subscribe&hub.challenge=0042&hub.verify_token={token} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let meta = Running::start("meta", 1).await;
    let right = ask(&meta.url, "TEST-meta-verify-token").await;
    assert!(right.starts_with("HTTP/1.1 200") && right.ends_with("\r\n\r\n0042"), "{right}");
    assert!(ask(&meta.url, "TEST-other").await.starts_with("HTTP/1.1 403"));
    meta.end().await;
    let whapi = Running::start("whapi", 1).await;
    assert!(ask(&whapi.url, "TEST-meta-verify-token").await.starts_with("HTTP/1.1 405"));
    whapi.end().await;
}
