//! Expired links, and wrong replies to range requests.

use wamedia_core::ErrorKind;

use super::bytes::again;
use super::{Case, Setup, Verdict, ensure, equal, requests};
use crate::fake_server::Options;
use crate::matching::Matcher;
use crate::script::ExpectedExchange;
use wamedia_sandbox::http1::{Framing, Response};

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let mut cases = Vec::new();
    if setup.capabilities.expiring_links && setup.capabilities.resolve_remote {
        for status in [401, 403, 410] {
            cases.push(Case::new("EX-001", format!("dead-link-{status}"), move |c| dead_link(c, status)));
        }
        cases.push(Case::new("EX-002", "dead-twice", dead_twice));
        cases.push(Case::new("EX-001", "dies-mid-body", dies_mid_body));
    }
    if setup.ranged().is_some() {
        let mut ranged = |requirement, name: &str, run: fn(&Setup) -> Verdict| {
            cases.push(Case::new(requirement, name, move |setup| {
                run(&setup.ranged().ok_or("ranges work no more")?)
            }));
        };
        ranged("RS-001", "asks-for-the-rest", |c| resumes(c, Framing::Reset(5000), 5000));
        ranged("RS-002", "range-ignored", range_ignored);
        ranged("RS-003", "another-start", |c| wrong_range(c, "bytes 0-", 0));
        ranged("RS-003", "no-content-range", |c| wrong_range(c, "", 0));
        ranged("RS-003", "another-start-without-a-digest", |c| {
            odd_part(c, |total| Some(format!("bytes 4000-{}/{total}", total - 1001)))
        });
        ranged("RS-003", "another-total-without-a-digest", |c| {
            odd_part(c, |total| Some(format!("bytes 5000-{}/{}", total - 1, total + 9)))
        });
        ranged("RS-003", "no-content-range-without-a-digest", |c| odd_part(c, |_| None));
        ranged("RS-004", "changed-entity", changed_entity);
        ranged("RS-004", "changed-entity-without-a-digest", changed_without_digest);
        ranged("RS-004", "digest-in-place-of-a-validator", |c| resumes(c, Framing::Reset(5000), 5000));
        ranged("RS-004", "validator-is-sent", validator_is_sent);
        ranged("RS-005", "range-416", range_416);
        ranged("RS-006", "several-parts", several_parts);
        ranged("RS-006", "encoded-part", encoded_part);
        ranged("RS-008", "no-progress", no_progress);
    }
    if setup.capabilities.open && !setup.capabilities.open_range {
        cases.push(Case::new("RS-007", "no-range-is-sent", no_range).negative());
    }
    cases
}

fn dead_link(setup: &Setup, status: u16) -> Verdict {
    let (before, content) = setup.split()?;
    let mut exchanges = before.clone();
    exchanges.push(content.clone().with(|_| Response::new(status)));
    exchanges.extend(before);
    exchanges.push(content);
    let wanted = requests(&exchanges);
    let run = setup.fetch(exchanges)?;
    equal("renewals", &run.fetched()?.receipt.renewals, &1)?;
    equal("requests", &run.requests(), &wanted)
}

fn dead_twice(setup: &Setup) -> Verdict {
    let (before, content) = setup.split()?;
    let dead = content.with(|_| Response::new(403));
    let mut exchanges = before.clone();
    exchanges.push(dead.clone());
    exchanges.extend(before);
    exchanges.push(dead);
    let wanted = requests(&exchanges);
    let run = setup.fetch(exchanges)?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Expired | ErrorKind::Forbidden), format!("kind {kind:?}"))?;
    equal("requests", &run.requests(), &wanted)
}

fn dies_mid_body(setup: &Setup) -> Verdict {
    let (before, content) = setup.split()?;
    let mut exchanges = before.clone();
    exchanges.push(content.clone().framed(Framing::Reset(4000)));
    exchanges.push(content.clone().with(|_| Response::new(403)));
    exchanges.extend(before);
    exchanges.push(again(setup, content, 4000));
    let run = setup.fetch(exchanges)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

fn resumes(setup: &Setup, framing: Framing, count: usize) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    exchanges.push(content.clone().framed(framing));
    exchanges.push(again(setup, content, count));
    let run = setup.fetch(exchanges)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)?;
    equal("resumes", &run.fetched()?.receipt.resumes, &1)
}

fn range_ignored(setup: &Setup) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    exchanges.push(content.clone().framed(Framing::Reset(5000)));
    exchanges.push(content);
    let run = setup.fetch(exchanges)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

