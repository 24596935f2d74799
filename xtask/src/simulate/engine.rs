//! The engine driver: the world is the provider; no sockets, virtual time.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use wamedia_conformance::simulation::{JobTrace, Trace, World, WorldEvent};
use wamedia_core::Provider;

use super::adapter;
use super::folder::Folder;
use super::provider::{NAME, Shared, Simulated};

/// A run that is polled more often is taken for endless.
const MAX_POLLS: u64 = 300_000;

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics are part of a trace, not of the output.
pub(crate) fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANIC.with(|panic| *panic.borrow_mut() = Some(info.to_string()));
    }));
}

fn panic_text() -> String {
    PANIC.with(|panic| panic.borrow_mut().take()).unwrap_or_else(|| "unknown".to_owned())
}

/// The provider of each run.
pub(crate) type Providers = dyn Fn(usize) -> Arc<dyn Provider>;

/// Runs the engine in a world.
pub(crate) fn run(world: &World) -> Result<Trace, String> {
    let shared = Shared::new(world.clone(), NAME);
    with_providers(&shared, |shared| {
        let shared = Arc::clone(shared);
        Ok(Box::new(move |run| Arc::new(Simulated { shared: Arc::clone(&shared), run })))
    })
}

/// Runs the engine in a world with the providers that `start` makes inside the runtime.
pub(crate) fn with_providers(
    shared: &Arc<Shared>,
    start: impl FnOnce(&Arc<Shared>) -> Result<Box<Providers>, String>,
) -> Result<Trace, String> {
    let folder = Folder::new(shared).map_err(|error| format!("cannot make a folder: {error}"))?;
    // One thread for blocking work: what is handed to it is done in order.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .start_paused(true)
        .build()
        .map_err(|error| format!("cannot make a runtime: {error}"))?;
    let mut trace = Trace {
        planted: folder.planted.clone(),
        before: folder.entries(),
        remembers: shared.world.client.manifest,
        ..Trace::default()
    };
    let providers = runtime.block_on(async { start(shared) })?;
    let ended = catch_unwind(AssertUnwindSafe(|| runs(&runtime, shared, &*providers, &folder, &mut trace)));
    drop(providers);
    // Blocking work ends before the folder is read.
    runtime.shutdown_timeout(Duration::from_secs(10));
    trace.requests = shared.requests();
    trace.after = folder.entries();
    trace.outside_changed = folder.outside_changed();
    trace.leaks.append(&mut shared.state().sent_elsewhere);
    match ended {
        Ok(outcome) => outcome.map_err(|error| error.to_string())?,
        Err(_) => {
            trace.panic = Some(panic_text());
        }
    }
    Ok(trace)
}

/// The jobs that finished, and the pieces of credentials that they showed.
type Log = (Vec<JobTrace>, Vec<String>);

