//! The programs of the behavioural suite, one per provider.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::patches::Scratch;
use crate::{cargo, root};

/// Builds the suites of all providers at once, whichever is asked for: so the crates below them are built with one set
/// of features, that of the other tests.
pub(crate) fn build() -> Result<BTreeMap<String, PathBuf>, String> {
    let arguments = [
        "test",
        "--workspace",
        "--locked",
        "--no-run",
        "--quiet",
        "--test",
        "conformance",
        "--message-format=json-render-diagnostics",
    ];
    let output = cargo(&arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("the suite does not build".to_owned());
    }
    Ok(programs(&output.stdout))
}

/// Builds the suite of one provider in a scratch copy; an error is what the compiler says.
pub(crate) fn build_in(scratch: &Scratch, provider: &str) -> Result<PathBuf, String> {
    let package = format!("wamedia-{provider}");
    let mut command = scratch.cargo(&["test", "--locked", "--no-run", "--quiet", "--test", "conformance"]);
    command.args(["-p", &package, "--message-format=json-render-diagnostics"]);
    let output = command.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    programs(&output.stdout).remove(provider).ok_or_else(|| format!("the suite of {provider} was not built"))
}

/// The programs in the messages of cargo, by provider.
fn programs(messages: &[u8]) -> BTreeMap<String, PathBuf> {
    let mut programs = BTreeMap::new();
    for line in String::from_utf8_lossy(messages).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(program), Some(manifest)) =
            (message["executable"].as_str(), message["manifest_path"].as_str())
        else {
            continue;
        };
        let folder = Path::new(manifest).parent().and_then(Path::file_name).unwrap_or_default();
        if let Some(provider) = folder.to_string_lossy().strip_prefix("wamedia-") {
            programs.insert(provider.to_owned(), PathBuf::from(program));
        }
    }
    programs
}

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Whether there is a crate of this provider, with a suite.
pub(crate) fn exists(provider: &str) -> bool {
    root().join(format!("crates/wamedia-{provider}/tests/conformance.rs")).is_file()
}

/// The suite of a provider, to be run as cargo would run it.
pub(crate) fn command(provider: &str, program: &Path) -> Command {
    command_in(&root(), provider, program)
}

/// The same in a copy of the workspace.
pub(crate) fn command_in(sources: &Path, provider: &str, program: &Path) -> Command {
    let mut command = Command::new(program);
    crate::clean(&mut command);
    command.current_dir(sources.join(format!("crates/wamedia-{provider}")));
    command.env("INSTA_WORKSPACE_ROOT", sources);
    command
}
