//! The names of settings, and their values in the environment.

use std::fmt;

use wamedia::{Registry, Secret};

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

/// A setting that is set.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) key: &'static str,
    pub(crate) is_secret: bool,
    pub(crate) set_by: SetBy,
    pub(crate) value: Secret,
}

/// Where a value comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SetBy {
    Flag,
    Variable(String),
    File,
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("the command line"),
            Self::Variable(name) => f.write_str(name),
            Self::File => f.write_str("the file"),
        }
    }
}
