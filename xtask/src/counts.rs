//! Instructions, system calls and allocations of a dozen operations, held to the committed counts: a regression that no noisy
//! machine hides. The difference of two runs leaves out what starting costs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::bench::process::Server;
use crate::{Outcome, cargo, root, step};

/// The committed counts.
const FILE: &str = "xtask/counts/counts.json";

/// What is counted, by which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// By valgrind, of an operation in the process alone.
    Instructions,
    /// By valgrind, of an operation that uses a server on this machine.
    NetworkInstructions,
    /// By strace, of an operation that uses a server, without those whose number depends on how long it waited:
    /// `write` among them, by which the runtime wakes itself.
    SystemCalls,
    /// By the operation's own allocator, of an operation in the process alone.
    AllocatedBytes,
}

impl Counted {
    /// The program that counts, where it is not the operation's own.
    fn tool(self) -> Option<&'static str> {
        match self {
            Self::Instructions | Self::NetworkInstructions => Some("valgrind"),
            Self::SystemCalls => Some("strace"),
            Self::AllocatedBytes => None,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Instructions | Self::NetworkInstructions => "instructions",
            Self::SystemCalls => "system calls",
            Self::AllocatedBytes => "allocated bytes",
        }
    }

    /// How far a count may be from the committed one, as a share of it.
    fn tolerance(self) -> f64 {
        match self {
            Self::Instructions => 0.03,
            // One call more must show.
            Self::SystemCalls => 0.05,
            Self::NetworkInstructions | Self::AllocatedBytes => 0.10,
        }
    }
}

use Counted::{AllocatedBytes, Instructions, NetworkInstructions, SystemCalls};

/// Each operation by its name for the program `counts`, with the numbers of times in the two runs.
const OPERATIONS: [(&str, Counted, [u32; 2]); 14] = [
    ("parse-meta", Instructions, [10, 60]),
    ("parse-chakra", Instructions, [10, 60]),
    ("parse-whapi", Instructions, [10, 60]),
    ("parse-nxcloud", Instructions, [10, 60]),
    ("parse-360dialog", Instructions, [10, 60]),
    ("parse-twilio", Instructions, [10, 60]),
    ("parse-many", Instructions, [1000, 2000]),
    ("signature", Instructions, [10, 60]),
    ("preflight", Instructions, [10, 60]),
    ("resolve", NetworkInstructions, [100, 600]),
    ("object-1KiB", NetworkInstructions, [100, 600]),
    ("body-MiB", NetworkInstructions, [2, 10]),
    ("object-1KiB", SystemCalls, [100, 600]),
    ("engine-MiB", AllocatedBytes, [20, 100]),
];

/// What to do with the counts.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Commit the counts instead of comparing them
    #[arg(long)]
    write: bool,
}

/// What the operations cost, with one compiler.
#[derive(Debug, Serialize, Deserialize)]
struct Counts {
    /// Counts of another compiler, architecture or valgrind, which decides what processor is seen, cannot be compared.
    made_with: String,
    operations: BTreeMap<String, f64>,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let missing: Vec<&str> = ["valgrind", "strace"].into_iter().filter(|tool| !can_be_had(tool)).collect();
    for tool in &missing {
        println!("{tool} is not installed and cannot be: what it counts is not checked");
    }
    let bench = Bench::set_up()?;
    let mut counts = BTreeMap::new();
    for (name, counted, runs) in OPERATIONS {
        if counted.tool().is_none_or(|tool| !missing.contains(&tool)) {
            counts.insert(format!("{name} {}", counted.unit()), bench.count(name, counted, runs)?);
        }
    }
    let architecture = std::env::consts::ARCH;
    let made_with = format!("{}, {architecture}, {}", version("rustc"), version("valgrind"));
    let found = Counts { made_with, operations: counts };
    let path = root().join(FILE);
    let failed = |error: &dyn std::fmt::Display| format!("{FILE}: {error}");
    if options.write {
        let text = serde_json::to_string_pretty(&found).map_err(|error| failed(&error))? + "\n";
        return fs::write(&path, text).map_err(|error| failed(&error));
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(&error))?;
    compare(&serde_json::from_str(&text).map_err(|error| failed(&error))?, &found)
}

