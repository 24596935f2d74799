//! What every case has: the provider under test, its fixtures, and a fetch against the fake server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use wamedia_core::{
    Capabilities, Error, ErrorKind, MediaId, MediaRef, Provider, Result as CoreResult, WebhookCapabilities,
    Webhooks,
};
use wamedia_fixtures::Fixtures;
use wamedia_transfer::{Downloaded, Fetched, Transfer, TransferOptions};

use crate::credentials::piece_of_secret;
use crate::fake_server::{FakeServer, Options};
use crate::fixture::{Fixture, Kind};
use crate::matching::Received;
use crate::mutations::{MutatedProvider, MutatedWebhooks, Mutation, Tampering};
use crate::profile::{self, Profile};
use crate::script::ExpectedExchange;
use crate::{SignatureFormat, TestNet};
use wamedia_provider::TransportOptions;
use wamedia_sandbox::http1::{Framing, Response, Step};

/// The provider under test, its fixtures, and how to build it.
pub(crate) struct Setup {
    pub(crate) build: fn(&TestNet) -> Arc<dyn Provider>,
    pub(crate) webhooks: fn(&TestNet) -> Option<Arc<dyn Webhooks>>,
    pub(crate) name: &'static str,
    /// The package that is tested; its log lines carry its name.
    pub(crate) package: &'static str,
    pub(crate) root: Fixtures,
    pub(crate) fixtures: Arc<Vec<Fixture>>,
    pub(crate) capabilities: Capabilities,
    /// None where the vendor delivers nothing.
    pub(crate) webhook_capabilities: Option<WebhookCapabilities>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) signature: SignatureFormat,
    /// Ranges are tried although the vendor does not document them.
    pub(crate) with_range: bool,
    /// The mutation of the client under test, if any.
    pub(crate) mutation: Option<Mutation>,
}

/// A case before it runs.
pub(crate) struct Case {
    pub(crate) requirement: &'static str,
    pub(crate) name: String,
    /// The capability is not declared, and the case proves that nothing happens.
    pub(crate) negative: bool,
    pub(crate) run: Box<dyn Fn(&Setup) -> Verdict + Send>,
}

pub(crate) type Verdict = Result<(), String>;

impl Case {
    pub(super) fn new(
        requirement: &'static str,
        name: impl Into<String>,
        run: impl Fn(&Setup) -> Verdict + Send + 'static,
    ) -> Self {
        Self { requirement, name: name.into(), negative: false, run: Box::new(run) }
    }

    pub(super) fn negative(mut self) -> Self {
        self.negative = true;
        self
    }
}

/// A fetch that ran against the fake server.
pub(crate) struct Run {
    pub(crate) outcome: CoreResult<Fetched>,
    pub(crate) received: Vec<Received>,
    pub(crate) connections: u64,
    /// In the virtual time of the runtime.
    pub(crate) elapsed: Duration,
}

impl Run {
    pub(crate) fn fetched(&self) -> Result<&Fetched, String> {
        self.outcome.as_ref().map_err(|error| format!("expected success, got: {error}"))
    }

    pub(crate) fn error(&self) -> Result<&Error, String> {
        match &self.outcome {
            Ok(fetched) => Err(format!("expected an error, got {} bytes", fetched.bytes.len())),
            Err(error) => Ok(error),
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.received.len()
    }
}

/// A runtime of its own for each case, with paused time.
pub(crate) fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(work)
}

pub(crate) fn ensure(condition: bool, why: impl Into<String>) -> Verdict {
    if condition { Ok(()) } else { Err(why.into()) }
}

/// Fails with what was expected and what is.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Verdict {
    if got == want { Ok(()) } else { Err(format!("{what}: expected {want:?}, got {got:?}")) }
}

impl Setup {
    /// The provider, connected to this server.
    pub(crate) fn provider(&self, server: &FakeServer) -> Arc<dyn Provider> {
        self.make(server.net())
    }

    /// Starts the fake server for these exchanges.
    pub(crate) async fn serve(
        &self,
        exchanges: Vec<ExpectedExchange>,
        options: Options,
    ) -> Result<FakeServer, String> {
        let started = FakeServer::start(exchanges, self.clock(), options, self.tampering()).await;
        started.map_err(|error| format!("the fake server cannot be started: {error}"))
    }

