//! JSON that somebody else wrote, one level at a time.
//!
//! Values stay raw text until they are asked for. So a number that fits no type, half a surrogate pair
//! or a doubled key spoils nothing around it, the text of an object can be handed on as it came, and
//! deep nesting costs no stack: whatever is not asked for is skipped, not descended into.

//! The text is checked once, as a whole; from then on it is only cut.

use std::borrow::Cow;

use serde::de::{Deserialize, Visitor};
use serde_json::value::RawValue;

use crate::{Delivery, Error, ErrorKind, Phase, Result as CoreResult};

/// The longest name or id, in bytes, that is repeated in every item that it stands above.
const MAX_SHARED: usize = 512;

/// The JSON object of a delivery. The size is checked before anything is parsed.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] above `max_bytes`, [`ErrorKind::Decode`] for what is no JSON object.
pub fn delivery<'a>(
    delivery: &Delivery<'a>,
    provider: &'static str,
    max_bytes: u64,
) -> CoreResult<Object<'a>> {
    let error = |kind, why: &str| {
        Error::new(kind, why)
            .with_provider(provider)
            .with_operation("parse_webhook")
            .with_phase(Phase::Prepare)
    };
    if delivery.body.len() as u64 > max_bytes {
        let why = format!("the delivery is larger than the {max_bytes} bytes that are taken");
        return Err(error(ErrorKind::TooLarge, &why));
    }
    let root =
        Json::parse(delivery.body).ok_or_else(|| error(ErrorKind::Decode, "the delivery is not JSON"))?;
    root.object().ok_or_else(|| error(ErrorKind::Decode, "the delivery is not a JSON object"))
}

/// The beginning of a name that a sender chose, short enough to stand in many paths.
pub fn short_name(name: &str) -> &str {
    let mut end = name.len().min(64);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// A value, not looked into yet. Only text that was checked to be JSON gets in here.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// The one value of a text; `None` where it is no JSON.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice::<&RawValue>(bytes).ok().map(|value| Self(value.get()))
    }

    /// The text as it came.
    pub fn raw(self) -> &'a str {
        self.0
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.raw() == "null"
    }

    /// Whether it is an object or an array.
    pub fn is_container(self) -> bool {
        self.raw().starts_with(['{', '['])
    }

    /// The fields, where it is an object.
    pub fn object(self) -> Option<Object<'a>> {
        let mut parts = Parts::of(self.raw(), '{')?;
        let mut fields = Vec::with_capacity(8);
        while let Some(name) = parts.value() {
            fields.push((Self(name).text()?, Self(parts.value()?)));
        }
        Some(Object { raw: self.raw(), fields })
    }

    /// The elements, where it is an array.
    pub fn array(self) -> Option<Vec<Self>> {
        let mut parts = Parts::of(self.raw(), '[')?;
        Some(std::iter::from_fn(|| parts.value().map(Self)).collect())
    }

    /// The text, where it is a string. Half a surrogate pair becomes a replacement character.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.raw().strip_prefix('"')?.strip_suffix('"')?;
        if !inner.as_bytes().contains(&b'\\') {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str::<Text>(self.raw()).ok().map(|text| Cow::Owned(text.0))
    }

    /// The text, or the digits of a number as they came; empty text is none.
    pub fn plain(self) -> Option<Cow<'a, str>> {
        let is_number = self.raw().starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let number = is_number.then_some(Cow::Borrowed(self.raw()));
        self.text().or(number).filter(|text| !text.is_empty())
    }

    /// A whole number, written as a number or as text; anything else is none.
    pub fn whole(self) -> Option<u64> {
        match self.text() {
            Some(text) => text.trim().parse().ok(),
            None => self.raw().parse().ok(),
        }
    }

    /// The boolean, where it is one.
    pub fn flag(self) -> Option<bool> {
        self.raw().parse().ok()
    }
}

