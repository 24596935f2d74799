//! Every row of "what went wrong, what to do": what failed and where, at which operation, and the next step.

mod common;

use std::path::Path;

use common::{PROGRAM, Sandbox, command, lines, text};
use serde_json::Value;

/// A command, a variable to set or to remove, its exit code, the operation and the place that it has to name (`API` and
/// `CONTENT` are the hosts of the sandbox), and further words that it has to say.
type Row = (
    &'static [&'static str],
    Option<(&'static str, &'static str)>,
    i32,
    (&'static str, &'static str),
    &'static [&'static str],
);

const ONCE: &str = "--max-attempts=1";

const ROWS: &[Row] = &[
    // What was typed.
    (&["get", "meta:"], None, 2, ("get", "meta:"), &["it is empty", "such as meta:1279128"]),
    (&["get", "--from", "photo.jpg"], None, 2, ("get", "photo.jpg"), &["is not text", "on each line"]),
    (&["get", "meta:1001", "--config", "no.toml"], None, 2, ("get", "no.toml"), &["check --config"]),
    (&["get", "meta:1001", "--ca-file", "photo.jpg"], None, 2, ("get", "photo.jpg"), &["PEM", "--ca-file"]),
    (&["get", "meta:1001", "--proxy", "nonsense"], None, 2, ("get", "proxy"), &["check --proxy"]),
    (
        &["inbound", "photo.jpg", "--provider", "meta"],
        None,
        5,
        ("parse_webhook", "meta"),
        &["\"photo.jpg\"", "is not JSON", "byte for byte"],
    ),
    // A setting is missing.
    (
        &["get", "meta:1001"],
        Some(("WAMEDIA_META_TOKEN", "")),
        2,
        ("get", "meta"),
        &["hint: set WAMEDIA_META_TOKEN", "token under [meta]"],
    ),
    (
        &["put", "photo.jpg", "--provider", "meta"],
        Some(("WAMEDIA_META_PHONE_NUMBER_ID", "")),
        2,
        ("put", "meta"),
        &["WAMEDIA_META_PHONE_NUMBER_ID", "phone_number_id under [meta]"],
    ),
    // Nobody listens; there is no such host.
    (
        &["get", "meta:1001", ONCE],
        Some(("WAMEDIA_META_BASE_URL", "http://127.0.0.1:1")),
        7,
        ("resolve", "127.0.0.1:1)"),
        &["at resolve", "refused", "hint: check that 127.0.0.1:1"],
    ),
    (
        &["get", "meta:1001", ONCE],
        Some(("WAMEDIA_META_BASE_URL", "https://nowhere.invalid")),
        7,
        ("resolve", "nowhere.invalid)"),
        &["at resolve", "look", "hint: check that nowhere.invalid:443"],
    ),
    // A limit of time.
    (
        &["get", "meta:silent-1", "--first-byte-timeout=0.3", ONCE],
        None,
        7,
        ("open", "CONTENT"),
        &["at open", "no answer", "--first-byte-timeout"],
    ),
    (
        &["get", "meta:stall-forever-1", "--idle-timeout=0.3", ONCE],
        None,
        7,
        ("fetch", "CONTENT"),
        &["stopped", "--idle-timeout"],
    ),
    (
        &["get", "meta:drip-1", "--min-rate=100", "--idle-timeout=60", ONCE],
        None,
        7,
        ("fetch", "CONTENT"),
        &["rate", "--min-rate"],
    ),
    (&["get", "meta:drip-2", "--deadline=0.5"], None, 7, ("fetch", "CONTENT"), &["deadline", "--deadline"]),
    // A credential.
    (
        &["get", "meta:1001"],
        Some(("WAMEDIA_META_TOKEN", "TEST-wrong")),
        4,
        ("resolve", "meta, API"),
        &["at resolve", "code 190", "check WAMEDIA_META_TOKEN", "wamedia providers meta"],
    ),
    (
        &["get", "nxcloud:1"],
        Some(("WAMEDIA_NXCLOUD_ACCESS_SECRET", "TEST-wrong")),
        4,
        ("resolve", "nxcloud, API"),
        &["WAMEDIA_NXCLOUD_ACCESS_KEY", "WAMEDIA_NXCLOUD_ACCESS_SECRET"],
    ),
    // What is gone, too much, or broken.
    (
        &["get", "meta:gone-1"],
        None,
        3,
        ("resolve", "meta, API"),
        &["at resolve", "live 7 days", "another account"],
    ),
    (&["get", "whapi:gone-1"], None, 3, ("open", "whapi, API"), &["at open", "another account"]),
    (
        &["get", "meta:r429-long-1"],
        None,
        6,
        ("open", "CONTENT"),
        &["rate limited at", "3600 s", "--max-wait"],
    ),
    (
        &["get", "meta:s5xx-forever-1", ONCE],
        None,
        7,
        ("open", "CONTENT"),
        &["upstream at open", "the provider failed", "later"],
    ),
    (
        &["get", "meta:html-200-1"],
        None,
        5,
        ("fetch", "CONTENT"),
        &["a page in HTML", "the link or the session behind it died"],
    ),
    (
        &["get", "meta:huge-json-1"],
        None,
        9,
        ("resolve", "meta, API"),
        &["at resolve", "may have changed", "wamedia explain"],
    ),
    (
        &["get", "meta:deep-json-1"],
        None,
        5,
        ("resolve", "meta, API"),
        &["decode at resolve", "may have changed", "wamedia explain"],
    ),
    // Digest and size, with both values.
    (
        &["get", "meta:flip-1"],
        None,
        5,
        ("fetch", "CONTENT"),
        &["hashes to ", "declared was 121d136b", "--on-mismatch quarantine"],
    ),
    (
        &["get", "meta:1001", "--size=5"],
        None,
        5,
        ("fetch", "CONTENT"),
        &["18411 bytes", "5 were declared", "--on-mismatch"],
    ),
    // Somewhere else than the provider.
    (
        &["get", "meta:foreign-host-1"],
        None,
        9,
        ("open", "the host 127.0.0.2"),
        &["127.0.0.2", "report it to the provider"],
    ),
    (
        &["get", "meta:lookalike-1"],
        None,
        9,
        ("open", "the host 127.0.0.2"),
        &["127.0.0.2", "report it to the provider"],
    ),
    (
        &["get", "meta:redirect-1"],
        None,
        9,
        ("open", "the host 127.0.0.2"),
        &["127.0.0.2", "report it to the provider"],
    ),
    (
        &["get", "meta:redirect-private-1"],
        None,
        9,
        ("open", "the host 127.0.0.2"),
        &["report it to the provider"],
    ),
    (
        &["get", "meta:redirect-loop-1"],
        None,
        9,
        ("open", "CONTENT"),
        &["redirects", "report it to the provider"],
    ),
    (
        &["get", "meta:downgrade-1"],
        None,
        9,
        ("open", "the host media.downgrade.invalid"),
        &["media.downgrade.invalid", "report it to the provider"],
    ),
    // Files and folders.
    (
        &["get", "meta:1001", "-o", "photo.jpg"],
        None,
        10,
        ("fetch", "photo.jpg"),
        &["photo.jpg exists", "--exists replace", "--exists keep"],
    ),
    (
        &["get", "meta:1001", "-o", "no/a.jpg"],
        None,
        10,
        ("fetch", "no/a.jpg"),
        &["no/a.jpg", "the folder is missing", "--dir"],
    ),
    (&["get", "meta:1001", "--dir", "photo.jpg"], None, 10, ("get", "photo.jpg"), &["photo.jpg", "--dir"]),
    (&["put", "no.jpg", "--provider", "meta"], None, 10, ("put", "no.jpg"), &["no.jpg", "check the path"]),
    (
        &["inbound", "no.json", "--provider", "meta"],
        None,
        10,
        ("inbound", "no.json"),
        &["no.json", "check the path"],
    ),
    (
        &["get", "--from", "delivery.json"],
        None,
        2,
        ("get", "delivery.json"),
        &["delivery.json", "get --webhook", "inbound --refs"],
    ),
    (&["get", "--from", "no.txt"], None, 10, ("get", "no.txt"), &["no.txt", "check the path"]),
    // What preflight refuses, and then sends all the same.
    (
        &["put", "empty.jpg", "--provider", "meta"],
        None,
        9,
        ("put", "empty.jpg"),
        &["empty.jpg", "an empty file", "--no-check"],
    ),
    (
        &["check", "empty.jpg", "--provider", "meta"],
        None,
        9,
        ("check", "empty.jpg"),
        &["an empty file, 0 bytes (rule: ", "https://"],
    ),
    (&["put", "empty.jpg", "--provider", "meta", "--no-check"], None, 0, ("put", ""), &["meta:"]),
    // A link in place of an id; it is not repeated.
    (
        &["get", "https://lookaside.fbsbx.com/x/?mid=1&hash=CANARY"],
        None,
        2,
        ("get", "a link"),
        &["a link that dies", "media id"],
    ),
    (
        &["rm", "lookaside.fbsbx.com/x/?mid=1&hash=CANARY"],
        None,
        2,
        ("rm", "a link"),
        &["a link that dies", "media id"],
    ),
    (
        &["put", "https://a.test/?token=CANARY", "--provider", "meta"],
        None,
        10,
        ("put", "a link"),
        &["a link", "on this machine"],
    ),
    (
        &["get", "meta:1", "--base-url=https://user:CANARY@a.test"],
        None,
        2,
        ("get", "base_url"),
        &["base_url is not an origin"],
    ),
    (
        &["get", "meta:1", "--sha256=EAAGm0CANARYtoken"],
        None,
        2,
        ("get", "--sha256"),
        &["--sha256", "64 hex digits"],
    ),
    (
        &["doctor", "EAAGm0CANARYtoken"],
        None,
        2,
        ("doctor", "a value that may be a credential"),
        &["no provider is called", "meta, chakra"],
    ),
    (&["get", "meat:1001"], None, 2, ("get", "meat"), &["no provider is called", "did you mean meta"]),
    // The sandbox.
    (&["sandbox", "--data", "photo.jpg"], None, 10, ("sandbox", "photo.jpg"), &["photo.jpg", "--data"]),
    (&["sandbox", "--fault", "flipp"], None, 2, ("sandbox", "flipp"), &["did you mean flip", "--fault list"]),
];

