//! The cases. Each proves one requirement; most bend the provider's plain fetch into a fault.

mod bytes;
mod crowd;
mod descriptors;
mod links;
mod replayed;
mod time;
mod trust;
mod uploads;
mod various;
mod watched;
mod webhooks;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wamedia_core::{
    Capabilities, Error, MediaId, MediaRef, Provider, Result as CoreResult, WebhookCapabilities, Webhooks,
};
use wamedia_fixtures::Fixtures;
use wamedia_transfer::{Downloaded, Fetched, Transfer, TransferOptions};

pub(crate) use replayed::Done;

use crate::double::{Double, Options};
use crate::fixture::{Fixture, Kind};
use crate::matching::Received;
use crate::mutants::{Broken, BrokenWebhooks, Mistake};
use crate::script::Turn;
use crate::{CANARY, TestNet};
use wamedia_provider::TransportOptions;
use wamedia_sandbox::http1::Response;

/// What every case has at hand.
pub(crate) struct Subject {
    pub(crate) build: fn(&TestNet) -> Arc<dyn Provider>,
    pub(crate) webhooks: fn(&TestNet) -> Option<Arc<dyn Webhooks>>,
    pub(crate) name: &'static str,
    pub(crate) root: Fixtures,
    pub(crate) fixtures: Arc<Vec<Fixture>>,
    pub(crate) capabilities: Capabilities,
    /// None where the vendor delivers nothing.
    pub(crate) webhook_capabilities: Option<WebhookCapabilities>,
    /// Ranges are tried although the vendor does not document them.
    pub(crate) with_range: bool,
    /// What is wrong with the client under test, where something is on purpose.
    pub(crate) mistake: Option<Mistake>,
}

/// A case before it runs.
pub(crate) struct Case {
    pub(crate) requirement: &'static str,
    pub(crate) name: String,
    /// The capability is not declared, and the case proves that nothing happens.
    pub(crate) negative: bool,
    pub(crate) run: Box<dyn Fn(&Subject) -> Verdict + Send>,
}

pub(crate) type Verdict = Result<(), String>;

impl Case {
    fn new(
        requirement: &'static str,
        name: impl Into<String>,
        run: impl Fn(&Subject) -> Verdict + Send + 'static,
    ) -> Self {
        Self { requirement, name: name.into(), negative: false, run: Box::new(run) }
    }

    fn negative(mut self) -> Self {
        self.negative = true;
        self
    }
}

/// All cases that apply.
pub(crate) fn all(subject: &Subject) -> Vec<Case> {
    let mut cases = replayed::cases(subject);
    cases.extend(descriptors::cases(subject));
    cases.extend(uploads::cases(subject));
    cases.extend(crowd::cases(subject));
    cases.extend(watched::cases(subject));
    cases.extend(bytes::cases(subject));
    cases.extend(links::cases(subject));
    cases.extend(time::cases(subject));
    cases.extend(trust::cases(subject));
    cases.extend(various::cases(subject));
    cases.extend(webhooks::cases(subject));
    cases
}

/// A fetch that ran against the fault server.
pub(crate) struct Run {
    pub(crate) outcome: CoreResult<Fetched>,
    pub(crate) received: Vec<Received>,
    pub(crate) connections: u64,
    /// In the time of the runtime, which is virtual.
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

impl Subject {
    /// The provider, led to this double.
    pub(crate) fn provider(&self, double: &Double) -> Arc<dyn Provider> {
        double.make_mistake(self.mistake);
        self.make(double.net())
    }

    pub(crate) fn make(&self, mut net: TestNet) -> Arc<dyn Provider> {
        net.with_range = self.with_range;
        let Some(mistake) = self.mistake else { return (self.build)(&net) };
        mistake.net(&mut net);
        Arc::new(Broken::new((self.build)(&net), mistake, self.clock()))
    }

    /// The same with this mistake in it.
    pub(crate) fn with_mistake(&self, mistake: Mistake) -> Self {
        let (root, fixtures) = (self.root.clone(), Arc::clone(&self.fixtures));
        Self { root, fixtures, mistake: Some(mistake), ..*self }
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
        if let Some(mistake) = self.mistake {
            mistake.options(&mut options);
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
        if self.mistake == Some(Mistake::WritesInPlace) {
            drop(std::fs::write(target, b"half a file"));
        }
        if target.is_dir() {
            let stored = transfer.download_in(media, target).await?;
            if self.mistake == Some(Mistake::KeepsNames) {
                drop(std::fs::rename(&stored.path, target.join("../elsewhere")));
            }
            return Ok(stored);
        }
        transfer.download_to(media, target).await
    }

    /// What the client under test says about its transfer.
    pub(crate) fn told(&self, outcome: &mut CoreResult<Fetched>) {
        if let (Some(mistake), Ok(fetched)) = (self.mistake, outcome) {
            mistake.outcome(fetched);
        }
    }

    /// What reads deliveries, with a secret or without.
    pub(crate) fn webhooks(&self, with_secret: bool) -> Result<Arc<dyn Webhooks>, String> {
        let mut net = TestNet::new(TransportOptions::default());
        net.with_webhook_secret = with_secret;
        let webhooks = (self.webhooks)(&net).ok_or("the vendor delivers nothing")?;
        let Some(mistake) = self.mistake else { return Ok(webhooks) };
        Ok(Arc::new(BrokenWebhooks::new(webhooks, mistake)))
    }

    /// An id as the client under test takes it.
    pub(crate) fn id(&self, text: &str) -> CoreResult<MediaId> {
        if self.mistake == Some(Mistake::TakesAnyId) { MediaId::new("1") } else { MediaId::new(text) }
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
            capabilities,
            with_range: true,
            ..*self
        })
    }

