//! What arrives is what was sent, or an error.

use std::time::Duration;

use bytes::Bytes;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use wamedia_core::{ErrorKind, Mime, Sha256};
use wamedia_sandbox::http1::{Framing, Response, Step};
use wamedia_transfer::{OnMismatch, TransferOptions};

use super::{Case, Setup, Verdict, ensure, equal, long_reply, paused, refuse_unread, requests};
use crate::fake_server::Options;
use crate::script::ExpectedExchange;

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    if !setup.capabilities.open {
        return Vec::new();
    }
    let mut cases = vec![
        Case::new("IN-001", "flip", flip),
        Case::new("IN-001", "flip-recorded", flip_recorded),
        Case::new("IN-007", "empty-200", |c| fails(c, ErrorKind::Integrity, |reply| reply.body(""))),
        Case::new("IN-007", "empty-and-nothing-declared", empty),
        Case::new("IN-007", "empty-as-declared", empty_as_declared),
        Case::new("IN-003", "reset-in-a-chunked-body", reset_in_chunks),
        Case::new("IN-006", "over-without-end", over_without_end),
        Case::new("IN-009", "length-only", length_only),
        Case::new("IN-010", "dropped-on-the-way", dropped_files),
        Case::new("DL-002", "any-segmentation", any_segmentation),
        Case::new("IN-002", "any-truncation", any_truncation),
        Case::new("IN-009", "no-digest", no_digest),
        Case::new("IN-006", "over-chunked", |c| over(c, Framing::Chunked(700))),
        Case::new("IN-006", "over-length", |c| over(c, Framing::Length)),
        Case::new("IN-005", "close-delimited-short", close_delimited),
        Case::new("LM-001", "declared-too-large", too_large),
        Case::new("LM-002", "endless-chunked", endless),
        Case::new("LM-002", "no-more-than-the-cap", no_more_than_the_cap),
        Case::new("LM-003", "gzip-is-not-inflated", gzip),
        Case::new("IN-010", "nothing-under-the-final-name", clean_files),
    ];
    for (name, size) in [("chunks-of-1", 1), ("chunks-of-1000", 1000), ("chunks-of-100000", 100_000)] {
        cases.push(Case::new("DL-002", name, move |c| {
            succeeds(c, |exchange| exchange.framed(Framing::Chunked(size)))
        }));
    }
    cases.push(Case::new("DL-002", "close-delimited", |c| {
        succeeds(c, |exchange| exchange.framed(Framing::Close))
    }));
    for (name, framing) in
        [("fin-0", Framing::Cut(0)), ("fin-1", Framing::Cut(1)), ("fin-half", Framing::Cut(4000))]
    {
        cases.push(Case::new("IN-002", name, move |c| broken_for_ever(c, framing.clone())));
    }
    for (name, count) in [("reset-0", 0), ("reset-1", 1), ("reset-4000", 4000)] {
        cases.push(Case::new("IN-003", name, move |c| broken_for_ever(c, Framing::Reset(count))));
    }
    for (name, framing) in
        [("chunk-unterminated", Framing::ChunkedCut), ("chunk-malformed", Framing::ChunkedBad)]
    {
        cases.push(Case::new("IN-004", name, move |c| broken_for_ever(c, framing.clone())));
    }
    for (name, count) in [("reset-then-good", 4000), ("reset-at-start-then-good", 0)] {
        cases.push(Case::new("IN-011", name, move |c| recovers(c, Framing::Reset(count), count)));
    }
    cases.push(Case::new("IN-011", "large-and-reset-then-good", recovers_large));
    cases.push(Case::new("IN-011", "fin-then-good", |c| recovers(c, Framing::Cut(5000), 5000)));
    for (name, kind, page) in [
        ("html-200", "text/html", "<!DOCTYPE html><html><body>Log in</body></html>"),
        ("html-as-image", "image/jpeg", "<html><body>Log in</body></html>"),
        ("json-as-image", "image/jpeg", "{\"status\": \"sorry\"}"),
        ("xml-as-image", "image/jpeg", "<?xml version=\"1.0\"?><Sorry/>"),
    ] {
        cases.push(Case::new("IN-008", name, move |c| page_in_place(c, kind, page)));
        cases.push(Case::new("IN-008", format!("{name}-by-its-digest"), move |c| {
            declared_page(c, kind, page)
        }));
    }
    cases.push(Case::new("IN-008", "html-as-document", page_as_document));
    for (kind, start) in
        [("application/json", "[1, \""), ("text/xml", "<invoice><no>"), ("text/csv", "a;b\r\n")]
    {
        for size in [20, 65_535, 65_536, 65_537, 320_003] {
            let name = format!("document-{}-{size}", kind.replace('/', "-"));
            cases.push(Case::new("DL-001", name, move |c| document(c, kind, start, size)));
        }
    }
    cases.push(Case::new("DL-006", "unasked-part", unasked_part));
    for status in [204, 304, 302, 206] {
        cases.push(Case::new("DL-006", format!("status-{status}"), move |c| odd_status(c, status)));
    }
    cases
}

