//! Which kinds of errors a world explains.

use std::collections::BTreeSet;

use super::content_rules::{Rule, rule};
use super::facts::Facts;
use super::files::may_be_recorded;
use super::{
    BodyReply, DigestClaim, End, ExistingFile, LengthClaim, PartialBytes, RangeStyle, ScriptedReply, Served,
    SizeClaim, Validator,
};

/// The most that is accepted where the caller sets no limit.
const DEFAULT_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The kinds of errors that this world can lead to.
pub(super) fn explainable<'a>(facts: &'a Facts<'_>) -> BTreeSet<&'a str> {
    let (object, client) = (facts.object, &facts.world.client);
    let mut kinds: BTreeSet<_> =
        object.resolve.iter().flatten().map(|failure| failure.kind.as_str()).collect();
    let mut faults = Faults { odd: object.replacement.is_some() || object.content.size == 0, huge: false };
    for reply in &object.open {
        match reply {
            ScriptedReply::Fail(failure) => drop(kinds.insert(failure.kind.as_str())),
            ScriptedReply::Redirect(_) => {}
            ScriptedReply::Body(body) => add_body(body, &mut kinds, &mut faults),
        }
    }
    let sizes = [object.webhook.size, object.reply.size, object.caller.size];
    let digests = [object.webhook.sha256, object.reply.sha256, object.caller.sha256];
    let fine_size = |claim: &SizeClaim| matches!(claim, SizeClaim::Absent | SizeClaim::Right);
    let fine_digest = |claim: &DigestClaim| *claim != DigestClaim::Wrong;
    if faults.odd || !sizes.iter().all(fine_size) || !digests.iter().all(fine_digest) {
        kinds.insert("integrity");
    }
    let huge = faults.huge || sizes.iter().any(|claim| matches!(claim, SizeClaim::Huge(_)));
    if huge || client.max_bytes.is_some() || u64::from(object.content.size) > DEFAULT_MAX_BYTES {
        kinds.extend(["too_large", "integrity", "transport"]);
    }
    let is_odd = object.replacement.is_some() || rule(object, &facts.versions[0]) != Rule::Accept;
    if is_odd || has_too_long_a_beginning(facts) {
        kinds.insert("unexpected_content");
    }
    if client.deadline_ms.is_some() {
        kinds.insert("timeout");
    }
    if client.destination.is_named() {
        // The name exists, or another transfer takes it meanwhile.
        kinds.extend(["local", "integrity"]);
    }
    if may_be_recorded(facts.world, facts.trace) || client.disk_room.is_some() {
        kinds.insert("local");
    }
    kinds
}

/// Whether a run left more bytes for this target than the object has: no server has a rest of that, and beginning anew
/// takes an attempt.
fn has_too_long_a_beginning(facts: &Facts<'_>) -> bool {
    let (world, object) = (facts.world, facts.object);
    let is_too_long = |existing: &ExistingFile| {
        let ExistingFile::Partial { target, bytes, .. } = existing else { return false };
        let (PartialBytes::Beginning(count)
        | PartialBytes::Garbage(count)
        | PartialBytes::Symlink(count)
        | PartialBytes::HardLink(count)) = *bytes;
        *target == object.target && count >= object.content.size
    };
    world.client.destination.is_named() && world.client.resume_partial && world.before.iter().any(is_too_long)
}

/// What the bodies of a script have wrong.
struct Faults {
    /// Bytes, lengths or ranges that are not those of the content.
    odd: bool,
    /// A length near 2^64.
    huge: bool,
}

/// Adds the kinds that a body can lead to.
fn add_body(body: &BodyReply, kinds: &mut BTreeSet<&str>, faults: &mut Faults) {
    kinds.extend(match body.end {
        End::Whole => None,
        End::Stall(_) => Some("timeout"),
        End::Break(_) | End::Stop(_) | End::Over(_) => Some("transport"),
    });
    faults.huge |= matches!(body.length, LengthClaim::Huge(_)) || matches!(body.total, LengthClaim::Huge(_));
    let odd_length = body.length != LengthClaim::Right;
    let odd_range = body.range != RangeStyle::Honoured || body.total != LengthClaim::Right;
    faults.odd |= body.served != Served::Current || body.end != End::Whole || odd_length || odd_range;
    if odd_range || odd_length {
        kinds.extend(["transport", "unexpected_content", "too_large"]);
    }
    if body.validator != Validator::Strong || body.served != Served::Current {
        kinds.insert("unexpected_content");
    }
}
