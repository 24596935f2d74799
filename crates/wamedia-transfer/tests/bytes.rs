//! What a server may do to the bytes, and what must never be taken for success.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use async_trait::async_trait;
use bytes::Bytes;
use support::{Replies, Reply, media};
use wamedia_core::{
    Capabilities, ContentMetadata, ErrorKind, MediaDescriptor, MediaHead, MediaRef, MediaStream, OpenOptions,
    Provider, ResolveOptions, Result, Sha256, Source,
};
use wamedia_transfer::{Fetched, OnMismatch, ProviderExt as _, Require, Transfer, TransferOptions, Verified};

const NONE: ContentMetadata = ContentMetadata::EMPTY;

fn content(size: usize, salt: u8) -> Bytes {
    (0..size).map(|index| u8::try_from(index % 251).unwrap() ^ salt ^ 0x80).collect()
}

async fn fetch(declared: ContentMetadata, replies: impl IntoIterator<Item = Reply>) -> Result<Fetched> {
    Replies::new(declared, replies).fetch(&media("1")).await
}

/// Has a descriptor with inline bytes for every id, and nothing else.
#[derive(Debug)]
struct InlineOnly(Bytes);

#[async_trait]
impl Provider for InlineOnly {
    fn name(&self) -> &'static str {
        "inline"
    }

    fn capabilities(&self) -> &Capabilities {
        const { &Capabilities::NONE.with_resolve() }
    }

    async fn resolve(&self, media: &MediaRef, _: ResolveOptions) -> Result<MediaDescriptor> {
        assert!(media.id.is_some(), "there is nothing to resolve");
        Ok(MediaDescriptor::new(media.clone(), Source::Inline(self.0.clone())))
    }

    async fn open(&self, _: &MediaDescriptor, _: OpenOptions) -> Result<MediaStream> {
        panic!("inline bytes are not opened")
    }
}

#[tokio::test(start_paused = true)]
async fn inline_bytes_of_a_reference_or_a_descriptor_never_reach_open() {
    let (all, page) = (content(300, 0), Bytes::from_static(b"<html>"));
    let provider = InlineOnly(all.clone());
    let inline = |bytes: &Bytes| {
        let mut media = media("1").with_inline(bytes.clone());
        media.declared = NONE.with_mime_text(Some("image/jpeg"));
        media
    };
    for media in [media("1"), inline(&all), inline(&page)] {
        assert_eq!(provider.fetch(&media).await.unwrap().bytes, all);
    }
    let mut only = inline(&page);
    only.id = None;
    assert_eq!(provider.fetch(&only).await.unwrap_err().kind(), ErrorKind::UnexpectedContent);
    only.inline = Some(all.clone());
    assert_eq!(provider.fetch(&only).await.unwrap().bytes, all);
}

