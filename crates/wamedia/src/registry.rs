use std::sync::Arc;

use wamedia_core::{Error, ErrorKind, Phase, Provider, Result, Webhooks};

use crate::config::{Config, ConfigError, ConfigProblem};
use crate::factory::{ProviderFactory, ProviderInfo};
use crate::vendors;

/// Providers by their name: the vendors of the enabled features, and those of third parties.
///
/// ```
/// # use std::sync::Arc;
/// # use wamedia::{Config, Error, Provider, ProviderFactory, ProviderInfo, Registry, Result, Setting};
/// #[derive(Debug)]
/// struct Acme;
///
/// impl ProviderFactory for Acme {
///     fn info(&self) -> ProviderInfo {
///         const SETTINGS: &[Setting] = &[Setting::new("token").required().secret()];
///         ProviderInfo::new("acme", "Acme Messaging", SETTINGS)
///     }
///     fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
///         let _token = config.secret("token");
///         // Ok(Arc::new(AcmeCloud::builder(token).build()?))
/// #       Err(Error::unsupported("build"))
///     }
/// }
///
/// let mut registry = Registry::built_in();
/// registry.register(Acme)?;
/// let error = registry.provider("acme", &Config::default().with("tokn", "…")).unwrap_err();
/// assert!(error.message().contains("acme.tokn: unknown setting; did you mean `token`?"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    factories: Vec<Arc<dyn ProviderFactory>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Registry {
    /// The vendors of the enabled features.
    pub fn built_in() -> Self {
        Self { factories: vendors::all() }
    }

    /// Adds a provider.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] where the name is taken.
    pub fn register(&mut self, factory: impl ProviderFactory) -> Result<()> {
        let name = factory.info().name;
        if self.info(name).is_some() {
            let message = format!("a provider is called {name:?} already");
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_phase(Phase::Prepare));
        }
        self.factories.push(Arc::new(factory));
        Ok(())
    }

    /// The names, in the order in which they were added; the built-in ones come first.
    pub fn names(&self) -> Vec<&'static str> {
        self.infos().map(|info| info.name).collect()
    }

    /// Name, title and settings of every provider.
    pub fn infos(&self) -> impl Iterator<Item = ProviderInfo> {
        self.factories.iter().map(|factory| factory.info())
    }

    /// Name, title and settings of one provider.
    pub fn info(&self, name: &str) -> Option<ProviderInfo> {
        self.infos().find(|info| info.name == name)
    }

    /// Builds a provider by its name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for a name that is not registered; else with every problem of the
    /// configuration, a setting that this provider does not have among them.
    pub fn provider(&self, name: &str, config: &Config) -> Result<Arc<dyn Provider>> {
        let factory = self.factory(name)?;
        checked(factory.info(), config, factory.provider(config))
    }

    /// Builds what verifies and parses the deliveries of a provider, by its name. No credential of the API is
    /// needed: only the webhook secret, without which nothing is verified.
    ///
    /// # Errors
    ///
    /// As for [`provider`](Self::provider); [`ErrorKind::Unsupported`] where the provider has no webhooks.
    pub fn webhooks(&self, name: &str, config: &Config) -> Result<Arc<dyn Webhooks>> {
        let factory = self.factory(name)?;
        checked(factory.info(), config, factory.webhooks(config))
    }

    fn factory(&self, name: &str) -> Result<&dyn ProviderFactory> {
        let factory = self.factories.iter().find(|factory| factory.info().name == name);
        factory.map(|factory| &**factory).ok_or_else(|| {
            let message =
                format!("no provider is called {name:?}; this build knows: {}", self.names().join(", "));
            Error::new(ErrorKind::InvalidRequest, message).with_phase(Phase::Prepare)
        })
    }
}

/// Builds a built-in provider by its name; see [`Registry::provider`].
///
/// # Errors
///
/// As for [`Registry::provider`].
pub fn provider(name: &str, config: &Config) -> Result<Arc<dyn Provider>> {
    Registry::built_in().provider(name, config)
}

/// Builds what verifies and parses the deliveries of a built-in provider; see [`Registry::webhooks`].
///
/// # Errors
///
/// As for [`Registry::webhooks`].
pub fn webhooks(name: &str, config: &Config) -> Result<Arc<dyn Webhooks>> {
    Registry::built_in().webhooks(name, config)
}

