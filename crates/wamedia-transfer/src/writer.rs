use std::fs::File;
use std::io::{self, IoSlice, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use wamedia_core::{Error, ErrorKind, Phase, Result, Sha256};

use crate::beside::{Body, Worker, is_crowded};
use crate::hash::Hasher;

/// A body is hashed and written in batches of this size, beside the network while a core is free; a
/// smaller one always in place, since a thread hop costs more than the work.
const BATCH_BYTES: usize = 512 * 1024;
/// The same while many bodies come in at once, so that all together hold little.
const CROWDED_BATCH_BYTES: usize = 128 * 1024;

/// Where the bytes go.
pub(crate) enum Sink<'w> {
    Memory(Vec<Bytes>),
    File(File),
    Writer(&'w mut (dyn AsyncWrite + Unpin + Send)),
}

/// Hashes and stores bytes in order. At most two batches are held: one that fills, one in work.
pub(crate) struct Pipe<'w> {
    sink: Sink<'w>,
    hasher: Hasher,
    batch: Vec<Bytes>,
    batch_bytes: usize,
    /// Bytes taken in this run through the content.
    taken: u64,
    body: Option<Body>,
    working: Option<JoinHandle<Work>>,
    /// For a writer, which cannot take bytes back: how much it has, and what that hashes to.
    replay: Option<Replay>,
    delivered: u64,
}

struct Work {
    hasher: Hasher,
    file: Option<File>,
    batch: Vec<Bytes>,
    outcome: io::Result<()>,
}

#[derive(Clone, Copy)]
struct Replay {
    upto: u64,
    digest: Sha256,
}

impl<'w> Pipe<'w> {
    pub(crate) fn new(sink: Sink<'w>) -> Self {
        Self {
            sink,
            hasher: Hasher::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            taken: 0,
            body: None,
            working: None,
            replay: None,
            delivered: 0,
        }
    }

    /// A pipe into a file that already holds `taken` bytes, hashed.
    pub(crate) fn resumed(file: File, hasher: Hasher, taken: u64) -> Self {
        Self { hasher, taken, ..Self::new(Sink::File(file)) }
    }

