//! Snapshots: the normalized result and the requests that were sent, one JSON file per provider and fixture.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use wamedia_core::{
    DeleteOutcome, Error, Inbound, InboundItem, ListedMedia, MediaItem, MediaPage, Result, Sha256, Uploaded,
    format_rfc3339,
};
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

pub(crate) fn of_done(outcome: &Result<Done>, received: &[Received]) -> Value {
    let result = match outcome {
        Ok(Done::Fetched(fetched)) => of_fetched(fetched),
        Ok(Done::Uploaded(uploaded)) => json!({
            "media": uploaded.media.as_ref().map(ToString::to_string),
            "link": uploaded.link.as_ref().map(ToString::to_string),
            "expires_at": uploaded.expires_at.map(format_rfc3339),
        }),
        Ok(Done::Deleted(outcome)) => json!({ "deleted": format!("{outcome:?}") }),
        Ok(Done::Listed(pages)) => pages.iter().map(of_page).collect(),
        Err(error) => of_error(error),
    };
    json!({ "result": result, "requests": received.iter().map(of_request).collect::<Vec<_>>() })
}

fn of_page(page: &MediaPage) -> Value {
    let item = |item: &ListedMedia| json!({ "media": item.media.to_string(), "created_at": item.created_at.map(format_rfc3339) });
    json!({ "items": page.items.iter().map(item).collect::<Vec<_>>(), "next": page.next })
}

fn of_fetched(fetched: &Fetched) -> Value {
    json!({
        "bytes": fetched.bytes.len(),
        "sha256": Sha256::of(&fetched.bytes).to_hex(),
        "verified": fetched.receipt.verified.name(),
        "against": fetched.receipt.verified.declared_by().map(wamedia_core::DeclaredBy::name),
        "declared": {
            "mime": fetched.receipt.declared.mime.as_ref().map(ToString::to_string),
            "size_bytes": fetched.receipt.declared.size_bytes,
            "name": fetched.receipt.declared.name,
        },
        "sniffed": fetched.receipt.sniffed_mime.as_ref().map(ToString::to_string),
        "attempts": fetched.receipt.attempts,
        "renewals": fetched.receipt.renewals,
        "requests": fetched.receipt.requests,
    })
}

fn of_error(error: &Error) -> Value {
    json!({
        "error": error.kind().name(),
        "code": error.provider_code(),
        "operation": error.operation(),
        "phase": error.phase().map(wamedia_core::Phase::name),
        "message": error.message(),
        "retryable": error.is_retryable(),
    })
}

/// A request without what differs from run to run and without the value of any credential.
fn of_request(received: &Received) -> Value {
    let mut headers: Vec<_> = received
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
        .map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let secret = shows_canary(value) || matches!(name.as_str(), "sign" | "ts");
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

pub(crate) fn of_inbound(inbound: &Result<Inbound>) -> Value {
    match inbound {
        Ok(inbound) => Value::Array(inbound.items.iter().map(of_item).collect()),
        Err(error) => of_error(error),
    }
}

fn of_item(item: &InboundItem) -> Value {
    match item {
        InboundItem::Media(media) => of_media(media),
        InboundItem::Failed(failed) => json!({
            "failed": failed.kind, "message_id": failed.message_id, "code": failed.provider_code,
            "message": failed.message, "path": failed.path,
        }),
        InboundItem::Other(other) => {
            json!({ "other": other.kind, "message_id": other.message_id, "path": other.path })
        }
        _ => Value::Null,
    }
}

fn of_media(item: &MediaItem) -> Value {
    json!({
        "media": item.media.to_string(),
        "kind": item.kind.name(),
        "role": format!("{:?}", item.role),
        "message_id": item.message_id,
        "caption": item.caption,
        "has_sender": item.sender.is_some(),
        "timestamp": item.timestamp.map(format_rfc3339),
        "preview": item.preview.as_ref().map(|preview| json!({
            "mime": preview.mime.as_ref().map(ToString::to_string), "bytes": preview.bytes.len(),
            "sha256": Sha256::of(&preview.bytes).to_hex(),
        })),
        "path": item.path,
        "raw_bytes": item.raw.len(),
    })
}
