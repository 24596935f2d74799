//! Links that name media, and the faults that act on the way to the bytes.

use crate::content::{self, Elsewhere, Voice};
use crate::digest;
use crate::faults::{Active, Asked, Fault, Stage};
use crate::http1::Head;
use crate::media::Media;
use crate::state::{At, Provider, Reply, World, lock};

fn acts(stage: Stage, at: At, switched: bool) -> bool {
    match at {
        At::Resolve => stage == Stage::Resolve || (switched && stage == Stage::Any),
        At::Content(_) => matches!(stage, Stage::Content | Stage::Any),
        At::Only => true,
        At::Other => switched && stage == Stage::Any,
    }
}

impl World {
    /// The attachment number of an id, and the generation of the link that is being made.
    pub(crate) fn new_link(&self, provider: Provider, id: &str) -> (u64, u64) {
        let mut shop = self.shop(provider);
        let mid = if let Some(mid) = shop.mids.get(id) {
            *mid
        } else {
            let mid = 700_000_000_000_000 + shop.next();
            shop.mids.insert(id.to_owned(), mid);
            shop.ids.insert(mid, id.to_owned());
            mid
        };
        let generation = shop.links.entry(id.to_owned()).or_default();
        *generation += 1;
        (mid, *generation)
    }

    pub(crate) fn id_of(&self, provider: Provider, mid: u64) -> Option<String> {
        self.shop(provider).ids.get(&mid).cloned()
    }

    /// The query of a link that lives five minutes.
    pub(crate) fn lookaside_query(&self, provider: Provider, id: &str) -> String {
        let (mid, generation) = self.new_link(provider, id);
        let expires = self.now_s() + 300;
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

    pub(crate) fn switch(&self, fault: &'static Fault, times: u64) {
        let mut switched = lock(&self.switched);
        switched.retain(|(have, _)| have.name != fault.name);
        if times > 0 {
            switched.push((fault, times));
        }
    }

    pub(crate) fn switched(&self) -> Vec<(&'static Fault, u64)> {
        lock(&self.switched).clone()
    }

    /// The fault that acts on this request.
    pub(crate) fn active(&self, provider: Provider, at: At, id: Option<&str>, head: &Head) -> Option<Active> {
        let ranged = head.header("range").is_some();
        let mut switched = lock(&self.switched);
        if let Some(place) = switched.iter().position(|(fault, _)| acts(fault.stage, at, true)) {
            let fault = switched[place].0;
            switched[place].1 -= 1;
            if switched[place].1 == 0 {
                switched.remove(place);
            }
            let active = Active::new(fault, None);
            return Some(if fault.about_ranges() && !ranged { active.cutting() } else { active });
        }
        drop(switched);
        let id = id?;
        let asked = Asked::by_id(id)?;
        if !acts(asked.fault.stage, at, false) {
            return None;
        }
        let active = Active::new(asked.fault, Some(asked));
        let generation = if let At::Content(generation) = at { generation } else { 0 };
        let hit = || {
            let mut shop = self.shop(provider);
            let hits = shop.hits.entry((id.to_owned(), generation)).or_default();
            *hits += 1;
            *hits - 1
        };
        match asked.fault.name {
            "expired" | "expired-mid" if at == At::Only => None,
            "expired" => (asked.forever() || generation % 2 == 1).then_some(active),
            "expired-mid" if !asked.forever() && generation % 2 == 0 => None,
            "expired-mid" => Some(if hit() == 0 { active } else { active.dead() }),
            _ if asked.fault.about_ranges() => {
                if ranged {
                    Some(active)
                } else {
                    hit().is_multiple_of(2).then(|| active.cutting())
                }
            }
            _ if asked.forever() => Some(active),
            name => {
                let first = if generation == 0 { hit() } else { self.hits_of_all_links(provider, id) };
                let bad = if name == "early" && at == At::Only { 2 } else { asked.fault.bad_in_a_row };
                (first % (bad + 1) < bad).then_some(active)
            }
        }
    }

    /// Counts a content request of an id whatever its link, and says how many came before.
    fn hits_of_all_links(&self, provider: Provider, id: &str) -> u64 {
        let mut shop = self.shop(provider);
        let hits = shop.hits.entry((id.to_owned(), u64::MAX)).or_default();
        *hits += 1;
        *hits - 1
    }

    /// Answers with the bytes of an object, or with what the fault makes of them.
    pub(crate) fn deliver(
        &self,
        provider: Provider,
        voice: Voice,
        media: &Media,
        head: &Head,
        at: At,
    ) -> Reply {
        let active = self.active(provider, at, Some(&media.id), head);
        if let Some(active) = active
            && let Some(response) = content::plain_fault(active, voice, &self.soon_http())
        {
            return Reply::with(response, Some(active));
        }
        if active.is_some_and(|active| active.is("gone")) {
            return Reply::with(content::vendor_error(voice, 404), active);
        }
        let origins = self.origins();
        let elsewhere = Elsewhere {
            other_host: format!("{}/{}/{}", origins.foreign, provider.name(), media.id),
            trap: format!("{}/{}/{}", origins.trap, provider.name(), media.id),
        };
        Reply::with(content::serve(voice, media, head, active, &elsewhere), active)
    }

    /// The answer of a switched fault to a call that is neither description nor content.
    pub(crate) fn disturb(&self, provider: Provider, head: &Head) -> Option<Reply> {
        let active = self.active(provider, At::Other, None, head)?;
        let response = content::plain_fault(active, provider.voice(), &self.soon_http())?;
        Some(Reply::with(response, Some(active)))
    }

    /// The link that a description gives, which some faults lead astray.
    pub(crate) fn astray(&self, provider: Provider, id: &str, active: Option<Active>) -> Option<String> {
        let origins = self.origins();
        let active = active?;
        let foreign = format!("{}/{}/{id}", origins.foreign, provider.name());
        if active.is("foreign-host") {
            return Some(foreign);
        }
        if active.is("lookalike") {
            let like = origins.content[provider as usize].trim_start_matches("http://");
            return Some(foreign.replacen("http://", &format!("http://{like}@"), 1));
        }
        None
    }
}
