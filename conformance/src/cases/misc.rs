//! Capabilities, ids, the status table, connections.

use wamedia_core::{
    Budget, DeleteOptions, ErrorKind, Limits, ListOptions, MediaDescriptor, MediaRef, Mime, OpenOptions,
    ResolveOptions, Source, UploadContent, UploadOptions,
};

use super::{Case, Setup, Verdict, ensure, equal, long_reply, paused, refuse_unread};
use crate::errors::ErrorRow;
use crate::fake_server::Options;
use crate::profile;
use crate::script::ExpectedExchange;
use wamedia_provider::error_for_status;
use wamedia_sandbox::http1::Response;
use wamedia_transfer::TransferOptions;

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let can = &setup.capabilities;
    let mut cases = vec![Case::new("RV-002", "impossible-ids", impossible_ids)];
    for (operation, works) in [
        ("resolve", can.resolve),
        ("open", can.open),
        ("upload", can.upload),
        ("delete", can.delete),
        ("list", can.list),
    ] {
        if !works {
            cases.push(Case::new("CP-001", operation, move |c| undeclared(c, operation)).negative());
        }
    }
    if can.upload && !can.limits.is_empty() {
        cases.push(Case::new("CP-003", "one-byte-too-many", too_many_bytes));
        cases.push(Case::new("CP-003", "as-many-as-allowed", as_many_as_allowed));
    }
    if can.open {
        for (status, kind) in [
            (401, ErrorKind::Unauthorized),
            (403, ErrorKind::Forbidden),
            (413, ErrorKind::TooLarge),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Upstream),
        ] {
            cases.push(Case::new("ER-001", format!("status-{status}"), move |c| {
                status_table(c, status, kind)
            }));
        }
        if setup.root.contains(&format!("{}/errors.json", setup.name)) {
            cases.push(Case::new("ER-002", "documented-replies", |c| documented_replies(c, |_| true)));
            cases.push(Case::new("RT-008", "codes-against-statuses", |c| {
                documented_replies(c, |row| error_for_status(&row.reply()).kind().name() != row.kind)
            }));
        }
        cases.push(Case::new("ER-005", "long-and-coloured-error", long_error));
        cases.push(Case::new("ER-005", "error-without-end", endless_error));
        if setup.profile.error.is_some() {
            cases.push(Case::new("ER-005", "long-text-in-the-envelope", long_text));
        }
        cases.push(Case::new("CC-005", "connections-are-kept", kept_connections));
        cases.push(Case::new("CC-006", "both-runtimes", both_runtimes));
    }
    cases
}

/// Nothing may be sent: the server expects no request at all. A provider without any fixture yet is asked for an
/// id of no meaning.
fn undeclared(setup: &Setup, operation: &str) -> Verdict {
    let base = setup.base().ok();
    let exchanges = if base.is_some() { nothing_expected(setup)? } else { Vec::new() };
    let any_id = || Ok(MediaRef::new(setup.name, setup.id("1").map_err(|error| error.to_string())?));
    let media = base.map_or_else(any_id, |base| setup.media(base))?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let outcome = match operation {
            "resolve" => provider.resolve(&media, ResolveOptions::default()).await.map(|_| ()),
            "open" => {
                let descriptor = MediaDescriptor::new(media, Source::Direct);
                provider.open(&descriptor, OpenOptions::default()).await.map(|_| ())
            }
            "upload" => provider.upload(sample(10)?, UploadOptions::default()).await.map(|_| ()),
            "delete" => provider.delete(&media, DeleteOptions::default()).await.map(|_| ()),
            _ => provider.list(ListOptions::default()).await.map(|_| ()),
        };
        let error = outcome.err().ok_or("it must answer that it cannot")?;
        equal("kind", &error.kind(), &ErrorKind::Unsupported)?;
        equal("requests", &server.log(|log| log.received.len()), &0)
    })
}

fn nothing_expected(setup: &Setup) -> Result<Vec<ExpectedExchange>, String> {
    // One exchange gives the server its host names; the log is checked to be empty.
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    Ok(exchanges)
}

