//! The calls of the engine.

use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use wamedia_conformance::simulation::{
    Destination, IfExists, JobTrace, Mismatch, Success, VerifiedBy, World, WorldEvent,
};
use wamedia_core::{DeclaredBy, Error, MediaRef, Provider, Result};
use wamedia_transfer::{
    Downloaded, Folder, Job, ManyOptions, Object, OnMismatch, Receipt, SimulatedDisk, Target, Transfer,
    TransferOptions, Verified, transfer_many,
};

use super::folder::{location, read_object};
use super::provider::{ACCESS_KEY, LINK_SECRET, Shared, TOKEN, object_of};

/// Runs all transfers of a world once, and calls `ended` for each as it ends.
pub(crate) async fn run(
    shared: Arc<Shared>,
    provider: Arc<dyn Provider>,
    run: usize,
    folder: &Path,
    mut ended: impl FnMut(JobTrace, Vec<String>),
) {
    let world = &shared.world;
    let started = Instant::now();
    let disk = match world.event {
        WorldEvent::Crash(operations) if run == 0 => SimulatedDisk::default().crash_after(operations),
        _ => SimulatedDisk::default(),
    };
    let disk = match world.client.disk_room {
        Some(bytes) => disk.with_room_for(bytes),
        None => disk,
    };
    let disks: Vec<_> = world.objects.iter().map(|_| disk.for_transfer()).collect();
    let stored_in = Folder::new(folder).with_manifest(world.client.manifest);
    let to_files = matches!(world.client.destination, Destination::File | Destination::Folder);
    match world.client.many.filter(|_| to_files) {
        Some(concurrency) => {
            let jobs = (0..world.objects.len()).filter_map(|object| {
                let media = shared.media(object).ok()?;
                let target = match world.client.destination {
                    Destination::File => Target::File(folder.join(&world.objects[object].target)),
                    _ => Target::Folder(stored_in.clone()),
                };
                let options = options(&shared, object, &disks[object]);
                Some(Job::new(Arc::clone(&provider), media, target).with_options(options))
            });
            let mut finished =
                std::pin::pin!(transfer_many(stream::iter(jobs), ManyOptions::new(concurrency.into())));
            while let Some(finished) = finished.next().await {
                let Some(object) = object_of(&finished.media) else { continue };
                let outcome = finished.outcome.map(|downloaded| of_file(folder, &downloaded, &disks[object]));
                let (job, leaks) = traced(run, object, outcome, Written::default(), started.elapsed());
                ended(interrupted(job, &disk), leaks);
            }
        }
        None => {
            let concurrency = usize::from(world.client.many.unwrap_or(1)).max(1);
            let jobs = (0..world.objects.len())
                .map(|object| one(&shared, &*provider, run, object, &stored_in, &disks[object]));
            let mut finished = std::pin::pin!(stream::iter(jobs).buffer_unordered(concurrency));
            while let Some((job, leaks)) = finished.next().await {
                ended(job, leaks);
            }
        }
    }
}

/// One transfer.
async fn one(
    shared: &Shared,
    provider: &dyn Provider,
    run: usize,
    object: usize,
    folder: &Folder,
    disk: &SimulatedDisk,
) -> (JobTrace, Vec<String>) {
    let started = Instant::now();
    let mut written = Written::default();
    let outcome = match shared.media(object) {
        Err(error) => Err(error),
        Ok(media) => transferred((shared, run, object), provider, &media, folder, disk, &mut written).await,
    };
    let (job, leaks) = traced(run, object, outcome, written, started.elapsed());
    (interrupted(job, disk), leaks)
}

async fn transferred(
    (shared, run, object): (&Shared, usize, usize),
    provider: &dyn Provider,
    media: &MediaRef,
    folder: &Folder,
    disk: &SimulatedDisk,
    written: &mut Written,
) -> Result<Success> {
    let transfer = Transfer::new(provider).with_options(options(shared, object, disk));
    match shared.world.client.destination {
        Destination::Memory => {
            let fetched = transfer.fetch(media).await?;
            Ok(success(fetched.bytes, None, Some(&fetched.receipt)))
        }
        Destination::Writer => {
            let bytes = written.bytes.insert(Vec::new());
            let held = &mut written.held;
            let mut writer = LimitedWriter { shared, run, object, bytes, held, disk };
            let receipt = transfer.fetch_into(media, &mut writer).await?;
            Ok(success(writer.bytes.clone().into(), None, Some(&receipt)))
        }
        Destination::File => {
            let path = folder.path().join(&shared.world.objects[object].target);
            Ok(of_file(folder.path(), &transfer.download_to(media, &path).await?, disk))
        }
        Destination::ObjectStore => {
            let name = &shared.world.objects[object].target;
            let mut stored = Object::new(Arc::clone(&shared.store) as _, location(name));
            let receipt = transfer.store(media, &mut stored).await?;
            let bytes = read_object(&shared.store, &location(name)).unwrap_or_default();
            let kept = receipt.is_none();
            Ok(Success { kept, ..success(bytes, Some(name.clone()), receipt.as_ref()) })
        }
        Destination::Folder => Ok(of_file(folder.path(), &transfer.download_in(media, folder).await?, disk)),
    }
}

