use std::time::SystemTime;

use wamedia_core::{Budget, Capabilities, Error, ErrorKind, Phase, Result, Retry, UploadContent};

use crate::transport::Failure;
use crate::{Api, HostRules, Reply, Request};

/// One call of an API: what it may spend, where it may go, and whether it may be repeated.
///
/// Every error that leaves a call names the provider, the operation and the phase, and holds no piece of a
/// credential. A provider does none of that itself.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub(crate) api: &'a Api,
    pub(crate) operation: &'static str,
    pub(crate) budget: &'a Budget,
    pub(crate) hosts: &'a HostRules,
    pub(crate) is_repeatable: bool,
    pub(crate) is_refusal: fn(&Error) -> bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
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
            read(&reply).map_err(|error| with_status(error, &reply))
        };
        transport.attempt(self, attempt, request, read).await
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

/// The status of a failure belongs to its error, whoever made it.
fn with_status(error: Error, reply: &Reply) -> Error {
    if reply.is_success() { error } else { error.with_status(reply.status) }
}

fn reply_too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "the reply is far larger than any reply of this API")
        .with_hint(
            "the vendor may have changed its answers, or something in between answered; `wamedia explain` tells the \
             story for a report",
        )
        .with_phase(Phase::Body)
}
