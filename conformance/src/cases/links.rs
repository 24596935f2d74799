//! Links that die, ranges that lie.

use wamedia_core::ErrorKind;

use super::bytes::again;
use super::{Case, Subject, Verdict, ensure, equal};
use crate::double::Options;
use crate::matching::Matcher;
use crate::script::Turn;
use wamedia_sandbox::http1::{Framing, Response};

pub(super) fn cases(subject: &Subject) -> Vec<Case> {
    let mut cases = Vec::new();
    if subject.capabilities.expiring_links && subject.capabilities.resolve_remote {
        for status in [401, 403, 410] {
            cases.push(Case::new("EX-001", format!("dead-link-{status}"), move |c| dead_link(c, status)));
        }
        cases.push(Case::new("EX-002", "dead-twice", dead_twice));
        cases.push(Case::new("EX-001", "dies-mid-body", dies_mid_body));
    }
    if subject.ranged().is_some() {
        let mut ranged = |requirement, name: &str, run: fn(&Subject) -> Verdict| {
            cases.push(Case::new(requirement, name, move |subject| {
                run(&subject.ranged().ok_or("ranges work no more")?)
            }));
        };
        ranged("RS-001", "asks-for-the-rest", |c| resumes(c, Framing::Reset(5000), 5000));
        ranged("RS-002", "range-ignored", range_ignored);
        ranged("RS-003", "another-start", |c| wrong_range(c, "bytes 0-", 0));
        ranged("RS-003", "no-content-range", |c| wrong_range(c, "", 0));
        ranged("RS-003", "another-start-without-a-digest", overlapping_range);
        ranged("RS-004", "changed-entity", changed_entity);
        ranged("RS-004", "validator-is-sent", validator_is_sent);
        ranged("RS-005", "range-416", range_416);
        ranged("RS-006", "several-parts", several_parts);
        ranged("RS-006", "encoded-part", encoded_part);
        ranged("RS-008", "no-progress", no_progress);
    }
    if !subject.capabilities.open_range {
        cases.push(Case::new("RS-007", "no-range-is-sent", no_range).negative());
    }
    cases
}

fn dead_link(subject: &Subject, status: u16) -> Verdict {
    let (before, content) = subject.split()?;
    let mut turns = before.clone();
    turns.push(content.clone().with(|_| Response::new(status)));
    turns.extend(before);
    turns.push(content);
    let wanted = turns.len();
    let run = subject.fetch(turns)?;
    equal("renewals", &run.fetched()?.receipt.renewals, &1)?;
    equal("requests", &run.requests(), &wanted)
}

fn dead_twice(subject: &Subject) -> Verdict {
    let (before, content) = subject.split()?;
    let dead = content.with(|_| Response::new(403));
    let mut turns = before.clone();
    turns.push(dead.clone());
    turns.extend(before);
    turns.push(dead);
    let wanted = turns.len();
    let run = subject.fetch(turns)?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Expired | ErrorKind::Forbidden), format!("kind {kind:?}"))?;
    equal("requests", &run.requests(), &wanted)
}

fn dies_mid_body(subject: &Subject) -> Verdict {
    let (before, content) = subject.split()?;
    let mut turns = before.clone();
    turns.push(content.clone().framed(Framing::Reset(4000)));
    turns.push(content.clone().with(|_| Response::new(403)));
    turns.extend(before);
    turns.push(again(subject, content, 4000));
    let run = subject.fetch(turns)?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)
}

fn resumes(subject: &Subject, framing: Framing, count: usize) -> Verdict {
    let (mut turns, content) = subject.split()?;
    turns.push(content.clone().framed(framing));
    turns.push(again(subject, content, count));
    let run = subject.fetch(turns)?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)?;
    equal("resumes", &run.fetched()?.receipt.resumes, &1)
}

fn range_ignored(subject: &Subject) -> Verdict {
    let (mut turns, content) = subject.split()?;
    turns.push(content.clone().framed(Framing::Reset(5000)));
    turns.push(content);
    let run = subject.fetch(turns)?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)
}

/// After a wrong partial answer the content is read anew, from its beginning.
fn wrong_range(subject: &Subject, range: &'static str, start: usize) -> Verdict {
    let (mut turns, content) = subject.split()?;
    let total = content.reply.body.len();
    turns.push(content.clone().framed(Framing::Reset(5000)));
    turns.push(content.clone().with(|reply| {
        let reply = reply.status(206).body(vec![9; total - start]);
        if range.is_empty() {
            reply
        } else {
            reply.header("content-range", format!("{range}{}/{total}", total - 1))
        }
    }));
    turns.push(content);
    let run = subject.fetch(turns)?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)
}

