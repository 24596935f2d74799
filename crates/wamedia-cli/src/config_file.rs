//! `wamedia.toml`.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use wamedia::{Config, ConfigFile, ConfigProblem, NetworkConfig};

use crate::exit::Failure;
use crate::reference::Account;
use crate::settings::registry;
use crate::{input, output};

/// The configuration file, read strictly: what it does not know is a mistake.
#[derive(Debug, Default)]
pub(crate) struct File {
    content: ConfigFile,
    /// Where it is, or would be.
    path: Option<PathBuf>,
    is_there: bool,
}

impl File {
    /// Reads the file that was named, or the one in the usual place if there is one.
    pub(crate) async fn read(path: Option<&Path>, quiet: bool) -> Result<Self, Failure> {
        let (path, named) = match path {
            Some(path) => (path.to_owned(), true),
            None => match default_path() {
                Some(path) => (path, false),
                None => return Ok(Self::default()),
            },
        };
        let shown = output::typed(&path.to_string_lossy());
        let text = input::settings(&path)
            .await
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not text")));
        let text = match text {
            Ok(text) => text,
            Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: Some(path), ..Self::default() });
            }
            Err(error) => {
                return Err(Failure::usage(format!("cannot read {shown}: {error}")).with_hint(
                    "check --config, or leave it out: `wamedia config` says which file is read then",
                ));
            }
        };
        let content = Self::parse(&text).map_err(|problems| {
            let line = |(line, why)| format!("{}:{line}: {why}", path.display());
            let lines: Vec<_> = problems.into_iter().map(line).collect();
            Failure::usage(lines.join("\n"))
        })?;
        let file = Self { content, path: Some(path.clone()), is_there: true };
        if !quiet && file.has_secrets() && others_can_read(&path) {
            output::warning_line(&format!(
                "{shown} holds secrets and can be read by others; take that away, such as with chmod 600"
            ));
        }
        Ok(file)
    }

    /// Problems come with their lines, and never with a value: it may be a secret.
    fn parse(text: &str) -> Result<ConfigFile, Vec<(usize, String)>> {
        let line = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let not_toml = |error: toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            vec![(line(offset), "this is not valid TOML".to_owned())]
        };
        let document = DeTable::parse(text).map_err(not_toml)?;
        let source = toml::Deserializer::parse(text).map_err(not_toml)?;
        ConfigFile::read(source, &registry()).map_err(|error| {
            let place = |problem: &ConfigProblem| line(offset(document.get_ref(), &problem.path));
            let mut problems: Vec<_> =
                error.problems.iter().map(|problem| (place(problem), problem.to_string())).collect();
            problems.sort();
            problems
        })
    }

    /// An account of a provider.
    pub(crate) fn account(&self, account: &Account) -> Option<&Config> {
        self.content.config(&account.provider, account.profile.as_deref())
    }

    /// The names of the profiles of a provider.
    pub(crate) fn profiles(&self, provider: &str) -> Vec<&str> {
        self.content.profiles(provider)
    }

    pub(crate) fn network(&self) -> &NetworkConfig {
        self.content.network()
    }

    /// Where it is, or would be, and whether it is there.
    pub(crate) fn place(&self) -> Option<(&Path, bool)> {
        self.path.as_deref().map(|path| (path, self.is_there))
    }

    /// The folder that it is in.
    pub(crate) fn folder(&self) -> &Path {
        self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }

    fn has_secrets(&self) -> bool {
        registry().infos().any(|info| {
            let profiles = self.content.profiles(info.name).into_iter().map(Some).chain([None]);
            let mut accounts = profiles.filter_map(|profile| self.content.config(info.name, profile));
            let secrets: Vec<_> = info.settings.iter().filter(|setting| setting.secret).collect();
            accounts.any(|config| secrets.iter().any(|setting| config.values.contains_key(setting.key)))
        }) || self.network().proxy.as_ref().is_some_and(|proxy| proxy.expose().contains('@'))
    }
}

/// Where a path begins in the text: the key of a setting or section, or an item of a list.
fn offset(table: &DeTable<'_>, path: &[String]) -> usize {
    let Some((first, rest)) = path.split_first() else { return 0 };
    let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == first) else { return 0 };
    match (value.get_ref(), rest) {
        (DeValue::Table(table), [_, ..]) => offset(table, rest),
        (DeValue::Array(list), [index]) => {
            let item = index.parse().ok().and_then(|index: usize| list.get(index));
            item.map_or(key.span().start, |item| item.span().start)
        }
        _ => key.span().start,
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
