//! Concurrent transfers, slow readers, file names, proxies, handshakes.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use wamedia_core::{ContentMetadata, ErrorKind, MediaRef, OpenOptions, ResolveOptions};
use wamedia_sandbox::http1::{Framing, Outcome, Response, Step};
use wamedia_transfer::{Job, ManyOptions, Target, safe_name, transfer_many};

use super::{Case, Setup, Verdict, ensure, equal, paused, settled};
use crate::fake_server::Options;
use crate::matching::Matcher;
use crate::mutations::MUTATION;
use crate::script::ExpectedExchange;

/// How long a content takes where it matters.
const LONG: Duration = Duration::from_secs(1);
/// How many are fetched at once.
const MANY: usize = 100;

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    if !setup.capabilities.open {
        return Vec::new();
    }
    vec![
        Case::new("CC-003", "a-hundred-at-once", many_at_once),
        Case::new("CC-004", "limit-and-one-failure", limited),
        Case::new("LM-004", "a-reader-that-stops", reader_stops),
        Case::new("LM-009", "silent-handshake", silent_handshake),
        Case::new("DL-005", "head-before-body", head_first),
        Case::new("SE-011", "names-from-outside", hostile_names),
        Case::new("SE-013", "proxy-variables", proxy_variables),
    ]
}

/// The exchanges of one of many: another id, another link, other bytes.
fn numbered(setup: &Setup, number: usize) -> Result<(MediaRef, Vec<ExpectedExchange>, Bytes), String> {
    let media = setup.media(setup.base()?)?;
    let id = media.id.as_ref().ok_or("the base media has no id")?.to_string();
    // The last digits of the id become the number.
    let new_id = format!("{}{number:04}", &id[..id.len().saturating_sub(4)]);
    // Not text, which no picture is.
    let body = Bytes::from(
        [b"\xff\xd8\xff\xe0", format!("content {number} ").repeat(300 + number).as_bytes()].concat(),
    );
    let text = media.to_string().replace(&id, &new_id);
    let mut new_media: MediaRef = text.parse().map_err(|error| format!("{text}: {error}"))?;
    new_media.declared = ContentMetadata::EMPTY;
    let mut exchanges = setup.exchanges(setup.base()?);
    let last = exchanges.len() - 1;
    let Matcher::EqualTo(old_target) = exchanges[last].request.target.clone() else {
        return Err("the content target of the base fixture must be exact".to_owned());
    };
    let mut new_target = old_target.replace(&id, &new_id);
    if last > 0 {
        let mark = if new_target.contains('?') { '&' } else { '?' };
        new_target = format!("{new_target}{mark}n={number}");
    }
    for exchange in &mut exchanges[..last] {
        if let Matcher::EqualTo(target) = &mut exchange.request.target {
            *target = target.replace(&id, &new_id);
        }
        if let Some(json) = &mut exchange.request.json {
            *json =
                serde_json::from_str(&json.to_string().replace(&id, &new_id)).map_err(|e| e.to_string())?;
        }
        // A signature covers the id.
        exchange.request.headers.retain(|name, _| !setup.profile.signed_anew.contains(name));
        for (_, value) in &mut exchange.reply.headers {
            *value = value.replace(&old_target, &new_target);
        }
        if exchange.reply.body.is_empty() {
            continue;
        }
        let reply = String::from_utf8_lossy(&exchange.reply.body).replace(&old_target, &new_target);
        exchange.reply.body = reply.into();
        exchange.reply = setup.strip_declared(exchange.reply.clone());
    }
    exchanges[last].request.target = Matcher::EqualTo(new_target);
    let new_body = body.clone();
    exchanges[last] = exchanges[last].clone().with(|reply| reply.body(new_body));
    Ok((new_media, exchanges, body))
}

fn many_at_once(setup: &Setup) -> Verdict {
    let all: Vec<_> = (0..MANY).map(|number| numbered(setup, number)).collect::<Result<_, _>>()?;
    let exchanges = all.iter().flat_map(|(_, exchanges, _)| exchanges.clone()).collect();
    let options = Options { any_order: true, ..Options::default() };
    paused(async {
        let server = setup.serve(exchanges, options).await?;
        let provider = setup.provider(&server);
        // Not in the order in which they were made.
        let shuffled = (0..MANY).map(|number| &all[number * 37 % MANY]);
        let work = shuffled.map(|(media, _, want)| {
            let provider = &provider;
            async move { (setup.transfer(&**provider).fetch(media).await, want) }
        });
        for (outcome, want) in join_all(work).await {
            equal("content", &outcome.map_err(|error| error.to_string())?.bytes, want)?;
        }
        settled(&server).await.map(|_| ())
    })
}