/// As many bytes as are missing, from another place: no digest gives it away.
fn overlapping_range(subject: &Subject) -> Verdict {
    let (media, mut turns, content) = subject.undeclared()?;
    let total = content.reply.body.len();
    let whole = content.clone().with(|reply| reply.header("etag", "\"one\""));
    turns.push(whole.clone().framed(Framing::Reset(5000)));
    turns.push(content.with(|reply| {
        let reply = reply.status(206).header("etag", "\"one\"").body(vec![9; total - 5000]);
        reply.header("content-range", format!("bytes 4000-{}/{total}", total - 1001))
    }));
    turns.push(whole);
    let run = subject.fetch_media(&media, turns, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)
}

/// The rest belongs to other content: the bytes are never mixed.
fn changed_entity(subject: &Subject) -> Verdict {
    let (mut turns, content) = subject.split()?;
    let total = content.reply.body.len();
    turns.push(content.clone().with(|reply| reply.header("etag", "\"one\"").framing(Framing::Reset(5000))));
    turns.push(again(subject, content.clone(), 5000).with(|reply| {
        let other = vec![9; total - 5000];
        reply.header("etag", "\"two\"").body(other)
    }));
    turns.push(content);
    let run = subject.fetch(turns)?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)
}

fn range_416(subject: &Subject) -> Verdict {
    let (mut turns, content) = subject.split()?;
    turns.push(content.clone().framed(Framing::Reset(5000)));
    turns.push(content.clone().with(|_| Response::new(416)));
    turns.push(content);
    let run = subject.fetch(turns)?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)
}

fn several_parts(subject: &Subject) -> Verdict {
    unusable_part(subject, "content-type", "multipart/byteranges; boundary=x")
}

/// The rest comes in a form that is not the rest, and no digest would tell.
fn unusable_part(subject: &Subject, name: &str, value: &str) -> Verdict {
    let (media, mut turns, content) = subject.undeclared()?;
    let content = content.with(|reply| reply.header("etag", "\"one\""));
    turns.push(content.clone().framed(Framing::Reset(5000)));
    turns.push(again(subject, content.clone(), 5000).with(|reply| {
        let other = vec![9; reply.body.len()];
        reply.header(name, value).body(other)
    }));
    turns.push(content);
    let run = subject.fetch_media(&media, turns, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &subject.content_bytes()?)
}

fn encoded_part(subject: &Subject) -> Verdict {
    unusable_part(subject, "content-encoding", "gzip")
}

/// The rest is asked for on condition that it belongs to the same content.
fn validator_is_sent(subject: &Subject) -> Verdict {
    let (mut turns, content) = subject.split()?;
    turns.push(content.clone().with(|reply| reply.header("etag", "\"one\"").framing(Framing::Reset(5000))));
    let mut rest = again(subject, content, 5000).with(|reply| reply.header("etag", "\"one\""));
    rest.request.headers.insert("if-range".to_owned(), Matcher::EqualTo("\"one\"".to_owned()));
    turns.push(rest);
    let run = subject.fetch(turns)?;
    equal("resumes", &run.fetched()?.receipt.resumes, &1)
}

fn no_progress(subject: &Subject) -> Verdict {
    let (mut turns, content) = subject.split()?;
    let before = turns.len();
    turns.push(content.clone().framed(Framing::Reset(5000)));
    turns.push(again(subject, content, 5000).framed(Framing::Reset(0)).forever());
    let run = subject.fetch(turns)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Transport)?;
    ensure(run.requests() <= before + 5, format!("{} requests", run.requests()))
}

/// Without the capability, a break leads to a restart, never to a range.
fn no_range(subject: &Subject) -> Verdict {
    let (mut turns, content) = subject.split()?;
    let plain = |mut turn: Turn| {
        turn.request.headers.insert("range".to_owned(), Matcher::Absent(true));
        turn
    };
    turns.push(plain(content.clone()).framed(Framing::Reset(5000)));
    turns.push(plain(content));
    let run = subject.fetch(turns)?;
    equal("resumes", &run.fetched()?.receipt.resumes, &0)
}
