//! JSON that somebody else wrote, looked into without losing any of it.
//!
//! Values stay raw text until they are asked for. So a number that fits no type, half a surrogate pair
//! or a doubled key spoils nothing around it, the text of an object can be handed on as it came, and
//! deep nesting costs no stack. One walk checks the whole text and notes where its large objects and
//! arrays end, and of the first of them the fields; from then on it is only cut, and what is not asked
//! for is skipped. Time and memory grow with the text and no faster. `Debug` shows no text, since
//! senders' names and numbers stand in it.
//!
//! A walker over `serde_json`'s `RawValue` reads each level again: an ordinary delivery of 2.5 MB takes it 4.5 times as
//! long, and a 3 MB object of short keys 21 times the memory of its text. `sonic-rs` overflows the stack on deep nesting.

mod scan;
pub(crate) mod steps;

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use self::scan::{Field, Notes, unescaped};
use wamedia_core::{Delivery, Error, ErrorKind, Inbound, Items, Phase, Result as CoreResult, unix_seconds};

/// The longest name or id, in bytes, that is repeated in every item that it stands above.
const MAX_SHARED: usize = 512;
/// The largest text, in bytes: positions are kept in 32 bits.
const MAX_TEXT: u64 = u32::MAX as u64;

/// The JSON object of a delivery. The size is checked before anything is parsed.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] above `max_bytes`, [`ErrorKind::Decode`] for what is not a JSON object.
pub(crate) fn delivery<'a>(
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
    let max_bytes = max_bytes.min(MAX_TEXT);
    if delivery.body.len() as u64 > max_bytes {
        let why = format!("the delivery is larger than the {max_bytes} bytes that are taken");
        return Err(error(ErrorKind::TooLarge, &why));
    }
    let document = Document::parse(delivery.body);
    let document = document.ok_or_else(|| error(ErrorKind::Decode, "the delivery is not JSON"))?;
    if !document.value().is_object() {
        return Err(error(ErrorKind::Decode, "the delivery is not a JSON object"));
    }
    Ok(document)
}

/// Reads a delivery of JSON: everything that `collect` finds in its object.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] above `max_bytes`, and for more media than the size of the body leaves memory for;
/// [`ErrorKind::Decode`] for what is not a JSON object.
pub fn read_delivery(
    delivery: &Delivery<'_>,
    provider: &'static str,
    max_bytes: u64,
    collect: impl FnOnce(&Object<'_>, &mut Items),
) -> CoreResult<Inbound> {
    let document = self::delivery(delivery, provider, max_bytes)?;
    let mut items = Items::new(delivery.body.len());
    collect(&document.root(), &mut items);
    items.into_inbound().map_err(|error| error.with_provider(provider))
}

/// A text that was checked to be one JSON value.
pub struct Document<'a> {
    text: &'a str,
    notes: Notes,
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.text.len())
    }
}

impl<'a> Document<'a> {
    /// The one value of a text; `None` where it is not JSON, or of 4 GiB and more.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MAX_TEXT)?;
        Some(Self { text, notes: scan::check(text)? })
    }

    /// The whole value.
    pub fn value(&self) -> Json<'_> {
        self.value_at(scan::skip_space(self.text.as_bytes(), 0))
    }

    /// The whole value of a delivery, which is an object.
    pub fn root(&self) -> Object<'_> {
        Object::new(self.value())
    }

    fn value_at(&self, start: usize) -> Json<'_> {
        Json { document: self, start, end: scan::value_end(self.text.as_bytes(), &self.notes, start) }
    }
}

/// A value, not looked into yet.
#[derive(Clone, Copy)]
pub struct Json<'a> {
    document: &'a Document<'a>,
    start: usize,
    end: usize,
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.raw().len())
    }
}