/// The whole content arrives, however it is framed.
fn succeeds(setup: &Setup, change: impl FnOnce(ExpectedExchange) -> ExpectedExchange) -> Verdict {
    let run = setup.fetch(setup.with_content(change)?)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

/// Few enough cases for one second of sockets.
fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() })
}

/// The content arrives whole in pieces of any sizes, at any moments.
fn any_segmentation(setup: &Setup) -> Verdict {
    let want = setup.content_bytes()?;
    let pieces = proptest::collection::vec((1..6000_usize, 0..400_u64), 1..40);
    let outcome = runner().run(&pieces, |pieces| {
        let framed = |exchange: ExpectedExchange| {
            exchange.with(|reply| {
                let kind = "Content-Type: image/jpeg\r\n";
                let head = format!("HTTP/1.1 200 OK\r\n{kind}Content-Length: {}\r\n\r\n", reply.body.len());
                let mut steps = vec![Step::Write(head.into())];
                let mut rest = reply.body.clone();
                for (size, pause) in &pieces {
                    let piece = rest.split_to((*size).min(rest.len()));
                    steps.extend([Step::Write(piece), Step::Sleep(Duration::from_millis(*pause))]);
                }
                steps.extend([Step::Write(rest), Step::KeepAlive]);
                reply.framing(Framing::Raw(steps))
            })
        };
        let run = setup.with_content(framed).and_then(|exchanges| setup.fetch(exchanges));
        let got = run.and_then(|run| run.fetched().map(|fetched| fetched.bytes.clone()));
        proptest::prop_assert_eq!(got.map_err(TestCaseError::fail)?, want.clone());
        Ok(())
    });
    outcome.map_err(|error| error.to_string())
}

/// A body that always ends too early, wherever, is never taken for the content.
fn any_truncation(setup: &Setup) -> Verdict {
    let size = setup.content_bytes()?.len();
    let outcome =
        runner().run(&(0..size), |at| broken_for_ever(setup, Framing::Cut(at)).map_err(TestCaseError::fail));
    outcome.map_err(|error| error.to_string())
}

/// Every content reply is like this, and the fetch ends with this kind.
fn fails(setup: &Setup, kind: ErrorKind, change: impl Fn(Response) -> Response) -> Verdict {
    let run = setup.fetch(setup.with_content(|exchange| exchange.with(change).forever())?)?;
    equal("kind", &run.error()?.kind(), &kind)
}

fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.into()
}

fn flip(setup: &Setup) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange.with(|reply| {
            let wrong = flipped(&reply.body);
            reply.body(wrong)
        })
    })?;
    let expected = requests(&exchanges);
    let run = setup.fetch(exchanges)?;
    let error = run.error()?;
    equal("kind", &error.kind(), &ErrorKind::Integrity)?;
    let right = Sha256::of(&setup.content_bytes()?).to_hex();
    let wrong = Sha256::of(&flipped(&setup.content_bytes()?)).to_hex();
    let both = error.message().contains(&right) && error.message().contains(&wrong);
    ensure(both, format!("both digests are wanted in: {error}"))?;
    equal("requests", &run.requests(), &expected)
}

fn flip_recorded(setup: &Setup) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange.with(|reply| {
            let wrong = flipped(&reply.body);
            reply.body(wrong)
        })
    })?;
    let run = setup.fetch_with(
        exchanges,
        |options| options.on_mismatch = OnMismatch::Record,
        Options::default(),
    )?;
    equal("verified", &run.fetched()?.receipt.verified.name(), &"none")?;
    ensure(!run.fetched()?.receipt.differences.is_empty(), "the difference is not in the receipt")
}

fn no_digest(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content);
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("verified", &run.fetched()?.receipt.verified.name(), &"none")
}

