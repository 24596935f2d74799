use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tracing::{Instrument as _, debug, debug_span};
use url::Url;
use wamedia_core::{
    Budget, ContentMetadata, Error, ErrorKind, FailureBudget, MediaHead, MediaStream, Mime, Phase, Result,
    Retry, Secret, Sha256,
};

use crate::body::{Incoming, Outgoing, Pieces, Progress, read_capped};
use crate::breaker::Breaker;
use crate::failure::{convert, nothing_sent};
use crate::net::PublicResolver;
use crate::redact::Redactor;
use crate::{Body, BoundHeader, HostRules, Origin, Reply, Request, TransportOptions, error_for_status};

/// How many redirects of content are followed.
const MAX_REDIRECTS: usize = 3;
/// How much of a reply is looked at to tell a vendor's error from content; also the most of a failure that is read.
const SUSPICIOUS_BYTES: usize = 64 * 1024;
/// The first backoff; it doubles with each retry.
const BACKOFF: Duration = Duration::from_millis(300);
/// The longest backoff.
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// One call: what it is, what it may spend, and where it may go.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    provider: &'static str,
    operation: &'static str,
    budget: &'a Budget,
    hosts: &'a HostRules,
    repeatable: bool,
    is_refusal: fn(&Error) -> bool,
}

impl<'a> Call<'a> {
    /// A call that may be repeated: reading twice is the same as reading once.
    pub const fn idempotent(
        provider: &'static str,
        operation: &'static str,
        budget: &'a Budget,
        hosts: &'a HostRules,
    ) -> Self {
        Self { provider, operation, budget, hosts, repeatable: true, is_refusal: never }
    }

    /// A call that is sent once and never repeated, whatever happens.
    ///
    /// Once a byte of the body may have been processed, no answer makes its error retryable, and the
    /// error says that the object may exist. That is so for a connection that breaks after the request
    /// went out, for silence, for the statuses 408 and 5xx, for redirects, and for a success that cannot be
    /// read or that tells of a failure that may pass. The vendor's advice stays only for refusals that come
    /// before anything is processed: the other statuses of the 4xx family, 429 among them, and a
    /// [`RateLimited`](ErrorKind::RateLimited), [`Unauthorized`](ErrorKind::Unauthorized),
    /// [`Forbidden`](ErrorKind::Forbidden), [`InvalidRequest`](ErrorKind::InvalidRequest) or
    /// [`TooLarge`](ErrorKind::TooLarge) inside a success.
    pub const fn once(
        provider: &'static str,
        operation: &'static str,
        budget: &'a Budget,
        hosts: &'a HostRules,
    ) -> Self {
        Self { provider, operation, budget, hosts, repeatable: false, is_refusal: never }
    }

    /// Names further errors that are refusals before anything is processed, where a vendor documents that.
    #[must_use]
    pub const fn with_refusals(mut self, is_refusal: fn(&Error) -> bool) -> Self {
        self.is_refusal = is_refusal;
        self
    }
}

/// The client. Clones share connections and the circuit breaker.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    /// For https, where the first client was made for plain servers alone.
    secure: Secure,
    options: TransportOptions,
    breaker: Breaker,
    redactor: Redactor,
}

/// The client for https.
enum Secure {
    /// The first client does it.
    Same,
    /// It is made when it is first needed: loading the system's certificates costs milliseconds.
    Later(Box<PublicResolver>, OnceLock<reqwest::Client>),
}

