//! The verdict of `explain` on the rows of the fault catalogue, against the real program and sandbox.

mod common;

use common::{Sandbox, lines, text};

/// Short limits, so that what never comes is given up soon.
const LIMITS: [&str; 6] = ["--first-byte-timeout", "1", "--idle-timeout", "1", "--max-attempts", "3"];

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
        ("cut-undeclared-1", 0, "fine_after_retry"),
        ("cut-chunked-1", 0, "fine_after_retry"),
        ("reset-1", 0, "fine_after_retry"),
        ("over-1", 5, "tampered"),
        ("lie-length-1", 0, "fine"),
        ("bomb-1", 0, "fine"),
        ("wrong-type-1", 0, "fine"),
        ("no-digest-1", 0, "fine"),
        ("bad-digest-text-1", 0, "fine"),
        ("stall-1", 0, "fine_after_retry"),
        ("stall-forever-1", 7, "network"),
        ("silent-1", 7, "network"),
        ("s503-1", 0, "fine_after_retry"),
        ("r429-1", 0, "fine_after_retry"),
        ("r429-long-1", 6, "rate_limited"),
        ("s5xx-forever-1", 7, "provider_fault"),
        ("expired-1", 0, "fine_after_renewal"),
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
    // A few at a time: other tests run beside this one.
    for rows in table.chunks(8) {
        std::thread::scope(|scope| {
            for &(id, code, verdict) in rows {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    let reference = format!("meta:{id}");
                    let output = sandbox.run(&[&["explain", &reference, "--json"][..], &LIMITS].concat());
                    let said = text(&output.stderr);
                    let line = &lines(&output)[0];
                    assert_eq!(
                        (&line["ref"], &line["verdict"]),
                        (&reference.into(), &verdict.into()),
                        "{said}"
                    );
                    assert_eq!(output.status.code(), Some(code), "{id}: {said}");
                    assert_eq!(line["error"].is_null(), code == 0, "{id}");
                });
            }
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

#[test]
fn a_renewed_link_is_said_in_words() {
    let sandbox = Sandbox::start(&[]);
    let output = sandbox.run(&["explain", "meta:expired-1"]);
    let said = text(&output.stdout);
    assert!(said.contains("1 renewals") && said.ends_with("a new one gave the media\n"), "{said}");
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
