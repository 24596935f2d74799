//! The oracles "clean" and "own file": what may be in the folder at the end.

use std::collections::{BTreeMap, BTreeSet};

use wamedia_core::Sha256;

use super::facts::Problems;
use super::{
    Destination, DigestClaim, Entry, ExistingFile, IfExists, JobTrace, Mismatch, PlantedRole, RequestWhat,
    SizeClaim, Success, Trace, World, WorldEvent,
};

/// Where the client keeps what is its own inside a folder.
const OWN_FOLDER: &str = ".wamedia";

pub(super) fn check(world: &World, trace: &Trace, problems: &mut Problems) {
    for path in &trace.outside_changed {
        problems.add("clean", "a file behind a link was changed", path);
    }
    if matches!(world.client.destination, Destination::Memory | Destination::Writer) {
        return;
    }
    untouched(world, trace, problems);
    nothing_left(world, trace, problems);
    for job in &trace.jobs {
        if let Some(Ok(success)) = &job.outcome {
            stored(world, trace, job, success, problems);
        }
    }
    if world.client.destination == Destination::Folder {
        told_apart(world, trace, problems);
    } else {
        occupied(world, trace, problems);
    }
    if world.event == WorldEvent::Again {
        again(world, trace, problems);
    }
}

fn targets(world: &World) -> BTreeSet<&str> {
    world.objects.iter().map(|object| object.target.as_str()).collect()
}

/// What lay there before is unchanged, unless its name was given and it was to be replaced.
fn untouched(world: &World, trace: &Trace, problems: &mut Problems) {
    let named = world.client.destination.is_named();
    let targets = targets(world);
    for planted in &trace.planted {
        let (before, after) = (trace.before.get(&planted.path), trace.after.get(&planted.path));
        if before == after {
            continue;
        }
        match &planted.role {
            PlantedRole::Foreign => {
                let may = named
                    && world.client.exists == IfExists::Replace
                    && targets.contains(planted.path.as_str());
                if !may {
                    problems.add("clean", "a file of the user was changed", &planted.path);
                }
            }
            PlantedRole::PartialOf(target) => {
                if !named || !targets.contains(target.as_str()) {
                    problems.add("clean", "the partial file of another target was touched", &planted.path);
                }
            }
        }
    }
}

/// The folder has no files but those that were there before and those that were stored.
fn nothing_left(world: &World, trace: &Trace, problems: &mut Problems) {
    let given: BTreeSet<&str> = trace
        .jobs
        .iter()
        .filter_map(|job| match &job.outcome {
            Some(Ok(success)) => success.path.as_deref(),
            _ => None,
        })
        .collect();
    let interrupted = trace.jobs.iter().any(|job| job.outcome.is_none());
    let shared_target = targets(world).len() < world.objects.len();
    let whole = |entry: &Entry| {
        let Entry::File(bytes) = entry else { return false };
        let mut versions =
            world.objects.iter().enumerate().flat_map(|(index, object)| object.versions(index));
        versions.any(|version| version == *bytes)
    };
    for (path, entry) in &trace.after {
        if trace.before.get(path) == Some(entry) || given.contains(path.as_str()) {
            continue;
        }
        let own = path.split('/').next() == Some(OWN_FOLDER);
        let partial = path.contains("part");
        let quarantine = world.client.mismatch == Mismatch::Quarantine && path.contains("quarantine");
        let fine = (own && !partial)
            || quarantine
            || (interrupted && !partial && whole(entry))
            || trace.before.contains_key(path);
        if fine {
            continue;
        }
        if partial && world.event.is_sudden() {
            // A second run whose target exists need not look for partial files.
            if !shared_target {
                problems.add("clean", "the run after a kill left a partial file", path);
            }
        } else {
            problems.add("clean", "something was left behind", path);
        }
    }
}

/// The file of a successful transfer exists and is whole.
fn stored(world: &World, trace: &Trace, job: &JobTrace, success: &Success, problems: &mut Problems) {
    let who = || format!("run {} object {}", job.run + 1, job.object);
    let Some(path) = &success.path else { return };
    let folder = world.client.destination == Destination::Folder;
    let entry = trace.after.get(path);
    let is_same = entry == Some(&Entry::File(success.stored.clone()));
    let shared =
        world.objects.iter().filter(|other| other.target == world.objects[job.object].target).count() > 1;
    let replaced = !folder && (shared || world.event.may_run_twice());
    // A later run may have replaced what this one stored, as asked.
    let swapped = folder
        && trace.remembers
        && world.client.exists == IfExists::Replace
        && world.event != WorldEvent::None
        && trace.jobs.iter().any(|other| {
            (other.run, other.object) != (job.run, job.object)
                && other.object == job.object
                && matches!(&other.outcome, Some(Ok(other)) if other.path == success.path)
        });
    if swapped {
        return;
    }
    if folder && !is_same {
        problems.add(
            "own file",
            "a file that was stored is gone or has other content",
            format!("{}: {path}", who()),
        );
    } else if !is_same && !replaced && !success.kept {
        problems.add("clean", "the file is not what was stored", format!("{}: {path}", who()));
    }
    let is_others = || {
        let outcomes = trace.jobs.iter().map(|other| other.outcome.as_ref());
        let others = outcomes.clone().filter_map(|outcome| outcome?.as_ref().ok());
        let mut stored = others.filter(|other| other.path == success.path).map(|other| &other.stored);
        // A run that was stopped may have stored it, too.
        stored.any(|stored| entry == Some(&Entry::File(stored.clone())))
            || outcomes.clone().any(|outcome| outcome.is_none())
    };
    if replaced && !is_same && !success.kept && !is_others() {
        problems.add("clean", "the file is none of those that were stored", format!("{}: {path}", who()));
    }
    if folder && success.kept {
        let versions = world.objects[job.object].versions(job.object);
        // What the first run accepted as the object may be kept.
        let mut before = trace.jobs.iter().filter(|other| other.run != job.run && other.object == job.object);
        let is_known =
            before.any(|other| matches!(&other.outcome, Some(Ok(before)) if before.stored == success.stored));
        if !versions.contains(&success.stored) && !is_known {
            problems.add(
                "own file",
                "another file was kept in place of the object",
                format!("{}: {path}", who()),
            );
        }
    }
}

