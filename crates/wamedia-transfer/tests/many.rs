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
    Capabilities, DeleteOptions, DeleteOutcome, Error, ErrorKind, ListOptions, MediaDescriptor, MediaHead,
    MediaId, MediaPage, MediaRef, MediaStream, OpenOptions, Provider, ResolveOptions, Result, Source,
    UploadContent, UploadOptions, Uploaded,
};
use wamedia_transfer::{Job, Target, TransferOptions, transfer_many};

/// Answers every call after the same time.
#[derive(Debug, Default)]
struct Timed {
    delay: Duration,
    /// Ids that cannot be resolved begin with this.
    refused: Option<&'static str>,
    resolved: AtomicU32,
    open: AtomicU32,
    most_open: AtomicU32,
}

impl Timed {
    fn new(millis: u64) -> Self {
        Self { delay: Duration::from_millis(millis), ..Self::default() }
    }

    fn jobs(self: &Arc<Self>, count: usize, folder: &std::path::Path) -> Vec<Job> {
        let job = |number: usize| {
            let media = MediaRef::new("timed", MediaId::new(format!("{:p}-{number}", &**self)).unwrap());
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

    async fn upload(&self, _: UploadContent, _: UploadOptions) -> Result<Uploaded> {
        Err(Error::unsupported("upload"))
    }

    async fn delete(&self, _: &MediaRef, _: DeleteOptions) -> Result<DeleteOutcome> {
        Err(Error::unsupported("delete"))
    }

    async fn list(&self, _: ListOptions) -> Result<MediaPage> {
        Err(Error::unsupported("list"))
    }
}

/// Runs all jobs, and gives the outcomes and when each came, in milliseconds.
async fn finish(jobs: Vec<Job>, concurrency: usize) -> Vec<(bool, u128)> {
    let started = Instant::now();
    let results = transfer_many(jobs, concurrency);
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
    let (slow, fast) = (Arc::new(Timed::new(1000)), Arc::new(Timed::new(10)));
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
