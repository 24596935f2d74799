//! Requirements, reasons why some do not apply, and known failures.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wamedia_core::{Capabilities, WebhookCapabilities};
use wamedia_fixtures::Fixtures;

/// One row of `requirements.json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Requirement {
    pub(crate) id: String,
    /// `MUST` is core, `SHOULD` is extended.
    pub(crate) level: String,
    pub(crate) sentence: String,
    /// The capability that switches it on; `!name` where its absence does; none: always.
    pub(crate) capability: Option<String>,
    pub(crate) profile: String,
}

impl Requirement {
    pub(crate) fn is_core(&self) -> bool {
        self.level == "MUST"
    }

    /// Whether a provider with these features has to meet it.
    pub(crate) fn applies(&self, features: &[(&'static str, bool)]) -> bool {
        let Some(name) = &self.capability else { return true };
        let (name, want) = name.strip_prefix('!').map_or((name.as_str(), true), |name| (name, false));
        features.iter().any(|(feature, has)| *feature == name && *has == want)
    }
}

/// What a provider's capabilities are called in requirements and reports.
pub(crate) fn features(
    can: &Capabilities,
    webhooks: Option<&WebhookCapabilities>,
) -> [(&'static str, bool); 12] {
    [
        ("resolve", can.resolve),
        ("resolve-remote", can.resolve_remote),
        ("open", can.open),
        ("range", can.open_range),
        ("expiring-links", can.expiring_links),
        ("signed-requests", can.signed_requests),
        ("upload", can.upload),
        ("delete", can.delete),
        ("list", can.list),
        ("webhook", webhooks.is_some()),
        ("signed-webhook", webhooks.is_some_and(|can| can.signed)),
        ("handshake", webhooks.is_some_and(|can| can.handshake)),
    ]
}

/// A known failure, in `<provider>/known-failures.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownFailure {
    pub(crate) requirement: String,
    /// The name of the case, as the list of cases shows it.
    pub(crate) case: String,
    pub(crate) reason: String,
    /// The issue that tracks its repair.
    pub(crate) issue: String,
    /// The last day, `YYYY-MM-DD`, on which it is forgiven.
    pub(crate) expires: String,
}

/// Why a provider has no case for a requirement, in `coverage-reasons.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) requirement: String,
    /// The providers it is about.
    pub(crate) providers: Vec<String>,
    /// True where the requirement cannot apply to such a provider: then it does not count.
    /// False where a case is missing: then the result is partial.
    pub(crate) not_applicable: bool,
    pub(crate) why: String,
}

/// All rules of a run.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) known: Vec<KnownFailure>,
}

#[derive(Deserialize)]
struct RequirementsFile {
    requirements: Vec<Requirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonsFile {
    #[serde(rename = "schema")]
    _schema: String,
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFile {
    #[serde(rename = "schema")]
    _schema: String,
    known_failures: Vec<KnownFailure>,
}

impl Rules {
    /// Reads what fixtures say about a provider. Fixtures without requirements of their own are held to
    /// those that are embedded.
    pub(crate) fn load(root: &Fixtures, provider: &str) -> Result<Self, String> {
        let RequirementsFile { requirements } = read(&catalogue(root), REQUIREMENTS)?;
        let reasons = "coverage-reasons.json";
        let reasons =
            if root.contains(reasons) { read::<ReasonsFile>(root, reasons)?.reasons } else { Vec::new() };
        let known = format!("{provider}/known-failures.json");
        let known =
            if root.contains(&known) { read::<KnownFile>(root, &known)?.known_failures } else { Vec::new() };
        let rules = Self { requirements, reasons, known };
        let named = rules.reasons.iter().map(|row| &row.requirement);
        for id in named.chain(rules.known.iter().map(|row| &row.requirement)) {
            if rules.get(id).is_none() {
                return Err(format!("a reason or known failure names {id}, which is not a requirement"));
            }
        }
        Ok(rules)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| requirement.id == id)
    }

    pub(crate) fn known(&self, requirement: &str, case: &str) -> Option<&KnownFailure> {
        self.known.iter().find(|known| known.requirement == requirement && known.case == case)
    }

    /// The reasons of one provider, by requirement.
    pub(crate) fn reasons_of(&self, provider: &str) -> BTreeMap<&str, &Reason> {
        let of = |reason: &&Reason| reason.providers.iter().any(|name| name == provider);
        self.reasons.iter().filter(of).map(|reason| (reason.requirement.as_str(), reason)).collect()
    }
}

/// The catalogue's name among the fixtures.
pub(crate) const REQUIREMENTS: &str = "requirements.json";

/// The fixtures that hold the catalogue: these, or the embedded ones.
pub(crate) fn catalogue(root: &Fixtures) -> Fixtures {
    if root.contains(REQUIREMENTS) { root.clone() } else { wamedia_fixtures::embedded() }
}

fn read<T: DeserializeOwned>(root: &Fixtures, path: &str) -> Result<T, String> {
    let text = root.read_text(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{root}/{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(capability: Option<&str>) -> Requirement {
        Requirement {
            id: "RS-001".to_owned(),
            level: "MUST".to_owned(),
            sentence: String::new(),
            capability: capability.map(ToOwned::to_owned),
            profile: "resume".to_owned(),
        }
    }

    #[test]
    fn a_capability_switches_a_requirement_on_and_its_negation_off() {
        let without = features(&Capabilities::NONE, None);
        assert!(requirement(None).applies(&without));
        assert!(!requirement(Some("range")).applies(&without));
        assert!(requirement(Some("!range")).applies(&without));
        assert!(!requirement(Some("no-such-thing")).applies(&without));
    }

    #[test]
    fn every_capability_of_the_catalogue_is_one_that_providers_can_declare() {
        let rules = Rules::load(&wamedia_fixtures::embedded(), "meta").expect("the catalogue is readable");
        let names = features(&Capabilities::NONE, None).map(|(name, _)| name);
        for requirement in rules.requirements {
            let Some(name) = requirement.capability else { continue };
            assert!(names.contains(&name.trim_start_matches('!')), "{}: {name}", requirement.id);
        }
    }
}