fn limited(setup: &Setup) -> Verdict {
    let mut all: Vec<_> = (0..20).map(|number| numbered(setup, number)).collect::<Result<Vec<_>, _>>()?;
    let mut contents = std::collections::BTreeSet::new();
    for (number, (_, exchanges, _)) in all.iter_mut().enumerate() {
        let last = exchanges.len() - 1;
        exchanges[last].reply.delay = Some(LONG);
        // The seventh fails before its content.
        if let (Matcher::EqualTo(target), true) = (&exchanges[last].request.target, number != 7) {
            contents.insert(target.clone());
        }
    }
    // One of them is refused from the first request on.
    all[7].1[0] = all[7].1[0].clone().with(|_| Response::new(400));
    let exchanges = all.iter().flat_map(|(_, exchanges, _)| exchanges.clone()).collect();
    let options = Options { any_order: true, ..Options::default() };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    paused(async {
        let server = setup.serve(exchanges, options).await?;
        let provider = setup.provider(&server);
        let jobs = all.iter().enumerate().map(|(number, (media, ..))| {
            let target = Target::File(folder.path().join(number.to_string()));
            Job::new(std::sync::Arc::clone(&provider), media.clone(), target)
        });
        let finished: Vec<_> =
            transfer_many(futures_util::stream::iter(jobs), ManyOptions::new(4)).collect().await;
        let failed = finished.iter().filter(|finished| finished.outcome.is_err()).count();
        equal("finished and failed", &(finished.len(), failed), &(20, 1))?;
        // Contents that were on their way at the same time: each took a second.
        let seen = server.seen();
        let starts: Vec<_> = seen
            .iter()
            .filter(|exchange| contents.contains(&exchange.head.target))
            .map(|seen| seen.at)
            .collect();
        let together = |at| starts.iter().filter(|start| **start <= at && at - **start < LONG).count();
        let most = starts.iter().map(|at| together(*at)).max().unwrap_or_default();
        equal("contents at once", &most, &4)?;
        for (number, (_, _, want)) in all.iter().enumerate().filter(|(number, _)| *number != 7) {
            let got = std::fs::read(folder.path().join(number.to_string())).map_err(|e| e.to_string())?;
            ensure(got == want[..], format!("file {number} has another content"))?;
        }
        Ok(())
    })
}

/// 64 MiB for a reader that takes one chunk and stops: the server cannot get rid of them.
fn reader_stops(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    let piece = Bytes::from(vec![7; 1 << 20]);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", 64 << 20);
    let steps = vec![Step::Write(head.into()), Step::Repeat { bytes: piece, times: 64 }];
    exchanges.push(content.framed(Framing::Raw(steps)));
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let descriptor =
            provider.resolve(&media, ResolveOptions::default()).await.map_err(|e| e.to_string())?;
        let mut stream =
            provider.open(&descriptor, OpenOptions::default()).await.map_err(|e| e.to_string())?;
        let first = stream.next().await.ok_or("the stream is empty")?;
        first.map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let seen = server.seen();
        let last = seen.last().map(|exchange| exchange.outcome.clone());
        equal("the server", &last, &Some(Outcome::Running))
    })
}

fn silent_handshake(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    let run = setup.fetch_with(exchanges, |_| {}, Options { silent: true, ..Options::default() })?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Timeout | ErrorKind::Transport), format!("kind {kind:?}"))?;
    ensure(run.elapsed < Duration::from_secs(300), format!("it took {:?}", run.elapsed))
}

