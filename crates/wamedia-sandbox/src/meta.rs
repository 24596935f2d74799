//! Meta's Graph API and its attachment host.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use crate::content::{self, VendorStyle};
use crate::digest;
use crate::faults::{Active, Fault};
use crate::http1::Response;
use crate::http1::{Head, Request};
use crate::media::Media;
use crate::multipart;
use crate::state::{Provider, Reply, Session, Stage, State, bearer_is};

const ME: Provider = Provider::Meta;

/// The accepted types of an upload, in the order of Meta's refusal.
const TYPES: [&str; 19] = [
    "audio/aac",
    "audio/mp4",
    "audio/mpeg",
    "audio/amr",
    "audio/ogg",
    "audio/opus",
    "application/vnd.ms-powerpoint",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/pdf",
    "text/plain",
    "application/vnd.ms-excel",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/3gpp",
];

pub(crate) fn error(status: u16, code: u32, subcode: Option<u32>, kind: &str, message: &str) -> Reply {
    let mut error = json!({"message": message, "type": kind, "code": code, "fbtrace_id": "ATESTtrace"});
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
    }
    Response::json(status, &json!({"error": error}))
        .header("WWW-Authenticate", format!("OAuth \"Facebook Platform\" \"invalid_request\" \"(#{code})\""))
        .into()
}

pub(crate) fn invalid(message: &str) -> Reply {
    error(400, 100, None, "OAuthException", message)
}

pub(crate) fn unknown(id: &str) -> Reply {
    let message = format!(
        "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
         permissions, or does not support this operation. Please read the Graph API documentation at \
         https://developers.facebook.com/docs/graph-api"
    );
    error(400, 100, Some(33), "GraphMethodException", &message)
}

