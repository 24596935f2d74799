//! Links that name media, and the faults that act on the way to the bytes.

use crate::content::{self, RedirectTargets, VendorStyle};
use crate::digest;
use crate::faults::{Active, Fault, FaultScope, FaultSelector};
use crate::http1::Head;
use crate::media::Media;
use crate::state::{Provider, Reply, Stage, State, lock};

/// Whether a fault acts at this stage: selected by an id, or switched on for any id.
fn acts(scope: FaultScope, stage: Stage, is_switched: bool) -> bool {
    match stage {
        Stage::Resolve => scope == FaultScope::Resolve || (is_switched && scope == FaultScope::Any),
        Stage::Content(_) => matches!(scope, FaultScope::Content | FaultScope::Any),
        Stage::Only => true,
        Stage::Other => is_switched && scope == FaultScope::Any,
    }
}

impl State {
    /// The attachment number of an id, and the generation of the link that is being made.
    pub(crate) fn new_link(&self, provider: Provider, id: &str) -> (u64, u64) {
        let mut store = self.store(provider);
        let mid = if let Some(mid) = store.mids.get(id) {
            *mid
        } else {
            let mid = 700_000_000_000_000 + store.next();
            store.mids.insert(id.to_owned(), mid);
            store.ids.insert(mid, id.to_owned());
            mid
        };
        let generation = store.links.entry(id.to_owned()).or_default();
        *generation += 1;
        (mid, *generation)
    }

    pub(crate) fn id_of(&self, provider: Provider, mid: u64) -> Option<String> {
        self.store(provider).ids.get(&mid).cloned()
    }

    /// The query of a link that expires after five minutes.
    pub(crate) fn lookaside_query(&self, provider: Provider, id: &str) -> String {
        self.link_query(provider, id, 300)
    }

    /// The query of a link that expires after so many seconds.
    pub(crate) fn link_query(&self, provider: Provider, id: &str, lifetime_s: u64) -> String {
        let (mid, generation) = self.new_link(provider, id);
        let expires = self.now_s() + lifetime_s;
        format!("mid={mid}&ext={expires}&hash={}", self.link_hash(provider, mid, expires, generation))
    }

    fn link_hash(&self, provider: Provider, mid: u64, expires: u64, generation: u64) -> String {
        let text = format!("{}/{mid}/{expires}/{generation}", provider.name());
        let mac = digest::hmac_sha256(self.credentials.meta_app_secret.as_bytes(), text.as_bytes());
        format!("ARm{generation}-{}", digest::base64_url(&mac[..18]))
    }

    /// The id and generation behind a link's query, or `None` when it is dead or wrong.
    pub(crate) fn open_link(&self, provider: Provider, head: &Head) -> Option<(String, u64)> {
        let mid = head.query("mid")?.parse().ok()?;
        let expires = head.query("ext")?.parse().ok()?;
        let hash = head.query("hash")?;
        let generation = hash.strip_prefix("ARm")?.split('-').next()?.parse().ok()?;
        if expires <= self.now_s() || hash != self.link_hash(provider, mid, expires, generation) {
            return None;
        }
        Some((self.id_of(provider, mid)?, generation))
    }

    pub(crate) fn switch(&self, fault: Fault, times: u64) {
        let mut switched = lock(&self.switched);
        switched.retain(|(have, _)| *have != fault);
        if times > 0 {
            switched.push((fault, times));
        }
    }

    pub(crate) fn switched(&self) -> Vec<(Fault, u64)> {
        lock(&self.switched).clone()
    }