fn sample(size: usize) -> Result<UploadContent, String> {
    let mime = Mime::parse("image/jpeg").map_err(|error| error.to_string())?;
    Ok(UploadContent::from_bytes(vec![0; size], mime, "photo.jpg"))
}

fn too_many_bytes(setup: &Setup) -> Verdict {
    let limit = setup.capabilities.limits.iter().find(|limit| limit.mimes.contains(&"image/jpeg"));
    let limit = limit.ok_or("no limit for a JPEG")?;
    let exchanges = nothing_expected(setup)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let size = usize::try_from(limit.max_bytes + 1).map_err(|error| error.to_string())?;
        let content = sample(size)?.with_kind(limit.kind);
        let error =
            provider.upload(content, UploadOptions::default()).await.err().ok_or("it was accepted")?;
        equal("kind", &error.kind(), &ErrorKind::TooLarge)?;
        equal("requests", &server.log(|log| log.received.len()), &0)
    })
}

/// As large as the limit says, and not a byte more.
fn as_many_as_allowed(setup: &Setup) -> Verdict {
    let limit = setup.capabilities.limits.iter().find(|limit| limit.mimes.contains(&"image/jpeg"));
    let limit = limit.ok_or("no limit for a JPEG")?;
    let mut exchanges = setup.exchanges(setup.fixture("upload/ok")?);
    for exchange in &mut exchanges {
        exchange.request.multipart = None;
    }
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let size = usize::try_from(limit.max_bytes).map_err(|error| error.to_string())?;
        let content = sample(size)?.with_kind(limit.kind);
        let sent = provider.upload(content, UploadOptions::default()).await;
        sent.map(|_| ()).map_err(|error| error.to_string())
    })
}

fn impossible_ids(setup: &Setup) -> Verdict {
    for id in ["", "/", "..", "a/../b", "%2f", "a\r\nb", "a\0b", &"x".repeat(10_240)] {
        match setup.id(id) {
            Ok(_) => return Err(format!("accepted: {id:.20?}")),
            Err(error) => equal("kind", &error.kind(), &ErrorKind::InvalidRequest)?,
        }
    }
    Ok(())
}

fn status_table(setup: &Setup, status: u16, kind: ErrorKind) -> Verdict {
    let mut exchanges = nothing_expected(setup)?;
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(status)).forever();
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &kind)
}

