//! JSON that somebody else wrote, one level at a time.
//!
//! Values stay raw text until they are asked for. So a number that fits no type, half a surrogate pair
//! or a doubled key spoils nothing around it, the text of an object can be handed on as it came, and
//! deep nesting costs no stack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How deep a delivery may be nested; real ones have less than ten levels.
const MAX_DEPTH: usize = 128;

/// A value, not looked into yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(&'a RawValue);

impl<'a> Json<'a> {
    /// The one value of a text; `None` where it is no JSON, or nested without reason.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if is_too_deep(bytes) {
            return None;
        }
        serde_json::from_slice(bytes).ok().map(Self)
    }

    /// The text as it came.
    pub(crate) fn raw(self) -> &'a str {
        self.0.get()
    }

    pub(crate) fn is_null(self) -> bool {
        self.raw() == "null"
    }

    /// The fields, where it is an object.
    pub(crate) fn object(self) -> Option<Object<'a>> {
        let fields: Fields<'a> = serde_json::from_str(self.raw()).ok()?;
        Some(Object { raw: self.raw(), fields: fields.0 })
    }

    /// The elements, where it is an array.
    pub(crate) fn array(self) -> Option<Vec<Self>> {
        let elements: Vec<&'a RawValue> = serde_json::from_str(self.raw()).ok()?;
        Some(elements.into_iter().map(Self).collect())
    }

    /// The text, where it is a string. Half a surrogate pair becomes a replacement character.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        serde_json::from_str::<Text<'a>>(self.raw()).ok().map(|text| text.0)
    }

    /// A whole number, written as a number or as text; anything else is none.
    pub(crate) fn whole(self) -> Option<u64> {
        match self.text() {
            Some(text) => text.trim().parse().ok(),
            None => self.raw().parse().ok(),
        }
    }

    /// The boolean, where it is one.
    pub(crate) fn flag(self) -> Option<bool> {
        self.raw().parse().ok()
    }
}

/// The fields of an object, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    raw: &'a str,
    fields: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Object<'a> {
    /// The text as it came.
    pub(crate) fn raw(&self) -> &'a str {
        self.raw
    }

    /// The field with this name that is not null; the last one where there are several.
    pub(crate) fn get(&self, name: &str) -> Option<Json<'a>> {
        let found = self.fields.iter().rev().find(|(key, _)| key == name)?;
        Some(found.1).filter(|value| !value.is_null())
    }

    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        self.get(name)?.object()
    }

    /// The elements of a field with their places; none where it is no array.
    pub(crate) fn array(&self, name: &str) -> impl Iterator<Item = (usize, Json<'a>)> + use<'a> {
        self.get(name).and_then(Json::array).unwrap_or_default().into_iter().enumerate()
    }

    /// The text of a field; empty text is none.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.text().filter(|text| !text.is_empty())
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
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

/// Counts brackets outside of strings; what is no JSON at all is found out later.
fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
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
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Json::parse(deep.as_bytes()).is_none());
        let text = format!("\"{}\\\"{}\"", "[".repeat(1000), "{".repeat(1000));
        assert!(Json::parse(text.as_bytes()).unwrap().text().is_some());
    }

    #[test]
    fn what_is_no_json_is_none() {
        for bytes in [&b""[..], b"{", b"{}{}", b"\xff", b"\"\xff\"", b"nul", b"{\"a\":}"] {
            assert!(Json::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
