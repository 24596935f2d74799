//! Which bytes a client may join, from what the server sent.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::{Ending, RequestWhat};

/// What is wrong with these bytes, unless a consistent chain of replies brought them.
pub(super) fn inadmissible(facts: &Facts<'_>, stored: &[u8]) -> Option<&'static str> {
    let confirmed = facts.digest_known();
    if came_as(facts, stored, true, confirmed).is_some() {
        return None;
    }
    if let Some(total) = came_as(facts, stored, false, confirmed) {
        let less = (stored.len() as u64) < total;
        return Some(if less {
            "less than the stated total was stored"
        } else {
            "more than the stated total was stored"
        });
    }
    if came_as(facts, stored, false, true).is_some() {
        return Some("a part was joined that no validator confirmed");
    }
    Some("bytes of no single object were stored")
}

/// The total that a consistent chain of replies stated which brought these bytes, where there is such a chain.
///
/// A chain begins with a reply that starts at zero. A partial reply continues it only where it confirms the
/// validator that was sent, or where a digest was there to check the whole (`any_part`). A total that was
/// stated stays (`total_binds`).
fn came_as(facts: &Facts<'_>, stored: &[u8], total_binds: bool, any_part: bool) -> Option<u64> {
    struct Chain {
        bytes: Vec<u8>,
        total: Option<u64>,
        validator: Option<String>,
    }
    let sizes: BTreeSet<u64> =
        [facts.caller.size, facts.webhook.size, facts.reply.size].into_iter().flatten().collect();
    let mut chain: Option<Chain> = None;
    for (what, body) in facts.bodies() {
        if !body.partial || body.start == 0 {
            let (total, validator) = (body.stated_total(), body.validator.clone());
            chain = Some(Chain { bytes: body.sent.to_vec(), total, validator });
        } else {
            let RequestWhat::Open { offset, validator } = what else { continue };
            let Some(open) = &mut chain else { continue };
            let confirmed =
                validator.is_some() && body.validator == *validator && open.validator == *validator;
            let same_total = open.total.zip(body.total).is_none_or(|(before, now)| before == now);
            let start = usize::try_from(body.start).unwrap_or(usize::MAX);
            let continues = *offset == Some(body.start) && start <= open.bytes.len();
            if !(continues && (same_total || !total_binds) && (confirmed || any_part)) {
                continue;
            }
            open.bytes.truncate(start);
            open.bytes.extend_from_slice(&body.sent);
            open.total = open.total.or(body.total);
        }
        let Some(open) = &chain else { continue };
        let length = open.bytes.len() as u64;
        let complete = match open.total.filter(|_| total_binds) {
            Some(total) => total == length,
            None => body.ending == Ending::Clean || sizes.contains(&length),
        };
        if complete && open.bytes == stored {
            return Some(open.total.unwrap_or(length));
        }
    }
    None
}
