//! A provider whose replies are written down, for tests without sockets.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use wamedia_core::{
    Capabilities, ContentMetadata, Error, ErrorKind, MediaDescriptor, MediaHead, MediaId, MediaRef,
    MediaStream, OpenOptions, Provider, ResolveOptions, Result, Source,
};

/// One reply to `open`: its headers and its chunks; `None` is a break.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) head: MediaHead,
    pub(crate) chunks: Vec<Option<Bytes>>,
    /// Whether nothing follows the chunks, not even an end.
    pub(crate) stalls: bool,
}

impl Reply {
    /// The whole content, with its length.
    pub(crate) fn whole(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let mut head = MediaHead::default();
        head.body_bytes = Some(content.len() as u64);
        Self { head, chunks: vec![Some(content)], stalls: false }
    }

    /// The content from `start` on, in a partial reply with a total.
    pub(crate) fn part(content: impl Into<Bytes>, start: u64, total: Option<u64>) -> Self {
        let mut reply = Self::whole(content);
        reply.head.partial = true;
        reply.head.start = start;
        reply.head.end = reply.head.body_bytes.and_then(|size| start.checked_add(size));
        reply.head.total_bytes = total;
        reply
    }

    pub(crate) fn with_validator(mut self, validator: &str) -> Self {
        self.head.validator = Some(validator.to_owned());
        self
    }

    pub(crate) fn with_mime(mut self, mime: &str) -> Self {
        self.head.mime = wamedia_core::Mime::parse(mime).ok();
        self
    }

    /// Breaks after so many bytes.
    pub(crate) fn broken_after(mut self, count: usize) -> Self {
        let content = self.chunks.remove(0).unwrap();
        self.chunks = vec![Some(content.slice(..count)), None];
        self
    }

    /// In chunks of this size.
    pub(crate) fn in_chunks(mut self, size: usize) -> Self {
        let content = self.chunks.remove(0).unwrap();
        self.chunks = content.chunks(size).map(|chunk| Some(Bytes::copy_from_slice(chunk))).collect();
        self
    }

    /// Without a stated length.
    pub(crate) fn unframed(mut self) -> Self {
        self.head.body_bytes = None;
        self
    }
}

/// The offset and the validator of a request that continues.
pub(crate) type Resumed = (u64, Option<String>);

/// Answers `open` with its replies in order, and `resolve` always.
#[derive(Debug)]
pub(crate) struct Replies {
    pub(crate) declared: ContentMetadata,
    waiting: Mutex<VecDeque<Reply>>,
    pub(crate) opened: Mutex<Vec<Option<Resumed>>>,
}

impl Replies {
    pub(crate) fn new(declared: ContentMetadata, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { declared, waiting: Mutex::new(replies.into_iter().collect()), opened: Mutex::default() }
    }

    /// How often content was asked for.
    pub(crate) fn opens(&self) -> usize {
        self.opened.lock().unwrap().len()
    }
}

pub(crate) fn media(id: &str) -> MediaRef {
    MediaRef::new("replies", MediaId::new(id).unwrap())
}

/// All names below a folder, sorted, those of our own folder included.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in folder.read_dir().unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(names(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        }
        all.push(name);
    }
    all.sort();
    all
}

#[async_trait]
impl Provider for Replies {
    fn name(&self) -> &'static str {
        "replies"
    }

    fn capabilities(&self) -> &Capabilities {
        const { &Capabilities::NONE.with_resolve().with_open_range() }
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        options.budget.count_request();
        Ok(MediaDescriptor::new(media.clone(), Source::Direct).with_declared(self.declared.clone()))
    }

    async fn open(&self, _: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        options.budget.count_request();
        let resume = options.resume.map(|resume| (resume.offset, resume.validator));
        self.opened.lock().unwrap().push(resume);
        let reply = self.waiting.lock().unwrap().pop_front();
        let Some(reply) = reply else { return Err(Error::new(ErrorKind::NotFound, "no reply is left")) };
        let broken = || Error::new(ErrorKind::Transport, "broke");
        let chunks = reply.chunks.into_iter().map(move |chunk| chunk.ok_or_else(broken));
        let rest =
            if reply.stalls { stream::pending().left_stream() } else { stream::empty().right_stream() };
        Ok(MediaStream::new(reply.head, stream::iter(chunks).chain(rest)))
    }
}
