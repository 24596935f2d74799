//! `cargo xtask bench`: wamedia beside the baseline `raw`, whole processes, interleaved, ratios of the same round.
//!
//! Nothing here passes or fails: people read the table. Absolute figures belong to one machine and one hour.

mod peers;
pub(crate) mod process;
mod report;
mod results;
mod scenarios;
pub(crate) mod server;
pub(crate) mod webhook;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use process::{Scratch, Server, Used, can_pin, check, measure, program};
use results::{Measured, Runs, Scaling, Setting};
use scenarios::{Place, Scenario};

use crate::{Outcome, cargo, root, step};

/// Where clients run when they are held to one core, and where the server runs then.
const CLIENT_CORE: usize = 0;
const SERVER_CORE: usize = 1;

/// What to measure, and where the figures go.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// Smaller bodies
    #[arg(long)]
    quick: bool,
    /// Only list
    #[arg(long)]
    list: bool,
    /// Rounds of each scenario [default: 7, or 3 with --quick]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroUsize>,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    scenario: Option<String>,
    /// All figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The table
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Clients of others as well, installed from their registries
    #[arg(long)]
    peers: bool,
    /// Another build of the program, to compare two of them
    #[arg(long, value_name = "FILE")]
    wamedia: Option<PathBuf>,
}

/// Everything that was built and started.
struct Bench {
    raw: PathBuf,
    wamedia: PathBuf,
    xtask: PathBuf,
    scratch: Scratch,
    pinned: bool,
    apart: Server,
    shared: Server,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let scenarios: Vec<Scenario> = scenarios::all(options.quick)
        .into_iter()
        .filter(|scenario| options.scenario.as_ref().is_none_or(|text| scenario.name.contains(text.as_str())))
        .collect();
    if options.list {
        for scenario in &scenarios {
            println!("{}", scenario.name);
        }
        return Ok(());
    }
    let bench = Bench::set_up(options.wamedia.as_deref())?;
    let setting = bench.setting()?;
    report::print_setting(&setting);
    let rounds = options.rounds.map_or(if options.quick { 3 } else { 7 }, NonZeroUsize::get);
    let mut results = Vec::new();
    let mut one_stream = None;
    for scenario in scenarios {
        let measured = bench.compare(&scenario, rounds)?;
        if measured.scenario.name == "memory 1 MiB" {
            one_stream = Some(report::median(measured.wamedia.iter().map(|used| used.rss)));
        }
        report::print(&measured, one_stream);
        results.push(measured);
    }
    let wanted = |name: &str| options.scenario.as_ref().is_none_or(|text| name.contains(text.as_str()));
    let scaling = wanted("scaling")
        .then(|| bench.scaling(rounds.min(if options.quick { 1 } else { 3 }), options.quick))
        .transpose()?;
    let parsed = wanted("webhook").then(|| webhook::measure(&bench.xtask)).transpose()?;
    let peers = if options.peers { bench.peers()? } else { Vec::new() };
    let rows = report::rows(&results, scaling.as_ref(), &parsed.unwrap_or_default());
    report::print_rows(&rows);
    if options.peers {
        println!("\n{}", peers::markdown(&peers));
    }
    let save = |path: &Path, text: String| {
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    if let Some(path) = &options.json {
        save(path, report::json(&setting, &results, &rows, options.quick))?;
    }
    if let Some(path) = &options.markdown {
        let mut table = report::markdown(&setting, &rows, options.quick, rounds);
        if options.peers {
            table += &format!("\n{}", peers::markdown(&peers));
        }
        save(path, report::placed(fs::read_to_string(path).ok(), &table))?;
    }
    Ok(())
}

impl Bench {
    /// Builds all programs with the release profile and starts the servers.
    fn set_up(wamedia: Option<&Path>) -> Result<Self, String> {
        if wamedia.is_none() {
            let build = ["build", "--release", "--locked", "-p", "wamedia-cli"];
            step("wamedia", &mut cargo(&build))?;
        }
        step("the bench server", &mut cargo(&["build", "--release", "--locked", "-p", "xtask"]))?;
        let target = root().join("target");
        // A workspace of its own, in the same folder for what it builds.
        let manifest = root().join("xtask/raw/Cargo.toml");
        let mut raw = cargo(&["build", "--release", "--locked", "--manifest-path"]);
        step("raw", raw.arg(manifest).env("CARGO_TARGET_DIR", &target))?;
        let release = target.join("release");
        let scratch = Scratch::new()?;
        let pinned = can_pin();
        let xtask = release.join("xtask");
        let apart = Server::start(&xtask, scratch.path(), pinned.then_some(SERVER_CORE))?;
        let shared = Server::start(&xtask, scratch.path(), None)?;
        Ok(Self {
            raw: release.join("raw"),
            wamedia: wamedia.map_or_else(|| release.join("wamedia"), Path::to_owned),
            xtask,
            scratch,
            pinned,
            apart,
            shared,
        })
    }

    fn setting(&self) -> Result<Setting, String> {
        let size = 512 * 1024 * 1024;
        self.apart.alone(size)?;
        Ok(Setting {
            cores: available_parallelism().map_or(1, NonZeroUsize::get),
            pinned: self.pinned,
            scratch: self.scratch.kind,
            server_alone: self.apart.alone(size)? * 2.0,
            floor: measure(&mut Command::new("true"), Stdio::null())?.rss,
            sha: fs::read_to_string("/proc/cpuinfo").ok().map(|text| text.contains(" sha_ni")),
            date: today(),
        })
    }

