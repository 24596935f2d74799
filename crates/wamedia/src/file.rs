use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, IgnoredAny};
use wamedia_core::Secret;

use crate::config::{Config, ConfigError, ConfigProblem};
use crate::factory::ProviderInfo;
use crate::registry::Registry;

/// A configuration file in any format that serde reads: one section per provider, in it the settings of the
/// default account, and under `profiles` those of further accounts.
///
/// ```toml
/// [meta]
/// token = "…"
/// [meta.profiles.sales]
/// token = "…"
/// [network]
/// proxy = "env"
/// ca_files = ["corp-root.pem"]
/// ```
///
/// It is strict: unknown sections and settings and values of the wrong type are problems, and all of them are
/// in one error. A profile stands alone; it takes nothing from the default account.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    providers: BTreeMap<&'static str, Accounts>,
    network: NetworkConfig,
}

/// What every account has in common: the section `[network]`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NetworkConfig {
    /// `none`, `env` for the proxy that the environment names, or a URL, which may hold a password.
    pub proxy: Option<Secret>,
    /// Files of further certificates to trust, as they are written.
    pub ca_files: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Accounts {
    default: Config,
    profiles: BTreeMap<String, Config>,
}

/// Whatever a format may hold, so that one wrong value does not hide the problems behind it.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    List(Vec<Self>),
    Table(BTreeMap<String, Self>),
    Other(IgnoredAny),
}

/// Settings that every provider has, beside its own.
const COMMON: [&str; 2] = ["base_url", "content_origins"];
const PROFILES: &str = "profiles";
/// The section that is no provider.
const NETWORK: &str = "network";

impl ConfigFile {
    /// Reads a file for the providers of a registry.
    ///
    /// # Errors
    ///
    /// Every problem with its path. A text that is not valid in its format is one problem without a path or
    /// details, since a line of the file may be a secret.
    pub fn read<'de, D: Deserializer<'de>>(source: D, registry: &Registry) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut file = Self::default();
        let sections = BTreeMap::<String, Value>::deserialize(source).unwrap_or_else(|_| {
            problems.push(ConfigProblem::new(&[], "the text is not valid in its format"));
            BTreeMap::new()
        });
        for (name, section) in sections {
            match (registry.info(&name), section) {
                (None, Value::Table(table)) if name == NETWORK => {
                    file.network = network(table, &mut problems);
                }
                (None, _) if name == NETWORK => {
                    let message = "this must be a section, in TOML written as [network]";
                    problems.push(ConfigProblem::new(&[NETWORK], message));
                }
                (None, _) => {
                    let known = [registry.names(), vec![NETWORK]].concat();
                    problems.push(ConfigProblem::unknown(&[&name], "section", &known));
                }
                (Some(info), Value::Table(table)) => {
                    file.providers.insert(info.name, accounts(info, table, &mut problems));
                }
                (Some(info), _) => {
                    let message = format!("this must be a section, in TOML written as [{}]", info.name);
                    problems.push(ConfigProblem::new(&[info.name], message));
                }
            }
        }
        if problems.is_empty() { Ok(file) } else { Err(ConfigError { problems }) }
    }

    /// The account of a provider: the default one, or that of a profile.
    pub fn config(&self, provider: &str, profile: Option<&str>) -> Option<&Config> {
        let accounts = self.providers.get(provider)?;
        match profile {
            None => Some(&accounts.default),
            Some(profile) => accounts.profiles.get(profile),
        }
    }

    /// What every account has in common.
    pub fn network(&self) -> &NetworkConfig {
        &self.network
    }

    /// The names of the profiles of a provider.
    pub fn profiles(&self, provider: &str) -> Vec<&str> {
        let profiles = self.providers.get(provider).map(|accounts| accounts.profiles.keys());
        profiles.into_iter().flatten().map(String::as_str).collect()
    }
}

fn accounts(
    info: ProviderInfo,
    mut table: BTreeMap<String, Value>,
    problems: &mut Vec<ConfigProblem>,
) -> Accounts {
    let mut accounts = Accounts::default();
    let path = [info.name, PROFILES];
    match table.remove(PROFILES) {
        None => {}
        Some(Value::Table(profiles)) => {
            for (name, profile) in profiles {
                let path = [info.name, PROFILES, &name];
                // A reference names it: `meta@sales:1279128`.
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
                    let message = "the name of a profile is made of letters, digits, `-` and `_`";
                    problems.push(ConfigProblem::new(&path, message));
                }
                if let Value::Table(table) = profile {
                    let config = account(info, &path, table, problems);
                    accounts.profiles.insert(name, config);
                } else {
                    problems.push(ConfigProblem::new(&path, "this must be a section of settings"));
                }
            }
        }
        Some(_) => problems.push(ConfigProblem::new(&path, "this must be a section of profiles")),
    }
    accounts.default = account(info, &[info.name], table, problems);
    accounts
}

fn account(
    info: ProviderInfo,
    path: &[&str],
    table: BTreeMap<String, Value>,
    problems: &mut Vec<ConfigProblem>,
) -> Config {
    let mut config = Config::default();
    let known: Vec<_> = info.keys().into_iter().chain(COMMON).collect();
    for (key, value) in table {
        let path = [path, &[key.as_str()]].concat();
        match (key.as_str(), value) {
            (key, _) if !known.contains(&key) => {
                problems.push(ConfigProblem::unknown(&path, "setting", &known));
            }
            ("content_origins", value) => {
                config.content_origins = texts(&path, value, "[\"https://host\"]", problems);
            }
            ("base_url", Value::Text(url)) => config.base_url = Some(url),
            (key, Value::Text(text)) => {
                config.values.insert(key.to_owned(), Secret::new(text));
            }
            _ => problems.push(ConfigProblem::new(&path, "this must be a text, in quotation marks")),
        }
    }
    config
}