/// The fields of an object, in their order.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    raw: &'a str,
    fields: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Object<'a> {
    /// The text as it came.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// The field with this name that is not null; the last one where there are several.
    pub fn get(&self, name: &str) -> Option<Json<'a>> {
        let found = self.fields.iter().rev().find(|(key, _)| key == name)?;
        Some(found.1).filter(|value| !value.is_null())
    }

    /// The object under this name.
    pub fn object(&self, name: &str) -> Option<Self> {
        self.get(name)?.object()
    }

    /// The elements of a field with their places; none where it is no array.
    pub fn array(&self, name: &str) -> impl Iterator<Item = (usize, Json<'a>)> + use<'a> {
        self.get(name).and_then(Json::array).unwrap_or_default().into_iter().enumerate()
    }

    /// The text of a field; empty text is none.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.text().filter(|text| !text.is_empty())
    }

    /// Text, or a number written as one; empty text is none.
    pub fn plain(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.plain()
    }

    /// The same, where it is short enough to be repeated in every item below.
    pub fn shared(&self, name: &str) -> Option<Cow<'a, str>> {
        self.plain(name).filter(|text| text.len() <= MAX_SHARED)
    }

    /// All fields with their names, in their order, those that are null as well.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

/// Cuts the inside of an object or an array into the texts of its values and names.
struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str, open: char) -> Option<Self> {
        text.starts_with(open).then_some(Self { text, at: 1 })
    }

    /// The next name or value; none at the end.
    fn value(&mut self) -> Option<&'a str> {
        let rest = &self.text.as_bytes()[self.at..];
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let start = self.at + rest.iter().position(|byte| !between(byte))?;
        self.at = start + length(&self.text.as_bytes()[start..])?;
        self.text.get(start..self.at)
    }
}

/// How long the value is that these bytes begin with; none for the end of what is around it.
fn length(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => Some(string_length(bytes)),
        b'{' | b'[' => Some(container_length(bytes)),
        b'}' | b']' => None,
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
            Some(bytes.iter().position(ends).unwrap_or(bytes.len()))
        }
    }
}

/// Of a string with both its quotes.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// Of an object or an array; nesting is counted, not descended into.
fn container_length(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at += string_length(&bytes[at..]) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// A string read as bytes, which is the way to get at one that is no valid text.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;

        impl Visitor<'_> for Lossy {
            type Value = Text;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Text(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        deserializer.deserialize_bytes(Lossy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_values_spoil_nothing_around_them() {
        let text = br#"{"a":1e999,"b":"x\ud800y","c":"first","c":"last","d":null,"\ud800":1,"e":[1,{}],"f":"7","g":123456789012345678901234567890}"#;
        let root = Json::parse(text).unwrap().object().unwrap();
        assert_eq!(root.get("a").unwrap().whole(), None);
        let broken = root.text("b").unwrap();
        assert!(
            broken.starts_with('x') && broken.ends_with('y') && broken.contains('\u{fffd}'),
            "{broken:?}"
        );
        assert_eq!(root.text("c").as_deref(), Some("last"));
        assert!(root.get("d").is_none() && root.get("nothing").is_none());
        assert_eq!(root.array("e").count(), 2);
        assert_eq!(root.get("f").unwrap().whole(), Some(7));
        assert_eq!(root.get("g").unwrap().whole(), None);
        assert_eq!(root.fields().count(), 9);
        assert_eq!(root.raw().as_bytes(), text);
    }

    #[test]
    fn deep_nesting_costs_no_stack_and_spoils_nothing_beside_it() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Json::parse(deep.as_bytes()).unwrap().object().is_none());
        let text = format!(
            "{{\"deep\":{deep},\"objects\":{}1{},\"a\":\"b\"}}",
            "{\"o\":".repeat(100_000),
            "}".repeat(100_000)
        );
        let root = Json::parse(text.as_bytes()).unwrap().object().unwrap();
        assert_eq!(root.text("a").as_deref(), Some("b"));
        assert_eq!(root.array("deep").count(), 1);
        assert!(root.object("objects").is_some());
    }

    #[test]
    fn what_is_no_json_is_none() {
        for bytes in [&b""[..], b"{", b"{}{}", b"\xff", b"\"\xff\"", b"nul", b"{\"a\":}"] {
            assert!(Json::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
