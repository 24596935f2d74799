//! Every row of "what went wrong, what to do": what failed and where, at which operation, and the next step.

mod common;

use std::path::Path;

use common::{Sandbox, command, lines, text};
use serde_json::Value;

/// A command, a variable to set or to remove, its exit code, and words that it has to say.
type Row = (&'static [&'static str], Option<(&'static str, &'static str)>, i32, &'static [&'static str]);

const ONCE: &str = "--max-attempts=1";

const ROWS: &[Row] = &[
    // A setting is missing.
    (
        &["get", "meta:1001"],
        Some(("WAMEDIA_META_TOKEN", "")),
        2,
        &["WAMEDIA_META_TOKEN", "token under [meta]"],
    ),
    (
        &["put", "photo.jpg", "--provider", "meta"],
        Some(("WAMEDIA_META_PHONE_NUMBER_ID", "")),
        2,
        &["WAMEDIA_META_PHONE_NUMBER_ID", "phone_number_id under [meta]"],
    ),
    // Nobody listens; there is no such host.
    (
        &["get", "meta:1001", ONCE],
        Some(("WAMEDIA_META_BASE_URL", "http://127.0.0.1:1")),
        7,
        &["at resolve", "refused", "hint: check that 127.0.0.1:1"],
    ),
    (
        &["get", "meta:1001", ONCE],
        Some(("WAMEDIA_META_BASE_URL", "https://nowhere.invalid")),
        7,
        &["at resolve", "look", "hint: check that nowhere.invalid:443"],
    ),
    // A limit of time.
    (
        &["get", "meta:silent-1", "--first-byte-timeout=0.3", ONCE],
        None,
        7,
        &["at open", "no answer", "--first-byte-timeout"],
    ),
    (&["get", "meta:stall-forever-1", "--idle-timeout=0.3", ONCE], None, 7, &["stopped", "--idle-timeout"]),
    (&["get", "meta:drip-1", "--min-rate=100", "--idle-timeout=60", ONCE], None, 7, &["rate", "--min-rate"]),
    (&["get", "meta:drip-2", "--deadline=0.5"], None, 7, &["deadline", "--deadline"]),
    // A credential.
    (
        &["get", "meta:1001"],
        Some(("WAMEDIA_META_TOKEN", "TEST-wrong")),
        4,
        &["at resolve", "code 190", "check WAMEDIA_META_TOKEN", "wamedia providers meta"],
    ),
    (
        &["get", "nxcloud:1"],
        Some(("WAMEDIA_NXCLOUD_ACCESS_SECRET", "TEST-wrong")),
        4,
        &["WAMEDIA_NXCLOUD_ACCESS_KEY", "WAMEDIA_NXCLOUD_ACCESS_SECRET"],
    ),
    // What is gone, too much, or broken.
    (&["get", "meta:gone-1"], None, 3, &["at resolve", "live 7 days", "another account"]),
    (&["get", "whapi:gone-1"], None, 3, &["at open", "another account"]),
    (&["get", "meta:r429-long-1"], None, 6, &["rate limited at", "3600 s", "--max-wait"]),
    (&["get", "meta:s5xx-forever-1", ONCE], None, 7, &["upstream at open", "the provider failed", "later"]),
    (&["get", "meta:html-200-1"], None, 5, &["a page in HTML", "the link or the session behind it died"]),
    (&["get", "meta:huge-json-1"], None, 9, &["at resolve", "may have changed", "wamedia explain"]),
    (&["get", "meta:deep-json-1"], None, 5, &["decode at resolve", "may have changed", "wamedia explain"]),
    // Digest and size, with both values.
    (&["get", "meta:flip-1"], None, 5, &["hashes to ", "declared was 121d136b", "--on-mismatch quarantine"]),
    (&["get", "meta:1001", "--size=5"], None, 5, &["18411 bytes", "5 were declared", "--on-mismatch"]),
    // Somewhere else than the provider.
    (&["get", "meta:foreign-host-1"], None, 9, &["127.0.0.2", "report it to the provider"]),
    (&["get", "meta:lookalike-1"], None, 9, &["127.0.0.2", "report it to the provider"]),
    (&["get", "meta:redirect-1"], None, 9, &["127.0.0.2", "report it to the provider"]),
    (&["get", "meta:redirect-private-1"], None, 9, &["report it to the provider"]),
    (&["get", "meta:redirect-loop-1"], None, 9, &["redirects", "report it to the provider"]),
    (&["get", "meta:downgrade-1"], None, 9, &["media.downgrade.invalid", "report it to the provider"]),
    // Files and folders.
    (
        &["get", "meta:1001", "-o", "photo.jpg"],
        None,
        10,
        &["photo.jpg exists", "--exists replace", "--exists keep"],
    ),
    (&["get", "meta:1001", "-o", "no/a.jpg"], None, 10, &["no/a.jpg", "the folder is missing", "--dir"]),
    (&["get", "meta:1001", "--dir", "photo.jpg"], None, 10, &["photo.jpg", "--dir"]),
    (&["put", "no.jpg", "--provider", "meta"], None, 10, &["no.jpg", "check the path"]),
    (&["inbound", "no.json", "--provider", "meta"], None, 10, &["no.json", "check the path"]),
    (&["get", "--from", "delivery.json"], None, 2, &["delivery.json", "get --webhook", "inbound --refs"]),
    (&["get", "--from", "no.txt"], None, 10, &["no.txt", "check the path"]),
    // What preflight refuses, and then sends all the same.
    (&["put", "empty.jpg", "--provider", "meta"], None, 9, &["empty.jpg", "an empty file", "--no-check"]),
    (&["check", "empty.jpg", "--provider", "meta"], None, 9, &["an empty file, 0 bytes (rule: ", "https://"]),
    (&["put", "empty.jpg", "--provider", "meta", "--no-check"], None, 0, &["meta:"]),
    // A link in place of an id; it is not repeated.
    (
        &["get", "https://lookaside.fbsbx.com/x/?mid=1&hash=CANARY"],
        None,
        2,
        &["a link that dies", "media id"],
    ),
    (&["rm", "lookaside.fbsbx.com/x/?mid=1&hash=CANARY"], None, 2, &["a link that dies", "media id"]),
    (
        &["put", "https://a.test/?token=CANARY", "--provider", "meta"],
        None,
        10,
        &["a link", "on this machine"],
    ),
    (&["get", "meta:1", "--base-url=https://user:CANARY@a.test"], None, 2, &["base_url is not an origin"]),
    (&["get", "meta:1", "--sha256=EAAGm0CANARYtoken"], None, 2, &["--sha256", "64 hex digits"]),
    (&["doctor", "EAAGm0CANARYtoken"], None, 2, &["no provider is called", "meta, chakra"]),
    (&["get", "meat:1001"], None, 2, &["no provider is called", "did you mean meta"]),
    // The sandbox.
    (&["sandbox", "--data", "photo.jpg"], None, 10, &["photo.jpg", "--data"]),
    (&["sandbox", "--fault", "flipp"], None, 2, &["did you mean flip", "--fault list"]),
];

