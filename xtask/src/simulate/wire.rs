//! The wire driver: real providers and the real transport against a scripted server, in one runtime with the
//! clock paused: real sockets, virtual time. What is each provider's own stands in `vendor.rs`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::TcpListener;
use wamedia_conformance::simulation::{
    Advice, BodyLog, BodyReply, End, Ending, Failure, RedirectTo, RequestWhat, ScriptedReply, Trace, World,
    WorldEvent,
};
use wamedia_sandbox::http1::{Limits, Request, Server, Step};

use super::adapter::leaks;
use super::engine;
use super::provider::{Shared, Simulated};
use super::reply::ScriptedBody;
use super::vendor::{Origins, Vendor};

/// At most so many pieces of one body are written one by one.
const MAX_PIECES: usize = 300;
/// Pauses come before so many pieces only.
const PAUSED_PIECES: usize = 5;

/// The world without what cannot happen over sockets, and without what the vendor never states.
pub(crate) fn adapted(world: &World) -> World {
    let mut world = world.clone();
    let vendor = Vendor::of(&world);
    vendor.adapt(&mut world);
    if matches!(world.event, WorldEvent::Twice | WorldEvent::Apart | WorldEvent::Crash(_)) {
        world.event = WorldEvent::None;
    }
    world
}

/// Runs a world.
pub(crate) fn run(world: &World) -> Result<Trace, String> {
    let shared = Shared::new(world.clone(), provider_name(world));
    let mut server = None;
    let outcome = engine::with_providers(&shared, |shared| {
        let (started, current, origins) = start(shared)?;
        server = Some(started);
        let provider = Vendor::of(&shared.world).provider(&shared.world, &origins)?;
        Ok(Box::new(move |run| {
            current.store(run, Relaxed);
            Arc::clone(&provider)
        }))
    });
    drop(server);
    outcome.map(|trace| Trace { wire: true, ..trace })
}

/// The name of the provider that the world runs with.
pub(crate) fn provider_name(world: &World) -> &'static str {
    Vendor::of(world).name()
}

/// Starts a server for each origin; the number is that of the current run.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<([Server; 3], Arc<AtomicUsize>, Origins), String> {
    let (api, other, forbidden) = (listen()?, listen()?, listen()?);
    let origins = Origins { api: api.1, other: other.1, forbidden: forbidden.1 };
    let current = Arc::new(AtomicUsize::new(0));
    let serve = |listener, origin: &str| {
        let (shared, run) = (Arc::clone(shared), Arc::clone(&current));
        let (origins, here) = (origins.clone(), origin.to_owned());
        let service = move |request: Request| {
            let provider = Simulated { shared: Arc::clone(&shared), run: run.load(Relaxed) };
            check_secret(&provider, &request, &here, &origins);
            let steps = answer(&provider, &request, &origins);
            async move { steps }
        };
        let server = Server::start(listener, service, Limits::default(), |stream| async move { Ok(stream) });
        server.map_err(|error| format!("cannot start a server: {error}"))
    };
    let servers = [
        serve(api.0, &origins.api)?,
        serve(other.0, &origins.other)?,
        serve(forbidden.0, &origins.forbidden)?,
    ];
    Ok((servers, current, origins))
}

fn listen() -> Result<(TcpListener, String), String> {
    let problem = |error: std::io::Error| format!("cannot start a server: {error}");
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(problem)?;
    listener.set_nonblocking(true).map_err(problem)?;
    let origin = format!("http://{}", listener.local_addr().map_err(problem)?);
    Ok((TcpListener::from_std(listener).map_err(problem)?, origin))
}

fn shows_secret(request: &Request) -> bool {
    let headers = request.head.headers.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
    leaks(&request.head.target) || headers.into_iter().any(|(name, value)| leaks(name) || leaks(&value))
}

