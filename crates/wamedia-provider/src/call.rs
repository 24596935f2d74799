use std::time::SystemTime;

use tracing::{Instrument as _, debug, debug_span};
use wamedia_core::{Budget, Capabilities, Error, ErrorKind, MediaLink, Phase, Result, Retry, UploadContent};

use crate::failure::{Failure, NotTheApi};
use crate::redact::Redactor;
use crate::request::RequestHead;
use crate::{Api, Body, BoundHeader, HostRules, Reply, Request};

/// One call of an API: what it may spend, where it may go, and whether it may be repeated.
///
/// Every error that leaves a call names the provider, the host that was asked, the operation and the phase, and holds
/// no piece of a credential. A provider does none of that itself.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub(crate) api: &'a Api,
    pub(crate) operation: &'static str,
    pub(crate) budget: &'a Budget,
    pub(crate) hosts: &'a HostRules,
    pub(crate) is_repeatable: bool,
    pub(crate) is_refusal: fn(&Error) -> bool,
}

impl Api {
    /// A call of the API that may be repeated: doing it twice is the same as doing it once.
    pub fn idempotent<'a>(&'a self, operation: &'static str, budget: &'a Budget) -> Call<'a> {
        Call::new(self, operation, budget, &self.own_hosts, true)
    }

    /// A call of the API that is sent once and never repeated, whatever happens.
    ///
    /// Once a byte of the body may have been processed, no answer makes its error retryable, and the error says
    /// that the object may exist. That is so for a connection that breaks after the request went out, for
    /// silence, for the statuses 408 and 5xx, for redirects, and for a success that cannot be read or that
    /// tells of a failure that may pass. The vendor's advice stays only for refusals that come before anything is
    /// processed: the other statuses of the 4xx family, 429 among them, and a
    /// [`RateLimited`](wamedia_core::ErrorKind::RateLimited),
    /// [`Unauthorized`](wamedia_core::ErrorKind::Unauthorized),
    /// [`Forbidden`](wamedia_core::ErrorKind::Forbidden),
    /// [`InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) or
    /// [`TooLarge`](wamedia_core::ErrorKind::TooLarge) inside a success.
    pub fn once<'a>(&'a self, operation: &'static str, budget: &'a Budget) -> Call<'a> {
        Call::new(self, operation, budget, &self.own_hosts, false)
    }

    /// A call for content behind a link; it may be repeated.
    pub fn content<'a>(&'a self, budget: &'a Budget) -> Call<'a> {
        Call::new(self, "open", budget, &self.content_hosts, true)
    }
}

impl<'a> Call<'a> {
    fn new(
        api: &'a Api,
        operation: &'static str,
        budget: &'a Budget,
        hosts: &'a HostRules,
        is_repeatable: bool,
    ) -> Self {
        Self { api, operation, budget, hosts, is_repeatable, is_refusal: |_| false }
    }

    /// Names further errors that are refusals before anything is processed, where a vendor documents that.
    #[must_use]
    pub const fn with_refusals(mut self, is_refusal: fn(&Error) -> bool) -> Self {
        self.is_refusal = is_refusal;
        self
    }

