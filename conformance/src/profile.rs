//! What a vendor calls things: names of fields, forms of deliveries and of errors, from `<provider>/profile.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use wamedia_fixtures::Fixtures;

/// The file, beside a provider's fixtures.
const FILE: &str = "profile.json";

/// One vendor's names. Unknown keys are refused: a misspelt name must not switch cases off.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    #[serde(rename = "schema")]
    _schema: String,
    /// Where the vendor says so; for people.
    #[serde(rename = "sources")]
    _sources: Vec<String>,
    /// The reply to resolve.
    #[serde(default)]
    pub(crate) descriptor: Option<Descriptor>,
    /// The reply to an upload.
    #[serde(default)]
    pub(crate) upload: Option<Upload>,
    /// The vendor's error reply.
    #[serde(default)]
    pub(crate) error: Option<ErrorEnvelope>,
    /// Headers of a request that are made anew for every attempt: signature and time.
    #[serde(default)]
    pub(crate) signed_anew: Vec<String>,
    #[serde(default)]
    pub(crate) handshake: Option<Handshake>,
    /// The headers that prove a delivery.
    #[serde(default)]
    pub(crate) signature: Option<Signature>,
    #[serde(default)]
    pub(crate) deliveries: Option<Deliveries>,
}

/// Where the facts of a descriptor stand: paths such as `data.hash`, with a number for an element of a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Descriptor {
    pub(crate) link: String,
    #[serde(default)]
    pub(crate) digest: Option<String>,
    #[serde(default)]
    pub(crate) size: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) mime: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Fields that a client can do without.
    #[serde(default)]
    pub(crate) others: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upload {
    /// Where the id or the link of the new object stands.
    pub(crate) result: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorEnvelope {
    pub(crate) status: u16,
    /// An error of the vendor.
    pub(crate) json: Value,
    /// Where its text stands.
    pub(crate) message: String,
}

/// The names of the fields in the query of a handshake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handshake {
    pub(crate) mode: String,
    pub(crate) token: String,
    pub(crate) challenge: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signature {
    /// The header with the signature, or with the fixed secret in place of one.
    pub(crate) header: String,
    /// Headers that the signature does not cover.
    #[serde(default)]
    pub(crate) not_covered: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum Deliveries {
    Json(JsonDeliveries),
    Form(FormDeliveries),
}

/// Deliveries that are JSON. Texts are templates: what stands in braces is put in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonDeliveries {
    /// One message: `{n}`, `{type}`, and `{content}`.
    pub(crate) message: String,
    /// The content of a media message: `{n}` and `{odd}`. Its id ends with `{n}`, after one digit.
    pub(crate) media: String,
    /// What the vendor calls media.
    pub(crate) media_types: Vec<String>,
    /// Types of messages that are not media, one that nobody knows among them.
    pub(crate) other_types: Vec<String>,
    /// Fields that fit no type, stand twice, or are not what they should be.
    pub(crate) odd: Vec<String>,
    /// Contents of a media message without a usable id.
    pub(crate) hollow: Vec<String>,
    /// Values that are not messages.
    pub(crate) junk: Vec<String>,
    /// The ways in which a list of messages is wrapped: `{messages}` and `{account}`.
    pub(crate) parts: Vec<String>,
    /// The delivery around the parts: `{parts}` and `{account}`.
    pub(crate) whole: String,
    /// Deliveries of one list, where they have a form of their own: `{messages}`.
    #[serde(default)]
    pub(crate) alone: Vec<String>,
    /// Where messages and events stand; the first shape that fits is the one.
    pub(crate) shapes: Vec<Shape>,
}

/// Paths in a delivery: `entry[].changes[]` is every change of every entry, `*[]` every element of every list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    /// The list or object at the top by which the shape is known.
    #[serde(default)]
    pub(crate) when: Option<String>,
    pub(crate) messages: Vec<String>,
    /// What else must have an item of its own, or below which there must be one.
    pub(crate) others: Vec<String>,
    /// Lists at the top that are neither.
    #[serde(default)]
    pub(crate) not: Vec<String>,
}

