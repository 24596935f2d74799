//! What is required, in words: the catalogue's sentences, and what must come of each fault.

use std::collections::BTreeMap;

use serde_json::Value;
use wamedia_fixtures::Fixtures;

/// Sentences, levels and sources by id.
#[derive(Clone, Debug, Default)]
pub struct Sentences {
    rows: BTreeMap<String, Value>,
}

impl Sentences {
    /// Those of the embedded catalogue.
    ///
    /// # Errors
    ///
    /// When the catalogue cannot be read, which is a defect of this package.
    pub fn embedded() -> Result<Self, String> {
        Self::load(&wamedia_fixtures::embedded())
    }

    /// Those of these fixtures.
    ///
    /// # Errors
    ///
    /// When `requirements.json` or `faults.json` is missing or no JSON.
    pub fn load(fixtures: &Fixtures) -> Result<Self, String> {
        let read = |path: &str| -> Result<Value, String> {
            let text = fixtures.read_text(path).map_err(|error| error.to_string())?;
            serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
        };
        let (requirements, faults) = (read("requirements.json")?, read("faults.json")?);
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let mut rows = BTreeMap::new();
        for row in requirements["requirements"].as_array().into_iter().flatten() {
            rows.insert(text(row, "id"), row.clone());
        }
        for row in faults["faults"].as_array().into_iter().flatten() {
            let sentence = format!("{} {}", text(row, "behaviour"), text(row, "outcome"));
            let of_fault = serde_json::json!({ "level": "MUST", "sentence": sentence, "fault": true });
            rows.insert(Self::of_fault(&text(row, "id")), of_fault);
        }
        Ok(Self { rows })
    }

    /// The id of what must come of a fault, where no requirement says it.
    pub(super) fn of_fault(fault: &str) -> String {
        format!("fault:{fault}")
    }

    /// The requirements, without what faults say.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.rows.iter().filter(|(_, row)| row["fault"].is_null())
    }

    pub(crate) fn sentence(&self, id: &str) -> &str {
        self.rows.get(id).and_then(|row| row["sentence"].as_str()).unwrap_or_default()
    }

    pub(crate) fn level(&self, id: &str) -> &str {
        self.rows.get(id).and_then(|row| row["level"].as_str()).unwrap_or("MUST")
    }

    /// The source's link, else the requirement's own place in the generated page; absolute, since reports are read anywhere.
    pub(crate) fn link(&self, id: &str) -> String {
        let source = self.rows.get(id).and_then(|row| row["source"].as_str()).unwrap_or_default();
        if source.starts_with("https://") {
            source.to_owned()
        } else {
            let page = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/conformance/REQUIREMENTS.md");
            format!("{page}#{}", id.to_lowercase())
        }
    }
}
