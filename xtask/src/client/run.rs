//! One row: a sandbox, a folder, the program, and what was seen of it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use wamedia_core::{Clock as _, Sha256};
use wamedia_provider::SystemClock;
use wamedia_sandbox::{Options, ProviderInfo, Sandbox};

use super::command::{filled, program};
use super::row::{How, Row, Seen};
use crate::root;

/// A program that is not done by then is killed, and its row has failed; longer where even a good file takes long.
const LIMIT: Duration = Duration::from_secs(15);
/// When a row that kills does so: long enough to be in the body.
const KILL_AFTER: Duration = Duration::from_millis(1_500);
const OLD: &[u8] = b"an older file of the same name";

/// How long things may take, from what the client needed for a good file on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    limit: Duration,
    kill_after: Duration,
}

impl Pace {
    pub(super) fn of(control: Duration) -> Self {
        Self { limit: LIMIT.max(control * 20), kill_after: KILL_AFTER.max(control * 3) }
    }
}

/// Runs one row.
pub(super) async fn one(provider: &str, row: &Row, words: &[String], pace: Pace) -> Result<Seen, String> {
    let at_row = |error: std::io::Error| format!("{provider} {}: {error}", row.case());
    let sandbox = Sandbox::start(Options::new(Arc::new(|| SystemClock.now()))).await.map_err(at_row)?;
    let info = sandbox.provider(provider).ok_or_else(|| format!("the sandbox has no {provider}"))?.clone();
    let outer = tempfile::tempdir().map_err(at_row)?;
    let folder = outer.path().join("a/b");
    fs::create_dir_all(&folder).map_err(at_row)?;
    let out = folder.join("media.jpg");
    if row.how == How::Exists {
        fs::write(&out, OLD).map_err(at_row)?;
    }
    let right = right_bytes(&info, row)?;
    // A plain id is the first that the sandbox has; it and the names of faults differ from provider to provider.
    let id = match info.media.first() {
        Some(first) if row.id == "1001" => first.id.clone(),
        _ => sandbox.media_id(provider, &row.id),
    };
    let mut command = command(&info, &id, words, &right, &out);
    let started = Instant::now();
    let limit = if row.how == How::Kill { pace.kill_after } else { pace.limit };
    let mut children = vec![command.spawn().map_err(|error| format!("{}: {error}", words[0]))?];
    if row.how == How::Twice {
        children.push(command.spawn().map_err(at_row)?);
    }
    let mut seen = Seen { ended: true, ..Seen::default() };
    for child in children {
        match finish(child, limit.saturating_sub(started.elapsed())).await.map_err(at_row)? {
            Some(output) => {
                seen.exits.push(output.status.code());
                seen.shown |= shows_secret(&output, &info);
            }
            None => seen.ended = row.how == How::Kill,
        }
    }
    seen.ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    // What it sent last is in the log a moment later.
    sleep(Duration::from_millis(20)).await;
    let bytes = fs::read(&out).ok();
    seen.is_there = bytes.is_some();
    seen.is_right = bytes.as_ref() == Some(&right);
    seen.is_untouched = bytes.as_deref() == Some(OLD);
    // A killed program may leave what it can recognise and remove later, not what looks finished.
    if row.how != How::Kill {
        seen.strays = strays(outer.path(), &out);
    }
    seen.requests = sandbox.requests().len();
    seen.leaks = sandbox.leaks().len();
    seen.forbidden = sandbox.forbidden_host_connections();
    sandbox.shutdown().await;
    Ok(seen)
}

/// What the fault's id stands for: the sandbox's first photo, but for the bomb.
fn right_bytes(info: &ProviderInfo, row: &Row) -> Result<Vec<u8>, String> {
    let file =
        if row.fault == "bomb" { "crates/wamedia-sandbox/src/bomb.gz" } else { "fixtures/media/photo.jpg" };
    let bytes = fs::read(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
    let first = info.media.first().map(|media| media.sha256_hex.clone()).unwrap_or_default();
    if row.fault != "bomb" && Sha256::of(&bytes).to_hex() != first {
        return Err(format!("{file} is not the sandbox's first photo any more"));
    }
    Ok(bytes)
}

fn command(info: &ProviderInfo, id: &str, words: &[String], right: &[u8], out: &Path) -> Command {
    let (digest, size) = (Sha256::of(right).to_hex(), right.len().to_string());
    let words = filled(
        words,
        &[
            ("base", &info.base_url),
            ("content", info.content_origins.first().map_or("", String::as_str)),
            ("provider", info.name),
            ("id", id),
            ("out", &out.display().to_string()),
            ("sha256", &digest),
            ("size", &size),
        ],
    );
    let mut command = Command::new(program(&words[0]));
    command.args(&words[1..]).env_clear().envs(info.env.iter().cloned());
    command.env("PATH", env::var_os("PATH").unwrap_or_default()).env("HOME", out.with_file_name("no-home"));
    command.current_dir(out.parent().unwrap_or(out));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A group of its own, so that what it started is killed with it.
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// What it printed and how it ended; none when it had to be killed.
async fn finish(child: Child, limit: Duration) -> std::io::Result<Option<Output>> {
    let id = child.id();
    if let Ok(output) = timeout(limit, child.wait_with_output()).await {
        return output.map(Some);
    }
    // The child itself is killed by being dropped; this is for its children.
    if let (true, Some(id)) = (cfg!(unix), id) {
        let group = format!("-{id}");
        let killed = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().await;
        drop(killed);
    }
    Ok(None)
}

fn shows_secret(output: &Output, info: &ProviderInfo) -> bool {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    info.env.iter().any(|(_, value)| value.starts_with("TEST-") && text.contains(value.as_str()))
}

fn strays(outer: &Path, out: &Path) -> Vec<String> {
    let all: Vec<PathBuf> = crate::files::files(outer);
    let stray = all.into_iter().filter(|path| path != out);
    stray.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::files::read_json;

    fn row(case: &str) -> Row {
        let rows = Row::all(&read_json(&root().join("fixtures/faults.json")).expect("JSON")).expect("rows");
        rows.into_iter().find(|row| row.case() == case).expect("a row of this name")
    }

    fn pace() -> Pace {
        Pace::of(Duration::ZERO)
    }

    fn words(script: &str) -> Vec<String> {
        ["sh", "-c", script, "sh", "{out}"].map(ToOwned::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_what_it_started_and_the_next_row_runs() {
        let mut kill = row("kill:drip-2");
        kill.how = How::Kill;
        let seen = one("meta", &kill, &words("sleep 600 & wait"), pace()).await.expect("it runs");
        assert!(seen.exits.is_empty() && seen.ms < 10_000, "{seen:?}");
        let seen = one("meta", &row("flip-1"), &words("exit 7"), pace()).await.expect("the next one runs");
        assert_eq!((seen.exits, seen.is_there), (vec![Some(7)], false));
    }

    #[tokio::test]
    async fn what_it_leaves_and_prints_is_seen() {
        let script = "echo \"$WAMEDIA_META_TOKEN\"; : > \"$1.part\"; : > ../../escaped; printf old > \"$1\"";
        let seen = one("meta", &row("flip-1"), &words(script), pace()).await.expect("it runs");
        assert!(seen.shown && seen.is_there && !seen.is_right, "{seen:?}");
        assert_eq!(seen.strays, ["media.jpg.part", "escaped"]);
        assert!(one("meta", &row("flip-1"), &["no-such-program".to_owned()], pace()).await.is_err());
    }
}
