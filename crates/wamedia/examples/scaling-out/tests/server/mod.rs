//! A PostgreSQL server of its own, in a temporary folder, behind a socket file.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Server {
    child: Child,
    /// How to connect.
    pub parameters: String,
    _folder: tempfile::TempDir,
}

/// Starts one; `None` where PostgreSQL is not installed.
pub fn start() -> Option<Server> {
    let programs = programs()?;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // PostgreSQL refuses to run as root.
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if is_root {
        let owned = Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap();
        assert!(owned.success());
    }
    let program = |name: &str| {
        let path = programs.join(name);
        if !is_root {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
        command
    };
    let made =
        program("initdb").args(["--username=postgres", "--auth=trust", "-N", "-D"]).arg(&data).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut command = program("postgres");
    command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-c", "listen_addresses="]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_ready = lines.by_ref().any(|line| line.unwrap().contains("ready to accept connections"));
    assert!(is_ready, "the server ended");
    // Its log goes on, and nobody reads it.
    std::thread::spawn(move || lines.for_each(drop));
    let parameters = format!("host={} user=postgres dbname=postgres", folder.path().display());
    Some(Server { child, parameters, _folder: folder })
}

/// The folder of `initdb`: in the path, or where Debian has it.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = std::env::split_paths(&path).chain(debian.map(|entry| entry.path().join("bin")));
    let initdb = folders.map(|folder| folder.join("initdb")).find(|file| file.is_file())?;
    std::fs::canonicalize(initdb).ok()?.parent().map(Path::to_owned)
}

impl Server {
    /// Runs a statement, from a thread that may block.
    pub fn run(&self, statement: &str) {
        let parameters = self.parameters.clone();
        let statement = statement.to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = async move {
            let (client, connection) =
                tokio_postgres::connect(&parameters, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&statement).await.unwrap();
        };
        std::thread::spawn(move || runtime.block_on(work)).join().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A fast shutdown, so that nothing of it outlives the folder.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}
