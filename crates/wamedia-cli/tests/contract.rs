//! What the program promises to scripts: exit codes, time bounds, signals, and what it never prints.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Sandbox, command, lines, names, text};

const LINK: &str =
    "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=1755849148&hash=ATUcanary7f3a";

fn with_token(arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.env("WAMEDIA_META_TOKEN", "TEST-canary").env("WAMEDIA_META_PHONE_NUMBER_ID", "391");
    command
}

fn fed(mut command: Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(input).expect("written");
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_delivery_with_headers_is_verified_or_refused() {
    let body = br#"{"object":"whatsapp_business_account","entry":[]}"#;
    let wrong = format!("X-Hub-Signature-256: sha256={}", "00".repeat(32));
    let run = |header: &str, secret: Option<&str>| {
        let mut command = command(&["inbound", "--provider", "meta", "--header", header]);
        if let Some(secret) = secret {
            command.env("WAMEDIA_META_APP_SECRET", secret);
        }
        let output = fed(command, body);
        assert_eq!(output.status.code(), Some(4), "{header} {secret:?}: {}", said(&output));
        assert!(text(&output.stdout).is_empty());
        text(&output.stderr)
    };
    let no_secret = run(&wrong, None);
    let no_header = run("Content-Type: application/json", Some("TEST-secret"));
    let forged = run(&wrong, Some("TEST-secret"));
    assert!(no_secret.contains("WAMEDIA_META_APP_SECRET"), "{no_secret}");
    assert!(no_header.contains("missing"), "{no_header}");
    assert!(forged.contains("does not match"), "{forged}");
    let unchecked = fed(command(&["inbound", "--provider", "meta"]), body);
    assert_eq!(unchecked.status.code(), Some(0));
    assert!(text(&unchecked.stdout).contains("not checked"), "{}", said(&unchecked));
}

#[test]
fn a_pasted_link_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("list");
    std::fs::write(&list, format!("{LINK}\n")).expect("written");
    let list = list.to_str().expect("UTF-8");
    let prefixed = format!("meta:{LINK}");
    let bare = LINK.trim_start_matches("https://");
    for arguments in [
        &["get", LINK][..],
        &["get", &prefixed],
        &["get", bare, "--provider", "meta"],
        &["get", "--provider", "meta", LINK],
        &["info", LINK],
        &["info", "meta:1", LINK],
        &["rm", "meta:1", LINK],
        &["explain", &prefixed],
        &["get", "--from", list],
        &["get", "--from", LINK],
        &["get", "1", "--provider", LINK],
        &["info", "meta:1", "--base-url", LINK],
        &["info", "meta:1", "--connect-timeout", LINK],
    ] {
        let output = with_token(arguments).output().expect("it runs");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        for private in ["canary", "1755849148", "hash=", "mid="] {
            assert!(!said.contains(private), "{arguments:?} repeats {private}: {said}");
        }
    }
    let output = with_token(&["get", LINK]).output().expect("it runs");
    assert!(said(&output).contains("give the media id"), "{}", said(&output));
    // An address that is in order is not blamed for a mistake elsewhere.
    let output = with_token(&["get", "meta:1", "--base-url", "http://127.0.0.1:9", "--mime", "x"]).output();
    let said = said(&output.expect("it runs"));
    assert!(said.contains("--mime") && !said.contains("link"), "{said}");
}

#[test]
fn nothing_from_outside_reaches_the_terminal_raw() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    let id = sandbox.reference("meta", 0);
    let reference = format!("{id}?name=a%1B%5B2J%0Ameta:2%20stored%E2%80%AE%D8%9Cb.jpg");
    for arguments in [
        &["info", &reference][..],
        &["get", &reference, "--dir", dir],
        &["explain", &reference],
        &["info", "meta:1", "--config", "no\u{1b}[2J\n\u{61c}file"],
        &["check", "--provider", "meta", "no\u{1b}[2J\n\u{61c}file"],
        &["get", "--from", "no\u{1b}[2J\n\u{61c}file"],
        &["providers", "no\u{1b}[2J\n\u{61c}one"],
        &["get", "a\u{1b}[2J\n\u{61c}:1"],
    ] {
        let output = sandbox.run(arguments);
        let said = said(&output);
        for odd in ['\u{1b}', '\u{61c}', '\u{202e}'] {
            assert!(!said.contains(odd), "{arguments:?} prints {odd:?}: {said:?}");
        }
        assert!(!said.lines().any(|line| line.starts_with("meta:2")), "{arguments:?} forges a line: {said}");
    }
    let info = text(&sandbox.run(&["info", &reference]).stdout);
    assert!(info.contains(r"a\u{1b}[2J\nmeta:2 stored\u{202e}\u{61c}b.jpg"), "{info}");
}

