use std::fmt;
use std::sync::Arc;

use wamedia_core::{Error, Phase, Provider, Result, Webhooks};

use crate::config::Config;

/// One setting of a provider. Its value is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// Its name, as in a configuration file: `"phone_number_id"`.
    pub key: &'static str,
    /// Whether the provider's API can be used without it.
    pub required: bool,
    /// Whether it must not be shown.
    pub secret: bool,
}

impl Setting {
    /// An optional setting that may be shown.
    pub const fn new(key: &'static str) -> Self {
        Self { key, required: false, secret: false }
    }

    /// The provider's API cannot be used without it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It must not be shown.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// A provider that can be chosen by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// Its name.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its settings, besides `base_url` and `content_origins`, which every provider has.
    pub settings: &'static [Setting],
    /// Where its API is, unless `base_url` says otherwise.
    pub base_url: Option<&'static str>,
}

impl ProviderInfo {
    /// Describes a provider.
    pub const fn new(name: &'static str, title: &'static str, settings: &'static [Setting]) -> Self {
        Self { name, title, settings, base_url: None }
    }

    /// Says where the API is.
    #[must_use]
    pub const fn with_base_url(mut self, base_url: &'static str) -> Self {
        self.base_url = Some(base_url);
        self
    }

    /// The keys of its settings.
    pub(crate) fn keys(&self) -> Vec<&'static str> {
        self.settings.iter().map(|setting| setting.key).collect()
    }
}

/// What makes a provider from a configuration: the built-in vendors have one each, and a third party adds its own
/// to a [`Registry`](crate::Registry).
pub trait ProviderFactory: fmt::Debug + Send + Sync + 'static {
    /// Name, title and settings.
    fn info(&self) -> ProviderInfo;

    /// Builds the provider. Settings that [`info`](Self::info) does not have never come here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest), naming every problem;
    /// [`ErrorKind::Unsupported`](wamedia_core::ErrorKind::Unsupported) unless implemented, as the built-in vendors
    /// are without the feature `client`.
    fn provider(&self, _config: &Config) -> Result<Arc<dyn Provider>> {
        Err(Error::unsupported("build").with_provider(self.info().name).with_phase(Phase::Prepare))
    }

    /// Builds what verifies and parses deliveries; it must not need a credential of the API.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](wamedia_core::ErrorKind::Unsupported) unless implemented.
    fn webhooks(&self, _config: &Config) -> Result<Arc<dyn Webhooks>> {
        Err(Error::unsupported("receive").with_provider(self.info().name).with_phase(Phase::Prepare))
    }
}
