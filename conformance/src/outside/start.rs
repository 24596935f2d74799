//! One start of a client for a download: what is asked of it, and what was seen.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wamedia_core::Sha256;

use super::driver;
use super::environment::{Environment, Launcher, Running, finish, spawn};
use super::row::{How, Observation, Row};

/// A program that is not done by then is killed, and its row has failed; longer where even a good file takes long.
const LIMIT: Duration = Duration::from_secs(15);
/// When a row that kills does so: long enough to be in the body.
const KILL_AFTER: Duration = Duration::from_millis(1_500);
const OLD: &[u8] = b"an older file of the same name";

/// How long things may take, from what the client needed for a good file on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) whole: Duration,
    kill_after: Duration,
}

impl Limits {
    pub(super) fn of(control: Duration) -> Self {
        Self { whole: LIMIT.max(control * 20), kill_after: KILL_AFTER.max(control * 3) }
    }
}

/// Runs one row.
pub(super) async fn one(
    provider: &str,
    row: &Row,
    launcher: &Launcher,
    limits: Limits,
) -> Result<Observation, String> {
    let at_row = |error: std::io::Error| format!("{provider} {}: {error}", row.case());
    let environment = Environment::new(provider, launcher.client.plain_http).await.map_err(at_row)?;
    let out = environment.folder.join("media.jpg");
    if row.how == How::Exists {
        fs::write(&out, OLD).map_err(at_row)?;
    }
    // A plain id is the first that the sandbox has; it and the names of faults differ from provider to provider.
    let id = match environment.info.media.first() {
        Some(first) if row.id == "1001" => first.id.clone(),
        _ => environment.sandbox.media_id(provider, &row.id),
    };
    // An id that the sandbox does not know has no right bytes.
    let right = environment.sandbox.object(provider, &id).await.map(|(_, bytes)| bytes).unwrap_or_default();
    let (digest, size, target) =
        (Sha256::of(&right).to_hex(), right.len().to_string(), out.display().to_string());
    let request =
        launcher.client.driver.then(|| driver::fetch(&environment, &id, &digest, right.len(), &out));
    let values = [("id", &*id), ("out", &*target), ("sha256", &*digest), ("size", &*size)];
    let mut command =
        environment.command(launcher, &values).ok_or("there is no command for this provider")?;
    let mut children = vec![spawn(&mut command, request.as_slice())?];
    if row.how == How::Twice {
        children.push(spawn(&mut command, request.as_slice())?);
    }
    let mut observation =
        watch(&environment, children, row.how, launcher.client.driver, limits).await.map_err(at_row)?;
    // What it sent last is in the log a moment later.
    sleep(Duration::from_millis(20)).await;
    observation.is_there = fs::symlink_metadata(&out).is_ok();
    observation.is_right = holds(&out, &right);
    observation.is_untouched = holds(&out, OLD);
    // A killed program may leave what it can recognise and remove later, not what looks finished.
    if row.how != How::Kill {
        observation.strays = environment.strays(&out);
    }
    observation.requests = environment.sandbox.requests().len();
    observation.leaks = environment.sandbox.leaks().len();
    observation.forbidden = environment.sandbox.forbidden_host_connections();
    environment.sandbox.shutdown().await;
    Ok(observation)
}

/// Waits for programs to end, and kills them where they do not.
async fn watch(
    environment: &Environment,
    children: Vec<Running>,
    how: How,
    is_driver: bool,
    limits: Limits,
) -> std::io::Result<Observation> {
    let begun = Instant::now();
    let limit = if how == How::Kill { limits.kill_after } else { limits.whole };
    let mut observation = Observation { ended: true, ..Observation::default() };
    for child in children {
        let Some(output) = finish(child, limit.saturating_sub(begun.elapsed())).await? else {
            observation.ended = how == How::Kill;
            continue;
        };
        observation.shown |= environment.shows_secret(&output);
        observation.said = last_line(&output.stderr);
        observation.exits.push(if is_driver {
            let answer = driver::answers(&output).into_iter().next();
            observation.not_offered |= answer.as_ref().is_some_and(|answer| answer["offered"] == false);
            answer.map(|answer| i32::from(answer["ok"] != true))
        } else {
            output.status.code()
        });
    }
    observation.ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(observation)
}

/// Whether a file has exactly these bytes. What is no plain file, or has another length, is not read.
fn holds(file: &Path, bytes: &[u8]) -> bool {
    let is_as_long = |data: fs::Metadata| data.is_file() && data.len() == bytes.len() as u64;
    fs::symlink_metadata(file).is_ok_and(is_as_long) && fs::read(file).is_ok_and(|have| have == bytes)
}

/// What a program said last, on one line and not too long.
fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use wamedia_core::Clock as _;
    use wamedia_provider::SystemClock;
    use wamedia_sandbox::{Options, Sandbox};

    use super::*;
    use crate::outside::Client;
    use crate::outside::rows;

    fn row(case: &str) -> Row {
        rows().expect("rows").into_iter().find(|row| row.case() == case).expect("a row of this name")
    }

    fn launcher(script: &str) -> Launcher {
        let words = ["sh", "-c", script, "sh", "{out}"].map(ToOwned::to_owned).to_vec();
        let client = Client::from_words(words, false).expect("a command");
        Launcher { client: Arc::new(client), path: None }
    }

    fn limits() -> Limits {
        Limits::of(Duration::ZERO)
    }

    fn some_provider(sandbox: &Sandbox) -> String {
        sandbox.providers().first().expect("a provider").name.to_owned()
    }

    async fn one(row: &Row, script: &str) -> Result<Observation, String> {
        let sandbox = Sandbox::start(Options::new(Arc::new(|| SystemClock.now()))).await.expect("it starts");
        super::one(&some_provider(&sandbox), row, &launcher(script), limits()).await
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_what_it_started_and_the_next_row_runs() {
        let mut kill = row("kill:drip-2");
        kill.how = How::Kill;
        let observation = one(&kill, "sleep 600 & wait").await.expect("it runs");
        assert!(observation.exits.is_empty() && observation.ms < 10_000, "{observation:?}");
        let observation = one(&row("flip-1"), "exit 7").await.expect("the next one runs");
        assert_eq!((observation.exits, observation.is_there), (vec![Some(7)], false));
    }

    #[tokio::test]
    async fn what_it_leaves_and_prints_is_seen() {
        let script = "env | grep TEST- ; test -s \"$SSL_CERT_FILE\" || exit 3; : > \"$1.part\"; : > ../../escaped; printf old > \"$1\"";
        let observation = one(&row("flip-1"), script).await.expect("it runs");
        assert!(observation.shown && observation.is_there && !observation.is_right, "{observation:?}");
        assert_eq!(
            (observation.strays, observation.exits),
            (vec!["media.jpg.part".to_owned(), "escaped".to_owned()], vec![Some(0)])
        );
        let words = vec!["no-such-program".to_owned(), "{out}".to_owned()];
        let client = Arc::new(Client::from_words(words, false).expect("a command"));
        let sandbox = Sandbox::start(Options::new(Arc::new(|| SystemClock.now()))).await.expect("it starts");
        let launcher = Launcher { client, path: None };
        let why = super::one(&some_provider(&sandbox), &row("flip-1"), &launcher, limits())
            .await
            .expect_err("no program");
        assert!(why.contains("no-such-program"), "{why}");
    }
}
