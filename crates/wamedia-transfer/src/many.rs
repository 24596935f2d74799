//! Many transfers: a stream of jobs in, a stream of results out.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, poll_fn};
use wamedia_core::{MediaRef, Provider, Result};

use crate::barrier::Barrier;
use crate::{Downloaded, Folder, OffloadLimit, Transfer, TransferOptions};

/// How many jobs resolve ahead at most: far from the provider they keep the contents coming, but each holds a
/// connection.
const MAX_AHEAD: usize = 16;
/// How many jobs are pulled from the stream before they start. Fairness between keys reaches as far.
const MAX_WAITING: usize = 1024;

/// Where a job puts its file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// Under exactly this name.
    File(PathBuf),
    /// In this folder, under a safe name made from what was declared and what arrived. All jobs of one folder
    /// share clones of one [`Folder`].
    Folder(Folder),
}

/// One of many downloads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Job {
    /// Who is asked. Jobs of one provider instance share its connections.
    pub provider: Arc<dyn Provider>,
    /// What to fetch.
    pub media: MediaRef,
    /// Where to put it.
    pub target: Target,
    /// How. [`ManyOptions::offload`] takes the place of the limit in here.
    pub options: TransferOptions,
    key: Option<JobKey>,
    index: usize,
}

/// Jobs with the same key share their turns with each other, not with others.
type JobKey = Arc<str>;

impl Job {
    /// A download with default options.
    pub fn new(provider: Arc<dyn Provider>, media: MediaRef, target: Target) -> Self {
        Self { provider, media, target, options: TransferOptions::default(), key: None, index: 0 }
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets what the job shares its turns with: all keys that have jobs get the same share. By default it is the
    /// provider's name and the account of the reference.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    fn key(&self) -> JobKey {
        let default = || {
            let account = self.media.scope.account.as_deref().unwrap_or_default();
            format!("{}/{account}", self.provider.name()).into()
        };
        self.key.clone().unwrap_or_else(default)
    }

    async fn run(self: Box<Self>, barrier: Barrier) -> Finished {
        if self.options.deadline.is_some() {
            // The wait for its turn must not use up the time that a job has.
            barrier.passed().await;
        }
        let transfer = Transfer::new(&*self.provider).with_options(self.options).with_barrier(barrier);
        let outcome = match &self.target {
            Target::File(path) => transfer.download_to(&self.media, path).await,
            Target::Folder(folder) => transfer.download_in(&self.media, folder).await,
        };
        Finished { index: self.index, media: self.media, outcome }
    }
}

/// How one of many downloads ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// The place of its job in the stream, from zero. Two jobs may fetch the same reference.
    pub index: usize,
    /// What was to be fetched.
    pub media: MediaRef,
    /// The file, or why there is none.
    pub outcome: Result<Downloaded>,
}

/// How many downloads run together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ManyOptions {
    /// How many contents are read at once, at least one.
    pub concurrency: usize,
    /// The limit for hashing on blocking threads that all jobs share.
    pub offload: OffloadLimit,
}

impl ManyOptions {
    /// At most this many contents at once.
    pub fn new(concurrency: usize) -> Self {
        Self::default().with_concurrency(concurrency)
    }

    /// Sets how many contents are read at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets the limit for hashing on blocking threads, to share it with other transfers.
    #[must_use]
    pub fn with_offload(mut self, offload: OffloadLimit) -> Self {
        self.offload = offload;
        self
    }
}

impl Default for ManyOptions {
    fn default() -> Self {
        Self { concurrency: 4, offload: OffloadLimit::default() }
    }
}