fn never(_: &Error) -> bool {
    false
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// Builds the client. `configured` are the origins that the caller named: their hosts may have
    /// addresses that are not public. `secrets` are all secrets of the configuration, those that never
    /// travel included: no piece of one appears in an error or a log event.
    ///
    /// TLS is prepared here when an origin with https is configured, or none (the vendor's own have https);
    /// otherwise at the first request that needs it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the TLS set-up or the user agent cannot be used.
    pub fn new(
        options: TransportOptions,
        configured: &[Origin],
        secrets: &[Secret],
        failure_budget: Option<FailureBudget>,
    ) -> Result<Self> {
        let options = options.clamped();
        let filter = PublicResolver::new(options.net.clone(), configured);
        let plain_alone = !configured.is_empty() && configured.iter().all(Origin::is_plain);
        // Given roots cost nothing to load.
        let later = cfg!(feature = "tls") && plain_alone && options.net.roots.is_none();
        let client = build_client(&options, filter.clone(), !later)?;
        let secure = if later { Secure::Later(Box::new(filter), OnceLock::new()) } else { Secure::Same };
        let redactor = Redactor::new(secrets.iter().map(Secret::expose));
        let breaker = Breaker::new(failure_budget);
        Ok(Self { inner: Arc::new(Inner { client, secure, options, breaker, redactor }) })
    }

    /// Takes every piece of a secret out of an error that was made from a reply outside of a call.
    pub fn redact(&self, error: Error) -> Error {
        self.inner.redactor.error(error)
    }

    /// The client for a URL.
    async fn client(&self, url: &Url) -> Result<reqwest::Client> {
        let Secure::Later(filter, made) = &self.inner.secure else { return Ok(self.inner.client.clone()) };
        if url.scheme() != "https" {
            return Ok(self.inner.client.clone());
        }
        if let Some(client) = made.get() {
            return Ok(client.clone());
        }
        // Reading the system's certificates is work for a thread that may block.
        let (options, filter) = (self.inner.options.clone(), PublicResolver::clone(filter));
        let client = tokio::task::spawn_blocking(move || build_client(&options, filter, true)).await;
        let client = client.map_err(|error| {
            Error::new(ErrorKind::Cancelled, "the runtime ended")
                .with_phase(Phase::Prepare)
                .with_source(error)
        })??;
        Ok(made.get_or_init(|| client).clone())
    }

    /// The time of day, from the injected clock.
    pub fn now(&self) -> SystemTime {
        self.inner.options.net.clock.now()
    }

    /// Sends a request for a small reply and reads it.
    ///
    /// `build` makes the request for each attempt from the time of day. `read` turns a reply of any
    /// status into a value or an error; an error that advises a retry is retried within the budget.
    ///
    /// # Errors
    ///
    /// What `read` says, or the failure of the transport.
    pub async fn call<T>(
        &self,
        call: Call<'_>,
        mut build: impl FnMut(SystemTime) -> Result<Request> + Send,
        mut read: impl FnMut(&Reply) -> Result<T> + Send,
    ) -> Result<T>
    where
        T: Send,
    {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let now = self.now();
            let outcome = match build(now) {
                Ok(request) => {
                    let sent = self.attempt(call, attempt, request, async |response| {
                        let reply = self.read_reply(response, self.inner.options.max_reply_bytes).await?;
                        if reply.truncated && reply.is_success() {
                            return Err(Error::new(
                                ErrorKind::TooLarge,
                                "the reply is far larger than any reply of this API",
                            )
                            .with_hint(
                                "the vendor may have changed its answers, or something in between answered; \
                                 `wamedia explain` tells the story for a report",
                            )
                            .with_phase(Phase::Body));
                        }
                        read(&reply)
                    });
                    sent.await
                }
                Err(error) => Err((build_error(error, call), true)),
            };
            match outcome {
                Ok(value) => return Ok(value),
                Err(failure) => self.pause(call, attempt, failure).await?,
            }
        }
    }

    /// Opens content. `judge` classifies what is not plainly content: any reply without success, and a
    /// short reply with success whose type is JSON, HTML or XML where another was declared. It gives the
    /// vendor's error, or `None` where the bytes are content. What matches the declared digest is content,
    /// and `judge` is not asked; pages that no vendor's envelope explains are left to the engine.
    ///
    /// Redirects are followed, at most three, without any bound header once the origin changed.
    ///
    /// # Errors
    ///
    /// What `judge` says, [`ErrorKind::Refused`] for a host outside the rules, or the transport's failure.
    pub async fn open(
        &self,
        call: Call<'_>,
        declared: &ContentMetadata,
        mut build: impl FnMut(SystemTime) -> Result<Request> + Send,
        mut judge: impl FnMut(&Reply) -> Option<Error> + Send,
    ) -> Result<Opened> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let now = self.now();
            let outcome = match build(now) {
                Ok(request) => self.open_once(call, attempt, declared, request, &mut judge).await,
                Err(error) => Err((build_error(error, call), true)),
            };
            match outcome {
                Ok(opened) => return Ok(opened),
                Err(failure) => self.pause(call, attempt, failure).await?,
            }
        }
    }

    async fn open_once(
        &self,
        call: Call<'_>,
        attempt: u32,
        declared: &ContentMetadata,
        mut request: Request,
        judge: &mut (impl FnMut(&Reply) -> Option<Error> + Send),
    ) -> Result<Opened, (Error, bool)> {
        let ranged = request.headers.contains_key(header::RANGE);
        for _ in 0..=MAX_REDIRECTS {
            let from = request.url.clone();
            let (headers, bound) = (request.headers.clone(), request.bound.clone());
            let outcome = self
                .attempt(call, attempt, request, async |response| {
                    if let Some(next) = redirect_target(&from, &response)? {
                        return Ok(RedirectStep::Redirect(next));
                    }
                    self.classify_response(response, declared, ranged, judge).await.map(RedirectStep::Content)
                })
                .await?;
            match outcome {
                RedirectStep::Content(opened) => return Ok(*opened),
                RedirectStep::Redirect(next) => {
                    // A host may be named after a credential.
                    let host = next.host_str().unwrap_or("-");
                    let clean = self.inner.redactor.text(host);
                    let host = clean.as_deref().unwrap_or(host);
                    debug!(provider = call.provider, host, "content moved to another address");
                    request = Request::get(next);
                    request.headers = headers;
                    // Once another origin was involved, no credential comes back, not even to its own.
                    if Origin::of(&from) == Origin::of(&request.url) {
                        request.bound = bound;
                    }
                }
            }
        }
        let error = Error::new(ErrorKind::Refused, "more redirects than a content host needs")
            .with_phase(Phase::Head);
        Err((error.with_provider(call.provider).with_operation(call.operation), false))
    }

    /// One request on the wire. The flag in the error says that nothing can have reached the server.
    async fn attempt<T: Send>(
        &self,
        call: Call<'_>,
        attempt: u32,
        request: Request,
        read: impl AsyncFnOnce(reqwest::Response) -> Result<T>,
    ) -> Result<T, (Error, bool)> {
        let span = debug_span!("attempt", provider = call.provider, operation = call.operation, attempt);
        let work = async {
            let bound = request.bound.clone();
            let context = |error: Error| {
                let error = error.with_provider(call.provider).with_operation(call.operation);
                // What was sent may be repeated as well: a signature, or a secret that nobody listed.
                let sent = Redactor::new(bound.iter().filter_map(BoundHeader::secret));
                sent.error(self.redact(error))
            };
            call.hosts.check(&request.url).map_err(|error| (context(error), true))?;
            self.inner.breaker.admit().map_err(|error| (context(error), true))?;
            call.budget.count_request();
            let place = format!(
                "{}:{}",
                request.url.host_str().unwrap_or("-"),
                request.url.port_or_known_default().unwrap_or_default()
            );
            let outcome = match self.send(request).await {
                Ok(mut response) => {
                    self.clean_headers(response.headers_mut());
                    debug!(status = response.status().as_u16(), "answered");
                    let status = response.status().as_u16();
                    let outcome = read(response).await;
                    outcome.map_err(|error| (call.bounded(status, context(error)), false))
                }
                Err((error, true)) if error.kind() == ErrorKind::Transport => {
                    let hint = format!("check that {place} is right, and that it can be reached from here");
                    Err((context(error.with_hint(hint)), true))
                }
                Err((error, unsent)) => Err((context(error), unsent)),
            };
            self.inner.breaker.record(outcome.as_ref().map(|_| ()).map_err(|(error, _)| error));
            outcome
        };
        work.instrument(span).await
    }

    /// Type and name of content end up in receipts, so they may not repeat a credential either.
    fn clean_headers(&self, headers: &mut HeaderMap) {
        for (name, split) in [(header::CONTENT_TYPE, '/'), (header::CONTENT_DISPOSITION, ';')] {
            let Some(text) = headers.get(&name).and_then(|value| value.to_str().ok()) else { continue };
            // What stands before the sign is a word of the standard, or nothing that anybody keeps.
            let Some((before, after)) = text.split_once(split) else { continue };
            let Some(clean) = self.inner.redactor.text(after) else { continue };
            match HeaderValue::from_str(&format!("{before}{split}{clean}")) {
                Ok(value) => drop(headers.insert(name, value)),
                Err(_) => drop(headers.remove(name)),
            }
        }
    }

    async fn send(&self, request: Request) -> Result<reqwest::Response, (Error, bool)> {
        let options = &self.inner.options;
        let mut headers = request.headers;
        for bound in &request.bound {
            if let Some(value) = bound.value_for(&request.url) {
                headers.insert(bound.name().clone(), value.clone());
            }
        }
        let progress = Progress::new();
        let client = self.client(&request.url).await.map_err(|error| (error, true))?;
        let mut builder = client.request(request.method, request.url);
        let body = match request.body {
            Body::Empty => None,
            // Small bodies go out in one piece.
            Body::Bytes(bytes) if bytes.len() <= 64 * 1024 => {
                builder = builder.body(bytes);
                None
            }
            Body::Bytes(bytes) => {
                let size = bytes.len() as u64;
                Some(Outgoing::new(Box::pin(Pieces(bytes)), Some(size), progress.clone()))
                    .map(|body| (body, Some(size)))
            }
            Body::Stream(source, size) => Some((Outgoing::new(source, size, progress.clone()), size)),
        };
        if let Some((body, size)) = body {
            if let Some(size) = size {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            }
            builder = builder.body(reqwest::Body::wrap_stream(body));
        }
        // The connection whose reply has just ended goes back to the pool on a task of its own; without this
        // turn for it, the next request finds an empty pool and opens another connection.
        tokio::task::yield_now().await;
        let sending = builder.headers(headers).send();
        let late = progress.stalled(options.first_byte_timeout);
        tokio::select! {
            biased;
            outcome = sending => outcome.map_err(|error| {
                let unsent = nothing_sent(&error);
                (convert(error, Phase::Head), unsent)
            }),
            () = late => Err((
                Error::new(ErrorKind::Timeout, "no answer in time").with_phase(Phase::Head), false,
            )),
        }
    }

    async fn read_reply(&self, response: reqwest::Response, cap: usize) -> Result<Reply> {
        let (status, headers, at) = (response.status().as_u16(), response.headers().clone(), self.now());
        let mut incoming = Incoming::new(response, self.inner.options.idle_timeout, None);
        let late = || {
            Error::new(ErrorKind::Timeout, "the reply takes too long")
                .with_phase(Phase::Body)
                .with_hint("try again, or allow more time with reply_timeout")
        };
        let reading = tokio::time::timeout(self.inner.options.reply_timeout, read_capped(&mut incoming, cap));
        let (body, truncated) = match reading.await.unwrap_or_else(|_| Err(late())) {
            Ok(read) => read,
            // The status of a failure counts more than a body that broke off.
            Err(_) if status >= 400 => (Bytes::new(), true),
            Err(error) => return Err(error),
        };
        // Whatever is made of a failure's text later, a credential is gone before anything is cut off.
        let clean = (status >= 400).then(|| self.inner.redactor.text(&String::from_utf8_lossy(&body)));
        let body = clean.flatten().map_or(body, Bytes::from);
        Ok(Reply { status, headers, body, truncated, at })
    }

    async fn classify_response(
        &self,
        response: reqwest::Response,
        declared: &ContentMetadata,
        ranged: bool,
        judge: &mut (impl FnMut(&Reply) -> Option<Error> + Send),
    ) -> Result<Box<Opened>> {
        let status = response.status().as_u16();
        if !matches!(status, 200 | 203 | 206) {
            let reply = self.read_reply(response, SUSPICIOUS_BYTES).await?;
            let error = judge(&reply).unwrap_or_else(|| error_for_status(&reply));
            return Err(if matches!(status, 201..=299) {
                error.with_kind(ErrorKind::UnexpectedContent)
            } else {
                error
            }
            .with_status(status)
            .with_phase(Phase::Head));
        }
        let (headers, at) = (response.headers().clone(), self.now());
        let head = head_of(status, &headers, ranged)?;
        let options = &self.inner.options;
        let mut incoming = Incoming::new(response, options.idle_timeout, options.min_rate);
        if status != 206 && is_suspicious(head.mime.as_ref(), declared.mime.as_ref()) {
            let (body, whole) = incoming.read_ahead(SUSPICIOUS_BYTES).await?;
            let is_declared = || declared.sha256.is_some_and(|digest| digest == Sha256::of(&body));
            // No vendor's error is longer than what is looked at.
            if whole && !is_declared() {
                let reply = Reply { status, headers, body, truncated: false, at };
                if let Some(error) = judge(&reply) {
                    return Err(error.with_phase(Phase::Head));
                }
            }
        }
        Ok(Box::new(Opened { head, incoming }))
    }

    /// Waits before the next attempt, or gives the error back, and tells which.
    async fn pause(&self, call: Call<'_>, attempt: u32, failure: (Error, bool)) -> Result<()> {
        let outcome = self.wait_for_next(call, attempt, failure).await;
        if let Err(error) = &outcome {
            let kind = error.kind().name();
            debug!(provider = call.provider, operation = call.operation, attempt, kind, "given up");
        }
        outcome
    }

    async fn wait_for_next(
        &self,
        call: Call<'_>,
        attempt: u32,
        (error, unsent): (Error, bool),
    ) -> Result<()> {
        if !call.repeatable {
            let unknown = !unsent
                && error.status().is_none()
                && matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout);
            return Err(if unknown { outcome_unknown(error) } else { error });
        }
        let wait = match error.retry() {
            Retry::After(wait) => wait,
            Retry::Backoff => backoff(attempt),
            _ => return Err(error),
        };
        if !call.budget.take_retry() {
            return Err(if attempt > 1 {
                error.with_note(format!("given up after {attempt} attempts"))
            } else {
                error
            });
        }
        if !call.budget.take_wait(wait) {
            let note = format!("a wait of {} s is longer than allowed", wait.as_secs());
            let hint = format!(
                "try again in {} s, or allow the wait with max_wait (--max-wait)",
                wait.as_secs().max(1)
            );
            return Err(error.with_note(note).with_hint(hint));
        }
        debug!(
            provider = call.provider,
            operation = call.operation,
            attempt,
            kind = error.kind().name(),
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "trying again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl Call<'_> {
    /// What is left of the advice of an error that a reply brought, for a call that is sent once.
    fn bounded(&self, status: u16, error: Error) -> Error {
        use ErrorKind::{Forbidden, InvalidRequest, Local, RateLimited, TooLarge, Unauthorized};
        let refused = match status {
            408 => false,
            400..=499 => true,
            // A reply that is too long for its cap is none that was read.
            200..=299 if error.phase() == Some(Phase::Body) => false,
            // The vendor says that it failed for good.
            200..=299 if error.kind() == ErrorKind::Upstream => !error.is_retryable(),
            200..=299 => {
                matches!(error.kind(), RateLimited | Unauthorized | Forbidden | InvalidRequest | TooLarge)
            }
            _ => false,
        };
        let certain = self.repeatable || refused || error.kind() == Local || (self.is_refusal)(&error);
        if certain { error } else { outcome_unknown(error) }
    }
}

