//! A client: how it is started, what it is, and which rows it is known to fail.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;
use serde_json::{Value, json};

/// What `--file` reads: a client that is scored again and again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// `wamedia-client/1`.
    pub schema: String,
    /// What the report calls it.
    pub name: String,
    /// Its version, or a command whose first line says it.
    #[serde(default)]
    pub version: Option<Version>,
    /// The commit that it was built from.
    #[serde(default)]
    pub commit: Option<String>,
    /// Where it comes from.
    #[serde(default)]
    pub url: Option<String>,
    /// The packages that it needs, by the registry's own installer: `pip` or `npm`. The first is the client itself,
    /// in the version that is said here.
    #[serde(default)]
    pub install: BTreeMap<String, Vec<String>>,
    /// It speaks the protocol of drivers; else each start is one download.
    #[serde(default)]
    pub driver: bool,
    /// It is served without TLS, because it cannot be told which authority to trust.
    #[serde(default)]
    pub plain_http: bool,
    /// Program and arguments by provider, `*` for all others. A word may hold `{base}`, `{content}`, `{provider}`,
    /// `{id}`, `{out}`, `{sha256}`, `{size}` and `{ca}`; one that names a file does so from where this description is.
    pub commands: BTreeMap<String, Vec<String>>,
    /// Rows that it fails, and why.
    #[serde(default)]
    pub known_failures: Vec<KnownFailures>,
}

/// A version, as it is known or as it is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Version {
    /// The version.
    Text(String),
    /// A command whose first line of output says it.
    Command(Vec<String>),
}

/// Rows that fail for one reason, until a day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFailures {
    /// Names of rows, `stall-1`, or `provider/stall-1` for one provider.
    pub cases: Vec<String>,
    /// Why they fail.
    pub reason: String,
    /// Where that is written down.
    pub issue: String,
    /// The last day on which they are forgiven, `YYYY-MM-DD`.
    pub expires: String,
}

impl Client {
    /// The client that a file describes.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or says nothing that could be started; the text names the file.
    pub fn read(file: impl AsRef<Path>) -> Result<Self, String> {
        let file = file.as_ref();
        let at_file = |why: String| format!("{}: {why}", file.display());
        let text = fs::read_to_string(file).map_err(|error| at_file(error.to_string()))?;
        let client: Self = serde_json::from_str(&text).map_err(|error| at_file(error.to_string()))?;
        let here = file.canonicalize().map_err(|error| at_file(error.to_string()))?;
        client.checked().map_err(at_file)?.seen_from(here.parent().unwrap_or(Path::new("/")))
    }

    /// The client that a command line starts, for every provider.
    ///
    /// # Errors
    ///
    /// When there is no command, or when it could not store anything.
    pub fn from_words(words: Vec<String>, driver: bool) -> Result<Self, String> {
        let name =
            words.first().map_or("", |word| word.split_whitespace().next().unwrap_or_default()).to_owned();
        // A single word with spaces is a command line that was quoted as a whole.
        let words = match &words[..] {
            [line] if line.contains(char::is_whitespace) => {
                shlex::split(line).ok_or("a quote is not closed")?
            }
            _ => words,
        };
        let commands = BTreeMap::from([("*".to_owned(), words)]);
        let schema = SCHEMA.to_owned();
        let here = env::current_dir().map_err(|error| error.to_string())?;
        Self { schema, name, driver, commands, ..Self::default() }.checked()?.seen_from(&here)
    }

    /// Programs run in a folder of their own, so words that name a file are written out from where they were meant.
    fn seen_from(mut self, here: &Path) -> Result<Self, String> {
        for word in self.commands.values_mut().flatten().filter(|word| word.contains(['/', '.'])) {
            let path = here.join(&*word);
            if Path::new(word).is_relative() && path.is_file() {
                let path =
                    path.to_str().ok_or_else(|| format!("{}: the path is not UTF-8", path.display()))?;
                path.clone_into(word);
            }
        }
        Ok(self)
    }

    fn checked(self) -> Result<Self, String> {
        if self.schema != SCHEMA {
            return Err(format!("its schema is {:?}, expected {SCHEMA:?}", self.schema));
        }
        if self.commands.values().all(Vec::is_empty) {
            return Err("there is no command: write one behind `--`, or name a file that has some".to_owned());
        }
        let stores = |words: &Vec<String>| words.iter().any(|word| word.contains("{out}"));
        if !self.driver && !self.commands.values().all(stores) {
            return Err(
                "a command without {out} stores nothing that could be looked at; a program that reads \
                        requests from standard input is a driver"
                    .to_owned(),
            );
        }
        Ok(self)
    }

