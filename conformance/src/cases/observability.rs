//! Receipts, spans, logs and errors of a transfer, all without secrets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wamedia_core::{Error, ErrorKind, MediaId, MediaRef, Provider, ResolveOptions};
use wamedia_sandbox::http1::{Framing, Response, Step};

use super::bytes::again;
use super::{Case, Run, Setup, Verdict, ensure, equal, no_secret, paused, settled};
use crate::CANARY;
use crate::credentials::piece_of_secret;
use crate::fake_server::Options;
use crate::log_capture::logged;
use crate::matching::Matcher;
use crate::script::ExpectedExchange;

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    if !setup.capabilities.open {
        return Vec::new();
    }
    let mut cases = vec![
        Case::new("OB-001", "plain", receipt_of_plain),
        Case::new("OB-001", "after-a-break", receipt_after_break),
        Case::new("OB-001", "after-a-wait", receipt_after_wait),
        Case::new("OB-002", "spans", spans),
        Case::new("OB-003", "retry", retry_is_logged),
        Case::new("OB-003", "refusal", refusal_is_logged),
        Case::new("RT-011", "reset-on-a-kept-connection", kept_and_reset),
        Case::new("CC-005", "closed-while-idle", closed_while_idle),
        Case::new("ER-004", "rate-errors-carry-the-wait", rate_error),
        Case::new("ER-006", "types", types),
    ];
    if setup.capabilities.expiring_links && setup.capabilities.resolve_remote {
        cases.push(Case::new("OB-003", "renewal", renewal_is_logged));
    }
    for (requirement, ours) in [("SE-010", true), ("OB-004", false)] {
        for (name, change) in FAULTS {
            cases.push(Case::new(requirement, *name, move |c| silent(c, *change, ours)));
        }
    }
    for (name, change) in FAULTS {
        cases.push(Case::new("ER-004", format!("named-{name}"), move |c| named(c, *change)));
    }
    for (name, steps) in [
        ("reset", vec![Step::Reset]),
        ("closed", vec![Step::Close]),
        ("garbage", vec![Step::Write(Bytes::from_static(b"\x16\x03\x01 is not HTTP\r\n\r\n")), Step::Close]),
        ("cut-head", vec![Step::Write(Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Ty")), Step::Close]),
        ("silent", vec![Step::Hang]),
    ] {
        cases.push(Case::new("ER-003", name, move |c| network_fault(c, &steps)));
    }
    cases
}

/// A phone number, as a server may repeat it.
const PHONE: &str = "491700000000";

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

type Change = fn(ExpectedExchange) -> ExpectedExchange;

/// Ways in which the content request can go wrong, each for ever.
const FAULTS: &[(&str, Change)] = &[
    ("plain", |exchange| exchange),
    ("reset", |exchange| exchange.framed(Framing::Reset(4000))),
    ("stall", |exchange| exchange.framed(Framing::Stall(3000))),
    ("status-401", |exchange| refused(exchange, 401)),
    ("status-404", |exchange| refused(exchange, 404)),
    ("status-500", |exchange| refused(exchange, 500)),
    ("page", |exchange| {
        let text = echo(&exchange);
        exchange.with(|reply| reply.header("content-type", "text/html").body(text))
    }),
    ("flip", |exchange| exchange.with(|reply| reply.body("something else"))),
    ("redirect", |exchange| {
        exchange.with(|_| Response::new(302).header("location", format!("https://evil.test/?t={CANARY}")))
    }),
];

fn refused(exchange: ExpectedExchange, status: u16) -> ExpectedExchange {
    let text = echo(&exchange);
    exchange.with(|_| Response::new(status).body(text))
}

/// A server that repeats what it was sent, or what was sent before the redirects that led to it.
fn echo(exchange: &ExpectedExchange) -> String {
    let first = exchange.redirects.first().unwrap_or(exchange);
    let sent = first.request.headers.iter().filter_map(|(name, matcher)| match matcher {
        Matcher::EqualTo(value) => Some(format!("{name}: {value}")),
        _ => None,
    });
    let sent = sent.collect::<Vec<_>>().join(", ");
    format!("you sent {sent} (Bearer {CANARY}) to https://x.test/?access_token={CANARY} for {PHONE}")
}

/// The plain fetch whose content is always like this.
fn changed(setup: &Setup, change: Change) -> Result<Vec<ExpectedExchange>, String> {
    let (before, content) = setup.split()?;
    let bad = change(content);
    // A dead link is renewed once, and is dead again.
    Ok([before.clone(), vec![bad.clone()], before, vec![bad.forever()]].concat())
}

fn run(setup: &Setup, change: Change) -> Result<Run, String> {
    let exchanges = changed(setup, change)?;
    let options = Options { any_order: true, ..Options::default() };
    setup.fetch_with(exchanges, |_| {}, options)
}

/// The values of the content link's query: whoever has them has the content.
fn signed_values(setup: &Setup) -> Result<Vec<String>, String> {
    let (_, content) = setup.split()?;
    let Matcher::EqualTo(target) = &content.request.target else { return Ok(Vec::new()) };
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.split_once('='));
    Ok(values.map(|(_, value)| value.to_owned()).filter(|value| value.len() > 8).collect())
}

/// Lines that the provider under test answers for: its own and those of `wamedia`, at any level, and those of every
/// crate at the levels that services keep. What other crates say at finer levels is for `OB-004`.
fn is_ours(setup: &Setup, line: &str) -> bool {
    let level = line.split_whitespace().next().unwrap_or_default();
    let package = format!(" {}", setup.package.replace('-', "_"));
    let is_own = line.contains(" wamedia_") || line.contains(&package);
    is_own || matches!(level, "INFO" | "WARN" | "ERROR")
}

/// No credential and no signed value is in any log line, ours or our dependencies'.
fn silent(setup: &Setup, change: Change, ours: bool) -> Verdict {
    let mut secrets = signed_values(setup)?;
    secrets.push(PHONE.to_owned());
    let (outcome, lines) = logged(|| run(setup, change));
    if let Ok(error) = outcome?.error() {
        no_secret(error)?;
        for secret in &secrets {
            ensure(
                !format!("{error} {error:?} {error:#?}").contains(secret),
                format!("{secret} shows in: {error:?}"),
            )?;
        }
    }
    ensure(!lines.is_empty(), "nothing was logged at all, so nothing was looked at")?;
    // The servers' own log lines are not the client's. A line without a level goes on where the last one ended.
    let mut is_judged = false;
    for line in lines.iter().filter(|line| !line.contains(" wamedia_sandbox")) {
        let level = line.split_whitespace().next().unwrap_or_default();
        if ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&level) {
            is_judged = is_ours(setup, line) == ours;
        }
        if !is_judged {
            continue;
        }
        let piece = piece_of_secret(line);
        ensure(piece.is_none(), format!("{piece:?} of a secret stands in the log: {line}"))?;
        for secret in &secrets {
            ensure(!line.contains(secret), format!("{secret} stands in the log: {line}"))?;
        }
    }
    Ok(())
}