/// Nobody knows whether it was done, so nobody is told to do it again.
fn outcome_unknown(error: Error) -> Error {
    let error = error.with_retry(Retry::Never);
    if error.message().contains("may exist") {
        return error;
    }
    error.with_note("the outcome is unknown: the object may exist; it was not sent again")
}

fn build_client(options: &TransportOptions, filter: PublicResolver, secure: bool) -> Result<reqwest::Client> {
    let invalid = |error: reqwest::Error| {
        Error::new(ErrorKind::InvalidRequest, "the HTTP client cannot be built")
            .with_phase(Phase::Prepare)
            .with_source(error.without_url())
    };
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds a client")]
    let builder = reqwest::Client::builder();
    // Each of these defaults sends or hides something: redirects carry custom credentials along, the
    // referer carries signed links, retries and proxies are invisible.
    let mut builder = builder
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy()
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .dns_resolver(Arc::new(filter));
    #[cfg(feature = "tls")]
    {
        builder = with_tls(builder, options, secure).map_err(invalid)?;
    }
    #[cfg(not(feature = "tls"))]
    let _ = secure;
    // HTTP/1.1 for everything: large bodies cost about half as much CPU as over HTTP/2, whose frames
    // and flow control buy nothing for one body at a time.
    builder = builder.http1_only();
    builder.build().map_err(invalid)
}