/// The head is there while the body is still to come.
fn head_first(setup: &Setup) -> Verdict {
    let media = setup.media(setup.base()?)?;
    let size = setup.content_bytes()?.len() as u64;
    let exchanges = setup.with_content(|exchange| {
        exchange.with(|reply| {
            let reply = reply.header("etag", "\"v1\"");
            let name = "attachment; filename=\"photo 1.jpg\"";
            reply.header("content-disposition", name).framing(Framing::Stall(0))
        })
    })?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let descriptor =
            provider.resolve(&media, ResolveOptions::default()).await.map_err(|e| e.to_string())?;
        let started = tokio::time::Instant::now();
        let stream = provider.open(&descriptor, OpenOptions::default()).await.map_err(|e| e.to_string())?;
        ensure(started.elapsed() < Duration::from_secs(1), "the head waited for the body")?;
        let head = stream.head();
        equal("type", &head.mime.as_ref().map(wamedia_core::Mime::essence), &Some("image/jpeg"))?;
        equal("length", &head.body_bytes, &Some(size))?;
        equal("name", &head.name.as_deref(), &Some("photo 1.jpg"))?;
        equal("validator", &head.validator.as_deref(), &Some("\"v1\""))
    })
}

/// File names that try to leave the folder, or to be special files.
fn hostile_names(setup: &Setup) -> Verdict {
    // By hand, so that no list of the library is believed.
    // Source: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#naming-conventions
    let is_reserved = |file: &str| {
        let first = file.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
        let is_port = |end: &str| {
            end.chars().count() == 1 && end.contains(|c| "123456789\u{b9}\u{b2}\u{b3}".contains(c))
        };
        let port = first.strip_prefix("com").or_else(|| first.strip_prefix("lpt"));
        ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&first.as_str())
            || port.is_some_and(is_port)
    };
    let long = "x".repeat(4000);
    for name in [
        "../../x.jpg",
        "/etc/passwd",
        "..",
        ".",
        "a\0b.jpg",
        "CON",
        "con.jpg",
        "nul.txt.jpg",
        "Lpt1 .jpg",
        "com\u{b9}.jpg",
        "CONOUT$",
        "\u{202e}gpj.exe",
        "a/b\\c.jpg",
        ".bashrc",
        "-rf",
        "C:\\x.jpg",
        "x.jpg:stream",
        "trailing. ",
        "line\r\nbreak",
        "bell\u{7} and\u{1b}[31m red.jpg",
        &long,
    ] {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).map_err(|error| error.to_string())?;
        let mut media = setup.media(setup.base()?)?;
        media.declared = media.declared.with_name(Some(name));
        let header = name.replace(|c: char| c.is_control() || c == '\u{202e}', "");
        let exchanges = setup.with_content(|exchange| {
            exchange.with(|reply| {
                reply.header("content-disposition", format!("attachment; filename=\"{header}\""))
            })
        })?;
        let stored = paused(async {
            let server = setup.serve(exchanges, Options::default()).await?;
            let provider = setup.provider(&server);
            let transfer = setup.transfer(&*provider);
            setup.download(&transfer, &media, &inner).await.map_err(|error| format!("{name:.40?}: {error}"))
        })?;
        let entries = |folder: &std::path::Path| {
            let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
            all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        equal("outside the folder", &entries(folder.path()), &vec!["inner".to_owned()])?;
        let inside = entries(&inner);
        equal("files", &inside.len(), &1)?;
        let file = &inside[0];
        let plain = !file.chars().any(|c| c.is_control() || "/\\:\u{202e}".contains(c));
        ensure(
            plain && file.len() < 256 && !file.starts_with(['.', '-']),
            format!("{name:.40?} became {file:?}"),
        )?;
        ensure(!is_reserved(file), format!("{name:?} became {file:?}, which is reserved"))?;
        ensure(safe_name(Some(file), None, "x") == *file, format!("{file:?} is not safe"))?;
        ensure(stored.path.parent() == Some(&inner), format!("it is at {}", stored.path.display()))?;
    }
    Ok(())
}

/// A process with proxy variables that lead nowhere still reaches the vendor.
fn proxy_variables(setup: &Setup) -> Verdict {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["--exact", &format!("{}::LM-003::gzip-is-not-inflated", setup.name)]);
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    command.env_remove("WAMEDIA_CONFORMANCE_REPORT").env_remove("NO_PROXY").env_remove("no_proxy");
    if let Some(mutation) = setup.mutation {
        command.env(MUTATION, mutation.name());
    }
    for name in ["WAMEDIA_CONFORMANCE_MUTATIONS", "WAMEDIA_CONFORMANCE_MUTATIONS_REPORT"] {
        command.env_remove(name);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.success() && text.contains("1 passed"), text)
}
