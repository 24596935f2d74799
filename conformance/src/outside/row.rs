//! The rows of `faults.json` that can be seen from outside, and which requirement each way to fail breaks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::sentences::Sentences;

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
    /// The requirements that each way to fail breaks.
    #[serde(default)]
    breaks: Breaks,
    #[serde(skip)]
    pub(super) fault: String,
    /// `bytes`, `time`, `links`, `trust` or `local`.
    #[serde(skip)]
    pub(super) group: String,
}

/// Where a way to fail names no requirement, it breaks what the fault itself says must come of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Breaks {
    /// Success was claimed without the right file, or where there is no right file.
    #[serde(default)]
    wrong: Vec<String>,
    /// An error, although the bytes could be had.
    #[serde(default)]
    failed: Vec<String>,
    /// No end within the limit.
    #[serde(default)]
    endless: Vec<String>,
    /// More requests than this can need.
    #[serde(default)]
    busy: Vec<String>,
    /// A file that nobody asked for.
    #[serde(default)]
    stray: Vec<String>,
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
pub(super) struct Observation {
    /// It ended by itself, or was killed because the row says so.
    pub(super) ended: bool,
    /// A driver said that it does not offer this.
    pub(super) not_offered: bool,
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
    /// The end of what it printed for people, for whoever wonders why it failed.
    pub(super) said: String,
}

impl Observation {
    /// How it ended, apart from what was expected: the file is there and right, nothing is there and it was said, or
    /// something else.
    pub(super) fn end(&self) -> &'static str {
        match (self.ended, self.is_success(), self.is_there) {
            (false, ..) => "killed",
            (true, true, true) if self.is_right => "recovered",
            (true, false, false) => "clean",
            (true, false, true) if self.is_untouched => "clean",
            _ => "wrong",
        }
    }

    fn is_success(&self) -> bool {
        self.exits.contains(&Some(0))
    }
}

/// A requirement that is broken, and what was seen of it.
pub(super) type Violation = (String, String);

impl Row {
    /// The plain fetch of a good file: a client that fails it can do nothing, and what else it fails says nothing.
    pub(super) fn control() -> Self {
        Self {
            id: "1001".to_owned(),
            expect: Expect::Bytes,
            how: How::Plain,
            requests_at_most: None,
            except: BTreeMap::new(),
            breaks: Breaks::default(),
            fault: "control".to_owned(),
            group: String::new(),
        }
    }