#[tokio::test(start_paused = true)]
async fn a_stated_total_is_never_forgotten() {
    let all = content(200_000, 0);
    let first = || Reply::whole(all.clone()).with_validator("\"a\"").broken_after(100_000);
    let short = Reply::part(all.slice(100_000..100_010), 100_000, None).with_validator("\"a\"");
    let rest = Reply::part(all.slice(100_010..), 100_010, None).with_validator("\"a\"");
    let fetched = fetch(NONE, [first(), short, rest]).await.unwrap();
    assert_eq!(fetched.bytes, all);
    let short = || Reply::part(all.slice(100_000..100_010), 100_000, None).with_validator("\"a\"");
    assert!(fetch(NONE, [first(), short()]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn bytes_of_two_objects_never_meet() {
    let (old, new) = (content(200_000, 0), content(200_000, 7));
    let first = || Reply::whole(old.clone()).with_validator("\"a\"").broken_after(100_000);
    let rest = || Reply::part(new.slice(100_000..), 100_000, Some(200_000));
    for rest in [rest(), rest().with_validator("\"b\"")] {
        let fetched = fetch(NONE, [first(), rest, Reply::whole(new.clone())]).await.unwrap();
        assert_eq!(fetched.bytes, new);
    }
    // A digest that checks the whole replaces the validator.
    let declared = NONE.with_sha256(Sha256::of(&old));
    let rest = Reply::part(old.slice(100_000..), 100_000, Some(200_000));
    let provider = Replies::new(declared, [Reply::whole(old.clone()).broken_after(100_000), rest]);
    assert_eq!(provider.fetch(&media("1")).await.unwrap().bytes, old);
    assert_eq!(provider.opened.lock().unwrap()[1], Some((100_000, None)));
}

#[tokio::test(start_paused = true)]
async fn without_a_validator_or_a_digest_the_transfer_begins_again() {
    let all = content(200_000, 0);
    let provider = Replies::new(NONE, [Reply::whole(all.clone()).broken_after(9), Reply::whole(all.clone())]);
    assert_eq!(provider.fetch(&media("1")).await.unwrap().bytes, all);
    assert_eq!(provider.opened.lock().unwrap()[1], None);
}

#[tokio::test(start_paused = true)]
async fn more_bytes_than_stated_are_not_content() {
    let all = content(1000, 0);
    let mut long = Reply::whole(all.clone());
    long.head.body_bytes = Some(990);
    assert!(fetch(NONE, [long]).await.is_err());
    let mut part = Reply::part(all.slice(500..), 500, Some(1000)).with_validator("\"a\"").unframed();
    part.head.end = Some(600);
    let first = Reply::whole(all.clone()).with_validator("\"a\"").broken_after(500);
    let fetched = fetch(NONE, [first, part, Reply::whole(all.clone())]).await.unwrap();
    assert_eq!(fetched.bytes, all);
}

#[tokio::test(start_paused = true)]
async fn hostile_lengths_are_typed_errors() {
    let first = || Reply::whole(content(500, 0)).with_validator("\"a\"").broken_after(100);
    for (start, size, total) in [
        (100, u64::MAX, None),
        (u64::MAX, 1, None),
        (100, 1, Some(u64::MAX)),
        (u64::MAX - 1, u64::MAX, Some(3)),
    ] {
        let mut part = Reply::part(content(10, 0), start, total).with_validator("\"a\"");
        part.head.body_bytes = Some(size);
        assert!(fetch(NONE, [first(), part]).await.is_err());
    }
    let mut head = MediaHead::default();
    head.body_bytes = Some(u64::MAX);
    let error = fetch(NONE, [Reply { head, ..Reply::whole(content(5, 0)) }]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn text_in_place_of_media_is_refused_however_it_is_cut() {
    let declared = NONE.with_mime_text(Some("image/jpeg"));
    for page in ["<!-- x --><html>", "<script>x</script>", "[{\"error\":1}]", "Not found"] {
        for size in [1, 3, 100] {
            let reply = || Reply::whole(page).with_mime("image/jpeg").in_chunks(size);
            let error = fetch(declared.clone(), [reply(), reply()]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedContent, "{page}");
            let provider = Replies::new(declared.clone(), [reply(), reply()]);
            let mut out = Vec::new();
            provider.fetch_into(&media("1"), &mut out).await.unwrap_err();
            assert!(out.is_empty(), "{page} reached the writer");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_matching_digest_accepts_whatever_it_looks_like() {
    for size in [20, 63, 64, 65, 5000, 65_535, 65_536, 65_537, 200_000] {
        let mut page = b"<html>".to_vec();
        page.resize(size, b'x');
        let declared = NONE.with_mime_text(Some("image/jpeg")).with_sha256(Sha256::of(&page));
        for chunk in [1, 1000, 300_000] {
            let reply = Reply::whole(page.clone()).in_chunks(chunk);
            let fetched = fetch(declared.clone(), [reply]).await.unwrap();
            assert_eq!(fetched.bytes, page);
            assert!(matches!(fetched.receipt.verified, Verified::Digest(_)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_place_of_content_with_a_digest_is_recovered_by_a_new_link_and_reaches_no_writer() {
    let image = content(5000, 0);
    for size in [20, 40_000] {
        let mut page = b"<html>".to_vec();
        page.resize(size, b'x');
        let declared = NONE.with_sha256(Sha256::of(&image));
        let provider = Replies::new(declared, [Reply::whole(page), Reply::whole(image.clone())]);
        let mut out = Vec::new();
        let receipt = provider.fetch_into(&media("1"), &mut out).await.unwrap();
        assert_eq!((out, receipt.renewals), (image.to_vec(), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_demands_binds() {
    let all = content(1000, 0);
    let run = async |size, digest, policy| {
        let declared = NONE.with_sha256(Sha256::of(&all)).with_size_bytes(1000);
        let mut options = TransferOptions::default();
        (options.size_bytes, options.sha256, options.on_mismatch) = (size, digest, policy);
        let provider = Replies::new(declared, [Reply::whole(all.clone())]);
        Transfer::new(&provider).with_options(options).fetch(&media("1")).await
    };
    let digest = Sha256::of(&all);
    assert!(run(Some(1000), Some(digest), OnMismatch::Reject).await.is_ok());
    for (size, digest) in [(Some(999), None), (Some(1001), None), (None, Some(Sha256::of(b"other")))] {
        assert_eq!(run(size, digest, OnMismatch::Reject).await.unwrap_err().kind(), ErrorKind::Integrity);
        let recorded = run(size, digest, OnMismatch::Record).await;
        if size != Some(999) {
            let receipt = recorded.unwrap().receipt;
            assert!(receipt.verified == Verified::None && !receipt.differences.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_contradicts_itself_is_refused_before_a_byte_is_fetched() {
    let all = content(1000, 0);
    let provider = Replies::new(NONE.with_sha256(Sha256::of(&all)), [Reply::whole(all)]);
    let signed = media("1").with_declared(NONE.with_sha256(Sha256::of(b"other"))).with_signed(true);
    assert_eq!(provider.fetch(&signed).await.unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(provider.opens(), 0);
}

#[tokio::test(start_paused = true)]
async fn four_gibibytes_are_the_most_that_is_fetched_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for (size, is_too_large) in [(4 << 30, false), ((4 << 30) + 1, true)] {
        let provider = Replies::new(NONE.with_size_bytes(size), []);
        let error = provider.download_to(&media("1"), &folder.path().join("x")).await.unwrap_err();
        assert_eq!(
            (error.kind() == ErrorKind::TooLarge, provider.opens() == 0),
            (is_too_large, is_too_large)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_required_must_be_declared_before_a_byte_is_fetched() {
    let all = content(1000, 0);
    let (digest, size) = (NONE.with_sha256(Sha256::of(&all)), NONE.with_size_bytes(1000));
    for (declared, require, fits) in [
        (NONE, Require::Nothing, true),
        (NONE, Require::Length, false),
        (NONE, Require::Digest, false),
        (size.clone(), Require::Length, true),
        (size, Require::Digest, false),
        (digest.clone(), Require::Length, true),
        (digest, Require::Digest, true),
    ] {
        let provider = Replies::new(declared.clone(), [Reply::whole(all.clone())]);
        let options = TransferOptions::default().with_require(require);
        let outcome = Transfer::new(&provider).with_options(options).fetch(&media("1")).await;
        assert_eq!((outcome.is_ok(), provider.opens() > 0), (fits, fits), "{declared:?} {require:?}");
        if let Err(error) = outcome {
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Integrity, false));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_transfer_survives_many_breaks() {
    let all = content(30 * 1024 * 1024, 0);
    let step = 1024 * 1024;
    let total = all.len() as u64;
    let mut replies = vec![Reply::whole(all.clone()).with_validator("\"a\"").broken_after(step)];
    for index in 1..30 {
        let start = index * step;
        let part = Reply::part(all.slice(start..), start as u64, Some(total)).with_validator("\"a\"");
        replies.push(if index == 29 { part } else { part.broken_after(step) });
    }
    let fetched = fetch(NONE, replies).await.unwrap();
    assert_eq!(fetched.bytes, all);
    assert_eq!(fetched.receipt.resumes, 29);
}

#[tokio::test(start_paused = true)]
async fn the_same_beginning_again_and_again_is_no_progress() {
    let all = content(3 * 1024 * 1024, 0);
    let replies = (0..50).map(|_| Reply::whole(all.clone()).broken_after(2 * 1024 * 1024));
    let provider = Replies::new(NONE, replies);
    assert_eq!(provider.fetch(&media("1")).await.unwrap_err().kind(), ErrorKind::Transport);
    assert!(provider.opens() <= 6, "{} requests", provider.opens());
}

#[tokio::test(start_paused = true)]
async fn a_break_behind_the_last_stated_byte_takes_nothing_away() {
    let all = content(1000, 0);
    let fetched = fetch(NONE, [Reply::whole(all.clone()).broken_after(1000)]).await.unwrap();
    assert_eq!(fetched.bytes, all);
    assert!(fetch(NONE, [Reply::whole(all).broken_after(1000).unframed()]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_page_is_judged_by_its_whole_beginning_even_if_it_arrives_in_two_replies() {
    let page = Bytes::from("<!-- a comment --><html><body>Log in</body></html>");
    let mut first = Reply::whole(page.clone()).with_validator("\"a\"");
    first.chunks = vec![Some(page.slice(..10))];
    let total = page.len() as u64;
    let rest = Reply::part(page.slice(10..), 10, Some(total)).with_validator("\"a\"");
    let error = fetch(NONE, [first, Reply::whole(page.clone()), Reply::whole(page), rest]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedContent);
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_is_only_recorded_joins_nothing() {
    let (old, new) = (content(2000, 0), content(2000, 7));
    let declared = NONE.with_sha256(Sha256::of(b"neither"));
    let mut options = TransferOptions::default();
    options.on_mismatch = OnMismatch::Record;
    let rest = Reply::part(new.slice(1000..), 1000, Some(2000));
    let provider =
        Replies::new(declared, [Reply::whole(old).broken_after(1000), rest, Reply::whole(new.clone())]);
    let fetched = Transfer::new(&provider).with_options(options).fetch(&media("1")).await;
    assert_eq!(provider.opened.lock().unwrap()[1], None, "no resume without a validator");
    assert!(fetched.is_err() || fetched.unwrap().bytes == new);
}
