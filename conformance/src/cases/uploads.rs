//! Uploads: what is sent, what is never sent twice, and what an answer means. Deletions that are lost.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use wamedia_core::{
    DeleteOptions, DeleteOutcome, Error, ErrorKind, Mime, Result as CoreResult, UploadContent, UploadOptions,
    UploadResult, Uploaded,
};
use wamedia_sandbox::http1::{Framing, Response, Step};

use super::replayed::photo;
use super::{Case, Setup, Verdict, ensure, equal, no_secret, paused, settled};
use crate::fake_server::Options;
use crate::matching::Received;
use crate::profile;
use crate::script::ExpectedExchange;

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let can = &setup.capabilities;
    let mut cases = Vec::new();
    if can.upload {
        cases.extend([
            Case::new("UP-001", "in-small-pieces", in_pieces),
            Case::new("UP-002", "unknown-length", unknown_length),
            Case::new("UP-003", "source-fails", |c| bad_source(c, 3, true)),
            Case::new("UP-003", "source-too-short", |c| bad_source(c, 3, false)),
            Case::new("UP-003", "source-too-long", |c| bad_source(c, 5, false)),
            Case::new("UP-003", "another-digest", another_digest),
            Case::new("UP-007", "reset-after-the-body", |c| unknown_end(c, vec![Step::Reset])),
            Case::new("UP-007", "closed-after-the-body", |c| unknown_end(c, vec![Step::Close])),
            Case::new("UP-007", "no-answer", |c| unknown_end(c, vec![Step::Hang])),
            Case::new("RT-010", "reset-after-the-body", |c| unknown_end(c, vec![Step::Reset])),
            Case::new("RT-010", "busy", busy),
            Case::new("SE-012", "hostile-name", hostile_name),
            Case::new("LM-006", "slow-upload", slow_upload),
            Case::new("LM-005", "server-never-reads", never_reads),
            Case::new("UP-006", "id-or-link", id_or_link),
        ]);
        for (name, body) in
            [("object", "{}"), ("null", "null"), ("empty", ""), ("page", "<html>Welcome</html>")]
        {
            cases.push(Case::new("UP-006", name, move |c| no_id(c, body)));
        }
        for (name, value) in [("null-id", Value::Null), ("empty-id", json!(""))] {
            cases.push(Case::new("UP-006", name, move |c| unusable_id(c, &value)));
        }
        for (status, kind) in
            [(401, ErrorKind::Unauthorized), (413, ErrorKind::TooLarge), (415, ErrorKind::InvalidRequest)]
        {
            cases.push(Case::new("UP-005", format!("early-{status}"), move |c| early(c, status, kind)));
        }
        if !can.limits.is_empty() {
            cases.push(Case::new("UP-004", "a-type-that-nobody-takes", refused_type));
        }
    }
    if can.delete {
        cases.extend([
            Case::new("DE-003", "reset-before-the-head", lost_deletion),
            Case::new("DE-002", "the-same-every-time", gone_twice),
        ]);
    }
    cases
}

/// An upload against the fake server, with what the server saw.
struct Sent {
    outcome: CoreResult<Uploaded>,
    received: Vec<Received>,
    elapsed: Duration,
}

impl Sent {
    fn error(&self) -> Result<&Error, String> {
        let error = self.outcome.as_ref().err().ok_or("expected an error, and it was accepted")?;
        no_secret(error)?;
        Ok(error)
    }
}

/// The exchange of the upload fixture, changed.
fn exchange(setup: &Setup) -> Result<ExpectedExchange, String> {
    let fixture = setup.fixture("upload/ok")?;
    setup.exchanges(fixture).pop().ok_or_else(|| "the upload fixture has no exchange".to_owned())
}

fn send(setup: &Setup, exchanges: Vec<ExpectedExchange>, content: UploadContent) -> Result<Sent, String> {
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let started = tokio::time::Instant::now();
        let outcome = provider.upload(content, UploadOptions::default()).await;
        let elapsed = started.elapsed();
        Ok(Sent { outcome, received: settled(&server).await?, elapsed })
    })
}

fn jpeg(chunks: Vec<CoreResult<Bytes>>, size: Option<u64>) -> Result<UploadContent, String> {
    let mime = Mime::parse("image/jpeg").map_err(|error| error.to_string())?;
    Ok(UploadContent::from_stream(stream::iter(chunks), size, mime, "photo.jpg"))
}

/// The bytes on the wire are those of the source, however they come.
fn in_pieces(setup: &Setup) -> Verdict {
    let bytes = setup.content_bytes()?;
    let pieces = (0..bytes.len()).step_by(777).map(|at| Ok(bytes.slice(at..(at + 777).min(bytes.len()))));
    let content = jpeg(pieces.collect(), Some(bytes.len() as u64))?;
    let sent = send(setup, vec![exchange(setup)?], content)?;
    sent.outcome.map(|_| ()).map_err(|error| error.to_string())
}

