//! Profiles, the network, and the commands that look at both: `config` and `doctor`.

mod common;

use std::path::{Path, PathBuf};
use std::process::Output;

use common::{Sandbox, command, lines, text};

fn written(folder: &Path, content: &str) -> PathBuf {
    let path = folder.join("wamedia.toml");
    std::fs::write(&path, content).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
    }
    path
}

/// A file with a default account that is refused, and a profile that works.
fn two_accounts(sandbox: &Sandbox, folder: &Path) -> PathBuf {
    let environment = sandbox.environment();
    let value = |key: &str| &environment[&format!("WAMEDIA_META_{key}")];
    let place = format!(
        "base_url = \"{}\"\ncontent_origins = [\"{}\"]\n",
        value("BASE_URL"),
        value("CONTENT_ORIGINS")
    );
    let token = value("TOKEN");
    written(
        folder,
        &format!(
            "[meta]\ntoken = \"TEST-canary\"\n{place}[meta.profiles.sales]\ntoken = \"{token}\"\n{place}"
        ),
    )
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_profile_is_an_account_that_a_reference_or_a_flag_names() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = two_accounts(&sandbox, folder.path());
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.args(["--config", file.to_str().expect("UTF-8"), "--json"]);
        // The environment's account is the default one.
        command.env("WAMEDIA_META_TOKEN", "TEST-canary").output().expect("it runs")
    };
    for (arguments, code, reference) in [
        (&["info", "meta@sales:1001"][..], 0, "meta@sales:1001"),
        (&["info", "meta:1001", "--profile", "sales"], 0, "meta@sales:1001"),
        (&["info", "1001", "--provider", "meta", "--profile", "sales"], 0, "meta@sales:1001"),
        (&["rm", "meta@sales:gone-1"], 0, "meta@sales:gone-1"),
        (&["explain", "meta@sales:1001"], 0, "meta@sales:1001"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert_eq!(lines(&output)[0]["ref"], reference, "{arguments:?}");
    }
    assert_eq!(run(&["info", "meta:1001"]).status.code(), Some(4), "the default account is another one");
    let unknown = run(&["info", "meta@support:1001"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("sales"), "the profiles that there are: {}", said(&unknown));
}

#[test]
fn config_says_where_each_value_comes_from_and_shows_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = "[meta]\ntoken = \"TEST-canary\"\nphone_number_id = \"391\"\napi_version = \"v24.0\"\n\
        [whapi.profiles.two]\nbase_url = \"https://a.test/?hash=TEST-canary\"\n[network]\nproxy = \"http://user:TEST-canary@p.test:1\"\n";
    let file = written(folder.path(), content);
    let run = |more: &[&str]| {
        let mut command = command(&["config", "--api-version", "v25.0", "--config"]);
        let output = command.arg(&file).args(more).env("WAMEDIA_META_PHONE_NUMBER_ID", "392").output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(!said(&output).contains("canary"), "{}", said(&output));
        output
    };
    let shown = text(&run(&[]).stdout);
    let row =
        |key: &str| shown.lines().find(|line| line.trim().starts_with(key)).unwrap_or_default().to_owned();
    assert!(row("token").contains("(secret)") && row("token").contains("the file"), "{shown}");
    assert!(
        row("phone_number_id").contains("392") && row("phone_number_id").contains("WAMEDIA_META_"),
        "{shown}"
    );
    assert!(row("api_version").contains("v25.0") && row("api_version").contains("command line"), "{shown}");
    assert!(
        shown.contains(file.to_str().expect("UTF-8")) && shown.contains("proxy: http://p.test:1"),
        "{shown}"
    );
    assert!(shown.contains("whapi@two is not configured: set token"), "{shown}");
    let json = lines(&run(&["--json"]));
    assert_eq!((&json[0]["provider"], &json[0]["missing"]), (&"meta".into(), &serde_json::json!([])));
    assert_eq!((&json[1]["profile"], &json[1]["missing"]), (&"two".into(), &serde_json::json!(["token"])));
    let nothing = command(&["config"]).output().expect("it runs");
    assert!(text(&nothing.stdout).contains("no provider is configured"), "{}", said(&nothing));
}

#[test]
fn doctor_finds_what_is_wrong_and_says_what_to_do() {
    let sandbox = Sandbox::start(&[]);
    let all = command(&["doctor", "--json"]).envs(sandbox.environment()).output().expect("it runs");
    assert_eq!(all.status.code(), Some(0), "{}", said(&all));
    let verdicts: Vec<_> = lines(&all).iter().map(|line| line["verdict"].clone()).collect();
    assert_eq!(verdicts, vec!["fine"; 6]);

    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let closed = format!("http://{closed}");
    for (name, value, code, verdict, last, hint) in [
        ("WAMEDIA_META_TOKEN", "TEST-canary", 4, "credential", "call", "WAMEDIA_META_TOKEN"),
        ("WAMEDIA_META_TOKEN", "", 2, "configuration", "configuration", ""),
        ("WAMEDIA_META_BASE_URL", &closed, 7, "network", "connection", "firewall"),
        ("WAMEDIA_META_BASE_URL", "https://no-such-name.invalid", 7, "network", "name", "DNS"),
        ("WAMEDIA_META_BASE_URL", "http://example.com", 2, "configuration", "configuration", ""),
    ] {
        let mut command = command(&["doctor", "meta", "--json"]);
        command.envs(sandbox.environment()).env(name, value);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{name}: {}", said(&output));
        let line = &lines(&output)[0];
        let check = line["checks"].as_array().and_then(|checks| checks.last()).expect("a check").clone();
        assert_eq!((&line["verdict"], &check["check"]), (&verdict.into(), &last.into()), "{line}");
        assert_eq!(check["ok"], false);
        assert!(check["hint"].as_str().unwrap_or_default().contains(hint), "{line}");
        assert!(!said(&output).contains("canary"));
    }
}

#[test]
fn a_proxy_and_certificates_are_checked_before_anything_is_sent() {
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("written");
    let empty = empty.to_str().expect("UTF-8");
    let file = written(folder.path(), "[network]\nca_files = [\"missing.pem\"]\n");
    for (arguments, words) in [
        (&["--proxy", "TEST-canary"][..], "proxy.example:3128"),
        (&["--proxy", "env"], "HTTPS_PROXY"),
        (&["--ca-file", empty], "empty.pem"),
        (&["--ca-file", "nowhere.pem"], "nowhere.pem"),
        (&["--config", file.to_str().expect("UTF-8")], "missing.pem"),
    ] {
        let mut command = command(&["info", "meta:1001"]);
        command.envs(sandbox.environment()).env("HTTPS_PROXY", "TEST-canary").args(arguments);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words) && !said(&output).contains("canary"), "{}", said(&output));
    }
    let environment = [("HTTPS_PROXY", "http://proxy.invalid:1")];
    let output = command(&["info", "meta:1001", "--proxy", "none"])
        .envs(sandbox.environment())
        .envs(environment)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}
