//! Which kinds of errors a world explains.

use std::collections::BTreeSet;

use super::content_rules::{Rule, rule};
use super::files::may_be_recorded;
use super::oracle::Facts;
use super::{Destination, DigestClaim, End, LengthClaim, RangeStyle, Reply, Served, SizeClaim, Validator};

/// The most that is accepted where the caller sets no limit.
const DEFAULT_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// The kinds of errors that this world can lead to.
pub(super) fn explainable<'a>(facts: &'a Facts<'_>) -> BTreeSet<&'a str> {
    let (object, client) = (facts.object, &facts.world.client);
    let mut kinds = BTreeSet::new();
    for failure in object.resolve.iter().flatten() {
        kinds.insert(failure.kind.as_str());
    }
    let mut odd = object.replacement.is_some() || object.content.size == 0;
    let mut huge = false;
    for reply in &object.open {
        match reply {
            Reply::Fail(failure) => {
                kinds.insert(failure.kind.as_str());
            }
            Reply::Body(body) => {
                kinds.extend(match body.end {
                    End::Whole => None,
                    End::Stall(_) => Some("timeout"),
                    End::Break(_) | End::Stop(_) | End::Over(_) => Some("transport"),
                });
                huge |=
                    matches!(body.length, LengthClaim::Huge(_)) || matches!(body.total, LengthClaim::Huge(_));
                odd |= body.served != Served::Current
                    || body.end != End::Whole
                    || body.length != LengthClaim::Right;
                let range = body.range != RangeStyle::Honoured || body.total != LengthClaim::Right;
                if range || body.length != LengthClaim::Right {
                    kinds.extend(["transport", "unexpected_content", "too_large"]);
                }
                odd |= range;
                if body.validator != Validator::Strong || body.served != Served::Current {
                    kinds.insert("unexpected_content");
                }
            }
        }
    }
    let sizes = [object.webhook.size, object.reply.size, object.caller.size];
    let digests = [object.webhook.sha256, object.reply.sha256, object.caller.sha256];
    let fine_size = |claim: &SizeClaim| matches!(claim, SizeClaim::Absent | SizeClaim::Right);
    let fine_digest = |claim: &DigestClaim| *claim != DigestClaim::Wrong;
    if odd || !sizes.iter().all(fine_size) || !digests.iter().all(fine_digest) {
        kinds.insert("integrity");
    }
    huge |= sizes.iter().any(|claim| matches!(claim, SizeClaim::Huge(_)));
    if huge || client.max_bytes.is_some() || u64::from(object.content.size) > DEFAULT_MAX_BYTES {
        kinds.extend(["too_large", "integrity", "transport"]);
    }
    if object.replacement.is_some() || rule(object, &facts.versions[0]) != Rule::Accept {
        kinds.insert("unexpected_content");
    }
    if client.deadline_ms.is_some() {
        kinds.insert("timeout");
    }
    if client.destination == Destination::File {
        // The name is taken, or becomes so meanwhile.
        kinds.extend(["local", "integrity"]);
    }
    if may_be_recorded(facts.world, facts.trace) {
        kinds.insert("local");
    }
    kinds
}
