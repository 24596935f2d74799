//! The badge: a picture and a document of numbers, and the README's line that repeats them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wamedia_conformance::render::{cases, core, name};

use crate::{Outcome, root};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

pub(crate) fn write(file: &Path, text: &str) -> Outcome {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The document of a badge endpoint: requirements of `receive` that are met, of those that apply, over
/// all providers.
pub(crate) fn badge(reports: &[Value]) -> Value {
    let each: Vec<_> = reports.iter().map(|report| (name(report), core(report, "receive"))).collect();
    let passed: u64 = each.iter().map(|(_, (_, passed, _))| passed).sum();
    let all: u64 = each.iter().map(|(_, (_, _, all))| all).sum();
    let failed = each.iter().any(|(_, (result, ..))| *result == "failure");
    // Nothing that was required is no achievement.
    let color = if failed || all == 0 {
        "red"
    } else if passed == all {
        "brightgreen"
    } else {
        "yellow"
    };
    let providers: Vec<_> = each
        .iter()
        .map(|(name, (result, passed, all))| {
            json!({ "name": name, "result": result, "passed": passed, "of": all })
        })
        .collect();
    let count: usize = reports.iter().map(|report| cases(report).count()).sum();
    json!({
        "schemaVersion": 1, "label": "wamedia conformance", "message": format!("receive {passed}/{all}"),
        "color": color, "cases": count, "providers": providers,
    })
}

/// Writes the endpoint file, a static picture beside it, and the README's line.
pub(crate) fn write_badge(file: &Path, reports: &[Value]) -> Outcome {
    let badge = badge(reports);
    write(file, &format!("{badge:#}\n"))?;
    write(&file.with_extension("svg"), &svg(&badge))?;
    let readme = root().join("README.md");
    let old = fs::read_to_string(&readme).map_err(|error| format!("{}: {error}", readme.display()))?;
    write(&readme, &with_line(&old, &readme_line(&badge))?)
}

/// Fails when the README's numbers are not the committed badge's.
pub(crate) fn check_readme() -> Outcome {
    let read = |name: &str| fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"));
    let badge: Value = serde_json::from_str(&read("conformance/badge.json")?)
        .map_err(|error| format!("conformance/badge.json: {error}"))?;
    if read("conformance/badge.svg")? != svg(&badge) {
        return Err("conformance/badge.svg is not the picture of conformance/badge.json; write both anew \
                    with `cargo xtask conformance --badge conformance/badge.json`"
            .to_owned());
    }
    let readme = read("README.md")?;
    if with_line(&readme, &readme_line(&badge))? == readme {
        return Ok(());
    }
    Err(format!(
        "README.md: its conformance numbers are old; conformance/badge.json says {}; write it anew with \
         `cargo xtask conformance --badge conformance/badge.json`",
        badge["message"]
    ))
}

const BEGIN: &str = "<!-- conformance -->\n";
const END: &str = "<!-- /conformance -->";

fn with_line(readme: &str, line: &str) -> Result<String, String> {
    let parts = readme.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or("README.md: the marks <!-- conformance --> are missing")?;
    Ok(format!("{before}{BEGIN}{line}{END}{after}"))
}

fn readme_line(badge: &Value) -> String {
    let message = text(badge, "message");
    let each = badge["providers"].as_array().into_iter().flatten();
    let each = each.map(|row| format!("{} {}/{}", text(row, "name"), row["passed"], row["of"]));
    format!(
        "![wamedia conformance: {message}](conformance/badge.svg)\n\
         Core requirements of `receive` met: {}; {} cases.\n",
        each.collect::<Vec<_>>().join(", "),
        badge["cases"]
    )
}

/// The picture, wide enough for `receive 999/999`.
const BADGE: &str = include_str!("badge.svg");

fn svg(badge: &Value) -> String {
    let (label, message) = (text(badge, "label"), text(badge, "message"));
    let color = match text(badge, "color") {
        "brightgreen" => "#2f8f2f",
        "yellow" => "#b08800",
        _ => "#b00020",
    };
    BADGE.replace("{label}", label).replace("{message}", message).replace("{color}", color)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(passed: u64, failed: &[&str]) -> Value {
        let result = if failed.is_empty() { "success" } else { "failure" };
        json!({
            "subject": { "name": "meta" },
            "profiles": [{ "name": "receive", "core": { "result": result, "passed": passed,
                "failed": failed, "known_failures": [], "skipped": [] } }],
            "cases": [{ "id": "IN-001", "case": "flip", "outcome": "pass" }],
        })
    }

    #[test]
    fn the_readme_line_follows_the_badge() {
        let badge = badge(&[report(1, &[])]);
        assert_eq!((text(&badge, "message"), text(&badge, "color")), ("receive 1/1", "brightgreen"));
        let readme = format!("a\n{BEGIN}old\n{END}\nb\n");
        let new = with_line(&readme, &readme_line(&badge)).expect("the marks are there");
        assert!(new.contains("meta 1/1") && new.starts_with("a\n") && new.ends_with("\nb\n"), "{new}");
        assert!(with_line("no marks", "").is_err());
        assert!(svg(&badge).contains("receive 1/1"));
    }

    #[test]
    fn a_badge_is_green_only_where_something_was_required_and_met() {
        for (reports, color) in [
            (vec![report(1, &[])], "brightgreen"),
            (vec![report(0, &[])], "red"),
            (vec![], "red"),
            (vec![report(1, &["IN-001"])], "red"),
        ] {
            assert_eq!(text(&badge(&reports), "color"), color);
        }
    }
}
