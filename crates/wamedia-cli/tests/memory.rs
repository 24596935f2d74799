//! Memory of the program, as the system counts it.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod common;

use common::{Sandbox, text};

/// The page faults of all children that have ended.
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("it can be read");
    // The name before the parenthesis may have spaces; the ninth field after it is that of the children.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    fields.split_whitespace().nth(8).and_then(|field| field.parse().ok()).expect("a number")
}

#[test]
fn the_memory_of_a_large_body_is_used_again() {
    let sandbox = Sandbox::start(&[]);
    let faults = |mebibytes: u64| {
        let (before, folder) = (page_faults(), tempfile::tempdir().expect("a folder"));
        let reference = format!("meta:size-{}", mebibytes << 20);
        let output = sandbox.run(&["get", &reference, "--dir", folder.path().to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        page_faults() - before
    };
    let (short, long) = (faults(32), faults(160));
    let pages = long.saturating_sub(short) / 128;
    assert!(pages < 8, "{pages} new pages for each MiB: {short} for 32 MiB, {long} for 160");
}