#[cfg(feature = "tls")]
fn with_tls(
    builder: reqwest::ClientBuilder,
    options: &TransportOptions,
    secure: bool,
) -> reqwest::Result<reqwest::ClientBuilder> {
    let builder = builder.tls_backend_rustls();
    if let Some(roots) = &options.net.roots {
        let certificates = roots.iter().map(|der| reqwest::Certificate::from_der(der));
        return Ok(builder.tls_certs_only(certificates.collect::<reqwest::Result<Vec<_>>>()?));
    }
    // This client never sees https.
    Ok(if secure { builder } else { builder.tls_certs_only([]) })
}

/// A request that could not even be made is the same the next time.
fn build_error(error: Error, call: Call<'_>) -> Error {
    error.with_retry(Retry::Never).with_provider(call.provider).with_operation(call.operation)
}

enum RedirectStep {
    Content(Box<Opened>),
    Redirect(Url),
}

fn redirect_target(from: &Url, response: &reqwest::Response) -> Result<Option<Url>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refused = |why: &str| Error::new(ErrorKind::Refused, why).with_phase(Phase::Head);
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| {
        Error::new(ErrorKind::UnexpectedContent, "a redirect that leads nowhere").with_phase(Phase::Head)
    })?;
    let next = from.join(location).map_err(|_| refused("a redirect to something that is no address"))?;
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(refused("a redirect from https to something weaker"));
    }
    Ok(Some(next))
}

