//! What this program and the tests both depend on is built once for both: with the same features.

use std::collections::{BTreeMap, BTreeSet};

use crate::cargo;

/// The features that each package is built with; a package for the host and for the target may have two sets.
type Builds = BTreeMap<String, BTreeSet<String>>;

/// A problem for every dependency that a run of all checks would build once for this program and once for the tests.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let of =
        |arguments: &[&str]| Ok::<_, String>(builds(&tree(&[&["--format", "{p}|{f}"], arguments].concat())?));
    let ours = of(&["-p", "xtask", "-e", "normal,build"])?;
    let tests = of(&["--workspace", "-e", "normal,build,dev"])?;
    Ok(twice(&ours, &tests))
}

/// The dependencies that cargo would build, a line each.
pub(crate) fn tree(arguments: &[&str]) -> Result<String, String> {
    let mut command = cargo(&["tree", "--locked", "--prefix", "none"]);
    let output = command.args(arguments).output().map_err(|error| error.to_string())?;
    if !output.status.success() || output.stdout.is_empty() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn builds(tree: &str) -> Builds {
    let mut builds = Builds::new();
    for line in tree.lines() {
        let Some((package, features)) = line.split_once('|') else { continue };
        let features = features.trim_end_matches(" (*)").to_owned();
        builds.entry(package.to_owned()).or_default().insert(features);
    }
    builds
}

fn twice(ours: &Builds, tests: &Builds) -> Vec<String> {
    let mut problems = Vec::new();
    for (package, features) in ours {
        let Some(in_tests) = tests.get(package) else { continue };
        for only in features.difference(in_tests) {
            let others: Vec<&str> = in_tests.iter().map(String::as_str).collect();
            problems.push(format!(
                "{package} is built twice: for xtask with [{only}], for the tests with [{}]; \
                 turn the same features on in xtask/Cargo.toml",
                others.join("] and [")
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_only_the_tests_turn_on_is_found() {
        let ours = builds("one v1.0.0|std\ntwo v2.0.0|\n\nxtask v0.1.0 (/here)|\n");
        let tests = builds("one v1.0.0|std (*)\none v1.0.0|alloc,std\ntwo v2.0.0|derive (*)\n");
        let problems = twice(&ours, &tests);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0]
                .starts_with("two v2.0.0 is built twice: for xtask with [], for the tests with [derive]")
        );
        assert!(twice(&tests, &tests).is_empty());
    }
}
