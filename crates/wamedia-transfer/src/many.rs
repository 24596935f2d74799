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
    let mut lanes = Lanes { all: Vec::new(), concurrency: concurrency.max(1), running: 0, numbers: 0 };
    jobs.into_iter().for_each(|job| lanes.add(job));
    unfold((lanes, FuturesUnordered::new()), |(mut lanes, running)| async move {
        let mut running: FuturesUnordered<_> = running;
        while let Some(start) = lanes.next_start() {
            running.push(start);
        }
        let (place, finished) = running.next().await?;
        lanes.ended(place);
        Some((finished, (lanes, running)))
    })
}

/// All jobs that have not ended, by account.
struct Lanes {
    all: Vec<Lane>,
    concurrency: usize,
    running: usize,
    numbers: u64,
}

/// The jobs of one account.
struct Lane {
    account: usize,
    waiting: VecDeque<Job>,
    /// Jobs that resolve and then wait for their turn.
    ahead: VecDeque<(u64, Barrier)>,
    /// Jobs whose turn it is.
    running: usize,
}

/// Which job it was: its lane and its number.
type Place = (usize, u64);

impl Lanes {
    fn add(&mut self, job: Job) {
        let account: *const () = Arc::as_ptr(&job.provider).cast();
        let account = account.addr();
        match self.all.iter_mut().find(|lane| lane.account == account) {
            Some(lane) => lane.waiting.push_back(job),
            None => self.all.push(Lane {
                account,
                waiting: VecDeque::from([job]),
                ahead: VecDeque::new(),
                running: 0,
            }),
        }
    }

    /// Lets those go on whose turn it is, and gives the next job to start, if there is one.
    fn next_start(&mut self) -> Option<impl Future<Output = (Place, Finished)> + Send + use<>> {
        let barrier = Barrier::new();
        let (index, job) = self.next_in_turn(&barrier).or_else(|| self.next_ahead(&barrier))?;
        let place = (index, self.numbers);
        self.numbers += 1;
        Some(async move { (place, job.run(barrier).await) })
    }

    fn next_in_turn(&mut self, barrier: &Barrier) -> Option<(usize, Job)> {
        while self.running < self.concurrency {
            let lanes = self.all.iter_mut().enumerate();
            let (index, lane) = lanes
                .filter(|(_, lane)| !lane.ahead.is_empty() || !lane.waiting.is_empty())
                .min_by_key(|(_, lane)| lane.running)?;
            lane.running += 1;
            self.running += 1;
            match lane.ahead.pop_front() {
                Some((_, resolved)) => resolved.open(),
                None => {
                    barrier.open();
                    return Some((index, lane.waiting.pop_front()?));
                }
            }
        }
        None
    }

    /// No account is asked for more in advance than it has running.
    fn next_ahead(&mut self, barrier: &Barrier) -> Option<(usize, Job)> {
        if self.all.iter().map(|lane| lane.ahead.len()).sum::<usize>() >= MAX_AHEAD {
            return None;
        }
        let lanes = self.all.iter_mut().enumerate();
        let (index, lane) = lanes
            .into_iter()
            .find(|(_, lane)| lane.ahead.len() < lane.running && !lane.waiting.is_empty())?;
        lane.ahead.push_back((self.numbers, barrier.clone()));
        Some((index, lane.waiting.pop_front()?))
    }

    fn ended(&mut self, (index, number): Place) {
        let lane = &mut self.all[index];
        match lane.ahead.iter().position(|(ahead, _)| *ahead == number) {
            // It ended before its turn came: it failed to resolve, or nothing was to be done.
            Some(position) => drop(lane.ahead.remove(position)),
            None => {
                lane.running -= 1;
                self.running -= 1;
            }
        }
    }
}
