//! What was asked, and which credentials went where they must not go.

use serde_json::{Value, json};

use crate::http1::Head;

/// One request as the sandbox saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLog {
    /// Whose API or content it was for.
    pub provider: &'static str,
    /// `api`, `content`, `foreign` or `trap`.
    pub origin: &'static str,
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The status answered; none when nothing is ever answered.
    pub status: Option<u16>,
    /// The fault that shaped the answer.
    pub fault: Option<&'static str>,
    /// Which headers or query parameters carried a credential, and what they carried.
    pub credentials: Vec<(String, String)>,
}

impl RequestLog {
    /// The object that `wamedia sandbox --json` prints for a request; no credential is in it.
    pub fn to_json(&self) -> Value {
        json!({
            "provider": self.provider,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "fault": self.fault,
        })
    }
}

/// A credential that arrived where none belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// Whose content it was.
    pub provider: &'static str,
    /// `content`, `foreign` or `trap`.
    pub origin: &'static str,
    /// The path that was asked for.
    pub path: String,
    /// The names of what leaked.
    pub names: Vec<String>,
}

impl Leak {
    pub(crate) fn of(log: &RequestLog) -> Self {
        Self {
            provider: log.provider,
            origin: log.origin,
            path: log.path.clone(),
            names: log.credentials.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// Everything in a request that only the vendor's API may see.
pub(crate) fn credentials(head: &Head) -> Vec<(String, String)> {
    const HEADERS: [&str; 8] =
        ["authorization", "cookie", "accesskey", "sign", "ts", "biztype", "x-api-key", "proxy-authorization"];
    const PARAMETERS: [&str; 3] = ["token", "access_token", "appsecret_proof"];
    let headers = head.headers.iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        HEADERS.contains(&name.as_str()).then(|| (name, String::from_utf8_lossy(value).into_owned()))
    });
    let parameters =
        PARAMETERS.into_iter().filter_map(|name| head.query(name).map(|value| (format!("?{name}"), value)));
    headers.chain(parameters).collect()
}
