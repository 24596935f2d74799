//! Flags, then environment, then `wamedia.toml`.

use std::collections::HashMap;
use std::sync::Arc;

use wamedia::{
    Capabilities, Config, Limits, MediaRef, Provider, ProviderInfo, Proxy, Secret, TransferOptions,
    TransportOptions, Webhooks,
};

use crate::args::{Common, LINK_HINT, LINK_REFUSED};
use crate::config_file::File;
use crate::exit::Failure;
use crate::reference::{Account, Reference};
use crate::settings::{Effective, SetBy, environment, registry, variable};
use crate::{input, output};

/// Providers as they are asked for, each made once.
pub(crate) struct Providers<'a> {
    common: &'a Common,
    file: File,
    transport: TransportOptions,
    made: HashMap<Account, Arc<dyn Provider>>,
}

impl<'a> Providers<'a> {
    pub(crate) async fn new(common: &'a Common) -> Result<Self, Failure> {
        let file = File::read(common.config.as_deref(), common.quiet).await?;
        let transport = transport(common, &file).await?;
        Ok(Self { common, file, transport, made: HashMap::new() })
    }

    /// The provider of an account, checked for its required settings.
    pub(crate) fn get(&mut self, account: &Account) -> Result<Arc<dyn Provider>, Failure> {
        if let Some(provider) = self.made.get(account) {
            return Ok(Arc::clone(provider));
        }
        let config = self.config(account)?;
        let missing = missing(account, &config)?;
        if !missing.is_empty() {
            return Err(unconfigured(account, &missing));
        }
        let provider = wamedia::provider(&account.provider, &config)?;
        self.made.insert(account.clone(), Arc::clone(&provider));
        Ok(provider)
    }

    /// What reads deliveries, which needs no credential of the API.
    pub(crate) fn webhooks(
        &self,
        account: &Account,
        max_bytes: Option<u64>,
    ) -> Result<Arc<dyn Webhooks>, Failure> {
        let mut config = self.config(account)?;
        config.webhook_max_bytes = max_bytes;
        Ok(wamedia::webhooks(&account.provider, &config)?)
    }

    /// The origin of the API, where one is configured.
    pub(crate) fn base_url(&self, account: &Account) -> Option<String> {
        self.config(account).ok()?.base_url
    }

    /// What the provider can do when it is configured; credentials are not needed to know that.
    pub(crate) fn capabilities(&self, account: &Account) -> Result<Capabilities, Failure> {
        capabilities(known(&account.provider)?, self.config(account)?)
    }

