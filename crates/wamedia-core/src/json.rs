//! JSON that somebody else wrote, one level at a time.
//!
//! Values stay raw text until they are asked for. So a number that fits no type, half a surrogate pair
//! or a doubled key spoils nothing around it, the text of an object can be handed on as it came, and
//! deep nesting costs no stack: whatever is not asked for is skipped, not descended into.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, MapAccess, Visitor};
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

/// A value, not looked into yet.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a RawValue);

impl<'a> Json<'a> {
    /// The one value of a text; `None` where it is no JSON.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }

    /// The text as it came.
    pub fn raw(self) -> &'a str {
        self.0.get()
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
        let fields: Fields<'a> = serde_json::from_str(self.raw()).ok()?;
        Some(Object { raw: self.raw(), fields: fields.0 })
    }

    /// The elements, where it is an array.
    pub fn array(self) -> Option<Vec<Self>> {
        let elements: Vec<&'a RawValue> = serde_json::from_str(self.raw()).ok()?;
        Some(elements.into_iter().map(Self).collect())
    }

    /// The text, where it is a string. Half a surrogate pair becomes a replacement character.
    pub fn text(self) -> Option<Cow<'a, str>> {
        serde_json::from_str::<Text<'a>>(self.raw()).ok().map(|text| text.0)
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

struct Fields<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    fields.push((name, Json(value)));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// A string read as bytes, which is the way to get at one that is no valid text.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;

        impl<'de> Visitor<'de> for Lossy {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Text(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned())))
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
