use std::collections::BTreeMap;
use std::sync::Arc;

use wamedia_core::{Error, ErrorKind, Phase, Provider, Result, Secret, Webhooks};
use wamedia_provider::TransportOptions;

/// One setting of a provider.
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

const fn setting(key: &'static str, required: bool, secret: bool) -> Setting {
    Setting { key, required, secret }
}

/// A provider that this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// Its name.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its settings, besides `base_url`, `content_origins` and `api_version`.
    pub settings: &'static [Setting],
}

/// The providers that this build knows, in the order of their features.
pub const PROVIDERS: &[ProviderInfo] = &[
    #[cfg(feature = "meta")]
    ProviderInfo {
        name: "meta",
        title: "WhatsApp Cloud API (Meta)",
        settings: &[
            setting("token", true, true),
            setting("phone_number_id", false, false),
            setting("app_secret", false, true),
            setting("verify_token", false, true),
        ],
    },
    #[cfg(feature = "chakra")]
    ProviderInfo {
        name: "chakra",
        title: "ChakraHQ",
        settings: &[
            setting("token", true, true),
            setting("plugin_id", false, false),
            setting("phone_number_id", false, false),
            setting("webhook_secret", false, true),
        ],
    },
    #[cfg(feature = "whapi")]
    ProviderInfo {
        name: "whapi",
        title: "Whapi.Cloud",
        settings: &[setting("token", true, true), setting("webhook_header", false, true)],
    },
    #[cfg(feature = "nxcloud")]
    ProviderInfo {
        name: "nxcloud",
        title: "NXCloud",
        settings: &[
            setting("access_key", true, true),
            setting("access_secret", true, true),
            setting("business_phone", true, true),
        ],
    },
];

/// The configuration of a provider that is chosen at run time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Settings by their key; see [`PROVIDERS`].
    pub values: BTreeMap<String, Secret>,
    /// The origin of the API, where it is not the vendor's.
    pub base_url: Option<String>,
    /// Further origins that content may come from.
    pub content_origins: Vec<String>,
    /// The version of the vendor's API, where it has one.
    pub api_version: Option<String>,
    /// The largest webhook delivery that is parsed, in bytes; the provider's own cap unless it is set.
    pub webhook_max_bytes: Option<u64>,
    /// Timeouts, and the seam for tests.
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

    #[cfg(any(feature = "meta", feature = "chakra", feature = "whapi", feature = "nxcloud"))]
    fn get(&self, key: &str) -> Option<&Secret> {
        self.values.get(key).filter(|value| !value.is_blank())
    }

    #[cfg(any(feature = "meta", feature = "chakra", feature = "whapi", feature = "nxcloud"))]
    fn need(&self, key: &str) -> Secret {
        // A builder names every problem at once, a blank credential among them.
        self.get(key).cloned().unwrap_or_else(|| Secret::new(""))
    }
}

/// Sets what is there; every builder has consuming setters.
#[cfg(any(feature = "meta", feature = "chakra", feature = "whapi", feature = "nxcloud"))]
macro_rules! common {
    ($builder:expr, $config:expr) => {{
        let mut builder = $builder.transport($config.transport.clone());
        if let Some(base_url) = &$config.base_url {
            builder = builder.base_url(base_url);
        }
        for origin in &$config.content_origins {
            builder = builder.content_origin(origin);
        }
        builder
    }};
}

/// Builds a provider by its name.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] for a name that this build does not know, for a setting that this
/// provider does not have, naming the nearest one, and for every problem of the configuration.
pub fn provider(name: &str, config: &Config) -> Result<Arc<dyn Provider>> {
    check_settings(name, config)?;
    match name {
        #[cfg(feature = "meta")]
        "meta" => {
            let mut builder = common!(wamedia_meta::MetaCloud::builder(config.need("token")), config);
            if let Some(version) = &config.api_version {
                builder = builder.api_version(version);
            }
            if let Some(id) = config.get("phone_number_id") {
                builder = builder.phone_number_id(id.expose());
            }
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "chakra")]
        "chakra" => {
            let mut builder = common!(wamedia_chakra::ChakraHq::builder(config.need("token")), config);
            if let Some(version) = &config.api_version {
                builder = builder.api_version(version);
            }
            if let Some(id) = config.get("plugin_id") {
                builder = builder.plugin_id(id.expose());
            }
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "whapi")]
        "whapi" => {
            let builder = common!(wamedia_whapi::WhapiCloud::builder(config.need("token")), config);
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "nxcloud")]
        "nxcloud" => {
            let builder =
                wamedia_nxcloud::NxCloud::builder(config.need("access_key"), config.need("access_secret"));
            let mut builder = common!(builder, config);
            if let Some(phone) = config.get("business_phone") {
                builder = builder.business_phone(phone.expose());
            }
            Ok(Arc::new(builder.build()?))
        }
        _ => Err(unknown(name, config)),
    }
}

