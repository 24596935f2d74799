//! The record of requests, and of credentials that reached hosts where they do not belong.

use serde_json::{Value, json};

use crate::faults::Fault;
use crate::http1::Head;

/// One request as the sandbox saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLog {
    /// The provider whose listener received it.
    pub provider: &'static str,
    /// `api`, `content`, `foreign` or `forbidden`.
    pub origin: &'static str,
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The status of the reply; none when there is no reply.
    pub status: Option<u16>,
    /// The fault that caused the reply.
    pub fault: Option<Fault>,
    /// Headers and query parameters that carried a credential, with their values.
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
            "fault": self.fault.map(Fault::name),
        })
    }
}

/// A credential that reached a host where none belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// The provider whose content was requested.
    pub provider: &'static str,
    /// `content`, `foreign` or `forbidden`.
    pub origin: &'static str,
    /// The requested path.
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
    const HEADERS: [&str; 9] = [
        "authorization",
        "cookie",
        "accesskey",
        "sign",
        "ts",
        "biztype",
        "x-api-key",
        "d360-api-key",
        "proxy-authorization",
    ];
    const PARAMETERS: [&str; 3] = ["token", "access_token", "appsecret_proof"];
    let headers = head.headers.iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        HEADERS.contains(&name.as_str()).then(|| (name, String::from_utf8_lossy(value).into_owned()))
    });
    let parameters =
        PARAMETERS.into_iter().filter_map(|name| head.query(name).map(|value| (format!("?{name}"), value)));
    headers.chain(parameters).collect()
}
