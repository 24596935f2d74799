//! The engine against a scripted provider: no sockets, paused time.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use wamedia_core::{
    Capabilities, ContentMetadata, Error, ErrorKind, MediaDescriptor, MediaHead, MediaId, MediaRef,
    MediaStream, OpenOptions, Provider, ResolveOptions, Result, Sha256, Source,
};
use wamedia_transfer::{
    IfExists, Job, ManyOptions, OnMismatch, ProviderExt as _, Target, Transfer, TransferOptions, Verified,
    remove_stale_partials, transfer_many,
};

/// What one `open` does.
#[derive(Clone, Debug)]
enum Act {
    /// Everything from the offset that was asked for.
    Good,
    /// Everything from zero, whatever was asked for.
    Whole,
    /// So many bytes from the offset, then a broken connection.
    Break(u64),
    /// From the offset, but claims to begin elsewhere.
    WrongStart,
    /// Other bytes of the same length.
    Flip,
    /// No answer at all.
    Fail(ErrorKind),
    /// Nothing ever comes.
    Stall,
}

#[derive(Debug)]
struct Scripted {
    content: Bytes,
    declared: ContentMetadata,
    acts: Mutex<VecDeque<Act>>,
    resolved: Mutex<u32>,
    range: bool,
}

impl Scripted {
    fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let content: Bytes = (0..3_000_000u32).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let declared =
            ContentMetadata::EMPTY.with_sha256(Sha256::of(&content)).with_size_bytes(content.len() as u64);
        Self {
            content,
            declared,
            acts: Mutex::new(acts.into_iter().collect()),
            resolved: Mutex::new(0),
            range: true,
        }
    }

    fn media() -> MediaRef {
        MediaRef::new("scripted", MediaId::new("1").unwrap())
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> &Capabilities {
        const WHOLE: Capabilities = Capabilities::NONE.with_resolve().with_open();
        const RANGES: Capabilities = WHOLE.with_open_range();
        if self.range { &RANGES } else { &WHOLE }
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        options.budget.count_request();
        *self.resolved.lock().unwrap() += 1;
        Ok(MediaDescriptor::new(media.clone(), Source::Direct).with_declared(self.declared.clone()))
    }

    async fn open(&self, _: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        options.budget.count_request();
        let act = self.acts.lock().unwrap().pop_front().expect("another open was not expected");
        let asked = options.resume.as_ref().map_or(0, |resume| resume.offset);
        let from = |offset: u64| self.content.slice(usize::try_from(offset).unwrap()..);
        let mut head = MediaHead::default();
        let chunks = |bytes: Bytes| -> Vec<Result<Bytes>> {
            bytes.chunks(70_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect()
        };
        let broken = || Err(Error::new(ErrorKind::Transport, "broke"));
        let items = match act {
            Act::Fail(kind) => return Err(Error::new(kind, "as scripted")),
            Act::Stall => return Ok(MediaStream::new(head, stream::pending())),
            Act::Good => {
                (head.start, head.partial) = (asked, asked > 0);
                chunks(from(asked))
            }
            Act::Whole => chunks(from(0)),
            Act::Break(count) => {
                (head.start, head.partial) = (asked, asked > 0);
                let mut items = chunks(from(asked).slice(..usize::try_from(count).unwrap()));
                items.push(broken());
                items
            }
            Act::WrongStart => {
                (head.start, head.partial) = (asked + 1, true);
                chunks(from(asked))
            }
            Act::Flip => {
                let mut other = self.content.to_vec();
                other[1_000_000] ^= 1;
                chunks(other.into())
            }
        };
        head.total_bytes = Some(self.content.len() as u64);
        // Every chunk lets others have a turn first.
        let chunks = stream::iter(items).then(async |item| {
            tokio::task::yield_now().await;
            item
        });
        Ok(MediaStream::new(head, chunks))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_broken_body_is_continued_and_one_digest_covers_the_whole() {
    let provider = Scripted::new([Act::Break(1_500_000), Act::Break(40_000), Act::Good]);
    let fetched = provider.fetch(&Scripted::media()).await.unwrap();
    assert_eq!(fetched.bytes, provider.content);
    assert!(matches!(fetched.receipt.verified, Verified::Digest(_)));
    assert_eq!(fetched.receipt.resumes, 2);
    assert_eq!(fetched.receipt.received_bytes, 3_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_range_that_is_ignored_or_wrong_leads_to_a_restart() {
    for act in [Act::Whole, Act::WrongStart] {
        let acts = [Act::Break(100_000), act.clone(), Act::Whole];
        let provider = Scripted::new(acts);
        let fetched = provider.fetch(&Scripted::media()).await.unwrap();
        assert_eq!(fetched.bytes, provider.content, "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_cannot_take_bytes_back_gets_them_once() {
    let mut provider = Scripted::new([Act::Break(1_000_001), Act::Whole]);
    provider.range = false;
    let mut out = Vec::new();
    provider.fetch_into(&Scripted::media(), &mut out).await.unwrap();
    assert_eq!(out, provider.content);
}

#[tokio::test(start_paused = true)]
async fn other_bytes_after_a_break_never_reach_the_writer_as_success() {
    let mut provider = Scripted::new([Act::Break(2_000_000), Act::Flip]);
    provider.range = false;
    let mut out = Vec::new();
    let error = provider.fetch_into(&Scripted::media(), &mut out).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(out, provider.content[..out.len()]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_link_is_renewed_once_and_only_once() {
    let provider = Scripted::new([Act::Fail(ErrorKind::Expired), Act::Good]);
    let fetched = provider.fetch(&Scripted::media()).await.unwrap();
    assert_eq!((fetched.receipt.renewals, *provider.resolved.lock().unwrap()), (1, 2));
    let provider = Scripted::new([Act::Fail(ErrorKind::Expired), Act::Fail(ErrorKind::Expired)]);
    let error = provider.fetch(&Scripted::media()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
}

#[tokio::test(start_paused = true)]
async fn breaks_without_progress_are_bounded() {
    let provider = Scripted::new(std::iter::repeat_n(Act::Break(0), 5));
    let error = provider.fetch(&Scripted::media()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_is_rejected_quarantined_or_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("photo.jpg");
    let transfer = |policy| {
        let mut options = TransferOptions::default();
        options.on_mismatch = policy;
        options
    };
    let run = async |policy| {
        let provider = Scripted::new([Act::Flip]);
        Transfer::new(&provider).with_options(transfer(policy)).download_to(&Scripted::media(), &target).await
    };
    assert_eq!(run(OnMismatch::Reject).await.unwrap_err().kind(), ErrorKind::Integrity);
    assert!(names(folder.path()).is_empty());
    assert_eq!(run(OnMismatch::Quarantine).await.unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(names(folder.path()), ["photo.jpg.wamedia-quarantine", "photo.jpg.wamedia-quarantine.txt"]);
    let recorded = run(OnMismatch::Record).await.unwrap().receipt.unwrap();
    assert_eq!(recorded.verified, Verified::None);
    assert_eq!(recorded.differences.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn record_does_not_turn_other_errors_into_success() {
    let provider = Scripted::new([Act::Fail(ErrorKind::NotFound)]);
    let mut options = TransferOptions::default();
    options.on_mismatch = OnMismatch::Record;
    let error = Transfer::new(&provider).with_options(options).fetch(&Scripted::media()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_existing_file_is_refused_kept_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("photo.jpg");
    std::fs::write(&target, "before").unwrap();
    let run = async |exists, acts: Vec<Act>| {
        let provider = Scripted::new(acts);
        let mut options = TransferOptions::default();
        options.if_exists = exists;
        Transfer::new(&provider).with_options(options).download_to(&Scripted::media(), &target).await
    };
    // No act: nothing may be opened.
    assert_eq!(run(IfExists::Refuse, vec![]).await.unwrap_err().kind(), ErrorKind::Local);
    assert!(run(IfExists::Keep, vec![]).await.unwrap().receipt.is_none());
    assert_eq!(std::fs::read(&target).unwrap(), b"before");
    run(IfExists::Replace, vec![Act::Good]).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap().len(), 3_000_000);
    assert_eq!(names(folder.path()), ["photo.jpg"]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_is_known_before_the_first_request() {
    let provider = Scripted::new([]);
    let error =
        provider.download_to(&Scripted::media(), Path::new("no/such/folder/x.jpg")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Local);
    assert_eq!(*provider.resolved.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn leftovers_of_a_killed_run_are_removed_or_continued() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("photo.jpg");
    let provider = Scripted::new([Act::Good]);
    let leftover = folder.path().join(".photo.jpg.wamedia-part");
    std::fs::write(&leftover, &provider.content[..700_000]).unwrap();
    let mut options = TransferOptions::default();
    options.resume_partial = true;
    let done = Transfer::new(&provider)
        .with_options(options)
        .download_to(&Scripted::media(), &target)
        .await
        .unwrap();
    assert_eq!(done.receipt.unwrap().received_bytes, 2_300_000);
    assert_eq!(std::fs::read(&target).unwrap(), provider.content);
    std::fs::write(&leftover, b"old").unwrap();
    assert_eq!(remove_stale_partials(folder.path()), 1);
    assert_eq!(names(folder.path()), ["photo.jpg"]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_file_of_other_content_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("photo.jpg");
    let provider = Scripted::new([Act::Good, Act::Good]);
    std::fs::write(folder.path().join(".photo.jpg.wamedia-part"), vec![9; 700_000]).unwrap();
    let mut options = TransferOptions::default();
    options.resume_partial = true;
    Transfer::new(&provider).with_options(options).download_to(&Scripted::media(), &target).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), provider.content);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_everything() {
    let provider = Scripted::new([Act::Stall]);
    let mut options = TransferOptions::default();
    options.deadline = Some(Duration::from_secs(7));
    let error = Transfer::new(&provider).with_options(options).fetch(&Scripted::media()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// Dropped at every poll: nothing may stay behind, wherever it was.
#[tokio::test]
async fn dropping_at_any_poll_leaves_no_file() {
    for polls in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("photo.jpg");
        let provider = Scripted::new([Act::Break(1_200_000), Act::Good]);
        let media = Scripted::media();
        let mut download = Box::pin(provider.download_to(&media, &target));
        let mut left = polls;
        let done = std::future::poll_fn(|cx: &mut Context<'_>| {
            if left == 0 {
                return Poll::Ready(false);
            }
            left -= 1;
            Pin::new(&mut download).poll(cx).map(|outcome| {
                outcome.unwrap();
                true
            })
        })
        .await;
        drop(download);
        if done {
            assert_eq!(names(folder.path()), ["photo.jpg"]);
            assert!(polls > 2, "the transfer was never suspended");
            return;
        }
        assert!(names(folder.path()).is_empty(), "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn one_failure_of_many_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let good = || Arc::new(Scripted::new([Act::Good]));
    let jobs = (0..12).map(|number| {
        let provider: Arc<dyn Provider> =
            if number % 3 == 0 { Arc::new(Scripted::new([Act::Fail(ErrorKind::NotFound)])) } else { good() };
        Job::new(provider, Scripted::media(), Target::File(folder.path().join(format!("{number}.bin"))))
    });
    let finished: Vec<_> = transfer_many(stream::iter(jobs), ManyOptions::new(3)).collect().await;
    assert_eq!(finished.len(), 12);
    assert_eq!(finished.iter().filter(|one| one.outcome.is_err()).count(), 4);
    assert_eq!(names(folder.path()).len(), 8);
}

#[tokio::test(start_paused = true)]
async fn two_downloads_to_one_name_never_mix() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("photo.jpg");
    let (first, second) = (Scripted::new([Act::Good]), Scripted::new([Act::Good]));
    let media = Scripted::media();
    let (one, two) = tokio::join!(first.download_to(&media, &target), second.download_to(&media, &target));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    assert_eq!(std::fs::read(&target).unwrap(), first.content);
    assert_eq!(names(folder.path()), ["photo.jpg"]);
}