/// After a wrong partial answer the content is read anew, from its beginning.
fn wrong_range(setup: &Setup, range: &'static str, start: usize) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    let total = content.reply.body.len();
    exchanges.push(content.clone().framed(Framing::Reset(5000)));
    exchanges.push(content.clone().with(|reply| {
        let reply = reply.status(206).body(vec![9; total - start]);
        if range.is_empty() {
            reply
        } else {
            reply.header("content-range", format!("{range}{}/{total}", total - 1))
        }
    }));
    exchanges.push(content);
    let run = setup.fetch(exchanges)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

/// As many bytes as are missing, with a Content-Range that is wrong or none, where no digest detects it.
fn odd_part(setup: &Setup, range: fn(usize) -> Option<String>) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    let total = content.reply.body.len();
    let whole = content.clone().with(|reply| reply.header("etag", "\"one\""));
    exchanges.push(whole.clone().framed(Framing::Reset(5000)));
    exchanges.push(content.with(|reply| {
        let reply = reply.status(206).header("etag", "\"one\"").body(vec![9; total - 5000]);
        match range(total) {
            Some(range) => reply.header("content-range", range),
            None => reply,
        }
    }));
    exchanges.push(whole);
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

/// The rest has another validator, and no digest detects it.
fn changed_without_digest(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    let total = content.reply.body.len();
    let whole = content.clone().with(|reply| reply.header("etag", "\"one\""));
    exchanges.push(whole.framed(Framing::Reset(5000)));
    exchanges.push(
        again(setup, content.clone(), 5000)
            .with(|reply| reply.header("etag", "\"two\"").body(vec![9; total - 5000])),
    );
    exchanges.push(content);
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

/// The rest belongs to other content: the bytes are never mixed.
fn changed_entity(setup: &Setup) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    let total = content.reply.body.len();
    exchanges
        .push(content.clone().with(|reply| reply.header("etag", "\"one\"").framing(Framing::Reset(5000))));
    exchanges.push(again(setup, content.clone(), 5000).with(|reply| {
        let other = vec![9; total - 5000];
        reply.header("etag", "\"two\"").body(other)
    }));
    exchanges.push(content);
    let run = setup.fetch(exchanges)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

fn range_416(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    let content = content.with(|reply| reply.header("etag", "\"one\""));
    exchanges.push(content.clone().framed(Framing::Reset(5000)));
    // By type and length it could be the content.
    let refused = |mut reply: Response| {
        reply.status = 416;
        let other = vec![9; reply.body.len()];
        reply.body(other)
    };
    exchanges.push(again(setup, content.clone(), 5000).with(refused));
    exchanges.push(content);
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

fn several_parts(setup: &Setup) -> Verdict {
    unusable_part(setup, "content-type", "multipart/byteranges; boundary=x")
}

/// The rest comes in an unusable form, where no digest detects it.
fn unusable_part(setup: &Setup, name: &str, value: &str) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    let content = content.with(|reply| reply.header("etag", "\"one\""));
    exchanges.push(content.clone().framed(Framing::Reset(5000)));
    exchanges.push(again(setup, content.clone(), 5000).with(|reply| {
        let other = vec![9; reply.body.len()];
        reply.header(name, value).body(other)
    }));
    exchanges.push(content);
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

fn encoded_part(setup: &Setup) -> Verdict {
    unusable_part(setup, "content-encoding", "gzip")
}

/// The rest is asked for on condition that it belongs to the same content.
fn validator_is_sent(setup: &Setup) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    exchanges
        .push(content.clone().with(|reply| reply.header("etag", "\"one\"").framing(Framing::Reset(5000))));
    let mut rest = again(setup, content, 5000).with(|reply| reply.header("etag", "\"one\""));
    rest.request.headers.insert("if-range".to_owned(), Matcher::EqualTo("\"one\"".to_owned()));
    exchanges.push(rest);
    let run = setup.fetch(exchanges)?;
    equal("resumes", &run.fetched()?.receipt.resumes, &1)
}

fn no_progress(setup: &Setup) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    let most = exchanges.len() + 5 * content.requests();
    exchanges.push(content.clone().framed(Framing::Reset(5000)));
    exchanges.push(again(setup, content, 5000).framed(Framing::Reset(0)).forever());
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Transport)?;
    ensure(run.requests() <= most, format!("{} requests", run.requests()))
}

/// Without the capability, a break leads to a restart, never to a range.
fn no_range(setup: &Setup) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    let plain = |mut exchange: ExpectedExchange| {
        exchange.request.headers.insert("range".to_owned(), Matcher::Absent(true));
        exchange
    };
    exchanges.push(plain(content.clone()).framed(Framing::Reset(5000)));
    exchanges.push(plain(content));
    let run = setup.fetch(exchanges)?;
    equal("resumes", &run.fetched()?.receipt.resumes, &0)
}
