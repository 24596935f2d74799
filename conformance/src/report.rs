//! The report of one provider, in the format `wamedia-report/1`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wamedia_core::Sha256;
use wamedia_fixtures::Fixtures;

use crate::Package;
use crate::requirements::{self, Requirement, Rules};

/// The outcome of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Fail,
    /// A SHOULD that is not met.
    NonStrict,
    /// The capability is not declared, and nothing happened.
    Unsupported,
    KnownFailure,
    NotRun,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NonStrict => "non-strict",
            Self::Unsupported => "unsupported",
            Self::KnownFailure => "known-failure",
            Self::NotRun => "not-run",
        }
    }

    /// The severity among the cases of one requirement: the worst outcome counts.
    fn weight(self) -> u8 {
        match self {
            Self::Fail => 5,
            Self::KnownFailure => 4,
            Self::NotRun => 3,
            Self::NonStrict => 2,
            Self::Pass => 1,
            Self::Unsupported => 0,
        }
    }
}

/// A case as the report shows it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) requirement: String,
    pub(crate) case: String,
    pub(crate) level: String,
    pub(crate) outcome: Outcome,
    pub(crate) why: Option<String>,
    pub(crate) ms: u64,
}

/// What a report is about.
#[derive(Debug)]
pub(crate) struct About<'a> {
    pub(crate) provider: &'a str,
    pub(crate) package: Package,
    pub(crate) root: &'a Fixtures,
    pub(crate) features: &'a [(&'static str, bool)],
    pub(crate) date: String,
    pub(crate) strict: bool,
    /// The only profile that is reported, where one was asked for.
    pub(crate) profile: Option<&'a str>,
}

/// The profiles, the most important one first.
pub(crate) const PROFILES: [&str; 5] = ["receive", "send", "resume", "list", "signed-webhook"];

/// Builds the report from all cases of a provider, those that did not run included.
pub(crate) fn build(about: &About<'_>, rules: &Rules, rows: &[Row]) -> Value {
    let named =
        |want: bool| about.features.iter().filter(|row| row.1 == want).map(|row| row.0).collect::<Vec<_>>();
    let reasons = rules.reasons_of(about.provider);
    let outcomes = by_requirement(rows);
    let (mut not_run, mut not_applicable) = (Vec::new(), Vec::new());
    for requirement in rules.requirements.iter().filter(|row| row.applies(about.features)) {
        let reason = reasons.get(requirement.id.as_str());
        match (outcomes.get(requirement.id.as_str()), reason) {
            (None, Some(reason)) if reason.not_applicable => {
                not_applicable.push(json!({ "id": requirement.id, "reason": reason.why }));
            }
            (None, reason) => {
                let reason = reason.map(|reason| &reason.why);
                not_run.push(json!({ "id": requirement.id, "reason": reason }));
            }
            (Some(_), _) => {}
        }
    }
    let stale: Vec<_> = reasons.keys().filter(|id| outcomes.contains_key(*id)).collect();
    let profiles = PROFILES.iter().filter(|name| about.profile.is_none_or(|only| only == **name));
    let profiles = profiles.map(|name| {
        let of =
            |core: bool| part(rules, about, &outcomes, |row| row.profile == *name && row.is_core() == core);
        json!({ "name": name, "core": of(true), "extended": of(false) })
    });
    let known = rules.known.iter().map(|known| {
        json!({ "id": known.requirement, "case": known.case, "reason": known.reason,
            "issue": known.issue, "expires": known.expires })
    });
    json!({
        "schema": "wamedia-report/1",
        "suite": env!("CARGO_PKG_VERSION"),
        "fixtures_sha256": fixtures_digest(about.root, about.provider),
        "requirements_sha256": digest_of(&requirements::catalogue(about.root), requirements::REQUIREMENTS),
        "date": about.date,
        "strict": about.strict,
        "subject": {
            "name": about.provider, "crate": about.package.name, "version": about.package.version,
        },
        "capabilities": { "supported": named(true), "unsupported": named(false) },
        "profiles": profiles.collect::<Vec<_>>(),
        "not_run": not_run,
        "not_applicable": not_applicable,
        "stale_reasons": stale,
        "known_failures": known.collect::<Vec<_>>(),
        "cases": rows.iter().map(|case| row(case, about)).collect::<Vec<_>>(),
    })
}

/// A case, with the command that runs it again.
fn row(row: &Row, about: &About<'_>) -> Value {
    let (package, provider) = (about.package.name, about.provider);
    let name = format!("{provider}::{}::{}", row.requirement, row.case);
    json!({
        "again": format!("cargo test -p {package} --test conformance -- --exact '{name}'"),
        "id": row.requirement, "case": row.case, "level": row.level, "outcome": row.outcome.name(),
        "why": row.why, "ms": row.ms,
    })
}

fn by_requirement(rows: &[Row]) -> BTreeMap<&str, Outcome> {
    let mut out: BTreeMap<&str, Outcome> = BTreeMap::new();
    for row in rows {
        let slot = out.entry(&row.requirement).or_insert(row.outcome);
        if row.outcome.weight() > slot.weight() {
            *slot = row.outcome;
        }
    }
    out
}

