//! The protocol of drivers: one JSON request a line in, one JSON answer a line out. `driver.schema.json` defines both.

use std::path::Path;
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use wamedia_sandbox::{ProviderInfo, WebhookDelivery};

use super::environment::Environment;

/// The schema of requests and answers.
pub const SCHEMA: &str = include_str!("driver.schema.json");

/// A request with all that a client needs to know about the account.
fn request(op: &str, environment: &Environment, own: Value) -> Value {
    let mut request = json!({
        "op": op,
        "provider": environment.info.name,
        "base_url": environment.info.base_url,
        "content_origins": environment.info.content_origins,
        "ca_file": environment.ca_file().display().to_string(),
        "credentials": credentials(&environment.info),
    });
    if let (Value::Object(all), Value::Object(own)) = (&mut request, own) {
        all.extend(own);
    }
    request
}

/// The account under the names that the program's variables end in: `token`, `phone_number_id`.
fn credentials(info: &ProviderInfo) -> Value {
    let prefix = format!("WAMEDIA_{}_", info.name.to_uppercase());
    let named = info.env.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(&prefix)?.to_lowercase();
        (name != "base_url" && name != "content_origins").then(|| (name, json!(value)))
    });
    Value::Object(named.collect::<Map<_, _>>())
}

pub(super) fn fetch(environment: &Environment, id: &str, sha256: &str, size: usize, out: &Path) -> Value {
    let out = out.display().to_string();
    request("fetch", environment, json!({ "id": id, "sha256": sha256, "size_bytes": size, "out": out }))
}

pub(super) fn upload(environment: &Environment, file: &Path, mime: &str) -> Value {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    request("upload", environment, json!({ "file": file.display().to_string(), "mime": mime, "name": name }))
}

pub(super) fn delete(environment: &Environment, id: &str) -> Value {
    request("delete", environment, json!({ "id": id }))
}

pub(super) fn list(environment: &Environment) -> Value {
    request("list", environment, json!({}))
}

pub(super) fn delivery(op: &str, environment: &Environment, delivery: &WebhookDelivery) -> Value {
    let headers: Map<String, Value> =
        delivery.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    request(op, environment, json!({ "headers": headers, "body_base64": STANDARD.encode(&delivery.body) }))
}

/// The same request with every credential replaced by a wrong one.
pub(super) fn with_wrong_credentials(mut request: Value) -> Value {
    for (_, value) in request["credentials"].as_object_mut().into_iter().flatten() {
        if value.as_str().is_some_and(|text| text.starts_with("TEST-")) {
            *value = json!("WRONG-credential");
        }
    }
    request
}

/// The same request with the secret that deliveries of the fixtures are signed with, whatever it is called.
pub(super) fn with_fixture_secrets(mut request: Value) -> Value {
    for (_, value) in request["credentials"].as_object_mut().into_iter().flatten() {
        if value.as_str().is_some_and(|text| text.starts_with("TEST-")) {
            *value = json!(crate::WEBHOOK_SECRET);
        }
    }
    request
}

/// The JSON objects among the lines that it printed.
pub(super) fn answers(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let values = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values.filter(Value::is_object).collect()
}