fn named(setup: &Setup, change: Change) -> Verdict {
    let run = run(setup, change)?;
    let Ok(error) = run.error() else { return Ok(()) };
    equal("provider", &error.provider(), &Some(setup.name))?;
    ensure(error.operation().is_some(), format!("no operation in {error:?}"))?;
    ensure(error.phase().is_some(), format!("no phase in {error:?}"))
}

fn rate_error(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(429).header("retry-after", "7200"));
    let run = setup.fetch(exchanges)?;
    equal("the wait", &run.error()?.retry_after(), &Some(Duration::from_secs(7200)))
}

/// The network failed on the very first request: that is never called a reply that cannot be read.
fn network_fault(setup: &Setup, steps: &[Step]) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().framed(Framing::Raw(steps.to_vec()));
    exchanges[0] = exchanges[0].clone().forever();
    let run = setup.fetch(exchanges)?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Transport | ErrorKind::Timeout), format!("kind {kind:?}"))
}

fn receipt_of_plain(setup: &Setup) -> Verdict {
    let run = setup.fetch(setup.exchanges(setup.base()?))?;
    let receipt = &run.fetched()?.receipt;
    equal("bytes", &receipt.bytes, &(setup.content_bytes()?.len() as u64))?;
    equal("verified", &receipt.verified.name(), &"digest")?;
    let counted = (receipt.attempts, receipt.resumes, receipt.renewals, receipt.requests);
    equal("attempts, resumes, renewals, requests", &counted, &(1, 0, 0, count(run.requests())))
}

fn receipt_after_break(setup: &Setup) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    exchanges.push(content.clone().framed(Framing::Reset(5000)));
    exchanges.push(again(setup, content, 5000));
    let run = setup.fetch(exchanges)?;
    let receipt = &run.fetched()?.receipt;
    let resumed = run.received.iter().filter(|request| request.header("range").is_some()).count();
    let resumed = count(resumed);
    let counted = (receipt.attempts, receipt.resumes, receipt.requests);
    equal("attempts, resumes, requests", &counted, &(2, resumed, count(run.requests())))?;
    equal("bytes", &receipt.bytes, &(setup.content_bytes()?.len() as u64))
}

fn receipt_after_wait(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    let busy = exchanges[0].clone().with(|_| Response::new(503).header("retry-after", "3"));
    exchanges.insert(0, busy);
    let run = setup.fetch(exchanges)?;
    let receipt = &run.fetched()?.receipt;
    equal("attempts", &receipt.attempts, &2)?;
    equal("requests", &receipt.requests, &(count(run.requests())))?;
    ensure(receipt.waited >= Duration::from_secs(3), format!("it says that it waited {:?}", receipt.waited))
}

