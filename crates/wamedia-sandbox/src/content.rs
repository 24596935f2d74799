//! Answers that carry media bytes, with ranges and with everything that can go wrong.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use crate::digest;
use crate::faults::Active;
use crate::http1::Response;
use crate::http1::{Head, Step};
use crate::media::{self, Content, Media};

/// Who speaks: it decides the shape of errors and how ranges are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    Meta,
    Chakra,
    Whapi,
    Nxcloud,
    /// The object store behind `NXCloud`.
    Oss,
    /// The object store behind Whapi's links.
    S3,
}

/// An error in the words of the one who speaks, for conditions that every vendor has.
pub(crate) fn vendor_error(voice: Voice, status: u16) -> Response {
    let message = match status {
        401 => "not authorized",
        403 => "forbidden",
        404 => "not found",
        410 => "gone",
        429 => "too many requests",
        503 => "temporarily unavailable",
        _ => "internal error",
    };
    match voice {
        Voice::Oss => oss_error(status, if status == 404 { "NoSuchKey" } else { "InternalError" }, message),
        Voice::S3 => oss_error(status, if status == 404 { "NoSuchKey" } else { "AccessDenied" }, message),
        _ => Response::json(status, &error_body(voice, status, message)),
    }
}

fn error_body(voice: Voice, status: u16, message: &str) -> Value {
    match voice {
        Voice::Meta => {
            let code = match status {
                401 => 190,
                403 => 10,
                429 => 130_429,
                503 => 2,
                500 => 1,
                _ => 100,
            };
            json!({"error": {"message": format!("(#{code}) {message}"), "type": "OAuthException",
                "code": code, "is_transient": status >= 500, "fbtrace_id": "ATESTtrace"}})
        }
        Voice::Chakra => json!({"_data": null, "_meta": {}, "_errors": [message]}),
        Voice::Whapi | Voice::S3 => {
            let message = if status == 404 { "specified media not found" } else { message };
            json!({"error": {"code": status, "message": message}})
        }
        Voice::Nxcloud | Voice::Oss => json!({"code": 9001, "message": message, "data": null}),
    }
}

/// An XML error as object stores write it.
pub(crate) fn oss_error(status: u16, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>{code}</Code>\n  \
         <Message>{message}</Message>\n  <RequestId>TESTREQUESTID</RequestId>\n</Error>\n"
    );
    Response::with_body(status, "application/xml", body)
}

/// The answer of a fault that does not depend on the media.
pub(crate) fn plain_fault(active: Active, voice: Voice, now_http: &str) -> Option<Response> {
    let wait = if active.long { "3600" } else { "1" };
    Some(match active.fault.name {
        "silent" => Response::raw(vec![Step::Hang]),
        "s503" => vendor_error(voice, 503).header("Retry-After", "1"),
        "r429" => vendor_error(voice, 429).header("Retry-After", if active.date { now_http } else { wait }),
        "s5xx-forever" => vendor_error(voice, 500),
        "header-flood" => {
            let filler = "x".repeat(190);
            let mut reply = Response::with_body(200, "application/json", "{}");
            for number in 0..5000 {
                reply.headers.push((format!("X-Flood-{number}"), filler.clone()));
            }
            reply.end(Step::Close)
        }
        "huge-json" => {
            Response::new(200).header("Content-Type", "application/json").end(Step::Close).steps(vec![
                Step::Write(Bytes::from_static(b"{\"padding\":\"")),
                Step::Repeat { bytes: Bytes::from(vec![b'x'; 64 * 1024]), times: 8_000 },
                Step::Write(Bytes::from_static(b"\"}")),
            ])
        }
        "deep-json" => {
            let mut body = "[".repeat(100_000);
            body.push_str(&"]".repeat(100_000));
            Response::with_body(200, "application/json", body)
        }
        _ => return None,
    })
}

/// Where the faults that lead elsewhere lead to.
pub(crate) struct Elsewhere {
    pub(crate) other_host: String,
    pub(crate) trap: String,
}

/// Answers with the bytes of a media object.
pub(crate) fn serve(
    voice: Voice,
    media: &Media,
    head: &Head,
    active: Option<Active>,
    elsewhere: &Elsewhere,
) -> Response {
    let Some(active) = active else { return plain(voice, media, range(voice, media, head)) };
    if active.dead {
        return dead_link(voice, active.status);
    }
    if active.cut {
        return plain(voice, media, None)
            .steps(media.content.steps(0, media.content.len() / 2))
            .end(Step::Close);
    }
    if let Some(response) = instead(voice, media, head, active, elsewhere) {
        return response;
    }
    let changed;
    let media = if active.is("flip") || active.is("range-changed") {
        changed = change(media, active.is("range-changed"));
        &changed
    } else {
        media
    };
    let wanted = if active.is("range-ignored") { None } else { range(voice, media, head) };
    if active.is("range-wrong") {
        return wrong_range(voice, media, wanted, active.total);
    }
    spoil(voice, media, wanted, active)
}

