//! 360dialog: Meta's replies behind one host and one header, with links that point elsewhere.

use serde_json::json;

use crate::content::{self, VendorStyle};
use crate::faults::Fault;
use crate::http1::{Head, Request, Response, decode};
use crate::meta::{self, unknown};
use crate::multipart;
use crate::state::{Provider, Reply, Stage, State};

const ME: Provider = Provider::Dialog360;
const ATTACHMENTS: &str = "/whatsapp_business/attachments/";

/// Answers a request to the API, which has the content as well.
pub(crate) async fn api(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    let key = &state.credentials.dialog360_api_key;
    if head.header_count("d360-api-key") != 1 || head.header("d360-api-key") != Some(key) {
        // GUESS: the gateway's own form.
        let meta = json!({"success": false, "http_code": 401, "developer_message": "Invalid api key"});
        return Response::json(401, &json!({"meta": meta})).into();
    }
    match (head.method.as_str(), head.path()) {
        ("GET", ATTACHMENTS) => attachment(state, head).await,
        ("POST", "/media") => upload(state, request).await,
        ("GET", path) => resolve(state, head, &decode(path.trim_matches('/'))).await,
        ("DELETE", path) => delete(state, head, &decode(path.trim_matches('/'))),
        (_, path) => unknown(path),
    }
}

/// Meta's host, which the API key does not open.
pub(crate) fn content() -> Reply {
    meta::html(401, "Unauthorized").into()
}

async fn resolve(state: &State, head: &Head, id: &str) -> Reply {
    let active = state.active(ME, Stage::Resolve, Some(id), head);
    if let Some(active) = active {
        if let Some(response) = content::plain_fault(active, VendorStyle::Meta, &state.soon_http()) {
            return Reply::with(response, Some(active));
        }
        if active.is(Fault::Gone) {
            return Reply { fault: Some(active.fault), ..unknown(id) };
        }
    }
    let Some(media) = state.find(ME, id).await else { return unknown(id) };
    // QUIRK(360dialog): the link points at Meta's host; clients put its path and query on the API's.
    let base = format!("{}{ATTACHMENTS}", state.origins().content[ME as usize]);
    Reply::with(Response::json(200, &meta::descriptor(state, ME, &media, &base, active)), active)
}

async fn attachment(state: &State, head: &Head) -> Reply {
    let dead = || Reply::from(content::dead_link(VendorStyle::Meta, None));
    let Some((id, generation)) = state.open_link(ME, head) else { return dead() };
    let Some(media) = state.find(ME, &id).await else { return dead() };
    state.deliver(ME, VendorStyle::Meta, &media, head, Stage::Content(generation))
}

async fn upload(state: &State, request: &Request) -> Reply {
    if let Some(reply) = state.inject_fault(ME, &request.head) {
        return reply;
    }
    let content_type = request.head.header("content-type").unwrap_or_default();
    let parts = multipart::parse(content_type, &request.body).unwrap_or_default();
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    if part("messaging_product").is_none_or(|part| &part.body[..] != b"whatsapp") {
        return meta::invalid("(#100) The parameter messaging_product is required.");
    }
    let Some(file) = part("file") else { return meta::invalid("(#100) The parameter file is required.") };
    let mime = file.content_type.as_deref().unwrap_or("application/octet-stream");
    let id = state.store(ME).fresh_id(|number| (3_000_000_000_000 + number).to_string());
    let name = file.filename.as_deref().unwrap_or("file");
    match state.save(ME, &id, mime, name, file.body.clone()).await {
        Ok(_) => Response::json(200, &json!({"id": id})).into(),
        Err(_) => content::vendor_error(VendorStyle::Meta, 500).into(),
    }
}

fn delete(state: &State, head: &Head, id: &str) -> Reply {
    if let Some(reply) = state.inject_fault(ME, head) {
        return reply;
    }
    if !state.remove(ME, id) {
        return unknown(id);
    }
    Response::json(200, &json!({"success": true})).into()
}
