//! What several examples need: a configuration from variables, and a sandbox to try things on.

#![allow(dead_code, reason = "no example needs all of it")]

use std::sync::Arc;

use wamedia::{Clock as _, Config, Registry, SystemClock};
use wamedia_sandbox::{Options, ProviderInfo, Sandbox};

/// A configuration from `WAMEDIA_<PROVIDER>_<SETTING>`, as the program has it.
pub(crate) fn from_environment(provider: &str) -> Config {
    from_variables(provider, |name| std::env::var(name).ok())
}

/// The configuration of the sandbox's account.
pub(crate) fn of_sandbox(info: &ProviderInfo) -> Config {
    let find = |name: &str| info.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    from_variables(info.name, find)
}

/// Every provider's API on this machine.
pub(crate) async fn sandbox() -> std::io::Result<Sandbox> {
    Sandbox::start(Options::new(Arc::new(|| SystemClock.now()))).await
}

fn from_variables(provider: &str, variable: impl Fn(&str) -> Option<String>) -> Config {
    let variable =
        |key: &str| variable(&format!("WAMEDIA_{}_{}", provider.to_uppercase(), key.to_uppercase()));
    let mut config = Config::default();
    let settings = Registry::built_in().info(provider).map(|info| info.settings);
    for setting in settings.into_iter().flatten() {
        if let Some(value) = variable(setting.key) {
            config = config.with(setting.key, value);
        }
    }
    config.base_url = variable("base_url");
    if let Some(origins) = variable("content_origins") {
        config.content_origins = origins.split(',').map(ToOwned::to_owned).collect();
    }
    config
}
