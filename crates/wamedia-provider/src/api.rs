use std::fmt;
use std::time::SystemTime;

use url::Url;
use wamedia_core::{Error, MediaDescriptor, MediaRef, Phase, ResolveOptions, Result, Secret, Source};

use crate::transport::Transport;
use crate::{FailureBudget, HostRules, Hosts, Origin, TransportOptions};

/// A vendor's API: its name, its hosts, and the transport to them. Clones share connections.
#[derive(Clone)]
pub struct Api {
    provider: &'static str,
    origin: Origin,
    pub(crate) own_hosts: HostRules,
    pub(crate) content_hosts: HostRules,
    pub(crate) transport: Transport,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("provider", &self.provider)
            .field("origin", &self.origin)
            .field("content_hosts", &self.content_hosts)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// The API of `provider` at the origin of `hosts`, whose content is behind `content_hosts`.
    ///
    /// `secrets` are all secrets of the configuration, those that never travel included: no piece of one appears
    /// in an error or a log event.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) when the TLS set-up or the user agent
    /// cannot be used.
    pub fn new(
        provider: &'static str,
        hosts: &Hosts,
        content_hosts: HostRules,
        secrets: &[Secret],
        options: TransportOptions,
    ) -> Result<Self> {
        Self::with_failure_budget(provider, hosts, content_hosts, secrets, options, None)
    }

    /// The same for a vendor that punishes failures: calls are held back after so many refusals in a row.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_failure_budget(
        provider: &'static str,
        hosts: &Hosts,
        content_hosts: HostRules,
        secrets: &[Secret],
        options: TransportOptions,
        failure_budget: Option<FailureBudget>,
    ) -> Result<Self> {
        let transport = Transport::new(options, hosts.configured(), secrets, failure_budget)
            .map_err(|error| error.with_provider(provider))?;
        let origin = hosts.api.clone();
        Ok(Self { provider, own_hosts: HostRules::new([origin.clone()]), origin, content_hosts, transport })
    }

    /// The provider's name.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// Where the API is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where content may be.
    pub fn content_hosts(&self) -> &HostRules {
        &self.content_hosts
    }

    /// The time of day, from the injected clock.
    pub fn now(&self) -> SystemTime {
        self.transport.now()
    }

    /// An error of an operation that sends nothing, with its context and without any piece of a credential.
    pub fn error(&self, operation: &'static str, error: Error) -> Error {
        let error = error.with_provider(self.provider).with_operation(operation);
        self.transport.redactor().error(error.with_phase(Phase::Prepare))
    }

    /// The answer to an operation that this configuration does not have; nothing is sent.
    pub fn unsupported(&self, operation: &'static str, note: &str) -> Error {
        Error::unsupported(operation).with_provider(self.provider).with_note(note)
    }

    /// A descriptor from the link that came along with the reference, while that is certainly good and its host
    /// is one of the content hosts. `None` where the vendor must be asked.
    pub fn fresh_link(&self, media: &MediaRef, options: &ResolveOptions) -> Option<MediaDescriptor> {
        media.check_provider(self.provider).ok()?;
        let link = media.link.as_ref().filter(|_| !options.renew)?;
        let is_fresh = link.expires_at.is_some_and(|at| at > self.now());
        let is_good = is_fresh && self.content_hosts.check(&link.url).is_ok();
        is_good.then(|| MediaDescriptor::new(media.clone(), Source::Link(link.clone())))
    }

    /// An address of the API.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) when the path does not begin with
    /// one slash.
    pub fn url(&self, path_and_query: &str) -> Result<Url> {
        self.origin.join(path_and_query)
    }
}
