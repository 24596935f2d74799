//! What an oracle looks at, and what it finds.

use wamedia_core::Sha256;

use super::{BodyLog, JobTrace, Object, RequestLog, RequestWhat, Trace, World};

/// A violation of an oracle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The oracle.
    pub oracle: &'static str,
    /// The kind of failure, in the same words each time.
    pub clue: &'static str,
    /// What was observed.
    pub detail: String,
}

#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Violation>);

impl Problems {
    pub(super) fn add(&mut self, oracle: &'static str, clue: &'static str, detail: impl Into<String>) {
        self.0.push(Violation { oracle, clue, detail: detail.into() });
    }
}

/// What is known about one transfer, from the world and from what the server saw.
pub(super) struct Facts<'w> {
    pub(super) world: &'w World,
    pub(super) trace: &'w Trace,
    pub(super) job: &'w JobTrace,
    pub(super) object: &'w Object,
    pub(super) versions: Vec<bytes::Bytes>,
    pub(super) requests: Vec<&'w RequestLog>,
    pub(super) caller: Stated,
    pub(super) webhook: Stated,
    pub(super) reply: Stated,
}

/// The size and the digest that one party stated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stated {
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<Sha256>,
}

impl<'w> Facts<'w> {
    pub(super) fn of(world: &'w World, trace: &'w Trace, job: &'w JobTrace) -> Self {
        let object = &world.objects[job.object];
        let versions = object.versions(job.object);
        let requests: Vec<_> = trace.requests_of(job.run, job.object).collect();
        let first = &versions[0];
        let resolved = requests.iter().rev().find_map(|request| match (&request.what, &request.answer) {
            (RequestWhat::Resolve, Ok(body)) => versions.get(body.version),
            _ => None,
        });
        let reply = resolved.map_or_else(Stated::default, |current| Stated {
            size: object.reply.size.of(current.len()),
            sha256: object.reply.sha256.of(current),
        });
        Self {
            caller: Stated {
                size: object.caller.size.of(first.len()),
                sha256: object.caller.sha256.of(first),
            },
            webhook: Stated {
                size: object.webhook.size.of(first.len()),
                sha256: object.webhook.sha256.of(first),
            },
            reply,
            world,
            trace,
            job,
            object,
            versions,
            requests,
        }
    }

    /// Whether any party stated a digest.
    pub(super) fn digest_known(&self) -> bool {
        [self.caller, self.webhook, self.reply].iter().any(|stated| stated.sha256.is_some())
    }

    /// The digests that success must agree with.
    pub(super) fn binding_digests(&self) -> Vec<Sha256> {
        let signed = self.webhook.sha256.filter(|_| self.object.signed);
        let reply = self.reply.sha256.filter(|_| self.caller.sha256.is_none());
        let mut all: Vec<_> = [self.caller.sha256, signed, reply].into_iter().flatten().collect();
        if all.is_empty() {
            all.extend(self.webhook.sha256.filter(|_| self.reply.sha256.is_none()));
        }
        all
    }

    /// The sizes that success must agree with.
    pub(super) fn binding_sizes(&self) -> Vec<u64> {
        let signed = self.webhook.size.filter(|_| self.object.signed);
        let mut all: Vec<_> = [self.caller.size, signed].into_iter().flatten().collect();
        if !self.digest_known() && self.caller.size.is_none() {
            all.extend(self.reply.size.or(self.webhook.size));
        }
        all
    }

    /// The bodies that the server sent, each with what was asked for.
    pub(super) fn bodies(&self) -> impl Iterator<Item = (&RequestWhat, &BodyLog)> {
        self.requests.iter().filter_map(|request| match (&request.what, &request.answer) {
            (what @ RequestWhat::Open { .. }, Ok(body)) => Some((what, body)),
            _ => None,
        })
    }

    pub(super) fn who(&self) -> String {
        format!("run {} object {}", self.job.run + 1, self.job.object)
    }
}