#[test]
fn numbers_out_of_range_are_usage_errors() {
    for option in ["--connect-timeout", "--first-byte-timeout", "--idle-timeout", "--deadline", "--max-wait"]
    {
        for value in ["1e19", "1e300", "inf", "-inf", "NaN", "-1", "-0.1", "1e10", "", "soon"] {
            let value = format!("{option}={value}");
            let output = with_token(&["info", "meta:1", &value]).output().expect("it runs");
            assert_eq!(output.status.code(), Some(2), "{value}: {}", said(&output));
        }
    }
    for option in ["--max-bytes", "--size", "--min-rate"] {
        for value in ["1e5", "-1", "99999999999999999999", "99999999999GiB", "NaN", "18446744073709551615"] {
            let value = format!("{option}={value}");
            let output = with_token(&["get", "meta:1", &value]).output().expect("it runs");
            assert_eq!(output.status.code(), Some(2), "{value}: {}", said(&output));
        }
    }
}

/// A server that takes every connection and never says anything.
fn silent() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    (format!("http://{}", listener.local_addr().expect("an address")), listener)
}

#[test]
fn every_command_ends_within_its_deadline() {
    let (url, _listener) = silent();
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media/photo.jpg");
    let photo = photo.to_str().expect("UTF-8");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    for arguments in [
        &["info", "meta:1"][..],
        &["explain", "meta:1"],
        &["rm", "meta:1", "meta:2"],
        &["put", "--provider", "meta", photo, photo],
        &["ls", "--provider", "whapi"],
        &["get", "meta:1", "meta:2", "meta:3", "--concurrency", "1", "--dir", dir],
        &["get", "meta:1", "-o", "-"],
    ] {
        let started = Instant::now();
        let mut command = with_token(arguments);
        command.args(["--base-url", &url, "--deadline", "0.4"]).env("WAMEDIA_WHAPI_TOKEN", "TEST-canary");
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(7), "{arguments:?}: {}", said(&output));
        assert!(started.elapsed() < Duration::from_secs(10), "{arguments:?} took {:?}", started.elapsed());
        assert!(text(&output.stderr).contains("deadline"), "{arguments:?}: {}", said(&output));
    }
    let mut command = with_token(&["put", "--provider", "meta", "--json", photo, "--deadline", "0.4"]);
    let output = command.args(["--base-url", &url]).output().expect("it runs");
    let line = &lines(&output)[0];
    assert_eq!(line["error"]["kind"], "timeout");
    assert_eq!(line["error"]["retryable"], false, "an upload that may have arrived is not repeated");
    assert!(line["error"]["message"].as_str().expect("text").contains("may exist"), "{line}");
    let mut command = with_token(&["rm", "meta:1", "meta:2", "--json", "--deadline", "0.4"]);
    let output = command.args(["--base-url", &url]).output().expect("it runs");
    assert_eq!(lines(&output).len(), 2, "one line per reference: {}", said(&output));
}

#[cfg(target_os = "linux")]
mod signals {
    use super::*;

    const INTERRUPT: u32 = 2;
    const TERMINATE: u32 = 15;

