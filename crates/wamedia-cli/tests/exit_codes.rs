//! Every exit code, and what is said with it.

mod common;

use std::process::Stdio;

use common::{Sandbox, command, text};

#[test]
fn every_code_has_its_reason() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, code, words) in [
        (&["get", "meta:1001", "-o", "a.jpg"][..], 0, ""),
        (&["get", "meta:gone-1", "meta:flip-forever-1", "--dir", "d", "--max-attempts", "1"], 1, "not found"),
        (&["get"], 2, "at least one reference"),
        (&["get", "metta:1"], 2, "metta"),
        (&["get", "meta:gone-1"], 3, "not found"),
        (&["get", "meta:flip-forever-1"], 5, "integrity"),
        (&["get", "meta:r429-1", "--max-wait", "0"], 6, "rate limited"),
        (&["get", "meta:1001", "--base-url", "http://127.0.0.1:1", "--max-attempts", "1"], 7, "127.0.0.1:1"),
        (&["ls", "--provider", "meta"], 8, "unsupported"),
        (&["get", "meta:foreign-host-1"], 9, "refused"),
        (&["get", "meta:1001", "-o", "nowhere/a.jpg"], 10, "nowhere"),
        (&["get", "whapi:1", "--require", "digest"], 5, "declared"),
    ] {
        let mut command = command(arguments);
        let output =
            command.envs(sandbox.environment()).current_dir(folder.path()).output().expect("it runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let mut wrong = command(&["get", "meta:1001"]);
    let output = wrong.envs(sandbox.environment()).env("WAMEDIA_META_TOKEN", "TEST-wrong").output();
    assert_eq!(output.expect("it runs").status.code(), Some(4));
}

#[cfg(unix)]
#[test]
fn an_interruption_is_130_and_leaves_nothing() {
    use std::io::{BufRead as _, BufReader};
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = command(&["get", "meta:stall-forever-1", "-o", "a.jpg", "-v"]);
    command.envs(sandbox.environment()).current_dir(folder.path()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    // The log says when it is at work.
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status().expect("it can be sent");
    assert!(sent.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(common::names(folder.path()), Vec::<String>::new());
}
