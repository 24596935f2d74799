//! Mutation testing of the product by cargo-mutants: whatever is changed in the code that moves bytes and secrets, a
//! test must notice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, cargo, root, step};

/// The version that reports are made with.
const VERSION: &str = "26.0.0";
/// The files that hold bytes and secrets together. No mutant of them survives, except those that
/// `conformance/SURVIVORS.md` names with the reason.
const CRITICAL: [&str; 8] = [
    "crates/wamedia-core/src/digest.rs",
    "crates/wamedia-provider/src/body.rs",
    "crates/wamedia-provider/src/credential.rs",
    "crates/wamedia-provider/src/origin.rs",
    "crates/wamedia-provider/src/redirect.rs",
    "crates/wamedia-transfer/src/expected.rs",
    "crates/wamedia-transfer/src/names.rs",
    "crates/wamedia-transfer/src/state.rs",
];
/// Where a sample is taken from.
const SAMPLED: [&str; 9] = [
    "crates/wamedia-core/src/**",
    "crates/wamedia-provider/src/**",
    "crates/wamedia-transfer/src/**",
    "crates/wamedia-*/src/error.rs",
    "crates/wamedia-*/src/requests.rs",
    "crates/wamedia-*/src/responses.rs",
    "crates/wamedia-*/src/client.rs",
    "crates/wamedia-*/src/sign.rs",
    "crates/wamedia-*/src/webhook.rs",
];
/// The list of survivors that are right to survive.
const SURVIVORS: &str = "conformance/SURVIVORS.md";

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only what this branch changes, against `main`
    #[arg(long, conflicts_with = "sample")]
    in_diff: bool,
    /// About so many mutants of the whole product, in place of all of the critical files
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Which sample
    #[arg(long, default_value_t = 1, requires = "sample")]
    seed: usize,
}

/// Runs the mutants and fails when one survives that is not on the list, or when a sample finds less than 95 %.
pub(crate) fn run(options: &Options) -> Outcome {
    install()?;
    let output = root().join("target/mutants");
    let mut command = mutants(&output);
    command.args(["--test-tool=nextest", "--timeout=120"]);
    if options.in_diff {
        command.arg("--in-diff").arg(diff(&output)?);
    }
    let Some(wanted) = options.sample else {
        command.args(CRITICAL.into_iter().flat_map(|file| ["--file", file]));
        command.args(["--", "--lib", "-E", &own_tests()]);
        return Found::by(&mut command, &output)?.judge(false);
    };
    command.args(SAMPLED.into_iter().flat_map(|file| ["--file", file]));
    command.args(shard(wanted.max(1), options.seed)?);
    command.args(["--", "-E", "not binary(conformance)"]);
    let mut found = Found::by(&mut command, &output)?;
    if !found.missed.is_empty() {
        found.try_everything()?;
    }
    found.judge(true)
}

fn mutants(output: &Path) -> Command {
    let mut command = cargo(&["mutants", "--all-features", "--output"]);
    command.arg(output);
    command
}

/// What became of the mutants.
struct Found {
    caught: Vec<String>,
    timeout: Vec<String>,
    missed: Vec<String>,
}

impl Found {
    fn by(command: &mut Command, output: &Path) -> Result<Self, String> {
        // The exit code says that something survived; what it was decides.
        let status = command.status().map_err(|error| format!("cargo mutants cannot be started: {error}"))?;
        println!("cargo mutants: {status}");
        let lines = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(output.join("mutants.out").join(name)).unwrap_or_default();
            text.lines().map(ToOwned::to_owned).collect()
        };
        let found =
            Self { caught: lines("caught.txt"), timeout: lines("timeout.txt"), missed: lines("missed.txt") };
        if found.tried() == 0 { Err("no mutant was tried".to_owned()) } else { Ok(found) }
    }

    fn tried(&self) -> usize {
        self.caught.len() + self.timeout.len() + self.missed.len()
    }

    /// Every test of the workspace, suites among them, for what survived the fast tests of its package.
    fn try_everything(&mut self) -> Outcome {
        let output = root().join("target/mutants-everything");
        let mut command = mutants(&output);
        command.args(["--test-tool=cargo", "--test-workspace=true", "--timeout=600"]);
        for mutant in &self.missed {
            command.arg("--examine-re").arg(format!("^{}$", literal(mutant)));
        }
        let again = Self::by(&mut command, &output)?;
        if again.tried() != self.missed.len() {
            return Err(format!("{} of {} mutants were tried again", again.tried(), self.missed.len()));
        }
        self.caught.extend(again.caught);
        self.timeout.extend(again.timeout);
        self.missed = again.missed;
        Ok(())
    }

    /// Compares what survived with the list, and prints the counts.
    fn judge(&self, is_sample: bool) -> Outcome {
        let path = root().join(SURVIVORS);
        let accepted = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let unknown: Vec<&String> =
            self.missed.iter().filter(|mutant| !is_accepted(&accepted, mutant)).collect();
        println!(
            "{} mutants: {} caught, {} timed out, {} survived, of which {} are not on the list",
            self.tried(),
            self.caught.len(),
            self.timeout.len(),
            self.missed.len(),
            unknown.len()
        );
        for mutant in &unknown {
            println!("survived: {mutant}");
        }
        let caught = self.caught.len() + self.timeout.len();
        let is_enough = if is_sample { caught * 100 >= self.tried() * 95 } else { unknown.is_empty() };
        if is_enough { Ok(()) } else { Err("too many mutants survived".to_owned()) }
    }
}

