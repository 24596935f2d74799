//! Flags, then environment, then `wamedia.toml`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wamedia::{
    Capabilities, Config, Error, ErrorKind, Limits, MediaRef, PROVIDERS, Provider, ProviderInfo, Secret,
    TransferOptions, TransportOptions, Webhooks,
};

use crate::args::{Common, LINK_REFUSED};
use crate::exit::Failure;
use crate::output;

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

    fn config(&self, info: &ProviderInfo) -> Config {
        let name = info.name;
        let mut config = Config::default();
        let from_file = |key: &str| self.file.value(name, key);
        let text = |key: &str| -> Option<String> {
            environment(&variable(name, key)).or_else(|| match from_file(key) {
                Some(Value::Text(text)) => Some(text.clone()),
                _ => None,
            })
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
            } else if let Some(Value::List(list)) = from_file("content_origins") {
                config.content_origins.clone_from(list);
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
    Ok(*wamedia::provider(info.name, &config)?.capabilities())
}

/// The variable of a setting: `WAMEDIA_META_TOKEN`.
pub(crate) fn variable(provider: &str, key: &str) -> String {
    format!("WAMEDIA_{}_{}", provider.to_uppercase(), key.to_uppercase())
}

pub(crate) fn known(name: &str) -> Result<&'static ProviderInfo, Failure> {
    PROVIDERS.iter().find(|info| info.name == name).ok_or_else(|| {
        Failure::usage(format!(
            "no provider is called {}; there are: {}",
            output::typed(name),
            names().join(", ")
        ))
    })
}

fn names() -> Vec<&'static str> {
    PROVIDERS.iter().map(|info| info.name).collect()
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The configuration file, read strictly: what it does not know is a mistake.
#[derive(Debug, Default)]
pub(crate) struct File(BTreeMap<&'static str, BTreeMap<&'static str, Value>>);

/// The value of a setting.
#[derive(Debug)]
enum Value {
    Text(String),
    List(Vec<String>),
}

/// Settings that every provider has.
const COMMON_SETTINGS: [&str; 3] = ["base_url", "content_origins", "api_version"];

impl File {
    /// Reads the file that was named, or the one in the usual place if there is one.
    pub(crate) fn read(path: Option<&Path>, quiet: bool) -> Result<Self, Failure> {
        let (path, named) = match path {
            Some(path) => (path.to_owned(), true),
            None => match default_path() {
                Some(path) => (path, false),
                None => return Ok(Self::default()),
            },
        };
        let shown = output::typed(&path.to_string_lossy());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Failure::usage(format!("cannot read {shown}: {error}"))),
        };
        let file = Self::parse(&text).map_err(|(offset, why)| {
            let line = text[..offset.min(text.len())].matches('\n').count() + 1;
            Failure::usage(format!("{}:{line}: {why}", path.display()))
        })?;
        if !quiet && file.has_secrets() && others_can_read(&path) {
            output::warning_line(&format!(
                "{shown} holds secrets and can be read by others; take that away, such as with chmod 600"
            ));
        }
        Ok(file)
    }

    /// A problem comes with its place, and never with a value: it may be a secret.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let document = DeTable::parse(text).map_err(|error| {
            (error.span().map_or(0, |span| span.start), "this is not valid TOML".to_owned())
        })?;
        let mut file = Self::default();
        for (section, table) in document.into_inner() {
            let at = section.span().start;
            let Some(info) = PROVIDERS.iter().find(|info| info.name == section.get_ref()) else {
                return Err((
                    at,
                    format!("there is no such section; {}", known_names(section.get_ref(), &names())),
                ));
            };
            let DeValue::Table(table) = table.into_inner() else {
                let why = format!("{} is a section, written as [{}]", info.name, info.name);
                return Err((at, why));
            };
            let mut values = BTreeMap::new();
            let keys: Vec<_> =
                info.settings.iter().map(|setting| setting.key).chain(COMMON_SETTINGS).collect();
            for (key, value) in table {
                let Some(known) = keys.iter().find(|known| **known == key.get_ref()) else {
                    let why =
                        format!("{} has no such setting; {}", info.name, known_names(key.get_ref(), &keys));
                    return Err((key.span().start, why));
                };
                values.insert(*known, Value::parse(known, value)?);
            }
            file.0.insert(info.name, values);
        }
        Ok(file)
    }

    fn value(&self, provider: &str, key: &str) -> Option<&Value> {
        self.0.get(provider)?.get(key)
    }

    /// Whether a setting has a value in the environment or in the file.
    pub(crate) fn is_set(&self, provider: &str, key: &str) -> bool {
        let in_file = match self.value(provider, key) {
            Some(Value::Text(text)) => !text.trim().is_empty(),
            Some(Value::List(list)) => !list.is_empty(),
            None => false,
        };
        in_file || environment(&variable(provider, key)).is_some()
    }

    fn has_secrets(&self) -> bool {
        let secrets =
            PROVIDERS.iter().flat_map(|info| info.settings.iter().map(move |setting| (info, setting)));
        secrets
            .filter(|(_, setting)| setting.secret)
            .any(|(info, setting)| self.value(info.name, setting.key).is_some())
    }
}

impl Value {
    fn parse(key: &str, value: Spanned<DeValue<'_>>) -> Result<Self, (usize, String)> {
        let at = value.span().start;
        match (key, value.into_inner()) {
            ("content_origins", DeValue::Array(list)) => {
                let texts = list.into_iter().map(|item| match (item.span().start, item.into_inner()) {
                    (_, DeValue::String(text)) => Ok(text.into_owned()),
                    (at, _) => Err((at, format!("{key} is a list of texts, each in quotation marks"))),
                });
                Ok(Self::List(texts.collect::<Result<_, _>>()?))
            }
            ("content_origins", _) => {
                Err((at, format!("{key} is a list of texts, such as [\"https://host\"]")))
            }
            (_, DeValue::String(text)) => Ok(Self::Text(text.into_owned())),
            _ => Err((at, format!("{key} is a text, in quotation marks"))),
        }
    }
}

/// The nearest name, then all of them.
fn known_names(typed: &str, names: &[&str]) -> String {
    let all = names.join(", ");
    match wamedia::nearest_name(typed, names) {
        Some(nearest) => format!("did you mean {nearest}? It knows {all}"),
        None => format!("it knows {all}"),
    }
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
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
