//! Flags, then environment, then `wamedia.toml`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wamedia::{
    Capabilities, Config, Error, ErrorKind, Limits, MediaRef, Provider, ProviderInfo, Secret,
    TransferOptions, TransportOptions, Webhooks,
};

use crate::args::{Common, LINK_REFUSED};
use crate::config_file::File;
use crate::exit::Failure;
use crate::output;
use crate::settings::{environment, registry, variable};

/// Providers as they are asked for, each made once.
pub(crate) struct Providers<'a> {
    common: &'a Common,
    file: File,
    made: HashMap<String, Arc<dyn Provider>>,
}

impl<'a> Providers<'a> {
    pub(crate) fn new(common: &'a Common) -> Result<Self, Failure> {
        let file = File::read(common.config.as_deref(), common.quiet)?;
        Ok(Self { common, file, made: HashMap::new() })
    }

    /// The provider with this name, checked for its required settings.
    pub(crate) fn get(&mut self, name: &str) -> Result<Arc<dyn Provider>, Failure> {
        if let Some(provider) = self.made.get(name) {
            return Ok(Arc::clone(provider));
        }
        let info = known(name)?;
        let config = self.config(info);
        let missing: Vec<_> = info
            .settings
            .iter()
            .filter(|setting| setting.required && !config.values.contains_key(setting.key))
            .map(|setting| variable(name, setting.key))
            .collect();
        if !missing.is_empty() {
            return Err(Failure::usage(format!(
                "{name} is not configured: set {} in the environment, or in wamedia.toml",
                missing.join(" and ")
            )));
        }
        let provider = wamedia::provider(name, &config)?;
        self.made.insert(name.to_owned(), Arc::clone(&provider));
        Ok(provider)
    }

    /// What reads deliveries, which needs no credential of the API.
    pub(crate) fn webhooks(&self, name: &str, max_bytes: Option<u64>) -> Result<Arc<dyn Webhooks>, Failure> {
        let mut config = self.config(known(name)?);
        config.webhook_max_bytes = max_bytes;
        Ok(wamedia::webhooks(name, &config)?)
    }

    /// The origin of the API, where one is configured.
    pub(crate) fn base_url(&self, name: &str) -> Option<String> {
        self.config(known(name).ok()?).base_url
    }

    /// What the provider can do when it is configured; credentials are not needed to know that.
    pub(crate) fn capabilities(&self, name: &str) -> Result<Capabilities, Failure> {
        let info = known(name)?;
        capabilities(info, self.config(info))
    }

    /// The provider that `--provider` names.
    pub(crate) fn chosen(&self) -> Result<String, Failure> {
        self.common.provider.clone().ok_or_else(|| {
            Failure::usage(format!("choose a provider with --provider: {}", registry().names().join(", ")))
        })
    }

    /// A reference, with the provider and the account of the flags where it names none.
    pub(crate) fn media(&self, text: &str) -> Result<MediaRef, Failure> {
        let text = text.trim();
        let head = text.split('?').next().unwrap_or_default();
        // No id has a slash. A link is not repeated: it is a credential in itself for a while.
        if head.contains('/') || output::is_link(head) {
            return Err(Failure::usage(LINK_REFUSED));
        }
        let mut media: MediaRef = text.parse().map_err(|error: wamedia::Error| {
            Failure::usage(format!("{}: {}", output::typed(head), error.message()))
        })?;
        if media.provider.is_none() {
            media.provider = Some(self.chosen()?.into());
        }
        if media.scope.account.is_none() {
            media.scope.account.clone_from(&self.common.account);
        }
        Ok(media)
    }

    fn config(&self, info: ProviderInfo) -> Config {
        let name = info.name;
        let mut config = self.file.account(name).cloned().unwrap_or_default();
        config.values.retain(|_, value| !value.is_blank());
        for setting in info.settings {
            let flag = if setting.key == "api_version" { self.common.api_version.clone() } else { None };
            if let Some(value) = flag.or_else(|| environment(&variable(name, setting.key))) {
                config.values.insert(setting.key.to_owned(), Secret::new(value));
            }
        }
        let base_url = self.common.base_url.clone().or_else(|| environment(&variable(name, "base_url")));
        config.base_url = base_url.or(config.base_url);
        if !self.common.content_origin.is_empty() {
            config.content_origins.clone_from(&self.common.content_origin);
        } else if let Some(list) = environment(&variable(name, "content_origins")) {
            let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
            config.content_origins = origins.map(ToOwned::to_owned).collect();
        }
        config.transport = transport(self.common);
        config
    }
}

