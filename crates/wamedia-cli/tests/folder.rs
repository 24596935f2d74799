//! Several references in one folder: which is which, and what the folder's records are worth.

mod common;

use common::{Sandbox, command, lines, text};
use serde_json::Value;

#[test]
fn two_accounts_with_one_media_keep_their_labels() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let environment = sandbox.environment();
    let file = folder.path().join("wamedia.toml");
    let origins = format!(
        "base_url = {:?}\ncontent_origins = [{:?}]",
        environment["WAMEDIA_META_BASE_URL"], environment["WAMEDIA_META_CONTENT_ORIGINS"]
    );
    let profile = |name: &str, token: &str| format!("[meta.profiles.{name}]\ntoken = {token:?}\n{origins}\n");
    let text = profile("right", &environment["WAMEDIA_META_TOKEN"]) + &profile("wrong", "TEST-wrong");
    std::fs::write(&file, text).expect("written");
    for refs in [["meta@right:1001", "meta@wrong:1001"], ["meta@wrong:1001", "meta@right:1001"]] {
        let mut command =
            command(&["get", refs[0], refs[1], "--json", "--quiet", "--config", "wamedia.toml"]);
        let output = command.args(["--dir", "d", "--exists", "replace"]).current_dir(folder.path()).output();
        let mut lines = lines(&output.expect("it runs"));
        lines.sort_by_key(|line| line["ref"].to_string());
        let said = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let ended: Vec<_> = lines.iter().map(|line| (said(line, "ref"), said(line, "outcome"))).collect();
        let ended: Vec<_> = ended.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(ended, [("meta@right:1001", "stored"), ("meta@wrong:1001", "failed")], "{refs:?}");
    }
}

#[test]
fn a_recorded_file_without_a_digest_does_not_meet_a_demand_for_one() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    let get = |reference: &str, more: &[&str]| {
        let output = sandbox.run(&[&["get", reference, "--dir", dir, "--json"], more].concat());
        (output.status.code(), lines(&output)[0]["outcome"].as_str().expect("text").to_owned())
    };
    let of = |code, outcome: &str| (Some(code), outcome.to_owned());
    assert_eq!(get("meta:no-digest-1", &[]), of(0, "stored"));
    assert_eq!(get("meta:no-digest-1", &[]), of(0, "kept"));
    assert_eq!(get("meta:no-digest-1", &["--require", "length"]), of(0, "kept"));
    assert_eq!(get("meta:no-digest-1", &["--require", "digest"]), of(5, "failed"));
    assert_eq!(get("meta:1001", &["--require", "digest"]), of(0, "stored"));
    assert_eq!(get("meta:1001", &["--require", "digest"]), of(0, "kept"));
}

#[test]
fn the_reason_of_an_error_is_said_once() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join(".wamedia");
    std::fs::create_dir_all(own.join("manifest.jsonl")).expect("made");
    let output = sandbox.run(&["get", "meta:size-1", "--dir", folder.path().to_str().expect("UTF-8")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(10), "{said}");
    assert_eq!(said.matches("the manifest is not a regular file").count(), 1, "{said}");
}
