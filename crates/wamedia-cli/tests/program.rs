//! The real program against the real sandbox, over sockets.

mod common;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use common::{Sandbox, command, digest, hex, lines, names, text};

/// The two ids of `flip-1` at the sandbox.
const TWILIO_FLIP: &str = "ME666c69702d3100000000000000000000?message=MM00000000000000000000000000000000";

#[test]
fn references_of_all_providers_become_verified_files() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    let providers = ["meta", "chakra", "whapi", "nxcloud", "360dialog", "twilio"];
    let mut arguments = vec!["get", "--json", "--dir", dir];
    arguments.extend(providers.map(|provider| sandbox.reference(provider, 0)));
    let output = sandbox.run(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stored = lines(&output);
    assert_eq!(stored.len(), providers.len());
    for provider in providers {
        let media = sandbox.media(provider, 0);
        // What is printed can be used again: Twilio's reference has the id of the message as well.
        let line = stored.iter().find(|line| line["ref"] == media["ref"]).expect("a line per reference");
        assert_eq!(line["outcome"], "stored");
        assert_eq!(line["sha256"], media["sha256"]);
        assert_eq!(line["bytes"], media["size_bytes"]);
        assert_eq!(
            digest(Path::new(line["path"].as_str().expect("a path"))),
            media["sha256"].as_str().expect("hex")
        );
    }
    // The files, and our own folder with the manifest.
    assert_eq!(names(folder.path()).len(), providers.len() + 1);
    assert_eq!(names(&folder.path().join(".wamedia")), ["manifest.jsonl"]);
}

#[test]
fn a_flipped_bit_is_refused_and_leaves_nothing() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("photo.jpg");
    let right = sandbox.media("meta", 0)["sha256"].as_str().expect("hex").to_owned();
    for (provider, id) in [
        ("meta", "flip-1"),
        ("chakra", "flip-1"),
        ("whapi", "flip-1"),
        ("nxcloud", "flip-1"),
        ("360dialog", "flip-1"),
        ("twilio", TWILIO_FLIP),
    ] {
        let reference = format!("{provider}:{id}");
        let output = sandbox.run(&[
            "get",
            &reference,
            "--sha256",
            &right,
            "-o",
            target.to_str().expect("UTF-8"),
            "--json",
        ]);
        assert_eq!(output.status.code(), Some(5), "{provider}: {}", text(&output.stderr));
        assert_eq!(lines(&output)[0]["error"]["kind"], "integrity");
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn faults_recover_or_end_with_the_right_code() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let fetch = |reference: &str, name: &str| {
        let target = folder.path().join(name);
        let output = sandbox.run(&[
            "get",
            reference,
            "-o",
            target.to_str().expect("UTF-8"),
            "--idle-timeout",
            "0.3",
            "--first-byte-timeout",
            "0.3",
        ]);
        (output.status.code(), target.exists(), text(&output.stderr))
    };
    for fault in [
        "cut-declared",
        "cut-chunked",
        "reset",
        "stall",
        "expired",
        "early",
        "range-ignored",
        "416",
        "bomb",
        "lie-length",
    ] {
        for provider in ["meta", "chakra"] {
            let (code, exists, said) =
                fetch(&format!("{provider}:{fault}-1"), &format!("{provider}-{fault}"));
            assert_eq!((code, exists), (Some(0), true), "{provider} {fault}: {said}");
        }
    }
    for (fault, want) in [
        ("html-200", 5),
        ("empty-200", 5),
        ("foreign-host", 9),
        ("lookalike", 9),
        ("redirect-loop", 9),
        ("redirect-private", 9),
        ("downgrade", 9),
        ("gone", 3),
        ("over", 5),
    ] {
        let id = if fault == "gone" { "999".to_owned() } else { format!("{fault}-forever-1") };
        let (code, exists, said) = fetch(&format!("meta:{id}"), fault);
        assert_eq!((code, exists), (Some(want), false), "{fault}: {said}");
        assert!(!said.contains("TEST-"), "a secret shows: {said}");
    }
    assert!(names(folder.path()).iter().all(|name| !name.contains("wamedia-part")));
}

#[test]
fn an_existing_file_is_refused_kept_or_replaced() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("photo.jpg");
    std::fs::write(&target, "before").expect("written");
    let path = target.to_str().expect("UTF-8");
    let run = |exists: &str| {
        sandbox.run(&["get", sandbox.reference("meta", 0), "-o", path, "--exists", exists]).status.code()
    };
    assert_eq!(run("refuse"), Some(10));
    assert_eq!(run("keep"), Some(0));
    assert_eq!(std::fs::read(&target).expect("a file"), b"before");
    assert_eq!(run("replace"), Some(0));
    assert_eq!(digest(&target), sandbox.media("meta", 0)["sha256"].as_str().expect("hex"));
}