#[test]
fn every_row_says_what_where_and_what_next() {
    let sandbox = Sandbox::start(&[]);
    for (arguments, variable, code, (operation, place), words) in ROWS {
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
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {said}");
        for word in *words {
            assert!(said.contains(word), "{arguments:?} does not say {word:?}: {said}");
        }
        if *code != 0 {
            let first = said.lines().next().unwrap_or_default();
            let is_named = first.contains(&format!(" at {operation} ("))
                || first.starts_with(&format!("wamedia: {operation}: "))
                || (*operation == "check" && first.contains(": refused as "));
            assert!(is_named, "{arguments:?} does not name the operation {operation}: {said}");
            let provider = if place.contains("nxcloud") {
                "nxcloud"
            } else if place.contains("whapi") {
                "whapi"
            } else {
                "meta"
            };
            let place = place
                .replace("API", &sandbox.host(provider, "base_url"))
                .replace("CONTENT", &format!("{provider}, {}", sandbox.host(provider, "content_origins")));
            assert!(first.contains(&place), "{arguments:?} does not name the place {place}: {said}");
            let next = said.lines().any(|line| line.starts_with("  hint: ") || line.starts_with("    fix: "));
            assert!(next, "{arguments:?} has no next step: {said}");
        }
        assert!(!said.contains("CANARY"), "{arguments:?} repeats what may be a credential: {said}");
        for advice in ["trust", "--content-origin", "content_origins"] {
            assert!(!said.contains(advice), "{arguments:?} advises to trust a host: {said}");
        }
    }
}

