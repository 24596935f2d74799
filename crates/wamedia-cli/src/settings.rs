//! The names of settings, and their values in the environment.

use wamedia::Registry;

/// The providers of this program.
pub(crate) fn registry() -> Registry {
    Registry::built_in()
}

/// The variable of a setting: `WAMEDIA_META_TOKEN`.
pub(crate) fn variable(provider: &str, key: &str) -> String {
    format!("WAMEDIA_{}_{}", provider.to_uppercase(), key.to_uppercase())
}

/// The value of a variable, unless it is blank.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