    pub(crate) fn make(&self, mut net: TestNet) -> Arc<dyn Provider> {
        net.with_range = self.with_range;
        let Some(mutation) = self.mutation else { return (self.build)(&net) };
        mutation.net(&mut net);
        Arc::new(MutatedProvider::new((self.build)(&net), mutation, self.clock()))
    }

    /// The same setup with this mutation.
    pub(crate) fn with_mutation(&self, mutation: Mutation) -> Self {
        let (root, fixtures) = (self.root.clone(), Arc::clone(&self.fixtures));
        Self { root, fixtures, profile: Arc::clone(&self.profile), mutation: Some(mutation), ..*self }
    }

    /// A transfer as the client under test makes it.
    pub(crate) fn transfer<'p>(&self, provider: &'p dyn Provider) -> Transfer<'p, dyn Provider> {
        self.transfer_with(provider, TransferOptions::default())
    }

    pub(crate) fn transfer_with<'p>(
        &self,
        provider: &'p dyn Provider,
        mut options: TransferOptions,
    ) -> Transfer<'p, dyn Provider> {
        if let Some(mutation) = self.mutation {
            mutation.options(&mut options);
        }
        Transfer::new(provider).with_options(options)
    }

    /// The download of a file as the client under test makes it.
    pub(crate) async fn download(
        &self,
        transfer: &Transfer<'_, dyn Provider>,
        media: &MediaRef,
        target: &Path,
    ) -> CoreResult<Downloaded> {
        if self.mutation == Some(Mutation::WritesInPlace) {
            drop(std::fs::write(target, b"half a file"));
        }
        if target.is_dir() {
            let stored = transfer.download_in(media, target).await?;
            if self.mutation == Some(Mutation::KeepsNames) {
                drop(std::fs::rename(&stored.path, target.join("../elsewhere")));
            }
            return Ok(stored);
        }
        transfer.download_to(media, target).await
    }

    /// Applies the mutation to the receipt.
    pub(crate) fn mutate_outcome(&self, outcome: &mut CoreResult<Fetched>) {
        if let (Some(mutation), Ok(fetched)) = (self.mutation, outcome) {
            mutation.outcome(fetched);
        }
    }

    /// The reader of deliveries, with a secret or without.
    pub(crate) fn webhooks(&self, with_secret: bool) -> Result<Arc<dyn Webhooks>, String> {
        let mut net = TestNet::new(TransportOptions::default());
        net.with_webhook_secret = with_secret;
        let webhooks = (self.webhooks)(&net).ok_or("the vendor delivers nothing")?;
        let Some(mutation) = self.mutation else { return Ok(webhooks) };
        Ok(Arc::new(MutatedWebhooks::new(webhooks, mutation)))
    }

    /// An id as the client under test takes it.
    pub(crate) fn id(&self, text: &str) -> CoreResult<MediaId> {
        if self.mutation == Some(Mutation::TakesAnyId) { MediaId::new("1") } else { MediaId::new(text) }
    }

    /// The same provider with ranges, which a setting may allow where the vendor documents none.
    pub(crate) fn ranged(&self) -> Option<Self> {
        let mut net = TestNet::new(TransportOptions::default());
        net.with_range = true;
        let capabilities = *(self.build)(&net).capabilities();
        let fixtures = Arc::clone(&self.fixtures);
        capabilities.open_range.then_some(Self {
            root: self.root.clone(),
            fixtures,
            profile: Arc::clone(&self.profile),
            capabilities,
            with_range: true,
            ..*self
        })
    }

    /// The profile says what the cases need, and says it of the fixtures that are there: a name that is missing or
    /// misspelt would switch cases off.
    pub(crate) fn check_profile(&self) -> Verdict {
        let (can, names) = (&self.capabilities, &*self.profile);
        let needs = [
            ("descriptor", can.resolve_remote, names.descriptor.is_some()),
            ("upload", can.upload, names.upload.is_some()),
            ("signed_anew", can.signed_requests, !names.signed_anew.is_empty()),
            ("deliveries", self.webhook_capabilities.is_some(), names.deliveries.is_some()),
            (
                "handshake",
                self.webhook_capabilities.is_some_and(|can| can.handshake),
                names.handshake.is_some(),
            ),
            ("signature", self.signature != SignatureFormat::None, names.signature.is_some()),
        ];
        for (part, needed, is_there) in needs {
            ensure(is_there || !needed, format!("{}/profile.json does not say {part:?}", self.name))?;
        }
        let signed = self.webhook_capabilities.is_some_and(|can| can.signed);
        equal(
            "SIGNATURE of the harness says that deliveries can be verified",
            &(self.signature != SignatureFormat::None),
            &signed,
        )?;
        let Some(descriptor) = &names.descriptor else { return Ok(()) };
        let (before, _) = self.split()?;
        let all = [
            Some(&descriptor.link),
            descriptor.digest.as_ref(),
            descriptor.size.as_ref(),
            descriptor.mime.as_ref(),
            descriptor.name.as_ref(),
        ];
        for path in all.into_iter().flatten().chain(&descriptor.others) {
            let is_there = before.iter().any(|exchange| {
                serde_json::from_slice(&exchange.reply.body)
                    .is_ok_and(|mut json| profile::at(&mut json, path).is_some())
            });
            ensure(
                is_there,
                format!("{}/profile.json says {path:?}, and no reply of fetch/ok has it", self.name),
            )?;
        }
        Ok(())
    }

    /// The mutation with what it has to know about the vendor.
    fn tampering(&self) -> Option<Tampering> {
        let signed_anew = self.profile.signed_anew.clone();
        self.mutation.map(|mutation| Tampering { mutation, signed_anew })
    }

    /// Takes digest and size out of a reply to resolve.
    pub(super) fn strip_declared(&self, reply: Response) -> Response {
        let Ok(mut json) = serde_json::from_slice(&reply.body) else { return reply };
        for path in self.profile.declared() {
            profile::remove(&mut json, path);
        }
        reply.body(json.to_string())
    }

    /// The plain fetch that most cases change.
    pub(crate) fn base(&self) -> Result<&Fixture, String> {
        self.fixture("fetch/ok")
    }

    pub(crate) fn fixture(&self, name: &str) -> Result<&Fixture, String> {
        let id = format!("{}/{name}", self.name);
        self.fixtures
            .iter()
            .find(|fixture| fixture.id == id)
            .ok_or_else(|| format!("there is no fixture {id}"))
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Fixture> {
        self.fixtures.iter().filter(move |fixture| fixture.kind == kind)
    }

    pub(crate) fn exchanges(&self, fixture: &Fixture) -> Vec<ExpectedExchange> {
        fixture.exchanges.iter().map(|exchange| ExpectedExchange::new(fixture, exchange)).collect()
    }

    /// The requests before the content, and the content with the redirects that lead to it.
    pub(crate) fn split(&self) -> Result<(Vec<ExpectedExchange>, ExpectedExchange), String> {
        let mut exchanges = self.exchanges(self.base()?);
        let mut content = exchanges.pop().ok_or("the base fixture has no exchange")?;
        let is_redirect = |exchange: &ExpectedExchange| (300..400).contains(&exchange.reply.status);
        let first = exchanges.iter().rposition(|exchange| !is_redirect(exchange)).map_or(0, |at| at + 1);
        content.redirects = exchanges.split_off(first);
        Ok((exchanges, content))
    }

    /// The plain fetch with another reply to its content request.
    pub(crate) fn with_content(
        &self,
        change: impl FnOnce(ExpectedExchange) -> ExpectedExchange,
    ) -> Result<Vec<ExpectedExchange>, String> {
        let (mut exchanges, content) = self.split()?;
        exchanges.push(change(content));
        Ok(exchanges)
    }

    /// The plain fetch without anything declared about the content, besides its type.
    pub(crate) fn undeclared(&self) -> Result<(MediaRef, Vec<ExpectedExchange>, ExpectedExchange), String> {
        let (before, content) = self.split()?;
        let mut media = self.media(self.base()?)?;
        media.declared.sha256 = None;
        media.declared.size_bytes = None;
        let before = before.into_iter().map(|exchange| exchange.with(|reply| self.strip_declared(reply)));
        let before = before.collect();
        Ok((media, before, content))
    }

    pub(crate) fn media(&self, fixture: &Fixture) -> Result<MediaRef, String> {
        let text = fixture.media.as_deref().ok_or("the fixture names no media")?;
        text.parse().map_err(|error| format!("the media of {}: {error}", fixture.id))
    }

    pub(crate) fn clock(&self) -> SystemTime {
        let seconds = self.base().ok().and_then(|base| base.clock).unwrap_or(1_795_000_000);
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    pub(crate) fn content_bytes(&self) -> Result<Bytes, String> {
        Ok(self.split()?.1.reply.body)
    }

    /// Fetches the base media against these exchanges.
    pub(crate) fn fetch(&self, exchanges: Vec<ExpectedExchange>) -> Result<Run, String> {
        self.fetch_with(exchanges, |_| {}, Options::default())
    }

    pub(crate) fn fetch_with(
        &self,
        exchanges: Vec<ExpectedExchange>,
        change: impl FnOnce(&mut TransferOptions),
        options: Options,
    ) -> Result<Run, String> {
        let media = self.media(self.base()?)?;
        self.fetch_media(&media, exchanges, change, options)
    }

    pub(crate) fn fetch_media(
        &self,
        media: &MediaRef,
        exchanges: Vec<ExpectedExchange>,
        change: impl FnOnce(&mut TransferOptions),
        options: Options,
    ) -> Result<Run, String> {
        let mut transfer = TransferOptions::default();
        change(&mut transfer);
        paused(async {
            let server = self.serve(exchanges, options).await?;
            let provider = self.provider(&server);
            let started = tokio::time::Instant::now();
            let mut outcome = self.transfer_with(&*provider, transfer).fetch(media).await;
            self.mutate_outcome(&mut outcome);
            let elapsed = started.elapsed();
            drop(provider);
            finish(&server, outcome, elapsed).await
        })
    }
}

/// How many requests these exchanges are.
pub(crate) fn requests(exchanges: &[ExpectedExchange]) -> usize {
    exchanges.iter().map(ExpectedExchange::requests).sum()
}

/// Checks what holds after every fetch: nothing unexpected was sent, the receipt counts right, and no
/// secret shows.
pub(crate) async fn finish(
    server: &FakeServer,
    outcome: CoreResult<Fetched>,
    elapsed: Duration,
) -> Result<Run, String> {
    let received = settled(server).await.map_err(|why| {
        format!("{why} (outcome: {:?})", outcome.as_ref().map(|fetched| fetched.bytes.len()))
    })?;
    match &outcome {
        Ok(fetched) => {
            let counted = usize::try_from(fetched.receipt.requests).unwrap_or(usize::MAX);
            equal("requests in the receipt", &counted, &received.len())?;
        }
        Err(error) => no_secret(error)?,
    }
    Ok(Run { outcome, received, connections: server.connections(), elapsed })
}

/// The requests that the server received, all of them expected.
pub(crate) async fn settled(server: &FakeServer) -> Result<Vec<Received>, String> {
    // The server notices a closed connection a little later.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (received, problems) = server.log(|log| (log.received.clone(), log.problems.clone()));
    problems.into_iter().next().map_or(Ok(received), Err)
}

/// A reply with this head whose body goes on for 64 MiB.
pub(crate) fn long_reply(head: &str, mebibyte: impl Into<Bytes>) -> Framing {
    let body = Step::Repeat { bytes: mebibyte.into(), times: 64 };
    Framing::Raw(vec![Step::Write(head.to_owned().into()), body])
}

/// Fetches media whose last reply is endless, and gives the kind of the error: most of the reply stays with the server.
pub(crate) fn refuse_unread(
    setup: &Setup,
    media: &MediaRef,
    exchanges: Vec<ExpectedExchange>,
    options: TransferOptions,
) -> Result<ErrorKind, String> {
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let outcome = setup.transfer_with(&*provider, options).fetch(media).await;
        let error = outcome.err().ok_or("an endless reply became content")?;
        settled(&server).await?;
        let last = server.seen().last().map(|exchange| exchange.outcome.clone());
        let is_whole = matches!(last, None | Some(wamedia_sandbox::http1::Outcome::Done(_)));
        ensure(!is_whole, format!("the server says of the last reply: {last:?}"))?;
        Ok(error.kind())
    })
}

/// No form of the error shows the canary.
pub(crate) fn no_secret(error: &Error) -> Verdict {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        shown.push_str(&format!(" {source} {source:?}"));
        next = source.source();
    }
    let piece = piece_of_secret(&shown);
    ensure(piece.is_none(), format!("{piece:?} of a secret shows in the error: {shown}"))
}
