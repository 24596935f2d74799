//! `ChakraHQ`: Meta's description with links to its own host, and public uploads.

use serde_json::json;

use crate::content::{self, VendorStyle};
use crate::faults::{Active, Fault};
use crate::http1::Response;
use crate::http1::{Request, decode};
use crate::media;
use crate::meta;
use crate::multipart;
use crate::state::{Provider, Reply, Stage, State, bearer_is};

const ME: Provider = Provider::Chakra;
/// The team's segment of public links.
const TEAM: &str = "7e577e57-0000-4000-8000-000000000001";

fn error(status: u16, message: &str) -> Reply {
    Response::json(status, &json!({"_data": null, "_meta": {}, "_errors": [message]})).into()
}

fn unknown(id: &str) -> Reply {
    let message = format!("Unsupported get request. Object with ID '{id}' does not exist");
    let error = json!({"message": message, "type": "GraphMethodException", "code": 100,
        "error_subcode": 33, "fbtrace_id": "ATESTtrace"});
    Response::json(400, &json!({"error": error})).into()
}

/// Answers a request to the API, links included.
pub(crate) async fn api(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    if !bearer_is(request, &state.credentials.chakra_token) {
        return error(401, "Unauthorized");
    }
    let segments: Vec<&str> = head.path().trim_matches('/').split('/').collect();
    match (head.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "health"]) => Response::json(200, &json!({"_data": {"ok": true}})).into(),
        ("GET", ["v1", "ext", "config"]) => Response::json(200, &json!({"_data": {}})).into(),
        ("GET", ["v1", "whatsapp", version, "whatsapp_business", "attachments"])
            if meta::is_version(version) =>
        {
            attachment(state, request).await
        }
        ("GET", ["v2", "whatsapp", version, "media", "whatsapp_business", "attachments"])
            if meta::is_version(version) =>
        {
            by_mid(state, request).await
        }
        ("GET", ["v1" | "v2", "whatsapp", version, "media", id, "show"]) if meta::is_version(version) => {
            show(state, request, &decode(id)).await
        }
        ("GET", ["v1", "whatsapp", version, "media", id]) if meta::is_version(version) => {
            resolve(state, request, &decode(id)).await
        }
        ("POST", ["v1", "ext", "plugin", "whatsapp", plugin, "upload-public-media"]) => {
            upload(state, request, plugin).await
        }
        _ => error(404, "Not found"),
    }
}

fn early(state: &State, id: &str, active: Option<Active>) -> Option<Reply> {
    let active = active?;
    if active.is(Fault::Gone) {
        return Some(Reply { fault: Some(active.fault), ..unknown(id) });
    }
    let response = content::plain_fault(active, VendorStyle::Chakra, &state.soon_http())?;
    Some(Reply::with(response, Some(active)))
}

async fn resolve(state: &State, request: &Request, id: &str) -> Reply {
    let active = state.active(ME, Stage::Resolve, Some(id), &request.head);
    if let Some(reply) = early(state, id, active) {
        return reply;
    }
    let Some(media) = state.find(ME, id).await else { return unknown(id) };
    // QUIRK(chakra): the version in the link is the vendor's, whatever was asked for.
    let base =
        format!("{}/v1/whatsapp/v22.0/whatsapp_business/attachments/", state.origins().api[ME as usize]);
    Reply::with(Response::json(200, &meta::descriptor(state, ME, &media, &base, active)), active)
}

async fn attachment(state: &State, request: &Request) -> Reply {
    let Some((id, generation)) = state.open_link(ME, &request.head) else {
        return content::dead_link(VendorStyle::Chakra, None).into();
    };
    let Some(media) = state.find(ME, &id).await else {
        return content::dead_link(VendorStyle::Chakra, None).into();
    };
    state.deliver(ME, VendorStyle::Chakra, &media, &request.head, Stage::Content(generation))
}

async fn by_mid(state: &State, request: &Request) -> Reply {
    let id = request.head.query("mid").and_then(|mid| mid.parse().ok()).and_then(|mid| state.id_of(ME, mid));
    match id {
        Some(id) => show(state, request, &id).await,
        None => content::dead_link(VendorStyle::Chakra, None).into(),
    }
}

async fn show(state: &State, request: &Request, id: &str) -> Reply {
    let Some(media) = state.find(ME, id).await else { return unknown(id) };
    state.deliver(ME, VendorStyle::Chakra, &media, &request.head, Stage::Only)
}

async fn upload(state: &State, request: &Request, plugin: &str) -> Reply {
    if let Some(reply) = state.inject_fault(ME, &request.head) {
        return reply;
    }
    if plugin != state.credentials.chakra_plugin_id {
        return error(404, "Plugin not found");
    }
    let content_type = request.head.header("content-type").unwrap_or_default();
    let Some(parts) = multipart::parse(content_type, &request.body) else {
        // QUIRK(chakra): a malformed form is answered as a failure of the server.
        return error(500, "Internal server error");
    };
    let Some(file) = parts.iter().find(|part| part.name == "file") else {
        return error(400, "file is required");
    };
    let named = parts.iter().find(|part| part.name == "filename" && !part.body.is_empty());
    let name = named
        .map(|part| String::from_utf8_lossy(&part.body).into_owned())
        .or_else(|| file.filename.clone())
        .unwrap_or_else(|| "file".to_owned());
    let mime = match file.content_type.as_deref() {
        None | Some("application/octet-stream") => media::mime_of_name(&name),
        Some(mime) => mime,
    };
    let id = state.store(ME).fresh_id(|number| format!("7e577e57-0000-4000-9000-{number:012x}"));
    if state.save(ME, &id, mime, &name, file.body.clone()).await.is_err() {
        return error(500, "Internal server error");
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let dot = if extension.is_empty() { "" } else { "." };
    let origin = &state.origins().content[ME as usize];
    let url = format!("{origin}/{TEAM}/{}/{id}{dot}{extension}", day(state.now_s()));
    Response::json(200, &json!({"_data": {"publicMediaUrl": url}})).into()
}

/// Answers a request for a public upload, which needs no credential and must not be given one.
pub(crate) async fn content(state: &State, request: &Request) -> Reply {
    if request.head.header_count("authorization") > 0 {
        return error(400, "This host takes no credentials");
    }
    let segments: Vec<&str> = request.head.path().trim_matches('/').split('/').collect();
    let [_, _, file] = segments.as_slice() else { return error(404, "Not found") };
    let id = file.split_once('.').map_or(*file, |(id, _)| id);
    let Some(media) = state.find(ME, id).await else { return error(404, "Not found") };
    state.deliver(ME, VendorStyle::Chakra, &media, &request.head, Stage::Only)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The calendar day of a unix time, as `YYYY-MM-DD`.
fn day(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    // `Fri, 20 Nov 2026 12:00:00 GMT`
    let text = httpdate::fmt_http_date(time);
    let mut words = text.split(' ').skip(1);
    let (day, month, year) =
        (words.next().unwrap_or("01"), words.next().unwrap_or("Jan"), words.next().unwrap_or("1970"));
    let month = MONTHS.iter().position(|name| *name == month).unwrap_or(0) + 1;
    format!("{year}-{month:02}-{day}")
}
