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
/// ```
///
/// It is strict: unknown sections and settings and values of the wrong type are problems, and all of them are
/// in one error. A profile stands alone; it takes nothing from the default account.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    providers: BTreeMap<&'static str, Accounts>,
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
                (None, _) => {
                    problems.push(ConfigProblem::unknown(&[&name], "section", &registry.names()));
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
            ("content_origins", Value::List(list)) => {
                for (index, item) in list.into_iter().enumerate() {
                    let index = index.to_string();
                    match item {
                        Value::Text(origin) => config.content_origins.push(origin),
                        _ => problems.push(ConfigProblem::new(
                            &[&path[..], &[index.as_str()]].concat(),
                            "this must be a text, in quotation marks",
                        )),
                    }
                }
            }
            ("content_origins", _) => {
                let message = "this must be a list of texts, such as [\"https://host\"]";
                problems.push(ConfigProblem::new(&path, message));
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
                "top: unknown section; there are: meta, chakra, whapi, nxcloud, 360dialog, twilio",
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
    fn what_no_format_holds_is_one_problem_without_details() {
        let source = toml::Deserializer::parse("[meta]\n").unwrap();
        assert!(ConfigFile::read(source, &Registry::built_in()).is_ok());
        let list =
            serde::de::value::SeqDeserializer::<_, serde::de::value::Error>::new(["TEST-canary"].into_iter());
        let error = ConfigFile::read(list, &Registry::built_in()).unwrap_err();
        assert_eq!(error.to_string(), "the text is not valid in its format");
    }
}
