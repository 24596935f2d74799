//! JSON that somebody else wrote, looked into without losing any of it.
//!
//! Values stay raw text until they are asked for. So a number that fits no type, half a surrogate pair
//! or a doubled key spoils nothing around it, the text of an object can be handed on as it came, and
//! deep nesting costs no stack. One walk checks the whole text and notes where every value stands; from
//! then on it is only cut. `Debug` shows no text, since senders' names and numbers stand in it.

mod scan;

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use self::scan::{Span, unescaped};
use crate::{Delivery, Error, ErrorKind, Phase, Result as CoreResult, unix_seconds};

/// The longest name or id, in bytes, that is repeated in every item that it stands above.
const MAX_SHARED: usize = 512;
/// The largest text, in bytes: positions are kept in 32 bits.
const MAX_TEXT: u64 = u32::MAX as u64;

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
    let max_bytes = max_bytes.min(MAX_TEXT);
    if delivery.body.len() as u64 > max_bytes {
        let why = format!("the delivery is larger than the {max_bytes} bytes that are taken");
        return Err(error(ErrorKind::TooLarge, &why));
    }
    let document = Document::parse(delivery.body);
    let document = document.ok_or_else(|| error(ErrorKind::Decode, "the delivery is not JSON"))?;
    if document.value().object().is_none() {
        return Err(error(ErrorKind::Decode, "the delivery is not a JSON object"));
    }
    Ok(document)
}

/// The beginning of a name that a sender chose, short enough to stand in many paths.
pub fn short_name(name: &str) -> &str {
    let mut end = name.len().min(64);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// A text that was checked to be one JSON value, and where every value in it stands.
pub struct Document<'a> {
    text: &'a str,
    /// In the order in which they begin; the first is the whole.
    values: Vec<Span>,
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes, {} values)", self.text.len(), self.values.len())
    }
}

impl<'a> Document<'a> {
    /// The one value of a text; `None` where it is no JSON, or of 4 GiB and more.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MAX_TEXT)?;
        Some(Self { text, values: scan::spans(text)? })
    }

    /// The whole value.
    pub fn value(&self) -> Json<'_> {
        Json { document: self, at: 0 }
    }

    /// The whole value of a delivery, which is an object.
    pub fn root(&self) -> Object<'_> {
        Object(self.value())
    }
}

/// A value, not looked into yet.
#[derive(Clone, Copy)]
pub struct Json<'a> {
    document: &'a Document<'a>,
    at: usize,
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.raw().len())
    }
}

impl<'a> Json<'a> {
    fn span(self) -> Span {
        self.document.values[self.at]
    }

    /// The text as it came.
    pub fn raw(self) -> &'a str {
        let Span { start, end, .. } = self.span();
        &self.document.text[start as usize..end as usize]
    }

    fn first_byte(self) -> u8 {
        self.document.text.as_bytes()[self.span().start as usize]
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.first_byte() == b'n'
    }

    /// Whether it is an object or an array.
    pub fn is_container(self) -> bool {
        matches!(self.first_byte(), b'{' | b'[')
    }

    /// The same as an object, where it is one.
    pub fn object(self) -> Option<Object<'a>> {
        (self.first_byte() == b'{').then_some(Object(self))
    }

    /// The elements, where it is an array.
    pub fn array(self) -> Option<Values<'a>> {
        (self.first_byte() == b'[').then(|| self.within())
    }

    /// The elements; what is there in place of an array counts as its one element.
    pub fn listed(self) -> Values<'a> {
        let next = self.span().next as usize;
        self.array().unwrap_or(Values { document: self.document, at: self.at, end: next })
    }

    /// The values directly below.
    fn within(self) -> Values<'a> {
        Values { document: self.document, at: self.at + 1, end: self.span().next as usize }
    }

    /// The text, where it is a string. Half a surrogate pair becomes a replacement character.
    pub fn text(self) -> Option<Cow<'a, str>> {
        if self.first_byte() != b'"' {
            return None;
        }
        let inner = &self.raw()[1..self.raw().len() - 1];
        Some(if self.span().has_escapes { unescaped(inner) } else { Cow::Borrowed(inner) })
    }

    /// The text, or the digits of a number as they came; empty text is none.
    pub fn plain(self) -> Option<Cow<'a, str>> {
        let is_number = matches!(self.first_byte(), b'-' | b'0'..=b'9');
        let text = if is_number { Some(Cow::Borrowed(self.raw())) } else { self.text() };
        text.filter(|text| !text.is_empty())
    }

    /// A whole number, written as a number or as text; anything else is none.
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

    /// The boolean, where it is one.
    pub fn flag(self) -> Option<bool> {
        self.raw().parse().ok()
    }
}

/// The values of an array, in their order.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    document: &'a Document<'a>,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let value = (self.at < self.end).then_some(Json { document: self.document, at: self.at })?;
        self.at = value.span().next as usize;
        Some(value)
    }
}

/// An object: fields in their order.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(Json<'a>);

impl<'a> Object<'a> {
    /// The text as it came.
    pub fn raw(self) -> &'a str {
        self.0.raw()
    }

    /// The field with this name that is not null; the last one where there are several.
    pub fn get(self, name: &str) -> Option<Json<'a>> {
        let Document { text, values } = self.0.document;
        let (mut at, mut found) = (self.0.at + 1, None);
        let values = &values[..self.0.span().next as usize];
        while let Some(span) = values.get(at) {
            if span.is_named(name, text) {
                found = Some(Json { at, ..self.0 });
            }
            at = span.next as usize;
        }
        found.filter(|value| !value.is_null())
    }

    /// The object under this name.
    pub fn object(self, name: &str) -> Option<Self> {
        self.get(name)?.object()
    }

    /// The elements of a field with their places; none where it is no array.
    pub fn array(self, name: &str) -> impl Iterator<Item = (usize, Json<'a>)> + use<'a> {
        self.get(name).and_then(Json::array).into_iter().flatten().enumerate()
    }

    /// The text of a field; empty text is none.
    pub fn text(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.text().filter(|text| !text.is_empty())
    }

    /// Text, or a number written as one; empty text is none.
    pub fn plain(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.plain()
    }

    /// The same, where it is short enough to be repeated in every item below.
    pub fn shared(self, name: &str) -> Option<Cow<'a, str>> {
        self.plain(name).filter(|text| text.len() <= MAX_SHARED)
    }

    /// All fields with their names, in their order, those that are null as well.
    pub fn fields(self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> {
        self.0.within().filter_map(|value| Some((value.span().name(value.document.text)?, value)))
    }
}

#[cfg(test)]
mod tests;
