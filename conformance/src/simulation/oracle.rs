//! The oracles: what must hold in every world, whatever the client does inside.

use wamedia_core::Sha256;

use super::chain::inadmissible;
use super::content_rules::{Rule, rule};
use super::facts::{Facts, Problems, Violation};
use super::kinds::explainable;
use super::{
    BodyLog, Destination, Mismatch, RequestLog, RequestWhat, Success, Trace, VerifiedBy, World, WorldEvent,
    files, live,
};

/// A body that brings so much may be resumed without counting as an attempt.
const GOOD_PROGRESS: u64 = 1024 * 1024;
/// The most that is read before it is known to be content.
const MAX_HELD_AT_FIRST: u64 = 64 * 1024;
/// The most that waits for the destination.
const MAX_HELD: u64 = 1024 * 1024;
/// Further requests that a transport may send by itself.
const WIRE_REQUESTS: u64 = 64;

/// Compares the trace with the world, and gives the violations.
pub fn check(world: &World, trace: &Trace) -> Vec<Violation> {
    let mut problems = Problems::default();
    if let Some(panic) = &trace.panic {
        problems.add("bounded", "the client panicked", panic);
        return problems.0;
    }
    if trace.endless {
        problems.add("bounded", "polls without end", trace.polls.to_string());
        return problems.0;
    }
    for leak in &trace.leaks {
        problems.add("secret", "a piece of a credential was shown", leak);
    }
    for job in &trace.jobs {
        let facts = Facts::of(world, trace, job);
        match &job.outcome {
            Some(Ok(success)) if success.kept => kept(&facts, success, &mut problems),
            Some(Ok(success)) => succeeded(&facts, success, &mut problems),
            Some(Err((kind, text))) => failed(&facts, kind, text, &mut problems),
            None => {}
        }
        bounded(&facts, &mut problems);
        live::check(&facts, &mut problems);
    }
    files::check(world, trace, &mut problems);
    problems.0
}

fn succeeded(facts: &Facts<'_>, success: &Success, problems: &mut Problems) {
    let stored = &success.stored;
    let (length, digest) = (stored.len() as u64, Sha256::of(stored));
    let digests = facts.binding_digests();
    let sizes = facts.binding_sizes();
    let agrees = digests.iter().all(|want| *want == digest) && sizes.iter().all(|want| *want == length);
    let records = facts.world.client.mismatch == Mismatch::Record;
    if !agrees && !records {
        let clue = match () {
            () if digests.iter().any(|want| *want != digest) => "stored against a binding digest",
            () if facts.caller.size.is_some_and(|want| want != length) => "stored against the caller's size",
            () => "stored against a binding size",
        };
        problems.add("binding", clue, format!("{}: {length} bytes", facts.who()));
    }
    let contradiction =
        facts.object.signed && facts.caller.size.is_none() && facts.caller.sha256.is_none() && {
            let differ = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
            differ(facts.webhook.size, facts.reply.size)
        };
    if contradiction && !records {
        problems.add("binding", "stored although a signed webhook and the reply disagree", facts.who());
    }
    let confirmed = !digests.is_empty() && digests.iter().all(|want| *want == digest);
    if !confirmed {
        if rule(facts.object, stored) == Rule::Refuse {
            problems.add("whole", "a page or text was stored in place of the content", facts.who());
        }
        if let Some(clue) = inadmissible(facts, stored) {
            problems.add("whole", clue, format!("{}: {length} bytes", facts.who()));
        }
    }
    // Content on standard output leaves no room for a receipt.
    let has_receipt = !(facts.trace.program && facts.world.client.destination == Destination::Writer);
    if has_receipt && success.receipt != Some((length, digest)) {
        problems.add("binding", "the receipt has another size or digest", facts.who());
    }
    if has_receipt {
        check_verified(facts, success, agrees, problems);
    }
    // What a server writes into a socket need not arrive.
    if !facts.trace.wire {
        check_counts(facts, success, problems);
    }
}

/// The counts of the receipt must be what the server saw.
fn check_counts(facts: &Facts<'_>, success: &Success, problems: &mut Problems) {
    let requests = facts.requests.len();
    if success.requests as usize != requests {
        let detail = format!("{}: {} counted, {requests} seen", facts.who(), success.requests);
        problems.add("told", "the receipt counts other requests", detail);
    }
    let received: u64 = facts.bodies().map(|(_, body)| body.sent.len() as u64).sum();
    if success.received != received {
        let detail = format!("{}: {} counted, {received} sent", facts.who(), success.received);
        problems.add("told", "the receipt counts other bytes", detail);
    }
    let partial = facts.bodies().filter(|(_, body)| body.partial).count();
    if success.resumes as usize > partial {
        problems.add("told", "the receipt counts more resumed bodies than there were", facts.who());
    }
}