    /// The optional settings that are not set, each of which alone would make something possible.
    pub(crate) fn missing_for(
        &self,
        account: &Account,
        is_possible: impl Fn(&Capabilities) -> bool,
    ) -> Result<Vec<&'static str>, Failure> {
        let info = known(&account.provider)?;
        let mut missing = Vec::new();
        for setting in info.settings.iter().filter(|setting| !setting.required) {
            let mut config = self.config(account)?;
            if config.secret(setting.key).is_none() {
                config.values.insert(setting.key.to_owned(), placeholder(setting.key).into());
                if capabilities(info, config).is_ok_and(|capabilities| is_possible(&capabilities)) {
                    missing.push(setting.key);
                }
            }
        }
        Ok(missing)
    }

    /// The account that `--provider` and `--profile` name.
    pub(crate) fn chosen(&self) -> Result<Account, Failure> {
        let provider = self.common.provider.clone().ok_or_else(|| {
            Failure::usage("no provider is chosen")
                .with_hint(format!("choose one with --provider: {}", registry().names().join(", ")))
        })?;
        Ok(Account { provider, profile: self.common.profile.clone() })
    }

    /// A reference, with the provider, the profile and the account of the flags where it names none.
    pub(crate) fn reference(&self, text: &str) -> Result<Reference, Failure> {
        let text = text.trim();
        let head = text.split('?').next().unwrap_or_default();
        // No id has a slash. A link is not repeated: it is a credential in itself for a while.
        if head.contains('/') || output::is_link(head) {
            return Err(Failure::usage(LINK_REFUSED).with_hint(LINK_HINT));
        }
        let (text, profile) = Account::split_profile(text);
        let mut media: MediaRef = text.parse().map_err(|error: wamedia::Error| {
            Failure::usage(format!("{}: {}", output::typed(head), error.message()))
                .with_hint("a reference is the provider and the id of the media, such as meta:1279128")
        })?;
        if media.scope.account.is_none() {
            media.scope.account.clone_from(&self.common.account);
        }
        let mut account = match &media.provider {
            Some(provider) => Account::new(provider),
            None => self.chosen()?,
        };
        media.provider = Some(account.provider.clone().into());
        account.profile = profile.or_else(|| self.common.profile.clone());
        Ok(Reference { media, account })
    }

    /// Accounts that something is configured for: the default one of each provider, and the profiles of the file.
    pub(crate) fn accounts(&self) -> Vec<Account> {
        let mut all = Vec::new();
        for info in registry().infos() {
            all.push(Account::new(info.name));
            let profiles = self.file.profiles(info.name).into_iter();
            all.extend(profiles.map(|profile| Account::new(info.name).with_profile(profile)));
        }
        // A flag alone configures nothing: it would count for every provider.
        let is_configured =
            |settings: Vec<Effective>| settings.iter().any(|setting| setting.set_by != SetBy::Flag);
        all.retain(|account| self.settings(account).is_ok_and(is_configured));
        all
    }

    /// The settings of an account that are set, and by whom. A profile takes nothing from the environment, whose
    /// variables are those of the default account.
    pub(crate) fn settings(&self, account: &Account) -> Result<Vec<Effective>, Failure> {
        let info = known(&account.provider)?;
        let in_file = self.in_file(account)?;
        let text = |value: &str| Secret::new(value);
        let flag = |key: &str| match key {
            "api_version" => self.common.api_version.as_deref().map(text),
            "base_url" => self.common.base_url.as_deref().map(text),
            "content_origins" if !self.common.content_origin.is_empty() => {
                Some(Secret::new(self.common.content_origin.join(",")))
            }
            _ => None,
        };
        let variables = |key: &str| {
            let name = variable(info.name, key);
            let value = account.profile.is_none().then(|| environment(&name)).flatten()?;
            Some((SetBy::Variable(name), Secret::new(value)))
        };
        let file = |key: &str| match key {
            "base_url" => in_file?.base_url.as_deref().map(text),
            "content_origins" => {
                let origins = &in_file?.content_origins;
                (!origins.is_empty()).then(|| Secret::new(origins.join(",")))
            }
            _ => in_file?.secret(key).cloned(),
        };
        let common = ["base_url", "content_origins"].map(|key| (key, false));
        let keys = info.settings.iter().map(|setting| (setting.key, setting.secret)).chain(common);
        let found = keys.filter_map(|(key, is_secret)| {
            let by_flag = flag(key).map(|value| (SetBy::Flag, value));
            let by_file = || file(key).map(|value| (SetBy::File, value));
            let (set_by, value) = by_flag.or_else(|| variables(key)).or_else(by_file)?;
            Some(Effective { key, is_secret, set_by, value })
        });
        Ok(found.collect())
    }

    /// The account in the file; a profile has to be there.
    fn in_file(&self, account: &Account) -> Result<Option<&Config>, Failure> {
        let found = self.file.account(account);
        match &account.profile {
            Some(profile) if found.is_none() => {
                let known = self.file.profiles(&account.provider);
                let known = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
                let (provider, profile) = (&account.provider, output::typed(profile));
                let why = format!("the configuration has no profile {profile} of {provider}: {known}");
                Err(Failure::usage(why).with_hint(format!(
                    "a profile is a section [{provider}.profiles.NAME]; `wamedia config` shows which file is read"
                )))
            }
            _ => Ok(found),
        }
    }

    /// Everything that a provider is built from.
    pub(crate) fn config(&self, account: &Account) -> Result<Config, Failure> {
        let mut config = Config::default();
        for setting in self.settings(account)? {
            match setting.key {
                "base_url" => config.base_url = Some(setting.value.expose().to_owned()),
                "content_origins" => {
                    let origins = setting.value.expose().split(',').map(str::trim);
                    let origins = origins.filter(|origin| !origin.is_empty());
                    config.content_origins = origins.map(ToOwned::to_owned).collect();
                }
                key => drop(config.values.insert(key.to_owned(), setting.value)),
            }
        }
        config.transport = self.transport.clone();
        Ok(config)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The proxy that is used, and the number of certificates that are trusted besides the system's.
    pub(crate) fn network(&self) -> (Option<&Proxy>, usize) {
        (self.transport.network.proxy.as_ref(), self.transport.network.extra_roots.len())
    }
}

