//! A client of a few lines, so that tests see exactly what is on the wire.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wamedia_sandbox::{Now, Options, Sandbox};

/// 2022-06-20, when the signature vectors were made.
pub(crate) const VECTOR_MS: u64 = 1_655_710_885_431;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// False when the connection ended before the declared length.
    pub(crate) whole: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (have, value) = line.split_once(':')?;
            have.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

pub(crate) fn fixed_clock(ms: u64) -> Now {
    Arc::new(move || UNIX_EPOCH + Duration::from_millis(ms))
}

pub(crate) async fn sandbox() -> Sandbox {
    Sandbox::start(Options::new(fixed_clock(VECTOR_MS))).await.expect("loopback is there")
}

pub(crate) async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let rest = url.strip_prefix("http://").expect("plain http");
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await.expect("a listener");
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    stream.write_all(body).await.expect("written");
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    let mut reply = Reply { status, head, body: bytes[end..].to_vec(), whole: ended.is_ok() };
    if let Some(length) = reply.header("content-length").and_then(|text| text.parse::<usize>().ok()) {
        reply.whole &= reply.body.len() == length;
    }
    reply
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Reply {
    send("GET", url, headers, b"").await
}

pub(crate) const META: &[(&str, &str)] =
    &[("Authorization", "Bearer TEST-meta-token"), ("User-Agent", "t/1")];
pub(crate) const CHAKRA: &[(&str, &str)] = &[("Authorization", "Bearer TEST-chakra-token")];
pub(crate) const WHAPI: &[(&str, &str)] = &[("Authorization", "Bearer TEST-whapi-token")];

/// Resolves at Meta and returns the link.
pub(crate) async fn meta_link(sandbox: &Sandbox, id: &str) -> String {
    let base = &sandbox.provider("meta").expect("meta").base_url;
    let reply = get(&format!("{base}/v23.0/{id}"), META).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["url"].as_str().expect("a link").to_owned()
}

/// Both hops at Meta.
pub(crate) async fn meta_bytes(sandbox: &Sandbox, id: &str) -> Reply {
    let url = meta_link(sandbox, id).await;
    get(&url, META).await
}
