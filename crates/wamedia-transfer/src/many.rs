use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, unfold};
use wamedia_core::{MediaRef, Provider, Result};

use crate::barrier::Barrier;
use crate::{Downloaded, Folder, Transfer, TransferOptions};

/// How many jobs resolve ahead at most: far from the provider they are what keeps the contents coming,
/// but each holds a connection.
const MAX_AHEAD: usize = 16;

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
    /// Who is asked. Jobs of one provider instance share its connections and its circuit breaker.
    pub provider: Arc<dyn Provider>,
    /// What to fetch.
    pub media: MediaRef,
    /// Where to put it.
    pub target: Target,
    /// How.
    pub options: TransferOptions,
}

impl Job {
    /// A download with default options.
    pub fn new(provider: Arc<dyn Provider>, media: MediaRef, target: Target) -> Self {
        Self { provider, media, target, options: TransferOptions::default() }
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    async fn run(self, barrier: Barrier) -> Finished {
        if self.options.deadline.is_some() {
            // Waiting for its turn must not eat the time that a job has.
            barrier.passed().await;
        }
        let transfer = Transfer::new(&*self.provider).with_options(self.options).with_barrier(barrier);
        let outcome = match &self.target {
            Target::File(path) => transfer.download_to(&self.media, path).await,
            Target::Folder(folder) => transfer.download_in(&self.media, folder).await,
        };
        Finished { media: self.media, outcome }
    }
}

/// How one of many downloads ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// What was to be fetched.
    pub media: MediaRef,
    /// The file, or why there is none.
    pub outcome: Result<Downloaded>,
}

/// Runs many downloads, at most `concurrency` at once; results come as they finish, and one failure
/// stops no other.
///
/// While contents come in, further jobs resolve ahead, as many and at most 16, so that the next content can begin
/// without another round trip. The next job is always taken from the account with the fewest running
/// ones, so a slow account does not starve another. Dropping the stream cancels what is running.
pub fn transfer_many(
    jobs: impl IntoIterator<Item = Job>,
    concurrency: usize,
) -> impl Stream<Item = Finished> + Send {
    let mut queues =
        ProviderQueues { all: Vec::new(), concurrency: concurrency.max(1), running: 0, numbers: 0 };
    jobs.into_iter().for_each(|job| queues.add(job));
    unfold((queues, FuturesUnordered::new()), |(mut queues, running)| async move {
        let mut running: FuturesUnordered<_> = running;
        while let Some(start) = queues.next_start() {
            running.push(start);
        }
        let (key, finished) = running.next().await?;
        queues.ended(key);
        Some((finished, (queues, running)))
    })
}

/// All jobs that have not ended, by account.
struct ProviderQueues {
    all: Vec<ProviderQueue>,
    concurrency: usize,
    running: usize,
    numbers: u64,
}

/// The jobs of one account.
struct ProviderQueue {
    account: usize,
    waiting: VecDeque<Job>,
    /// Jobs that resolve and then wait for their turn.
    ahead: VecDeque<(u64, Barrier)>,
    /// Jobs whose turn it is.
    running: usize,
}

/// Which job it was: its queue and its number.
type JobKey = (usize, u64);

impl ProviderQueues {
    fn add(&mut self, job: Job) {
        let account: *const () = Arc::as_ptr(&job.provider).cast();
        let account = account.addr();
        match self.all.iter_mut().find(|queue| queue.account == account) {
            Some(queue) => queue.waiting.push_back(job),
            None => self.all.push(ProviderQueue {
                account,
                waiting: VecDeque::from([job]),
                ahead: VecDeque::new(),
                running: 0,
            }),
        }
    }

    /// Lets those go on whose turn it is, and gives the next job to start, if there is one.
    fn next_start(&mut self) -> Option<impl Future<Output = (JobKey, Finished)> + Send + use<>> {
        let barrier = Barrier::new();
        let (index, job) = self.next_in_turn(&barrier).or_else(|| self.next_ahead(&barrier))?;
        let key = (index, self.numbers);
        self.numbers += 1;
        Some(async move { (key, job.run(barrier).await) })
    }

    fn next_in_turn(&mut self, barrier: &Barrier) -> Option<(usize, Job)> {
        while self.running < self.concurrency {
            let queues = self.all.iter_mut().enumerate();
            let (index, queue) = queues
                .filter(|(_, queue)| !queue.ahead.is_empty() || !queue.waiting.is_empty())
                .min_by_key(|(_, queue)| queue.running)?;
            queue.running += 1;
            self.running += 1;
            match queue.ahead.pop_front() {
                Some((_, resolved)) => resolved.open(),
                None => {
                    barrier.open();
                    return Some((index, queue.waiting.pop_front()?));
                }
            }
        }
        None
    }

    /// No account is asked for more in advance than it has running.
    fn next_ahead(&mut self, barrier: &Barrier) -> Option<(usize, Job)> {
        if self.all.iter().map(|queue| queue.ahead.len()).sum::<usize>() >= MAX_AHEAD {
            return None;
        }
        let queues = self.all.iter_mut().enumerate();
        let (index, queue) = queues
            .into_iter()
            .find(|(_, queue)| queue.ahead.len() < queue.running && !queue.waiting.is_empty())?;
        queue.ahead.push_back((self.numbers, barrier.clone()));
        Some((index, queue.waiting.pop_front()?))
    }

    fn ended(&mut self, (index, number): JobKey) {
        let queue = &mut self.all[index];
        match queue.ahead.iter().position(|(ahead, _)| *ahead == number) {
            // It ended before its turn came: it failed to resolve, or nothing was to be done.
            Some(position) => drop(queue.ahead.remove(position)),
            None => {
                queue.running -= 1;
                self.running -= 1;
            }
        }
    }
}