/// The core or the extended part of a profile. A requirement that did not run makes it partial.
fn part(
    rules: &Rules,
    about: &About<'_>,
    outcomes: &BTreeMap<&str, Outcome>,
    belongs: impl Fn(&Requirement) -> bool,
) -> Value {
    let reasons = rules.reasons_of(about.provider);
    let (mut passed, mut failed, mut known, mut non_strict, mut skipped) =
        (0_u32, Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for requirement in rules.requirements.iter().filter(|row| belongs(row)) {
        let id = requirement.id.as_str();
        let applies = requirement.applies(about.features);
        match outcomes.get(id) {
            // A case that proves that nothing happens is no merit of a client of this profile.
            Some(Outcome::Pass | Outcome::Unsupported) if !applies => {}
            Some(Outcome::Pass | Outcome::Unsupported) => passed += 1,
            Some(Outcome::Fail) => failed.push(id),
            Some(Outcome::KnownFailure) => known.push(id),
            Some(Outcome::NonStrict) => non_strict.push(id),
            Some(Outcome::NotRun) => skipped.push(id),
            None => {
                let excused = reasons.get(id).is_some_and(|reason| reason.not_applicable);
                if applies && !excused {
                    skipped.push(id);
                }
            }
        }
    }
    let result = if !failed.is_empty() {
        "failure"
    } else if !skipped.is_empty() || !known.is_empty() {
        "partial"
    } else if passed == 0 && non_strict.is_empty() {
        "unsupported"
    } else {
        "success"
    };
    json!({
        "result": result, "passed": passed, "failed": failed, "known_failures": known,
        "non_strict": non_strict, "skipped": skipped,
    })
}

/// One digest over the names and contents of a provider's fixtures and the shared media.
fn fixtures_digest(root: &Fixtures, provider: &str) -> String {
    let mut files: Vec<String> =
        [provider, "media"].iter().flat_map(|folder| root.list(folder).unwrap_or_default()).collect();
    files.sort_by(|a, b| a.split('/').cmp(b.split('/')));
    let lines = files.iter().map(|file| format!("{}  {file}\n", digest_of(root, file)));
    Sha256::of(lines.collect::<String>().as_bytes()).to_hex()
}

fn digest_of(root: &Fixtures, file: &str) -> String {
    Sha256::of(&root.read(file).unwrap_or_default()).to_hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: &[(&str, Outcome)]) -> Value {
        let root = wamedia_fixtures::embedded();
        let rules = Rules::load(&root, "nobody").expect("the catalogue is readable");
        // LS-001 is the only one of its profile, and the only one of a capability that this provider has.
        let can = wamedia_core::Capabilities::NONE.with_list();
        let signature = crate::SignatureFormat::None;
        let features = requirements::features(&can, None, signature, &crate::profile::Profile::default());
        let about = About {
            provider: "nobody",
            package: Package { name: "nobody", version: "0.0.0" },
            root: &root,
            features: &features,
            date: "2026-11-20".to_owned(),
            strict: false,
            profile: None,
        };
        let rows: Vec<Row> = rows
            .iter()
            .map(|(id, outcome)| Row {
                requirement: (*id).to_owned(),
                case: "case".to_owned(),
                level: "MUST".to_owned(),
                outcome: *outcome,
                why: None,
                ms: 0,
            })
            .collect();
        build(&about, &rules, &rows)
    }

    #[test]
    fn a_core_requirement_that_did_not_run_makes_a_profile_partial() {
        let report = report(&[("ER-001", Outcome::Pass)]);
        let receive = &report["profiles"][0];
        assert_eq!(receive["name"], "receive");
        assert_eq!(receive["core"]["result"], "partial");
        assert_eq!(receive["core"]["passed"], 1);
        assert_eq!(report["profiles"][3]["core"]["skipped"], json!(["LS-001"]));
        assert_eq!(report["profiles"][2]["core"]["result"], "unsupported");
    }

    #[test]
    fn the_worst_case_of_a_requirement_stands_for_it() {
        let report = report(&[("LS-001", Outcome::Pass), ("LS-001", Outcome::Fail)]);
        assert_eq!(report["profiles"][3]["core"]["result"], "failure");
        let fine = self::report(&[("LS-001", Outcome::Unsupported), ("LS-001", Outcome::Pass)]);
        assert_eq!(fine["profiles"][3]["core"]["result"], "success");
    }

    #[test]
    fn a_case_for_what_is_not_offered_counts_for_no_profile() {
        let report = report(&[("WH-008", Outcome::Pass), ("WH-013", Outcome::Unsupported)]);
        assert_eq!(report["profiles"][4]["name"], "signed-webhook");
        assert_eq!(report["profiles"][4]["core"]["result"], "unsupported");
        assert_eq!(report["profiles"][0]["core"]["passed"], 0);
        let failed = self::report(&[("WH-008", Outcome::Fail)]);
        assert_eq!(failed["profiles"][4]["core"]["result"], "failure");
    }
}