/// As in a container image without a file of certificates. Elsewhere the system keeps them otherwise.
#[test]
#[cfg(target_os = "linux")]
fn a_machine_without_certificate_authorities_is_told_from_a_wrong_setting() {
    let mut command = command(&["get", "meta:1001"]);
    command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
    let output = command.env("WAMEDIA_META_TOKEN", "TEST-token").output().expect("it runs");
    let said = text(&output.stderr);
    for words in ["no certificate authorities were found", "ca-certificates", "SSL_CERT_FILE", "--ca-file"] {
        assert!(said.contains(words), "it does not say {words:?}: {said}");
    }
}

#[test]
fn every_reference_and_file_has_its_line_of_json() {
    let sandbox = Sandbox::start(&[]);
    let (gone, no_token) = (None, Some(("WAMEDIA_META_TOKEN", "")));
    for (arguments, variable, wanted) in [
        (&["info", "meta:gone-1"][..], gone, &[("meta:gone-1", "not_found")][..]),
        (&["info", "meta:1001"], no_token, &[("meta:1001", "invalid_request")]),
        (&["explain", "meta:gone-1"], gone, &[("meta:gone-1", "not_found")]),
        (&["explain", "meta:1001"], no_token, &[("meta:1001", "invalid_request")]),
        (&["get", "meta:gone-1", "-o", "-"], gone, &[("meta:gone-1", "not_found")]),
        (&["get", "meta:flip-1", "-o", "-"], gone, &[("meta:flip-1", "integrity")]),
        (&["get", "meta:1001", "-o", "-"], no_token, &[("meta:1001", "invalid_request")]),
        (&["get", "nobody:1", "-o", "-"], gone, &[("nobody:1", "invalid_request")]),
        (
            &["get", "meta:1001", "meta:1002", "-o", "-"],
            gone,
            &[("meta:1001", "invalid_request"), ("meta:1002", "invalid_request")],
        ),
        (
            &["get", "meta:gone-1", "whapi:gone-1", "--dir", "d", "--concurrency=1"],
            gone,
            &[("meta:gone-1", "not_found"), ("whapi:gone-1", "not_found")],
        ),
        (
            &["get", "meta:1001", "whapi:gone-1", "--dir", "d"],
            no_token,
            &[("meta:1001", "invalid_request"), ("whapi:gone-1", "invalid_request")],
        ),
        (&["get", "--from", "no.txt"], gone, &[("", "local")]),
        (&["get", "https://a.test/?hash=CANARY"], gone, &[("", "invalid_request")]),
        (&["get", "meta:1001?size=CANARY"], gone, &[("meta:1001", "invalid_request")]),
        (&["get", "--webhook", "no.json", "--provider", "meta"], gone, &[("no.json", "unauthorized")]),
        (
            &["get", "--webhook", "no.json", "--provider", "meta", "--allow-unverified"],
            gone,
            &[("no.json", "local")],
        ),
        (
            &["get", "--webhook", "text.json", "--provider", "meta", "--allow-unverified"],
            gone,
            &[("text.json", "decode")],
        ),
        (&["inbound", "no.json", "--provider", "meta"], gone, &[("no.json", "local")]),
        (&["inbound", "text.json", "--provider", "meta"], gone, &[("text.json", "decode")]),
        (
            &["inbound", "text.json", "--provider", "meta", "--header", "X-Hub-Signature-256: sha256=00"],
            gone,
            &[("text.json", "unauthorized")],
        ),
        (&["rm", "chakra:1", "chakra:2"], gone, &[("chakra:1", "unsupported"), ("chakra:2", "unsupported")]),
        (&["rm", "meta:1001"], no_token, &[("meta:1001", "invalid_request")]),
        (
            &["put", "--provider", "meta", "no.jpg", "no.png"],
            gone,
            &[("no.jpg", "local"), ("no.png", "local")],
        ),
        (&["put", "--provider", "meta", "text.json"], no_token, &[("text.json", "invalid_request")]),
        (&["check", "--provider", "meta", "no.jpg"], gone, &[("no.jpg", "local")]),
        (&["ls", "--provider", "meta"], gone, &[("", "unsupported")]),
        (
            &["ls", "--provider", "whapi"],
            Some(("WAMEDIA_WHAPI_TOKEN", "TEST-wrong")),
            &[("", "unauthorized")],
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("text.json"), "no JSON").expect("written");
        let mut command = command(arguments);
        command.arg("--json").current_dir(folder.path()).envs(sandbox.environment()).envs(variable);
        let mut output = command.output().expect("it runs");
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        if arguments.ends_with(&["-"]) {
            // Standard output carries the bytes; the lines are among those for people.
            let said = text(&output.stderr);
            output.stdout =
                said.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n").into();
        }
        let lines = lines(&output);
        let subject = |line: &Value| line.get("ref").or(line.get("file")).cloned().expect("a subject");
        let got: Vec<_> = lines
            .iter()
            .map(|line| {
                let kind = line["error"]["kind"].as_str().unwrap_or("none").to_owned();
                (subject(line).as_str().unwrap_or_default().to_owned(), kind)
            })
            .collect();
        let wanted: Vec<_> =
            wanted.iter().map(|(subject, kind)| ((*subject).to_owned(), (*kind).to_owned())).collect();
        assert_eq!(got, wanted, "{arguments:?}: {lines:?}");
        for line in &lines {
            // A story has its verdict in place of an outcome.
            assert!(line["outcome"] == "failed" || line["verdict"].is_string(), "{line}");
            assert!(line["error"]["message"].is_string() && line["error"].get("host").is_some(), "{line}");
            assert!(!line.to_string().contains("CANARY"), "{line}");
        }
    }
}

