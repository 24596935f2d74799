//! The least versions of dependencies that the requirements allow: everything compiles with them too.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, cargo, root, step};

/// Checks a copy of the repository, since its lock file stays on the newest versions.
pub(crate) fn run() -> Outcome {
    let copy = root().join("target/minimal-versions");
    copy_to(&copy)?;
    let inside = |arguments: &[&str]| {
        let mut command = cargo(arguments);
        // The resolver's option is not stable; nothing else that is unstable is used.
        command.current_dir(&copy).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_DIR", root().join("target/minimal"));
        command
    };
    step("the least versions", &mut inside(&["generate-lockfile", "-Z", "direct-minimal-versions"]))?;
    let check = ["check", "--workspace", "--exclude", "xtask", "--all-features", "--locked"];
    step("everything compiles with them", inside(&check).env_remove("RUSTC_BOOTSTRAP"))
}

/// Copies what git knows, in its present state, without the lock file.
fn copy_to(copy: &Path) -> Outcome {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let listed = listed.map_err(|error| format!("git cannot be started: {error}"))?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let _ = fs::remove_dir_all(copy);
    for name in names.split('\0').filter(|name| !name.is_empty() && *name != "Cargo.lock") {
        let (from, to) = (root().join(name), copy.join(name));
        let made = to.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::copy(&from, &to).map(|_| ()))
            .map_err(|error| format!("{}: {error}", from.display()))?;
    }
    Ok(())
}
