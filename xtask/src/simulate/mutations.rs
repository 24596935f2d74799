//! How many mutations of the engine the simulation finds without being told.

use std::env::consts::EXE_SUFFIX;
use std::process::Command;

use crate::patches::{self, Patch, Scratch};
use crate::{Outcome, clean};

/// What a line begins with that has the number of the first world that fails, and how it fails.
pub(super) const FIRST_FAILURE: &str = "first failing world ";
/// The line that says that none fails.
pub(super) const NO_FAILURE: &str = "no failing world";

/// How many worlds each mutation gets.
const WORLDS: u64 = 500;
/// Of a hundred mutations, so many must be found.
const GOAL_PERCENT: usize = 80;
/// The mutations, as patches.
pub(crate) const PATCHES: &str = "simulation";

/// Tries all mutations, or one, and prints a table.
pub(crate) fn run(seed: u64, worlds: Option<u64>, only: Option<&str>) -> Outcome {
    let worlds = worlds.unwrap_or(WORLDS);
    let all = patches::load(PATCHES)?;
    let wanted: Vec<_> = all.iter().filter(|patch| only.is_none_or(|only| only == patch.name)).collect();
    if wanted.is_empty() {
        let names: Vec<_> = all.iter().map(|patch| patch.name.as_str()).collect();
        return Err(format!("there is no such mutation; there are {}", names.join(", ")));
    }
    let scratch = Scratch::new("mutated")?;
    println!("seed {seed}, at most {worlds} worlds for each mutation");
    println!("{:<24} {:>6}  failure", "mutation", "world");
    let mut found = 0;
    for patch in &wanted {
        match first_failure(&scratch, patch, seed, worlds)? {
            Some((number, failure)) => {
                found += 1;
                println!("{:<24} {:>6}  {failure}", patch.name, number + 1);
            }
            None => println!("{:<24} {:>6}  {}", patch.name, "-", patch.what),
        }
    }
    println!("{found} of {} mutations were found", wanted.len());
    if found * 100 < wanted.len() * GOAL_PERCENT {
        return Err(format!("fewer than {GOAL_PERCENT} % of the mutations were found"));
    }
    Ok(())
}

/// The number of the first world that fails with this mutation, and how it fails.
fn first_failure(
    scratch: &Scratch,
    patch: &Patch,
    seed: u64,
    worlds: u64,
) -> Result<Option<(u64, String)>, String> {
    let output = scratch.with(patch, || {
        build(scratch, patch)?;
        simulate(scratch, patch, seed, worlds)
    })?;
    parse(&output).ok_or_else(|| format!("{}: the simulation ended without a result", patch.name))
}

fn build(scratch: &Scratch, patch: &Patch) -> Outcome {
    let output = scratch.cargo(&["build", "--quiet", "--package", "xtask"]).output();
    let output = output.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} does not compile:\n{errors}", patch.name))
}

/// What the broken build prints.
fn simulate(scratch: &Scratch, patch: &Patch, seed: u64, worlds: u64) -> Result<String, String> {
    let mut command = Command::new(scratch.build.join("debug").join(format!("xtask{EXE_SUFFIX}")));
    command.current_dir(&scratch.sources).args(["simulate", "--first", "--driver", "engine"]);
    command.args(["--worlds", &worlds.to_string(), "--seed", &seed.to_string()]);
    clean(&mut command);
    let output = command.output().map_err(|error| format!("{}: {error}", patch.name))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: the simulation cannot run: {errors}", patch.name))
}

/// The result in the output of a simulation, if there is one.
#[expect(clippy::option_option, reason = "no result is not the result that no world fails")]
fn parse(output: &str) -> Option<Option<(u64, String)>> {
    output.lines().find_map(|line| {
        if line == NO_FAILURE {
            return Some(None);
        }
        let (number, failure) = line.strip_prefix(FIRST_FAILURE)?.split_once(": ")?;
        Some(Some((number.parse().ok()?, failure.to_owned())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_fits_one_place_of_the_sources() {
        let problems = patches::problems(&patches::load(PATCHES).unwrap());
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    #[test]
    fn the_result_is_a_line_of_the_output() {
        assert_eq!(parse("seed 1, 2 worlds\n"), None);
        assert_eq!(parse(&format!("seed 1\n{NO_FAILURE}\n")), Some(None));
        let line = format!("seed 1\n{FIRST_FAILURE}17: bytes: lost: all\n");
        assert_eq!(parse(&line), Some(Some((17, "bytes: lost: all".to_owned()))));
    }
}
