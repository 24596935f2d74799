//! How many mutations of the engine the simulation finds without being told.

use wamedia_transfer::Mutation;

use crate::Outcome;

/// How many worlds each mutation gets.
const WORLDS: u64 = 500;
/// Of a hundred mutations, so many must be found.
const GOAL_PERCENT: usize = 80;

/// The number of the first world that fails, with the failure, among so many worlds.
pub(super) type FirstFailure = Result<Option<(u64, String)>, String>;

/// Tries all mutations, and prints a table. `search` looks for the first failure.
pub(crate) fn run(seed: u64, worlds: Option<u64>, search: impl Fn(u64) -> FirstFailure) -> Outcome {
    let worlds = worlds.unwrap_or(WORLDS);
    println!("seed {seed}, at most {worlds} worlds for each mutation");
    println!("{:<24} {:>6}  failure", "mutation", "world");
    let mut found = 0;
    for mutation in Mutation::ALL {
        let name = format!("{mutation:?}");
        match with(*mutation, || search(worlds))? {
            Some((number, failure)) => {
                found += 1;
                println!("{name:<24} {:>6}  {failure}", number + 1);
            }
            None => println!("{name:<24} {:>6}  {}", "-", mutation.what().trim()),
        }
    }
    let all = Mutation::ALL.len();
    println!("{found} of {all} mutations were found");
    if found * 100 < all * GOAL_PERCENT {
        return Err(format!("fewer than {GOAL_PERCENT} % of the mutations were found"));
    }
    Ok(())
}

/// What `search` gives while the engine has this mutation.
pub(super) fn with(mutation: Mutation, search: impl FnOnce() -> FirstFailure) -> FirstFailure {
    Mutation::activate(Some(mutation));
    let found = search();
    Mutation::activate(None);
    found
}