/// No vendor here documents bodies of unknown length, so they are refused before anything is sent.
fn unknown_length(setup: &Setup) -> Verdict {
    let sent = send(setup, vec![exchange(setup)?], jpeg(vec![Ok(Bytes::from_static(b"data"))], None)?)?;
    equal("kind", &sent.error()?.kind(), &ErrorKind::InvalidRequest)?;
    equal("requests", &sent.received.len(), &0)
}

fn bad_source(setup: &Setup, chunks: usize, fails: bool) -> Verdict {
    let mut source: Vec<_> = (0..chunks).map(|_| Ok(Bytes::from_static(b"0123456789"))).collect();
    if fails {
        source.push(Err(Error::new(ErrorKind::Local, "the disk is gone")));
    }
    let sent = send(setup, vec![exchange(setup)?], jpeg(source, Some(40))?)?;
    equal("kind", &sent.error()?.kind(), &ErrorKind::Local)?;
    // The request was never completed, so the server has not seen a whole one.
    equal("requests", &sent.received.len(), &0)
}

fn another_digest(setup: &Setup) -> Verdict {
    let other = wamedia_core::Sha256::of(b"something else");
    let sent = send(setup, vec![exchange(setup)?], photo(setup)?.with_sha256(Some(other)))?;
    equal("kind", &sent.error()?.kind(), &ErrorKind::Integrity)?;
    equal("requests", &sent.received.len(), &0)
}

/// The whole body arrived and the reply is missing: the object may exist, so it is not sent again.
fn unknown_end(setup: &Setup, steps: Vec<Step>) -> Verdict {
    let exchange = exchange(setup)?.framed(Framing::Raw(steps));
    let sent = send(setup, vec![exchange], photo(setup)?)?;
    let error = sent.error()?;
    let kind = error.kind();
    ensure(matches!(kind, ErrorKind::Transport | ErrorKind::Timeout), format!("kind {kind:?}"))?;
    ensure(!error.is_retryable(), "it must not be tried again")?;
    ensure(error.message().contains("may exist"), format!("it does not warn: {error}"))?;
    equal("requests", &sent.received.len(), &1)?;
    ensure(sent.elapsed < Duration::from_secs(600), format!("it took {:?}", sent.elapsed))
}

fn busy(setup: &Setup) -> Verdict {
    let exchange = exchange(setup)?.with(|_| Response::new(503).header("retry-after", "1"));
    let sent = send(setup, vec![exchange], photo(setup)?)?;
    equal("kind", &sent.error()?.kind(), &ErrorKind::Upstream)?;
    equal("requests", &sent.received.len(), &1)
}

/// The answer comes while the body is still being sent.
fn early(setup: &Setup, status: u16, kind: ErrorKind) -> Verdict {
    let exchange = exchange(setup)?.with(|_| Response::new(status)).early();
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let content = jpeg((0..48).map(|_| Ok(chunk.clone())).collect(), Some(48 * 64 * 1024))?;
    let sent = send(setup, vec![exchange], content)?;
    equal("kind", &sent.error()?.kind(), &kind)?;
    equal("status", &sent.error()?.status(), &Some(status))?;
    equal("requests", &sent.received.len(), &1)
}

/// The server takes the head and nothing else, for ever.
fn never_reads(setup: &Setup) -> Verdict {
    let mut exchange = exchange(setup)?.early().framed(Framing::Raw(vec![Step::Hang]));
    exchange.request.multipart = None;
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    // More than all buffers on the way hold.
    let mut content = jpeg((0..1600).map(|_| Ok(chunk.clone())).collect(), Some(1600 * 64 * 1024))?;
    if let Some(limit) = setup.capabilities.limits.iter().max_by_key(|limit| limit.max_bytes) {
        content.mime = Mime::parse(limit.mimes[0]).map_err(|error| error.to_string())?;
        content.size_bytes = Some((1600 * 64 * 1024).min(limit.max_bytes));
    }
    let sent = send(setup, vec![exchange], content)?;
    equal("kind", &sent.error()?.kind(), &ErrorKind::Timeout)?;
    ensure(sent.elapsed < Duration::from_secs(600), format!("it took {:?}", sent.elapsed))
}

fn no_id(setup: &Setup, body: &str) -> Verdict {
    let exchange = exchange(setup)?.with(|reply| reply.body(body.to_owned()));
    let sent = send(setup, vec![exchange], photo(setup)?)?;
    equal("kind", &sent.error()?.kind(), &ErrorKind::Decode)?;
    ensure(!sent.error()?.is_retryable(), "it must not be tried again")
}

/// The vendor's own reply, with nothing usable where the id or the link stands.
fn unusable_id(setup: &Setup, value: &Value) -> Verdict {
    let path =
        &setup.profile.upload.as_ref().ok_or("profile.json does not say where the result stands")?.result;
    let reply = exchange(setup)?.reply;
    let mut json = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    ensure(profile::at(&mut json, path).is_some(), format!("no reply of upload/ok has {path:?}"))?;
    profile::set(&mut json, path, value);
    no_id(setup, &json.to_string())
}

