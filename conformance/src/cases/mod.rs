//! The cases. Each proves one requirement; most change the provider's plain fetch into a fault.

mod bytes;
mod concurrency;
mod descriptors;
mod links;
mod misc;
mod observability;
mod replayed;
mod security;
mod setup;
mod time;
mod uploads;
mod webhooks;

pub(crate) use setup::{
    Case, Run, Setup, Verdict, ensure, equal, finish, long_reply, no_secret, paused, refuse_unread, requests,
    settled,
};

/// All cases that apply.
pub(crate) fn all(setup: &Setup) -> Vec<Case> {
    let mut cases = replayed::cases(setup);
    cases.extend(descriptors::cases(setup));
    cases.extend(uploads::cases(setup));
    cases.extend(concurrency::cases(setup));
    cases.extend(observability::cases(setup));
    cases.extend(bytes::cases(setup));
    cases.extend(links::cases(setup));
    cases.extend(time::cases(setup));
    cases.extend(security::cases(setup));
    cases.extend(misc::cases(setup));
    cases.extend(webhooks::cases(setup));
    cases
}