#[test]
fn every_row_says_what_where_and_what_next() {
    let sandbox = Sandbox::start(&[]);
    for (arguments, variable, code, words) in ROWS {
        let folder = tempfile::tempdir().expect("a folder");
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        std::fs::copy(fixtures.join("media/photo.jpg"), folder.path().join("photo.jpg")).expect("copied");
        std::fs::write(folder.path().join("empty.jpg"), "").expect("written");
        let delivery = fixtures.join("meta/webhook/kinds/delivery.json");
        std::fs::copy(delivery, folder.path().join("delivery.json")).expect("copied");
        let mut command = command(arguments);
        command.current_dir(folder.path()).envs(sandbox.environment()).envs(*variable);
        let output = command.output().expect("it runs");
        let said = text(&output.stderr) + &text(&output.stdout);
        eprintln!("### {arguments:?} {:?}\n{said}", output.status.code());
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {said}");
        for word in *words {
            assert!(said.contains(word), "{arguments:?} does not say {word:?}: {said}");
        }
        assert!(!said.contains("CANARY"), "{arguments:?} repeats what may be a credential: {said}");
        for advice in ["trust", "--content-origin", "content_origins"] {
            assert!(!said.contains(advice), "{arguments:?} advises to trust a host: {said}");
        }
    }
}

#[test]
fn every_reference_and_file_has_its_line_of_json() {
    let sandbox = Sandbox::start(&[]);
    for (arguments, wanted) in [
        (&["info", "meta:gone-1"][..], &["not_found"][..]),
        (&["explain", "meta:gone-1"], &["not_found"]),
        (&["get", "meta:gone-1", "meta:gone-2", "-o", "-"], &[]),
        (&["get", "meta:gone-1", "whapi:gone-1", "--dir", "d"], &["not_found", "not_found"]),
        (&["rm", "chakra:1", "chakra:2"], &["unsupported", "unsupported"]),
        (&["put", "--provider", "meta", "no.jpg", "no.png"], &["local", "local"]),
        (&["check", "--provider", "meta", "no.jpg"], &["local"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command(arguments);
        command.arg("--json").current_dir(folder.path()).envs(sandbox.environment());
        let lines = lines(&command.output().expect("it runs"));
        let kinds: Vec<_> =
            lines.iter().map(|line| line["error"]["kind"].as_str().unwrap_or("none")).collect();
        assert_eq!(kinds, wanted, "{arguments:?}: {lines:?}");
        for line in &lines {
            assert!(line["error"]["message"].is_string(), "{line}");
            assert_ne!(line.get("ref").or(line.get("file")), Some(&Value::Null), "{line}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::io::Read as _;
    use std::process::Stdio;
    let sandbox = Sandbox::start(&[]);
    for arguments in [&["get", "meta:size-8000000", "-o", "-"][..], &["ls", "--provider", "whapi"]] {
        let mut command = command(arguments);
        command.envs(sandbox.environment()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut pipe = child.stdout.take().expect("piped");
        pipe.read_exact(&mut [0; 10]).expect("ten bytes");
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    }
}