    pub(crate) fn provider(&self) -> &'static str {
        self.api.provider()
    }

    /// An error of this call, with its context and without any piece of a credential.
    pub(crate) fn error(&self, error: Error) -> Error {
        let error = error.with_provider(self.provider()).with_operation(self.operation);
        self.api.transport.redactor().error(error)
    }

    /// An error of this call once something was sent to `host`; a source of the caller that fails has no host.
    pub(crate) fn error_from(&self, host: &str, error: Error) -> Error {
        self.error(if error.kind() == ErrorKind::Local { error } else { error.with_host(host) })
    }

    /// A request that could not even be built is the same the next time.
    pub(crate) fn build_failure(&self, error: Error) -> Failure {
        let error = self.error(error.with_retry(Retry::Never).with_phase(Phase::Prepare));
        Failure { error, is_unsent: true }
    }

    /// Sends a request for a small reply and reads it.
    ///
    /// `build` makes the request for each attempt from the time of day; whatever must be checked before anything
    /// is sent is checked there. `read` turns a reply of any status into a value or an error; an error that
    /// advises a retry is retried within the budget.
    ///
    /// # Errors
    ///
    /// What `build` or `read` says, or the failure of the transport.
    pub async fn send<T: Send>(
        self,
        mut build: impl FnMut(SystemTime) -> Result<Request> + Send,
        mut read: impl FnMut(&Reply) -> Result<T> + Send,
    ) -> Result<T> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = match build(self.api.now()) {
                Ok(request) => self.send_once(attempt, request, &mut read).await,
                Err(error) => Err(self.build_failure(error)),
            };
            match outcome {
                Ok(value) => return Ok(value),
                Err(failure) => self.pause(attempt, failure).await?,
            }
        }
    }

    async fn send_once<T: Send>(
        self,
        attempt: u32,
        request: Request,
        read: &mut (impl FnMut(&Reply) -> Result<T> + Send),
    ) -> Result<T, Failure> {
        let transport = &self.api.transport;
        let read = async |response| {
            let reply = transport.read_reply(response, transport.options().max_reply_bytes).await?;
            if reply.truncated && reply.is_success() {
                return Err(reply_too_large());
            }
            read(&reply).map_err(|error| with_page(with_status(error, &reply), &reply))
        };
        self.attempt(attempt, &request.head, request.body, read).await
    }

    /// Sends one request and reads its reply with `read`.
    pub(crate) async fn attempt<T: Send>(
        self,
        attempt: u32,
        request: &RequestHead,
        body: Body,
        read: impl AsyncFnOnce(reqwest::Response) -> Result<T>,
    ) -> Result<T, Failure> {
        let span = debug_span!("attempt", provider = self.provider(), operation = self.operation, attempt);
        let transport = &self.api.transport;
        let work = async {
            // What was sent may be repeated as well: a signature, or a secret that nobody listed.
            let redacted = |error: Error| {
                let sent = Redactor::new(request.bound.iter().filter_map(BoundHeader::secret));
                sent.error(error)
            };
            let refused = |error: Error| Failure { error: redacted(self.error(error)), is_unsent: true };
            self.hosts.check(&request.url).map_err(refused)?;
            transport.breaker().admit().map_err(refused)?;
            self.budget.count_request();
            let host = host_of(&request.url);
            let context = |error: Error| redacted(self.error_from(&host, error));
            let unsent = |error: Error| Failure { error: context(error), is_unsent: true };
            let port = request.url.port_or_known_default().unwrap_or_default();
            let shown = self.shown(request);
            #[cfg(feature = "metrics")]
            let mut metrics = crate::metrics::RequestMetrics::start(
                self.provider(),
                self.operation,
                &request.method,
                self.shown_host(request),
            );
            let sent_request = transport.send(request, body).await;
            shown.log(&sent_request);
            let outcome = match sent_request {
                Ok(mut response) => {
                    transport.clean_headers(response.headers_mut());
                    let status = response.status().as_u16();
                    #[cfg(feature = "metrics")]
                    metrics.answered(status);
                    read(response).await.map_err(|error| Failure {
                        error: self.without_false_hope(status, context(error.with_phase(Phase::Head))),
                        is_unsent: false,
                    })
                }
                Err(Failure { error, is_unsent: true }) if error.kind() == ErrorKind::Transport => {
                    let name = host.strip_suffix(&format!(":{port}")).unwrap_or(&host);
                    let hint =
                        format!("check that {name}:{port} is right, and that it can be reached from here");
                    Err(unsent(error.with_hint(hint)))
                }
                Err(failure) => Err(Failure { error: context(failure.error), ..failure }),
            };
            #[cfg(feature = "metrics")]
            metrics.end(outcome.as_ref().err().map(|failure| failure.error.kind()));
            transport.breaker().record(outcome.as_ref().map(|_| ()).map_err(|failure| &failure.error));
            outcome
        };
        work.instrument(span).await
    }

    /// A request as a log may show it.
    fn shown(self, request: &RequestHead) -> Shown {
        // It costs time, and mostly nobody listens.
        let place = tracing::enabled!(tracing::Level::DEBUG).then(|| {
            (self.shown_host(request), self.clean(MediaLink::public(request.url.clone()).redacted()))
        });
        Shown { method: request.method.clone(), place }
    }

    /// A host may be named after a credential.
    fn shown_host(self, request: &RequestHead) -> String {
        self.clean(request.url.host_str().unwrap_or("-").to_owned())
    }

    fn clean(self, text: String) -> String {
        self.api.transport.redactor().text(&text).unwrap_or(text)
    }

    /// Sends content, which can be done once only: checks it against `capabilities`, hands it to `build`, and reads
    /// the reply with `read`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where `capabilities` have no upload; as
    /// [`Capabilities::check_upload`] before anything is sent; and as [`send`](Self::send).
    pub async fn upload<T: Send>(
        self,
        content: UploadContent,
        capabilities: &Capabilities,
        build: impl FnOnce(UploadContent, SystemTime) -> Result<Request> + Send,
        read: impl FnMut(&Reply) -> Result<T> + Send,
    ) -> Result<T> {
        if !capabilities.upload {
            return Err(self.error(Error::unsupported(self.operation)));
        }
        capabilities.check_upload(&content).map_err(|error| self.error(error))?;
        let mut once = Some((content, build));
        let build = |now| match once.take() {
            Some((content, build)) => build(content, now),
            None => Err(Error::new(ErrorKind::Local, "an upload is sent once")),
        };
        self.send(build, read).await
    }
}

/// Method, host and address of a request: no value of a query, no part of a path that may be an id, and no host that is
/// named after a credential.
struct Shown {
    method: http::Method,
    place: Option<(String, String)>,
}

impl Shown {
    /// Logs how it was answered, under OpenTelemetry's names.
    fn log(self, sent: &Result<reqwest::Response, Failure>) {
        let Some((host, link)) = self.place else { return };
        match sent {
            Ok(response) => debug!(
                http.request.method = %self.method,
                server.address = host,
                url.template = link,
                http.response.status_code = response.status().as_u16(),
                http.response.body.size = response.content_length(),
                "answered"
            ),
            Err(failure) => debug!(
                http.request.method = %self.method,
                server.address = host,
                url.template = link,
                error.r#type = failure.error.kind().name(),
                "not answered"
            ),
        }
    }
}

/// The host of an address, with its port where that is not the scheme's own. No part of the address beside it.
pub(crate) fn host_of(url: &url::Url) -> String {
    match &url[url::Position::BeforeHost..url::Position::AfterPort] {
        "" => "-".to_owned(),
        host => host.to_owned(),
    }
}

/// The status of a failure belongs to its error, whoever made it.
fn with_status(error: Error, reply: &Reply) -> Error {
    if reply.is_success() { error } else { error.with_status(reply.status) }
}

/// A page has nothing that a vendor says; whoever reads the error learns that. A vendor that fails may answer with a page.
fn with_page(error: Error, reply: &Reply) -> Error {
    if reply.status < 500 && reply.is_page() { error.with_source(NotTheApi::Page) } else { error }
}

fn reply_too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "the reply is far larger than any reply of this API")
        .with_hint(
            "the vendor may have changed its answers, or something in between answered; `wamedia explain` tells the \
             story for a report",
        )
        .with_phase(Phase::Body)
}