fn length_only(setup: &Setup) -> Verdict {
    let (mut media, mut exchanges, content) = setup.undeclared()?;
    media.declared.size_bytes = Some(setup.content_bytes()?.len() as u64);
    exchanges.push(content);
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("verified", &run.fetched()?.receipt.verified.name(), &"length")
}

/// An empty body where neither digest nor size is known.
fn empty(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content.with(|reply| reply.body("")).forever());
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Integrity)
}

fn empty_as_declared(setup: &Setup) -> Verdict {
    let (mut media, mut exchanges, content) = setup.undeclared()?;
    media.declared.size_bytes = Some(0);
    exchanges.push(content.with(|reply| reply.body("")));
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &Bytes::new())
}

/// A chunked body states no length, and nothing else is declared: only the reset shows that there is more.
fn reset_in_chunks(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    let bytes = setup.content_bytes()?;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n";
    let part = [head.as_bytes(), b"fa0\r\n", &bytes[..4000], b"\r\n"].concat();
    let steps = vec![Step::Write(part.into()), Step::Sleep(Duration::from_millis(50)), Step::Reset];
    exchanges.push(content.framed(Framing::Raw(steps)).forever());
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Transport)
}

/// A body that goes on for 64 MiB beyond what was declared: it is not read to its end.
fn over_without_end(setup: &Setup) -> Verdict {
    let (mut media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content.framed(endless_chunks()));
    media.declared.size_bytes = Some(setup.content_bytes()?.len() as u64);
    let kind = refuse_unread(setup, &media, exchanges, TransferOptions::default())?;
    ensure(matches!(kind, ErrorKind::Integrity | ErrorKind::TooLarge), format!("kind {kind:?}"))
}

/// Content without a stated size that goes on for 64 MiB.
fn endless_chunks() -> Framing {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n";
    long_reply(head, [&b"100000\r\n"[..], &vec![0xff; 1 << 20], b"\r\n"].concat())
}

fn over(setup: &Setup, framing: Framing) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange.with(|reply| {
            let mut longer = reply.body.to_vec();
            longer.extend(std::iter::repeat_n(7, longer.len() * 3 + 200_000));
            reply.body(longer).framing(framing)
        })
    })?;
    let media = with_size(setup)?;
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Integrity | ErrorKind::TooLarge), format!("kind {kind:?}"))
}

/// The media with its size declared, for providers whose replies have none.
fn with_size(setup: &Setup) -> Result<wamedia_core::MediaRef, String> {
    let mut media = setup.media(setup.base()?)?;
    media.declared.size_bytes = Some(setup.content_bytes()?.len() as u64);
    Ok(media)
}

fn close_delimited(setup: &Setup) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange
            .with(|reply| {
                let short = reply.body.slice(..reply.body.len() - 10);
                reply.body(short).framing(Framing::Close)
            })
            .forever()
    })?;
    let run = setup.fetch_media(&with_size(setup)?, exchanges, |_| {}, Options::default())?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Integrity | ErrorKind::Transport), format!("kind {kind:?}"))?;
    // The same where no digest shows it.
    let (mut media, mut exchanges, content) = setup.undeclared()?;
    media.declared.size_bytes = Some(setup.content_bytes()?.len() as u64);
    let short = |reply: Response| {
        let short = reply.body.slice(..reply.body.len() - 10);
        reply.body(short).framing(Framing::Close)
    };
    exchanges.push(content.with(short).forever());
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Integrity | ErrorKind::Transport), format!("kind {kind:?}"))
}

fn too_large(setup: &Setup) -> Verdict {
    let small = |options: &mut TransferOptions| options.max_bytes = Some(100);
    let exchanges = setup.with_content(|exchange| exchange)?;
    let run = setup.fetch_with(exchanges, small, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::TooLarge)?;
    // Where the size is known beforehand, the content is not requested at all.
    let (before, content) = setup.split()?;
    let most = requests(&before);
    let run =
        setup.fetch_media(&with_size(setup)?, [before, vec![content]].concat(), small, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::TooLarge)?;
    equal("requests", &run.requests(), &most)?;
    // Where only the head states it, no byte is waited for.
    let (media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content.framed(Framing::Stall(0)));
    let run = setup.fetch_media(&media, exchanges, small, Options::default())?;
    equal("kind of the head", &run.error()?.kind(), &ErrorKind::TooLarge)
}

