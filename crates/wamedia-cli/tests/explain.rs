//! The verdict of `explain` on the rows of the fault catalogue, against the real program and sandbox.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::{Sandbox, lines, text};
use serde_json::Value;

/// Short limits, so that what never comes is given up soon.
const LIMITS: [&str; 8] =
    ["--first-byte-timeout", "1", "--idle-timeout", "1", "--max-attempts", "3", "--min-rate", "100"];

/// The media ids of the catalogue that a download from the sandbox can show, and what the catalogue expects.
fn catalogue() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/faults.json");
    let faults: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let rows = faults["faults"].as_array().expect("a list").iter().filter(|fault| !fault["switch"].is_null());
    let ids = rows.flat_map(|fault| fault["outside"].as_array().expect("a list"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    ids.map(|outside| (text(&outside["id"]), text(&outside["expect"]))).collect()
}

/// Tells the story of each, a few at a time: other tests run beside this one.
fn explain_all(sandbox: &Sandbox, references: &[String], check: impl Fn(&str, i32, &Value) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(reference) = references.get(next.fetch_add(1, Relaxed)) {
            let output = sandbox.run(&[&["explain", reference, "--json"][..], &LIMITS].concat());
            let code = output.status.code().expect("it ends by itself");
            let line = lines(&output).pop().unwrap_or_else(|| panic!("{}", text(&output.stderr)));
            check(reference, code, &line);
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(work))));
}

#[test]
fn every_fault_has_its_verdict() {
    let sandbox = Sandbox::start(&[]);
    let table = [
        ("1001", 0, "fine"),
        ("html-200-1", 5, "provider_fault"),
        ("json-200-1", 7, "provider_fault"),
        ("empty-200-1", 5, "tampered"),
        ("flip-1", 5, "tampered"),
        ("cut-declared-1", 0, "fine_after_retry"),
        ("cut-declared-forever-1", 7, "network"),
        ("cut-undeclared-1", 0, "fine_after_retry"),
        ("cut-chunked-1", 0, "fine_after_retry"),
        ("reset-1", 0, "fine_after_retry"),
        ("over-1", 5, "tampered"),
        ("lie-length-1", 0, "fine"),
        ("bomb-1", 0, "fine"),
        ("wrong-type-1", 0, "fine"),
        ("no-digest-1", 0, "fine_unverified"),
        ("bad-digest-text-1", 0, "fine_unverified"),
        ("drip-1", 7, "network"),
        ("stall-1", 0, "fine_after_retry"),
        ("stall-forever-1", 7, "network"),
        ("silent-1", 7, "network"),
        ("s503-1", 0, "fine_after_retry"),
        ("r429-1", 0, "fine_after_retry"),
        ("r429-date-1", 0, "fine_after_retry"),
        ("r429-long-1", 6, "rate_limited"),
        ("s5xx-forever-1", 7, "provider_fault"),
        ("expired-1", 0, "fine_after_renewal"),
        ("expired-410-1", 0, "fine_after_renewal"),
        ("expired-forever-1", 3, "gone"),
        ("early-1", 0, "fine_after_renewal"),
        ("gone-2", 3, "gone"),
        ("range-wrong-total-1", 0, "fine_after_retry"),
        ("expired-mid-1", 0, "fine_after_renewal"),
        ("gone-1", 3, "gone"),
        ("range-ignored-1", 0, "fine_after_retry"),
        ("range-wrong-1", 0, "fine_after_retry"),
        ("range-changed-1", 0, "fine_after_retry"),
        ("416-1", 0, "fine_after_retry"),
        ("foreign-host-1", 9, "refused_for_safety"),
        ("lookalike-1", 9, "refused_for_safety"),
        ("redirect-1", 9, "refused_for_safety"),
        ("redirect-private-1", 9, "refused_for_safety"),
        ("redirect-loop-1", 9, "refused_for_safety"),
        ("downgrade-1", 9, "refused_for_safety"),
        ("traversal-1", 0, "fine"),
        ("header-flood-1", 7, "network"),
        ("huge-json-1", 9, "provider_fault"),
        ("deep-json-1", 5, "provider_fault"),
    ];
    for (id, _) in catalogue() {
        assert!(table.iter().any(|row| row.0 == id), "the table has no verdict for {id}");
    }
    let references: Vec<_> = table.iter().map(|row| format!("meta:{}", row.0)).collect();
    explain_all(&sandbox, &references, |reference, code, line| {
        let row = table.iter().find(|row| reference.strip_prefix("meta:") == Some(row.0));
        let &(id, wanted, verdict) = row.expect("a row");
        assert_eq!((&line["ref"], &line["verdict"]), (&reference.into(), &verdict.into()), "{line}");
        assert_eq!(code, wanted, "{id}: {line}");
        assert_eq!(line["error"].is_null(), code == 0, "{id}");
    });
}

