use std::collections::BTreeMap;
use std::fmt;

use wamedia_core::{Error, ErrorKind, Phase, Secret};
#[cfg(feature = "client")]
use wamedia_provider::TransportOptions;

use crate::names::nearest_name;

/// The configuration of a provider that is chosen at run time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Settings by their key; [`ProviderInfo::settings`](crate::ProviderInfo::settings) has those of a provider.
    pub values: BTreeMap<String, Secret>,
    /// The origin of the API, where it is not the vendor's.
    pub base_url: Option<String>,
    /// Further origins that content may come from.
    pub content_origins: Vec<String>,
    /// The largest webhook delivery that is parsed, in bytes; the provider's own cap unless it is set.
    pub webhook_max_bytes: Option<u64>,
    /// Timeouts, and the seam for tests.
    #[cfg(feature = "client")]
    pub transport: TransportOptions,
}

impl Config {
    /// Sets a value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Secret>) -> Self {
        self.values.insert(key.to_owned(), value.into());
        self
    }

    /// Sets the origin of the API.
    #[must_use]
    pub fn with_base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// Adds an origin that content may come from.
    #[must_use]
    pub fn with_content_origin(mut self, origin: impl Into<String>) -> Self {
        self.content_origins.push(origin.into());
        self
    }

    /// Sets the largest webhook delivery that is parsed, in bytes.
    #[must_use]
    pub fn with_webhook_max_bytes(mut self, max_bytes: u64) -> Self {
        self.webhook_max_bytes = Some(max_bytes);
        self
    }

    /// Sets timeouts, and the seam for tests.
    #[cfg(feature = "client")]
    #[must_use]
    pub fn with_transport(mut self, transport: TransportOptions) -> Self {
        self.transport = transport;
        self
    }

    /// The value of a setting, unless it is missing or blank.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        self.values.get(key).filter(|value| !value.is_blank())
    }

    /// The value of a setting that may be shown, unless it is missing or blank.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.secret(key).map(Secret::expose)
    }
}

/// One thing that is wrong in a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The way to it: `["meta", "app_secrets"]`.
    pub path: Vec<String>,
    /// What is wrong. No value is in it, since a value may be a secret.
    pub message: String,
}

impl ConfigProblem {
    pub(crate) fn new(path: &[&str], message: impl Into<String>) -> Self {
        Self { path: path.iter().map(|&part| part.to_owned()).collect(), message: message.into() }
    }

    /// The last part of the path is not one of the names that are known.
    pub(crate) fn unknown(path: &[&str], what: &str, known: &[&str]) -> Self {
        let typed = path.last().copied().unwrap_or_default();
        let advice = match nearest_name(typed, known) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        Self::new(path, format!("unknown {what}; {advice}"))
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join(".").escape_debug())?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// One or more problems, in the order of the configuration.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
        Self::new(ErrorKind::InvalidRequest, problems.join("; ")).with_phase(Phase::Prepare)
    }
}
