//! Which bytes a client may join, from what the server sent.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::{BodyLog, Ending, Mismatch, RequestWhat};

/// What is wrong with these bytes, unless a consistent chain of replies brought them.
pub(super) fn inadmissible(facts: &Facts<'_>, stored: &[u8]) -> Option<&'static str> {
    // A digest that is only recorded refuses nothing.
    let confirmed = facts.digest_known() && facts.world.client.mismatch != Mismatch::Record;
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
    let sizes: BTreeSet<u64> =
        [facts.caller.size, facts.webhook.size, facts.reply.size].into_iter().flatten().collect();
    let mut chains: Vec<Chain> = Vec::new();
    for (what, body) in facts.bodies() {
        let is_start = !body.partial || body.start == 0;
        if is_start {
            // Over sockets, a transport may ask again before it hands a broken reply on.
            let may_be_unseen = facts.trace.wire && body.ending == Ending::Error;
            if !may_be_unseen {
                chains.clear();
            }
            let (total, validator) = (body.stated_total(), body.validator.clone());
            chains.push(Chain { bytes: body.sent.to_vec(), total, validator });
        }
        for chain in &mut chains {
            if !is_start && !chain.add(what, body, total_binds, any_part) {
                continue;
            }
            let length = chain.bytes.len() as u64;
            let is_complete = match chain.total.filter(|_| total_binds) {
                Some(total) => total == length,
                None => body.ending == Ending::Clean || sizes.contains(&length),
            };
            if is_complete && chain.bytes == stored {
                return Some(chain.total.unwrap_or(length));
            }
        }
    }
    None
}

/// Bytes that consistent replies brought.
struct Chain {
    bytes: Vec<u8>,
    total: Option<u64>,
    validator: Option<String>,
}

impl Chain {
    /// Adds a partial reply, if it continues the chain.
    fn add(&mut self, what: &RequestWhat, body: &BodyLog, total_binds: bool, any_part: bool) -> bool {
        let RequestWhat::Open { offset, validator } = what else { return false };
        let confirmed = validator.is_some() && body.validator == *validator && self.validator == *validator;
        let same_total = self.total.zip(body.total).is_none_or(|(before, now)| before == now);
        let start = usize::try_from(body.start).unwrap_or(usize::MAX);
        let continues = *offset == Some(body.start) && start <= self.bytes.len();
        let fits = continues && (same_total || !total_binds) && (confirmed || any_part);
        if fits {
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(&body.sent);
            self.total = self.total.or(body.total);
        }
        fits
    }
}
