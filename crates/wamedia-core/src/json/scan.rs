//! The one walk through a text: whether it is JSON, and where its values stand.
//!
//! It is our own because readers of JSON give up or lose something at what is survived here, and because
//! a check by one of them and a walk of ours would read every text twice.

use std::borrow::Cow;

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The number of the first value that is not part of this one.
    pub(super) next: u32,
    /// Where its name begins, with the quote.
    name: u32,
    /// How long its name is as it is written; [`NAMELESS`] for what is in no object, [`PECULIAR`] for
    /// a long name or one with escapes.
    name_length: u8,
    /// Whether it is a string with escapes.
    pub(super) has_escapes: bool,
}

const NAMELESS: u8 = u8::MAX;
const PECULIAR: u8 = u8::MAX - 1;

impl Span {
    /// The name that it has in the object around it.
    pub(super) fn name<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let text = &text[self.name as usize..];
        match self.name_length {
            NAMELESS => None,
            PECULIAR => Some(unescaped(&text[1..string_length(text.as_bytes())?.0 - 1])),
            length => Some(Cow::Borrowed(&text[1..=usize::from(length)])),
        }
    }

    /// Whether it has this name in the object around it.
    pub(super) fn is_named(&self, name: &str, text: &str) -> bool {
        match self.name_length {
            NAMELESS => false,
            PECULIAR => self.name(text).is_some_and(|own| own == name),
            length if usize::from(length) != name.len() => false,
            _ => {
                // Names are short and seldom begin alike: a call would cost more than it saves.
                let own = &text.as_bytes()[self.name as usize + 1..];
                name.bytes().zip(own).all(|(byte, own)| byte == *own)
            }
        }
    }
}

/// Where the values of a text stand, in the order in which they begin; none where it is no JSON. The
/// text is shorter than 4 GiB.
pub(super) fn spans(text: &str) -> Option<Vec<Span>> {
    Scan::new(text).values()
}

/// Reads a text once, without recursion: checks that it is JSON and notes where its values stand.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc8259>
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Span>,
    /// The numbers of the objects and arrays that have not ended, and whether they are objects.
    open: Vec<(usize, bool)>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        // Deliveries have a value for about every 20 bytes, and eight levels.
        let (values, open) = (Vec::with_capacity(text.len() / 20 + 1), Vec::with_capacity(16));
        Self { bytes: text.as_bytes(), at: 0, values, open }
    }

    fn values(mut self) -> Option<Vec<Span>> {
        loop {
            if self.value()? {
                continue;
            }
            // A value has ended, and with it perhaps those around it.
            loop {
                match (self.next(), self.open.last()) {
                    (None, None) => return Some(self.values),
                    (Some(b','), Some(_)) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), Some((_, true))) | (Some(b']'), Some((_, false))) => self.close(),
                    _ => return None,
                }
            }
        }
    }

    /// Reads a value, of an object or an array only its beginning. True where another value must follow,
    /// none where there is no value.
    fn value(&mut self) -> Option<bool> {
        let (name, name_length) = match self.open.last() {
            Some((_, true)) => self.name()?,
            _ => (0, NAMELESS),
        };
        let first = self.next()?;
        let (start, mut has_escapes) = (self.at, false);
        let rest = &self.bytes[start..];
        self.at += match first {
            b'{' | b'[' => 1,
            b'"' => {
                let length;
                (length, has_escapes) = string_length(rest)?;
                length
            }
            b't' => rest.starts_with(b"true").then_some(4)?,
            b'f' => rest.starts_with(b"false").then_some(5)?,
            b'n' => rest.starts_with(b"null").then_some(4)?,
            _ => number_length(rest)?,
        };
        let number = self.values.len();
        let (start, end, next) = (position(start), position(self.at), position(number + 1));
        self.values.push(Span { start, end, next, name, name_length, has_escapes });
        let end = match first {
            b'{' => b'}',
            b'[' => b']',
            _ => return Some(false),
        };
        self.open.push((number, first == b'{'));
        Some(self.next()? != end)
    }

    /// A name and the colon behind it: where it begins and how long it is.
    fn name(&mut self) -> Option<(u32, u8)> {
        let start = self.next().filter(|byte| *byte == b'"').map(|_| self.at)?;
        let (length, has_escapes) = string_length(&self.bytes[start..])?;
        self.at += length;
        self.next().filter(|byte| *byte == b':')?;
        self.at += 1;
        let short = u8::try_from(length - 2).ok().filter(|length| *length < PECULIAR && !has_escapes);
        Some((position(start), short.unwrap_or(PECULIAR)))
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Ends the innermost object or array.
    fn close(&mut self) {
        self.at += 1;
        let next = position(self.values.len());
        if let Some(ended) = self.open.pop().and_then(|(number, _)| self.values.get_mut(number)) {
            (ended.end, ended.next) = (position(self.at), next);
        }
    }
}

/// A position in a text or a list that is known to have fewer than 2^32.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Of the string at the beginning, with both its quotes, and whether there are escapes in it.
fn string_length(bytes: &[u8]) -> Option<(usize, bool)> {
    let (mut at, mut has_escapes) = (1, false);
    loop {
        at += plain_length(bytes.get(at..)?);
        at += match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'"', _) => return Some((at + 1, has_escapes)),
            (b'\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => 2,
            (b'\\', Some(b'u')) => {
                let digits = bytes.get(at + 2..at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
            }
            _ => return None,
        };
        has_escapes = true;
    }
}

/// How many bytes come before the first that is no plain character of a string: a quote, a backslash,
/// or a control character. Eight bytes are looked at together.
fn plain_length(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest of the high bits is right; those above it may be set by a borrow.
        let below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
        let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
        let found = (is(b'"') | is(b'\\') | below(word, 0x20)) & HIGH;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let start = words.len() * 8;
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    start + bytes[start..].iter().position(special).unwrap_or(bytes.len() - start)
}

/// Of the number at the beginning.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |at: usize| Some(digits(at)).filter(|count| *count > 0);
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += if bytes.get(at) == Some(&b'0') { 1 } else { some_digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at += 1 + some_digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at += some_digits(at)?;
    }
    Some(at)
}

/// The text of the inside of a string. Half of a surrogate pair becomes a replacement character.
pub(super) fn unescaped(mut inner: &str) -> Cow<'_, str> {
    let mut text = String::with_capacity(inner.len());
    loop {
        // In a checked string only a backslash is not plain.
        let (plain, escape) = inner.split_at(plain_length(inner.as_bytes()));
        text.push_str(plain);
        let Some(escape) = escape.get(1..) else { return Cow::Owned(text) };
        let (meant, behind) = unescape(escape);
        text.push(meant);
        inner = behind;
    }
}

/// What an escape means, and what comes behind it.
fn unescape(escape: &str) -> (char, &str) {
    let mut chars = escape.chars();
    let meant = match chars.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode(chars.as_str()),
        Some(itself) => itself,
        None => char::REPLACEMENT_CHARACTER,
    };
    (meant, chars.as_str())
}

/// What the four digits behind `\u` mean, together with the other half of a pair.
fn unicode(digits: &str) -> (char, &str) {
    let (first, behind) = code_unit(digits);
    let second = behind.strip_prefix("\\u").map(code_unit);
    let (code, behind) = match (first, second) {
        (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, behind))) => {
            (0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), behind)
        }
        _ => (first, behind),
    };
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), behind)
}

fn code_unit(digits: &str) -> (u32, &str) {
    let (digits, behind) = digits.split_at_checked(4).unwrap_or((digits, ""));
    (u32::from_str_radix(digits, 16).unwrap_or_default(), behind)
}
