//! The least compiler that is declared, and other targets: what can be had here is checked, and the rest is named.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{Outcome, PROVIDERS, clean, package, root, step};

/// Where only deliveries are read: no client, no runtime and no clock of the system.
const DELIVERIES: (&str, &str) = ("wasm32-unknown-unknown", "http,preflight,serde");
/// Where everything is, but TLS, whose C code needs a compiler for that target.
const WHOLE: [(&str, &str); 2] = [
    ("x86_64-pc-windows-msvc", "client,http,metrics,object_store,preflight,serde"),
    ("aarch64-apple-darwin", "client,http,metrics,object_store,preflight,serde"),
];

/// Checks all of them, also after one that fails.
pub(crate) fn run() -> Outcome {
    let mut outcome = least_compiler();
    let installed = lines(&["target", "list", "--installed"]);
    for (target, features) in [DELIVERIES].into_iter().chain(WHOLE) {
        if !installed.contains(target) {
            println!("skipped: the target {target} is not installed");
            continue;
        }
        let features = format!("{},{features}", PROVIDERS.join(","));
        let arguments = ["check", "--locked", "-p", "wamedia", "--no-default-features", "--target", target];
        let mut command = crate::cargo(&arguments);
        let checked = step(&format!("the facade for {target}"), command.args(["--features", &features]));
        outcome = outcome.and(checked);
    }
    outcome
}

/// Every package compiles with the version that it declares.
fn least_compiler() -> Outcome {
    let packages = package::packages()?;
    let versions: BTreeSet<_> =
        packages.iter().filter_map(|package| package["rust_version"].as_str()).collect();
    let toolchains = lines(&["toolchain", "list"]);
    for version in versions {
        let Some(toolchain) = toolchains.iter().find(|toolchain| is_of(toolchain, version)) else {
            println!("skipped: no toolchain {version} is installed");
            continue;
        };
        // Not the cargo that started this task.
        let mut check = Command::new("rustup");
        check.args(["run", toolchain, "cargo", "check", "--locked", "--all-features"]);
        check.current_dir(root()).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
        clean(&mut check);
        for package in packages.iter().filter(|package| package["rust_version"] == version) {
            check.args(["-p", package["name"].as_str().unwrap_or_default()]);
        }
        step(&format!("every package with Rust {version}"), &mut check)?;
    }
    Ok(())
}

/// Whether `1.88.0-x86_64-unknown-linux-gnu` or `1.88-x86_64-unknown-linux-gnu` is of the version 1.88.
fn is_of(toolchain: &str, version: &str) -> bool {
    let name = toolchain.split('-').next().unwrap_or_default();
    name == version || name.strip_prefix(version) == Some(".0")
}

/// What rustup says, the first word of each line; nothing where there is no rustup.
fn lines(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new("rustup").args(arguments).current_dir(root()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_toolchain_is_of_its_version_alone() {
        for name in ["1.88", "1.88.0", "1.88-x86_64-unknown-linux-gnu", "1.88.0-aarch64-apple-darwin"] {
            assert!(is_of(name, "1.88"), "{name}");
        }
        for name in ["1.8", "1.880", "1.89.0-x86_64-unknown-linux-gnu", "stable-x86_64-unknown-linux-gnu"] {
            assert!(!is_of(name, "1.88"), "{name}");
        }
    }
}