/// True for `v23.0` and its like.
pub(crate) fn is_version(segment: &str) -> bool {
    let Some((major, minor)) = segment.strip_prefix('v').and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Answers a request to the Graph API.
pub(crate) async fn api(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    let path = head.path().trim_matches('/');
    let Some((version, rest)) = path.split_once('/') else { return unknown(path) };
    if !is_version(version) {
        return unknown(version);
    }
    let token = &state.credentials.meta_token;
    if !bearer_is(request, token) && head.query("access_token").as_ref() != Some(token) {
        return error(
            401,
            190,
            None,
            "OAuthException",
            "Invalid OAuth access token - Cannot parse access token",
        );
    }
    let (first, second) = rest.split_once('/').unwrap_or((rest, ""));
    match (head.method.as_str(), first, second) {
        ("GET", id, "") if id.starts_with("upload:") => session_status(state, head, id),
        ("POST", id, "") if id.starts_with("upload:") => session_bytes(state, request, id),
        ("POST", _, "uploads") => session_start(state, head),
        ("POST", number, "media") => upload(state, request, number).await,
        ("GET", id, "") => resolve(state, head, &crate::http1::decode(id)).await,
        ("DELETE", id, "") => delete(state, head, &crate::http1::decode(id)),
        _ => unknown(first),
    }
}

fn other_number(state: &State, head: &Head) -> bool {
    head.query("phone_number_id").is_some_and(|id| id != state.credentials.phone_number_id)
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
    if other_number(state, head) {
        return unknown(id);
    }
    let Some(media) = state.find(ME, id).await else { return unknown(id) };
    let base = format!("{}/whatsapp_business/attachments/", state.origins().content[ME as usize]);
    Reply::with(Response::json(200, &descriptor(state, ME, &media, &base, active)), active)
}

/// The description of Meta, which `ChakraHQ` passes on.
pub(crate) fn descriptor(
    state: &State,
    provider: Provider,
    media: &Media,
    base: &str,
    active: Option<Active>,
) -> Value {
    let is = |name| active.is_some_and(|active| active.is(name));
    let url = state
        .faulty_link(provider, &media.id, active)
        .unwrap_or_else(|| format!("{base}?{}", state.lookaside_query(provider, &media.id)));
    let hex = digest::hex(&media.sha256);
    let mut value = json!({
        "messaging_product": "whatsapp",
        "url": url,
        "mime_type": media.mime,
        "sha256": if is(Fault::BadDigestText) { &hex[..62] } else { &hex },
        "file_size": media.content.len() + if is(Fault::LieLength) { 7 } else { 0 },
        "id": media.id,
    });
    if is(Fault::NoDigest)
        && let Some(object) = value.as_object_mut()
    {
        object.remove("sha256");
    }
    value
}

/// Answers a request to the attachment host.
pub(crate) async fn content(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    if head.path() != "/whatsapp_business/attachments/" {
        return content::dead_link(VendorStyle::Meta, None).into();
    }
    // QUIRK(meta): the host refuses callers without a User-Agent, and those that send two.
    if head.method != "GET" || head.header_count("user-agent") != 1 {
        return html(403, "Forbidden").into();
    }
    if !bearer_is(request, &state.credentials.meta_token) {
        return html(401, "Unauthorized").into();
    }
    let Some((id, generation)) = state.open_link(ME, head) else {
        return content::dead_link(VendorStyle::Meta, None).into();
    };
    let Some(media) = state.find(ME, &id).await else {
        return content::dead_link(VendorStyle::Meta, None).into();
    };
    state.deliver(ME, VendorStyle::Meta, &media, head, Stage::Content(generation))
}

pub(crate) fn html(status: u16, title: &str) -> Response {
    Response::with_body(
        status,
        "text/html; charset=utf-8",
        format!("<!DOCTYPE html><html><title>{title}</title></html>"),
    )
}

async fn upload(state: &State, request: &Request, number: &str) -> Reply {
    if let Some(reply) = state.inject_fault(ME, &request.head) {
        return reply;
    }
    if number != state.credentials.phone_number_id {
        return unknown(number);
    }
    let content_type = request.head.header("content-type").unwrap_or_default();
    let Some(parts) = multipart::parse(content_type, &request.body) else {
        return invalid("(#100) The parameter messaging_product is required.");
    };
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    // GUESS(meta): parameters count in the query as well, as everywhere in the Graph API; whatsapp-api-js sends this
    // one there.
    let product = request.head.query("messaging_product").map(String::into_bytes);
    let product = product.or_else(|| part("messaging_product").map(|part| part.body.to_vec()));
    if product.as_deref() != Some(b"whatsapp") {
        return invalid("(#100) The parameter messaging_product is required.");
    }
    let Some(file) = part("file") else { return invalid("(#100) The parameter file is required.") };
    let mime = file.content_type.as_deref().unwrap_or("application/octet-stream");
    let essence = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !TYPES.contains(&essence.as_str()) {
        return invalid(&format!(
            "(#100) Param file must be a file with one of the following types: {}. Received file of type '{mime}'.",
            TYPES.join(", ")
        ));
    }
    if request.body_bytes > request.body.len() as u64 || file.body.len() as u64 > cap(&essence) {
        return invalid("(#100) Param file is too large.");
    }
    let id = state.store(ME).fresh_id(|number| (2_000_000_000_000 + number).to_string());
    let name = file.filename.as_deref().unwrap_or("file");
    match state.save(ME, &id, mime, name, file.body.clone()).await {
        Ok(_) => Response::json(200, &json!({"id": id})).into(),
        Err(_) => content::vendor_error(VendorStyle::Meta, 500).into(),
    }
}

fn cap(essence: &str) -> u64 {
    const MIB: u64 = 1024 * 1024;
    match essence {
        "image/webp" => 500 * 1024,
        _ if essence.starts_with("image/") => 5 * MIB,
        _ if essence.starts_with("audio/") || essence.starts_with("video/") => 16 * MIB,
        _ => 100 * MIB,
    }
}

fn delete(state: &State, head: &Head, id: &str) -> Reply {
    if let Some(reply) = state.inject_fault(ME, head) {
        return reply;
    }
    if other_number(state, head) || !state.remove(ME, id) {
        return unknown(id);
    }
    Response::json(200, &json!({"success": true})).into()
}

fn session_start(state: &State, head: &Head) -> Reply {
    let (Some(length), Some(mime)) =
        (head.query("file_length").and_then(|text| text.parse().ok()), head.query("file_type"))
    else {
        return invalid("(#100) The parameter file_length is required.");
    };
    let name = head.query("file_name").unwrap_or_else(|| "file".to_owned());
    let mut store = state.store(ME);
    let number = store.next();
    let id = format!(
        "upload:{}",
        digest::base64_url(format!("1:attachment:{number}?file_length={length}").as_bytes())
    );
    let sig = signature(state, &id);
    store.sessions.insert(id.clone(), Session { mime, name, length, bytes: BytesMut::new() });
    Response::json(200, &json!({"id": format!("{id}?sig={sig}")})).into()
}

fn signature(state: &State, id: &str) -> String {
    let mac = digest::hmac_sha256(state.credentials.meta_app_secret.as_bytes(), id.as_bytes());
    format!("ARZ{}", digest::base64_url(&mac[..12]))
}

fn unsigned(state: &State, head: &Head, id: &str) -> Option<Reply> {
    // The signature is part of the id, so anything but the exact text is refused.
    let sent = head.raw_query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("sig=")));
    (sent != Some(signature(state, id).as_str()))
        .then(|| invalid("HMAC check failed: the upload session id is not the one that was given"))
}

fn session_status(state: &State, head: &Head, id: &str) -> Reply {
    if let Some(reply) = unsigned(state, head, id) {
        return reply;
    }
    let store = state.store(ME);
    let Some(session) = store.sessions.get(id) else { return unknown(id) };
    let id = format!("{id}?sig={}", signature(state, id));
    Response::json(200, &json!({"id": id, "file_offset": session.bytes.len()})).into()
}

fn session_bytes(state: &State, request: &Request, id: &str) -> Reply {
    if let Some(reply) = unsigned(state, &request.head, id) {
        return reply;
    }
    let Some(offset) = request.head.header("file_offset").and_then(|text| text.trim().parse::<usize>().ok())
    else {
        return invalid("(#100) The header file_offset is required.");
    };
    let (name, mime, bytes) = {
        let mut store = state.store(ME);
        let Some(session) = store.sessions.get_mut(id) else { return unknown(id) };
        if offset != session.bytes.len() {
            return invalid("(#100) The file_offset is not where the upload stopped.");
        }
        session.bytes.extend_from_slice(&request.body);
        if (session.bytes.len() as u64) < session.length {
            return invalid("(#100) The upload is incomplete.");
        }
        (session.name.clone(), session.mime.clone(), Bytes::copy_from_slice(&session.bytes))
    };
    let hash = digest::base64_url(&digest::sha256(&bytes)[..12]);
    let handle = format!("2:{}:{mime}:{hash}:e:{}:ARTEST", digest::base64(name.as_bytes()), state.now_s());
    Response::json(200, &json!({"h": handle})).into()
}