    /// One warm-up each, whose output is checked, then raw and wamedia in turn.
    fn compare(&self, scenario: &Scenario, rounds: usize) -> Result<Measured, String> {
        let server = self.server(scenario.place);
        let ids = self.write_ids(scenario)?;
        let raw = || self.one(scenario, &ids, false);
        let wamedia = || self.one(scenario, &ids, true);
        server.most_at_once()?;
        raw()?;
        let of_raw = server.most_at_once()?;
        wamedia()?;
        let at_once = [of_raw, server.most_at_once()?];
        let rounds = rounds.min(scenario.max_rounds);
        let mut measured =
            Measured { raw: Vec::new(), wamedia: Vec::new(), at_once, scenario: scenario.clone() };
        for _ in 0..rounds {
            measured.raw.push(raw()?);
            measured.wamedia.push(wamedia()?);
        }
        Ok(measured)
    }

    fn scaling(&self, rounds: usize, quick: bool) -> Result<Scaling, String> {
        let runs = |count| Runs { count, used: Vec::new() };
        let mut scaling = Scaling { few: runs(1000), many: runs(if quick { 10_000 } else { 100_000 }) };
        for _ in 0..rounds {
            for runs in [&mut scaling.few, &mut scaling.many] {
                let scenario = Scenario {
                    name: "scaling",
                    size: 1024,
                    count: runs.count,
                    concurrency: 16,
                    ..Scenario::default()
                };
                runs.used.push(self.one(&scenario, &self.write_ids(&scenario)?, true)?);
            }
        }
        Ok(scaling)
    }

    /// The baseline, wamedia, and clients of others.
    fn peers(&self) -> Result<Vec<peers::Peer>, String> {
        let run = |size, count, wamedia| {
            let scenario = Scenario { size, count, place: Place::Shared, ..Scenario::default() };
            self.one(&scenario, &self.write_ids(&scenario)?, wamedia)
        };
        let mut all = vec![
            peers::Peer::of("raw", |size, count| run(size, count, false)),
            peers::Peer::of("wamedia", |size, count| run(size, count, true)),
        ];
        all.extend(peers::measure_all(&self.shared, &self.scratch)?);
        Ok(all)
    }

    fn server(&self, place: Place) -> &Server {
        match place {
            Place::Apart => &self.apart,
            Place::Shared => &self.shared,
        }
    }

    /// The list of references for raw, and beside it the one for wamedia; or the file to upload.
    fn write_ids(&self, scenario: &Scenario) -> Result<PathBuf, String> {
        let folder = self.scratch.fresh("in")?;
        let path = folder.join("ids");
        let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes).map_err(|error| error.to_string());
        if scenario.upload {
            let path = folder.join("upload.pdf");
            write(&path, b"%PDF-1.7\n")?;
            // A hole: this process must stay small, since a child's peak begins with its parent's.
            let file = fs::OpenOptions::new().write(true).open(&path);
            file.and_then(|file| file.set_len(scenario.size)).map_err(|error| error.to_string())?;
            return Ok(path);
        }
        let id = |number| format!("{}-{}-{number}\n", scenario.size, scenario.delay_ms);
        let ids: Vec<String> = (0..scenario.count).map(id).collect();
        write(&path, ids.concat().as_bytes())?;
        let refs = ids.iter().fold(String::new(), |refs, id| refs + "meta:" + id);
        write(&path.with_extension("refs"), refs.as_bytes())?;
        Ok(path)
    }

    /// One run into an empty folder, and a look at what came out.
    fn one(&self, scenario: &Scenario, ids: &Path, wamedia: bool) -> Result<Used, String> {
        let core = (self.pinned && scenario.place == Place::Apart).then_some(CLIENT_CORE);
        let server = self.server(scenario.place);
        let base = server.base(scenario.tls);
        let out = self.scratch.fresh("out")?;
        let mut command = program(if wamedia { &self.wamedia } else { &self.raw }, core);
        command.env("SSL_CERT_FILE", &server.ca).env("XDG_CONFIG_HOME", self.scratch.path());
        let files = || (0..scenario.count).map(|_| ids);
        if wamedia {
            command
                .env("WAMEDIA_META_TOKEN", "TEST-token")
                .env("WAMEDIA_META_BASE_URL", &base)
                .env("WAMEDIA_META_CONTENT_ORIGINS", &base)
                .env("WAMEDIA_WHAPI_TOKEN", "TEST-token")
                .env("WAMEDIA_WHAPI_BASE_URL", &base);
            if scenario.upload {
                // Of the vendors, this one states no limit.
                command.args(["put", "--quiet", "--provider", "whapi"]).args(files());
            } else {
                command.args(["get", "--quiet", "--concurrency", &scenario.concurrency.to_string(), "--dir"]);
                command.arg(&out).arg("--from").arg(ids.with_extension("refs"));
            }
        } else {
            command.args(["--base", &base]).args(scenario.raw);
            if scenario.upload {
                files().for_each(|file| {
                    command.arg("--upload").arg(file);
                });
            } else {
                command.args(["--concurrency", &scenario.concurrency.to_string(), "--dir"]);
                command.arg(&out).arg("--from").arg(ids);
            }
        }
        let used = measure(&mut command, Stdio::null())?;
        if !scenario.upload {
            check(&out, scenario.size, scenario.count).map_err(|why| format!("{}: {why}", scenario.name))?;
        }
        Ok(used)
    }
}

/// The date as the system writes it, since nothing here reads a clock of the day.
fn today() -> String {
    let date = Command::new("date").args(["-u", "+%F"]).output();
    date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