#[test]
fn configuration_and_usage_are_exit_2_and_name_what_is_missing() {
    let output = command(&["get", "meta:1"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("WAMEDIA_META_TOKEN"));
    for arguments in
        [&["get", "meta:a%2Fb"][..], &["get", "nobody:1"], &["get", "meta:"], &["frobnicate"], &["get"]]
    {
        assert_eq!(command(arguments).output().expect("runs").status.code(), Some(2), "{arguments:?}");
    }
    let plain = command(&["get", "meta:1", "--base-url", "http://api.test"])
        .env("WAMEDIA_META_TOKEN", "TEST-canary")
        .output();
    let plain = plain.expect("runs");
    assert_eq!(plain.status.code(), Some(2));
    assert!(text(&plain.stderr).contains("https") && !text(&plain.stderr).contains("canary"));
}

#[test]
fn a_wrong_token_is_exit_4_and_shows_no_token() {
    let sandbox = Sandbox::start(&[]);
    for (provider, variable) in [
        ("meta", "META_TOKEN"),
        ("chakra", "CHAKRA_TOKEN"),
        ("whapi", "WHAPI_TOKEN"),
        ("nxcloud", "NXCLOUD_ACCESS_SECRET"),
        ("360dialog", "360DIALOG_API_KEY"),
        ("twilio", "TWILIO_AUTH_TOKEN"),
    ] {
        let mut environment = sandbox.environment();
        environment.insert(format!("WAMEDIA_{variable}"), "TEST-wrong".to_owned());
        let output =
            command(&["get", sandbox.reference(provider, 0), "-v"]).envs(environment).output().expect("runs");
        assert_eq!(output.status.code(), Some(4), "{provider}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("TEST-wrong"));
    }
}

#[test]
fn standard_output_carries_the_bytes_alone() {
    let sandbox = Sandbox::start(&[]);
    let output = sandbox.run(&["get", sandbox.reference("nxcloud", 0), "-o", "-"]);
    assert!(output.status.success());
    assert_eq!(hex(&output.stdout), sandbox.media("nxcloud", 0)["sha256"].as_str().expect("hex"));
}

#[test]
fn a_delivery_is_verified_and_fetched_in_one_step() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let id = sandbox.reference("whapi", 0).trim_start_matches("whapi:").to_owned();
    let file = folder.path().join("delivery.json");
    let body = format!(
        r#"{{"messages":[{{"id":"m1","type":"image","image":{{"id":"{id}","mime_type":"image/jpeg"}}}}]}}"#
    );
    std::fs::write(&file, body).expect("written");
    let file = file.to_str().expect("UTF-8");
    let into = folder.path().join("media");
    let into = into.to_str().expect("UTF-8");
    let get = |more: &[&str]| {
        let arguments = ["get", "--provider", "whapi", "--webhook", file, "--dir", into, "--json"];
        sandbox.run(&[&arguments[..], more].concat())
    };
    let header = &sandbox.environment()["WAMEDIA_WHAPI_WEBHOOK_HEADER"];
    let wrong = format!("{header}-other");
    for (more, words) in [
        (&[][..], "--allow-unverified"),
        (&["--header", "X-Other: 1"], "header is missing"),
        (&["--header", wrong.as_str()], "not the provider's"),
        (&["--header", wrong.as_str(), "--allow-unverified"], "not the provider's"),
    ] {
        let refused = get(more);
        assert_eq!(refused.status.code(), Some(4), "{more:?}: {}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(words), "{more:?}: {}", text(&refused.stderr));
        let told = lines(&refused);
        assert_eq!((told.len(), &told[0]["file"]), (1, &file.into()), "{told:?}");
        assert_eq!(told[0]["error"]["kind"], "unauthorized", "{told:?}");
    }
    for more in [&["--header", header.as_str()][..], &["--allow-unverified", "--exists", "replace"]] {
        let stored = get(more);
        assert_eq!(stored.status.code(), Some(0), "{}", text(&stored.stderr));
        assert_eq!(lines(&stored)[0]["sha256"], sandbox.media("whapi", 0)["sha256"]);
    }
    let listed = sandbox.run(&["get", "--from", file]);
    assert_eq!(listed.status.code(), Some(2));
    assert!(text(&listed.stderr).contains("get --webhook"), "{}", text(&listed.stderr));
}

/// What is printed for people is provider and id; Twilio's media is addressed by its message as well.
#[test]
fn lines_of_inbound_keep_all_of_a_reference() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let reference = sandbox.reference("twilio", 0);
    let (id, scope) = reference.trim_start_matches("twilio:").split_once('?').expect("a message");
    let message = scope.split('&').find_map(|pair| pair.strip_prefix("message=")).expect("a message");
    let account = &sandbox.environment()["WAMEDIA_TWILIO_ACCOUNT_SID"];
    let form = format!(
        "MessageSid={message}&AccountSid={account}&NumMedia=1&MediaContentType0=image/jpeg&MediaUrl0=\
         https://api.twilio.com/2010-04-01/Accounts/{account}/Messages/{message}/Media/{id}"
    );
    let (delivery, list) = (folder.path().join("delivery.txt"), folder.path().join("list.jsonl"));
    std::fs::write(&delivery, form).expect("written");
    let read = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let json = sandbox.run(&["inbound", "--provider", "twilio", "--json", &read(&delivery)]);
    std::fs::write(&list, &json.stdout).expect("written");
    let dir = read(&folder.path().join("media"));
    let stored = sandbox.run(&["get", "--from", &read(&list), "--json", "--dir", &dir]);
    assert_eq!(stored.status.code(), Some(0), "{}", text(&stored.stderr));
    assert_eq!(lines(&stored)[0]["sha256"], sandbox.media("twilio", 0)["sha256"]);
    // A line that names no media is an error, never a file that is left out.
    std::fs::write(&list, r#"{"item":"media","kind":"image"}"#).expect("written");
    let nothing = sandbox.run(&["get", "--from", &read(&list), "--dir", &dir]);
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing.stderr));
    assert!(text(&nothing.stderr).contains("line 1"), "{}", text(&nothing.stderr));
}