/// What the vendor's documents say about replies to the first request of a fetch, one attempt each.
fn documented_replies(setup: &Setup, is_wanted: fn(&ErrorRow) -> bool) -> Verdict {
    let path = format!("{}/errors.json", setup.name);
    let rows = ErrorRow::read_all(&setup.root.read_text(&path).map_err(|error| error.to_string())?);
    let asked = if setup.capabilities.resolve_remote { "resolve" } else { "open" };
    let is_about = |row: &&ErrorRow| {
        (row.operation == "any" || row.operation == asked) && row.by.as_deref() != Some("link")
    };
    let mut media = setup.media(setup.base()?)?;
    // Media that has just been announced may only be late.
    media.sent_at = Some(setup.clock() - std::time::Duration::from_secs(86_400));
    // A date is one of the rows' own clock; RT-002 has others.
    let is_dated = |row: &&ErrorRow| {
        let wait = row.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
        wait.is_some_and(|(_, value)| value.as_str().is_some_and(|text| text.parse::<u64>().is_err()))
    };
    let mut problems = Vec::new();
    for row in rows.iter().filter(is_about).filter(|row| is_wanted(row) && !is_dated(row)) {
        let documented = row.reply();
        let mut reply = Response::new(row.status).body(documented.body.clone());
        if !row.body.is_string() {
            reply = reply.header("content-type", "application/json");
        }
        for (name, value) in &documented.headers {
            reply = reply.header(name.as_str(), value.to_str().unwrap_or_default());
        }
        let mut exchanges = nothing_expected(setup)?;
        exchanges[0] = exchanges[0].clone().with(|_| reply);
        let error = paused(async {
            let server = setup.serve(exchanges, Options::default()).await?;
            let provider = setup.provider(&server);
            let once = || Budget::new(Limits::default().with_max_attempts(1));
            let resolved = provider.resolve(&media, ResolveOptions::default().with_budget(once())).await;
            let outcome = match resolved {
                Ok(descriptor) => {
                    provider.open(&descriptor, OpenOptions::default().with_budget(once())).await.map(|_| ())
                }
                Err(error) => Err(error),
            };
            Ok::<_, String>(outcome.err())
        })?;
        problems.extend(row.complaint(asked, error.as_ref()));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n  ")) }
}

fn long_error(setup: &Setup) -> Verdict {
    let text = format!("\u{1b}[31mred\r\n{}", "x".repeat(3_000_000));
    is_bounded(setup, Response::new(400).header("content-type", "text/plain").body(text)).map(|_| ())
}

/// The text of a failure goes on for 64 MiB: most of it stays with the server.
fn endless_error(setup: &Setup) -> Verdict {
    let mut exchanges = nothing_expected(setup)?;
    let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n", 64 << 20);
    exchanges[0] = exchanges[0].clone().framed(long_reply(&head, vec![b'x'; 1 << 20]));
    let kind = refuse_unread(setup, &setup.media(setup.base()?)?, exchanges, TransferOptions::default())?;
    equal("kind", &kind, &ErrorKind::InvalidRequest)
}

/// The same in the vendor's own envelope, where it is kept: bounded and on one line.
fn long_text(setup: &Setup) -> Verdict {
    let envelope =
        setup.profile.error.as_ref().ok_or("profile.json does not say what an error looks like")?;
    let mut json = envelope.json.clone();
    let text = format!("\u{1b}[31mred\r\n{}", "x".repeat(30_000));
    ensure(profile::at(&mut json, &envelope.message).is_some(), "the envelope has no place for a text")?;
    profile::set(&mut json, &envelope.message, &text.into());
    let reply = Response::new(envelope.status).header("content-type", "application/json");
    let shown = is_bounded(setup, reply.body(json.to_string()))?;
    ensure(shown.contains("red"), format!("the text is not shown: {shown:.200}"))
}

/// The error that a reply to the first request becomes, with its causes, without control characters.
fn is_bounded(setup: &Setup, reply: Response) -> Result<String, String> {
    let mut exchanges = nothing_expected(setup)?;
    exchanges[0] = exchanges[0].clone().with(|_| reply).forever();
    let run = setup.fetch(exchanges)?;
    let mut shown = run.error()?.to_string();
    let mut cause = std::error::Error::source(run.error()?);
    while let Some(error) = cause {
        shown.push_str(&error.to_string());
        cause = error.source();
    }
    ensure(shown.len() < 2000, format!("{} bytes of message", shown.len()))?;
    ensure(!shown.chars().any(char::is_control), "control characters in the message")?;
    Ok(shown)
}

/// Sequential fetches go over the connections that are there.
fn kept_connections(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    let origins: std::collections::BTreeSet<_> =
        exchanges.iter().map(|exchange| exchange.origin.clone()).collect();
    exchanges.extend(exchanges.clone());
    let media = setup.media(setup.base()?)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        for _ in 0..2 {
            setup.transfer(&*provider).fetch(&media).await.map_err(|error| error.to_string())?;
        }
        equal("connections", &server.connections(), &(origins.len() as u64))
    })
}

/// Built outside any runtime, used on two kinds.
fn both_runtimes(setup: &Setup) -> Verdict {
    let media: MediaRef = setup.media(setup.base()?)?;
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build();
    for runtime in [several, one] {
        let runtime = runtime.map_err(|error| error.to_string())?;
        let exchanges = setup.exchanges(setup.base()?);
        let server = runtime.block_on(setup.serve(exchanges, Options::default()))?;
        let provider = setup.provider(&server);
        let fetched = runtime.block_on(async { setup.transfer(&*provider).fetch(&media).await });
        fetched.map_err(|error| error.to_string())?;
    }
    Ok(())
}