/// A text as a regular expression that means nothing but itself.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn install() -> Outcome {
    let installed = cargo(&["mutants", "--version"]).output();
    if installed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERSION)) {
        return Ok(());
    }
    step("cargo-mutants", &mut cargo(&["install", "cargo-mutants", "--locked", "--version", VERSION]))
}

/// The tests inside the critical files, as a filter of nextest: they take seconds, and catch every mutant without the
/// help of slower ones.
fn own_tests() -> String {
    let modules = CRITICAL.map(|file| file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rs"));
    format!("test(/^({})::/)", modules.join("|"))
}

/// Every k-th mutant, beginning with the seed: a sample that can be taken again.
fn shard(wanted: usize, seed: usize) -> Result<Vec<String>, String> {
    let files = SAMPLED.into_iter().flat_map(|file| ["--file", file]);
    let listed = cargo(&["mutants", "--list"]).args(files).output();
    let listed = listed.map_err(|error| format!("cargo mutants cannot list: {error}"))?;
    let all = String::from_utf8_lossy(&listed.stdout).lines().count();
    let every = (all / wanted).max(1);
    println!("{all} mutants, of which every {every}th from number {}", seed % every);
    Ok(vec!["--sharding=round-robin".to_owned(), format!("--shard={}/{every}", seed % every)])
}

/// The changes since the branch left `main`, as a file.
fn diff(output: &Path) -> Result<PathBuf, String> {
    let changed = Command::new("git").args(["diff", "main...HEAD"]).current_dir(root()).output();
    let changed = changed.map_err(|error| format!("git cannot be started: {error}"))?;
    fs::create_dir_all(output).map_err(|error| format!("{}: {error}", output.display()))?;
    let path = output.join("changes.diff");
    fs::write(&path, changed.stdout).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Whether the list has the mutant. Lines and columns move, so they do not count: a row of the list is the file and
/// what is changed.
fn is_accepted(list: &str, mutant: &str) -> bool {
    let Some((file, rest)) = mutant.split_once(':') else { return false };
    let change = rest.splitn(3, ':').nth(2).unwrap_or(rest).trim();
    list.lines().any(|line| line.contains(&format!("`{file}`")) && line.contains(&format!("`{change}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_critical_files_are_there_and_have_tests_of_their_own() {
        for file in CRITICAL {
            let text = std::fs::read_to_string(root().join(file)).unwrap();
            assert!(text.contains("mod tests"), "{file}");
        }
        let filter = own_tests();
        assert!(filter.starts_with("test(/^(digest|body|") && filter.ends_with("|state)::/)"), "{filter}");
    }

    #[test]
    fn the_name_of_a_mutant_means_itself() {
        let name = "a/b.rs:1:2: replace * with + in <impl X>::f -> Option<u8>";
        let want = r"a/b\.rs:1:2: replace \* with \+ in <impl X>::f \-> Option<u8>";
        assert_eq!(literal(name), want);
    }

    #[test]
    fn a_row_of_the_list_is_the_file_and_the_change() {
        let list = "| `a/b.rs` | `replace > with >= in f` | why |";
        assert!(is_accepted(list, "a/b.rs:12:7: replace > with >= in f"));
        assert!(!is_accepted(list, "a/c.rs:12:7: replace > with >= in f"));
        assert!(!is_accepted(list, "a/b.rs:12:7: replace > with == in f"));
    }
}