#[test]
fn a_webhook_pipes_into_get_and_a_forged_one_is_refused() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let id = sandbox.media("meta", 0)["ref"].as_str().expect("text").trim_start_matches("meta:").to_owned();
    let body = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"changes":[{{"field":"messages","value":{{"messages":[{{"id":"wamid.1","type":"image","image":{{"id":"{id}","mime_type":"image/jpeg","sha256":"{}"}}}},{{"type":"text"}}]}}}}]}}]}}"#,
        sandbox.media("meta", 0)["sha256"].as_str().expect("hex")
    );
    let feed = |arguments: &[&str], input: &[u8]| {
        let mut child = command(arguments)
            .envs(sandbox.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        child.stdin.take().expect("piped").write_all(input).expect("written");
        child.wait_with_output().expect("ends")
    };
    let refs = feed(&["inbound", "--provider", "meta", "--refs"], body.as_bytes());
    assert!(text(&refs.stdout).starts_with(&format!("meta:{id}?")), "{}", text(&refs.stderr));
    let json = feed(&["inbound", "--provider", "meta", "--json"], body.as_bytes());
    assert_eq!(
        lines(&json).iter().map(|line| line["item"].as_str().expect("text")).collect::<Vec<_>>(),
        ["media", "other"]
    );
    for input in [&refs.stdout, &json.stdout] {
        let stored = feed(
            &[
                "get",
                "--from",
                "-",
                "--json",
                "--exists",
                "replace",
                "--dir",
                folder.path().to_str().expect("UTF-8"),
            ],
            input,
        );
        assert_eq!(lines(&stored)[0]["verified"], "digest", "{}", text(&stored.stderr));
    }
    let forged = feed(
        &["inbound", "--provider", "meta", "--header", "X-Hub-Signature-256: sha256=00"],
        body.as_bytes(),
    );
    assert_eq!(forged.status.code(), Some(4));
    assert!(text(&forged.stderr).contains("not the provider's"), "{}", text(&forged.stderr));
    let bare = feed(&["inbound", "--provider", "meta", "--header", "X-Other: 1"], body.as_bytes());
    assert_eq!(bare.status.code(), Some(4));
    assert!(text(&bare.stderr).contains("signature header is missing"), "{}", text(&bare.stderr));
    let unchecked = feed(&["inbound", "--provider", "meta"], body.as_bytes());
    assert!(text(&unchecked.stdout).trim_end().ends_with("not checked"), "{}", text(&unchecked.stdout));
    assert!(lines(&json).iter().all(|line| line["authenticity"] == "not_checked"));
    let garbage = feed(&["inbound", "--provider", "meta"], b"[]");
    assert_eq!(garbage.status.code(), Some(5));
    let large = feed(&["inbound", "--provider", "meta", "--max-bytes", "10"], body.as_bytes());
    assert_eq!(large.status.code(), Some(9), "{}", text(&large.stderr));
    let link = r#"{"messages":[{"type":"image","image":{"link":"https://files.whapi.cloud/1.jpg"}}]}"#;
    let linked = feed(&["inbound", "--provider", "whapi", "--json"], link.as_bytes());
    assert_eq!(lines(&linked)[0]["ref"], "whapi:?kind=image&link=https%3A//files.whapi.cloud/1.jpg");
    let odd = feed(&["inbound", "--provider", "whapi"], br#"{"messages":[{"type":"a\u001b[2J\nb"}]}"#);
    assert!(text(&odd.stdout).starts_with(r"other   a\u{1b}[2J\nb"), "{}", text(&odd.stdout));
    let required = feed(&["inbound", "--provider", "meta", "--require-signature"], body.as_bytes());
    assert_eq!(required.status.code(), Some(4));
}

#[test]
fn what_goes_up_comes_back_and_goes_away() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media");
    for provider in ["meta", "whapi", "nxcloud", "360dialog"] {
        for name in
            ["photo.jpg", "voice.ogg", "report.pdf", "clip.mp4", "sticker.webp", "table.xlsx", "note.txt"]
        {
            let file = fixtures.join(name);
            let output =
                sandbox.run(&["put", "--provider", provider, "--json", file.to_str().expect("UTF-8")]);
            assert!(output.status.success(), "{provider} {name}: {}", text(&output.stderr));
            let line = &lines(&output)[0];
            assert_eq!(line["sha256"], digest(&file));
            let reference = line["ref"].as_str().expect("a reference").to_owned();
            let target = folder.path().join(format!("{provider}-{name}"));
            let got = sandbox.run(&["get", &reference, "-o", target.to_str().expect("UTF-8")]);
            assert!(got.status.success(), "{provider} {name}: {}", text(&got.stderr));
            assert_eq!(digest(&target), digest(&file), "{provider} {name}");
            let gone = sandbox.run(&["rm", &reference, "--json"]);
            assert_eq!(lines(&gone)[0]["outcome"], "deleted", "{provider} {name}: {}", text(&gone.stderr));
        }
    }
    let link = sandbox.run(&[
        "put",
        "--provider",
        "chakra",
        "--json",
        fixtures.join("photo.jpg").to_str().expect("UTF-8"),
    ]);
    assert!(link.status.success(), "{}", text(&link.stderr));
    assert!(lines(&link)[0]["link"].is_string() && lines(&link)[0]["ref"].is_null());
    assert_eq!(sandbox.run(&["rm", "chakra:1001"]).status.code(), Some(8));
    assert!(lines(&sandbox.run(&["ls", "--provider", "whapi", "--json"])).len() >= 8);
}

