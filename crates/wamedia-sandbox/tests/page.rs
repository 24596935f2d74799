//! The page: what it asks for, and who may ask.

mod common;

use common::{META, get, sandbox, send};
use serde_json::{Value, json};
use wamedia_sandbox::http1::{Request, Response, Server};
use wamedia_sandbox::{Sandbox, Signature};

const OURS: &[(&str, &str)] = &[("X-Sandbox", "1"), ("Content-Type", "application/json")];

fn at(sandbox: &Sandbox, path: &str) -> String {
    format!("{}{path}", sandbox.provider("meta").expect("meta").base_url)
}

async fn post(sandbox: &Sandbox, action: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let reply =
        send("POST", &at(sandbox, &format!("/_sandbox/{action}")), headers, body.to_string().as_bytes())
            .await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn the_state_has_providers_commands_media_and_faults() {
    let sandbox = sandbox().await;
    let page = get(&at(&sandbox, "/"), &[]).await;
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    let state = get(&at(&sandbox, "/_sandbox/state"), &[]).await.json();
    assert_eq!(state["providers"].as_array().map(Vec::len), Some(6));
    assert_eq!(state["providers"][0]["media"][0]["id"], "1001");
    assert!(state["providers"][0]["commands"][1].as_str().is_some_and(|line| line.starts_with("curl ")));
    assert!(state["faults"].as_array().is_some_and(|faults| faults.len() > 30));
    assert!(sandbox.requests().is_empty(), "what the page asks for is no request of a client");
}

#[tokio::test]
async fn requests_come_with_the_reason_for_their_status_and_each_once() {
    let sandbox = sandbox().await;
    let photo = at(&sandbox, "/v23.0/1001");
    assert_eq!(get(&photo, META).await.status, 200);
    assert_eq!(get(&photo, &[("Authorization", "Bearer TEST-wrong")]).await.status, 401);
    let events = |known: &'static str| {
        let url = at(&sandbox, "/_sandbox/requests");
        async move {
            let reply = get(&url, &[("Last-Event-ID", known)]).await;
            assert_eq!(reply.header("content-type"), Some("text/event-stream"));
            String::from_utf8(reply.body).expect("UTF-8")
        }
    };
    let all = events("0").await;
    assert!(
        all.contains("id: 1\n") && all.contains("id: 2\n") && all.contains("not the one of this sandbox"),
        "{all}"
    );
    assert!(!all.contains("TEST-wrong"), "{all}");
    let new = events("1").await;
    assert!(!new.contains("id: 1\n") && new.contains("id: 2\n"), "{new}");
    let restarted = events("900").await;
    assert!(restarted.contains("id: 1\n"), "numbers of another sandbox mean nothing: {restarted}");
    // Nothing is new: it waits for what comes.
    let (waiting, _) = tokio::join!(events("2"), async {
        tokio::task::yield_now().await;
        get(&photo, META).await
    });
    assert!(waiting.contains("id: 3\n"), "{waiting}");
}

#[tokio::test]
async fn faults_are_switched_and_other_sites_cannot() {
    let sandbox = sandbox().await;
    let flip = json!({ "name": "flip", "times": 3 });
    assert_eq!(post(&sandbox, "fault", &[], &flip).await.0, 403, "a form of another site has no such header");
    assert_eq!(post(&sandbox, "fault", OURS, &flip).await.0, 200);
    let state = get(&at(&sandbox, "/_sandbox/state"), &[]).await.json();
    let left = state["faults"].as_array().and_then(|all| all.iter().find(|fault| fault["name"] == "flip"));
    assert_eq!(left.map(|fault| fault["left"].clone()), Some(3.into()));
    for wrong in [json!({ "name": "flipp", "times": 1 }), json!({ "name": "flip" }), json!([])] {
        assert_eq!(post(&sandbox, "fault", OURS, &wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(post(&sandbox, "nothing", OURS, &json!({})).await.0, 404);
}

#[tokio::test]
async fn pictures_are_shown_and_nothing_else_is_served() {
    let sandbox = sandbox().await;
    let photo = get(&at(&sandbox, "/_sandbox/media/meta/1001"), &[]).await;
    assert_eq!((photo.status, photo.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(photo.header("content-security-policy"), Some("sandbox"));
    for path in ["meta/1003", "meta/none", "nobody/1001", "meta"] {
        assert_eq!(get(&at(&sandbox, &format!("/_sandbox/media/{path}")), &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn webhooks_are_sent_rightly_wrongly_or_not_signed() {
    let sandbox = sandbox().await;
    let receiver = Server::bind("127.0.0.1:0".parse().expect("an address"), |_: Request| async {
        Response::with_body(200, "text/plain", "ok").into_steps()
    })
    .await
    .expect("loopback");
    for signature in ["right", "wrong", "missing"] {
        let body =
            json!({ "provider": "meta", "media": "1001", "url": receiver.origin(), "signature": signature });
        assert_eq!(post(&sandbox, "webhook", OURS, &body).await, (200, json!({ "status": 200 })));
    }
    let heads: Vec<_> = receiver.seen().into_iter().map(|exchange| exchange.head).collect();
    let signed = |at: usize| heads[at].header("x-hub-signature-256").map(ToOwned::to_owned);
    assert!(signed(0).is_some() && signed(1).is_some() && signed(0) != signed(1) && signed(2).is_none());
    let elsewhere = json!({ "provider": "meta", "media": "1001", "url": "http://10.0.0.1/" });
    assert_eq!(post(&sandbox, "webhook", OURS, &elsewhere).await.0, 400, "loopback only");
    for provider in ["chakra", "whapi", "nxcloud", "twilio"] {
        let id = sandbox.provider(provider).expect("known").media[0].id.clone();
        let right = sandbox.webhook(provider, &id).await.expect("known");
        assert_ne!(right.clone().with_signature(Signature::Wrong), right, "{provider}");
        assert!(
            right.clone().with_signature(Signature::Missing).headers.len() < right.headers.len(),
            "{provider}"
        );
    }
}