fn backoff(attempt: u32) -> Duration {
    let full = BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(MAX_BACKOFF);
    // Half fixed, half random, so that many clients do not come back at the same moment.
    full.mul_f64(0.5 + 0.5 * fastrand::f64())
}

/// Whether a reply with this type may be a vendor's error in place of content of the declared type.
fn is_suspicious(mime: Option<&Mime>, declared: Option<&Mime>) -> bool {
    let Some(mime) = mime else { return false };
    let essence = mime.essence();
    let textual = ["json", "xml", "html"].iter().any(|family| essence.ends_with(family));
    textual && declared.is_none_or(|declared| declared.essence() != essence)
}

fn head_of(status: u16, headers: &HeaderMap, ranged: bool) -> Result<MediaHead> {
    let unexpected = |why: &str| {
        Err(Error::new(ErrorKind::UnexpectedContent, why).with_status(status).with_phase(Phase::Head))
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let mut head = MediaHead::default();
    head.mime = text(header::CONTENT_TYPE).and_then(|text| Mime::parse(text).ok());
    head.body_bytes = text(header::CONTENT_LENGTH).and_then(number);
    // A weak validator does not promise the same bytes, and a time does not either.
    head.validator = text(header::ETAG).filter(|tag| tag.starts_with('"')).map(ToOwned::to_owned);
    head.name = text(header::CONTENT_DISPOSITION).and_then(disposition_name);
    if status == 206 {
        let encoded =
            text(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        if !ranged {
            return unexpected("a partial answer that nobody asked for");
        }
        if encoded || head.mime.as_ref().is_some_and(|mime| mime.essence() == "multipart/byteranges") {
            return unexpected("a partial answer that is encoded or in several parts");
        }
        let Some((start, end, total)) = text(header::CONTENT_RANGE).and_then(content_range) else {
            return unexpected("a partial answer that does not say which part it is");
        };
        head.partial = true;
        head.start = start;
        head.end = Some(end);
        head.total_bytes = total;
    }
    Ok(head)
}

/// Digits and nothing else: no sign, no space, no overflow.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `bytes 100-199/200` or `bytes 100-199/*`: the first byte, the offset behind the last one, and the total.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, end) = (number(start)?, number(last)?.checked_add(1)?);
    let total = match total {
        "*" => None,
        total => Some(number(total)?),
    };
    (start < end && total.is_none_or(|total| end <= total)).then_some((start, end, total))
}

/// The file name of a `Content-Disposition`, in its extended form where there is one. Untrusted.
fn disposition_name(text: &str) -> Option<String> {
    let parameter = |name: &str| {
        text.split(';').skip(1).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let extended = parameter("filename*").and_then(|value| {
        let encoded = value.split_once("''")?.1.to_owned();
        let decoded =
            url::form_urlencoded::parse(encoded.replace('+', "%2B").as_bytes()).next()?.0.into_owned();
        Some(decoded)
    });
    extended.or_else(|| parameter("filename")).filter(|name| !name.is_empty())
}

/// Content whose head has arrived.
pub struct Opened {
    head: MediaHead,
    incoming: Incoming,
}

impl Opened {
    /// Metadata from the response headers.
    pub fn head(&self) -> &MediaHead {
        &self.head
    }

    /// The content as a stream of the core.
    pub fn into_stream(self) -> MediaStream {
        MediaStream::new(self.head, self.incoming)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("head", &self.head).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_checked() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 10, None)));
        for bad in [
            "",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "5-9/10",
            "bytes 5-9",
            "bytes -1-2/3",
            "bytes +5-9/10",
            "bytes 5- 9/10",
            "bytes 5-18446744073709551615/*",
            "bytes 5-99999999999999999999/*",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_in_both_forms() {
        assert_eq!(disposition_name("attachment; filename=\"a.pdf\"").as_deref(), Some("a.pdf"));
        assert_eq!(
            disposition_name("attachment; filename=x; filename*=UTF-8''a%C3%A7+b.pdf").as_deref(),
            Some("aç+b.pdf")
        );
        assert_eq!(disposition_name("inline"), None);
    }

    #[test]
    fn backoff_grows_and_is_bounded() {
        assert!(backoff(1) >= BACKOFF / 2 && backoff(1) <= BACKOFF);
        assert!(backoff(40) <= MAX_BACKOFF);
    }
}
