//! Everything that every change must pass.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::package::metadata;
use crate::{
    Outcome, PROVIDERS, cargo, conformance, counts, fixtures, mutations, package, root, simulate, spelling,
    step, tidy,
};

pub(crate) fn run() -> Outcome {
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    // Not members of the workspace, so that nothing of ours changes how it is built.
    for name in ["raw", "counts"] {
        let manifest = root().join(format!("xtask/{name}/Cargo.toml")).display().to_string();
        let what = format!("formatting of {name}");
        step(&what, &mut cargo(&["fmt", "--check", "--manifest-path", &manifest]))?;
    }
    step(
        "lints",
        &mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    spelling::run()?;
    println!("== fixtures");
    fixtures::check()?;
    tests()?;
    conformance::run(&conformance::Options::default())?;
    mutations::run(false)?;
    println!("== simulation");
    simulate::run(&simulate::Options::default())?;
    for client in ["wamedia", "curl"] {
        println!("== {client} from outside");
        let file = root().join("conformance/clients").join(client).with_extension("json");
        let client = Some(file);
        conformance::run(&conformance::Options { client, ..conformance::Options::default() })?;
    }
    third_party()?;
    examples()?;
    deny()?;
    for provider in PROVIDERS {
        let package = format!("wamedia-{provider}");
        step(&format!("{package} alone"), &mut cargo(&["check", "--locked", "-p", &package]))?;
        let features = format!("wamedia/{provider}");
        let arguments = ["clippy", "--locked", "-p", "wamedia", "-p", &package, "--no-default-features"];
        let mut command = cargo(&arguments);
        command.args(["--features", &features, "--", "-D", "warnings"]);
        step(&format!("deliveries of {provider} alone"), &mut command)?;
    }
    step(
        "documentation",
        cargo(&["doc", "--workspace", "--all-features", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    counts::run(&counts::Options::default())?;
    println!("== packages");
    package::list()?;
    println!("== tidy");
    tidy::run()?;
    println!("everything passed");
    Ok(())
}

/// A crate outside the workspace runs the suite with its own client, fixtures and snapshots.
fn third_party() -> Outcome {
    let folder = root().join("conformance/examples/third-party");
    let manifest = folder.join("Cargo.toml").display().to_string();
    step("a third party's formatting", &mut cargo(&["fmt", "--check", "--manifest-path", &manifest]))?;
    let arguments =
        ["test", "--locked", "--manifest-path", &manifest, "--target-dir", "target", "--", "--quiet"];
    step("a third party's provider", cargo(&arguments).env("INSTA_WORKSPACE_ROOT", &folder))
}

/// Example programs with databases and web frameworks, which the workspace does not depend on.
fn examples() -> Outcome {
    for name in ["endpoints", "scaling-out"] {
        let manifest =
            root().join(format!("crates/wamedia/examples/{name}/Cargo.toml")).display().to_string();
        let what = format!("the example {name}");
        step(&format!("{what}: formatting"), &mut cargo(&["fmt", "--check", "--manifest-path", &manifest]))?;
        let arguments =
            ["test", "--locked", "--manifest-path", &manifest, "--target-dir", "target", "--quiet"];
        step(&what, &mut cargo(&arguments))?;
    }
    Ok(())
}

/// Licences and sources of all dependencies, where cargo-deny is installed.
fn deny() -> Outcome {
    if !cargo(&["deny", "--version"]).output().is_ok_and(|output| output.status.success()) {
        println!("== cargo-deny is not installed: licences and sources are not checked");
        return Ok(());
    }
    step("licences and sources", &mut cargo(&["deny", "check", "bans", "licenses", "sources"]))
}

/// The test target of a provider that runs the suite. `conformance` runs them, and reads their reports.
const SUITE: &str = "conformance";

/// By nextest where it is installed, else by cargo; documentation tests by cargo either way.
fn tests() -> Outcome {
    let nextest = cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    if nextest {
        let others = format!("not binary({SUITE})");
        let arguments = ["nextest", "run", "--workspace", "--locked", "-E", &others, "--no-fail-fast"];
        step("tests", &mut cargo(&arguments))?;
    } else {
        // Cargo can name targets, but not leave one out.
        let mut tests = cargo(&["test", "--workspace", "--locked", "--lib", "--bins", "--no-fail-fast"]);
        for name in integration_tests(&metadata()?) {
            tests.args(["--test", &name]);
        }
        step("tests", &mut tests)?;
    }
    step("documentation tests", &mut cargo(&["test", "--workspace", "--locked", "--doc"]))
}

/// The names of every package's integration tests, without the suite's.
fn integration_tests(metadata: &Value) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    let names = tests.filter_map(|target| target["name"].as_str());
    names.filter(|name| *name != SUITE).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::integration_tests;

    #[test]
    fn every_integration_test_is_named_but_the_suite() {
        let metadata = serde_json::json!({"packages": [
            {"targets": [{"kind": ["lib"], "name": "one"}, {"kind": ["test"], "name": "rules"}]},
            {"targets": [{"kind": ["test"], "name": "conformance"}, {"kind": ["test"], "name": "hostile"}]},
            {"targets": [{"kind": ["bench"], "name": "parse"}, {"kind": ["test"], "name": "rules"}]},
        ]});
        assert!(integration_tests(&metadata).iter().eq(["hostile", "rules"]));
    }
}