    /// Waits until the process has a handler for the signal, then sends it.
    fn send(child: &std::process::Child, signal: u32) {
        let mask = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
            u64::from_str_radix(&mask, 16).ok()
        };
        let started = Instant::now();
        while mask().is_none_or(|mask| mask & (1 << (signal - 1)) == 0) {
            assert!(started.elapsed() < Duration::from_secs(20), "signal {signal} is never handled");
            std::thread::yield_now();
        }
        let kill = format!("kill -{signal} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// How it ends after a signal, and that it ends soon.
    fn ends(mut child: std::process::Child) -> Option<i32> {
        let sent = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status.code();
            }
            if sent.elapsed() > Duration::from_secs(5) {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn reading_standard_input_can_be_interrupted() {
        for arguments in [
            &["get", "--from", "-"][..],
            &["inbound", "--provider", "meta"],
            &["put", "--provider", "meta", "-"],
            &["check", "--provider", "meta", "-"],
            &["config", "--config", "/dev/stdin"],
            &["info", "meta:1", "--ca-file", "/dev/stdin"],
        ] {
            for signal in [INTERRUPT, TERMINATE] {
                let mut command = with_token(arguments);
                let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
                let mut child = command.spawn().expect("it starts");
                let input = child.stdin.take().expect("piped");
                send(&child, signal);
                assert_eq!(ends(child), Some(130), "{arguments:?} {signal}");
                drop(input);
            }
        }
    }

    #[test]
    fn an_interrupted_download_leaves_nothing() {
        let sandbox = Sandbox::start(&[]);
        for signal in [INTERRUPT, TERMINATE] {
            let folder = tempfile::tempdir().expect("a folder");
            let target = folder.path().join("content");
            let arguments = ["get", "meta:stall-forever-1", "-o", target.to_str().expect("UTF-8")];
            let mut command = command(&arguments);
            let command = command.envs(sandbox.environment()).stderr(Stdio::null());
            let child = command.spawn().expect("it starts");
            while names(folder.path()).is_empty() {
                std::thread::yield_now();
            }
            send(&child, signal);
            assert_eq!(ends(child), Some(130));
            assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
        }
    }

    #[test]
    fn the_sandbox_ends_well_when_it_is_told_to() {
        for signal in [INTERRUPT, TERMINATE] {
            let mut command = command(&["sandbox", "--json"]);
            let child = command.stdout(Stdio::null()).spawn().expect("it starts");
            send(&child, signal);
            assert_eq!(ends(child), Some(0));
        }
    }
}

fn configuration(folder: &Path, content: &str) -> PathBuf {
    let path = folder.join("wamedia.toml");
    std::fs::write(&path, content).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
    }
    path
}

#[test]
fn the_configuration_file_is_strict() {
    let folder = tempfile::tempdir().expect("a folder");
    for (content, line, words) in [
        ("\n[meta]\ntokn = \"TEST-canary\"\n", 3, &["token"][..]),
        (
            "[meta]\ntoken = \"TEST-canary\"\nphone_number_id = 391200000000441\n",
            3,
            &["phone_number_id", "text"],
        ),
        ("[meta]\ntoken = \"TEST-canary\"\n[meat]\n", 3, &["meta"]),
        ("[meta]\ncontent_origins = \"https://a.test\"\n", 2, &["content_origins", "list"]),
        ("[meta]\ncontent_origins = [\"https://a.test\",\n 7]\n", 3, &["content_origins"]),
        ("meta = \"TEST-canary\"\n", 1, &["meta", "section"]),
        ("[meta]\ntoken = \"TEST-canary\n", 2, &["TOML"]),
        ("[meta]\ntoken = \"a\"\ntoken = \"TEST-canary\"\n", 3, &["TOML"]),
    ] {
        let path = configuration(folder.path(), content);
        let path = path.to_str().expect("UTF-8");
        for arguments in [&["info", "meta:1", "--config", path][..], &["providers", "meta", "--config", path]]
        {
            let output = command(arguments).output().expect("it runs");
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{content}: {said}");
            assert!(said.contains(&format!("{path}:{line}:")), "{content}: {said}");
            assert!(words.iter().all(|word| said.contains(word)), "{content}: {said}");
            assert!(!said.contains("canary"), "{said}");
        }
    }
    let good = "[meta]\ntoken = \"TEST-canary\"\nphone_number_id = \"391\"\nbase_url = \"https://a.test\"\n\
        content_origins = [\"https://b.test\"]\napi_version = \"v25.0\"\n";
    let path = configuration(folder.path(), good);
    let output = command(&["providers", "meta", "--config", path.to_str().expect("UTF-8")]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(text(&output.stderr).is_empty(), "{}", said(&output));
}

#[cfg(unix)]
#[test]
fn a_file_with_secrets_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    for (content, mode, warned) in [
        ("[meta]\ntoken = \"TEST-canary\"\n", 0o644, true),
        ("[meta]\ntoken = \"TEST-canary\"\n", 0o640, true),
        ("[meta]\ntoken = \"TEST-canary\"\n", 0o600, false),
        ("[meta]\nphone_number_id = \"391\"\n", 0o644, false),
    ] {
        let path = configuration(folder.path(), content);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
        let output = command(&["providers", "meta", "--config", path.to_str().expect("UTF-8")]).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(0));
        let warning = text(&output.stderr);
        assert_eq!(warning.contains("can be read by others"), warned, "{content} {mode:o}: {warning}");
        assert!(!warning.contains("canary"));
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let sandbox = Sandbox::start(&[]);
    let photo = sandbox.reference("meta", 0);
    for arguments in [
        &["providers"][..],
        &["info", photo],
        &["ls", "--provider", "whapi"],
        &["get", photo, "-o", "-"],
        &["explain", photo],
        &["completions", "bash"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (mut errors, stderr) = std::io::pipe().expect("a pipe");
        let mut command = command(arguments);
        let mut child =
            command.envs(sandbox.environment()).stdout(writer).stderr(stderr).spawn().expect("it starts");
        drop(command);
        let mut said = String::new();
        errors.read_to_string(&mut said).expect("UTF-8");
        let code = child.wait().expect("a child").code();
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        let loud = said.lines().find(|line| line.starts_with("wamedia:"));
        assert_eq!(loud, None, "{arguments:?}");
    }
}

#[test]
fn errors_say_what_to_do_next() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("content");
    let hint = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.envs(sandbox.environment()).args(["--max-attempts", "1", "--json"]);
        let output = command.output().expect("it runs");
        let said = text(&output.stderr);
        let hint = said.lines().find_map(|line| line.trim().strip_prefix("hint: ")).unwrap_or_default();
        let json = lines(&output).first().map(|line| line["error"]["hint"].clone());
        assert_eq!(json.as_ref().and_then(serde_json::Value::as_str), Some(hint), "{arguments:?}: {said}");
        for suggestion in ["trust that host", "if you trust", "--content-origin", "CONTENT_ORIGINS"] {
            assert!(!said.contains(suggestion), "{arguments:?}: {said}");
        }
        hint.to_owned()
    };
    let closed = silent().0;
    let place = closed.trim_start_matches("http://");
    let path = target.to_str().expect("UTF-8");
    for (reference, more, words) in [
        ("meta:1", &["--base-url", &closed][..], &[place][..]),
        ("meta:gone-1", &[], &["7 days", "another account"]),
        ("chakra:gone-1", &[], &["another account"]),
        ("meta:s5xx-forever-1", &[], &["later"]),
        ("meta:html-200-forever-1", &[], &["link"]),
        ("meta:foreign-host-1", &[], &["report"]),
        ("meta:lookalike-1", &[], &["report"]),
        ("meta:stall-forever-1", &["--idle-timeout", "0.2"], &["--idle-timeout"]),
        ("meta:flip-forever-1", &[], &["quarantine"]),
        ("meta:huge-json-1", &[], &["explain"]),
        ("meta:size-100000", &["--max-bytes", "10"], &["--max-bytes"]),
    ] {
        let mut arguments = vec!["get", reference, "-o", path];
        arguments.extend(more);
        let hint = hint(&arguments);
        assert!(words.iter().all(|word| hint.contains(word)), "{reference}: {hint:?}");
    }
    let mut environment = sandbox.environment();
    environment.insert("WAMEDIA_META_TOKEN".to_owned(), "TEST-wrong".to_owned());
    let output = command(&["info", "meta:1001"]).envs(environment).output().expect("it runs");
    let said = text(&output.stderr);
    assert!(said.contains("WAMEDIA_META_TOKEN") && said.contains("wamedia providers meta"), "{said}");
}

#[test]
fn a_delivery_in_place_of_references_is_recognised() {
    let body = br#"{"object":"whatsapp_business_account","entry":[{"changes":[]}]}"#;
    let output = fed(with_token(&["get", "--from", "-"]), body);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("inbound"), "{}", said(&output));
}