    /// The plain fetch that most cases bend.
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

    pub(crate) fn turns(&self, fixture: &Fixture) -> Vec<Turn> {
        fixture.exchanges.iter().map(|exchange| Turn::new(fixture, exchange)).collect()
    }

    /// The requests before the content, and the content.
    pub(crate) fn split(&self) -> Result<(Vec<Turn>, Turn), String> {
        let mut turns = self.turns(self.base()?);
        let content = turns.pop().ok_or("the base fixture has no exchange")?;
        Ok((turns, content))
    }

    /// The plain fetch with another reply to its content request.
    pub(crate) fn with_content(&self, change: impl FnOnce(Turn) -> Turn) -> Result<Vec<Turn>, String> {
        let (mut turns, content) = self.split()?;
        turns.push(change(content));
        Ok(turns)
    }

    /// The plain fetch without anything declared about the content, besides its type.
    pub(crate) fn undeclared(&self) -> Result<(MediaRef, Vec<Turn>, Turn), String> {
        let (before, content) = self.split()?;
        let mut media = self.media(self.base()?)?;
        media.declared.sha256 = None;
        media.declared.size_bytes = None;
        let before = before.into_iter().map(|turn| turn.with(strip_declared)).collect();
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

    pub(crate) fn content_bytes(&self) -> Result<bytes_crate::Bytes, String> {
        Ok(self.split()?.1.reply.body)
    }

    /// Fetches the base media against these turns.
    pub(crate) fn fetch(&self, turns: Vec<Turn>) -> Result<Run, String> {
        self.fetch_with(turns, |_| {}, Options::default())
    }

    pub(crate) fn fetch_with(
        &self,
        turns: Vec<Turn>,
        change: impl FnOnce(&mut TransferOptions),
        options: Options,
    ) -> Result<Run, String> {
        let media = self.media(self.base()?)?;
        self.fetch_media(&media, turns, change, options)
    }

    pub(crate) fn fetch_media(
        &self,
        media: &MediaRef,
        turns: Vec<Turn>,
        change: impl FnOnce(&mut TransferOptions),
        options: Options,
    ) -> Result<Run, String> {
        let mut transfer = TransferOptions::default();
        change(&mut transfer);
        paused(async {
            let double =
                Double::start(turns, self.clock(), options).await.map_err(|error| error.to_string())?;
            let provider = self.provider(&double);
            let started = tokio::time::Instant::now();
            let mut outcome = self.transfer_with(&*provider, transfer).fetch(media).await;
            self.told(&mut outcome);
            let elapsed = started.elapsed();
            drop(provider);
            finish(&double, outcome, elapsed).await
        })
    }
}

/// What holds after every fetch, whatever the case: nothing unexpected was sent, the receipt counts
/// right, and no secret shows.
pub(crate) async fn finish(
    double: &Double,
    outcome: CoreResult<Fetched>,
    elapsed: Duration,
) -> Result<Run, String> {
    let received = settled(double).await.map_err(|why| {
        format!("{why} (outcome: {:?})", outcome.as_ref().map(|fetched| fetched.bytes.len()))
    })?;
    match &outcome {
        Ok(fetched) => {
            let counted = usize::try_from(fetched.receipt.requests).unwrap_or(usize::MAX);
            equal("requests in the receipt", &counted, &received.len())?;
        }
        Err(error) => no_secret(error)?,
    }
    Ok(Run { outcome, received, connections: double.server().connections(), elapsed })
}

/// The requests that came, all of them expected.
pub(crate) async fn settled(double: &Double) -> Result<Vec<Received>, String> {
    // The server notices a closed connection a moment later.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (received, problems) = double.log(|log| (log.received.clone(), log.problems.clone()));
    problems.into_iter().next().map_or(Ok(received), Err)
}

/// No form of the error shows the canary.
pub(crate) fn no_secret(error: &Error) -> Verdict {
    let mut shown = format!("{error} {error:?}");
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        shown.push_str(&format!(" {source} {source:?}"));
        next = source.source();
    }
    ensure(!shown.contains(CANARY), format!("a secret shows in the error: {shown}"))
}

/// Takes digest and size out of a reply to resolve.
fn strip_declared(reply: Response) -> Response {
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&reply.body) else { return reply };
    if let Some(object) = json.as_object_mut() {
        object.remove("sha256");
        object.remove("file_size");
    }
    reply.body(json.to_string())
}

use ::bytes as bytes_crate;
