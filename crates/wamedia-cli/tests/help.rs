//! Help texts as people read them, and their examples, which work.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use common::{Sandbox, command, text};
use serde_json::Value;

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = text(&command(&["--help"]).output().expect("it runs").stdout);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(ToOwned::to_owned).collect()
}

fn help_of(name: &str) -> String {
    let output = command(&[name, "--help"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    text(&output.stdout)
}

#[test]
fn help_texts() {
    let commands = commands();
    assert!(commands.len() > 14, "{commands:?}");
    for name in commands {
        insta::assert_snapshot!(name.clone(), help_of(&name));
    }
}

/// The files that examples name.
fn prepare(folder: &Path) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    std::fs::copy(fixtures.join("media/photo.jpg"), folder.join("photo.jpg")).expect("copied");
    let delivery = fixtures.join("meta/webhook/kinds/delivery.json");
    std::fs::copy(delivery, folder.join("delivery.json")).expect("copied");
}

#[test]
fn every_command_has_two_examples_that_work() {
    for name in commands() {
        let help = help_of(&name);
        let examples: Vec<_> =
            help.lines().filter_map(|line| line.strip_prefix("  wamedia ")).map(ToOwned::to_owned).collect();
        assert_eq!(examples.len(), 2, "{name}");
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        for example in examples {
            // What one example deletes, another may want.
            let sandbox = Sandbox::start(&[]);
            works(&example, folder.path(), &sandbox.environment());
        }
    }
}

fn works(example: &str, folder: &Path, environment: &BTreeMap<String, String>) {
    let words: Vec<_> = example.split(' ').collect();
    let mut command = command(&words);
    command.current_dir(folder).envs(environment).stdout(Stdio::piped()).stderr(Stdio::piped());
    if words[0] != "sandbox" {
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{example}: {}", text(&output.stderr));
        return;
    }
    // It runs until somebody ends it.
    let mut child = command.spawn().expect("it starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    child.kill().and_then(|()| child.wait()).expect("it can be killed");
    let is_ready = serde_json::from_str::<Value>(&first).is_ok_and(|json| json["ready"] == true);
    assert!(is_ready || first.starts_with("Every provider's API"), "{example}: {first}");
}

#[test]
fn completions_know_values_and_manual_pages_know_options() {
    for (arguments, words) in [
        (&["completions", "bash"][..], &["meta chakra whapi", "sticker", "redirect-private"][..]),
        (&["completions", "fish"], &["whapi", "sticker", "redirect-private"]),
        (&["man"], &["SUBCOMMANDS", "wamedia"]),
        (&["man", "get"], &["on\\-mismatch", "Examples"]),
    ] {
        let output = command(arguments).output().expect("it runs");
        let said = text(&output.stdout);
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said:.2000}");
    }
    assert_eq!(command(&["man", "got"]).output().expect("it runs").status.code(), Some(2));
}

#[test]
fn mistyped_faults_and_taken_ports_are_named() {
    let list = text(&command(&["sandbox", "--fault", "list"]).output().expect("it runs").stdout);
    assert!(list.lines().count() > 30 && list.contains("flip "), "{list}");
    let run = |arguments: &[&str]| {
        let output = command(arguments).output().expect("it runs");
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = run(&["sandbox", "--fault", "flipp:2"]);
    assert!(code == Some(2) && said.contains("did you mean flip") && said.contains("--fault list"), "{said}");
    assert_eq!(run(&["sandbox", "--fault", "flip:x"]).0, Some(2));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let (code, said) = run(&["sandbox", "--port", &port]);
    assert!(code == Some(10) && said.contains(&port) && said.contains("--port"), "{said}");
}