/// What the receipt says about verification must be true, and as much as was possible.
fn check_verified(facts: &Facts<'_>, success: &Success, agrees: bool, problems: &mut Problems) {
    let (length, digest) = (success.stored.len() as u64, Sha256::of(&success.stored));
    let party = |by: &str| match by {
        "caller" => facts.caller,
        "webhook" => facts.webhook,
        _ => facts.reply,
    };
    let is_true = match &success.verified {
        VerifiedBy::Digest(by) => party(by).sha256 == Some(digest),
        VerifiedBy::Length(by) => party(by).size == Some(length) && facts.binding_digests().is_empty(),
        VerifiedBy::None => {
            let stated = [facts.caller.sha256, facts.reply.sha256].into_iter().flatten();
            !agrees || facts.binding_digests().is_empty() || stated.into_iter().any(|want| want != digest)
        }
    };
    if !is_true {
        problems.add(
            "binding",
            "the receipt claims another verification",
            format!("{}: {:?}", facts.who(), success.verified),
        );
    }
    if !agrees && (success.verified != VerifiedBy::None || success.differences == 0) {
        problems.add(
            "binding",
            "a recorded mismatch is not in the receipt",
            format!("{}: {:?}", facts.who(), success.verified),
        );
    }
}

fn kept(facts: &Facts<'_>, success: &Success, problems: &mut Problems) {
    let (length, digest) = (success.stored.len() as u64, Sha256::of(&success.stored));
    let differs = facts.caller.sha256.is_some_and(|want| want != digest)
        || facts.caller.size.is_some_and(|want| want != length);
    if differs {
        problems.add("binding", "a file was kept that is not what the caller demands", facts.who());
    }
    if facts.requests.iter().any(|request| request.what != RequestWhat::Resolve) {
        problems.add("told", "content was requested for a file that was kept", facts.who());
    }
}

fn failed(facts: &Facts<'_>, kind: &str, text: &str, problems: &mut Problems) {
    if !facts.trace.wire && !explainable(facts).contains(kind) {
        problems.add(
            "told",
            "the kind of the error is not explained by the world",
            format!("{}: {kind}: {text}", facts.who()),
        );
    }
    let written = facts.job.written.as_ref().is_some_and(|written| !written.is_empty());
    let mut beginnings =
        facts.bodies().filter(|(_, body)| body.start == 0 && !body.sent.is_empty()).peekable();
    let refused = |body: &BodyLog| rule(facts.object, &body.beginning) == Rule::Refuse;
    if written
        && !facts.digest_known()
        && beginnings.peek().is_some()
        && beginnings.all(|(_, body)| refused(body))
    {
        problems.add("whole", "bytes of a page were delivered before it was recognised", facts.who());
    }
}

/// Attempts and new links are limited, and what is final is not asked for again.
fn bounded_requests(facts: &Facts<'_>, problems: &mut Problems) {
    let client = &facts.world.client;
    let resolved = |request: &&&RequestLog| request.what == RequestWhat::Resolve && request.answer.is_ok();
    let links = facts.requests.iter().filter(resolved).count() as u64;
    let attempts = facts.requests.len() as u64 - links;
    let received: u64 = facts.bodies().map(|(_, body)| body.sent.len() as u64).sum();
    let wire = if facts.trace.wire { WIRE_REQUESTS } else { 0 };
    let renewals = u64::from(client.max_renewals);
    if attempts > u64::from(client.max_attempts.max(1)) + renewals + received / GOOD_PROGRESS + wire {
        problems.add("bounded", "more requests than were allowed", format!("{}: {attempts}", facts.who()));
    }
    // A link that was resolved ahead may be too old when its turn comes.
    let ahead = u64::from(client.many.is_some());
    if links > 1 + renewals + ahead + wire {
        problems.add("bounded", "more links than were allowed", format!("{}: {links}", facts.who()));
    }
    let last = facts.requests.len().saturating_sub(1);
    if !facts.trace.wire && facts.requests.iter().take(last).any(|request| request.is_final) {
        problems.add("bounded", "asked again after a final error", facts.who());
    }
}

fn bounded(facts: &Facts<'_>, problems: &mut Problems) {
    let client = &facts.world.client;
    bounded_requests(facts, problems);
    if let Some(Ok(success)) = &facts.job.outcome
        && !success.kept
        && client.max_bytes.is_some_and(|max| success.stored.len() as u64 > max)
    {
        problems.add("bounded", "more bytes were stored than the limit", facts.who());
    }
    if let Some(max) = client.max_bytes.filter(|_| !facts.trace.wire) {
        for (_, body) in facts.bodies() {
            let most = max.saturating_add(body.largest_chunk);
            if body.sent.len() as u64 > most {
                problems.add(
                    "bounded",
                    "read on far beyond the limit",
                    format!("{}: {} bytes", facts.who(), body.sent.len()),
                );
            }
        }
    }
    let largest = facts.bodies().map(|(_, body)| body.largest_chunk).max().unwrap_or(0);
    if let Some((at_first, most)) = facts.job.held.filter(|_| !facts.trace.wire)
        && (at_first > MAX_HELD_AT_FIRST + largest || most > MAX_HELD + largest)
    {
        let detail = format!("{}: {at_first} bytes at first, {most} at most", facts.who());
        problems.add("bounded", "held more bytes than the destination needs", detail);
    }
    let alone = client.many.is_none() && !matches!(facts.world.event, WorldEvent::Twice | WorldEvent::Apart);
    if let Some(deadline) = client.deadline_ms.filter(|_| alone)
        && facts.job.elapsed.as_millis() > u128::from(deadline) + 1_000
    {
        problems.add(
            "bounded",
            "went on after its deadline",
            format!("{}: {:?}", facts.who(), facts.job.elapsed),
        );
    }
}
