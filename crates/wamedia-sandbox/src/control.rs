//! The page on `/` and what it asks for: the state, the requests as they come, faults and webhooks.
//!
//! Another site in the same browser must not use it: whatever changes something wants a header that no form can send,
//! and every request a host that is this machine.

use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::Fault;
use crate::http1::{Head, Request, Response, decode};
use crate::media::Content;
use crate::record::RequestLog;
use crate::state::{Provider, State};
use crate::webhooks::{self, Signature, post_webhook};

/// Where everything but the page itself is.
const PREFIX: &str = "/_sandbox/";
/// How long the reply with new requests waits for one.
const WAIT: Duration = Duration::from_secs(20);

/// The answer, where the request is for the page.
pub(crate) async fn answer(state: &State, request: &Request) -> Option<Response> {
    let head = &request.head;
    let path = head.path();
    if path != "/" && !path.starts_with(PREFIX) {
        return None;
    }
    if path == "/" && head.method != "GET" {
        return None;
    }
    if !is_local(head) {
        return Some(error(403, "the page answers under the name of this machine only"));
    }
    let reply = match (head.method.as_str(), path.strip_prefix(PREFIX)) {
        ("GET", None) => html(include_str!("control.html")),
        ("GET", Some("state")) => json_reply(200, &page_state(state)),
        ("GET", Some("requests")) => requests(state, head).await,
        ("GET", Some(rest)) => {
            rest.strip_prefix("media/").and_then(|rest| media(state, rest)).unwrap_or_else(not_found)
        }
        ("POST", Some(action)) if head.header("x-sandbox").is_some() => {
            change(state, action, &request.body).await
        }
        ("POST", _) => error(403, "the header X-Sandbox is missing"),
        _ => not_found(),
    };
    Some(reply.header("Cache-Control", "no-store"))
}

fn html(text: &'static str) -> Response {
    Response::with_body(200, "text/html; charset=utf-8", text)
}

fn json_reply(status: u16, value: &Value) -> Response {
    Response::with_body(status, "application/json", value.to_string())
}

fn error(status: u16, why: &str) -> Response {
    json_reply(status, &json!({ "error": why }))
}

fn not_found() -> Response {
    error(404, "there is nothing here")
}

/// Whether the host is a name of this machine, and not a name that somebody else leads here.
fn is_local(head: &Head) -> bool {
    let host = head.header("host").unwrap_or_default();
    let is_port = |(_, port): &(&str, &str)| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(is_port).map_or(host, |(name, _)| name);
    name == "localhost"
        || name.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Everything that the page shows, besides the requests.
fn page_state(state: &State) -> Value {
    let switched = state.switched();
    let left = |fault: Fault| switched.iter().find(|(on, _)| *on == fault).map(|(_, left)| *left);
    let faults = Fault::ALL
        .iter()
        .map(|fault| json!({ "name": fault.name(), "sentence": fault.sentence(), "left": left(*fault) }));
    let leaks = state.leaks().into_iter().map(|leak| {
        json!({ "provider": leak.provider, "origin": leak.origin, "path": leak.path, "names": leak.names })
    });
    let providers = Provider::ALL.into_iter().map(|provider| {
        let info = crate::info(state, state.origins(), provider);
        let media = info.media.iter().map(|media| {
            json!({ "id": media.id, "mime": media.mime, "size_bytes": media.size_bytes, "name": media.name,
                "kind": media.kind })
        });
        json!({
            "name": info.name, "base_url": info.base_url, "env": info.env, "commands": info.commands(),
            "media": media.collect::<Vec<_>>(),
        })
    });
    json!({
        "providers": providers.collect::<Vec<_>>(),
        "faults": faults.collect::<Vec<_>>(),
        "leaks": leaks.collect::<Vec<_>>(),
    })
}

/// The requests since the last one that the browser knows, as server-sent events. It waits for the first of them, then
/// ends; the browser asks again.
async fn requests(state: &State, head: &Head) -> Response {
    let known = head.header("last-event-id").and_then(|id| id.parse().ok()).unwrap_or(0);
    let new = tokio::time::timeout(WAIT, state.requests_after(known)).await.unwrap_or_default();
    let mut text = String::from("retry: 200\n\n");
    for (number, log) in new {
        text.push_str(&format!("id: {number}\nevent: request\ndata: {}\n\n", shown(&log)));
    }
    Response::with_body(200, "text/event-stream", text)
}

/// A request as the page shows it, with the reason for its status.
fn shown(log: &RequestLog) -> Value {
    let reason = match (log.fault, log.status) {
        (Some(fault), _) => Some(format!("fault {}: {}", fault.name(), fault.sentence())),
        (None, Some(401 | 403)) if log.credentials.is_empty() => Some("no credential came along".to_owned()),
        (None, Some(401)) => Some("the credential is not the one of this sandbox".to_owned()),
        (None, Some(403)) => {
            Some("the credential or its signature is not the one of this sandbox".to_owned())
        }
        (None, Some(404)) => Some("there is no such object or path".to_owned()),
        (None, Some(400..)) => Some("the vendor would refuse this request".to_owned()),
        _ => None,
    };
    json!({
        "provider": log.provider, "origin": log.origin, "method": log.method, "path": log.path, "status": log.status,
        "reason": reason,
    })
}

/// `PROVIDER/ID`: the bytes of a stored picture.
fn media(state: &State, rest: &str) -> Option<Response> {
    let (provider, id) = rest.split_once('/')?;
    let provider = Provider::named(provider)?;
    let store = state.store(provider);
    let media = store.media.get(&*crate::stored_id(provider, &decode(id)))?;
    // A stored page would run in the name of this one.
    let Content::Stored(bytes) = &media.content else { return None };
    media.mime.starts_with("image/").then(|| {
        let reply = Response::with_body(200, &media.mime, bytes.clone());
        reply.header("X-Content-Type-Options", "nosniff").header("Content-Security-Policy", "sandbox")
    })
}

/// Switches a fault, or sends a webhook.
async fn change(state: &State, action: &str, body: &[u8]) -> Response {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    match action {
        "fault" => match (text("name").parse(), body["times"].as_u64()) {
            (Ok(fault), Some(times)) => {
                state.switch(fault, times);
                json_reply(200, &json!({}))
            }
            (Err(why), _) => error(400, &format!("{why}")),
            (_, None) => error(400, "`times` is missing"),
        },
        "webhook" => {
            let signature = match text("signature") {
                "wrong" => Signature::Wrong,
                "missing" => Signature::Missing,
                _ => Signature::Right,
            };
            let delivery = webhooks::delivery(state, text("provider"), text("media"), false).await;
            let sent = match delivery {
                Ok(delivery) => post_webhook(text("url"), &delivery.with_signature(signature)).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(status) => json_reply(200, &json!({ "status": status })),
                Err(why) => error(400, &why.to_string()),
            }
        }
        _ => not_found(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_else_leads_here_are_refused() {
        let is_local = |host: &str| {
            let headers = vec![("Host".to_owned(), host.as_bytes().to_vec())];
            is_local(&Head { method: "GET".to_owned(), target: "/".to_owned(), minor_version: 1, headers })
        };
        for host in ["localhost", "localhost:4510", "127.0.0.1:4510", "127.8.8.8", "[::1]:4510", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["", "evil.test", "127.0.0.1.evil.test:80", "localhost.evil.test", "10.0.0.1", "0.0.0.0:1"]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
