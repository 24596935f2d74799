//! What is required, what does not apply and why, and which failures are known.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wamedia_core::{Capabilities, WebhookCapabilities};

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

/// A failure that somebody wrote down, in `<provider>/known-failures.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownFailure {
    pub(crate) requirement: String,
    /// The name of the case, as the list of cases shows it.
    pub(crate) case: String,
    pub(crate) reason: String,
    /// Where its repair is followed.
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
    /// True where the requirement cannot be met or missed by such a provider: then it does not count.
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
    /// Reads what a fixtures folder says about a provider. A folder without requirements of its own is
    /// held to this suite's.
    pub(crate) fn load(root: &Path, provider: &str) -> Result<Self, String> {
        let requirements: RequirementsFile = read(&requirements_file(root))?;
        let reasons = root.join("coverage-reasons.json");
        let reasons = if reasons.is_file() { read::<ReasonsFile>(&reasons)?.reasons } else { Vec::new() };
        let known = root.join(provider).join("known-failures.json");
        let known = if known.is_file() { read::<KnownFile>(&known)?.known_failures } else { Vec::new() };
        let rules = Self { requirements: requirements.requirements, reasons, known };
        let named = rules.reasons.iter().map(|row| &row.requirement);
        for id in named.chain(rules.known.iter().map(|row| &row.requirement)) {
            if rules.get(id).is_none() {
                return Err(format!("a reason or known failure names {id}, which is no requirement"));
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

/// The catalogue that a fixtures folder is held to.
pub(crate) fn requirements_file(root: &Path) -> std::path::PathBuf {
    let own = root.join("requirements.json");
    if own.is_file() { own } else { crate::own_fixtures().join("requirements.json") }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let place = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| place(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| place(error.to_string()))
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
        let rules = Rules::load(&crate::own_fixtures(), "meta").expect("the catalogue is readable");
        let names = features(&Capabilities::NONE, None).map(|(name, _)| name);
        for requirement in rules.requirements {
            let Some(name) = requirement.capability else { continue };
            assert!(names.contains(&name.trim_start_matches('!')), "{}: {name}", requirement.id);
        }
    }
}
