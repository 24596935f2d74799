use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, unfold};
use wamedia_core::{MediaRef, Provider, Result};

use crate::{Downloaded, Transfer, TransferOptions};

/// Where a job puts its file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Under exactly this name.
    File(PathBuf),
    /// In this folder, under a safe name made from what was declared and what arrived.
    Folder(PathBuf),
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

    async fn run(self) -> Finished {
        let transfer = Transfer::new(&*self.provider).with_options(self.options);
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
/// The next job is always taken from the account with the fewest running ones, so a slow account
/// does not starve another. Dropping the stream cancels what is running.
pub fn transfer_many(
    jobs: impl IntoIterator<Item = Job>,
    concurrency: usize,
) -> impl Stream<Item = Finished> + Send {
    let mut lanes: Vec<Lane> = Vec::new();
    for job in jobs {
        let account: *const () = Arc::as_ptr(&job.provider).cast();
        let account = account.addr();
        match lanes.iter_mut().find(|lane| lane.account == account) {
            Some(lane) => lane.waiting.push_back(job),
            None => lanes.push(Lane { account, waiting: VecDeque::from([job]), running: 0 }),
        }
    }
    let concurrency = concurrency.max(1);
    unfold((lanes, FuturesUnordered::new()), move |(mut lanes, mut running)| async move {
        while running.len() < concurrency {
            let next = lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.waiting.is_empty());
            let Some((index, lane)) = next.min_by_key(|(_, lane)| lane.running) else { break };
            let Some(job) = lane.waiting.pop_front() else { break };
            lane.running += 1;
            running.push(async move { (index, job.run().await) });
        }
        let (index, finished) = running.next().await?;
        lanes[index].running -= 1;
        Some((finished, (lanes, running)))
    })
}

/// The jobs of one account.
struct Lane {
    account: usize,
    waiting: VecDeque<Job>,
    running: usize,
}
