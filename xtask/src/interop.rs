//! Clients of others, unchanged, against the sandbox: each uploads a file and downloads it again.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::Sandbox;
use crate::{Outcome, root, step};

const PYTHON: [&str; 2] = ["pywa", "heyoo"];
const JAVASCRIPT: [&str; 3] = ["whatsapp-api-js", "@kapso/whatsapp-cloud-api", "@great-detail/whatsapp"];

/// Installs the clients into a temporary folder, runs each, and prints a table.
pub(crate) fn run() -> Outcome {
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
