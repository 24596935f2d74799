//! Spelling, by `typos`; what it must not touch stands in the manifest of the workspace.

use std::path::PathBuf;
use std::process::Command;

use crate::{Outcome, clean, root, step};

/// Another version knows other words.
const PACKAGE: &str = "typos==1.52.0";

/// Checks the repository. Without the program, and where it cannot be installed, it says so.
pub(crate) fn run() -> Outcome {
    let Some(typos) = program() else {
        println!("skipped: {PACKAGE} is not installed, and cannot be");
        return Ok(());
    };
    step("spelling", Command::new(typos).args(["--format", "brief"]).current_dir(root()))
}

/// Installed below `target`, once.
fn program() -> Option<PathBuf> {
    let folder = root().join("target/tools").join(PACKAGE);
    let (pip, typos) = (folder.join("bin/pip"), folder.join("bin/typos"));
    if typos.is_file() {
        return Some(typos);
    }
    let succeeds = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    let mut venv = Command::new("python3");
    clean(venv.args(["-m", "venv"]).arg(&folder));
    let is_installed =
        succeeds(&mut venv) && succeeds(Command::new(pip).args(["install", "--quiet", PACKAGE]));
    is_installed.then_some(typos)
}
