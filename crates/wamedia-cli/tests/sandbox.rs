//! `wamedia sandbox` as a tool: what outlives it, and where it listens.

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use common::{Sandbox, command, digest, lines, text};
use serde_json::Value;

#[test]
fn uploads_outlive_a_restart_and_files_have_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/media/photo.jpg");
    std::fs::create_dir_all(data.join("meta")).expect("made");
    std::fs::copy(photo, data.join("meta/lamp.jpg")).expect("copied");
    let arguments = ["--data", data.to_str().expect("UTF-8")];
    let mut refs = vec!["meta:lamp".to_owned()];
    let first = Sandbox::start(&arguments);
    for provider in ["meta", "whapi", "nxcloud", "360dialog"] {
        let put = first.run(&["put", photo, "--provider", provider, "--json"]);
        refs.push(lines(&put)[0]["ref"].as_str().expect("a reference").to_owned());
    }
    drop(first);
    let second = Sandbox::start(&arguments);
    for (number, reference) in refs.iter().enumerate() {
        let target = folder.path().join(number.to_string());
        let output = second.run(&["get", reference, "-o", target.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{reference}: {}", text(&output.stderr));
        assert_eq!(digest(&target), digest(photo.as_ref()), "{reference}");
    }
}

#[test]
fn another_address_is_asked_for_and_warned_about() {
    let run = |arguments: &[&str]| {
        let mut command = command(&["sandbox", "--json"]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
        child.kill().expect("it can be killed");
        let said = text(&child.wait_with_output().expect("it ends").stderr);
        (serde_json::from_str::<Value>(&first).expect("JSON"), said)
    };
    let (ready, said) = run(&["--bind", "0.0.0.0"]);
    assert!(said.contains("listens on 0.0.0.0") && said.contains("credentials are public"), "{said}");
    // Clients take plain http on loopback only.
    let origin = ready["providers"]["meta"]["base_url"].as_str().expect("text");
    assert!(origin.starts_with("http://127.0.0.1:"), "{origin}");
    assert_eq!(run(&[]).1, "");
    assert_eq!(run(&["--bind", "127.0.0.1"]).1, "");
    let output = command(&["sandbox", "--bind", "nowhere"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}