/// One span for the transfer, one per attempt, each with what it was about.
fn spans(setup: &Setup) -> Verdict {
    let exchanges = setup.exchanges(setup.base()?);
    let wanted = exchanges.len();
    let statuses: Vec<_> = exchanges.iter().map(|row| format!("status_code={}", row.reply.status)).collect();
    let (run, lines) = logged(|| setup.fetch(exchanges));
    run?.fetched()?;
    let new = |name: &str| {
        let name = format!("{name}{{");
        lines.iter().filter(|line| line.ends_with(": new") && last_span(line).starts_with(&name)).count()
    };
    equal("spans of the transfer", &new("transfer"), &1)?;
    equal("spans of attempts", &new("attempt"), &wanted)?;
    let attempts = lines.iter().filter(|line| line.contains("attempt{"));
    for line in attempts.clone() {
        for field in [format!("provider=\"{}\"", setup.name), "operation=".into(), "attempt=1".into()] {
            // The span around it has some of them too.
            let own =
                line.split("attempt{").nth(1).and_then(|rest| rest.split('}').next()).unwrap_or_default();
            ensure(own.contains(&field), format!("{field} is missing in {line}"))?;
        }
    }
    for status in &statuses {
        let wanted = statuses.iter().filter(|other| *other == status).count();
        let found = attempts.clone().filter(|line| line.contains(status)).count();
        ensure(found >= wanted, format!("{status} stands in {found} lines"))?;
    }
    let bytes = format!("bytes={}", setup.content_bytes()?.len());
    ensure(
        lines.iter().any(|line| line.contains(&bytes)),
        "the end of the transfer does not say how many bytes",
    )
}

/// The innermost span of a line.
fn last_span(line: &str) -> &str {
    let spans = line.split(": wamedia_").next().unwrap_or_default();
    spans
        .rsplit_once("}:")
        .map_or(spans.trim_start(), |(_, last)| last)
        .trim_start_matches("TRACE")
        .trim_start()
        .trim_start_matches("DEBUG")
        .trim_start()
}

fn logs(lines: &[String], words: &str, fields: &[&str]) -> Verdict {
    let found: Vec<_> = lines.iter().filter(|line| line.contains(words)).collect();
    equal(&format!("lines with {words:?}"), &found.len(), &1)?;
    fields
        .iter()
        .try_for_each(|field| ensure(found[0].contains(field), format!("{field} is missing in {}", found[0])))
}

fn retry_is_logged(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    let busy = exchanges[0].clone().with(|_| Response::new(503).header("retry-after", "3"));
    exchanges.insert(0, busy);
    let (run, lines) = logged(|| setup.fetch(exchanges));
    run?.fetched()?;
    logs(&lines, "trying again", &["error.type=\"upstream\"", "wait_ms=3000"])
}

fn refusal_is_logged(setup: &Setup) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange.with(|_| Response::new(302).header("location", "https://evil.test/x"))
    })?;
    let (run, lines) = logged(|| setup.fetch(exchanges));
    run?.error()?;
    logs(&lines, "given up", &["error.type=\"refused\""])
}

fn renewal_is_logged(setup: &Setup) -> Verdict {
    let (before, content) = setup.split()?;
    let mut exchanges = before.clone();
    exchanges.push(content.clone().with(|_| Response::new(410)));
    exchanges.extend(before);
    exchanges.push(content);
    let (run, lines) = logged(|| setup.fetch(exchanges));
    run?.fetched()?;
    logs(&lines, "resolving again", &["error.type=\"expired\""])
}

/// A kept connection is reset under the second fetch: every request on the wire is in a receipt.
fn kept_and_reset(setup: &Setup) -> Verdict {
    two_fetches(setup, Step::Reset)
}

fn closed_while_idle(setup: &Setup) -> Verdict {
    two_fetches(setup, Step::Close)
}

fn two_fetches(setup: &Setup, end: Step) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    let second = exchanges.clone();
    let lost = second[0].clone().framed(Framing::Raw(vec![end]));
    exchanges.push(lost);
    exchanges.extend(second);
    let wanted = exchanges.len();
    let media = setup.media(setup.base()?)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let mut told = 0;
        for _ in 0..2 {
            let mut fetched = setup.transfer(&*provider).fetch(&media).await;
            setup.mutate_outcome(&mut fetched);
            told += fetched.map_err(|error| error.to_string())?.receipt.requests;
        }
        let seen = settled(&server).await?.len();
        equal("requests on the wire", &seen, &wanted)?;
        equal("requests in the receipts", &told, &count(seen))
    })
}

/// Providers and errors go from thread to thread; this compiles only as long as the promise holds.
fn types(setup: &Setup) -> Verdict {
    fn movable<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let exchanges = setup.exchanges(setup.base()?);
    let provider: Arc<dyn Provider> = paused(async {
        let server = setup.serve(exchanges, Options::default()).await;
        server.map(|server| setup.provider(&server))
    })?;
    let name = std::thread::spawn(move || {
        let media = MediaRef::new("x", MediaId::new("1")?);
        // The future is made and dropped, never polled.
        drop(movable_future(provider.resolve(&media, ResolveOptions::default())));
        Ok(movable(provider).name())
    });
    let name = name.join().map_err(|_| "the thread panicked")?;
    equal("name", &name.map_err(|error: Error| movable(error).to_string())?, &setup.name)
}

fn movable_future<T: Future + Send>(future: T) -> T {
    future
}
