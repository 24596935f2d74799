//! The world as a provider: it answers from the script, in memory, in virtual time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::memory::InMemory;
use wamedia_conformance::simulation::{
    Advice, BodyLog, Failure, RequestLog, RequestWhat, ScriptedReply, World,
};
use wamedia_core::{
    Budget, Capabilities, ContentMetadata, Error, ErrorKind, MediaDescriptor, MediaId, MediaLink, MediaRef,
    MediaStream, OpenOptions, Provider, ResolveOptions, Result, Retry, Source,
};

/// A secret in every link, which no error and no receipt may show.
pub(crate) const LINK_SECRET: &str = "TEST-canary-link-5d1f90b2";
/// The credential of every provider, which no error and no receipt may show.
pub(crate) const TOKEN: &str = "TEST-canary-token-8c41e7aa";
/// The key of a provider that has one beside its secret, which no error and no receipt may show.
pub(crate) const ACCESS_KEY: &str = "TEST-canary-key-3be07a41";
/// The provider's name.
pub(crate) const NAME: &str = "simulated";
/// From this many requests on, nothing is answered.
const TOO_MANY_REQUESTS: usize = 1_000;

/// What all runs in one world share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) world: World,
    /// The provider's name.
    pub(crate) name: &'static str,
    pub(crate) versions: Vec<Vec<Bytes>>,
    /// The store of worlds that have one.
    pub(crate) store: Arc<InMemory>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) requests: Vec<RequestLog>,
    /// What another origin got that it must not get.
    pub(crate) sent_elsewhere: Vec<String>,
    opens: Vec<u32>,
    resolves: Vec<u32>,
    replies: u32,
}

impl Shared {
    pub(crate) fn new(world: World, name: &'static str) -> Arc<Self> {
        let versions =
            world.objects.iter().enumerate().map(|(index, object)| object.versions(index)).collect();
        let count = world.objects.len();
        let state = State { opens: vec![0; count], resolves: vec![0; count], ..State::default() };
        Arc::new(Self { world, name, versions, store: Arc::default(), state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of this request for content.
    pub(crate) fn next_open(&self, object: usize) -> u32 {
        let mut state = self.state();
        state.opens[object] += 1;
        state.opens[object] - 1
    }

    /// The number of this request for a link, and which version is current.
    pub(crate) fn next_resolve(&self, object: usize) -> (u32, usize) {
        let mut state = self.state();
        state.resolves[object] += 1;
        (state.resolves[object] - 1, self.world.objects[object].version_after(state.opens[object]))
    }

    /// The number of this reply among all with a body.
    pub(crate) fn next_reply(&self) -> u32 {
        let mut state = self.state();
        state.replies += 1;
        state.replies
    }

    /// How many bytes the client took of an object beyond the first `written`.
    pub(crate) fn held(&self, run: usize, object: usize, written: usize) -> u64 {
        let state = self.state();
        let of_this = |request: &&RequestLog| request.run == run && request.object == object;
        let last = state.requests.iter().rev().find(of_this).and_then(|request| request.answer.as_ref().ok());
        let taken = last.map_or(0, |body| body.start + body.sent.len() as u64);
        taken.saturating_sub(written as u64)
    }

    pub(crate) fn requests(&self) -> Vec<RequestLog> {
        self.state().requests.clone()
    }

    pub(crate) fn version(&self, object: usize, version: usize) -> &Bytes {
        &self.versions[object][version.min(self.versions[object].len() - 1)]
    }

    /// The reference of an object, as a webhook brings it.
    pub(crate) fn media(&self, object: usize) -> Result<MediaRef> {
        let described = &self.world.objects[object];
        let said = &described.webhook;
        let first = &self.versions[object][0];
        let declared = ContentMetadata::EMPTY
            .with_mime_text(said.mime.as_deref())
            .with_size_bytes(said.size.of(first.len()))
            .with_sha256_text(said.sha256.text(first).as_deref())
            .with_name(said.name.as_deref())
            .with_kind(said.kind.as_deref().and_then(|kind| kind.parse().ok()));
        let media = MediaRef::new(self.name, MediaId::new(format!("object-{object}"))?);
        Ok(media.with_declared(declared).with_signed(described.signed))
    }
}

/// The provider of one run.
#[derive(Clone)]
pub(crate) struct Simulated {
    pub(crate) shared: Arc<Shared>,
    pub(crate) run: usize,
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated").field("run", &self.run).finish_non_exhaustive()
    }
}

/// The number of the object of a reference.
pub(crate) fn object_of(media: &MediaRef) -> Option<usize> {
    media.id.as_ref()?.as_str().strip_prefix("object-")?.parse().ok()
}

fn unknown() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such object")
}

impl Simulated {
    pub(crate) fn log(
        &self,
        object: usize,
        what: RequestWhat,
        answer: std::result::Result<BodyLog, String>,
    ) -> Result<usize> {
        self.add(RequestLog { run: self.run, object, what, answer, is_final: false })
    }