/// Prints each count beside the committed one, and fails where they differ too much. A lower count fails as well: it
/// is committed, or the next regression may use it up.
fn compare(committed: &Counts, found: &Counts) -> Outcome {
    let mut problems = Vec::new();
    for (name, counted, _) in OPERATIONS {
        let key = format!("{name} {}", counted.unit());
        let Some(count) = found.operations.get(&key) else { continue };
        let before = committed.operations.get(&key).copied().unwrap_or_default();
        println!("{key:32} {count:>12.1}, committed {before:>12.1}");
        if (count - before).abs() > before * counted.tolerance() {
            problems.push(format!("{key}: {count:.1}, committed are {before:.1}"));
        }
    }
    if committed.made_with != found.made_with {
        println!(
            "not compared: the committed counts are of {}, these of {}",
            committed.made_with, found.made_with
        );
        return Ok(());
    }
    if problems.is_empty() {
        return Ok(());
    }
    let advice = "`cargo xtask counts --write` commits these; say in the commit what they buy";
    Err(format!("{}\n{advice}", problems.join("\n")))
}

/// What runs the operations.
struct Bench {
    program: PathBuf,
    server: Server,
    folder: tempfile::TempDir,
}

impl Bench {
    fn set_up() -> Result<Self, String> {
        let manifest = root().join("xtask/counts/Cargo.toml").display().to_string();
        let target = root().join("target/counts");
        let mut build = cargo(&["build", "--release", "--locked", "--manifest-path", &manifest]);
        step("what is counted", build.env("CARGO_TARGET_DIR", &target))?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let xtask = std::env::current_exe().map_err(|error| error.to_string())?;
        let server = Server::start(&xtask, folder.path(), None)?;
        Ok(Self { program: target.join("release/counts"), server, folder })
    }

    /// What one operation costs.
    fn count(&self, name: &str, counted: Counted, [few, many]: [u32; 2]) -> Result<f64, String> {
        let both = [self.run(name, counted, few)?, self.run(name, counted, many)?];
        Ok(((both[1] - both[0]) / f64::from(many - few) * 10.0).round() / 10.0)
    }

    /// What the whole process costs that repeats an operation so often.
    fn run(&self, name: &str, counted: Counted, times: u32) -> Result<f64, String> {
        let options: &[&str] = match counted {
            Instructions | NetworkInstructions => &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
            SystemCalls => &[
                "-f",
                "-c",
                "--summary-columns=calls,name",
                "--trace=!epoll_wait,write,futex,brk,mmap,munmap",
            ],
            AllocatedBytes => &[],
        };
        let mut command = counted.tool().map_or_else(
            || Command::new(&self.program),
            |tool| {
                let mut command = Command::new(tool);
                command.args(options).arg(&self.program);
                command
            },
        );
        command.args([name, &times.to_string()]);
        if matches!(counted, NetworkInstructions | SystemCalls) {
            let out = self.folder.path().join("out");
            let _ = fs::remove_dir_all(&out);
            fs::create_dir(&out).map_err(|error| format!("{}: {error}", out.display()))?;
            command.arg(self.server.base(false)).arg(out);
        }
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let report = String::from_utf8_lossy(&output.stderr);
        let total = report.lines().find_map(|line| match counted {
            SystemCalls => line.trim().strip_suffix("total")?.trim().parse().ok(),
            Instructions | NetworkInstructions => line.split_once("Collected :")?.1.trim().parse().ok(),
            AllocatedBytes => line.strip_prefix("allocated ")?.strip_suffix(" bytes")?.parse().ok(),
        });
        total
            .filter(|_| output.status.success())
            .ok_or_else(|| format!("{command:?}: {}\n{report}", output.status))
    }
}

/// Whether a tool is there, or the system's package manager can install it for this user.
fn can_be_had(tool: &str) -> bool {
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let is_there = || succeeds(Command::new(tool).arg("--version"));
    let install = ["install", "--yes", "--no-install-recommends", tool];
    is_there() || succeeds(Command::new("apt-get").args(install)) && is_there()
}

/// What a program says of its version; nothing where it is not there.
fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