/// Every redirect comes from the origin of the API, so that no other one may see the credential.
fn check_secret(provider: &Simulated, request: &Request, here: &str, origins: &Origins) {
    let path = request.head.path();
    let got = match here {
        here if here == origins.forbidden => "a request to an address that is not public".to_owned(),
        here if here == origins.other && shows_secret(request) => {
            format!("a credential in a request to another origin: {path}")
        }
        _ if Vendor::of(&provider.shared.world).must_not_send(&request.head) => {
            format!("a credential where it has no business: {path}")
        }
        _ => return,
    };
    provider.shared.state().sent_elsewhere.push(got);
}

fn answer(provider: &Simulated, request: &Request, origins: &Origins) -> Vec<Step> {
    let vendor = Vendor::of(&provider.shared.world);
    let content = request.head.path().starts_with("/content/") || !vendor.has_links();
    let number = vendor.object(request);
    let Some(object) = number.filter(|object| *object < provider.shared.world.objects.len()) else {
        return plain(404, "{}", None);
    };
    if content {
        content_answer(provider, object, request, origins)
    } else {
        link_answer(provider, object, vendor, &origins.api)
    }
}

/// The reply that names the link.
fn link_answer(provider: &Simulated, object: usize, vendor: Vendor, origin: &str) -> Vec<Step> {
    let described = &provider.shared.world.objects[object];
    let (number, version) = provider.shared.next_resolve(object);
    if let Some(failure) = described.resolve.get(number as usize).cloned().flatten() {
        let logged = provider.log_failure(object, RequestWhat::Resolve, &failure);
        return logged.map_or_else(|_| vec![Step::Reset], |_| fail(&failure));
    }
    let logged = provider.log(object, RequestWhat::Resolve, Ok(BodyLog { version, ..BodyLog::default() }));
    if logged.is_err() {
        return vec![Step::Reset];
    }
    plain(200, &vendor.descriptor(&provider.shared, object, version, origin).to_string(), None)
}

/// The reply with the bytes.
fn content_answer(provider: &Simulated, object: usize, request: &Request, origins: &Origins) -> Vec<Step> {
    let offset = request
        .head
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse::<u64>().ok());
    let validator = request.head.header("if-range").map(ToOwned::to_owned);
    let what = RequestWhat::Open { offset, validator: validator.clone() };
    let number = provider.shared.next_open(object);
    let script = match provider.shared.world.objects[object].reply(number, &provider.shared.world.server) {
        ScriptedReply::Body(script) => script,
        ScriptedReply::Redirect(to) => return redirect(to, request, origins),
        ScriptedReply::Fail(failure) => {
            let logged = provider.log_failure(object, what, &failure);
            return logged.map_or_else(|_| vec![Step::Reset], |_| fail(&failure));
        }
    };
    let asked = (offset.unwrap_or(0), validator.as_deref());
    let Some(mut body) = provider.body(object, number, asked, &script) else {
        let logged = provider.log(object, what, Err("range refused".to_owned()));
        return logged.map_or_else(|_| vec![Step::Reset], |_| plain(416, "", None));
    };
    // A client reads no further than the stated length.
    let length = body.head.body_bytes.and_then(|length| usize::try_from(length).ok());
    let seen = length.map_or(body.bytes.len(), |length| length.min(body.bytes.len()));
    let complete = length.is_none_or(|length| length <= body.bytes.len());
    let clean = complete && (length.is_some() || !matches!(script.end, End::Break(_) | End::Stall(_)));
    body.log.sent = body.bytes.slice(..seen);
    body.log.ending = if clean { Ending::Clean } else { Ending::Error };
    if provider.log(object, what, Ok(body.log.clone())).is_err() {
        return vec![Step::Reset];
    }
    body_steps(&script, &body)
}

