//! Many transfers at once, on paused time: what overlaps, and who waits for whom.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};
use wamedia_core::{
    Capabilities, Error, ErrorKind, MediaDescriptor, MediaHead, MediaId, MediaRef, MediaStream, OpenOptions,
    Provider, ResolveOptions, Result, Source,
};
use wamedia_transfer::{Job, ManyOptions, Target, TransferOptions, transfer_many};

/// Answers every call after the same time.
#[derive(Debug, Default)]
struct Timed {
    account: &'static str,
    delay: Duration,
    /// Ids that cannot be resolved begin with this.
    refused: Option<&'static str>,
    resolved: AtomicU32,
    open: AtomicU32,
    most_open: AtomicU32,
}

impl Timed {
    fn new(millis: u64) -> Self {
        Self::with_account("a", millis)
    }

    fn with_account(account: &'static str, millis: u64) -> Self {
        Self { account, delay: Duration::from_millis(millis), ..Self::default() }
    }

    fn jobs(self: &Arc<Self>, count: usize, folder: &std::path::Path) -> Vec<Job> {
        let job = |number: usize| {
            let media = MediaRef::new("timed", MediaId::new(format!("{}-{number}", self.account)).unwrap());
            let media = media.with_account(Some(self.account));
            Job::new(Arc::clone(self) as Arc<dyn Provider>, media, Target::Folder(folder.into()))
        };
        (0..count).map(job).collect()
    }
}

#[async_trait]
impl Provider for Timed {
    fn name(&self) -> &'static str {
        "timed"
    }

    fn capabilities(&self) -> &Capabilities {
        const { &Capabilities::NONE.with_resolve().with_open() }
    }

    async fn resolve(&self, media: &MediaRef, _: ResolveOptions) -> Result<MediaDescriptor> {
        self.resolved.fetch_add(1, Relaxed);
        sleep(self.delay).await;
        let id = media.id.as_ref().unwrap().as_str();
        if self.refused.is_some_and(|end| id.ends_with(end)) {
            return Err(Error::new(ErrorKind::NotFound, "as scripted"));
        }
        Ok(MediaDescriptor::new(media.clone(), Source::Direct))
    }

    async fn open(&self, _: &MediaDescriptor, _: OpenOptions) -> Result<MediaStream> {
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.most_open.fetch_max(open, Relaxed);
        sleep(self.delay).await;
        self.open.fetch_sub(1, Relaxed);
        let mut head = MediaHead::default();
        head.body_bytes = Some(3);
        Ok(MediaStream::new(head, stream::iter([Ok(Bytes::from_static(b"abc"))])))
    }
}

/// Runs all jobs, and gives the outcomes and when each came, in milliseconds.
async fn finish(jobs: Vec<Job>, concurrency: usize) -> Vec<(bool, u128)> {
    let started = Instant::now();
    let results = transfer_many(stream::iter(jobs), ManyOptions::new(concurrency));
    results.map(|finished| (finished.outcome.is_ok(), started.elapsed().as_millis())).collect().await
}

#[tokio::test(start_paused = true)]
async fn the_next_job_resolves_while_this_one_downloads() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(Timed::new(100));
    let outcomes = finish(provider.jobs(10, folder.path()), 1).await;
    assert!(outcomes.iter().all(|(stored, _)| *stored));
    let last = outcomes.last().unwrap().1;
    // One round trip for the first descriptor and one for each content; one after the other it would be 2000.
    assert!((1100..1200).contains(&last), "{last} ms");
    assert_eq!(provider.most_open.load(Relaxed), 1);
    assert_eq!(provider.resolved.load(Relaxed), 10);
}

