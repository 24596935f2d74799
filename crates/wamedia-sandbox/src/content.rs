//! Answers that carry media bytes, with ranges and with everything that can go wrong.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use crate::digest;
use crate::faults::{Active, Fault};
use crate::http1::Response;
use crate::http1::{Head, Step};
use crate::media::{self, Content, Media};

/// Whose replies are imitated: decides the shape of errors and how ranges are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VendorStyle {
    Meta,
    Chakra,
    Whapi,
    Nxcloud,
    Twilio,
    /// The object store behind `NXCloud`.
    Oss,
    /// The object store behind Whapi's links, and Twilio's content network.
    S3,
}

/// An error in the vendor's shape, for conditions that every vendor has.
pub(crate) fn vendor_error(style: VendorStyle, status: u16) -> Response {
    let message = match status {
        401 => "not authorized",
        403 => "forbidden",
        404 => "not found",
        410 => "gone",
        429 => "too many requests",
        503 => "temporarily unavailable",
        _ => "internal error",
    };
    match style {
        VendorStyle::Oss => {
            oss_error(status, if status == 404 { "NoSuchKey" } else { "InternalError" }, message)
        }
        VendorStyle::S3 => {
            oss_error(status, if status == 404 { "NoSuchKey" } else { "AccessDenied" }, message)
        }
        _ => Response::json(status, &error_body(style, status, message)),
    }
}

