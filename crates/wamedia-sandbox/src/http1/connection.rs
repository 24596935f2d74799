//! One connection: reads requests, plays the scripts that answer them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::message::{Exchange, Head, Outcome, Request, Step};
use super::service::{Shared, Transport};

/// Largest request head that is read, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Most request headers that are read.
const MAX_HEADERS: usize = 128;
/// Largest single write, so that a slow reader shows in the outcome.
const WRITE_CHUNK: usize = 256 * 1024;

pub(super) struct Connection<S> {
    pub(super) io: S,
    pub(super) buffer: BytesMut,
    pub(super) number: u64,
    pub(super) shared: Arc<Shared>,
}

enum End {
    Next,
    Over,
}

impl<S: Transport> Connection<S> {
    pub(super) async fn run(mut self) -> io::Result<()> {
        while let Some(head) = self.head().await? {
            let number = self.shared.requests.fetch_add(1, Ordering::SeqCst);
            let early = self.shared.service.early(&head);
            let is_early = early.is_some();
            let expects = head.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue"));
            if expects && !is_early {
                self.io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let (steps, body_bytes) = if let Some(steps) = early {
                (steps, 0)
            } else {
                let (body, body_bytes) = self.body(&head, self.shared.limits.body_bytes).await?;
                let connection = self.number;
                let request = Request { head: head.clone(), body, body_bytes, connection, number };
                self.record(&head, number, body_bytes);
                let shared = Arc::clone(&self.shared);
                (shared.service.call(request).await, body_bytes)
            };
            if is_early {
                self.record(&head, number, body_bytes);
            }
            let close = head.minor_version == 0
                || head.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
            let (outcome, end) = self.play(steps, is_early.then_some(&head)).await;
            self.shared.finish(number, &outcome);
            if close || matches!(end, End::Over) {
                let _ = self.io.shutdown().await;
                return Ok(());
            }
        }
        Ok(())
    }

    fn record(&self, head: &Head, number: u64, body_bytes: u64) {
        let mut seen = self.shared.seen();
        if seen.len() >= self.shared.limits.exchanges {
            seen.pop_front();
        }
        seen.push_back(Exchange {
            connection: self.number,
            number,
            head: head.clone(),
            body_bytes,
            at: Instant::now(),
            outcome: Outcome::Running,
        });
    }

    /// Plays a script; with a head, that request's body is drained before the connection ends.
    async fn play(&mut self, steps: Vec<Step>, drain: Option<&Head>) -> (Outcome, End) {
        let mut written = 0;
        for step in steps {
            let played = match step {
                Step::Write(bytes) => self.write(&bytes, &mut written).await,
                Step::Repeat { bytes, times } => self.write_many(&bytes, times, &mut written).await,
                Step::Sleep(time) => self.wait(Some(time)).await,
                Step::Hang => self.wait(None).await,
                Step::Drip { bytes, every } => {
                    let mut played = Ok(());
                    for at in 0..bytes.len() {
                        played = self.write(&bytes[at..=at], &mut written).await;
                        if played.is_ok() {
                            played = self.wait(Some(every)).await;
                        }
                        if played.is_err() {
                            break;
                        }
                    }
                    played
                }
                Step::Reset => {
                    let _ = self.io.flush().await;
                    self.io.prepare_reset();
                    return (Outcome::Reset(written), End::Over);
                }
                Step::Close => {
                    let _ = self.io.flush().await;
                    if let Some(head) = drain {
                        let _ = self.body(head, 0).await;
                    }
                    return (Outcome::Done(written), End::Over);
                }
                Step::KeepAlive => break,
            };
            match played {
                Ok(()) => {}
                Err(Gone::Closed) => return (Outcome::ClientClosed(written), End::Over),
                Err(Gone::Write) => return (Outcome::WriteError(written), End::Over),
            }
        }
        let _ = self.io.flush().await;
        if let Some(head) = drain
            && self.body(head, 0).await.is_err()
        {
            return (Outcome::Done(written), End::Over);
        }
        (Outcome::Done(written), End::Next)
    }

    /// Writes small pieces together: over TLS, each write is a record of its own.
    async fn write_many(&mut self, bytes: &[u8], times: u64, written: &mut u64) -> Result<(), Gone> {
        let together = (WRITE_CHUNK / bytes.len().max(1)).max(1);
        let several = bytes.repeat(together);
        let together = together as u64;
        for _ in 0..times / together {
            self.write(&several, written).await?;
        }
        let rest = usize::try_from(times % together).unwrap_or_default();
        self.write(&several[..rest * bytes.len()], written).await
    }

    async fn write(&mut self, bytes: &[u8], written: &mut u64) -> Result<(), Gone> {
        for chunk in bytes.chunks(WRITE_CHUNK) {
            let mut at = 0;
            while at < chunk.len() {
                match self.io.write(&chunk[at..]).await {
                    Ok(0) | Err(_) => return Err(Gone::Write),
                    Ok(n) => {
                        at += n;
                        *written += n as u64;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for the time, or for ever, while watching for the client's close.
    async fn wait(&mut self, time: Option<Duration>) -> Result<(), Gone> {
        if self.io.flush().await.is_err() {
            return Err(Gone::Write);
        }
        let elapsed = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(elapsed);
        loop {
            // What a client sends early stays in the buffer; when that is full, so does the rest of it.
            let room = self.buffer.len() <= MAX_HEAD;
            tokio::select! {
                biased;
                () = &mut elapsed => return Ok(()),
                read = self.io.read_buf(&mut self.buffer), if room => {
                    if matches!(read, Ok(0) | Err(_)) {
                        return Err(Gone::Closed);
                    }
                }
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.io.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut parser = httparse::Request::new(&mut headers);
            let parsed = match parser.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let head = Head {
                        method: parser.method.unwrap_or_default().to_owned(),
                        target: parser.path.unwrap_or_default().to_owned(),
                        minor_version: parser.version.unwrap_or(1),
                        headers: parser
                            .headers
                            .iter()
                            .map(|header| (header.name.to_owned(), header.value.to_vec()))
                            .collect(),
                    };
                    Some((length, head))
                }
                Ok(httparse::Status::Partial) if self.buffer.len() > MAX_HEAD => {
                    return self.refuse("431 Request Header Fields Too Large").await;
                }
                Ok(httparse::Status::Partial) => None,
                Err(httparse::Error::TooManyHeaders) => {
                    return self.refuse("431 Request Header Fields Too Large").await;
                }
                Err(_) => return self.refuse("400 Bad Request").await,
            };
            if let Some((length, head)) = parsed {
                self.buffer.advance(length);
                return Ok(Some(head));
            }
            if self.buffer.is_empty() && self.buffer.capacity() < 8 * 1024 {
                self.buffer.reserve(8 * 1024);
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn refuse(&mut self, status: &str) -> io::Result<Option<Head>> {
        let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        self.io.write_all(reply.as_bytes()).await?;
        self.io.shutdown().await?;
        Ok(None)
    }

    /// Reads the body, keeps at most `cap` bytes of it, and says how long it was.
    async fn body(&mut self, head: &Head, cap: usize) -> io::Result<(Bytes, u64)> {
        let chunked =
            head.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
        let mut kept = BytesMut::new();
        let mut total = 0;
        if !chunked {
            let length = head.header("content-length").and_then(|v| v.trim().parse().ok()).unwrap_or(0);
            self.take(length, &mut kept, cap).await?;
            return Ok((kept.freeze(), length));
        }
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = u64::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if length == 0 {
                while !self.line().await?.is_empty() {}
                return Ok((kept.freeze(), total));
            }
            self.take(length, &mut kept, cap).await?;
            total += length;
            self.line().await?;
        }
    }

    async fn take(&mut self, mut length: u64, kept: &mut BytesMut, cap: usize) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.buffer.reserve(64 * 1024);
                self.fill().await?;
            }
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            let keep = here.min(cap.saturating_sub(kept.len()));
            kept.extend_from_slice(&self.buffer[..keep]);
            self.buffer.advance(here);
            length -= here as u64;
        }
        Ok(())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.fill().await?;
        }
    }
}

enum Gone {
    Closed,
    Write,
}