    pub(super) fn all(faults: &Value) -> Result<Vec<Self>, String> {
        let mut rows = Vec::new();
        for fault in faults["faults"].as_array().into_iter().flatten() {
            for row in fault["outside"].as_array().into_iter().flatten() {
                let mut row: Self = serde_json::from_value(row.clone())
                    .map_err(|error| format!("faults.json: {row}: {error}"))?;
                fault["id"].as_str().unwrap_or_default().clone_into(&mut row.fault);
                fault["group"].as_str().unwrap_or_default().clone_into(&mut row.group);
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// The name of the row: the id, after the fault where the id does not say it.
    pub(super) fn case(&self) -> String {
        if self.id.starts_with(&self.fault) { self.id.clone() } else { format!("{}:{}", self.fault, self.id) }
    }

    /// The profile that its requirements are of.
    pub(super) fn profile(&self) -> &'static str {
        let all = [&self.breaks.wrong, &self.breaks.failed];
        let is_resume = all.into_iter().flatten().any(|id| id.starts_with("RS-"));
        if is_resume { "resume" } else { "receive" }
    }

    /// Every requirement that this row exercises: those that its ways to fail break.
    pub(super) fn requirements(&self) -> BTreeSet<String> {
        let own = [
            FailureMode::Wrong,
            FailureMode::Failed,
            FailureMode::Endless,
            FailureMode::Busy,
            FailureMode::Stray,
        ];
        let own = own.into_iter().filter(|way| *way != FailureMode::Failed || self.expect == Expect::Bytes);
        let shared = ["IN-010", "SE-001", "SE-002", "SE-010"].map(ToOwned::to_owned);
        own.flat_map(|way| self.broken_by(way)).chain(shared).collect()
    }

    fn broken_by(&self, way: FailureMode) -> Vec<String> {
        let named = match way {
            FailureMode::Wrong => &self.breaks.wrong,
            FailureMode::Failed => &self.breaks.failed,
            FailureMode::Endless => &self.breaks.endless,
            FailureMode::Busy => &self.breaks.busy,
            FailureMode::Stray => &self.breaks.stray,
        };
        match way {
            _ if !named.is_empty() => named.clone(),
            FailureMode::Wrong | FailureMode::Failed => vec![Sentences::of_fault(&self.fault)],
            FailureMode::Endless | FailureMode::Busy => vec!["RT-006".to_owned()],
            FailureMode::Stray => vec!["IN-010".to_owned()],
        }
    }

    /// What it broke. Each requirement is assessed against its own sentence: one that asks for no more than an error is
    /// met by an error, whatever else the row would have liked.
    pub(super) fn violations(&self, seen: &Observation) -> Vec<Violation> {
        let mut out = Vec::new();
        let mut one = |id: &str, what: &str, got: &str| {
            out.push((id.to_owned(), format!("expected {what}, got: {got}")));
        };
        if seen.leaks > 0 {
            one(
                "SE-002",
                "no credential at other hosts",
                &format!("{} requests that carried one", seen.leaks),
            );
        }
        if seen.forbidden > 0 {
            one("SE-001", "no connection to the forbidden address", &format!("{}", seen.forbidden));
        }
        if seen.shown {
            one("SE-010", "no credential in the output", "one");
        }
        let mut way = |way: FailureMode, what: &str, got: &str| {
            self.broken_by(way).iter().for_each(|id| one(id, what, got));
        };
        if !seen.strays.is_empty() {
            way(FailureMode::Stray, "no file but the wanted one", &seen.strays.join(", "));
        }
        if seen.requests > self.requests_at_most.unwrap_or(30) {
            way(FailureMode::Busy, "few requests", &format!("{}", seen.requests));
        }
        if !seen.ended {
            way(FailureMode::Endless, "an end within the limit", &format!("killed after {} ms", seen.ms));
            return out;
        }
        self.violations_at_end(seen, &mut out);
        out
    }

    fn violations_at_end(&self, seen: &Observation, out: &mut Vec<Violation>) {
        let is_success = seen.is_success();
        let file = match (seen.is_there, seen.is_right, seen.is_untouched) {
            (false, ..) => "no file",
            (true, true, _) => "the right file",
            (true, _, true) => "the old file",
            (true, ..) => "a wrong file",
        };
        let got = format!("{} and {file}", if is_success { "success" } else { "an error" });
        let mut one = |ids: Vec<String>, what: &str| {
            out.extend(ids.into_iter().map(|id| (id, format!("expected {what}, got: {got}"))));
        };
        let unfinished = || vec!["IN-010".to_owned()];
        match (self.how, self.expect) {
            (How::Kill, _) if seen.is_there => one(unfinished(), "no file after a kill"),
            (How::Kill, _) => {}
            (How::Exists, _) if !is_success && !seen.is_untouched => {
                one(unfinished(), "the old file untouched");
            }
            (How::Exists, _) if !is_success => {}
            (_, Expect::Failure) if is_success => {
                one(self.broken_by(FailureMode::Wrong), "an error and no file");
            }
            (_, Expect::Bytes | Expect::Either) if is_success && !seen.is_right => {
                one(self.broken_by(FailureMode::Wrong), "the right file, or an error and no file");
            }
            _ if is_success => {}
            _ if seen.is_there => one(unfinished(), "no file after an error"),
            (_, Expect::Bytes) => one(self.broken_by(FailureMode::Failed), "success and the right file"),
            _ => {}
        }
    }
}

/// A way to fail that rows map to requirements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FailureMode {
    Wrong,
    Failed,
    Endless,
    Busy,
    Stray,
}

/// How each requirement of a row came out: the broken ones fail, what a kill or a missing control hides did not run.
pub(super) fn requirement_rows(
    exercised: &BTreeSet<String>,
    broken: &[Violation],
    is_assessed: bool,
    sentences: &Sentences,
) -> Vec<Value> {
    let rows = exercised.iter().map(|id| {
        let why = broken.iter().find(|(have, _)| have == id).map(|(_, why)| why);
        let outcome = match why {
            Some(_) => "fail",
            None if is_assessed => "pass",
            None => "not-run",
        };
        json!({ "id": id, "level": sentences.level(id), "outcome": outcome, "why": why })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(expect: Expect, how: How) -> Row {
        Row { id: "flip-1".to_owned(), fault: "flip".to_owned(), expect, how, ..Row::control() }
    }

    fn seen(exit: i32, is_there: bool, is_right: bool) -> Observation {
        Observation { ended: true, exits: vec![Some(exit)], is_there, is_right, ..Observation::default() }
    }

    fn rows() -> Vec<Row> {
        let text = wamedia_fixtures::embedded().read_text("faults.json").expect("it is there");
        Row::all(&serde_json::from_str(&text).expect("JSON")).expect("every row is known")
    }

    fn broken(row: &Row, seen: &Observation) -> Vec<String> {
        row.violations(seen).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn each_expectation_refuses_the_other_outcome() {
        let bytes = row(Expect::Bytes, How::Plain);
        assert!(bytes.violations(&seen(0, true, true)).is_empty());
        assert_eq!(broken(&bytes, &seen(0, true, false)), ["fault:flip"]);
        assert_eq!(broken(&bytes, &seen(1, false, false)), ["fault:flip"]);
        let failure = row(Expect::Failure, How::Plain);
        assert!(failure.violations(&seen(5, false, false)).is_empty());
        assert_eq!(broken(&failure, &seen(5, true, false)), ["IN-010"], "a leftover under the final name");
        assert_eq!(broken(&failure, &seen(0, true, true)), ["fault:flip"]);
        let killed = row(Expect::Failure, How::Kill);
        assert_eq!(broken(&killed, &seen(9, true, false)), ["IN-010"]);
        let exists = row(Expect::Either, How::Exists);
        assert_eq!(broken(&exists, &seen(1, true, false)), ["IN-010"], "the old file is gone");
        assert!(exists.violations(&Observation { is_untouched: true, ..seen(1, true, false) }).is_empty());
        assert_eq!(
            broken(&exists, &Observation { is_untouched: true, ..seen(0, true, false) }),
            ["fault:flip"]
        );
    }

    #[test]
    fn an_error_never_breaks_what_asks_for_no_more_than_an_error() {
        let rows = rows();
        let row = |case: &str| rows.iter().find(|row| row.case() == case).expect("a row of this name");
        let cut = row("cut-declared-1");
        assert!(cut.requirements().contains("IN-002"));
        assert_eq!(broken(cut, &seen(1, false, false)), ["fault:cut-declared"]);
        assert_eq!(broken(cut, &seen(0, true, false)), ["IN-002"]);
        let busy = row("s503-1");
        assert_eq!(broken(busy, &seen(1, false, false)), ["RT-001", "RT-005"]);
        for row in &rows {
            let is_there = row.how == How::Exists;
            let error = Observation { is_untouched: is_there, ..seen(1, is_there, false) };
            for id in broken(row, &error) {
                assert!(!id.starts_with("IN-") && !id.starts_with("SE-"), "{}: {id}", row.case());
            }
        }
    }

    #[test]
    fn ends_are_told_apart() {
        for (seen, end) in [
            (seen(0, true, true), "recovered"),
            (seen(5, false, false), "clean"),
            (Observation { is_untouched: true, ..seen(5, true, false) }, "clean"),
            (seen(0, true, false), "wrong"),
            (seen(0, false, false), "wrong"),
            (seen(5, true, true), "wrong"),
            (Observation { ended: false, ..seen(0, true, true) }, "killed"),
        ] {
            assert_eq!(seen.end(), end, "{seen:?}");
        }
    }

    #[test]
    fn whatever_the_outcome_these_fail_a_row() {
        let bytes = row(Expect::Bytes, How::Plain);
        let good = || seen(0, true, true);
        for (bad, id) in [
            (Observation { ended: false, ..good() }, "RT-006"),
            (Observation { leaks: 1, ..good() }, "SE-002"),
            (Observation { forbidden: 1, ..good() }, "SE-001"),
            (Observation { shown: true, ..good() }, "SE-010"),
            (Observation { requests: 31, ..good() }, "RT-006"),
            (Observation { strays: vec!["x.part".to_owned()], ..good() }, "IN-010"),
        ] {
            assert_eq!(broken(&bytes, &bad), [id], "{bad:?}");
        }
    }

    #[test]
    fn every_fault_is_seen_from_outside_or_says_why_not() {
        let text = wamedia_fixtures::embedded().read_text("faults.json").expect("it is there");
        let faults: Value = serde_json::from_str(&text).expect("JSON");
        let sentences = Sentences::embedded().expect("readable");
        let rows = Row::all(&faults).expect("every row is known");
        assert!(rows.len() > 40);
        for row in rows {
            for id in row.requirements() {
                assert!(!sentences.sentence(&id).is_empty(), "{}: there is no {id}", row.case());
            }
        }
        for fault in faults["faults"].as_array().expect("a list") {
            let rows = fault["outside"].as_array().map_or(0, Vec::len);
            assert_eq!(rows > 0, fault["not_outside"].is_null(), "{}", fault["id"]);
        }
    }
}