    pub(crate) fn log_failure(&self, object: usize, what: RequestWhat, failure: &Failure) -> Result<usize> {
        // A dead link can be replaced.
        let is_final = failure.retry == Advice::Never && failure.kind != ErrorKind::Expired.name();
        self.add(RequestLog { run: self.run, object, what, answer: Err(failure.kind.clone()), is_final })
    }

    fn add(&self, request: RequestLog) -> Result<usize> {
        let mut state = self.shared.state();
        state.requests.push(request);
        if state.requests.len() > TOO_MANY_REQUESTS {
            return Err(Error::new(ErrorKind::Upstream, "more requests than any client may send"));
        }
        Ok(state.requests.len() - 1)
    }

    /// An error goes to the client unless the transport absorbs it, as the real one does until a head arrived.
    async fn absorb(&self, failure: &Failure, budget: &Budget, attempt: u32) -> Result<()> {
        let kind =
            KINDS.iter().find(|kind| kind.name() == failure.kind).copied().unwrap_or(ErrorKind::Upstream);
        let (retry, wait) = match failure.retry {
            _ if kind == ErrorKind::Expired => (Retry::Never, None),
            Advice::Never => (Retry::Never, None),
            Advice::Backoff => (Retry::Backoff, Some(Duration::from_millis(200 << attempt.min(6)))),
            Advice::After(ms) => (Retry::After(Duration::from_millis(ms)), Some(Duration::from_millis(ms))),
        };
        match wait {
            Some(wait) if budget.take_retry() && budget.take_wait(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            _ => {
                let error = Error::new(kind, "as scripted").with_retry(retry);
                Err(failure.status.into_iter().fold(error, Error::with_status))
            }
        }
    }
}

#[async_trait]
impl Provider for Simulated {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        const WHOLE: Capabilities = Capabilities::NONE.with_resolve().with_open();
        const RANGES: Capabilities = WHOLE.with_open_range();
        if self.shared.world.server.ranges { &RANGES } else { &WHOLE }
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        let object = object_of(media).ok_or_else(unknown)?;
        let described = &self.shared.world.objects[object];
        let mut attempt = 0;
        loop {
            options.budget.count_request();
            let (number, version) = self.shared.next_resolve(object);
            let failure = described.resolve.get(number as usize).cloned().flatten();
            let Some(failure) = failure else {
                self.log(object, RequestWhat::Resolve, Ok(BodyLog { version, ..BodyLog::default() }))?;
                let (said, current) = (&described.reply, self.shared.version(object, version));
                let declared = ContentMetadata::EMPTY
                    .with_mime_text(said.mime.as_deref())
                    .with_size_bytes(said.size.of(current.len()))
                    .with_sha256_text(said.sha256.text(current).as_deref())
                    .with_name(said.name.as_deref());
                let link = format!("https://content.test/o/{object}?hash={LINK_SECRET}").parse();
                let source = match link {
                    Ok(url) if self.shared.world.server.links => Source::Link(MediaLink::public(url)),
                    _ => Source::Direct,
                };
                return Ok(MediaDescriptor::new(media.clone(), source).with_declared(declared));
            };
            self.log_failure(object, RequestWhat::Resolve, &failure)?;
            self.absorb(&failure, &options.budget, attempt).await?;
            attempt += 1;
        }
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let object = object_of(&media.media).ok_or_else(unknown)?;
        let resume = options.resume.as_ref();
        let what = RequestWhat::Open {
            offset: resume.map(|resume| resume.offset),
            validator: resume.and_then(|resume| resume.validator.clone()),
        };
        let mut attempt = 0;
        loop {
            let number = self.shared.next_open(object);
            let reply = self.shared.world.objects[object].reply(number, &self.shared.world.server);
            if let ScriptedReply::Redirect(_) = reply {
                // Only a transport sees it.
                continue;
            }
            options.budget.count_request();
            match reply {
                ScriptedReply::Redirect(_) => {}
                ScriptedReply::Fail(failure) => {
                    self.log_failure(object, what.clone(), &failure)?;
                    self.absorb(&failure, &options.budget, attempt).await?;
                    attempt += 1;
                }
                ScriptedReply::Body(script) => {
                    let asked =
                        resume.map_or((0, None), |resume| (resume.offset, resume.validator.as_deref()));
                    let Some(body) = self.body(object, number, asked, &script) else {
                        self.log(object, what, Err("range refused".to_owned()))?;
                        return Err(Error::new(ErrorKind::UnexpectedContent, "the range was refused")
                            .with_status(416));
                    };
                    let index = self.log(object, what, Ok(body.log))?;
                    return Ok(MediaStream::new(body.head, self.stream(index, &script, body.bytes)));
                }
            }
        }
    }
}

/// The kinds that a script names.
const KINDS: [ErrorKind; 10] = [
    ErrorKind::NotFound,
    ErrorKind::Expired,
    ErrorKind::NotReady,
    ErrorKind::Unavailable,
    ErrorKind::Unauthorized,
    ErrorKind::Forbidden,
    ErrorKind::RateLimited,
    ErrorKind::Upstream,
    ErrorKind::Transport,
    ErrorKind::Timeout,
];
