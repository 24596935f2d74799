//! Command lines of clients, and which rows each is known to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::report::{cases, name};
use crate::{Outcome, PROVIDERS, root};

/// The command lines of one client.
#[derive(Debug, Default)]
pub(super) struct Commands {
    pub(super) name: String,
    /// Words by provider, placeholders included.
    lines: BTreeMap<String, Vec<String>>,
    /// Rows that it must fail, `stall-1`, or `meta/stall-1` for one provider; none: nothing is said.
    fails: Option<BTreeSet<String>>,
}

impl Commands {
    /// A command line, or the name of a file that holds some: `provider: command`, a command for all,
    /// `fails: ROW ROW`, and comments.
    pub(super) fn read(client: &str) -> Result<Self, String> {
        let file = Path::new(client);
        if file.is_file() {
            let text = fs::read_to_string(file).map_err(|error| format!("{client}: {error}"))?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Self::parse(&name, &text).map_err(|why| format!("{client}: {why}"));
        }
        let name = client.split_whitespace().next().unwrap_or_default();
        Self::parse(name, client)
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut commands = Self { name: name.to_owned(), ..Self::default() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (who, rest) = line.split_once(": ").unwrap_or(("", line));
            if who == "fails" {
                let rows = rest.split_whitespace().map(ToOwned::to_owned);
                commands.fails.get_or_insert_default().extend(rows);
                continue;
            }
            let one = PROVIDERS.contains(&who);
            let words = shlex::split(if one { rest } else { line }).ok_or("a quote is not closed")?;
            for provider in PROVIDERS.iter().filter(|provider| !one || **provider == who) {
                commands.lines.insert((*provider).to_owned(), words.clone());
            }
        }
        if commands.lines.values().any(|words| !words.iter().any(|word| word.contains("{out}"))) {
            return Err("a command without {out} stores nothing that could be looked at".to_owned());
        }
        if commands.lines.is_empty() { Err("there is no command in it".to_owned()) } else { Ok(commands) }
    }

    pub(super) fn of(&self, provider: &str) -> Option<&[String]> {
        self.lines.get(provider).map(Vec::as_slice)
    }

    /// The program, where all commands start with the same.
    pub(super) fn program(&self) -> Option<&str> {
        let first = self.lines.values().next()?.first()?;
        self.lines.values().all(|words| words.first() == Some(first)).then_some(first.as_str())
    }

    /// Fails for a row that failed without being listed, and for a listed row that passed.
    pub(super) fn judge(&self, reports: &[Value]) -> Outcome {
        let nothing = BTreeSet::new();
        let fails = self.fails.as_ref().unwrap_or(&nothing);
        let mut problems = Vec::new();
        for report in reports {
            for case in cases(report) {
                let row = case["case"].as_str().unwrap_or_default();
                let listed = fails.contains(row) || fails.contains(&format!("{}/{row}", name(report)));
                match (case["outcome"] == "fail", listed) {
                    (true, false) => problems.push(format!("{} {row} failed", name(report))),
                    (false, true) => problems.push(format!(
                        "{} {row} passed, although the client is known to fail it; take it out of the list",
                        name(report)
                    )),
                    _ => {}
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(format!("{}: {}", self.name, problems.join("\n  "))) }
    }
}

/// Puts values in the places of a command's words. A value is never split or read by a shell.
pub(super) fn filled(words: &[String], values: &[(&str, &str)]) -> Vec<String> {
    let fill = |word: &String| {
        values.iter().fold(word.clone(), |word, (key, value)| word.replace(&format!("{{{key}}}"), value))
    };
    words.iter().map(fill).collect()
}

/// Where `wamedia` was built; other programs are looked up as usual.
pub(super) fn program(word: &str) -> String {
    if word == "wamedia" {
        return root().join("target/debug/wamedia").display().to_string();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_has_commands_for_one_and_for_all() {
        let text = "# a comment\nget '{out} x' {id}\nmeta: other {out}\nfails: flip-1 meta/stall-1\n";
        let commands = Commands::parse("x", text).expect("readable");
        assert_eq!(commands.of("meta"), Some(&["other".to_owned(), "{out}".to_owned()][..]));
        let whapi = commands.of("whapi").expect("the command for all");
        let values = [("out", "a b"), ("id", "$(rm)")];
        assert_eq!(filled(whapi, &values), ["get", "a b x", "$(rm)"]);
        assert_eq!(commands.program(), None);
        for (text, part) in [("", "no command"), ("get {id}", "{out}"), ("get '{out}", "quote")] {
            assert!(Commands::parse("x", text).expect_err("refused").contains(part));
        }
    }

    #[test]
    fn unlisted_failures_and_listed_passes_are_told() {
        let commands = Commands::parse("x", "a {out}\nfails: flip-1 meta/stall-1\n").expect("readable");
        let report = |provider: &str, flip: &str, stall: &str| {
            json!({ "subject": { "name": provider }, "cases": [
                { "case": "flip-1", "outcome": flip }, { "case": "stall-1", "outcome": stall }] })
        };
        assert_eq!(
            commands.judge(&[report("meta", "fail", "fail"), report("whapi", "fail", "pass")]),
            Ok(())
        );
        let why = commands.judge(&[report("whapi", "pass", "fail")]).expect_err("both are told");
        assert!(why.contains("flip-1 passed") && why.contains("stall-1 failed"), "{why}");
    }
}