fn id_or_link(setup: &Setup) -> Verdict {
    let sent = send(setup, vec![exchange(setup)?], photo(setup)?)?;
    let uploaded = sent.outcome.map_err(|error| error.to_string())?;
    let want = setup.capabilities.upload_result;
    equal("an id", &uploaded.media.is_some(), &(want == UploadResult::Id))?;
    equal("a link", &uploaded.link.is_some(), &(want == UploadResult::Link))
}

fn refused_type(setup: &Setup) -> Verdict {
    let mime = Mime::parse("application/x-nobody").map_err(|error| error.to_string())?;
    let sent = send(setup, vec![exchange(setup)?], UploadContent::from_bytes(&b"data"[..], mime, "a.xyz"))?;
    equal("kind", &sent.error()?.kind(), &ErrorKind::InvalidRequest)?;
    equal("requests", &sent.received.len(), &0)
}

/// A name that tries to end its header, its part and the form.
fn hostile_name(setup: &Setup) -> Verdict {
    let mut exchange = exchange(setup)?;
    let want: Vec<_> = exchange.request.multipart.iter().flatten().map(|part| part.name.clone()).collect();
    exchange.request.multipart = None;
    let mut content = photo(setup)?;
    "a\"\r\nX-Evil: 1\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"evil\"\r\n\r\n.jpg"
        .clone_into(&mut content.name);
    let sent = send(setup, vec![exchange], content)?;
    sent.outcome.as_ref().map_err(ToString::to_string)?;
    let received = sent.received.first().ok_or("nothing was sent")?;
    ensure(received.header("x-evil").is_none(), "a header was added")?;
    let parts = received.parts().ok_or("the body is not a form any more")?;
    equal("parts", &parts.iter().map(|part| part.name.clone()).collect(), &want)?;
    let file = parts.iter().find(|part| part.filename.is_some()).ok_or("the file is gone")?;
    let name = file.filename.clone().unwrap_or_default();
    ensure(
        !name.contains(['\r', '\n', '"']) && name.split('.').next_back() == Some("jpg"),
        format!("the name is {name:?}"),
    )?;
    equal("content", &file.body, &setup.content_bytes()?)
}

/// An upload of half an hour is not a stall as long as bytes move.
fn slow_upload(setup: &Setup) -> Verdict {
    let bytes = setup.content_bytes()?;
    let size = bytes.len() as u64;
    let pieces: Vec<_> =
        (0..bytes.len()).step_by(200).map(|at| bytes.slice(at..(at + 200).min(bytes.len()))).collect();
    let source = stream::unfold(pieces.into_iter(), |mut pieces| async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        pieces.next().map(|piece| (Ok(piece), pieces))
    });
    let mime = Mime::parse("image/jpeg").map_err(|error| error.to_string())?;
    let content = UploadContent::from_stream(source, Some(size), mime, "photo.jpg");
    let sent = send(setup, vec![exchange(setup)?], content)?;
    sent.outcome.as_ref().map_err(ToString::to_string)?;
    ensure(sent.elapsed > Duration::from_secs(1500), "the source was not slow")
}

fn delete(
    setup: &Setup,
    exchanges: Vec<ExpectedExchange>,
    media_of: &str,
) -> Result<(CoreResult<DeleteOutcome>, usize), String> {
    let media = setup.media(setup.fixture(media_of)?)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let outcome = provider.delete(&media, DeleteOptions::default()).await;
        Ok((outcome, settled(&server).await?.len()))
    })
}

/// A deletion may be asked for again: the second time finds nothing left to do.
fn lost_deletion(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.fixture("delete/ok")?);
    let lost = exchanges[0].clone().framed(Framing::Raw(vec![Step::Reset]));
    exchanges.insert(0, lost);
    let (outcome, requests) = delete(setup, exchanges, "delete/ok")?;
    equal("outcome", &outcome.map_err(|error| error.to_string())?, &DeleteOutcome::Deleted)?;
    equal("requests", &requests, &2)
}

fn gone_twice(setup: &Setup) -> Verdict {
    let name = ["delete/gone", "delete/failed"].into_iter().find(|name| setup.fixture(name).is_ok());
    let name = name.ok_or("there is no fixture of a deletion of media that is gone")?;
    let media = setup.media(setup.fixture(name)?)?;
    let exchanges = setup.exchanges(setup.fixture(name)?);
    let twice = [exchanges.clone(), exchanges].concat();
    let shown = |outcome: CoreResult<DeleteOutcome>| match outcome {
        Ok(outcome) => format!("{outcome:?}"),
        Err(error) => format!("{:?} {:?}", error.kind(), error.provider_code()),
    };
    paused(async {
        let server = setup.serve(twice, Options::default()).await?;
        let provider = setup.provider(&server);
        let first = shown(provider.delete(&media, DeleteOptions::default()).await);
        let second = shown(provider.delete(&media, DeleteOptions::default()).await);
        equal("the second answer", &second, &first)?;
        settled(&server).await.map(|_| ())
    })
}
