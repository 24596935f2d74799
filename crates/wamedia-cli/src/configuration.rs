//! Flags, then environment, then `wamedia.toml`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wamedia::{
    Capabilities, Config, Limits, MediaRef, PROVIDERS, Provider, ProviderInfo, Secret, TransferOptions,
    TransportOptions, Webhooks,
};

use crate::args::Common;
use crate::exit::Failure;

/// The configuration file: a table per provider.
type File = BTreeMap<String, BTreeMap<String, toml::Value>>;

/// Providers as they are asked for, each made once.
pub(crate) struct Providers<'a> {
    common: &'a Common,
    file: File,
    made: HashMap<String, Arc<dyn Provider>>,
}

impl<'a> Providers<'a> {
    pub(crate) fn new(common: &'a Common) -> Result<Self, Failure> {
        Ok(Self { common, file: read_file(common.config.as_deref())?, made: HashMap::new() })
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

    /// What the provider can do when it is configured; credentials are not needed to know that.
    pub(crate) fn capabilities(&self, name: &str) -> Result<Capabilities, Failure> {
        let info = known(name)?;
        capabilities(info, self.config(info))
    }

    /// The provider that `--provider` names.
    pub(crate) fn chosen(&self) -> Result<String, Failure> {
        self.common.provider.clone().ok_or_else(|| {
            Failure::usage(format!("choose a provider with --provider: {}", names().join(", ")))
        })
    }

    /// A reference, with the provider and the account of the flags where it names none.
    pub(crate) fn media(&self, text: &str) -> Result<MediaRef, Failure> {
        let mut media: MediaRef =
            text.parse().map_err(|error: wamedia::Error| Failure::usage(format!("{text:.80?}: {error}")))?;
        if media.provider.is_none() {
            media.provider = Some(self.chosen()?.into());
        }
        if media.scope.account.is_none() {
            media.scope.account.clone_from(&self.common.account);
        }
        Ok(media)
    }

    fn config(&self, info: &ProviderInfo) -> Config {
        let name = info.name;
        let mut config = Config::default();
        let from_file = |key: &str| self.file.get(name).and_then(|table| table.get(key));
        let text = |key: &str| -> Option<String> {
            environment(&variable(name, key))
                .or_else(|| from_file(key).and_then(|value| value.as_str()).map(ToOwned::to_owned))
        };
        for setting in info.settings {
            if let Some(value) = text(setting.key).filter(|value| !value.trim().is_empty()) {
                config.values.insert(setting.key.to_owned(), Secret::new(value));
            }
        }
        config.base_url = self.common.base_url.clone().or_else(|| text("base_url"));
        config.api_version = self.common.api_version.clone().or_else(|| text("api_version"));
        config.content_origins.clone_from(&self.common.content_origin);
        if config.content_origins.is_empty() {
            if let Some(list) = environment(&variable(name, "content_origins")) {
                let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
                config.content_origins.extend(origins.map(ToOwned::to_owned));
            } else if let Some(list) = from_file("content_origins").and_then(toml::Value::as_array) {
                config
                    .content_origins
                    .extend(list.iter().filter_map(toml::Value::as_str).map(ToOwned::to_owned));
            }
        }
        config.transport = transport(self.common);
        config
    }
}

/// What a provider can do with these settings, and with something in place of those that it requires.
pub(crate) fn capabilities(info: &ProviderInfo, mut config: Config) -> Result<Capabilities, Failure> {
    for setting in info.settings.iter().filter(|setting| setting.required) {
        // Of the right shape: capabilities depend on what is configured, not on its value.
        config.values.entry(setting.key.to_owned()).or_insert_with(|| Secret::new("1234567890"));
    }
    // Nothing is asked; a loopback port needs no TLS.
    config.base_url = Some("http://127.0.0.1:9".to_owned());
    Ok(wamedia::provider(info.name, &config)?.capabilities())
}

/// The variable of a setting: `WAMEDIA_META_TOKEN`.
pub(crate) fn variable(provider: &str, key: &str) -> String {
    format!("WAMEDIA_{}_{}", provider.to_uppercase(), key.to_uppercase())
}

/// Whether a setting has a value in the environment or in the file.
pub(crate) fn is_set(file: Option<&Path>, provider: &str, key: &str) -> Result<bool, Failure> {
    let in_file = read_file(file)?.get(provider).is_some_and(|table| table.contains_key(key));
    Ok(in_file || environment(&variable(provider, key)).is_some())
}

pub(crate) fn known(name: &str) -> Result<&'static ProviderInfo, Failure> {
    PROVIDERS.iter().find(|info| info.name == name).ok_or_else(|| {
        Failure::usage(format!("no provider is called {name:?}; there are: {}", names().join(", ")))
    })
}

fn names() -> Vec<&'static str> {
    PROVIDERS.iter().map(|info| info.name).collect()
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn read_file(path: Option<&Path>) -> Result<File, Failure> {
    let (path, named) = match path {
        Some(path) => (path.to_owned(), true),
        None => match default_path() {
            Some(path) => (path, false),
            None => return Ok(File::new()),
        },
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => return Ok(File::new()),
        Err(error) => return Err(Failure::usage(format!("cannot read {}: {error}", path.display()))),
    };
    // The parser's own message quotes the line, which may hold a secret; the place is enough.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        Failure::usage(format!(
            "{} is not valid TOML with a table per provider, near line {line}",
            path.display()
        ))
    })
}

/// The platform's folder for configuration.
fn default_path() -> Option<PathBuf> {
    let folder = if cfg!(windows) {
        PathBuf::from(std::env::var_os("APPDATA")?)
    } else if let Some(folder) = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()) {
        PathBuf::from(folder)
    } else if cfg!(target_os = "macos") {
        PathBuf::from(std::env::var_os("HOME")?).join("Library/Application Support")
    } else {
        PathBuf::from(std::env::var_os("HOME")?).join(".config")
    };
    Some(folder.join("wamedia.toml"))
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
