//! Whapi.Cloud: bytes by id, a list, and public links of auto-downloaded files.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::content::{self, VendorStyle};
use crate::digest;
use crate::http1::Response;
use crate::http1::{Head, Request, decode};
use crate::media::{self, Media};
use crate::multipart;
use crate::state::{Provider, Reply, Stage, State, bearer_is};

const ME: Provider = Provider::Whapi;
/// The channel's own number, as links name it.
const CHANNEL_PHONE: &str = "15550100999";

fn error(status: u16, message: &str) -> Reply {
    Response::json(status, &json!({"error": {"code": status, "message": message}})).into()
}

fn unknown() -> Reply {
    error(404, "specified media not found")
}

/// Answers a request to the gateway.
pub(crate) async fn api(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    let token = &state.credentials.whapi_token;
    if !bearer_is(request, token) && head.query("token").as_ref() != Some(token) {
        // QUIRK(whapi): a wrong token is answered as an unknown channel.
        return error(404, "Channel not found");
    }
    let segments: Vec<&str> = head.path().trim_matches('/').split('/').collect();
    match (head.method.as_str(), segments.as_slice()) {
        ("GET", ["media", id]) => {
            let id = decode(id);
            let Some(media) = state.find(ME, &id).await else {
                let active = state.active(ME, Stage::Only, Some(&id), head);
                return Reply { fault: active.map(|active| active.fault), ..unknown() };
            };
            state.deliver(ME, VendorStyle::Whapi, &media, head, Stage::Only)
        }
        ("DELETE", ["media", id]) => {
            if let Some(reply) = state.inject_fault(ME, head) {
                return reply;
            }
            if !state.remove(ME, &decode(id)) {
                return unknown();
            }
            Response::json(200, &json!({"success": true})).into()
        }
        ("GET", ["media"]) => list(state, head),
        ("POST", ["media"]) => upload(state, request).await,
        ("GET", ["health"]) => Response::json(200, &json!({"status": {"code": 4, "text": "AUTH"}})).into(),
        ("GET", ["settings"]) => {
            let words = ["image", "audio", "voice", "video", "document", "sticker"];
            Response::json(200, &json!({"media": {"auto_download": words}})).into()
        }
        _ => error(404, "not found"),
    }
}

/// The public link that auto-download gives.
pub(crate) fn link(state: &State, media: &Media) -> String {
    let prefix = media.id.split('-').next().unwrap_or("file");
    format!("{}/in-files/{CHANNEL_PHONE}/{}.{prefix}", state.origins().content[ME as usize], media.id)
}

/// Answers a request to the object store behind the links.
pub(crate) async fn content(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    if head.header_count("authorization") > 0 || head.query("token").is_some() {
        return content::oss_error(400, "InvalidArgument", "Unsupported Authorization Type").into();
    }
    let gone = || Reply::from(content::vendor_error(VendorStyle::S3, 404));
    let Some(file) = head.path().strip_prefix("/in-files/").and_then(|rest| rest.split_once('/')) else {
        return gone();
    };
    let file = decode(file.1);
    let id = file.rsplit_once('.').map_or(file.as_str(), |(id, _)| id);
    let Some(media) = state.find(ME, id).await else { return gone() };
    // A public link never changes: once it is dead it stays dead, and only the id still leads to the bytes.
    state.deliver(ME, VendorStyle::S3, &media, head, Stage::Content(1))
}

fn list(state: &State, head: &Head) -> Reply {
    if let Some(reply) = state.inject_fault(ME, head) {
        return reply;
    }
    let number = |name: &str| head.query(name).and_then(|text| text.parse::<usize>().ok());
    let count = number("count").unwrap_or(100);
    if !(1..=500).contains(&count) {
        return error(400, "wrong request parameters");
    }
    let offset = number("offset").unwrap_or(0);
    let store = state.store(ME);
    let mut all: Vec<_> = store.order.iter().filter_map(|id| store.media.get(id)).collect();
    let time = |name: &str| head.query(name).and_then(|text| text.parse::<u64>().ok());
    let (from, to) = (time("time_from").unwrap_or(0), time("time_to").unwrap_or(u64::MAX));
    all.retain(|media| (from..=to).contains(&media.created_s));
    if head.query("sort").as_deref() == Some("desc") {
        all.reverse();
    }
    let files: Vec<Value> = all.iter().skip(offset).take(count).map(|media| file(media)).collect();
    Response::json(200, &json!({"files": files, "count": count, "total": all.len(), "offset": offset})).into()
}

fn file(media: &Media) -> Value {
    json!({
        "id": media.id,
        "mime_type": media.mime,
        "file_size": media.content.len(),
        "sha256": digest::base64(&media.sha256),
        "timestamp": media.created_s,
    })
}

async fn upload(state: &State, request: &Request) -> Reply {
    if let Some(reply) = state.inject_fault(ME, &request.head) {
        return reply;
    }
    let content_type = request.head.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let taken = match essence.as_str() {
        "multipart/form-data" => multipart::parse(content_type, &request.body).and_then(|parts| {
            let part = parts.into_iter().find(|part| part.name == "media")?;
            let name = part.filename?;
            Some((media::mime_of_name(&name).to_owned(), name, part.body))
        }),
        "application/json" => serde_json::from_slice::<Value>(&request.body)
            .ok()
            .and_then(|value| data_url(value.get("media")?.as_str()?)),
        "" => None,
        _ if request.body.starts_with(b"data:") => std::str::from_utf8(&request.body).ok().and_then(data_url),
        _ => {
            let name = format!("file.{}", media::extension(content_type));
            Some((content_type.to_owned(), name, request.body.clone()))
        }
    };
    let Some((mime, name, bytes)) = taken else { return error(400, "wrong request parameters") };
    let prefix = media::extension(&mime);
    let id = state.store(ME).fresh_id(|number| format!("{prefix}-3eb0{number:016x}-c011039edbb29b"));
    match state.save(ME, &id, &mime, &name, bytes).await {
        Ok(_) => Response::json(200, &json!({"media": [{"id": id}]})).into(),
        Err(_) => error(500, "internal error"),
    }
}

/// Reads `data:<mime>;name=<file name>;base64,<data>`.
fn data_url(text: &str) -> Option<(String, String, Bytes)> {
    let (head, data) = text.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    let mime = head.split(';').next()?.to_owned();
    let name = head
        .split(';')
        .find_map(|part| part.strip_prefix("name="))
        .map_or_else(|| format!("file.{}", media::extension(&mime)), decode);
    Some((mime, name, Bytes::from(digest::from_base64(data)?)))
}
