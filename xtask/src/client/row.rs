//! The rows of `faults.json` that can be seen from outside, and what is expected of each.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::report::Requirements;

/// One start of the program against one fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// The id that is asked for; it carries the fault.
    pub(super) id: String,
    pub(super) expect: Expect,
    #[serde(default)]
    pub(super) how: How,
    #[serde(default)]
    pub(super) requests_at_most: Option<usize>,
    /// Providers that cannot show this fault, and why.
    #[serde(default)]
    pub(super) except: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) fault: String,
    #[serde(skip)]
    pub(super) requirement: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expect {
    /// Success, and exactly the bytes.
    Bytes,
    /// An exit code that says so, and no file.
    Failure,
    /// One of the two.
    Either,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    /// Started once, into an empty folder.
    #[default]
    Plain,
    /// A file of that name is there already.
    Exists,
    /// Killed while the bytes come.
    Kill,
    /// Started twice at once.
    Twice,
}

/// What was seen from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// It ended by itself, or was killed because the row says so.
    pub(super) ended: bool,
    pub(super) exits: Vec<Option<i32>>,
    pub(super) is_there: bool,
    pub(super) is_right: bool,
    pub(super) is_untouched: bool,
    /// Files besides the wanted one.
    pub(super) strays: Vec<String>,
    pub(super) requests: usize,
    pub(super) leaks: usize,
    /// Connections to the address that must not be contacted.
    pub(super) forbidden: u64,
    /// A credential stands in what it printed.
    pub(super) shown: bool,
    pub(super) ms: u64,
}

impl Seen {
    /// How it ended, apart from what was expected: the file is there and right, nothing is there and it was said, or
    /// something else.
    fn end(&self) -> &'static str {
        let is_success = self.exits.contains(&Some(0));
        match (self.ended, is_success, self.is_there) {
            (false, ..) => "killed",
            (true, true, true) if self.is_right => "recovered",
            (true, false, false) => "clean",
            (true, false, true) if self.is_untouched => "clean",
            _ => "wrong",
        }
    }
}

impl Row {
    /// The plain fetch of a good file: a client that fails it can do nothing, and what else it fails says nothing.
    pub(super) fn control() -> Self {
        Self {
            id: "1001".to_owned(),
            expect: Expect::Bytes,
            how: How::Plain,
            requests_at_most: None,
            except: BTreeMap::new(),
            fault: "control".to_owned(),
            requirement: String::new(),
        }
    }