#[tokio::test(start_paused = true)]
async fn contents_at_once_stay_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(Timed::new(100));
    let outcomes = finish(provider.jobs(40, folder.path()), 4).await;
    assert_eq!(outcomes.len(), 40);
    assert_eq!(provider.most_open.load(Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn sixteen_jobs_and_no_more_resolve_ahead() {
    let folder = tempfile::tempdir().unwrap();
    for (concurrency, started) in [(4, 8), (16, 32), (40, 56)] {
        let provider = Arc::new(Timed::new(100));
        let jobs = finish(provider.jobs(100, folder.path()), concurrency);
        assert!(tokio::time::timeout(Duration::from_millis(50), jobs).await.is_err());
        assert_eq!(provider.resolved.load(Relaxed), started, "{concurrency} at once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_ahead_of_its_turn_takes_nobodys_turn() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(Timed { refused: Some("3"), ..Timed::new(100) });
    let outcomes = finish(provider.jobs(20, folder.path()), 2).await;
    assert_eq!(outcomes.iter().filter(|(stored, _)| *stored).count(), 18);
    assert_eq!(provider.most_open.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_times_slower_account_does_not_starve_another() {
    let folder = tempfile::tempdir().unwrap();
    let (slow, fast) =
        (Arc::new(Timed::with_account("slow", 1000)), Arc::new(Timed::with_account("fast", 10)));
    let mut jobs = slow.jobs(20, folder.path());
    jobs.extend(fast.jobs(200, folder.path()));
    let outcomes = finish(jobs, 4).await;
    // Two of four turns are the fast account's: a content every 5 ms, and a little for the start.
    let in_time = outcomes.iter().filter(|(_, at)| *at <= 1100).count();
    assert!(in_time >= 200, "{in_time} were done in 1.1 s");
}

#[tokio::test(start_paused = true)]
async fn a_descriptor_that_waited_long_for_its_turn_is_resolved_again() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(Timed::new(61_000));
    let outcomes = finish(provider.jobs(2, folder.path()), 1).await;
    assert!(outcomes.iter().all(|(stored, _)| *stored));
    // The second resolves with the first and then waits for a minute and a second.
    assert_eq!(provider.resolved.load(Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_is_not_charged_to_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(Timed::new(100));
    let mut options = TransferOptions::default();
    options.deadline = Some(Duration::from_millis(250));
    let jobs = provider.jobs(5, folder.path()).into_iter().map(|job| job.with_options(options.clone()));
    let outcomes = finish(jobs.collect(), 1).await;
    assert!(outcomes.iter().all(|(stored, _)| *stored), "{outcomes:?}");
}

/// The ids of all references, in the order in which they finished.
async fn order(jobs: Vec<Job>, concurrency: usize) -> Vec<String> {
    let results = transfer_many(stream::iter(jobs), ManyOptions::new(concurrency));
    results.map(|finished| finished.media.id.unwrap().as_str().to_owned()).collect().await
}

#[tokio::test(start_paused = true)]
async fn keys_take_turns_even_one_job_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Arc::new(Timed::with_account("a", 10)), Arc::new(Timed::with_account("b", 10)));
    let jobs = || [first.jobs(3, folder.path()), second.jobs(3, folder.path())].concat();
    assert_eq!(order(jobs(), 1).await, ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]);
    // The key decides, not the provider instance.
    let jobs = jobs().into_iter().map(|job| job.with_key("both")).collect();
    assert_eq!(order(jobs, 1).await, ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]);
}

#[tokio::test(start_paused = true)]
async fn jobs_are_pulled_as_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(Timed::new(10));
    let pulled = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&pulled);
    let endless = stream::repeat_with(move || {
        count.fetch_add(1, Relaxed);
        provider.jobs(1, folder.path()).remove(0)
    });
    let results = transfer_many(endless, ManyOptions::new(4));
    assert_eq!(results.take(10).count().await, 10);
    let most = 1024 + 10 + 4 + 4;
    assert!((10..=most).contains(&pulled.load(Relaxed)), "{pulled:?} were pulled");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_comes_later_starts_while_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(Timed::new(100));
    let [first, second] = <[Job; 2]>::try_from(provider.jobs(2, folder.path())).unwrap();
    let later = stream::once(async move {
        sleep(Duration::from_millis(50)).await;
        second
    });
    let started = Instant::now();
    let jobs = stream::iter([first]).chain(Box::pin(later));
    let finished: Vec<_> = transfer_many(jobs, ManyOptions::new(2)).collect().await;
    assert_eq!((finished.len(), started.elapsed().as_millis()), (2, 250));
}
