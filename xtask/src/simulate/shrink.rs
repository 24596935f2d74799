//! Makes a failing world small: first as its strategy knows, then by taking parts out of its JSON form.

use proptest::strategy::ValueTree;
use serde_json::Value;
use wamedia_conformance::simulation::World;

/// The most worlds that one shrinking runs.
const MAX_RUNS: u32 = 1_500;

/// The smallest world that was found to fail in the same way, which `fails` decides.
pub(crate) fn shrink(tree: &mut dyn ValueTree<Value = World>, fails: &dyn Fn(&World) -> bool) -> World {
    let mut best = tree.current();
    let mut runs = 0;
    if tree.simplify() {
        loop {
            runs += 1;
            let smaller = tree.current();
            let more = if fails(&smaller) {
                best = smaller;
                tree.simplify()
            } else {
                tree.complicate()
            };
            if !more || runs > MAX_RUNS / 3 {
                break;
            }
        }
    }
    reduce(best, fails, &mut runs)
}

/// Takes parts out as long as the world still fails.
fn reduce(world: World, fails: &dyn Fn(&World) -> bool, runs: &mut u32) -> World {
    let Ok(mut best) = serde_json::to_value(&world) else { return world };
    let mut smallest = world;
    loop {
        let mut paths = Vec::new();
        collect(&best, &mut Vec::new(), &mut paths);
        let mut progress = false;
        for path in paths {
            for change in [Change::Remove, Change::Zero, Change::Halve, Change::Decrement] {
                if *runs >= MAX_RUNS {
                    return smallest;
                }
                let mut candidate = best.clone();
                if !apply(&mut candidate, &path, change) || candidate == best {
                    continue;
                }
                let Ok(world) = serde_json::from_value::<World>(candidate.clone()) else { continue };
                if world == smallest {
                    best = candidate;
                    continue;
                }
                *runs += 1;
                if fails(&world) {
                    (best, smallest, progress) = (candidate, world, true);
                    break;
                }
            }
        }
        if !progress {
            return smallest;
        }
    }
}

#[derive(Clone, Copy)]
enum Change {
    Remove,
    Zero,
    Halve,
    Decrement,
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// All places in a value, containers before what they contain, the last items of arrays first.
fn collect(value: &Value, at: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    if !at.is_empty() {
        out.push(at.clone());
    }
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                at.push(Step::Key(key.clone()));
                collect(inner, at, out);
                at.pop();
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate().rev() {
                at.push(Step::Index(index));
                collect(inner, at, out);
                at.pop();
            }
        }
        _ => {}
    }
}

fn apply(value: &mut Value, path: &[Step], change: Change) -> bool {
    let Some((last, before)) = path.split_last() else { return false };
    let mut place = value;
    for step in before {
        let inner = match step {
            Step::Key(key) => place.get_mut(key),
            Step::Index(index) => place.get_mut(index),
        };
        let Some(inner) = inner else { return false };
        place = inner;
    }
    if let Change::Remove = change {
        return match (place, last) {
            (Value::Object(map), Step::Key(key)) => map.remove(key).is_some(),
            (Value::Array(items), Step::Index(index)) if *index < items.len() => {
                items.remove(*index);
                true
            }
            _ => false,
        };
    }
    let target = match last {
        Step::Key(key) => place.get_mut(key),
        Step::Index(index) => place.get_mut(index),
    };
    let Some(target) = target else { return false };
    let Some(number) = target.as_i64() else { return false };
    let smaller = match change {
        Change::Zero => 0,
        Change::Halve => number / 2,
        _ => number - number.signum(),
    };
    *target = smaller.into();
    smaller != number
}

/// A world as JSON, without what is as it is by default.
pub(crate) fn compact(world: &World) -> Result<String, String> {
    let mut value = serde_json::to_value(world).map_err(|error| error.to_string())?;
    loop {
        let mut paths = Vec::new();
        collect(&value, &mut Vec::new(), &mut paths);
        let removed = paths.iter().any(|path| {
            if let Some(Step::Index(_)) = path.last() {
                return false;
            }
            let mut candidate = value.clone();
            let same = apply(&mut candidate, path, Change::Remove)
                && serde_json::from_value::<World>(candidate.clone()).is_ok_and(|other| other == *world);
            if same {
                value = candidate;
            }
            same
        });
        if !removed {
            break;
        }
    }
    serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(|error| error.to_string())
}