    pub(super) fn all(faults: &Value) -> Result<Vec<Self>, String> {
        let mut rows = Vec::new();
        for fault in faults["faults"].as_array().into_iter().flatten() {
            for row in fault["outside"].as_array().into_iter().flatten() {
                let mut row: Self = serde_json::from_value(row.clone())
                    .map_err(|error| format!("faults.json: {row}: {error}"))?;
                fault["id"].as_str().unwrap_or_default().clone_into(&mut row.fault);
                fault["requirements"][0].as_str().unwrap_or_default().clone_into(&mut row.requirement);
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// The name of the row: the id, after the fault where the id does not say it.
    pub(super) fn case(&self) -> String {
        if self.id.starts_with(&self.fault) { self.id.clone() } else { format!("{}:{}", self.fault, self.id) }
    }

    /// The row in the report. Without a passed control no row passes, whatever was seen.
    pub(super) fn report(
        &self,
        seen: &Seen,
        control: &Result<(), String>,
        requirements: &Requirements,
    ) -> Value {
        let no_control = |why| format!("the client does not even fetch a good file: {why}");
        let verdict = control.clone().map_err(no_control).and_then(|()| self.judge(seen));
        let level = requirements.0.get(&self.requirement).map(|row| row["level"].clone());
        json!({
            "id": self.requirement, "fault": self.fault, "case": self.case(), "level": level,
            "outcome": if verdict.is_ok() { "pass" } else { "fail" }, "why": verdict.err(),
            "end": seen.end(),
            "ms": seen.ms, "requests": seen.requests, "exit": seen.exits,
        })
    }

    pub(super) fn judge(&self, seen: &Seen) -> Result<(), String> {
        let expected = |what: &str, got: &str| Err(format!("expected {what}, got: {got}"));
        if !seen.ended {
            return expected("an end within the limit", &format!("killed after {} ms", seen.ms));
        }
        if seen.leaks > 0 {
            return expected("no credential at other hosts", &format!("{} that carried one", seen.leaks));
        }
        if seen.forbidden > 0 {
            return expected("no connection to the forbidden address", &format!("{}", seen.forbidden));
        }
        if seen.shown {
            return expected("no credential in the output", "one");
        }
        if !seen.strays.is_empty() {
            return expected("no file but the wanted one", &seen.strays.join(", "));
        }
        if seen.requests > self.requests_at_most.unwrap_or(30) {
            return expected("few requests", &format!("{}", seen.requests));
        }
        let success = seen.exits.contains(&Some(0));
        let file = match (seen.is_there, seen.is_right) {
            (false, _) => "no file",
            (true, true) => "the right file",
            (true, false) => "a wrong file",
        };
        let got = format!("{} and {file}", if success { "success" } else { "an error" });
        match (self.how, self.expect) {
            (How::Kill, _) if seen.is_there => expected("no file after a kill", file),
            (How::Kill, _) => Ok(()),
            (How::Exists, _) if !success && !seen.is_untouched => expected("the old file untouched", &got),
            (How::Exists, Expect::Failure) if success => expected("an error", &got),
            (How::Exists, _) if !success || seen.is_right => Ok(()),
            (_, Expect::Bytes | Expect::Either) if success && seen.is_right => Ok(()),
            (_, Expect::Failure | Expect::Either) if !success && !seen.is_there => Ok(()),
            (_, Expect::Bytes) => expected("success and the right file", &got),
            (_, Expect::Failure) => expected("an error and no file", &got),
            (_, Expect::Either) => expected("the right file, or an error and no file", &got),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::read_json;
    use crate::root;

    fn row(expect: Expect, how: How) -> Row {
        Row {
            id: "flip-1".to_owned(),
            expect,
            how,
            requests_at_most: None,
            except: BTreeMap::new(),
            fault: "flip".to_owned(),
            requirement: "IN-001".to_owned(),
        }
    }

    fn seen(exit: i32, is_there: bool, is_right: bool) -> Seen {
        Seen { ended: true, exits: vec![Some(exit)], is_there, is_right, ..Seen::default() }
    }

    #[test]
    fn each_expectation_refuses_the_other_outcome() {
        let bytes = row(Expect::Bytes, How::Plain);
        assert_eq!(bytes.judge(&seen(0, true, true)), Ok(()));
        assert!(bytes.judge(&seen(0, true, false)).is_err());
        assert!(bytes.judge(&seen(1, false, false)).is_err());
        let failure = row(Expect::Failure, How::Plain);
        assert_eq!(failure.judge(&seen(5, false, false)), Ok(()));
        assert!(failure.judge(&seen(5, true, false)).is_err(), "a leftover under the final name");
        assert!(failure.judge(&seen(0, true, true)).is_err());
        let killed = row(Expect::Failure, How::Kill);
        assert!(killed.judge(&seen(9, true, false)).is_err());
        let exists = row(Expect::Either, How::Exists);
        assert!(exists.judge(&seen(1, true, false)).is_err(), "the old file is gone");
        assert_eq!(exists.judge(&Seen { is_untouched: true, ..seen(1, true, false) }), Ok(()));
    }

    #[test]
    fn without_a_control_no_row_passes() {
        let requirements = Requirements(BTreeMap::new());
        let row = row(Expect::Failure, How::Plain);
        let outcome = |control: Result<(), String>| {
            row.report(&seen(1, false, false), &control, &requirements)["outcome"].clone()
        };
        assert_eq!((outcome(Ok(())), outcome(Err("no file".to_owned()))), ("pass".into(), "fail".into()));
    }

    #[test]
    fn ends_are_told_apart() {
        for (seen, end) in [
            (seen(0, true, true), "recovered"),
            (seen(5, false, false), "clean"),
            (Seen { is_untouched: true, ..seen(5, true, false) }, "clean"),
            (seen(0, true, false), "wrong"),
            (seen(0, false, false), "wrong"),
            (seen(5, true, true), "wrong"),
            (Seen { ended: false, ..seen(0, true, true) }, "killed"),
        ] {
            assert_eq!(seen.end(), end, "{seen:?}");
        }
    }

    #[test]
    fn whatever_the_outcome_these_fail_a_row() {
        let bytes = row(Expect::Bytes, How::Plain);
        let good = || seen(0, true, true);
        for bad in [
            Seen { ended: false, ..good() },
            Seen { leaks: 1, ..good() },
            Seen { forbidden: 1, ..good() },
            Seen { shown: true, ..good() },
            Seen { requests: 31, ..good() },
            Seen { strays: vec!["x.part".to_owned()], ..good() },
        ] {
            assert!(bytes.judge(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_fault_is_seen_from_outside_or_says_why_not() {
        let faults = read_json(&root().join("fixtures/faults.json")).expect("it is JSON");
        assert!(Row::all(&faults).expect("every row is known").len() > 40);
        for fault in faults["faults"].as_array().expect("a list") {
            let rows = fault["outside"].as_array().map_or(0, Vec::len);
            assert_eq!(rows > 0, fault["not_outside"].is_null(), "{}", fault["id"]);
        }
    }
}