/// The first run, the event, and the second run.
fn runs(
    runtime: &Runtime,
    shared: &Arc<Shared>,
    providers: &Providers,
    folder: &Folder,
    trace: &mut Trace,
) -> std::io::Result<()> {
    let event = shared.world.event;
    let path = folder.path();
    if event == WorldEvent::Apart {
        return apart(runtime, shared, providers, &path, trace);
    }
    let log: RefCell<Log> = RefCell::default();
    let run = |number: usize| {
        let ended = |job: JobTrace, leaks: Vec<String>| {
            let mut log = log.borrow_mut();
            log.0.push(job);
            log.1.extend(leaks);
        };
        adapter::run(Arc::clone(shared), providers(number), number, &path, ended)
    };
    let (polls, finished) = match event {
        WorldEvent::Twice => {
            let both = futures_util::future::join(run(0), run(1)).map(drop);
            runtime.block_on(Polled::new(both, MAX_POLLS, || Ok(())))
        }
        WorldEvent::Cancel(polls) => runtime.block_on(Polled::new(run(0), polls.into(), || Ok(()))),
        WorldEvent::Kill(polls) => runtime.block_on(Polled::new(run(0), polls.into(), || folder.freeze())),
        _ => runtime.block_on(Polled::new(run(0), MAX_POLLS, || Ok(()))),
    }?;
    trace.polls = polls;
    trace.endless = !finished && !matches!(event, WorldEvent::Cancel(_) | WorldEvent::Kill(_));
    if !finished {
        add_unfinished(shared, &mut log.borrow_mut().0);
    }
    let is_killed = matches!(event, WorldEvent::Kill(_)) && !finished;
    if is_killed {
        // Blocking work of the killed run ends before the next run begins.
        let blocking = async { tokio::task::spawn_blocking(|| ()).await };
        runtime.block_on(blocking).map_err(std::io::Error::other)?;
        folder.thaw()?;
    }
    if let WorldEvent::Forget(bytes) = event {
        folder.forget(bytes)?;
    }
    if is_killed || matches!(event, WorldEvent::Again | WorldEvent::Forget(_) | WorldEvent::Crash(_)) {
        trace.between = Some(folder.entries());
        let (polls, finished) = runtime.block_on(Polled::new(run(1), MAX_POLLS, || Ok(())))?;
        trace.polls += polls;
        trace.endless |= !finished;
    }
    (trace.jobs, trace.leaks) = log.into_inner();
    Ok(())
}

/// Adds the jobs that were interrupted.
fn add_unfinished(shared: &Shared, jobs: &mut Vec<JobTrace>) {
    let runs = if shared.world.event == WorldEvent::Twice { 2 } else { 1 };
    for (run, object) in
        (0..runs).flat_map(|run| (0..shared.world.objects.len()).map(move |object| (run, object)))
    {
        if !jobs.iter().any(|job| job.run == run && job.object == object) {
            jobs.push(JobTrace {
                run,
                object,
                outcome: None,
                written: None,
                held: None,
                elapsed: Duration::ZERO,
            });
        }
    }
}

/// Two runs on two threads, each with a runtime of its own, like two processes.
fn apart(
    runtime: &Runtime,
    shared: &Arc<Shared>,
    providers: &Providers,
    path: &Path,
    trace: &mut Trace,
) -> std::io::Result<()> {
    let log: Mutex<Log> = Mutex::default();
    let barrier = Barrier::new(2);
    let run = |number: usize, provider| {
        let log = &log;
        let ended = move |job: JobTrace, leaks: Vec<String>| {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.0.push(job);
            log.1.extend(leaks);
        };
        adapter::run(Arc::clone(shared), provider, number, path, ended)
    };
    let (first, second) = (providers(0), providers(1));
    let second_run = || {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        barrier.wait();
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(1, second))));
        Ok(ended.err().map(|_| panic_text()))
    };
    let panicked: std::io::Result<Option<String>> = std::thread::scope(|scope| {
        let other = scope.spawn(second_run);
        barrier.wait();
        runtime.block_on(run(0, first));
        other.join().unwrap_or_else(|_| Ok(Some(panic_text())))
    });
    trace.panic = panicked?;
    (trace.jobs, trace.leaks) = log.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(())
}

/// A future that is polled a limited number of times and then dropped.
struct Polled<F, L> {
    inner: Option<Pin<Box<F>>>,
    polls: u64,
    limit: u64,
    at_limit: L,
}

impl<F: Future<Output = ()>, L> Polled<F, L> {
    fn new(inner: F, limit: u64, at_limit: L) -> Self {
        Self { inner: Some(Box::pin(inner)), polls: 0, limit, at_limit }
    }
}

impl<F: Future<Output = ()>, L: FnMut() -> std::io::Result<()> + Unpin> Future for Polled<F, L> {
    /// How often it was polled, and whether it came to its end.
    type Output = std::io::Result<(u64, bool)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(Ok((this.polls, false))) };
        if this.polls >= this.limit {
            let outcome = (this.at_limit)();
            this.inner = None;
            return Poll::Ready(outcome.map(|()| (this.polls, false)));
        }
        this.polls += 1;
        inner.as_mut().poll(cx).map(|()| Ok((this.polls, true)))
    }
}