fn network(table: BTreeMap<String, Value>, problems: &mut Vec<ConfigProblem>) -> NetworkConfig {
    let mut network = NetworkConfig::default();
    for (key, value) in table {
        let path = [NETWORK, key.as_str()];
        match (key.as_str(), value) {
            ("proxy", Value::Text(proxy)) => network.proxy = Some(Secret::new(proxy)),
            ("proxy", _) => {
                problems.push(ConfigProblem::new(&path, "this must be a text, in quotation marks"));
            }
            ("ca_files", value) => network.ca_files = texts(&path, value, "[\"root.pem\"]", problems),
            _ => problems.push(ConfigProblem::unknown(&path, "setting", &["proxy", "ca_files"])),
        }
    }
    network
}

/// A list of texts; what is none of that is a problem.
fn texts(path: &[&str], value: Value, example: &str, problems: &mut Vec<ConfigProblem>) -> Vec<String> {
    let Value::List(list) = value else {
        problems.push(ConfigProblem::new(path, format!("this must be a list of texts, such as {example}")));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, item) in list.into_iter().enumerate() {
        match item {
            Value::Text(text) => found.push(text),
            _ => problems.push(ConfigProblem::new(
                &[path, &[index.to_string().as_str()]].concat(),
                "this must be a text, in quotation marks",
            )),
        }
    }
    found
}

#[cfg(all(test, feature = "meta", feature = "whapi"))]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ConfigFile, Vec<String>> {
        let source = toml::Deserializer::parse(text).expect("TOML");
        ConfigFile::read(source, &Registry::built_in())
            .map_err(|error| error.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_problem_is_named_with_its_path_and_without_values() {
        let problems = read(
            "top = \"TEST-canary\"\nwhapi = \"TEST-canary\"\n\
             [meta]\ntoken = 7\napp_secrets = \"TEST-canary\"\ncontent_origins = [\"https://a.test\", 7]\n\
             [meta.profiles.\"a:b\"]\ntokn = \"TEST-canary\"\n[meat]\ntoken = 2026-11-20",
        )
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "meat: unknown section; did you mean `meta`?",
                "meta.profiles.a:b: the name of a profile is made of letters, digits, `-` and `_`",
                "meta.profiles.a:b.tokn: unknown setting; did you mean `token`?",
                "meta.app_secrets: unknown setting; did you mean `app_secret`?",
                "meta.content_origins.1: this must be a text, in quotation marks",
                "meta.token: this must be a text, in quotation marks",
                "top: unknown section; there are: meta, chakra, whapi, nxcloud, 360dialog, twilio, network",
                "whapi: this must be a section, in TOML written as [whapi]",
            ]
        );
        assert!(read("[whapi]\napi_version = \"v1\"").is_err(), "this vendor has no versions");
    }

    #[test]
    fn a_profile_is_an_account_of_its_own() {
        let file = read(
            "[meta]\ntoken = \"one\"\nbase_url = \"https://a.test\"\ncontent_origins = [\"https://b.test\"]\n\
             [meta.profiles.sales]\ntoken = \"two\"\n",
        )
        .unwrap();
        let token = |profile| file.config("meta", profile).and_then(|config| config.text("token"));
        assert_eq!((token(None), token(Some("sales")), token(Some("x"))), (Some("one"), Some("two"), None));
        assert_eq!(file.profiles("meta"), ["sales"]);
        assert!(file.profiles("whapi").is_empty() && file.config("whapi", None).is_none());
        let (default, sales) =
            (file.config("meta", None).unwrap(), file.config("meta", Some("sales")).unwrap());
        assert_eq!(default.base_url.as_deref(), Some("https://a.test"));
        assert_eq!(default.content_origins, ["https://b.test"]);
        assert!(sales.base_url.is_none() && sales.content_origins.is_empty());
    }

    #[test]
    fn the_network_is_read_as_strictly() {
        let file = read("[network]\nproxy = \"http://u:TEST-canary@p:1\"\nca_files = [\"a.pem\"]\n").unwrap();
        assert_eq!(file.network().proxy.as_ref().map(Secret::expose), Some("http://u:TEST-canary@p:1"));
        assert_eq!(file.network().ca_files, ["a.pem"]);
        assert!(!format!("{file:?}").contains("canary"));
        let problems = read("network = 1\n").unwrap_err();
        assert_eq!(problems, ["network: this must be a section, in TOML written as [network]"]);
        let problems = read("[network]\nproxies = 1\nproxy = 1\nca_files = \"a\"\n").unwrap_err();
        assert_eq!(
            problems,
            [
                "network.ca_files: this must be a list of texts, such as [\"root.pem\"]",
                "network.proxies: unknown setting; did you mean `proxy`?",
                "network.proxy: this must be a text, in quotation marks",
            ]
        );
    }

    #[test]
    fn what_no_format_holds_is_one_problem_without_details() {
        let source = toml::Deserializer::parse("[meta]\n").unwrap();
        assert!(ConfigFile::read(source, &Registry::built_in()).is_ok());
        let list =
            serde::de::value::SeqDeserializer::<_, serde::de::value::Error>::new(["TEST-canary"].into_iter());
        let error = ConfigFile::read(list, &Registry::built_in()).unwrap_err();
        assert_eq!(error.to_string(), "the text is not valid in its format");
    }
}
