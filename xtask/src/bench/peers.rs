//! Clients of others, as their registries give them, through the drivers of the scoreboard: one process each, one
//! content after the other. Only `raw` and wamedia verify what they store.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use wamedia_conformance::outside::Client;

use super::process::{Scratch, Server, Used, check, measure};
use crate::scoreboard;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// What each client fetches, and how it is called.
const WORK: [(&str, u64, u64); 3] =
    [("1 KiB, start included", KIB, 1), ("500 x 100 KiB", 100 * KIB, 500), ("100 MiB", 100 * MIB, 1)];
/// Rounds of each; the median counts.
const ROUNDS: usize = 3;

/// What one client took, in the order of [`WORK`]; `None` where it failed.
pub(crate) struct Peer {
    name: String,
    used: [Option<Used>; WORK.len()],
}

impl Peer {
    /// Measures one client, of which `run` fetches so many contents of a size.
    pub(crate) fn of(name: &str, run: impl Fn(u64, u64) -> Result<Used, String>) -> Self {
        let used = WORK.map(|(_, size, count)| median((0..ROUNDS).map(|_| run(size, count))));
        Self { name: name.to_owned(), used }
    }
}

/// Installs all clients of others into a temporary folder and measures them.
pub(crate) fn measure_all(server: &Server, scratch: &Scratch) -> Result<Vec<Peer>, String> {
    let temporary = scoreboard::workplace()?;
    let folder = temporary.path();
    let path = scoreboard::path_with(folder)?;
    let mut peers = Vec::new();
    for name in scoreboard::names(folder)? {
        let client = Client::read(folder.join(&name).with_extension("json"))?;
        // This repository's own are measured already; of commands there is only curl.
        let Some(words) = client.commands.get("meta").filter(|_| !name.starts_with("wamedia")) else {
            continue;
        };
        scoreboard::install(&client, folder)?;
        let run = |size, count| peer(server, scratch, &client, words, (folder, &path), (size, count));
        let version = scoreboard::installed(&client, folder);
        peers.push(Peer::of(format!("{} {version}", client.name).trim(), run));
    }
    Ok(peers)
}

fn median(rounds: impl Iterator<Item = Result<Used, String>>) -> Option<Used> {
    let mut rounds: Vec<Used> =
        rounds.filter_map(|round| round.map_err(|error| println!("{error}")).ok()).collect();
    rounds.sort_by(|left, right| left.wall.total_cmp(&right.wall));
    rounds.get(rounds.len() / 2).copied()
}

/// One run of one client, whose files are all there afterwards.
fn peer(
    server: &Server,
    scratch: &Scratch,
    client: &Client,
    words: &[String],
    (folder, path): (&Path, &OsStr),
    (size, count): (u64, u64),
) -> Result<Used, String> {
    let (base, out) = (server.base(false), scratch.fresh("out")?);
    let ids = (0..count).map(|number| format!("{size}-0-{number}"));
    let command = |words: &[String]| {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(folder).env("WAMEDIA_META_TOKEN", "TEST-token");
        command.env("PATH", path);
        command
    };
    let used = if client.driver {
        let requests = ids.fold(String::new(), |mut text, id| {
            let request = json!({
                "op": "fetch", "provider": "meta", "base_url": base, "content_origins": [base], "ca_file": server.ca,
                "credentials": { "token": "TEST-token", "phone_number_id": "39120", "app_secret": "TEST-secret" },
                "id": id, "sha256": "", "size_bytes": size, "out": out.join(format!("{id}.jpg")),
            });
            let _ = writeln!(text, "{request}");
            text
        });
        let path = scratch.path().join("requests");
        fs::write(&path, requests).map_err(|error| error.to_string())?;
        let input = File::open(path).map_err(|error| error.to_string())?;
        measure(&mut command(words), input.into())?
    } else {
        let fill = |word: &String, id: &str| {
            word.replace("{base}", &base)
                .replace("{id}", id)
                .replace("{out}", &out.join(id).to_string_lossy())
        };
        let loop_of: Vec<String> = ids
            .map(|id| words.iter().map(|word| quoted(&fill(word, &id))).collect::<Vec<_>>().join(" "))
            .collect();
        // In a file, since a command line has a length limit.
        let script = scratch.path().join("commands");
        fs::write(&script, loop_of.join("\n")).map_err(|error| error.to_string())?;
        let words = ["sh", "-e", &script.to_string_lossy()].map(str::to_owned);
        measure(&mut command(&words), Stdio::null())?
    };
    check(&out, size, count)?;
    Ok(used)
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The table of the documentation.
pub(crate) fn markdown(peers: &[Peer]) -> String {
    let mut out = format!(
        "One process, one content after the other, http, medians of {ROUNDS}: seconds, CPU as a multiple of `raw`, peak MiB\n\
         (not of the first, which ends before its memory is looked at).\n\n\
         | client | {} |\n|---|{}\n",
        WORK.map(|(name, ..)| name).join(" | "),
        "--:|".repeat(WORK.len())
    );
    let raw = peers.first().map(|raw| raw.used);
    for peer in peers {
        let cell = |number: usize| match (peer.used[number], raw.and_then(|raw| raw[number])) {
            (Some(used), Some(raw)) => {
                let memory = if number == 0 { String::new() } else { format!(", {:.0}", used.rss) };
                format!("{:.3} s, {:.1}{memory}", used.wall, used.cpu / raw.cpu)
            }
            _ => "failed".to_owned(),
        };
        let _ = writeln!(out, "| {} | {} |", peer.name, [0, 1, 2].map(cell).join(" | "));
    }
    out
}
