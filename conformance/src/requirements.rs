//! Requirements, reasons why some do not apply, and known failures.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wamedia_core::{Capabilities, DigestSource, WebhookCapabilities};
use wamedia_fixtures::Fixtures;

use crate::SignatureFormat;
use crate::profile::Profile;

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
    signature: SignatureFormat,
    profile: &Profile,
) -> [(&'static str, bool); 18] {
    let every_operation = can.resolve && can.open && can.upload && can.delete && can.list;
    let proven = webhooks.is_some_and(|can| can.signed);
    [
        ("resolve", can.resolve),
        ("resolve-remote", can.resolve_remote),
        ("open", can.open),
        ("range", can.open_range),
        ("expiring-links", can.expiring_links),
        ("signed-requests", can.signed_requests),
        ("every-operation", every_operation),
        ("reply-digest", can.resolve_remote && can.digest == DigestSource::ResolveAndWebhook),
        ("reply-size", profile.descriptor.as_ref().is_some_and(|names| names.size.is_some())),
        ("upload", can.upload),
        ("upload-limits", can.upload && !can.limits.is_empty()),
        ("delete", can.delete),
        ("list", can.list),
        ("webhook", webhooks.is_some()),
        ("nested-deliveries", profile.json().is_some()),
        ("signed-webhook", proven && signature.is_signature()),
        ("webhook-secret", proven && signature == SignatureFormat::SharedSecret),
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
    /// What of the provider makes it so; it must be true, and a requirement that does not apply needs it.
    #[serde(default)]
    pub(crate) because: Option<Because>,
    pub(crate) why: String,
}

/// A capability and its value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Because {
    pub(crate) capability: String,
    pub(crate) is: bool,
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

    /// Refuses reasons that the provider's capabilities do not support.
    pub(crate) fn check_reasons(
        &self,
        provider: &str,
        features: &[(&'static str, bool)],
    ) -> Result<(), String> {
        for (id, reason) in self.reasons_of(provider) {
            let Some(because) = &reason.because else {
                if reason.not_applicable {
                    return Err(format!(
                        "the reason why {id} does not apply to {provider} names no capability; add `because`"
                    ));
                }
                continue;
            };
            let has = features.iter().find(|(name, _)| *name == because.capability).map(|(_, has)| *has);
            if has != Some(because.is) {
                let Because { capability, is } = because;
                return Err(format!(
                    "the reason for {id} says that {capability} is {is} for {provider}, and it is {has:?}"
                ));
            }
        }
        Ok(())
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

    fn none() -> [(&'static str, bool); 18] {
        features(&Capabilities::NONE, None, SignatureFormat::None, &Profile::default())
    }

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
        let without = none();
        assert!(requirement(None).applies(&without));
        assert!(!requirement(Some("range")).applies(&without));
        assert!(requirement(Some("!range")).applies(&without));
        assert!(!requirement(Some("no-such-thing")).applies(&without));
    }

    #[test]
    fn every_capability_of_the_catalogue_is_one_that_providers_can_declare() {
        let rules = Rules::load(&wamedia_fixtures::embedded(), "nobody").expect("the catalogue is readable");
        let names = none().map(|(name, _)| name);
        for requirement in rules.requirements {
            let Some(name) = requirement.capability else { continue };
            assert!(names.contains(&name.trim_start_matches('!')), "{}: {name}", requirement.id);
        }
    }

    #[test]
    fn a_reason_must_be_what_the_capabilities_say() {
        let check = |because: &str| {
            let text = format!(
                r#"{{"requirement":"UP-001","providers":["nobody"],"not_applicable":true,{because}"why":"so"}}"#
            );
            let reasons = vec![serde_json::from_str(&text).expect("a reason")];
            let rules = Rules { requirements: Vec::new(), reasons, known: Vec::new() };
            rules.check_reasons("nobody", &none()).is_ok()
        };
        assert!(check(r#""because":{"capability":"upload","is":false},"#));
        assert!(!check(r#""because":{"capability":"upload","is":true},"#));
        assert!(!check(r#""because":{"capability":"uploads","is":false},"#));
        assert!(!check(""));
    }

    #[test]
    fn a_fixed_secret_is_not_a_signature() {
        let can = WebhookCapabilities::new(1).with_signed();
        let of = |signature, name: &str| {
            let all = features(&Capabilities::NONE, Some(&can), signature, &Profile::default());
            all.iter().any(|(feature, has)| *feature == name && *has)
        };
        assert!(of(SignatureFormat::Hex, "signed-webhook") && !of(SignatureFormat::Hex, "webhook-secret"));
        let secret = SignatureFormat::SharedSecret;
        assert!(!of(secret, "signed-webhook") && of(secret, "webhook-secret"));
    }
}
