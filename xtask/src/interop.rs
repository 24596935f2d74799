//! Clients of others, unchanged, against the sandbox: each uploads a file and downloads it again.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{Outcome, cargo, root, step};

const PYTHON: [&str; 2] = ["pywa", "heyoo"];
const JAVASCRIPT: [&str; 3] = ["whatsapp-api-js", "@kapso/whatsapp-cloud-api", "@great-detail/whatsapp"];

/// Installs the clients into a temporary folder, runs each, and prints a table.
pub(crate) fn run() -> Outcome {
    step("build the program", cargo(&["build", "--package", "wamedia-cli"]).stdout(Stdio::null()))?;
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let python = install(folder.path())?;
    let sandbox = Sandbox::start()?;
    println!("\n| client | version | upload and download |\n|---|---|---|");
    let mut failed = Vec::new();
    let clients = PYTHON.map(|name| (name, python.as_path(), "client.py")).into_iter();
    let clients = clients.chain(JAVASCRIPT.map(|name| (name, Path::new("node"), "client.mjs")));
    for (name, interpreter, script) in clients {
        let (version, outcome) = match one(name, interpreter, script, folder.path(), &sandbox) {
            Ok(version) => (version, "the same bytes".to_owned()),
            Err(why) => {
                failed.push(name);
                ("-".to_owned(), why)
            }
        };
        println!("| {name} | {version} | {outcome} |");
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("these clients failed: {}", failed.join(", "))) }
}

/// Gives the interpreter that knows the Python packages.
fn install(folder: &Path) -> Result<PathBuf, String> {
    for script in ["client.py", "client.mjs"] {
        let from = root().join("xtask/interop").join(script);
        std::fs::copy(&from, folder.join(script)).map_err(|error| format!("{script}: {error}"))?;
    }
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    step("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    step("pip install", Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PYTHON))?;
    let npm = ["install", "--no-audit", "--no-fund", "--silent"];
    step("npm install", Command::new("npm").current_dir(folder).args(npm).args(JAVASCRIPT))?;
    Ok(python)
}

/// Gives the version of a client that got the bytes back that it sent.
fn one(
    name: &str,
    interpreter: &Path,
    script: &str,
    folder: &Path,
    sandbox: &Sandbox,
) -> Result<String, String> {
    let photo = root().join("fixtures/media/photo.jpg");
    let into = folder.join(name.replace('/', "-"));
    std::fs::create_dir_all(&into).map_err(|error| error.to_string())?;
    let mut command = Command::new(interpreter);
    command.current_dir(folder).arg(script).args([Path::new(name), &photo, &into]).envs(&sandbox.environment);
    let output = command.output().map_err(|error| format!("it cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().rev().find(|line| line.contains("Error")).unwrap_or_default();
        return Err(format!("{}: {line}", output.status));
    }
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    // One client chooses the extension itself.
    let came = [into.join("photo.jpg"), into.join("photo.jpeg")].map(|path| read(&path)).concat();
    if came != read(&photo) {
        return Err(format!("other bytes came back: {} of them", came.len()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A running sandbox, ended on drop.
struct Sandbox {
    child: Child,
    environment: BTreeMap<String, String>,
}

impl Sandbox {
    fn start() -> Result<Self, String> {
        let program = root().join("target/debug/wamedia");
        let child = Command::new(program).args(["sandbox", "--json"]).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("the sandbox cannot be started: {error}"))?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("the sandbox has no output")?);
        let mut sandbox = Self { child, environment: BTreeMap::new() };
        let mut first = String::new();
        lines.read_line(&mut first).map_err(|error| error.to_string())?;
        let ready: Value = serde_json::from_str(&first).map_err(|error| error.to_string())?;
        // It goes on telling of every request, and must not wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let variables = ready["providers"]["meta"]["env"].as_object().ok_or("no environment")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        sandbox.environment = variables.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        Ok(sandbox)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
