//! The program driver: the built `wamedia` against the scripted server, in real time.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;
use wamedia_conformance::simulation::{
    Advice, CallerClaims, Client, Destination, IfExists, JobTrace, Mismatch, ScriptedReply, SizeClaim,
    Success, Trace, VerifiedBy, Violation, World, WorldEvent,
};
use wamedia_core::Sha256;

use super::adapter::leaks;
use super::folder::Folder;
use super::provider::Shared;
use super::provider::TOKEN;
use super::wire;
use crate::{Outcome, cargo, root, step};

/// Attempts take real time.
const MAX_ATTEMPTS: u32 = 3;
/// The longest pause of a server in milliseconds.
const MAX_PAUSE_MS: u32 = 20;
/// The program waits so long for the next byte.
const IDLE_SECONDS: &str = "3";
/// A run that takes longer is stopped.
const MAX_RUN: Duration = Duration::from_secs(120);

/// The exit code of each kind of error, by `CLI.md`.
const EXIT_CODES: [(i32, &[&str]); 8] = [
    (3, &["not_found", "expired", "not_ready", "unavailable"]),
    (4, &["unauthorized", "forbidden"]),
    (5, &["integrity", "unexpected_content", "decode"]),
    (6, &["rate_limited"]),
    (7, &["transport", "timeout", "upstream"]),
    (8, &["unsupported", "invalid_request"]),
    (9, &["refused", "too_large"]),
    (10, &["local"]),
];
/// The exit code of different failures.
const SEVERAL: i32 = 1;

/// Builds the program, once.
pub(crate) fn build() -> Outcome {
    static BUILT: OnceLock<Outcome> = OnceLock::new();
    let build = || step("the program", &mut cargo(&["build", "--quiet", "--locked", "-p", "wamedia-cli"]));
    BUILT.get_or_init(build).clone()
}

/// The world as the program can be run in it: what its flags can say, and quick enough for real time.
pub(crate) fn adapted(world: &World) -> World {
    let mut world = world.clone();
    // It takes its settings for these two, and the system's clock.
    (world.server.provider, world.server.link_seconds, world.clock) = (0, None, None);
    let mut world = wire::adapted(&world);
    let client = &mut world.client;
    if client.destination != Destination::Folder {
        world.objects.truncate(1);
    }
    let is_one = world.objects.len() == 1;
    for object in &mut world.objects {
        object.signed = false;
        if !is_one {
            object.caller = CallerClaims::default();
        }
        if matches!(object.caller.size, SizeClaim::Huge(_)) {
            // The program refuses a size that nothing can have before it asks for anything.
            object.caller.size = SizeClaim::Absent;
        }
        for reply in &mut object.open {
            match reply {
                ScriptedReply::Body(body) => body.pause_ms = body.pause_ms.min(MAX_PAUSE_MS),
                ScriptedReply::Fail(failure) => hurried(&mut failure.retry),
                ScriptedReply::Redirect(_) => {}
            }
        }
        object.resolve.iter_mut().flatten().for_each(|failure| hurried(&mut failure.retry));
    }
    *client = Client {
        destination: match client.destination {
            Destination::Memory | Destination::ObjectStore => Destination::Writer,
            other => other,
        },
        deadline_ms: None,
        disk_room: None,
        max_attempts: client.max_attempts.min(MAX_ATTEMPTS),
        // The program has no flags for these.
        max_renewals: Client::default().max_renewals,
        ..*client
    };
    if world.event != WorldEvent::Again {
        world.event = WorldEvent::None;
    }
    world
}

fn hurried(advice: &mut Advice) {
    if let Advice::After(ms) = advice {
        *ms %= 1_000;
    }
}

/// Runs a world, and gives what only a program can violate as well.
pub(crate) fn run(world: &World) -> Result<(Trace, Vec<Violation>), String> {
    build()?;
    let shared = Shared::new(world.clone(), wire::provider_name(world));
    let folder = Folder::new(&shared).map_err(|error| format!("cannot make a folder: {error}"))?;
    let mut trace = Trace {
        planted: folder.planted.clone(),
        before: folder.entries(),
        remembers: world.client.manifest,
        wire: true,
        program: true,
        ..Trace::default()
    };
    let mut violations = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot make a runtime: {error}"))?;
    let runs = if world.event == WorldEvent::Again { 2 } else { 1 };
    for run in 0..runs {
        if run > 0 {
            trace.between = Some(folder.entries());
        }
        let ran = runtime.block_on(one_run(&shared, run, &folder.path()))?;
        judge(&shared, run, &folder.path(), &ran, &mut trace, &mut violations);
    }
    trace.requests = shared.requests();
    trace.leaks.append(&mut shared.state().sent_elsewhere);
    trace.after = folder.entries();
    trace.outside_changed = folder.outside_changed();
    Ok((trace, violations))
}

