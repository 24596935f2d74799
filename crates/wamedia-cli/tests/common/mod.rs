//! The real program and the real sandbox, over sockets.
#![allow(dead_code, reason = "every test target uses its own part of this")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_wamedia");

/// A running sandbox, stopped on drop.
pub(crate) struct Sandbox {
    child: Child,
    ready: Value,
}

impl Sandbox {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("sandbox")
            .arg("--json")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("it prints a line");
        let ready = serde_json::from_str(&first).expect("the line is JSON");
        // It goes on telling of every request, and must not wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, ready }
    }

    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let providers = self.ready["providers"].as_object().expect("providers");
        let mut all = BTreeMap::new();
        for (name, provider) in providers {
            for (key, value) in provider["env"].as_object().expect("env") {
                all.insert(key.clone(), value.as_str().expect("text").to_owned());
            }
            let prefix = format!("WAMEDIA_{}_", name.to_uppercase());
            all.insert(format!("{prefix}BASE_URL"), provider["base_url"].as_str().expect("text").to_owned());
            let origins = provider["content_origins"].as_array().expect("a list");
            let origins: Vec<_> = origins.iter().filter_map(Value::as_str).collect();
            all.insert(format!("{prefix}CONTENT_ORIGINS"), origins.join(","));
        }
        all
    }

    pub(crate) fn media(&self, provider: &str, index: usize) -> &Value {
        &self.ready["providers"][provider]["media"][index]
    }

    /// Host and port of an origin of a provider: `base_url`, or the first of `content_origins`.
    pub(crate) fn host(&self, provider: &str, which: &str) -> String {
        let value = &self.ready["providers"][provider][which];
        let origin = value.get(0).unwrap_or(value).as_str().expect("an origin");
        origin.trim_start_matches("http://").to_owned()
    }

    pub(crate) fn reference(&self, provider: &str, index: usize) -> &str {
        self.media(provider, index)["ref"].as_str().expect("a reference")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        command(arguments).envs(self.environment()).output().expect("the program runs")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().env("HOME", "nowhere");
    command
}

pub(crate) fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = folder
        .read_dir()
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

pub(crate) fn digest(path: &Path) -> String {
    hex(&std::fs::read(path).expect("a file"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    wamedia::Sha256::of(bytes).to_hex()
}