#[test]
fn bytes_on_standard_output_have_their_line_on_the_other() {
    let sandbox = Sandbox::start(&[]);
    let output = sandbox.run(&["get", "meta:1001", "-o", "-", "--json"]);
    let line: Value = serde_json::from_slice(&output.stderr).expect("one line of JSON");
    assert_eq!((&line["ref"], &line["outcome"]), (&"meta:1001".into(), &"written".into()));
    assert_eq!((&line["path"], &line["verified"]), (&Value::Null, &"digest".into()));
    assert_eq!(line["sha256"], common::hex(&output.stdout));
}

#[cfg(unix)]
#[test]
fn too_many_open_files_are_told_from_a_bad_place() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let references = (0..32).map(|number| format!("meta:size-{}", 1000 + number));
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 20; exec \"$0\" get --json --concurrency 16 --max-attempts 1 --dir \"$@\"",
            PROGRAM,
        ])
        .arg(folder.path())
        .args(references)
        .env_clear()
        .envs(sandbox.environment())
        .output()
        .expect("it runs");
    let lines = lines(&output);
    assert_eq!(lines.len(), 32, "{}", text(&output.stderr));
    let failed: Vec<_> = lines.iter().filter(|line| line["outcome"] == "failed").collect();
    assert!(!failed.is_empty());
    for line in failed {
        let hint = line["error"]["hint"].as_str().expect("a hint");
        assert!(hint.contains("--concurrency") && hint.contains("ulimit -n"), "{line}");
    }
}

