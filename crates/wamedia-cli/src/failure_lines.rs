//! The lines of JSON of a command that failed as a whole.

use wamedia::MediaRef;

use crate::args::{Cli, Command};
use crate::exit::{self, Failure};
use crate::output;
use crate::reference::short;

/// The lines of JSON of a command that failed as a whole: one for each reference or file that was named.
pub(crate) struct FailureLines {
    key: &'static str,
    subjects: Vec<String>,
    is_beside_bytes: bool,
}

impl FailureLines {
    /// What is to be told in JSON if the command fails as a whole; `None` for commands that are about no reference
    /// and no file, and without `--json`.
    pub(crate) fn of(cli: &Cli) -> Option<Self> {
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let (json, key, subjects) = match &cli.command {
            Command::Get(args) => match args.webhook.as_ref() {
                Some(file) => (args.common.json, "file", vec![file.clone()]),
                None => (args.common.json, "ref", args.refs.clone()),
            },
            Command::Info(args) => (args.common.json, "ref", vec![args.media.clone()]),
            Command::Explain(args) => (args.common.json, "ref", vec![args.media.clone()]),
            Command::Rm(args) => (args.common.json, "ref", args.refs.clone()),
            Command::Ls(args) => (args.common.json, "ref", Vec::new()),
            Command::Inbound(args) => (args.common.json, "file", vec![args.file.clone()]),
            Command::Put(args) => {
                (args.common.json, "file", args.files.iter().map(|file| path(file)).collect())
            }
            Command::Check(args) => (args.common.json, "file", vec![path(&args.file)]),
            _ => return None,
        };
        let is_beside_bytes = match &cli.command {
            Command::Get(args) => args.output.as_deref().is_some_and(|path| path.as_os_str() == "-"),
            _ => false,
        };
        json.then_some(Self { key, subjects, is_beside_bytes })
    }

    pub(crate) fn print(&self, failure: &Failure) {
        let error = exit::failure_json(failure);
        let subjects = self.subjects.iter().map(|subject| {
            let shown = if self.key == "ref" { as_reference(subject) } else { subject.clone() };
            // A pasted link, or a credential, is not repeated.
            let is_private = output::is_link(subject) || output::may_be_secret(&shown);
            (!is_private).then_some(shown)
        });
        let subjects: Vec<_> = if self.subjects.is_empty() { vec![None] } else { subjects.collect() };
        for subject in subjects {
            let line = serde_json::json!({ self.key: subject, "outcome": "failed", "error": error });
            // Whoever does not read these lines learns the same from standard error.
            let _ = if self.is_beside_bytes { output::json_error(&line) } else { output::json(&line) };
        }
    }
}

/// A reference as it is printed elsewhere. Of one that is none, what follows `?` may be anything.
fn as_reference(text: &str) -> String {
    let media = text.parse::<MediaRef>();
    media.map_or_else(|_| text.split('?').next().unwrap_or_default().to_owned(), |media| short(&media))
}