/// Different objects in one folder are different files.
fn told_apart(world: &World, trace: &Trace, problems: &mut Problems) {
    let mut owners: BTreeMap<&str, (usize, &Success)> = BTreeMap::new();
    for job in &trace.jobs {
        let Some(Ok(success)) = &job.outcome else { continue };
        let Some(path) = success.path.as_deref() else { continue };
        if let Some((other, before)) = owners.insert(path, (job.object, success))
            && other != job.object
            && before.stored != success.stored
        {
            problems.add("own file", "two objects became one file", path);
        }
    }
    for job in &trace.jobs {
        if let Some(Err((kind, text))) = &job.outcome
            && kind == "local"
            && !may_be_recorded(world, trace)
            && world.client.disk_room.is_none()
        {
            problems.add("own file", "a name that was taken cost a file", text);
        }
    }
}

/// Whether another run may have recorded a reference, so that this run refuses it.
pub(super) fn may_be_recorded(world: &World, trace: &Trace) -> bool {
    trace.remembers && world.event.may_run_twice() && world.client.exists == IfExists::Refuse
}

/// An existing target is refused, kept or replaced, as asked.
fn occupied(world: &World, trace: &Trace, problems: &mut Problems) {
    if world.event.is_sudden() {
        return;
    }
    for job in trace.jobs.iter().filter(|job| job.run == 0) {
        let target = &world.objects[job.object].target;
        let taken = world.before.iter().any(|existing| {
            let object = match existing {
                ExistingFile::File(object) | ExistingFile::HardLink(object) => *object,
                _ => return false,
            };
            world.objects.get(usize::from(object)).is_some_and(|object| object.target == *target)
        });
        if !taken {
            continue;
        }
        let who = format!("object {}: {target}", job.object);
        match (&job.outcome, world.client.exists) {
            (Some(Ok(_)), IfExists::Refuse) => {
                problems.add("clean", "a name that is taken was not refused", who);
            }
            (Some(Ok(success)), IfExists::Keep) if !success.kept => {
                problems.add("clean", "a file that was to be kept was not kept", who);
            }
            _ => {}
        }
        if world.client.exists != IfExists::Replace && trace.requests_of(0, job.object).next().is_some() {
            problems.add("told", "something was requested although the name is taken", target);
        }
    }
}

/// The same command a second time changes nothing.
fn again(world: &World, trace: &Trace, problems: &mut Problems) {
    let folder = world.client.destination == Destination::Folder;
    let keeps = world.client.exists == IfExists::Keep && (!folder || trace.remembers);
    let shared_target = targets(world).len() < world.objects.len();
    if !keeps || (!folder && shared_target) {
        return;
    }
    let mut may_change = false;
    for job in trace.jobs.iter().filter(|job| job.run == 0 && matches!(job.outcome, Some(Ok(_)))) {
        let second = trace.jobs.iter().find(|other| other.run == 1 && other.object == job.object);
        let succeeded = second.is_some_and(|second| matches!(second.outcome, Some(Ok(_))));
        // Before its first request, the second run knows only the webhook, which the reply may have overruled. A
        // recorded mismatch is not the declared content either.
        let webhook = &world.objects[job.object].webhook;
        let records = world.client.mismatch == Mismatch::Record;
        let first = &world.objects[job.object].versions(job.object)[0];
        let was_replaced = matches!(&job.outcome, Some(Ok(before)) if before.stored != first);
        let is_misled = !folder
            && (records
                || was_replaced
                || webhook.size != SizeClaim::Right
                || webhook.sha256 == DigestClaim::Wrong);
        // What a run stored in spite of the caller's own digest is fetched again, and that may fail.
        let demands = &world.objects[job.object].caller;
        let is_demanded =
            |stored: &[u8]| demands.sha256.of(first).is_none_or(|want| want == Sha256::of(stored));
        let is_refetched =
            folder && records && matches!(&job.outcome, Some(Ok(before)) if !is_demanded(&before.stored));
        if !succeeded && !is_misled && !is_refetched {
            problems.add(
                "own file",
                "the second run failed where the first succeeded",
                job.object.to_string(),
            );
        }
        let fetched =
            trace.requests_of(1, job.object).any(|request| matches!(request.what, RequestWhat::Open { .. }));
        // A digest or a size that the caller demands, and that is not the recorded one, is fetched for again.
        let is_demanded = folder
            && records
            && (demands.sha256 == DigestClaim::Wrong
                || was_replaced
                || !matches!(demands.size, SizeClaim::Absent | SizeClaim::Right));
        let fetched = fetched && !is_demanded;
        may_change |= is_demanded;
        if fetched {
            problems.add("own file", "the second run fetched content again", job.object.to_string());
        }
    }
    let all = trace.jobs.iter().all(|job| matches!(job.outcome, Some(Ok(_))));
    if all && !may_change && trace.between.as_ref().is_some_and(|between| *between != trace.after) {
        problems.add("own file", "the second run changed the folder", "");
    }
}