fn endless(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content.with(|reply| {
        let mut endless = reply.body.to_vec();
        endless.resize(400_000, 3);
        reply.body(endless).framing(Framing::Chunked(1000))
    }));
    let run = setup.fetch_media(
        &media,
        exchanges,
        |options| options.max_bytes = Some(50_000),
        Options::default(),
    )?;
    equal("kind", &run.error()?.kind(), &ErrorKind::TooLarge)
}

/// A body of 64 MiB whose size nobody states: most of it stays with the server.
fn no_more_than_the_cap(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content.framed(endless_chunks()));
    let mut options = TransferOptions::default();
    options.max_bytes = Some(50_000);
    equal("kind", &refuse_unread(setup, &media, exchanges, options)?, &ErrorKind::TooLarge)
}

/// Bytes that claim to be compressed are passed on as they are.
fn gzip(setup: &Setup) -> Verdict {
    succeeds(setup, |exchange| exchange.with(|reply| reply.header("content-encoding", "gzip")))
}

/// A body that breaks every time ends as a transport error, after bounded attempts.
fn broken_for_ever(setup: &Setup, framing: Framing) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    let most = exchanges.len() + 5 * content.requests();
    exchanges.push(content.framed(framing).forever());
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Transport)?;
    ensure(run.requests() <= most, format!("{} requests", run.requests()))
}

/// A body that breaks once is continued or restarted, and is right in the end.
fn recovers(setup: &Setup, framing: Framing, count: usize) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    exchanges.push(content.clone().framed(framing));
    exchanges.push(again(setup, content, count));
    let run = setup.fetch(exchanges)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)?;
    equal("attempts", &run.fetched()?.receipt.attempts, &2)
}

/// The same after more bytes than any buffer holds, with a digest that the caller states.
fn recovers_large(setup: &Setup) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    let large: Bytes = (0..3_000_000_u32)
        .map(|number| u8::try_from(number % 251).unwrap_or_default() | 0x80)
        .collect::<Vec<_>>()
        .into();
    let content = content.with(|reply| reply.body(large.clone()));
    exchanges.push(content.clone().framed(Framing::Reset(2_900_000)));
    exchanges.push(again(setup, content, 2_900_000));
    let digest = Sha256::of(&large);
    let run =
        setup.fetch_media(&media, exchanges, |options| options.sha256 = Some(digest), Options::default())?;
    ensure(run.fetched()?.bytes == large, "the content is another")
}

/// What a good server answers after a break at `count`.
pub(super) fn again(setup: &Setup, content: ExpectedExchange, count: usize) -> ExpectedExchange {
    if !setup.capabilities.open_range || count == 0 {
        return content;
    }
    let total = content.reply.body.len();
    let mut exchange = content.with(|reply| {
        let rest = reply.body.slice(count..);
        let range = format!("bytes {count}-{}/{total}", total - 1);
        reply.status(206).body(rest).header("content-range", range)
    });
    let range = crate::matching::Matcher::EqualTo(format!("bytes={count}-"));
    exchange.request.headers.insert("range".to_owned(), range);
    exchange
}

fn page_in_place(setup: &Setup, kind: &'static str, page: &'static str) -> Verdict {
    // Without a digest only its content shows that it is wrong.
    let (mut media, before, content) = setup.undeclared()?;
    media.declared.mime = Mime::parse("image/jpeg").ok();
    let content = content.with(|reply| reply.header("content-type", kind).body(page));
    let mut exchanges = before.clone();
    exchanges.push(content.clone());
    exchanges.extend(before);
    exchanges.push(content.forever());
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::UnexpectedContent)
}

/// A page is refused in place of a document as well, whose bytes may be text.
fn page_as_document(setup: &Setup) -> Verdict {
    let (mut media, before, content) = setup.undeclared()?;
    media.declared.mime = Mime::parse("application/pdf").ok();
    let page = "<!DOCTYPE html><html><body>Log in</body></html>";
    let retyped = |reply: Response| {
        let text = String::from_utf8_lossy(&reply.body).replace("image/jpeg", "application/pdf");
        reply.body(text)
    };
    let before: Vec<_> = before.into_iter().map(|exchange| exchange.with(retyped)).collect();
    let content = content.with(|reply| reply.header("content-type", "application/pdf").body(page));
    let exchanges = [before.clone(), vec![content.clone()], before, vec![content.forever()]].concat();
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::UnexpectedContent)
}