impl<'a> Json<'a> {
    /// The text as it came.
    pub fn raw(self) -> &'a str {
        &self.document.text[self.start..self.end]
    }

    fn first_byte(self) -> u8 {
        self.document.text.as_bytes()[self.start]
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.first_byte() == b'n'
    }

    /// Whether it is an object or an array.
    pub fn is_container(self) -> bool {
        matches!(self.first_byte(), b'{' | b'[')
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.first_byte() == b'{'
    }

    /// The same as an object, where it is one. Its fields are looked up once, so keep the object.
    pub fn object(self) -> Option<Object<'a>> {
        self.is_object().then(|| Object::new(self))
    }

    /// The elements, where it is an array.
    pub fn array(self) -> Option<Values<'a>> {
        (self.first_byte() == b'[').then_some(Values { list: self, at: self.start + 1 })
    }

    /// The elements; what is there in place of an array counts as its one element.
    pub fn listed(self) -> impl Iterator<Item = Self> + use<'a> {
        let elements = self.array();
        let itself = elements.is_none().then_some(self);
        elements.into_iter().flatten().chain(itself)
    }

    /// The text, where it is a string. Half a surrogate pair becomes a replacement character.
    pub fn text(self) -> Option<Cow<'a, str>> {
        (self.first_byte() == b'"').then(|| unescaped(&self.document.text[self.start + 1..self.end - 1]))
    }

    /// The text, or the digits of a number as they came; `None` for empty text.
    pub fn plain(self) -> Option<Cow<'a, str>> {
        let is_number = matches!(self.first_byte(), b'-' | b'0'..=b'9');
        let text = if is_number { Some(Cow::Borrowed(self.raw())) } else { self.text() };
        text.filter(|text| !text.is_empty())
    }

    /// A whole number, written as a number or as text; `None` for anything else.
    pub fn whole(self) -> Option<u64> {
        match self.text() {
            Some(text) => text.trim().parse().ok(),
            None => self.raw().parse().ok(),
        }
    }

    /// A time in Unix seconds or, with more than eleven digits, milliseconds; as a number or as text.
    pub fn time(self) -> Option<SystemTime> {
        let number = self.whole()?;
        // Seconds reach 10^11 in the year 5138.
        unix_seconds(if number > 100_000_000_000 { number / 1000 } else { number })
    }

    /// [`plain`](Self::plain) text that is short enough to be repeated in every item below.
    pub fn shared(self) -> Option<Cow<'a, str>> {
        // A long text is not even looked at: it may stand above thousands of items.
        let short = self.end - self.start <= 6 * MAX_SHARED + 2;
        short.then(|| self.plain()).flatten().filter(|text| text.len() <= MAX_SHARED)
    }

    /// The boolean, where it is one.
    pub fn flag(self) -> Option<bool> {
        self.raw().parse().ok()
    }
}

/// The values of an array, in their order.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    list: Json<'a>,
    /// Behind the value before.
    at: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let document = self.list.document;
        let start = scan::next_in_container(document.text.as_bytes(), self.at)?;
        let value = document.value_at(start);
        self.at = value.end;
        Some(value)
    }
}

/// The fields of an object that are not noted, in their order.
#[derive(Clone, Debug)]
struct Fields<'a> {
    object: Json<'a>,
    /// Behind the field before.
    at: usize,
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        let document = self.object.document;
        let bytes = document.text.as_bytes();
        let start = scan::next_in_container(bytes, self.at)?;
        let end = start + scan::string_length(&bytes[start..])?.0;
        let colon = scan::skip_space(bytes, end);
        let value = document.value_at(scan::skip_space(bytes, colon + 1));
        self.at = value.end;
        Some(Field::new(start..end, value.start..value.end))
    }
}

/// An object: fields in their order. They are found once, when the object is made.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    value: Json<'a>,
    fields: Cow<'a, [Field]>,
}

impl<'a> Object<'a> {
    fn new(value: Json<'a>) -> Self {
        if let Some(fields) = value.document.notes.fields(value.start) {
            return Self { value, fields: Cow::Borrowed(fields) };
        }
        let length = value.end - value.start;
        let found = Fields { object: value, at: value.start + 1 };
        // Counted where there may be many, since a list that grows asks for twice what it needs.
        let expected = if length > 4096 { found.clone().count() } else { (length / 12).min(16) };
        let mut fields = Vec::with_capacity(expected);
        fields.extend(found);
        Self { value, fields: Cow::Owned(fields) }
    }

    fn json(&self, field: &Field) -> Json<'a> {
        let (start, end) = field.value;
        Json { start: start as usize, end: end as usize, ..self.value }
    }

    fn name(&self, field: &Field) -> &'a str {
        let (start, end) = field.name;
        &self.value.document.text[start as usize..end as usize]
    }

    /// The text as it came.
    pub fn raw(&self) -> &'a str {
        self.value.raw()
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The field with this name that is not null; the last one where there are several.
    pub fn get(&self, name: &str) -> Option<Json<'a>> {
        let text = self.value.document.text.as_bytes();
        let is_wanted = |field: &&Field| {
            let (start, end) = field.name;
            scan::is_spelled(&text[start as usize..end as usize], name)
        };
        let found = self.fields.iter().rev().find(is_wanted);
        found.map(|field| self.json(field)).filter(|value| !value.is_null())
    }

    /// The object under this name.
    pub fn object(&self, name: &str) -> Option<Self> {
        self.get(name)?.object()
    }

    /// The elements of a field with their places; none where it is not an array.
    pub fn array(&self, name: &str) -> impl Iterator<Item = (usize, Json<'a>)> + use<'a> {
        self.get(name).and_then(Json::array).into_iter().flatten().enumerate()
    }

    /// The text of a field; `None` for empty text.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.text().filter(|text| !text.is_empty())
    }

    /// Text, or the digits of a number; `None` for empty text.
    pub fn plain(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.plain()
    }

    /// The same, where it is short enough to be repeated in every item below.
    pub fn shared(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.shared()
    }

    /// All fields with their names, in their order, those that are null as well.
    pub fn fields(&self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> {
        self.fields.iter().map(|field| (unescaped(self.name(field)), self.json(field)))
    }
}

#[cfg(test)]
mod tests;
