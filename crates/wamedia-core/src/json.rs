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
) -> CoreResult<Document<'a>> {
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
    let text = checked(delivery.body).ok_or_else(|| error(ErrorKind::Decode, "the delivery is not JSON"))?;
    if !text.starts_with('{') {
        return Err(error(ErrorKind::Decode, "the delivery is not a JSON object"));
    }
    Ok(Document { text, ends: Ends::of(text) })
}

/// A text that is one JSON value, without what stands around it.
fn checked(bytes: &[u8]) -> Option<&str> {
    serde_json::from_slice::<&RawValue>(bytes).ok().map(RawValue::get)
}

/// A JSON object whose text was checked, and where the large values in it end.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    ends: Ends,
}

impl Document<'_> {
    /// The object itself.
    pub fn root(&self) -> Object<'_> {
        let json = Json { text: self.text, ends: &self.ends };
        json.object().unwrap_or(Object { raw: self.text, fields: Vec::new() })
    }
}

/// Where objects and arrays end that are too long to walk through once for every level around them.
#[derive(Debug)]
struct Ends {
    /// The address of the text.
    start: usize,
    /// Beginnings and ends, by beginning.
    known: Vec<(usize, usize)>,
}

/// The length in bytes from which an end is remembered.
const LONG: usize = 128;
/// Nothing is known.
static NOWHERE: Ends = Ends { start: 0, known: Vec::new() };

impl Ends {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut open, mut known, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => at += string_length(&bytes[at..]) - 1,
                b'{' | b'[' => open.push(at),
                b'}' | b']' => {
                    let begin = open.pop().unwrap_or(at);
                    if at - begin >= LONG {
                        known.push((begin, at + 1));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        known.sort_unstable();
        Self { start: text.as_ptr().addr(), known }
    }

    /// How long the object or array is that this text begins with.
    fn length(&self, text: &[u8]) -> usize {
        let begin = text.as_ptr().addr().wrapping_sub(self.start);
        match self.known.binary_search_by_key(&begin, |(begin, _)| *begin) {
            Ok(index) => self.known[index].1 - begin,
            Err(_) => container_length(text),
        }
    }
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
pub struct Json<'a> {
    text: &'a str,
    ends: &'a Ends,
}

impl<'a> Json<'a> {
    /// The one value of a text; `None` where it is no JSON.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { text: checked(bytes)?, ends: &NOWHERE })
    }

    /// The text as it came.
    pub fn raw(self) -> &'a str {
        self.text
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
        let mut parts = Parts::of(self, '{')?;
        let mut fields = Vec::with_capacity(8);
        while let Some(name) = parts.value() {
            fields.push((name.text()?, parts.value()?));
        }
        Some(Object { raw: self.raw(), fields })
    }

    /// The elements, where it is an array.
    pub fn array(self) -> Option<Vec<Self>> {
        let mut parts = Parts::of(self, '[')?;
        Some(std::iter::from_fn(|| parts.value()).collect())
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
    whole: Json<'a>,
    at: usize,
}

impl<'a> Parts<'a> {
    fn of(whole: Json<'a>, open: char) -> Option<Self> {
        whole.text.starts_with(open).then_some(Self { whole, at: 1 })
    }

    /// The next name or value; none at the end.
    fn value(&mut self) -> Option<Json<'a>> {
        let Json { text, ends } = self.whole;
        let rest = &text.as_bytes()[self.at..];
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let start = self.at + rest.iter().position(|byte| !between(byte))?;
        self.at = start + length(&text.as_bytes()[start..], ends)?;
        Some(Json { text: text.get(start..self.at)?, ends })
    }
}

/// How long the value is that these bytes begin with; none for the end of what is around it.
fn length(bytes: &[u8], ends: &Ends) -> Option<usize> {
    match bytes.first()? {
        b'"' => Some(string_length(bytes)),
        b'{' | b'[' => Some(ends.length(bytes)),
        b'}' | b']' => None,
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
            Some(bytes.iter().position(ends).unwrap_or(bytes.len()))
        }
    }
}

/// Of a string with both its quotes.
fn string_length(bytes: &[u8]) -> usize {
    // Most strings are short, and the search for long ones has a price of its own.
    let near = &bytes[1..bytes.len().min(24)];
    let mut at = match near.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        Some(found) if near[found] == b'"' => return found + 2,
        Some(found) => found + 1,
        None => 1 + near.len(),
    };
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

    /// Every value below, in order.
    fn all<'a>(value: Json<'a>, out: &mut Vec<&'a str>) {
        out.push(value.raw());
        let fields = value.object().map(|object| object.fields().map(|(_, value)| value).collect());
        let below: Vec<_> = fields.or_else(|| value.array()).unwrap_or_default();
        for value in below {
            all(value, out);
        }
    }

    #[test]
    fn remembered_ends_are_those_that_a_walk_finds() {
        let word = "x\\\"{[".repeat(40);
        let inner = format!(r#"{{"a":"{word}","b":[1,[2,"{word}"],{{}}],"c":{{"d":"{word}"}}}}"#);
        let text = format!(r#" {{"list":[{inner}, {inner} ,"{word}",[]],"one":{inner}}} "#);
        let document = delivery(&Delivery::new(text.as_bytes()), "test", 1 << 20).unwrap();
        assert!(document.ends.known.len() > 8, "{:?}", document.ends.known);
        let (mut remembered, mut walked) = (Vec::new(), Vec::new());
        for (_, value) in document.root().fields() {
            all(value, &mut remembered);
        }
        let root = Json::parse(text.as_bytes()).unwrap().object().unwrap();
        for (_, value) in root.fields() {
            all(value, &mut walked);
        }
        assert_eq!(remembered, walked);
        assert!(remembered.len() > 30);
    }

    #[test]
    fn what_is_no_json_is_none() {
        for bytes in [&b""[..], b"{", b"{}{}", b"\xff", b"\"\xff\"", b"nul", b"{\"a\":}"] {
            assert!(Json::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