/// What matches the digest is content, whatever it looks like and whatever type it claims.
fn declared_page(setup: &Setup, kind: &'static str, page: &'static str) -> Verdict {
    let (media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content.with(|reply| reply.header("content-type", kind).body(page)));
    let digest = Sha256::of(page.as_bytes());
    let run =
        setup.fetch_media(&media, exchanges, |options| options.sha256 = Some(digest), Options::default())?;
    equal("content", &run.fetched()?.bytes, &Bytes::from(page))?;
    equal("verified", &run.fetched()?.receipt.verified.name(), &"digest")
}

/// A document of any size arrives whole although its type looks like that of an error.
fn document(setup: &Setup, kind: &'static str, start: &'static str, size: usize) -> Verdict {
    let (mut media, exchanges, content) = setup.undeclared()?;
    let unknown = "application/octet-stream";
    media.declared.mime = Mime::parse(unknown).ok();
    let retyped = |reply: Response| {
        let text = String::from_utf8_lossy(&reply.body).replace("image/jpeg", unknown);
        reply.body(text)
    };
    let mut exchanges: Vec<_> = exchanges.into_iter().map(|exchange| exchange.with(retyped)).collect();
    let mut body = start.as_bytes().to_vec();
    body.extend(
        (0..size.saturating_sub(body.len())).map(|index| b'a' + u8::try_from(index % 23).unwrap_or(0)),
    );
    let sent = Bytes::from(body);
    let reply = sent.clone();
    exchanges.push(content.with(|mut exchange| {
        exchange = exchange.header("content-type", kind).body(reply);
        exchange.framing(Framing::Chunked(1000))
    }));
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &sent)
}

fn odd_status(setup: &Setup, status: u16) -> Verdict {
    // Nothing is declared, so that no digest detects it.
    let (media, mut exchanges, content) = setup.undeclared()?;
    let before = exchanges.clone();
    let odd = content.with(|reply| reply.status(status));
    exchanges.push(odd.clone());
    exchanges.extend(before);
    exchanges.push(odd.forever());
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    run.error().map(|_| ())
}

/// The whole content as a part that nobody asked for, which even has the right digest.
fn unasked_part(setup: &Setup) -> Verdict {
    let (media, before, content) = setup.undeclared()?;
    let total = content.reply.body.len();
    let odd = content
        .with(|reply| reply.status(206).header("content-range", format!("bytes 0-{}/{total}", total - 1)));
    let exchanges = [before.clone(), vec![odd.clone()], before, vec![odd.forever()]].concat();
    let digest = Sha256::of(&setup.content_bytes()?);
    let run =
        setup.fetch_media(&media, exchanges, |options| options.sha256 = Some(digest), Options::default())?;
    run.error().map(|_| ())
}

/// Who stops waiting leaves nothing behind.
fn dropped_files(setup: &Setup) -> Verdict {
    let exchanges = setup.with_content(|exchange| exchange.framed(Framing::Stall(3000)))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let target = folder.path().join("photo.jpg");
    let media = setup.media(setup.base()?)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let transfer = setup.transfer(&*provider);
        let download = setup.download(&transfer, &media, &target);
        let outcome = tokio::time::timeout(Duration::from_secs(5), download).await;
        ensure(outcome.is_err(), "it must still be waiting")
    })?;
    let left = std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?.count();
    equal("files", &left, &0)
}

/// After any failure the folder is unchanged.
fn clean_files(setup: &Setup) -> Verdict {
    for framing in [Framing::Cut(3000), Framing::Reset(3000), Framing::Stall(3000), Framing::Length] {
        let exchanges = setup.with_content(|exchange| {
            exchange
                .with(|reply| {
                    let wrong = flipped(&reply.body);
                    reply.body(wrong).framing(framing)
                })
                .forever()
        })?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let target = folder.path().join("photo.jpg");
        std::fs::write(&target, b"before").map_err(|error| error.to_string())?;
        let media = setup.media(setup.base()?)?;
        paused(async {
            let server = setup.serve(exchanges, Options::default()).await?;
            let provider = setup.provider(&server);
            let mut options = TransferOptions::default();
            options.if_exists = wamedia_transfer::IfExists::Replace;
            options.deadline = Some(Duration::from_secs(3600));
            let outcome = setup.download(&setup.transfer_with(&*provider, options), &media, &target).await;
            ensure(outcome.is_err(), "it must fail")
        })?;
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .map_err(|error| error.to_string())?
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        equal("files", &names, &vec![std::ffi::OsString::from("photo.jpg")])?;
        equal("the old file", &std::fs::read(&target).ok().as_deref(), &Some(&b"before"[..]))?;
    }
    Ok(())
}
