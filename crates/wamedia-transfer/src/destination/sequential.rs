use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use wamedia_core::{Error, ErrorKind, Phase, Result, Sha256};

use super::{Begin, BeginContext, Destination, local};
use crate::{Hasher, Receipt};

/// A writer that cannot discard bytes, such as standard output.
///
/// When the content begins again after a break, its bytes must first repeat exactly what was written, and only what
/// follows is written. Use what was written only once the transfer has succeeded.
pub struct Sequential<W> {
    writer: W,
    /// How many bytes the writer has.
    delivered: u64,
    replay: Option<Replay>,
}

/// The bytes that a new attempt must repeat.
struct Replay {
    until: u64,
    digest: Sha256,
    seen: u64,
    hasher: Hasher,
}

impl<W: AsyncWrite + Unpin + Send> Sequential<W> {
    /// A destination that writes to this writer.
    pub fn new(writer: W) -> Self {
        Self { writer, delivered: 0, replay: None }
    }

    /// Compares a chunk with what was written, and gives the part that follows.
    fn repeated(&mut self, chunk: Bytes) -> Result<Bytes> {
        let Some(replay) = &mut self.replay else { return Ok(chunk) };
        let left = usize::try_from(replay.until - replay.seen).unwrap_or(usize::MAX).min(chunk.len());
        replay.hasher.update(&chunk[..left]);
        replay.seen += left as u64;
        if replay.seen < replay.until {
            return Ok(Bytes::new());
        }
        if replay.hasher.clone().finish() != replay.digest {
            return Err(differs(replay.until));
        }
        self.replay = None;
        Ok(chunk.slice(left..))
    }
}

impl<W> fmt::Debug for Sequential<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequential").field("delivered", &self.delivered).finish_non_exhaustive()
    }
}

#[async_trait]
impl<W: AsyncWrite + Unpin + Send> Destination for Sequential<W> {
    async fn begin(&mut self, _: &BeginContext<'_>) -> Result<Begin> {
        Ok(Begin::Fresh)
    }

    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()> {
        for chunk in chunks {
            let fresh = self.repeated(chunk)?;
            self.writer.write_all(&fresh).await.map_err(local)?;
            self.delivered += fresh.len() as u64;
        }
        Ok(())
    }

    async fn restart(&mut self, _: u64, digest: Sha256) -> Result<()> {
        match &mut self.replay {
            // The attempt that repeated the bytes broke off, too.
            Some(replay) => (replay.seen, replay.hasher) = (0, Hasher::new()),
            None => {
                let until = self.delivered;
                self.replay = Some(Replay { until, digest, seen: 0, hasher: Hasher::new() });
            }
        }
        Ok(())
    }

    async fn commit(&mut self, _: &Receipt) -> Result<()> {
        match &self.replay {
            Some(replay) => Err(differs(replay.until)),
            None => self.writer.flush().await.map_err(local),
        }
    }

    async fn abort(&mut self) {}

    fn batch_bytes(&self) -> usize {
        0
    }
}

fn differs(until: u64) -> Error {
    Error::new(
        ErrorKind::Integrity,
        format!(
            "after a restart the content differs from the {until} bytes that were written, which cannot be taken back"
        ),
    )
    .with_phase(Phase::Body)
}