#[test]
fn a_reference_that_is_given_three_times_is_fetched_once() {
    let sandbox = Sandbox::start(&[]);
    let digest = sandbox.media("meta", 0)["sha256"].as_str().expect("a digest").to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let line = format!(r#"{{"item":"media","ref":"meta:1001","sha256":"{digest}","name":"hello.jpg"}}"#);
    let list = format!("meta:1001\n{line}\nmeta:1002\n");
    std::fs::write(folder.path().join("list.txt"), list).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.current_dir(folder.path()).envs(sandbox.environment()).output().expect("it runs")
    };
    let output = run(&["get", "meta:1001", "meta:1001", "--from", "list.txt", "--dir", "d", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut stored = lines(&output);
    stored.sort_by_key(|line| line["ref"].to_string());
    let refs: Vec<_> = stored.iter().map(|line| line["ref"].as_str().expect("a reference")).collect();
    assert_eq!(refs, ["meta:1001", "meta:1002"]);
    // What the later mention declares is used.
    assert_eq!(stored[0]["path"], "d/hello.jpg");
    let names: Vec<_> = common::names(&folder.path().join("d"));
    assert_eq!(names.iter().filter(|name| !name.starts_with('.')).count(), 2, "{names:?}");
    let output = run(&["get", "meta:1001", "meta:1001", "-o", "one.jpg"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1);
    assert_eq!(text(&output.stderr), "  2 references given, 1 distinct: each is fetched once\n");
    // Two that declare different digests are two questions, with a line each.
    let wrong = "0".repeat(64);
    let lines_of_two = [digest.as_str(), &wrong]
        .map(|digest| format!(r#"{{"item":"media","ref":"meta:1001","sha256":"{digest}"}}"#));
    std::fs::write(folder.path().join("two.txt"), lines_of_two.join("\n")).expect("written");
    let output = run(&["get", "--from", "two.txt", "--dir", "two", "--json"]);
    assert_eq!(lines(&output).len(), 2, "{}", text(&output.stderr));
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