/// What a provider can do with these settings, and with something in place of those that it requires.
pub(crate) fn capabilities(info: ProviderInfo, mut config: Config) -> Result<Capabilities, Failure> {
    for setting in info.settings.iter().filter(|setting| setting.required) {
        config.values.entry(setting.key.to_owned()).or_insert_with(|| placeholder(setting.key).into());
    }
    // Nothing is asked; a loopback port needs no TLS.
    config.base_url = Some("http://127.0.0.1:9".to_owned());
    Ok(*wamedia::provider(info.name, &config)?.capabilities())
}

/// A value of the right shape: capabilities depend on what is configured, not on its value.
pub(crate) fn placeholder(key: &str) -> &'static str {
    match key {
        "webhook_header" => "X-Hook: none",
        "api_version" => "v1.0",
        "api_key" => "SK00000000000000000000000000000000",
        "account_sid" => "AC00000000000000000000000000000000",
        _ => "1234567890",
    }
}

pub(crate) fn known(name: &str) -> Result<ProviderInfo, Failure> {
    registry().info(name).ok_or_else(|| {
        Failure::usage(format!(
            "no provider is called {}; there are: {}",
            output::typed(name),
            registry().names().join(", ")
        ))
    })
}

fn transport(common: &Common) -> TransportOptions {
    let mut transport = TransportOptions::default();
    transport.connect_timeout = common.connect_timeout.unwrap_or(transport.connect_timeout);
    transport.first_byte_timeout = common.first_byte_timeout.unwrap_or(transport.first_byte_timeout);
    transport.idle_timeout = common.idle_timeout.unwrap_or(transport.idle_timeout);
    transport.min_rate = common.min_rate;
    transport
}

/// Attempts and waits.
pub(crate) fn limits(common: &Common) -> Limits {
    let mut limits = Limits::default();
    limits.max_attempts = common.max_attempts.unwrap_or(limits.max_attempts);
    if let Some(wait) = common.max_wait {
        limits.max_wait = wait;
        limits.max_total_wait = limits.max_total_wait.max(wait.saturating_mul(3));
    }
    limits
}

/// Options of a transfer that every command has.
pub(crate) fn transfer_options(common: &Common) -> TransferOptions {
    let mut options = TransferOptions::default();
    options.limits = limits(common);
    options.deadline = common.deadline;
    options
}

/// The time by which a command ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    time: Duration,
    at: Option<tokio::time::Instant>,
}

/// A transfer ends at its own deadline and says more than this does.
const GRACE: Duration = Duration::from_millis(250);

impl Deadline {
    /// From now on.
    pub(crate) fn of(common: &Common) -> Self {
        let at = common.deadline.and_then(|time| tokio::time::Instant::now().checked_add(time));
        Self { time: common.deadline.unwrap_or_default(), at }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at.is_some_and(|at| at <= tokio::time::Instant::now())
    }

    /// Ends the work when the time is over; it does not begin afterwards.
    pub(crate) async fn bound<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = wamedia::Result<T>>,
    ) -> wamedia::Result<T> {
        let Some(at) = self.at else { return work.await };
        if self.is_over() {
            return Err(self.error().with_operation(operation));
        }
        let outcome = tokio::time::timeout_at(at, work).await;
        outcome.unwrap_or_else(|_| Err(self.error().with_operation(operation)))
    }

    /// What comes next, unless the time is over and whatever is in hand does not end by itself.
    pub(crate) async fn reached<T>(&self, next: impl Future<Output = T>) -> wamedia::Result<T> {
        let Some(at) = self.at else { return Ok(next.await) };
        tokio::time::timeout_at(at + GRACE, next).await.map_err(|_| self.error())
    }

    fn error(&self) -> Error {
        Error::new(ErrorKind::Timeout, format!("the deadline of {} s is over", self.time.as_secs_f64()))
            .with_hint("try again, or allow more time with --deadline")
    }
}