/// The rule for every provider: what is counted, or the kind of the error, decides.
fn rule(line: &Value) -> &'static str {
    let count = |name: &str| line[name].as_u64().unwrap_or_default();
    let error = &line["error"];
    match error["kind"].as_str() {
        None if count("renewals") > 0 => "fine_after_renewal",
        None if count("attempts") > 1 || count("resumes") > 0 || count("waited_ms") > 0 => "fine_after_retry",
        None if line["verified"] != "digest" => "fine_unverified",
        None => "fine",
        Some("not_found" | "expired") => "gone",
        Some("rate_limited") => "rate_limited",
        Some("too_large") if error["operation"] == "resolve" => "provider_fault",
        Some("upstream" | "decode" | "unexpected_content") => "provider_fault",
        Some("transport" | "timeout") => "network",
        Some("integrity") => "tampered",
        Some("refused" | "too_large") => "refused_for_safety",
        Some(other) => panic!("no fault ends as {other}: {line}"),
    }
}

/// Twilio's media belong to messages, and their ids are 32 hex digits.
fn reference(sandbox: &Sandbox, provider: &str, id: &str) -> String {
    if provider != "twilio" {
        return format!("{provider}:{id}");
    }
    let hex = id.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let scope = sandbox.reference("twilio", 0).split_once('?').expect("a message").1;
    format!("twilio:ME{hex:0<32}?{scope}")
}

#[test]
fn the_verdict_follows_from_the_outcome_at_every_other_provider() {
    let sandbox = Sandbox::start(&[]);
    let catalogue = catalogue();
    for provider in ["chakra", "whapi", "nxcloud", "360dialog", "twilio"] {
        // An id of Twilio has room for 16 characters, and no bytes come later than their id there.
        let is_possible = |id: &str| provider != "twilio" || (id.len() <= 16 && id != "early-1");
        let rows: Vec<_> = catalogue.iter().filter(|row| is_possible(&row.0)).collect();
        let references: Vec<_> = rows.iter().map(|row| reference(&sandbox, provider, &row.0)).collect();
        explain_all(&sandbox, &references, |reference, code, line| {
            let place = references.iter().position(|other| other == reference).expect("a row");
            let expected = rows[place].1.as_str();
            assert_eq!(line["verdict"], rule(line), "{reference}: {line}");
            assert_eq!(line["error"].is_null(), code == 0, "{reference}: {line}");
            // Without a digest, and without links or descriptions, some faults cannot be seen or do not happen.
            let is_right = match expected {
                "bytes" => code == 0,
                "failure" => code != 0 || line["verified"] != "digest",
                _ => true,
            };
            assert!(is_right, "{reference}: {expected}, and not {line}");
        });
    }
}

#[test]
fn a_wrong_credential_or_origin_is_yours() {
    let sandbox = Sandbox::start(&[]);
    let verdict = |variable: &str, value: &str| {
        let mut environment = sandbox.environment();
        environment.insert(variable.to_owned(), value.to_owned());
        let mut command = common::command(&["explain", "meta:1001", "--json", "--max-attempts", "1"]);
        let output = command.envs(environment).output().expect("it runs");
        lines(&output)[0]["verdict"].clone()
    };
    assert_eq!(verdict("WAMEDIA_META_TOKEN", "TEST-wrong"), "credential");
    // A port that is free again: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    assert_eq!(verdict("WAMEDIA_META_BASE_URL", &origin), "configuration");
}

/// Answers every connection with these bytes, until the test ends.
fn answering(bytes: &'static [u8]) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let authority = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
        }
    });
    authority
}