fn error_body(style: VendorStyle, status: u16, message: &str) -> Value {
    match style {
        VendorStyle::Meta => {
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
        VendorStyle::Chakra => json!({"_data": null, "_meta": {}, "_errors": [message]}),
        VendorStyle::Whapi | VendorStyle::S3 => {
            let message = if status == 404 { "specified media not found" } else { message };
            json!({"error": {"code": status, "message": message}})
        }
        VendorStyle::Twilio => {
            let code = match status {
                401 => 20_003,
                _ => 20_000 + u32::from(status),
            };
            json!({"code": code, "message": message, "status": status,
                "more_info": format!("https://www.twilio.com/docs/errors/{code}")})
        }
        VendorStyle::Nxcloud | VendorStyle::Oss => json!({"code": 9001, "message": message, "data": null}),
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
pub(crate) fn plain_fault(active: Active, style: VendorStyle, now_http: &str) -> Option<Response> {
    let wait = if active.long { "3600" } else { "1" };
    Some(match active.fault {
        Fault::Silent => Response::raw(vec![Step::Hang]),
        Fault::S503 => vendor_error(style, 503).header("Retry-After", "1"),
        Fault::R429 => {
            vendor_error(style, 429).header("Retry-After", if active.date { now_http } else { wait })
        }
        Fault::S5xxForever => vendor_error(style, 500),
        Fault::HeaderFlood => {
            let filler = "x".repeat(190);
            let mut reply = Response::with_body(200, "application/json", "{}");
            for number in 0..5000 {
                reply.headers.push((format!("X-Flood-{number}"), filler.clone()));
            }
            reply.end(Step::Close)
        }
        Fault::HugeJson => {
            Response::new(200).header("Content-Type", "application/json").end(Step::Close).steps(vec![
                Step::Write(Bytes::from_static(b"{\"padding\":\"")),
                Step::Repeat { bytes: Bytes::from(vec![b'x'; 64 * 1024]), times: 8_000 },
                Step::Write(Bytes::from_static(b"\"}")),
            ])
        }
        Fault::DeepJson => {
            let mut body = "[".repeat(100_000);
            body.push_str(&"]".repeat(100_000));
            Response::with_body(200, "application/json", body)
        }
        _ => return None,
    })
}

/// The targets of the faults that redirect.
pub(crate) struct RedirectTargets {
    pub(crate) other_host: String,
    pub(crate) forbidden_host: String,
}

/// Answers with the bytes of a media object.
pub(crate) fn serve(
    style: VendorStyle,
    media: &Media,
    head: &Head,
    active: Option<Active>,
    targets: &RedirectTargets,
) -> Response {
    let Some(active) = active else { return plain(style, media, range(style, media, head)) };
    if active.dead {
        return dead_link(style, active.status);
    }
    if active.cut {
        return plain(style, media, None)
            .steps(media.content.steps(0, media.content.len() / 2))
            .end(Step::Close);
    }
    if let Some(response) = replace_response(style, media, head, active, targets) {
        return response;
    }
    let changed;
    let media = if active.is(Fault::Flip) || active.is(Fault::RangeChanged) {
        changed = change(media, active.is(Fault::RangeChanged));
        &changed
    } else {
        media
    };
    let wanted = if active.is(Fault::RangeIgnored) { None } else { range(style, media, head) };
    if active.is(Fault::RangeWrong) {
        return wrong_range(style, media, wanted, active.total);
    }
    corrupt(style, media, wanted, active)
}

/// The reply of a fault that sends something other than the bytes.
fn replace_response(
    style: VendorStyle,
    media: &Media,
    head: &Head,
    active: Active,
    targets: &RedirectTargets,
) -> Option<Response> {
    let length = media.content.len();
    let first_half = || media.content.steps(0, length / 2);
    Some(match active.fault {
        Fault::Html200 => Response::with_body(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><title>Error</title></html>",
        ),
        Fault::Json200 => Response::json(200, &error_body(style, 500, "internal error")),
        Fault::Empty200 => Response::with_body(200, &media.mime, Bytes::new()),
        Fault::Early => vendor_error(style, 404),
        Fault::Expired => dead_link(style, active.status),
        Fault::Redirect => redirect(&targets.other_host),
        Fault::RedirectPrivate => redirect(&targets.forbidden_host),
        Fault::RedirectLoop => redirect(&head.target),
        Fault::Downgrade => redirect("http://media.downgrade.invalid/photo.jpg"),
        Fault::RangeNotSatisfiable => outside(length),
        Fault::CutUndeclared => Response::new(200)
            .header("Content-Type", &media.mime)
            .header("ETag", media.etag())
            .steps(first_half())
            .end(Step::Close),
        Fault::CutChunked => {
            let mut body = vec![Step::Write(Bytes::from(format!("{:x}\r\n", length / 2)))];
            body.extend(first_half());
            body.push(Step::Write(Bytes::from_static(b"\r\n")));
            chunked(media).steps(body).end(Step::Close)
        }
        Fault::Over => {
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
        Fault::Bomb => {
            let bytes = Bytes::from_static(media::BOMB);
            Response::with_body(200, &media.mime, bytes).header("Content-Encoding", "gzip")
        }
        _ => return None,
    })
}

/// The bytes, sent as the fault demands: cut, slowed down, or under wrong headers.
fn corrupt(style: VendorStyle, media: &Media, wanted: Option<Wanted>, active: Active) -> Response {
    let (start, end) = match wanted {
        Some(Wanted::Part(start, end)) => (start, end),
        Some(Wanted::Outside) => return outside(media.content.len()),
        None => (0, media.content.len()),
    };
    let reply = plain(style, media, wanted);
    let first_half = || media.content.steps(start, start + (end - start) / 2);
    match active.fault {
        Fault::CutDeclared => reply.steps(first_half()).end(Step::Close),
        Fault::Reset | Fault::ExpiredMid => reply.steps(first_half()).end(Step::Reset),
        Fault::Stall => {
            let mut body = first_half();
            body.push(Step::Hang);
            reply.steps(body).end(Step::Close)
        }
        Fault::Drip => {
            let bytes = media.content.bytes(end).slice(usize::try_from(start).unwrap_or(0)..);
            reply.steps(vec![Step::Drip { bytes, every: Duration::from_secs(1) }])
        }
        Fault::SlowBig => {
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
        Fault::Traversal => reply.header("Content-Disposition", "attachment; filename=\"../../x\""),
        Fault::WrongType => reply.header("Content-Type", "image/png"),
        _ => reply,
    }
}

fn wrong_range(style: VendorStyle, media: &Media, wanted: Option<Wanted>, total: bool) -> Response {
    let length = media.content.len();
    match wanted {
        Some(Wanted::Part(start, end)) if total => part(style, media, start, end, length + 1),
        Some(Wanted::Part(start, end)) if start + 1 < end => part(style, media, start + 1, end, length),
        _ => plain(style, media, wanted),
    }
}

fn plain(style: VendorStyle, media: &Media, wanted: Option<Wanted>) -> Response {
    let length = media.content.len();
    match wanted {
        Some(Wanted::Outside) => outside(length),
        Some(Wanted::Part(start, end)) => part(style, media, start, end, length),
        None => base(Response::new(200), style, media)
            .header("Content-Length", length)
            .steps(media.content.steps(0, length)),
    }
}

fn part(style: VendorStyle, media: &Media, start: u64, end: u64, total: u64) -> Response {
    base(Response::new(206), style, media)
        .header("Content-Length", end - start)
        .header("Content-Range", format!("bytes {start}-{}/{total}", end - 1))
        .steps(media.content.steps(start, end))
}

fn outside(length: u64) -> Response {
    Response::with_body(416, "text/plain", "range not satisfiable")
        .header("Content-Range", format!("bytes */{length}"))
}

/// What a dead link answers.
pub(crate) fn dead_link(style: VendorStyle, status: Option<u16>) -> Response {
    match (style, status) {
        (VendorStyle::Oss, None | Some(403)) => oss_error(403, "AccessDenied", "Request has expired."),
        (VendorStyle::Meta, None | Some(404)) => Response::with_body(
            404,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><title>Not Found</title></html>",
        ),
        (_, status) => vendor_error(style, status.unwrap_or(404)),
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

fn base(reply: Response, style: VendorStyle, media: &Media) -> Response {
    let reply = reply.header("Content-Type", &media.mime).header("Accept-Ranges", "bytes");
    if style == VendorStyle::Oss {
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
fn range(style: VendorStyle, media: &Media, head: &Head) -> Option<Wanted> {
    let spec = head.header("range")?.trim().strip_prefix("bytes=")?;
    if let Some(validator) = head.header("if-range") {
        let mine = digest_etag(style, media);
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
    // The object store of NXCloud ignores a range outside the object; the others refuse it, and clamp its end.
    if style == VendorStyle::Oss && end > length {
        return None;
    }
    if start >= length || start >= end {
        return (style != VendorStyle::Oss).then_some(Wanted::Outside);
    }
    Some(Wanted::Part(start, end.min(length)))
}

fn digest_etag(style: VendorStyle, media: &Media) -> String {
    match (&media.content, style) {
        (Content::Stored(bytes), VendorStyle::Oss) => {
            format!("\"{}\"", digest::hex(&digest::md5(bytes)).to_uppercase())
        }
        _ => media.etag(),
    }
}
