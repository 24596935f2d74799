//! Capabilities, ids, the status table, connections.

use wamedia_core::{DeleteOptions, ErrorKind, ListOptions, MediaRef, Mime, UploadContent, UploadOptions};

use super::{Case, Subject, Verdict, ensure, equal, paused};
use crate::double::{Double, Options};
use crate::script::Turn;
use wamedia_sandbox::http1::Response;

pub(super) fn cases(subject: &Subject) -> Vec<Case> {
    let can = &subject.capabilities;
    let mut cases = vec![Case::new("RV-002", "impossible-ids", impossible_ids)];
    if !can.upload {
        cases.push(Case::new("CP-001", "upload", |c| undeclared(c, "upload")).negative());
    }
    if !can.delete {
        cases.push(Case::new("CP-001", "delete", |c| undeclared(c, "delete")).negative());
    }
    if !can.list {
        cases.push(Case::new("CP-001", "list", |c| undeclared(c, "list")).negative());
    }
    if can.upload && !can.limits.is_empty() {
        cases.push(Case::new("CP-003", "one-byte-too-many", too_many_bytes));
    }
    if can.open {
        for (status, kind) in [
            (401, ErrorKind::Unauthorized),
            (403, ErrorKind::Forbidden),
            (413, ErrorKind::TooLarge),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Upstream),
        ] {
            cases.push(Case::new("ER-001", format!("status-{status}"), move |c| {
                status_table(c, status, kind)
            }));
        }
        cases.push(Case::new("ER-005", "long-and-coloured-error", long_error));
        cases.push(Case::new("CC-005", "connections-are-kept", kept_connections));
        cases.push(Case::new("CC-006", "both-runtimes", both_runtimes));
    }
    cases
}

/// Nothing may be sent: the double expects no request at all.
fn undeclared(subject: &Subject, operation: &str) -> Verdict {
    let turns = nothing_expected(subject)?;
    paused(async {
        let double =
            Double::start(turns, subject.clock(), Options::default()).await.map_err(|e| e.to_string())?;
        let provider = subject.provider(&double);
        let media = subject.media(subject.base()?)?;
        let outcome = match operation {
            "upload" => provider.upload(sample(10)?, UploadOptions::default()).await.map(|_| ()),
            "delete" => provider.delete(&media, DeleteOptions::default()).await.map(|_| ()),
            _ => provider.list(ListOptions::default()).await.map(|_| ()),
        };
        let error = outcome.err().ok_or("it must answer that it cannot")?;
        equal("kind", &error.kind(), &ErrorKind::Unsupported)?;
        equal("requests", &double.log(|log| log.received.len()), &0)
    })
}

fn nothing_expected(subject: &Subject) -> Result<Vec<Turn>, String> {
    // One turn gives the double its host names; the log is checked to be empty.
    let mut turns = subject.turns(subject.base()?);
    turns.truncate(1);
    Ok(turns)
}

fn sample(size: usize) -> Result<UploadContent, String> {
    let mime = Mime::parse("image/jpeg").map_err(|error| error.to_string())?;
    Ok(UploadContent::from_bytes(vec![0; size], mime, "photo.jpg"))
}

fn too_many_bytes(subject: &Subject) -> Verdict {
    let limit = subject.capabilities.limits.iter().find(|limit| limit.mimes.contains(&"image/jpeg"));
    let limit = limit.ok_or("no limit for a JPEG")?;
    let turns = nothing_expected(subject)?;
    paused(async {
        let double =
            Double::start(turns, subject.clock(), Options::default()).await.map_err(|e| e.to_string())?;
        let provider = subject.provider(&double);
        let size = usize::try_from(limit.max_bytes + 1).map_err(|error| error.to_string())?;
        let content = sample(size)?.with_kind(limit.kind);
        let error =
            provider.upload(content, UploadOptions::default()).await.err().ok_or("it was accepted")?;
        equal("kind", &error.kind(), &ErrorKind::TooLarge)?;
        equal("requests", &double.log(|log| log.received.len()), &0)
    })
}

fn impossible_ids(subject: &Subject) -> Verdict {
    for id in ["", "/", "..", "a/../b", "%2f", "a\r\nb", "a\0b", &"x".repeat(10_240)] {
        match subject.id(id) {
            Ok(_) => return Err(format!("accepted: {id:.20?}")),
            Err(error) => equal("kind", &error.kind(), &ErrorKind::InvalidRequest)?,
        }
    }
    Ok(())
}

fn status_table(subject: &Subject, status: u16, kind: ErrorKind) -> Verdict {
    let mut turns = nothing_expected(subject)?;
    turns[0] = turns[0].clone().with(|_| Response::new(status)).forever();
    let run = subject.fetch(turns)?;
    equal("kind", &run.error()?.kind(), &kind)
}

fn long_error(subject: &Subject) -> Verdict {
    let mut turns = nothing_expected(subject)?;
    let text = format!("\u{1b}[31mred\r\n{}", "x".repeat(3_000_000));
    turns[0] = turns[0].clone().with(|_| Response::new(400).header("content-type", "text/plain").body(text));
    let run = subject.fetch(turns)?;
    let mut shown = run.error()?.to_string();
    let mut cause = std::error::Error::source(run.error()?);
    while let Some(error) = cause {
        shown.push_str(&error.to_string());
        cause = error.source();
    }
    ensure(shown.len() < 2000, format!("{} bytes of message", shown.len()))?;
    ensure(!shown.chars().any(char::is_control), "control characters in the message")
}

/// Sequential fetches go over the connections that are there.
fn kept_connections(subject: &Subject) -> Verdict {
    let mut turns = subject.turns(subject.base()?);
    let origins: std::collections::BTreeSet<_> = turns.iter().map(|turn| turn.origin.clone()).collect();
    turns.extend(turns.clone());
    let media = subject.media(subject.base()?)?;
    paused(async {
        let double =
            Double::start(turns, subject.clock(), Options::default()).await.map_err(|e| e.to_string())?;
        let provider = subject.provider(&double);
        for _ in 0..2 {
            subject.transfer(&*provider).fetch(&media).await.map_err(|error| error.to_string())?;
        }
        equal("connections", &double.server().connections(), &(origins.len() as u64))
    })
}

/// Built outside any runtime, used on two kinds.
fn both_runtimes(subject: &Subject) -> Verdict {
    let media: MediaRef = subject.media(subject.base()?)?;
    let turns = subject.turns(subject.base()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let double = runtime
        .block_on(Double::start(turns, subject.clock(), Options::default()))
        .map_err(|error| error.to_string())?;
    let provider = subject.provider(&double);
    let fetched = runtime.block_on(async { subject.transfer(&*provider).fetch(&media).await });
    fetched.map(|_| ()).map_err(|error| error.to_string())
}
