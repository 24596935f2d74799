//! The sandbox as a process of its own, as others use it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{cargo, root, step};

/// A running sandbox, ended on drop.
pub(crate) struct Sandbox {
    child: Child,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Sandbox {
    /// Builds the program and starts it.
    pub(crate) fn start() -> Result<Self, String> {
        step("build the program", &mut cargo(&["build", "--package", "wamedia-cli"]))?;
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
