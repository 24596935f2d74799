//! Children of the benchmark: the server, and clients whose use is read when they are done.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;
use wait4::Wait4 as _;

/// How soon the memory of a child is looked at first; the shortest end after a few milliseconds.
const FIRST_LOOK: Duration = Duration::from_micros(250);
/// How long it is until the next look at most. Each costs time that the child may have needed.
const PEAK_EVERY: Duration = Duration::from_millis(5);

/// So many words of a command that failed are shown.
const MOST_SHOWN: usize = 20;

/// What one run of a program took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of user and system time.
    pub(crate) cpu: f64,
    /// Peak resident memory in MiB.
    pub(crate) rss: f64,
}

/// Runs a program to its end. It must succeed: a client that fails fast looks fast.
pub(crate) fn measure(command: &mut Command, input: Stdio) -> Result<Used, String> {
    // A command may hold a reference for each content.
    let words = std::iter::once(command.get_program()).chain(command.get_args()).take(MOST_SHOWN);
    let shown = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let started = Instant::now();
    let child = command.stdin(input).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("{shown}: {error}"))?;
    let mut said = String::new();
    let (running, ended) = mpsc::channel();
    let status = format!("/proc/{}/status", child.id());
    let (used, wall, peak) = std::thread::scope(|scope| {
        let watcher = scope.spawn(move || watched_peak(Path::new(&status), &ended));
        if let Some(mut stderr) = child.stderr.take() {
            drop(stderr.read_to_string(&mut said));
        }
        let used = child.wait4();
        let wall = started.elapsed().as_secs_f64();
        drop(running);
        (used, wall, watcher.join().unwrap_or_default())
    });
    let used = used.map_err(|error| format!("{shown}: {error}"))?;
    if !used.status.success() {
        return Err(format!("{shown}: {}\n{said}", used.status));
    }
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    // What the system says at the end includes this process itself, from before the program was loaded.
    let peak = peak.unwrap_or(used.rusage.maxrss);
    Ok(Used { wall, cpu, rss: mib(peak) })
}

/// The peak memory of a process in bytes, looked at less and less often until it ends; none where the system does not tell.
fn watched_peak(status: &Path, ended: &mpsc::Receiver<()>) -> Option<u64> {
    let (mut peak, mut pause) = (None, FIRST_LOOK);
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let text = fs::read_to_string(status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak = kib.map(|kib| kib * 1024).or(peak);
        pause = (pause * 3 / 2).min(PEAK_EVERY);
    }
    peak
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// A program on one core, or on all.
pub(crate) fn program(path: &Path, core: Option<usize>) -> Command {
    match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(path);
            command
        }
        None => Command::new(path),
    }
}

/// Whether programs can be held to a core here.
pub(crate) fn can_pin() -> bool {
    let tried = Command::new("taskset").args(["-c", "1", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// A running bench server; it ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    http: u64,
    https: u64,
    /// The authority that clients must trust.
    pub(crate) ca: PathBuf,
}

impl Server {
    pub(crate) fn start(xtask: &Path, folder: &Path, core: Option<usize>) -> Result<Self, String> {
        let ca = folder.join(format!("ca{}.pem", core.map_or(String::new(), |core| core.to_string())));
        let mut command = program(xtask, core);
        command.arg("bench-server").arg(&ca).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("the bench server: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let ports: Value = serde_json::from_str(&line).map_err(|_| "the bench server did not start")?;
        let port = |name: &str| ports[name].as_u64().unwrap_or_default();
        Ok(Self { http: port("http"), https: port("https"), child, ca })
    }

    pub(crate) fn base(&self, tls: bool) -> String {
        if tls {
            format!("https://127.0.0.1:{}", self.https)
        } else {
            format!("http://127.0.0.1:{}", self.http)
        }
    }

    /// Connections and contents that were open at once, at most, since this was asked last.
    pub(crate) fn most_at_once(&self) -> Result<(u64, u64), String> {
        let (_, text) = self.get("/stats")?;
        let text = String::from_utf8_lossy(&text);
        let json = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        let stats: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Ok((stats["open"].as_u64().unwrap_or_default(), stats["content"].as_u64().unwrap_or_default()))
    }

    /// Seconds for a body that is received and thrown away: what the server alone can do.
    pub(crate) fn alone(&self, size: u64) -> Result<f64, String> {
        Ok(self.get(&format!("/content/{size}-0-0"))?.0)
    }

    fn get(&self, path: &str) -> Result<(f64, Vec<u8>), String> {
        let failed = |error: std::io::Error| format!("the bench server: {error}");
        let started = Instant::now();
        let address = ("127.0.0.1", u16::try_from(self.http).unwrap_or_default());
        let mut socket = TcpStream::connect(address).map_err(failed)?;
        write!(socket, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").map_err(failed)?;
        let (mut buffer, mut first) = (vec![0; 256 * 1024], Vec::new());
        loop {
            match socket.read(&mut buffer).map_err(failed)? {
                0 => return Ok((started.elapsed().as_secs_f64(), first)),
                count if first.is_empty() => first.extend_from_slice(&buffer[..count.min(1024)]),
                _ => {}
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder in memory where the system has one, so that the disk is not what is measured.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// What it is, for the report.
    pub(crate) kind: &'static str,
}

impl Scratch {
    pub(crate) fn new() -> Result<Self, String> {
        let memory = Path::new("/dev/shm");
        let (parent, kind) = if memory.is_dir() {
            (memory.to_owned(), "memory (tmpfs)")
        } else {
            (std::env::temp_dir(), "the folder for temporary files")
        };
        let path = parent.join(format!("wamedia-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path, kind })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty folder in it.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Every file is there in full; the clients themselves compared the digests.
pub(crate) fn check(folder: &Path, size: u64, count: u64) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let whole = |entry: fs::DirEntry| entry.metadata().is_ok_and(|meta| meta.len() == size);
    let found = entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let found = found.map(whole).filter(|whole| *whole).count() as u64;
    if found == count { Ok(()) } else { Err(format!("{found} whole files came out instead of {count}")) }
}