/// The required settings that are not set.
pub(crate) fn missing(account: &Account, config: &Config) -> Result<Vec<&'static str>, Failure> {
    let settings = known(&account.provider)?.settings.iter();
    let missing = settings.filter(|setting| setting.required && config.secret(setting.key).is_none());
    Ok(missing.map(|setting| setting.key).collect())
}

/// The failure of a command for which settings are missing.
pub(crate) fn unconfigured(account: &Account, missing: &[&str]) -> Failure {
    Failure::usage(format!("{account} is not configured")).with_hint(how_to_set(account, missing))
}

/// Which settings to set, and where.
pub(crate) fn how_to_set(account: &Account, missing: &[&str]) -> String {
    let keys = missing.join(" and ");
    match &account.profile {
        Some(profile) => {
            format!("set {keys} under [{}.profiles.{profile}] in wamedia.toml", account.provider)
        }
        None => {
            let variables: Vec<_> = missing.iter().map(|key| variable(&account.provider, key)).collect();
            let variables = variables.join(" and ");
            format!("set {variables} in the environment, or {keys} under [{account}] in wamedia.toml")
        }
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
        "webhook_digest" => "any",
        "api_key" => "SK00000000000000000000000000000000",
        "account_sid" => "AC00000000000000000000000000000000",
        _ => "1234567890",
    }
}

pub(crate) fn known(name: &str) -> Result<ProviderInfo, Failure> {
    registry().info(name).ok_or_else(|| {
        let names = registry().names();
        let near = wamedia::nearest_name(name, &names)
            .map_or_else(String::new, |near| format!("did you mean {near}? "));
        let (name, names) = (output::typed(name), names.join(", "));
        Failure::usage(format!("no provider is called {name}")).with_hint(format!("{near}there are: {names}"))
    })
}

async fn transport(common: &Common, file: &File) -> Result<TransportOptions, Failure> {
    let mut transport = TransportOptions::default();
    transport.connect_timeout = common.connect_timeout.unwrap_or(transport.connect_timeout);
    transport.first_byte_timeout = common.first_byte_timeout.unwrap_or(transport.first_byte_timeout);
    transport.idle_timeout = common.idle_timeout.unwrap_or(transport.idle_timeout);
    transport.min_rate = common.min_rate;
    let network = file.network();
    let proxy = common.proxy.as_deref().map(Secret::new).or_else(|| network.proxy.clone());
    transport.network.proxy = match proxy.as_ref().map(Secret::expose) {
        None | Some("none" | "") => None,
        Some("env") => Proxy::from_variables(environment)?,
        Some(_) => proxy.as_ref().map(Proxy::new).transpose().map_err(|error| {
            Failure::from(error).with_hint(
                "check --proxy, or proxy under [network]; `none` is no proxy, `env` the environment's",
            )
        })?,
    };
    let given = common.ca_file.iter().cloned();
    // A file is named from where it stands.
    for path in given.chain(network.ca_files.iter().map(|name| file.folder().join(name))) {
        let shown = output::typed(&path.to_string_lossy());
        let pem = input::settings(&path).await.map_err(|error| {
            Failure::usage(format!("cannot read the certificates in {shown}: {error}"))
                .with_hint("check the path, --ca-file or ca_files under [network]")
        })?;
        let extended = transport.network.clone().with_extra_roots_pem(&pem);
        transport.network = extended.map_err(|error| {
            Failure::usage(format!("{shown}: {}", error.message()))
                .with_hint("check the path, --ca-file or ca_files under [network]")
        })?;
    }
    Ok(transport)
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
