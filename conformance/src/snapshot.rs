//! Snapshots: the normalized result and the requests that were sent, one JSON file per provider and fixture.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use wamedia_core::{DeleteOutcome, Inbound, MediaPage, Result, Sha256, Uploaded};
use wamedia_sandbox::multipart::Part;
use wamedia_transfer::Fetched;

use crate::CANARY;
use crate::credentials::shows_canary;
use crate::matching::Received;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();
/// The names of this run's snapshots; a process tests one provider.
static USED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says where the snapshots of this process are.
pub(crate) fn keep_in(folder: PathBuf) {
    FOLDER.get_or_init(|| folder);
}

/// Pins a value under `<snapshots>/<provider>/`.
pub(crate) fn pin(provider: &str, id: &str, value: &Value) {
    let folder = FOLDER.get().cloned().unwrap_or_default();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder.join(provider));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_sort_maps(true);
    // Requests of the replay by wiremock take real time.
    settings.add_redaction(".result.receipt.elapsed_ms", "[time]");
    // A backoff is partly random.
    settings.add_redaction(".result.receipt.waited_ms", "[time]");
    let name = id.split_once('/').map_or(id, |(_, rest)| rest).replace('/', "-");
    USED.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
    settings.bind(|| insta::assert_json_snapshot!(name, value));
}

/// The snapshots of a provider that nothing has pinned in this process.
pub(crate) fn unreferenced(provider: &str) -> Vec<String> {
    let Some(folder) = FOLDER.get() else { return Vec::new() };
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut unused: Vec<_> = fs::read_dir(folder.join(provider))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "snap"))
        .filter(|path| path.file_stem().is_none_or(|stem| !used.contains(stem.to_string_lossy().as_ref())))
        .map(|path| path.display().to_string())
        .collect();
    unused.sort();
    unused
}

/// The result of a fixture's operation.
pub(crate) enum Done {
    Fetched(Box<Fetched>),
    Uploaded(Box<Uploaded>),
    Deleted(DeleteOutcome),
    Listed(Vec<MediaPage>),
}

pub(crate) fn of_done(outcome: &Result<Done>, received: &[Received], signed_anew: &[String]) -> Value {
    let result = match outcome {
        // The content counts, whatever the receipt says about it.
        Ok(Done::Fetched(fetched)) => json!({
            "content": { "bytes": fetched.bytes.len(), "sha256": Sha256::of(&fetched.bytes) },
            "receipt": fetched.receipt,
        }),
        Ok(Done::Uploaded(uploaded)) => json!(uploaded),
        Ok(Done::Deleted(outcome)) => json!(outcome),
        Ok(Done::Listed(pages)) => json!(pages),
        Err(error) => json!({ "error": error }),
    };
    json!({ "result": result, "requests": received.iter().map(|row| of_request(row, signed_anew)).collect::<Vec<_>>() })
}

pub(crate) fn of_inbound(inbound: &Result<Inbound>) -> Value {
    match inbound {
        Ok(inbound) => json!(inbound.items),
        Err(error) => json!({ "error": error }),
    }
}

/// A request without what differs from run to run and without the value of any credential.
fn of_request(received: &Received, signed_anew: &[String]) -> Value {
    let mut headers: Vec<_> = received
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
        .map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let secret = shows_canary(value) || signed_anew.contains(&name);
            let version = name == "user-agent";
            let value = if secret {
                "[secret]"
            } else if version {
                "[version]"
            } else if value.starts_with("multipart/form-data;") {
                "multipart/form-data; boundary=[boundary]"
            } else {
                value
            };
            json!([name, value])
        })
        .collect();
    headers.sort_by_key(ToString::to_string);
    json!({
        "origin": received.origin,
        "method": received.method,
        "target": received.target.replace(CANARY, "[secret]"),
        "headers": headers,
        "body": match received.parts() {
            Some(parts) => parts.iter().map(of_part).collect(),
            None if received.body.is_empty() => Value::Null,
            None => String::from_utf8_lossy(&received.body).into(),
        },
    })
}

fn of_part(part: &Part) -> Value {
    let text = std::str::from_utf8(&part.body).ok().filter(|_| part.filename.is_none());
    json!({
        "name": part.name, "file_name": part.filename, "type": part.content_type, "text": text,
        "sha256": text.is_none().then(|| Sha256::of(&part.body).to_hex()),
    })
}