    /// The words of the command for this provider, placeholders included.
    pub(super) fn command(&self, provider: &str) -> Option<&[String]> {
        self.commands.get(provider).or_else(|| self.commands.get("*")).map(Vec::as_slice)
    }

    /// Why this row of this provider is known to fail.
    pub(super) fn known(&self, provider: &str, case: &str) -> Option<&KnownFailures> {
        let named = |name: &String| {
            name == case || name.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')) == Some(case)
        };
        self.known_failures.iter().find(|known| known.cases.iter().any(named))
    }

    /// The subject of a report.
    pub(super) fn subject(&self, provider: &str, path: Option<&OsStr>) -> Value {
        let version = match &self.version {
            None => None,
            Some(Version::Text(text)) => Some(text.clone()),
            Some(Version::Command(words)) => first_line(words, path),
        };
        json!({ "name": provider, "client": self.name, "version": version, "commit": self.commit, "url": self.url })
    }
}

const SCHEMA: &str = "wamedia-client/1";

/// What a command says first, if it can be started.
fn first_line(words: &[String], path: Option<&OsStr>) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned())
}

/// Puts values in the places of a command's words. A value is never split or read by a shell.
pub(super) fn filled(words: &[String], values: &[(&str, &str)]) -> Vec<String> {
    let fill = |word: &String| {
        values.iter().fold(word.clone(), |word, (key, value)| word.replace(&format!("{{{key}}}"), value))
    };
    words.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Client, String> {
        serde_json::from_str::<Client>(text).map_err(|error| error.to_string())?.checked()
    }

    #[test]
    fn a_file_has_commands_for_one_and_for_all() {
        let client = parsed(
            r#"{"schema": "wamedia-client/1", "name": "x", "commands": {"*": ["get", "{out} x", "{id}"], "a": ["b", "{out}"]},
                "known_failures": [{"cases": ["flip-1", "a/stall-1"], "reason": "r", "issue": "i", "expires": "2027-01-01"}]}"#,
        )
        .expect("readable");
        assert_eq!(client.command("a"), Some(&["b".to_owned(), "{out}".to_owned()][..]));
        let values = [("out", "a b"), ("id", "$(rm)")];
        assert_eq!(filled(client.command("other").expect("for all"), &values), ["get", "a b x", "$(rm)"]);
        assert!(client.known("a", "stall-1").is_some() && client.known("b", "stall-1").is_none());
        assert!(client.known("b", "flip-1").is_some() && client.known("b", "flip-2").is_none());
    }

    #[test]
    fn what_cannot_be_scored_is_refused() {
        for (text, part) in [
            (r#"{"schema": "wamedia-client/1", "name": "x", "commands": {}}"#, "no command"),
            (r#"{"schema": "wamedia-client/1", "name": "x", "commands": {"*": ["get"]}}"#, "{out}"),
            (r#"{"schema": "x", "name": "x", "commands": {"*": ["{out}"]}}"#, "schema"),
            (r#"{"schema": "wamedia-client/1", "name": "x", "comands": {}}"#, "comands"),
        ] {
            assert!(parsed(text).expect_err("refused").contains(part), "{text}");
        }
        let words = |text: &str| Client::from_words(vec![text.to_owned()], false);
        assert!(words("sh -c 'x {out}").expect_err("refused").contains("quote"));
        assert_eq!(words("sh -c 'x {out}'").expect("a line").command("any").map(<[_]>::len), Some(3));
        assert!(Client::from_words(vec!["driver".to_owned()], true).is_ok());
    }

    #[test]
    fn a_word_that_names_a_file_does_so_from_where_it_was_written() {
        let words = ["./src/lib.rs", "src/lib.rs", "lib.rs", "{out}"].map(ToOwned::to_owned).to_vec();
        let client = Client::from_words(words, false).expect("a command");
        let words = client.command("any").expect("a command");
        assert!(words[..2].iter().all(|word| Path::new(word).is_absolute()), "{words:?}");
        assert_eq!(words[2..], ["lib.rs", "{out}"], "there is no such file here");
    }
}