    /// The fault that acts on this request.
    pub(crate) fn active(
        &self,
        provider: Provider,
        stage: Stage,
        id: Option<&str>,
        head: &Head,
    ) -> Option<Active> {
        let ranged = head.header("range").is_some();
        let mut switched = lock(&self.switched);
        if let Some(place) = switched.iter().position(|(fault, _)| acts(fault.scope(), stage, true)) {
            let fault = switched[place].0;
            switched[place].1 -= 1;
            if switched[place].1 == 0 {
                switched.remove(place);
            }
            let active = Active::new(fault, None);
            return Some(if fault.is_about_ranges() && !ranged { active.cutting() } else { active });
        }
        drop(switched);
        let id = id?;
        let selector = FaultSelector::from_id(id)?;
        if !acts(selector.fault.scope(), stage, false) {
            return None;
        }
        let active = Active::new(selector.fault, Some(selector));
        let generation = if let Stage::Content(generation) = stage { generation } else { 0 };
        let hit = || {
            let mut store = self.store(provider);
            let hits = store.hits.entry((id.to_owned(), generation)).or_default();
            *hits += 1;
            *hits - 1
        };
        match selector.fault {
            Fault::Expired | Fault::ExpiredMid if stage == Stage::Only => None,
            Fault::Expired => (selector.forever() || generation % 2 == 1).then_some(active),
            Fault::ExpiredMid if !selector.forever() && generation % 2 == 0 => None,
            Fault::ExpiredMid => Some(if hit() == 0 { active } else { active.dead() }),
            _ if selector.fault.is_about_ranges() => {
                if ranged {
                    Some(active)
                } else {
                    hit().is_multiple_of(2).then(|| active.cutting())
                }
            }
            _ if selector.forever() => Some(active),
            fault => {
                let first = if generation == 0 { hit() } else { self.hits_of_all_links(provider, id) };
                let bad = if fault == Fault::Early && stage == Stage::Only {
                    2
                } else {
                    selector.fault.bad_in_a_row()
                };
                (first % (bad + 1) < bad).then_some(active)
            }
        }
    }

    /// Counts a content request of an id over all its links, and returns how many came before.
    fn hits_of_all_links(&self, provider: Provider, id: &str) -> u64 {
        let mut store = self.store(provider);
        let hits = store.hits.entry((id.to_owned(), u64::MAX)).or_default();
        *hits += 1;
        *hits - 1
    }

    /// Answers with the bytes of an object, or as the active fault demands.
    pub(crate) fn deliver(
        &self,
        provider: Provider,
        style: VendorStyle,
        media: &Media,
        head: &Head,
        stage: Stage,
    ) -> Reply {
        let active = self.active(provider, stage, Some(&media.id), head);
        if let Some(active) = active
            && let Some(response) = content::plain_fault(active, style, &self.soon_http())
        {
            return Reply::with(response, Some(active));
        }
        if active.is_some_and(|active| active.is(Fault::Gone)) {
            return Reply::with(content::vendor_error(style, 404), active);
        }
        let origins = self.origins();
        let targets = RedirectTargets {
            other_host: format!("{}/{}/{}", origins.foreign, provider.name(), media.id),
            forbidden_host: format!("{}/{}/{}", origins.forbidden_host, provider.name(), media.id),
        };
        Reply::with(content::serve(style, media, head, active, &targets), active)
    }

    /// The reply of a switched fault to a call that is neither description nor content.
    pub(crate) fn inject_fault(&self, provider: Provider, head: &Head) -> Option<Reply> {
        let active = self.active(provider, Stage::Other, None, head)?;
        let response = content::plain_fault(active, provider.style(), &self.soon_http())?;
        Some(Reply::with(response, Some(active)))
    }

    /// The faulty link that a description gives, if the fault is about links.
    pub(crate) fn faulty_link(&self, provider: Provider, id: &str, active: Option<Active>) -> Option<String> {
        let origins = self.origins();
        let active = active?;
        let foreign = format!("{}/{}/{id}", origins.foreign, provider.name());
        if active.is(Fault::ForeignHost) {
            return Some(foreign);
        }
        if active.is(Fault::Lookalike) {
            let (_, like) = origins.content[provider as usize].split_once("://")?;
            return Some(foreign.replacen("://", &format!("://{like}@"), 1));
        }
        None
    }
}
