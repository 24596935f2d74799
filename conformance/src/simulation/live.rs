//! The oracle "live": where the server is honest early enough, the object arrives.

use super::content_rules::{Rule, rule};
use super::facts::{Facts, Problems};
use super::files::may_be_recorded;
use super::{
    Advice, BodyReply, Destination, DigestClaim, End, Failure, LengthClaim, RangeStyle, RedirectTo,
    ScriptedReply, Served, SizeClaim, Validator, WorldEvent,
};

/// The longest wait of a client's own between two attempts, in milliseconds.
const LONGEST_BACKOFF_MS: u64 = 12_800;
/// The longest wait that a server may ask for, and all waits together.
const MAX_WAIT_MS: u64 = 60_000;
const MAX_TOTAL_WAIT_MS: u64 = 180_000;
/// How many redirects of one request must be followed.
const MAX_REDIRECTS: u32 = 3;

/// What the bad answers of a script cost.
#[derive(Default)]
struct Cost {
    retries: u32,
    renewals: u32,
    wait_ms: u64,
}

pub(super) fn check(facts: &Facts<'_>, problems: &mut Problems) {
    let Some(Err((kind, text))) = &facts.job.outcome else { return };
    if facts.job.run > 0 || !must_arrive(facts) {
        return;
    }
    let detail = format!("{}: {kind}: {text}", facts.who());
    if kind == "local" && may_be_recorded(facts.world, facts.trace) {
        return;
    }
    if facts.world.client.destination == Destination::Folder && kind == "local" {
        problems.add("own file", "a name that was taken cost a file", detail);
    } else {
        problems.add("live", "an object that could be had did not arrive", detail);
    }
}

fn must_arrive(facts: &Facts<'_>) -> bool {
    let (world, object) = (facts.world, facts.object);
    let client = &world.client;
    let undisturbed = match world.event {
        WorldEvent::None | WorldEvent::Again | WorldEvent::Forget(_) => true,
        WorldEvent::Twice | WorldEvent::Apart => client.destination == Destination::Folder,
        WorldEvent::Cancel(_) | WorldEvent::Kill(_) | WorldEvent::Crash(_) => false,
    };
    let targets = world.objects.iter().filter(|other| other.target == object.target).count();
    let free = !client.destination.is_named() || (targets == 1 && world.before.is_empty());
    let unlimited = client.max_bytes.is_none() && client.deadline_ms.is_none() && client.disk_room.is_none();
    if !(undisturbed && free && unlimited && object.replacement.is_none() && claims_hold(facts)) {
        return false;
    }
    let fails =
        object.open.iter().any(|reply| matches!(reply, ScriptedReply::Fail(_))) || !object.resolve.is_empty();
    if facts.trace.wire && fails {
        // The meaning of a status depends on the vendor.
        return false;
    }
    // A clock that is set while a link is on its way costs the link. Without sockets there is none.
    let clock = u32::from(facts.trace.wire && world.clock.is_some());
    let cost = script_cost(facts);
    cost.is_some_and(|cost| {
        let waits = cost.wait_ms + u64::from(cost.retries) * LONGEST_BACKOFF_MS;
        cost.retries < client.max_attempts
            && cost.renewals + clock <= client.max_renewals
            && waits <= MAX_TOTAL_WAIT_MS
    })
}

/// Whether every claim is right, or does not bind and differs little.
fn claims_hold(facts: &Facts<'_>) -> bool {
    let object = facts.object;
    let digest = |claim: DigestClaim| claim != DigestClaim::Wrong;
    let digests =
        digest(object.caller.sha256) && digest(object.webhook.sha256) && digest(object.reply.sha256);
    let right = |claim: SizeClaim| matches!(claim, SizeClaim::Absent | SizeClaim::Right);
    let near = |claim: SizeClaim| match claim {
        SizeClaim::Off(more) => {
            // Less than declared comes, or a little more.
            facts.digest_known() && (more >= 0 || more.unsigned_abs() < 32_768.min(object.content.size / 2))
        }
        claim => right(claim),
    };
    let webhook = if object.signed { right(object.webhook.size) } else { near(object.webhook.size) };
    // A signed webhook and a reply that disagree are an error of their own.
    let signed_size = object.signed && object.webhook.size != SizeClaim::Absent;
    let reply = if signed_size { right(object.reply.size) } else { near(object.reply.size) };
    let content = facts.digest_known() || rule(object, &facts.versions[0]) == Rule::Accept;
    digests && right(object.caller.size) && webhook && reply && content
}

/// What the script costs, where a careful client can survive all of it.
fn script_cost(facts: &Facts<'_>) -> Option<Cost> {
    let object = facts.object;
    let mut cost = Cost::default();
    for failure in object.resolve.iter().flatten() {
        if failure.kind == "expired" {
            return None;
        }
        add_failure(failure, &mut cost)?;
    }
    let mut redirects = 0;
    for reply in &object.open {
        match reply {
            ScriptedReply::Fail(failure) if failure.kind == "expired" => cost.renewals += 1,
            ScriptedReply::Fail(failure) => add_failure(failure, &mut cost)?,
            ScriptedReply::Redirect(to) => {
                redirects += 1;
                // Where content is served by id, another origin may be refused.
                let may_be_refused = match to {
                    RedirectTo::Same => false,
                    RedirectTo::Other => !facts.world.server.links,
                    RedirectTo::Forbidden => true,
                };
                if may_be_refused || redirects > MAX_REDIRECTS {
                    return None;
                }
            }
            ScriptedReply::Body(body) => cost.retries += body_cost(body)?,
        }
    }
    Some(cost)
}

fn add_failure(failure: &Failure, cost: &mut Cost) -> Option<()> {
    cost.retries += 1;
    match failure.retry {
        Advice::Never => None,
        Advice::Backoff => Some(()),
        Advice::After(ms) => {
            cost.wait_ms += ms;
            (ms <= MAX_WAIT_MS).then_some(())
        }
    }
}

fn body_cost(body: &BodyReply) -> Option<u32> {
    let stated = |claim: LengthClaim| matches!(claim, LengthClaim::Right | LengthClaim::Absent);
    let honest = body.served == Served::Current && stated(body.length) && stated(body.total);
    let ends = matches!(body.end, End::Whole | End::Break(_) | End::Stall(_));
    // A part without a stated total looks like the rest of the content.
    let part = matches!(body.range, RangeStyle::Part(_)) && body.total != LengthClaim::Right;
    if !honest || !ends || part {
        return None;
    }
    let plain = body.end == End::Whole && matches!(body.range, RangeStyle::Honoured | RangeStyle::Ignored);
    // The rest may have to be refused as well, since its validator is another one.
    let validator = u32::from(body.validator != Validator::Strong);
    // A break after the last byte may cost a range that is refused, and another attempt.
    Some(2 * u32::from(!plain) + validator + u32::from(matches!(body.range, RangeStyle::Part(_))))
}