/// A redirect to the same path.
fn redirect(to: RedirectTo, request: &Request, origins: &Origins) -> Vec<Step> {
    let origin = match to {
        RedirectTo::Same => &origins.api,
        RedirectTo::Other => &origins.other,
        RedirectTo::Forbidden => &origins.forbidden,
    };
    let path = request.head.path();
    let text = format!("HTTP/1.1 302 Status\r\nLocation: {origin}{path}\r\nContent-Length: 0\r\n\r\n");
    vec![Step::Write(text.into())]
}

/// The head and the body as steps of the server.
fn body_steps(script: &BodyReply, body: &ScriptedBody) -> Vec<Step> {
    let mut steps = vec![Step::Write(head_text(body).into())];
    write_pieces(script, body, &mut steps);
    let is_chunked = body.head.body_bytes.is_none();
    match script.end {
        End::Break(_) => steps.push(Step::Close),
        End::Stall(_) => steps.push(Step::Hang),
        _ if is_chunked => steps.push(Step::Write(b"0\r\n\r\n"[..].into())),
        _ if body.head.body_bytes != Some(body.bytes.len() as u64) => steps.push(Step::Close),
        _ => {}
    }
    steps
}

fn head_text(body: &ScriptedBody) -> String {
    let head = &body.head;
    let mut text = format!("HTTP/1.1 {} Status\r\n", if head.partial { 206 } else { 200 });
    if let Some(mime) = &head.mime {
        text.push_str(&format!("Content-Type: {mime}\r\n"));
    }
    if let Some(validator) = &head.validator {
        text.push_str(&format!("ETag: {validator}\r\n"));
    }
    if head.partial {
        let last = (head.start + body.honest).saturating_sub(1);
        let total = head.total_bytes.map_or_else(|| "*".to_owned(), |total| total.to_string());
        text.push_str(&format!("Content-Range: bytes {}-{last}/{total}\r\n", head.start));
    }
    match head.body_bytes {
        Some(length) => text.push_str(&format!("Content-Length: {length}\r\n\r\n")),
        None => text.push_str("Transfer-Encoding: chunked\r\n\r\n"),
    }
    text
}

/// Writes the body in the pieces that the script wants.
fn write_pieces(script: &BodyReply, body: &ScriptedBody, steps: &mut Vec<Step>) {
    let (chunked, body) = (body.head.body_bytes.is_none(), &body.bytes);
    let least = body.len() / MAX_PIECES + 1;
    let mut taken = 0;
    while taken < body.len() {
        let first = script.first_chunk.filter(|_| taken == 0);
        let size = first.map_or((script.chunk as usize).max(least), |first| first.max(1) as usize);
        let piece = body.slice(taken..(taken + size).min(body.len()));
        taken += piece.len();
        if script.pause_ms > 0 && steps.len() < 2 * PAUSED_PIECES {
            steps.push(Step::Sleep(Duration::from_millis(script.pause_ms.into())));
        }
        if chunked {
            let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
            framed.extend_from_slice(&piece);
            framed.extend_from_slice(b"\r\n");
            steps.push(Step::Write(framed.into()));
        } else {
            steps.push(Step::Write(piece));
        }
    }
}

fn fail(failure: &Failure) -> Vec<Step> {
    let status = match failure.kind.as_str() {
        "transport" => return vec![Step::Reset],
        "timeout" => return vec![Step::Hang],
        "expired" | "not_found" => 404,
        "rate_limited" => 429,
        "unauthorized" => 401,
        _ => failure.status.unwrap_or(503),
    };
    let after = match failure.retry {
        Advice::After(ms) => Some(ms.div_ceil(1_000)),
        Advice::Never | Advice::Backoff => None,
    };
    plain(status, "{\"error\":{\"message\":\"as scripted\",\"code\":1}}", after)
}

fn plain(status: u16, body: &str, retry_after: Option<u64>) -> Vec<Step> {
    let after = retry_after.map_or_else(String::new, |seconds| format!("Retry-After: {seconds}\r\n"));
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{after}\r\n{body}"
    );
    vec![Step::Write(text.into())]
}