/// A mistyped setting is as good as a missing one: a webhook secret that verifies nothing, for example. Its
/// problem and those of the builder make one error.
fn checked<T>(info: ProviderInfo, config: &Config, built: Result<T>) -> Result<T> {
    let known = info.keys();
    let unknown = config.values.keys().filter(|key| !known.contains(&key.as_str()));
    let mut problems: Vec<_> = unknown.map(|key| unknown_setting(info.name, key, &known)).collect();
    if problems.is_empty() {
        return built;
    }
    problems.extend(built.err().map(|error| ConfigProblem::new(&[info.name], error.message())));
    Err(Error::from(ConfigError { problems }).with_provider(info.name))
}

fn unknown_setting(provider: &str, key: &str, known: &[&str]) -> ConfigProblem {
    let path = [provider, key];
    if matches!(key, "base_url" | "content_origins") {
        return ConfigProblem::new(&path, "this is a field of `Config` itself");
    }
    ConfigProblem::unknown(&path, "setting", known)
}

#[cfg(all(test, feature = "meta"))]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_setting_is_an_error_that_names_the_nearest() {
        let config = Config::default().with("token", "TEST-canary").with("app_secrets", "TEST-canary");
        let reader = webhooks("meta", &config);
        for error in [provider("meta", &config).unwrap_err(), reader.unwrap_err()] {
            assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidRequest, Some(Phase::Prepare)));
            assert!(
                error.message().contains("app_secrets") && error.message().contains("`app_secret`"),
                "{error}"
            );
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn all_problems_are_in_one_error() {
        let config =
            Config::default().with("app_secrets", "a").with("base_url", "b").with("phone_number_id", "+1");
        let message = provider("meta", &config).unwrap_err().message().to_owned();
        for part in
            ["meta.app_secrets: unknown", "meta.base_url: this is a field", "token", "phone number id"]
        {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn a_reader_of_deliveries_has_the_name_that_it_is_asked_for() {
        for name in Registry::built_in().names() {
            assert_eq!(webhooks(name, &Config::default()).unwrap().provider(), name);
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn a_missing_setting_is_named_with_its_key_and_its_variable() {
        for info in Registry::built_in().infos() {
            let message = provider(info.name, &Config::default()).unwrap_err().message().to_owned();
            for setting in info.settings.iter().filter(|setting| setting.required) {
                let key = format!("`{}`", setting.key);
                let variable = format!("WAMEDIA_{}_{}", info.name.to_uppercase(), setting.key.to_uppercase());
                assert!(message.contains(&key) && message.contains(&variable), "{}: {message}", info.name);
            }
        }
    }

    #[cfg(all(feature = "client", not(feature = "tls")))]
    #[test]
    fn without_tls_an_https_origin_is_a_problem_of_the_configuration() {
        let config = Config::default().with("token", "TEST-token");
        let error = provider("meta", &config).unwrap_err();
        assert!(
            error.message().contains("graph.facebook.com") && error.message().contains("`tls`"),
            "{error}"
        );
        let plain = config.clone().with_base_url("http://127.0.0.1:9");
        assert!(provider("meta", &plain).is_ok());
        let content = plain.with_content_origin("https://cdn.test");
        assert!(provider("meta", &content).unwrap_err().message().contains("cdn.test"));
    }

    #[test]
    fn a_third_party_is_chosen_by_its_name_and_takes_no_name_twice() {
        #[derive(Debug)]
        struct Named(&'static str);
        impl ProviderFactory for Named {
            fn info(&self) -> ProviderInfo {
                ProviderInfo::new(self.0, "Acme", &[])
            }
            fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
                provider("meta", &config.clone().with("token", "TEST-token"))
            }
        }
        let mut registry = Registry::built_in();
        registry.register(Named("acme")).unwrap();
        assert_eq!(registry.names().last(), Some(&"acme"));
        let plain = Config::default().with_base_url("http://127.0.0.1:9");
        assert_eq!(registry.provider("acme", &plain).unwrap().name(), "meta");
        assert_eq!(registry.webhooks("acme", &plain).unwrap_err().kind(), ErrorKind::Unsupported);
        for name in ["acme", "meta"] {
            assert!(registry.register(Named(name)).is_err(), "{name}");
        }
        assert!(provider("acme", &plain).unwrap_err().message().contains("\"acme\""));
    }
}