#[test]
fn an_address_where_another_server_answers_is_yours() {
    const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 34\r\nConnection: close\r\n\r\n<!doctype html><title>Hello</title";
    const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 16\r\nConnection: close\r\n\r\n<html>no</html>\n";
    const BROKEN: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 16\r\nConnection: close\r\n\r\n<html>no</html>\n";
    let sandbox = Sandbox::start(&[]);
    let providers = ["meta", "chakra", "whapi", "nxcloud", "360dialog", "twilio"];
    let verdict = |provider: &str, origin: &str| {
        let mut environment = sandbox.environment();
        environment.insert(format!("WAMEDIA_{}_BASE_URL", provider.to_uppercase()), origin.to_owned());
        let reference = sandbox.reference(provider, 0);
        let mut command = common::command(&["explain", reference, "--json", "--max-attempts", "1"]);
        let output = command.envs(environment).output().expect("it runs");
        lines(&output).pop().unwrap_or_else(|| panic!("{}", text(&output.stderr)))
    };
    let [page, forbidden, broken] = [PAGE, FORBIDDEN, BROKEN].map(answering);
    for provider in providers {
        for origin in [format!("http://{page}"), format!("http://{forbidden}"), format!("https://{page}")] {
            let line = verdict(provider, &origin);
            assert_eq!(line["verdict"], "configuration", "{provider} at {origin}: {line}");
        }
        // Whoever fails may be the provider.
        let line = verdict(provider, &format!("http://{broken}"));
        assert_eq!(line["verdict"], "provider_fault", "{provider}: {line}");
    }
    let environment = sandbox.environment();
    for provider in providers {
        for other in providers.into_iter().filter(|other| *other != provider) {
            // These two hand on what the Graph API says, so its refusals are theirs.
            let is_relayed = other == "meta" && ["chakra", "360dialog"].contains(&provider);
            let line = verdict(provider, &environment[&format!("WAMEDIA_{}_BASE_URL", other.to_uppercase())]);
            let wanted = if is_relayed { "gone" } else { "configuration" };
            assert_eq!(line["verdict"], wanted, "{provider} at {other}: {line}");
        }
    }
}

#[test]
fn a_wrong_credential_at_an_address_of_yours_is_no_wrong_address() {
    let sandbox = Sandbox::start(&[]);
    for (provider, key) in [
        ("meta", "TOKEN"),
        ("chakra", "TOKEN"),
        ("whapi", "TOKEN"),
        ("nxcloud", "ACCESS_SECRET"),
        ("360dialog", "API_KEY"),
        ("twilio", "AUTH_TOKEN"),
    ] {
        let variable = format!("WAMEDIA_{}_{key}", provider.to_uppercase());
        let mut command = common::command(&["explain", sandbox.reference(provider, 0), "--json"]);
        let output =
            command.envs(sandbox.environment()).env(variable, "TEST-wrong").output().expect("it runs");
        let line = lines(&output).pop().expect("a line");
        assert_eq!(line["verdict"], "credential", "{provider}: {line}");
    }
}

#[test]
fn a_renewed_link_is_said_in_words() {
    let sandbox = Sandbox::start(&[]);
    let output = sandbox.run(&["explain", "meta:expired-1"]);
    let said = text(&output.stdout);
    assert!(said.contains("1 renewal,") && said.ends_with("a new one gave the media\n"), "{said}");
}

#[test]
fn the_story_has_every_request_and_decision_and_no_value_of_a_query() {
    let sandbox = Sandbox::start(&[]);
    let output = sandbox.run(&["explain", "meta:expired-1"]);
    let shown = text(&output.stdout);
    let steps: Vec<_> = shown.lines().filter(|line| line.contains(" ms  ")).collect();
    assert_eq!(steps.len(), 7, "{shown}");
    assert!(
        steps[1].contains("GET http://127.0.0.1:") && steps[1].contains("?mid=..&ext=..&hash=.. -> 404"),
        "{shown}"
    );
    assert!(steps[3].contains("resolving again: expired"), "{shown}");
    assert!(text(&output.stderr).is_empty(), "{}", text(&output.stderr));
    let line = lines(&sandbox.run(&["explain", "meta:expired-1", "--json"])).remove(0);
    let story = line["story"].as_array().expect("a list");
    assert_eq!((story.len(), &story[1]["http.response.status_code"]), (7, &"404".into()));
    assert_eq!((&story[2]["event"], &story[2]["error.type"]), (&"given up".into(), &"expired".into()));
}
