//! Where a client is started: a sandbox and a folder that no other start has.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use wamedia_core::Clock as _;
use wamedia_provider::SystemClock;
use wamedia_sandbox::http1::{Transport, Wrap};
use wamedia_sandbox::{Options, ProviderInfo, Sandbox};

use super::client::{Client, filled};
use crate::tls;

/// So much of what a program prints is kept.
const OUTPUT_BYTES: usize = 1 << 20;

/// A client, and where its programs are looked for.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    pub(super) client: Arc<Client>,
    pub(super) path: Option<OsString>,
}

/// A sandbox and a folder that no other start has.
pub(super) struct Environment {
    pub(super) sandbox: Sandbox,
    pub(super) info: ProviderInfo,
    outer: tempfile::TempDir,
    pub(super) folder: PathBuf,
    ca: PathBuf,
}

impl Environment {
    pub(super) async fn new(provider: &str, plain_http: bool) -> std::io::Result<Self> {
        let mut options = Options::new(Arc::new(|| SystemClock.now()));
        if !plain_http {
            options = options.with_wrap(wrap());
        }
        let sandbox = Sandbox::start(options).await?;
        let unknown = || std::io::Error::other(format!("the sandbox has no {provider}"));
        let info = sandbox.provider(provider).ok_or_else(unknown)?.clone();
        let outer = tempfile::tempdir()?;
        let folder = outer.path().join("a/b");
        fs::create_dir_all(&folder)?;
        let ca = outer.path().join("ca.pem");
        fs::write(&ca, tls::root_pem())?;
        Ok(Self { sandbox, info, outer, folder, ca })
    }

    pub(super) fn ca_file(&self) -> &Path {
        &self.ca
    }

    /// A command of the client with test credentials, trust in the suite's authority, and nothing else but `PATH`.
    pub(super) fn command(&self, launcher: &Launcher, values: &[(&str, &str)]) -> Option<Command> {
        let words = launcher.client.command(self.info.name)?;
        let ca = self.ca.display().to_string();
        let content = self.info.content_origins.first().map_or("", String::as_str);
        let shared = [
            ("base", &*self.info.base_url),
            ("content", content),
            ("provider", self.info.name),
            ("ca", &*ca),
        ];
        let words = filled(words, &[values, &shared].concat());
        let (program, arguments) = words.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.info.env.iter().cloned());
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
            command.env(name, &self.ca);
        }
        let path = launcher.path.clone().or_else(|| env::var_os("PATH")).unwrap_or_default();
        command.env("PATH", path).env("HOME", self.folder.join("no-home")).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A group of its own, so that what it started is killed with it.
        #[cfg(unix)]
        command.process_group(0);
        Some(command)
    }

    /// Files that are neither this one nor the suite's own.
    pub(super) fn strays(&self, out: &Path) -> Vec<String> {
        let all = files(self.outer.path()).into_iter();
        let stray = all.filter(|path| path != out && *path != self.ca);
        stray.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect()
    }

    pub(super) fn shows_secret(&self, output: &Output) -> bool {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text);
        self.info.env.iter().any(|(_, value)| value.starts_with("TEST-") && text.contains(value.as_str()))
    }
}

/// TLS on every connection, for both of the sandbox's hosts.
pub(crate) fn wrap() -> Wrap {
    let acceptor = tls::acceptor(&["127.0.0.1".to_owned(), "127.0.0.2".to_owned()], tls::Certificate::Good);
    Arc::new(move |stream| {
        let accepted = acceptor.accept(stream);
        Box::pin(async move { Ok(Box::new(tls::Tls(Box::new(accepted.await?))) as Box<dyn Transport>) })
    })
}

/// A running program, and what it is still to be told.
pub(super) struct Running {
    child: Child,
    input: Vec<u8>,
}

/// Starts a program; a driver gets its requests, one a line, and then the end of its input.
pub(super) fn spawn(command: &mut Command, requests: &[Value]) -> Result<Running, String> {
    if !requests.is_empty() {
        command.stdin(Stdio::piped());
    }
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
    let lines = requests.iter().map(|request| format!("{request}\n")).collect::<Vec<_>>();
    Ok(Running { child, input: lines.concat().into_bytes() })
}

/// What it printed and how it ended; none when it had to be killed.
pub(super) async fn finish(running: Running, limit: Duration) -> std::io::Result<Option<Output>> {
    let id = running.child.id();
    if let Ok(output) = timeout(limit, running.output()).await {
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

impl Running {
    /// Tells it everything while it is listened to: a program that does not read must not stop this one.
    async fn output(mut self) -> std::io::Result<Output> {
        let input = self.child.stdin.take();
        let tell = async {
            if let Some(mut input) = input {
                // One that does not read is scored by what it answers.
                let _ = input.write_all(&self.input).await;
            }
        };
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let ((), stdout, stderr) = tokio::join!(tell, last_bytes(stdout), last_bytes(stderr));
        Ok(Output { status: self.child.wait().await?, stdout: stdout?, stderr: stderr? })
    }
}

/// The end of what a program prints: one that prints without end costs no memory.
async fn last_bytes(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let Some(mut stream) = stream else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await? > 0 {
        if bytes.len() > 2 * OUTPUT_BYTES {
            bytes.drain(..bytes.len() - OUTPUT_BYTES);
        }
    }
    Ok(bytes)
}

/// All files below a folder. Links are files: a client may have made a circle of them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder { out.extend(files(&entry.path())) } else { out.push(entry.path()) }
    }
    out.sort();
    out
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_driver_that_does_not_read_is_killed_however_much_it_is_told() {
        let mut command = Command::new("sleep");
        command.arg("600").kill_on_drop(true);
        let request = json!({ "body_base64": "A".repeat(1 << 20) });
        let running = spawn(&mut command, &[request]).expect("it starts");
        let output = finish(running, Duration::from_millis(100)).await.expect("it can be watched");
        assert!(output.is_none());
    }

    #[tokio::test]
    async fn of_what_is_printed_without_end_the_end_is_kept() {
        let mut text = vec![b'a'; 5 * OUTPUT_BYTES];
        text.extend_from_slice(b"the end");
        let kept = last_bytes(Some(&text[..])).await.expect("it can be read");
        assert!(kept.len() <= 2 * OUTPUT_BYTES && kept.ends_with(b"the end"), "{}", kept.len());
    }

    #[test]
    fn a_circle_of_links_is_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).expect("a link");
        assert_eq!(files(folder.path()), [folder.path().join("again")]);
    }
}