    /// How many bytes of the content have been taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) async fn push(&mut self, chunk: Bytes) -> Result<()> {
        self.taken += chunk.len() as u64;
        if matches!(self.sink, Sink::Writer(_)) {
            return self.push_to_writer(chunk).await;
        }
        self.batch_bytes += chunk.len();
        self.batch.push(chunk);
        self.body.get_or_insert_with(Body::new);
        let enough = if is_crowded() { CROWDED_BATCH_BYTES } else { BATCH_BYTES };
        if self.batch_bytes < enough {
            return Ok(());
        }
        // The batch before this one must be done either way: bytes are hashed in order.
        self.settle().await?;
        let is_large = self.taken >= BATCH_BYTES as u64;
        match is_large.then(Worker::take).flatten() {
            Some(worker) => self.hand_over(worker),
            None => self.work_here(),
        }
    }

    /// Throws everything away and begins again.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.settle().await?;
        if let Sink::Writer(_) = self.sink {
            // The bytes are gone; the new run must first repeat them exactly.
            if self.replay.is_none() && self.delivered > 0 {
                let digest = self.hasher.clone().finish();
                self.replay = Some(Replay { upto: self.delivered, digest });
            }
        }
        self.batch.clear();
        self.batch_bytes = 0;
        self.hasher = Hasher::new();
        self.taken = 0;
        match &mut self.sink {
            Sink::Memory(chunks) => chunks.clear(),
            Sink::File(file) => {
                file.seek(SeekFrom::Start(0)).and_then(|_| file.set_len(0)).map_err(local)?;
            }
            Sink::Writer(_) => {}
        }
        Ok(())
    }

    /// Everything is stored; gives the digest and, of memory, the bytes.
    pub(crate) async fn finish(&mut self) -> Result<(Sha256, Option<Bytes>)> {
        self.settle().await?;
        self.work_here()?;
        self.body = None;
        let digest = self.hasher.clone().finish();
        let bytes = match &mut self.sink {
            Sink::Memory(chunks) => Some(joined(std::mem::take(chunks))),
            Sink::File(_) => None,
            Sink::Writer(writer) => {
                if let Some(replay) = self.replay.filter(|replay| replay.upto > self.taken) {
                    return Err(replay_failed(replay.upto));
                }
                writer.flush().await.map_err(local)?;
                None
            }
        };
        Ok((digest, bytes))
    }

    /// The file, once everything is stored.
    pub(crate) fn file(&self) -> Option<&File> {
        match &self.sink {
            Sink::File(file) => Some(file),
            _ => None,
        }
    }

    async fn push_to_writer(&mut self, chunk: Bytes) -> Result<()> {
        let before = self.taken - chunk.len() as u64;
        let mut fresh = chunk.clone();
        if let Some(replay) = self.replay
            && before < replay.upto
        {
            let known =
                usize::try_from(replay.upto - before).map_or(chunk.len(), |left| left.min(chunk.len()));
            self.hasher.update(&chunk[..known]);
            fresh = chunk.slice(known..);
            if before + known as u64 == replay.upto {
                let digest = self.hasher.clone().finish();
                if digest != replay.digest {
                    return Err(replay_failed(replay.upto));
                }
                self.replay = None;
            }
        }
        self.hasher.update(&fresh);
        self.delivered = self.delivered.max(self.taken);
        match &mut self.sink {
            Sink::Writer(writer) => writer.write_all(&fresh).await.map_err(local),
            _ => Ok(()),
        }
    }

    /// Hashes and writes the batch on this thread.
    fn work_here(&mut self) -> Result<()> {
        for chunk in &self.batch {
            self.hasher.update(chunk);
        }
        match &mut self.sink {
            Sink::File(file) => {
                write_all(file, &self.batch).map_err(local)?;
            }
            Sink::Memory(chunks) => chunks.append(&mut self.batch),
            Sink::Writer(_) => {}
        }
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }

    /// Gives the batch to a blocking task.
    fn hand_over(&mut self, worker: Worker) -> Result<()> {
        let mut work = Work {
            hasher: std::mem::replace(&mut self.hasher, Hasher::new()),
            file: None,
            batch: std::mem::take(&mut self.batch),
            outcome: Ok(()),
        };
        self.batch_bytes = 0;
        match &mut self.sink {
            // A second handle shares the position, so the order of writes is the order of tasks.
            Sink::File(file) => work.file = Some(file.try_clone().map_err(local)?),
            Sink::Memory(chunks) => chunks.extend(work.batch.iter().cloned()),
            Sink::Writer(_) => {}
        }
        self.working = Some(tokio::task::spawn_blocking(move || {
            for chunk in &work.batch {
                work.hasher.update(chunk);
            }
            if let Some(file) = &mut work.file {
                work.outcome = write_all(file, &work.batch);
            }
            work.batch.clear();
            drop(worker);
            work
        }));
        Ok(())
    }

    /// Waits for the task beside the network.
    async fn settle(&mut self) -> Result<()> {
        let Some(working) = self.working.take() else { return Ok(()) };
        let work = working.await.map_err(|error| local(io::Error::other(error)))?;
        self.hasher = work.hasher;
        if self.batch.capacity() == 0 {
            self.batch = work.batch;
        }
        work.outcome.map_err(local)
    }
}

/// Writes a batch with one call to the system where it takes all at once.
fn write_all(file: &mut File, batch: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One chunk stays as it is; several are joined once.
fn joined(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() <= 1 {
        return chunks.pop().unwrap_or_default();
    }
    let mut out = Vec::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        out.extend_from_slice(&chunk);
    }
    out.into()
}

/// A failure of the local file system or the caller's writer.
pub(crate) fn local(error: io::Error) -> Error {
    Error::new(ErrorKind::Local, format!("cannot store the content: {error}"))
        .with_phase(Phase::Store)
        .with_source(error)
}

fn replay_failed(upto: u64) -> Error {
    Error::new(
        ErrorKind::Integrity,
        format!("after a break the content began differently, and the writer already has {upto} bytes"),
    )
    .with_phase(Phase::Body)
}