/// Deliveries that are HTML forms of one message with its files. `{n}` is a number, `{n32}` the same in 32 digits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormDeliveries {
    /// The field with the message's id, and a value of it.
    pub(crate) id: [String; 2],
    /// The field that counts the files.
    pub(crate) count: String,
    /// The field with a file's address, and a value of it.
    pub(crate) address: [String; 2],
    /// The part of the address that is the file's id.
    pub(crate) media: String,
    /// The field with a file's type.
    #[serde(rename = "type")]
    pub(crate) mime: String,
    /// The most files of one message.
    pub(crate) most: usize,
    /// Further fields.
    pub(crate) others: BTreeMap<String, String>,
    /// Fields that nobody knows, and values that fit nothing.
    pub(crate) odd: Vec<[String; 2]>,
    /// Addresses of another form.
    pub(crate) foreign: Vec<String>,
    /// Forms that are not messages.
    pub(crate) unknown: Vec<String>,
}

impl Descriptor {
    /// Nothing is stated anywhere.
    pub(crate) const NONE: Self =
        Self { link: String::new(), digest: None, size: None, mime: None, name: None, others: Vec::new() };
}

impl Profile {
    /// The profile of a provider; an empty one where there is no file.
    pub(crate) fn load(root: &Fixtures, provider: &str) -> Result<Self, String> {
        let path = format!("{provider}/{FILE}");
        if !root.contains(&path) {
            return Ok(Self::default());
        }
        let text = root.read_text(&path).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("{root}/{path}: {error}"))
    }

    /// The paths of what a descriptor says about content.
    pub(crate) fn declared(&self) -> Vec<&str> {
        let descriptor = self.descriptor.iter();
        descriptor.flat_map(|names| [&names.digest, &names.size]).flatten().map(String::as_str).collect()
    }

    pub(crate) fn json(&self) -> Option<&JsonDeliveries> {
        match &self.deliveries {
            Some(Deliveries::Json(json)) => Some(json),
            _ => None,
        }
    }

    pub(crate) fn form(&self) -> Option<&FormDeliveries> {
        match &self.deliveries {
            Some(Deliveries::Form(form)) => Some(form),
            _ => None,
        }
    }
}

/// The place that a path leads to.
pub(crate) fn at<'a>(json: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    json.pointer_mut(&format!("/{}", path.replace('.', "/")))
}

/// Sets what a path leads to; nothing where it leads nowhere.
pub(crate) fn set(json: &mut Value, path: &str, to: &Value) {
    if let Some(place) = at(json, path) {
        place.clone_from(to);
    }
}

/// Takes out what a path leads to.
pub(crate) fn remove(json: &mut Value, path: &str) {
    let (holder, name) = path.rsplit_once('.').unwrap_or(("", path));
    let holder = if holder.is_empty() { Some(json) } else { at(json, holder) };
    if let Some(object) = holder.and_then(Value::as_object_mut) {
        object.remove(name);
    }
}

/// JSON up to the value that a path leads to.
pub(crate) fn before_value(path: &str) -> String {
    path.split('.').map(|name| ["{", &json!(name).to_string(), ":"].concat()).collect()
}

/// The templates' placeholders filled in, in one pass: what is put in is not looked at again.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    'text: while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        for (name, value) in values {
            let tail = rest[1..].strip_prefix(name).and_then(|tail| tail.strip_prefix('}'));
            if let Some(tail) = tail {
                out.push_str(value);
                rest = tail;
                continue 'text;
            }
        }
        out.push('{');
        rest = &rest[1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_objects_and_lists() {
        let mut json = json!({ "data": [{ "hash": "x", "size": 1 }] });
        set(&mut json, "data.0.hash", &json!("y"));
        set(&mut json, "data.0.none", &json!("z"));
        remove(&mut json, "data.0.size");
        assert_eq!(json, json!({ "data": [{ "hash": "y" }] }));
        assert_eq!(before_value("data.hash"), "{\"data\":{\"hash\":");
    }

    #[test]
    fn what_is_put_into_a_template_is_not_filled_again() {
        assert_eq!(fill("{\"{n}\":{odd}}", &[("n", "{odd}"), ("odd", "{n}")]), "{\"{odd}\":{n}}");
    }

    #[test]
    fn a_misspelt_name_is_refused() {
        let parse = |text: &str| serde_json::from_str::<Profile>(text);
        parse(r#"{"schema":"wamedia-profile/1","sources":[],"descriptor":{"link":"a"}}"#).expect("known");
        parse(r#"{"schema":"wamedia-profile/1","sources":[],"descriptor":{"link":"a","diggest":"b"}}"#)
            .expect_err("unknown");
    }
}