/// Runs many downloads; results come as they finish, and one failure stops no other.
///
/// Jobs are pulled from the stream as they are needed, and at most 1,024 wait. The next one comes from the
/// [key](Job::with_key) with the fewest running jobs, so that a slow account does not starve another. While
/// contents come in, further jobs resolve ahead, as many as are running and at most 16, so that the next content
/// begins without another round trip. Dropping the stream cancels what is running and drops what waits.
pub fn transfer_many(
    jobs: impl Stream<Item = Job> + Send,
    options: ManyOptions,
) -> impl Stream<Item = Finished> + Send {
    let mut jobs = Box::pin(jobs.fuse());
    let mut queues = ProviderQueues::new(options);
    let mut running = FuturesUnordered::new();
    poll_fn(move |cx| {
        while queues.waiting < MAX_WAITING
            && let Poll::Ready(Some(job)) = jobs.poll_next_unpin(cx)
        {
            queues.add(job);
        }
        while let Some(start) = queues.next_start() {
            running.push(start);
        }
        match running.poll_next_unpin(cx) {
            Poll::Ready(Some((key, number, finished))) => {
                queues.finished(&key, number);
                Poll::Ready(Some(finished))
            }
            Poll::Ready(None) if jobs.is_done() => Poll::Ready(None),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    })
}

/// All jobs that were pulled and have not finished, by key.
struct ProviderQueues {
    by_key: BTreeMap<JobKey, ProviderQueue>,
    options: ManyOptions,
    /// Jobs that were pulled so far.
    added: usize,
    /// Jobs that have not started.
    waiting: usize,
    /// Jobs that resolve and then wait for their turn.
    ahead: usize,
    /// Jobs whose turn it is.
    running: usize,
    /// The number of the last job that started.
    started: u64,
    /// The number of the last turn.
    turns: u64,
}

/// The jobs of one key.
#[derive(Default)]
struct ProviderQueue {
    waiting: VecDeque<Box<Job>>,
    ahead: VecDeque<(u64, Barrier)>,
    running: usize,
    /// The number of its last turn.
    last_turn: u64,
}

impl ProviderQueues {
    fn new(options: ManyOptions) -> Self {
        Self {
            by_key: BTreeMap::new(),
            options,
            added: 0,
            waiting: 0,
            ahead: 0,
            running: 0,
            started: 0,
            turns: 0,
        }
    }

    fn add(&mut self, mut job: Job) {
        job.index = self.added;
        self.added += 1;
        job.options.offload = self.options.offload.clone();
        self.by_key.entry(job.key()).or_default().waiting.push_back(Box::new(job));
        self.waiting += 1;
    }

    /// Opens the barrier of those whose turn it is, and gives the next job to start, if there is one.
    fn next_start(&mut self) -> Option<impl Future<Output = (JobKey, u64, Finished)> + Send + use<>> {
        let barrier = Barrier::new();
        self.started += 1;
        let number = self.started;
        let (key, job) = self.next_in_turn(&barrier).or_else(|| self.next_ahead(&barrier))?;
        Some(async move { (key, number, job.run(barrier).await) })
    }

    fn next_in_turn(&mut self, barrier: &Barrier) -> Option<(JobKey, Box<Job>)> {
        while self.running < self.options.concurrency.max(1) {
            let has_job = |queue: &ProviderQueue| !queue.ahead.is_empty() || !queue.waiting.is_empty();
            let queues = self.by_key.iter_mut().filter(|(_, queue)| has_job(queue));
            let (key, queue) = queues.min_by_key(|(_, queue)| (queue.running, queue.last_turn))?;
            self.turns += 1;
            queue.last_turn = self.turns;
            queue.running += 1;
            self.running += 1;
            match queue.ahead.pop_front() {
                Some((_, resolved)) => {
                    self.ahead -= 1;
                    resolved.open();
                }
                None => {
                    self.waiting -= 1;
                    barrier.open();
                    return Some((Arc::clone(key), queue.waiting.pop_front()?));
                }
            }
        }
        None
    }

    /// No more jobs resolve ahead than are running.
    fn next_ahead(&mut self, barrier: &Barrier) -> Option<(JobKey, Box<Job>)> {
        if self.ahead >= self.running.min(MAX_AHEAD) {
            return None;
        }
        let queues = self.by_key.iter_mut().filter(|(_, queue)| !queue.waiting.is_empty());
        let started = |queue: &ProviderQueue| queue.running + queue.ahead.len();
        let (key, queue) = queues.min_by_key(|(_, queue)| (started(queue), queue.last_turn))?;
        self.waiting -= 1;
        self.ahead += 1;
        queue.ahead.push_back((self.started, barrier.clone()));
        Some((Arc::clone(key), queue.waiting.pop_front()?))
    }

    fn finished(&mut self, key: &JobKey, number: u64) {
        let Some(queue) = self.by_key.get_mut(key) else { return };
        match queue.ahead.iter().position(|(ahead, _)| *ahead == number) {
            // It finished before its turn: it failed to resolve, or its content was stored already.
            Some(position) => {
                queue.ahead.remove(position);
                self.ahead -= 1;
            }
            None => {
                queue.running -= 1;
                self.running -= 1;
            }
        }
        if queue.running == 0 && queue.ahead.is_empty() && queue.waiting.is_empty() {
            self.by_key.remove(key);
        }
    }
}
