//! How many mutations of the engine the simulation finds without being told.

use wamedia_transfer::Mutation;

use super::{Kinds, Options, search};
use crate::Outcome;

/// How many worlds each mutation gets.
const WORLDS: u64 = 500;
/// Of a hundred mutations, so many must be found.
const GOAL_PERCENT: usize = 80;

/// Tries all mutations, and prints a table.
pub(crate) fn run(options: &Options) -> Outcome {
    let worlds = options.worlds.unwrap_or(WORLDS);
    println!("seed {}, at most {worlds} worlds for each mutation", options.seed);
    println!("{:<24} {:>6}  failure", "mutation", "world");
    let mut found = 0;
    for mutation in Mutation::ALL {
        let name = format!("{mutation:?}");
        let kinds = with(*mutation, options, worlds)?;
        match kinds.iter().min_by_key(|(_, failure)| failure.first) {
            Some(((oracle, clue), failure)) => {
                found += 1;
                println!("{name:<24} {:>6}  {oracle}: {clue}", failure.first + 1);
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

/// The failures with one mutation, up to the first.
fn with(mutation: Mutation, options: &Options, worlds: u64) -> Result<Kinds, String> {
    Mutation::activate(Some(mutation));
    let found = search(&Options { keep_going: false, ..options.clone() }, worlds);
    Mutation::activate(None);
    found.map(|(kinds, _)| kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_worlds_find_mutations() {
        let few = [
            Mutation::TotalForgotten,
            Mutation::CommitsUnverified,
            Mutation::TemporaryFileLeft,
            Mutation::NeverRetries,
            Mutation::HeldByteLost,
        ];
        super::super::engine::catch_panics();
        for mutation in few {
            let kinds = with(mutation, &Options::default(), 500).unwrap();
            assert!(!kinds.is_empty(), "{mutation:?} was not found");
        }
    }
}