/// Answers of another kind than the bytes.
fn instead(
    voice: Voice,
    media: &Media,
    head: &Head,
    active: Active,
    elsewhere: &Elsewhere,
) -> Option<Response> {
    let length = media.content.len();
    let first_half = || media.content.steps(0, length / 2);
    Some(match active.fault.name {
        "html-200" => Response::with_body(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><title>Error</title></html>",
        ),
        "json-200" => Response::json(200, &error_body(voice, 500, "internal error")),
        "empty-200" => Response::with_body(200, &media.mime, Bytes::new()),
        "early" => vendor_error(voice, 404),
        "expired" => dead_link(voice, active.status),
        "redirect" => redirect(&elsewhere.other_host),
        "redirect-private" => redirect(&elsewhere.trap),
        "redirect-loop" => redirect(&head.target),
        "downgrade" => redirect("http://media.downgrade.invalid/photo.jpg"),
        "416" => outside(length),
        "cut-undeclared" => Response::new(200)
            .header("Content-Type", &media.mime)
            .header("ETag", media.etag())
            .steps(first_half())
            .end(Step::Close),
        "cut-chunked" => {
            let mut body = vec![Step::Write(Bytes::from(format!("{:x}\r\n", length / 2)))];
            body.extend(first_half());
            body.push(Step::Write(Bytes::from_static(b"\r\n")));
            chunked(media).steps(body).end(Step::Close)
        }
        "over" => {
            let mut body = vec![Step::Write(Bytes::from(format!("{length:x}\r\n")))];
            body.extend(media.content.steps(0, length));
            body.push(Step::Write(Bytes::from_static(b"\r\n")));
            let mut extra = BytesMut::from(&b"10000\r\n"[..]);
            extra.resize(extra.len() + 64 * 1024, 0);
            extra.extend_from_slice(b"\r\n");
            body.push(Step::Repeat { bytes: extra.freeze(), times: 1024 });
            body.push(Step::Write(Bytes::from_static(b"0\r\n\r\n")));
            chunked(media).steps(body)
        }
        "bomb" => {
            let bytes = Bytes::from_static(media::BOMB);
            Response::with_body(200, &media.mime, bytes).header("Content-Encoding", "gzip")
        }
        _ => return None,
    })
}

/// The bytes, with what the fault does to their sending.
fn spoil(voice: Voice, media: &Media, wanted: Option<Wanted>, active: Active) -> Response {
    let (start, end) = match wanted {
        Some(Wanted::Part(start, end)) => (start, end),
        Some(Wanted::Outside) => return outside(media.content.len()),
        None => (0, media.content.len()),
    };
    let reply = plain(voice, media, wanted);
    let first_half = || media.content.steps(start, start + (end - start) / 2);
    match active.fault.name {
        "cut-declared" => reply.steps(first_half()).end(Step::Close),
        "reset" | "expired-mid" => reply.steps(first_half()).end(Step::Reset),
        "stall" => {
            let mut body = first_half();
            body.push(Step::Hang);
            reply.steps(body).end(Step::Close)
        }
        "drip" => {
            let bytes = media.content.bytes(end).slice(usize::try_from(start).unwrap_or(0)..);
            reply.steps(vec![Step::Drip { bytes, every: Duration::from_secs(1) }])
        }
        "slow-big" => {
            let mut body = Vec::new();
            let mut at = start;
            while at < end {
                let next = end.min(at + 64 * 1024);
                body.extend(media.content.steps(at, next));
                body.push(Step::Sleep(Duration::from_secs(1)));
                at = next;
            }
            reply.steps(body)
        }
        "traversal" => reply.header("Content-Disposition", "attachment; filename=\"../../x\""),
        "wrong-type" => reply.header("Content-Type", "image/png"),
        _ => reply,
    }
}

fn wrong_range(voice: Voice, media: &Media, wanted: Option<Wanted>, total: bool) -> Response {
    let length = media.content.len();
    match wanted {
        Some(Wanted::Part(start, end)) if total => part(voice, media, start, end, length + 1),
        Some(Wanted::Part(start, end)) if start + 1 < end => part(voice, media, start + 1, end, length),
        _ => plain(voice, media, wanted),
    }
}