/// What a writer got, and how many bytes it was behind.
#[derive(Default)]
struct Written {
    bytes: Option<Vec<u8>>,
    held: Option<(u64, u64)>,
}

/// A writer with as much room as the disk has.
struct LimitedWriter<'w> {
    shared: &'w Shared,
    run: usize,
    object: usize,
    bytes: &'w mut Vec<u8>,
    held: &'w mut Option<(u64, u64)>,
    disk: &'w SimulatedDisk,
}

impl AsyncWrite for LimitedWriter<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.disk.take_room(bytes.len())?;
        let held = self.shared.held(self.run, self.object, self.bytes.len());
        let (first, most) = self.held.unwrap_or((held, held));
        *self.held = Some((first, most.max(held)));
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn options(shared: &Shared, object: usize, disk: &SimulatedDisk) -> TransferOptions {
    let World { objects, client, .. } = &shared.world;
    let (caller, first) = (&objects[object].caller, shared.version(object, 0));
    let mut options = TransferOptions::default();
    options.limits.max_attempts = client.max_attempts;
    options.limits.max_renewals = client.max_renewals;
    options.max_bytes = client.max_bytes;
    options.sha256 = caller.sha256.of(first);
    options.size_bytes = caller.size.of(first.len());
    options.deadline = client.deadline_ms.map(Duration::from_millis);
    options.resume_partial = client.resume_partial;
    options.disk = Some(disk.clone());
    options.on_mismatch = match client.mismatch {
        Mismatch::Reject => OnMismatch::Reject,
        Mismatch::Quarantine => OnMismatch::Quarantine,
        Mismatch::Record => OnMismatch::Record,
    };
    options.if_exists = match client.exists {
        IfExists::Refuse => wamedia_transfer::IfExists::Refuse,
        IfExists::Keep => wamedia_transfer::IfExists::Keep,
        IfExists::Replace => wamedia_transfer::IfExists::Replace,
    };
    options
}

fn of_file(folder: &Path, downloaded: &Downloaded, disk: &SimulatedDisk) -> Success {
    let mut stored = Vec::new();
    // Another run may have replaced the file already.
    let read = match disk.committed() {
        Some(mut file) => file.rewind().and_then(|()| file.read_to_end(&mut stored)),
        None => fs::File::open(&downloaded.path).and_then(|mut file| file.read_to_end(&mut stored)),
    };
    if read.is_err() {
        stored.clear();
    }
    let relative = downloaded.path.strip_prefix(folder).unwrap_or(&downloaded.path);
    let path = relative.to_string_lossy().into_owned();
    let kept = downloaded.is_kept();
    Success { kept, ..success(stored.into(), Some(path), downloaded.receipt.as_ref()) }
}

fn success(stored: bytes::Bytes, path: Option<String>, receipt: Option<&Receipt>) -> Success {
    let by = |by: DeclaredBy| by.name().to_owned();
    Success {
        stored,
        path,
        kept: false,
        receipt: receipt.map(|receipt| (receipt.bytes, receipt.sha256)),
        verified: match receipt.map(|receipt| receipt.verified) {
            Some(Verified::Digest(who)) => VerifiedBy::Digest(by(who)),
            Some(Verified::Length(who)) => VerifiedBy::Length(by(who)),
            _ => VerifiedBy::None,
        },
        differences: receipt.map_or(0, |receipt| receipt.differences.len()),
        requests: receipt.map_or(0, |receipt| receipt.requests),
        received: receipt.map_or(0, |receipt| receipt.received_bytes),
        resumes: receipt.map_or(0, |receipt| receipt.resumes),
        shown: receipt.map(|receipt| format!("{receipt:?}")).unwrap_or_default(),
    }
}

fn traced(
    run: usize,
    object: usize,
    outcome: Result<Success>,
    written: Written,
    elapsed: Duration,
) -> (JobTrace, Vec<String>) {
    let mut shown = match &outcome {
        Ok(success) => vec![success.shown.clone()],
        Err(error) => everything(error),
    };
    shown.retain(|text| leaks(text));
    let outcome = outcome.map_err(|error| (error.kind().name().to_owned(), error.to_string()));
    let (bytes, held) = (written.bytes.map(Into::into), written.held);
    (JobTrace { run, object, outcome: Some(outcome), written: bytes, held, elapsed }, shown)
}

/// Removes the outcome of a job that failed because of the simulated crash: no caller receives it.
fn interrupted(job: JobTrace, disk: &SimulatedDisk) -> JobTrace {
    let has_failed = matches!(job.outcome, Some(Err(_)));
    let has_crashed = disk.has_crashed();
    JobTrace { outcome: job.outcome.filter(|_| !(has_failed && has_crashed)), ..job }
}

/// All texts that an error shows.
fn everything(error: &Error) -> Vec<String> {
    let mut out = vec![error.to_string(), format!("{error:?}")];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        out.push(format!("{cause} {cause:?}"));
        source = cause.source();
    }
    out
}

/// Whether a text has a piece of eight bytes of a credential.
pub(crate) fn leaks(text: &str) -> bool {
    let pieces = [LINK_SECRET, TOKEN, ACCESS_KEY].into_iter().flat_map(|secret| secret.as_bytes().windows(8));
    pieces.filter_map(|piece| std::str::from_utf8(piece).ok()).any(|piece| text.contains(piece))
}