/// What one run of the program gave.
struct Ran {
    output: Output,
    elapsed: Duration,
}

async fn one_run(shared: &Arc<Shared>, run: usize, folder: &Path) -> Result<Ran, String> {
    let (server, current, origins) = wire::start(shared)?;
    current.store(run, std::sync::atomic::Ordering::Relaxed);
    let list = folder.with_file_name("references.jsonl");
    fs::write(&list, references(shared)).map_err(|error| error.to_string())?;
    let prefix = format!("WAMEDIA_{}", shared.name.to_uppercase());
    let mut command = Command::new(root().join("target/debug/wamedia"));
    command
        .args(arguments(shared))
        .arg(&list)
        .env_clear()
        .env("HOME", "nowhere")
        .env(format!("{prefix}_TOKEN"), TOKEN)
        .env(format!("{prefix}_BASE_URL"), &origins.api)
        .env(format!("{prefix}_CONTENT_ORIGINS"), format!("{},{}", origins.api, origins.other))
        .current_dir(folder)
        .kill_on_drop(true);
    let started = Instant::now();
    let output = tokio::time::timeout(MAX_RUN, command.output()).await;
    let output = output.map_err(|_| format!("the program ran for more than {} s", MAX_RUN.as_secs()))?;
    let output = output.map_err(|error| format!("cannot run the program: {error}"))?;
    drop(server);
    fs::remove_file(&list).map_err(|error| error.to_string())?;
    Ok(Ran { output, elapsed: started.elapsed() })
}

/// The references as `inbound --json` prints them.
fn references(shared: &Shared) -> String {
    let line = |(index, object): (usize, &wamedia_conformance::simulation::Object)| {
        let (said, first) = (&object.webhook, shared.version(index, 0));
        let line = json!({
            "item": "media",
            "ref": format!("{}:object-{index}", shared.name),
            "kind": said.kind,
            "mime": said.mime,
            "size_bytes": said.size.of(first.len()),
            "sha256": said.sha256.text(first),
            "name": said.name,
        });
        format!("{line}\n")
    };
    shared.world.objects.iter().enumerate().map(line).collect()
}

fn arguments(shared: &Shared) -> Vec<String> {
    let World { objects, client, .. } = &shared.world;
    let mut out = vec!["get".to_owned(), "--json".to_owned()];
    let mut option = |name: &str, value: String| out.extend([format!("--{name}"), value]);
    match client.destination {
        Destination::Folder => option("dir", ".".to_owned()),
        Destination::File => option("output", objects[0].target.clone()),
        Destination::Memory | Destination::Writer | Destination::ObjectStore => {
            option("output", "-".to_owned());
        }
    }
    if let [object] = objects.as_slice() {
        let first = shared.version(0, 0);
        object.caller.size.of(first.len()).into_iter().for_each(|size| option("size", size.to_string()));
        object.caller.sha256.of(first).into_iter().for_each(|digest| option("sha256", digest.to_hex()));
    }
    client.max_bytes.into_iter().for_each(|max| option("max-bytes", max.to_string()));
    let exists = match client.exists {
        IfExists::Refuse => "refuse",
        IfExists::Keep => "keep",
        IfExists::Replace => "replace",
    };
    let mismatch = match client.mismatch {
        Mismatch::Reject => "reject",
        Mismatch::Quarantine => "quarantine",
        Mismatch::Record => "record",
    };
    option("exists", exists.to_owned());
    option("on-mismatch", mismatch.to_owned());
    option("max-attempts", client.max_attempts.max(1).to_string());
    option("concurrency", client.many.unwrap_or(1).max(1).to_string());
    option("idle-timeout", IDLE_SECONDS.to_owned());
    option("first-byte-timeout", IDLE_SECONDS.to_owned());
    let is_folder = client.destination == Destination::Folder;
    out.extend((is_folder && !client.manifest).then(|| "--no-manifest".to_owned()));
    out.extend(client.resume_partial.then(|| "--resume".to_owned()));
    out.push("--from".to_owned());
    out
}