fn plain(voice: Voice, media: &Media, wanted: Option<Wanted>) -> Response {
    let length = media.content.len();
    match wanted {
        Some(Wanted::Outside) => outside(length),
        Some(Wanted::Part(start, end)) => part(voice, media, start, end, length),
        None => base(Response::new(200), voice, media)
            .header("Content-Length", length)
            .steps(media.content.steps(0, length)),
    }
}

fn part(voice: Voice, media: &Media, start: u64, end: u64, total: u64) -> Response {
    base(Response::new(206), voice, media)
        .header("Content-Length", end - start)
        .header("Content-Range", format!("bytes {start}-{}/{total}", end - 1))
        .steps(media.content.steps(start, end))
}

fn outside(length: u64) -> Response {
    Response::with_body(416, "text/plain", "range not satisfiable")
        .header("Content-Range", format!("bytes */{length}"))
}

/// What a dead link answers.
pub(crate) fn dead_link(voice: Voice, status: Option<u16>) -> Response {
    match (voice, status) {
        (Voice::Oss, None | Some(403)) => oss_error(403, "AccessDenied", "Request has expired."),
        (Voice::Meta, None | Some(404)) => Response::with_body(
            404,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><title>Not Found</title></html>",
        ),
        (_, status) => vendor_error(voice, status.unwrap_or(404)),
    }
}

fn redirect(to: &str) -> Response {
    Response::new(302).header("Location", to)
}

fn chunked(media: &Media) -> Response {
    Response::new(200)
        .header("Content-Type", &media.mime)
        .header("ETag", media.etag())
        .header("Transfer-Encoding", "chunked")
}

fn base(reply: Response, voice: Voice, media: &Media) -> Response {
    let reply = reply.header("Content-Type", &media.mime).header("Accept-Ranges", "bytes");
    if voice == Voice::Oss {
        let Content::Stored(bytes) = &media.content else {
            return reply.header("ETag", media.etag()).header("x-oss-object-type", "Multipart");
        };
        let md5 = digest::md5(bytes);
        return reply
            .header("ETag", format!("\"{}\"", digest::hex(&md5).to_uppercase()))
            .header("Content-MD5", digest::base64(&md5))
            .header("x-oss-object-type", "Normal")
            .header("x-oss-request-id", "TESTREQUESTID");
    }
    reply.header("ETag", media.etag())
}

/// The same object with one bit changed, or another object of the same length.
fn change(media: &Media, everywhere: bool) -> Media {
    let mut bytes = media.content.bytes(64 * 1024 * 1024).to_vec();
    let middle = bytes.len() / 2;
    if everywhere {
        for byte in &mut bytes {
            *byte ^= 0x55;
        }
    } else if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    let mut changed = media.clone();
    if everywhere {
        changed.sha256 = digest::sha256(&bytes);
    }
    changed.content = Content::Stored(Bytes::from(bytes));
    changed
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// Start and exclusive end.
    Part(u64, u64),
    Outside,
}

/// Reads a single `Range`. Anything else is ignored, which is what servers do.
fn range(voice: Voice, media: &Media, head: &Head) -> Option<Wanted> {
    let spec = head.header("range")?.trim().strip_prefix("bytes=")?;
    if let Some(validator) = head.header("if-range") {
        let mine = digest_etag(voice, media);
        if validator.trim() != mine {
            return None;
        }
    }
    let length = media.content.len();
    let (first, last) = spec.split_once('-')?;
    let (start, end) = if first.trim().is_empty() {
        let suffix: u64 = last.trim().parse().ok()?;
        (length.saturating_sub(suffix), length)
    } else {
        let start: u64 = first.trim().parse().ok()?;
        let end = match last.trim() {
            "" => length,
            last => last.parse::<u64>().ok()?.checked_add(1)?,
        };
        (start, end)
    };
    // The object store of NXCloud ignores what lies outside; the others refuse it and clamp the end.
    if voice == Voice::Oss && end > length {
        return None;
    }
    if start >= length || start >= end {
        return (voice != Voice::Oss).then_some(Wanted::Outside);
    }
    Some(Wanted::Part(start, end.min(length)))
}

fn digest_etag(voice: Voice, media: &Media) -> String {
    match (&media.content, voice) {
        (Content::Stored(bytes), Voice::Oss) => {
            format!("\"{}\"", digest::hex(&digest::md5(bytes)).to_uppercase())
        }
        _ => media.etag(),
    }
}