#[test]
fn files_that_cannot_go_up_are_refused_before_anything_is_sent() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let put = |path: &str| sandbox.run(&["put", "--provider", "meta", path]).status.code();
    assert_eq!(put(&write("empty.jpg", b"")), Some(9));
    assert_eq!(put(&write("film.mov", b"\0\0\0\x14ftypqt  ")), Some(9));
    assert_eq!(put(&write("big.jpg", &vec![0xff; 6 << 20])), Some(9));
    assert_eq!(put("no-such-file.jpg"), Some(10));
    assert_eq!(put(folder.path().to_str().expect("UTF-8")), Some(10));
}

#[test]
fn the_demo_says_what_was_verified_and_what_could_not_be() {
    let output = command(&["demo"]).output().expect("the program runs");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    let last = said.lines().last().expect("a last line");
    let rows: Vec<&str> = said.lines().filter(|line| line.starts_with("ok  ")).collect();
    let unverified = rows.iter().filter(|row| row.ends_with("not verified: no digest is declared")).count();
    // Twilio declares no digest, and nothing claims one.
    assert_eq!(unverified, rows.iter().filter(|row| row.contains("twilio:") && row.contains("->")).count());
    assert!(unverified > 0 && !said.contains("FAIL"), "{said}");
    let (all, verified) = (rows.len(), rows.len() - unverified);
    let want = format!(
        "{all} of {all} as they should be: {verified} verified, {unverified} without anything to verify"
    );
    assert_eq!(last, want);
}