/// Makes jobs of what the program printed, and checks its exit code and its output.
fn judge(
    shared: &Shared,
    run: usize,
    folder: &Path,
    ran: &Ran,
    trace: &mut Trace,
    violations: &mut Vec<Violation>,
) {
    let mut violate = |clue, detail: String| {
        violations.push(Violation { oracle: "program", clue, detail: format!("run {}: {detail}", run + 1) });
    };
    let errors = String::from_utf8_lossy(&ran.output.stderr).into_owned();
    let code = ran.output.status.code().unwrap_or(-1);
    trace.leaks.extend(leaks(&errors).then(|| errors.clone()));
    let mut jobs = Vec::new();
    if shared.world.client.destination == Destination::Writer {
        let stored = bytes::Bytes::from(ran.output.stdout.clone());
        let outcome = match code {
            0 => Ok(success(stored.clone(), None, &Value::Null)),
            code => Err((kind_of(code).to_owned(), errors.clone())),
        };
        let elapsed = ran.elapsed;
        jobs.push(JobTrace {
            run,
            object: 0,
            outcome: Some(outcome),
            written: Some(stored),
            held: None,
            elapsed,
        });
    } else {
        let text = String::from_utf8_lossy(&ran.output.stdout).into_owned();
        trace.leaks.extend(leaks(&text).then(|| text.clone()));
        for line in text.lines() {
            match job(run, folder, ran.elapsed, line) {
                Some(job) => jobs.push(job),
                None => violate("a line of the output is not what the documentation says", line.to_owned()),
            }
        }
        let mut seen: Vec<_> = jobs.iter().map(|job| job.object).collect();
        seen.sort_unstable();
        if seen != (0..shared.world.objects.len()).collect::<Vec<_>>() {
            violate("not one line for each reference", format!("{seen:?}; {errors}"));
        }
        let kinds = jobs.iter().filter_map(|job| job.outcome.as_ref()?.as_ref().err());
        let mut codes: Vec<_> = kinds.map(|(kind, _)| code_of(kind)).collect();
        codes.sort_unstable();
        codes.dedup();
        let expected = match codes.as_slice() {
            [] => 0,
            [code] => *code,
            _ => SEVERAL,
        };
        if code != expected {
            violate("another exit code", format!("{code} and not {expected}; {errors}"));
        }
    }
    if code != 0 && errors.trim().is_empty() {
        violate("a failure without a message", format!("exit code {code}"));
    }
    trace.jobs.extend(jobs);
}

fn code_of(kind: &str) -> i32 {
    EXIT_CODES.iter().find(|(_, kinds)| kinds.contains(&kind)).map_or(SEVERAL, |(code, _)| *code)
}

/// A kind with this exit code.
fn kind_of(code: i32) -> &'static str {
    EXIT_CODES.iter().find(|(other, _)| *other == code).map_or("other", |(_, kinds)| kinds[0])
}

/// The job that a line tells of.
fn job(run: usize, folder: &Path, elapsed: Duration, line: &str) -> Option<JobTrace> {
    let line: Value = serde_json::from_str(line).ok()?;
    let object = line["ref"].as_str()?.rsplit_once("object-")?.1.parse().ok()?;
    let outcome = match line["outcome"].as_str()? {
        "failed" => {
            let error = &line["error"];
            Err((error["kind"].as_str()?.to_owned(), error["message"].as_str()?.to_owned()))
        }
        "stored" | "kept" => {
            let path = Path::new(line["path"].as_str()?);
            let stored = fs::read(folder.join(path)).ok()?;
            let path = path.strip_prefix(".").unwrap_or(path).to_string_lossy().into_owned();
            Ok(success(stored.into(), Some(path), &line))
        }
        _ => return None,
    };
    Some(JobTrace { run, object, outcome: Some(outcome), written: None, held: None, elapsed })
}

fn success(stored: bytes::Bytes, path: Option<String>, line: &Value) -> Success {
    let count = |name: &str| line[name].as_u64().unwrap_or_default();
    let digest = line["sha256"].as_str().and_then(|text| Sha256::from_hex(text).ok());
    let by = line["declared"]["source"].as_str().unwrap_or_default().to_owned();
    Success {
        stored,
        path,
        kept: line["outcome"] == "kept",
        receipt: line["bytes"].as_u64().zip(digest),
        verified: match line["verified"].as_str() {
            Some("digest") => VerifiedBy::Digest(by),
            Some("length") => VerifiedBy::Length(by),
            _ => VerifiedBy::None,
        },
        differences: line["differences"].as_array().map_or(0, Vec::len),
        requests: u32::try_from(count("requests")).unwrap_or(u32::MAX),
        received: 0,
        resumes: u32::try_from(count("resumes")).unwrap_or(u32::MAX),
        shown: String::new(),
    }
}