/// Sets what is there; every builder of webhooks has the same setters.
#[cfg(any(feature = "meta", feature = "chakra", feature = "whapi", feature = "nxcloud"))]
macro_rules! webhooks_of {
    ($builder:expr, $config:expr, $secret:literal) => {{
        let mut builder = $builder;
        if let Some(secret) = $config.get($secret) {
            builder = builder.secret(secret.clone());
        }
        webhooks_of!(builder, $config)
    }};
    ($builder:expr, $config:expr) => {
        match $config.webhook_max_bytes {
            Some(max_bytes) => $builder.max_bytes(max_bytes),
            None => $builder,
        }
    };
}

/// Builds what verifies and parses the deliveries of a provider, by its name. No credential of the API is needed:
/// only the webhook secret, without which nothing is verified.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] for a name that this build does not know, and for every problem of
/// the configuration.
pub fn webhooks(name: &str, config: &Config) -> Result<Arc<dyn Webhooks>> {
    check_settings(name, config)?;
    match name {
        #[cfg(feature = "meta")]
        "meta" => {
            let mut builder = webhooks_of!(wamedia_meta::MetaWebhooks::builder(), config, "app_secret");
            if let Some(token) = config.get("verify_token") {
                builder = builder.verify_token(token.clone());
            }
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "chakra")]
        "chakra" => {
            let mut builder =
                webhooks_of!(wamedia_chakra::ChakraWebhooks::builder(), config, "webhook_secret");
            if let Some(id) = config.get("phone_number_id") {
                builder = builder.phone_number_id(id.expose());
            }
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "whapi")]
        "whapi" => {
            let mut builder = webhooks_of!(wamedia_whapi::WhapiWebhooks::builder(), config);
            if let Some(header) = config.get("webhook_header") {
                let (name, value) = header.expose().split_once(':').ok_or_else(|| {
                    Error::new(ErrorKind::InvalidRequest, "webhook_header must be written as `Name: value`")
                        .with_provider("whapi")
                        .with_phase(Phase::Prepare)
                })?;
                builder = builder.header(name.trim(), Secret::new(value.trim()));
            }
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "nxcloud")]
        "nxcloud" => {
            let builder = wamedia_nxcloud::NxCloudWebhooks::builder();
            Ok(Arc::new(webhooks_of!(builder, config, "access_secret").build()?))
        }
        _ => Err(unknown(name, config)),
    }
}

/// A setting that is mistyped would be as good as absent: a webhook secret that verifies nothing, for example.
fn check_settings(name: &str, config: &Config) -> Result<()> {
    let info = PROVIDERS.iter().find(|info| info.name == name).ok_or_else(|| unknown(name, config))?;
    let known: Vec<_> = info.settings.iter().map(|setting| setting.key).collect();
    let Some(key) = config.values.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let advice = match nearest_name(key, &known) {
        _ if matches!(key.as_str(), "base_url" | "content_origins" | "api_version") => {
            "it is a field of `Config` itself".to_owned()
        }
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("it knows {}", known.join(", ")),
    };
    let message = format!("{name} has no setting {key:?}; {advice}");
    Err(Error::new(ErrorKind::InvalidRequest, message).with_provider(info.name).with_phase(Phase::Prepare))
}

/// The name that was probably meant: the one that fewest letters tell apart from what was typed, if
/// more of them are right than wrong.
pub fn nearest_name<'a>(typed: &str, names: &[&'a str]) -> Option<&'a str> {
    // Longer than any name, and not worth a table of that size.
    if typed.len() > 100 {
        return None;
    }
    let near = names.iter().map(|name| (distance(typed, name), *name)).min()?;
    (near.0 * 2 <= typed.chars().count().max(near.1.len())).then_some(near.1)
}

/// How many letters are to be added, taken away, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                let mut least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[left.len()][right.len()]
}

fn unknown(name: &str, _: &Config) -> Error {
    let known: Vec<_> = PROVIDERS.iter().map(|info| info.name).collect();
    Error::new(
        ErrorKind::InvalidRequest,
        format!("no provider is called {name:?}; this build knows: {}", known.join(", ")),
    )
    .with_phase(Phase::Prepare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let names = ["token", "phone_number_id", "app_secret", "verify_token"];
        for (typed, want) in [
            ("tokn", Some("token")),
            ("app_secrets", Some("app_secret")),
            ("appsecret", Some("app_secret")),
            ("verify_tokne", Some("verify_token")),
            ("x", None),
            ("", None),
            ("something else", None),
        ] {
            assert_eq!(nearest_name(typed, &names), want, "{typed}");
        }
        assert_eq!(nearest_name(&"x".repeat(1_000_000), &names), None);
    }

    #[cfg(feature = "meta")]
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
}
