//! Kills, crowds, pipes and logs, seen from outside the process.

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{PROGRAM, Sandbox, command, digest, lines, names, text};

/// How many bytes the content has that is killed half-way.
const BYTES: u64 = 8_000_000;

/// Bytes that stand in a folder under names that do not belong to finished files.
fn unfinished(folder: &Path) -> u64 {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let parts = entries.filter(|entry| entry.file_name().to_string_lossy().contains(".wamedia-part"));
    parts.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// Killed at many moments, with and without `--resume` on the next run. `WAMEDIA_KILLS=200` makes it longer.
#[test]
fn a_kill_leaves_nothing_that_could_be_mistaken() {
    let kills = std::env::var("WAMEDIA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_u64);
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("content");
    let reference = format!("meta:size-{BYTES}");
    let get = ["get", &reference, "-o", target.to_str().expect("UTF-8"), "--exists", "replace"];
    assert!(sandbox.run(&get).status.success());
    let whole = digest(&target);
    std::fs::remove_file(&target).expect("removed");
    let mut left = 0;
    for number in 0..kills {
        let mut child =
            command(&get).envs(sandbox.environment()).stderr(Stdio::null()).spawn().expect("it starts");
        // The moment is a number of bytes, not of milliseconds, so that it means the same on every machine.
        let moment = BYTES * number / kills;
        while unfinished(folder.path()) < moment.max(1) {
            if child.try_wait().expect("a child").is_some() {
                break;
            }
            std::thread::yield_now();
        }
        child.kill().expect("it can be killed");
        let _ = child.wait().expect("a child");
        // A kill may come between the rename and the end: then the file is whole.
        if target.exists() {
            assert_eq!(digest(&target), whole, "a killed run left something else under the final name");
            std::fs::remove_file(&target).expect("removed");
        }
        left += u64::from(unfinished(folder.path()) > 0);
        let mut again = get.to_vec();
        if number % 2 == 0 {
            again.push("--resume");
        }
        let output = sandbox.run(&again);
        assert!(output.status.success(), "after kill {number}: {}", text(&output.stderr));
        assert_eq!(names(folder.path()), ["content"], "after kill {number}");
        assert_eq!(digest(&target), whole, "after kill {number}");
        std::fs::remove_file(&target).expect("removed");
    }
    assert!(left > 0, "no kill came half-way, so nothing was tested");
}

/// A thousand at once, a tenth of them in trouble: each ends as it must, and none takes another along.
#[test]
fn a_thousand_transfers_with_a_tenth_in_trouble() {
    const HEALING: [&str; 5] = ["reset", "cut-declared", "cut-chunked", "expired", "416"];
    const FATAL: [(&str, &str); 5] = [
        ("flip", "integrity"),
        ("html-200", "unexpected_content"),
        ("gone", "not_found"),
        ("redirect-loop", "refused"),
        ("foreign-host", "refused"),
    ];
    let sandbox = Sandbox::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let mut wanted = BTreeMap::new();
    for number in 0..1000_usize {
        let (id, kind) = match number % 20 {
            0 => (format!("{}-{number}", HEALING[number / 20 % 5]), None),
            10 => {
                let (fault, kind) = FATAL[number / 20 % 5];
                (format!("{fault}-{number}"), Some(kind))
            }
            _ => (format!("size-{}", 1000 + number), None),
        };
        wanted.insert(format!("meta:{id}"), kind);
    }
    let list = wanted.keys().cloned().collect::<Vec<_>>().join("\n");
    let dir = folder.path().to_str().expect("UTF-8");
    let mut child = command(&["get", "--from", "-", "--json", "--dir", dir, "--concurrency", "16"])
        .envs(sandbox.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("piped").write_all(list.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let ended = lines(&output);
    assert_eq!(ended.len(), 1000);
    for line in &ended {
        let reference = line["ref"].as_str().expect("a reference");
        let kind = wanted.get(reference).unwrap_or_else(|| panic!("nobody asked for {reference}"));
        assert_eq!(line["error"]["kind"].as_str(), *kind, "{line}");
        if let Some(size) = reference.strip_prefix("meta:size-") {
            assert_eq!(line["bytes"].to_string(), size, "{line}");
        }
    }
    let failed = wanted.values().filter(|kind| kind.is_some()).count();
    // The files, and our own folder with the manifest.
    assert_eq!(names(folder.path()).len(), 1000 - failed + 1);
    assert_eq!(names(&folder.path().join(".wamedia")), ["manifest.jsonl"]);
    assert_eq!(unfinished(folder.path()), 0);
}

#[test]
fn a_pipe_is_uploaded_as_well_as_a_file() {
    let sandbox = Sandbox::start(&[]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media/photo.jpg");
    let mut child = command(&["put", "--provider", "meta", "--json", "--name", "photo.jpg", "-"])
        .envs(sandbox.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let bytes = std::fs::read(&file).expect("a file");
    child.stdin.take().expect("piped").write_all(&bytes).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(lines(&output)[0]["sha256"], digest(&file));
    assert_eq!(lines(&output)[0]["bytes"], bytes.len());
}

#[test]
#[cfg(unix)]
fn settings_without_an_end_are_refused() {
    for arguments in [&["config", "--config"][..], &["info", "meta:1", "--ca-file"]] {
        let output = command(arguments).arg("/dev/zero").output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        assert!(said.contains("/dev/zero") && said.contains("it has more than the 16777216 bytes"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_without_an_end_is_refused_once_no_provider_takes_more() {
    let sandbox = Sandbox::start(&[]);
    for command in ["put", "check"] {
        let output = sandbox.run(&[command, "--provider", "meta", "/dev/zero"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(9), "{command}: {said}");
        assert!(said.contains("/dev/zero") && said.contains("the provider takes no more"), "{said}");
    }
}

/// Containers limit threads. No such limit holds for root, so the program runs as a user without rights.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_a_thread_to_spare_is_an_error() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;

    // That user may not see where the program was built.
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("wamedia");
    std::fs::copy(PROGRAM, &program).expect("copied");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("changed");
    let is_root = std::fs::metadata("/proc/self").expect("it is there").uid() == 0;
    for (arguments, count) in [(&["config"][..], 0), (&["get", "--json", "meta:1", "meta:2"], 2)] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -u 1 2>&- || ulimit -p 1; exec \"$0\" \"$@\""]).arg(&program);
        shell.args(arguments).env_clear().env("HOME", "nowhere").current_dir("/");
        if is_root {
            shell.uid(65534);
        }
        let output = shell.output().expect("it runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot start: ") && said.contains("hint: "), "{said}");
        let lines = lines(&output);
        assert!(
            lines.len() == count && lines.iter().all(|line| line["error"]["kind"] == "local"),
            "{lines:?}"
        );
    }
}

/// Everything that the program can say, at the highest level, through every kind of trouble.
#[test]
fn no_secret_is_said_at_any_level() {
    let sandbox = Sandbox::start(&[]);
    let environment = sandbox.environment();
    let secrets: Vec<&String> =
        environment.iter().filter(|(name, _)| !name.ends_with("_BASE_URL")).map(|(_, value)| value).collect();
    let secrets: Vec<_> = secrets.into_iter().filter(|value| value.starts_with("TEST-")).collect();
    assert!(secrets.len() >= 4, "the sandbox must hand out secrets, else nothing is looked for");
    let folder = tempfile::tempdir().expect("a folder");
    for (number, id) in [
        "size-1000",
        "reset-1",
        "expired-1",
        "flip-1",
        "gone-1",
        "json-200-1",
        "redirect-1",
        "s5xx-forever-1",
    ]
    .iter()
    .enumerate()
    {
        for provider in ["meta", "chakra", "whapi", "nxcloud", "360dialog"] {
            let target = folder.path().join(format!("{provider}-{number}"));
            for verb in [vec!["get", "-o", target.to_str().expect("UTF-8")], vec!["info"], vec!["explain"]] {
                let reference = format!("{provider}:{id}");
                let mut arguments = verb.clone();
                arguments.insert(1, &reference);
                arguments.extend(["--verbose", "--max-attempts", "1"]);
                let output = command(&arguments).envs(&environment).env("WAMEDIA_LOG", "trace").output();
                let output = output.expect("it runs");
                let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
                assert_ne!(output.status.code(), Some(2), "{arguments:?}: {said}");
                for secret in &secrets {
                    assert!(!said.contains(*secret), "{arguments:?} shows a secret: {said}");
                }
            }
        }
    }
}
