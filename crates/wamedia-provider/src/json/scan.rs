//! The one walk through a text: whether it is JSON, where its large objects and arrays end, and where the fields of
//! the first of these objects are.
//!
//! It is our own because readers of JSON give up or lose something at what is survived here, and because
//! a check by one of them and a walk of ours would read every text twice.

use std::borrow::Cow;
use std::ops::Range;

/// Objects and arrays of so many bytes are noted; what is smaller is cheap to skip.
const LARGE: usize = 128;
/// Objects and arrays below so many others are not noted. Nobody looks for media so far down, and every level
/// may be as large as the text.
const NOTED_DEPTH: usize = 40;

/// So many fields are noted, enough for all media that ordinary deliveries have; those of further objects are looked for
/// again. A text may have one for every five bytes, and each takes 16.
const NOTED_FIELDS: usize = 16 * 1024;

/// Where a large object or array stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Large {
    start: u32,
    end: u32,
    /// Which of the noted fields are those of this object; none where they are not noted.
    fields: (u32, u32),
}

/// Where a field stands. A delivery may have a field for every five bytes, so this is small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// The name as it is written, without its quotes.
    pub(super) name: (u32, u32),
    pub(super) value: (u32, u32),
}

impl Field {
    /// The name with its quotes.
    pub(super) fn new(name: Range<usize>, value: Range<usize>) -> Self {
        let place = |start, end| (position(start), position(end));
        Self { name: place(name.start + 1, name.end - 1), value: place(value.start, value.end) }
    }
}

/// What the walk through a text noted.
pub(super) struct Notes {
    /// In the order in which they begin.
    pub(super) large: Vec<Large>,
    /// One object after the other, in the order in which they end.
    fields: Vec<Field>,
}

impl Notes {
    fn large(&self, start: usize) -> Option<&Large> {
        let found = self.large.binary_search_by_key(&position(start), |large| large.start).ok()?;
        Some(&self.large[found])
    }

    /// The fields of the object that begins at `start`, in their order, where they are noted.
    pub(super) fn fields(&self, start: usize) -> Option<&[Field]> {
        let (first, end) = self.large(start)?.fields;
        self.fields.get(first as usize..end as usize).filter(|fields| !fields.is_empty())
    }
}

/// Checks that a text is JSON, and notes what is worth it. The text is shorter than 4 GiB.
pub(super) fn check(text: &str) -> Option<Notes> {
    // About what an ordinary delivery has.
    let expected = (text.len() / 24).min(NOTED_FIELDS);
    Scan {
        bytes: text.as_bytes(),
        at: 0,
        notes: Notes { large: Vec::new(), fields: Vec::with_capacity(expected) },
        kinds: Vec::new(),
        depth: 0,
        noted: [(0, 0); NOTED_DEPTH],
        open_fields: Vec::with_capacity(expected),
    }
    .notes()
}

/// Reads a text once, without recursion.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc8259>
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    notes: Notes,
    /// For every level that has not ended, whether it is an object: one bit, since there may be a level for
    /// every byte.
    kinds: Vec<u64>,
    depth: usize,
    /// For every level that is noted, its number among the large ones, and how many fields were open before it.
    noted: [(usize, usize); NOTED_DEPTH],
    /// The fields so far of all objects that have not ended.
    open_fields: Vec<Field>,
}

impl Scan<'_> {
    fn notes(mut self) -> Option<Notes> {
        loop {
            if self.value()? {
                continue;
            }
            // A value has ended, and with it perhaps those around it.
            loop {
                match (self.next(), self.in_object()) {
                    (None, None) => return Some(self.notes),
                    (Some(b','), Some(_)) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), Some(true)) | (Some(b']'), Some(false)) => self.close(),
                    _ => return None,
                }
            }
        }
    }

    /// Reads a value, of an object or an array only its beginning. True where another value must follow,
    /// none where there is no value.
    fn value(&mut self) -> Option<bool> {
        let name = if self.in_object() == Some(true) { Some(self.name()?) } else { None };
        let first = self.next()?;
        let start = self.at;
        let end = match first {
            b'{' => b'}',
            b'[' => b']',
            _ => {
                self.at += scalar_length(&self.bytes[start..])?;
                self.field(name, start);
                return Some(false);
            }
        };
        self.field(name, start);
        self.open(first == b'{');
        Some(self.next()? != end)
    }

    /// Reads the name of a field, with its quotes, and the colon behind it.
    fn name(&mut self) -> Option<Range<usize>> {
        self.next().filter(|byte| *byte == b'"')?;
        let start = self.at;
        self.at += string_length(&self.bytes[start..])?.0;
        let name = start..self.at;
        self.next().filter(|byte| *byte == b':')?;
        self.at += 1;
        Some(name)
    }

    /// Notes a field whose value begins at `start` and ends here; that of an object or array ends later.
    fn field(&mut self, name: Option<Range<usize>>, start: usize) {
        let Some(name) = name.filter(|_| self.has_room() && self.depth <= NOTED_DEPTH) else { return };
        self.open_fields.push(Field::new(name, start..self.at));
    }

    /// Whether all fields so far are noted.
    fn has_room(&self) -> bool {
        self.open_fields.len() + self.notes.fields.len() < NOTED_FIELDS
    }

    /// Whether the innermost level is an object; none outside of all.
    fn in_object(&self) -> Option<bool> {
        let level = self.depth.checked_sub(1)?;
        Some(self.kinds[level / 64] >> (level % 64) & 1 == 1)
    }

    fn open(&mut self, is_object: bool) {
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if word == self.kinds.len() {
            self.kinds.push(0);
        }
        self.kinds[word] = if is_object { self.kinds[word] | bit } else { self.kinds[word] & !bit };
        if let Some(noted) = self.noted.get_mut(self.depth) {
            *noted = (self.notes.large.len(), self.open_fields.len());
            self.notes.large.push(Large { start: position(self.at), end: 0, fields: (0, 0) });
        }
        self.depth += 1;
        self.at += 1;
    }

    /// Ends the innermost object or array.
    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        self.note();
        // Its own field, or one around it, which ends later and is changed again.
        if let Some(field) = self.open_fields.last_mut() {
            field.value.1 = position(self.at);
        }
    }

    /// Notes an object or array that has ended, and its fields.
    fn note(&mut self) {
        let Some((number, first)) = self.noted.get(self.depth) else { return };
        let has_room = self.has_room();
        let Notes { large, fields } = &mut self.notes;
        let Some(ended) = large.get_mut(*number) else { return };
        ended.end = position(self.at);
        if self.at - (ended.start as usize) < LARGE {
            // What is in it is smaller, and was dropped before: it is the last.
            large.pop();
        } else if has_room {
            let before = fields.len();
            fields.extend_from_slice(&self.open_fields[*first..]);
            ended.fields = (position(before), position(fields.len()));
        }
        if has_room {
            self.open_fields.truncate(*first);
        }
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        self.at = skip_space(self.bytes, self.at);
        self.bytes.get(self.at).copied()
    }
}

/// A position in a text that is known to be shorter than 2^32.
pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The first place from `at` that has no white space.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where the next element begins in an object or array of a checked text, from behind its opening bracket or
/// behind the element before; none at its end.
pub(super) fn next_in_container(bytes: &[u8], at: usize) -> Option<usize> {
    let at = skip_space(bytes, at);
    match bytes.get(at)? {
        b'}' | b']' => None,
        b',' => Some(skip_space(bytes, at + 1)),
        _ => Some(at),
    }
}

/// Where the value of a checked text ends that begins at `start`.
pub(super) fn value_end(bytes: &[u8], notes: &Notes, start: usize) -> usize {
    if !matches!(bytes.get(start), Some(b'{' | b'[')) {
        return bytes.get(start..).and_then(scalar_length).map_or(bytes.len(), |length| start + length);
    }
    match notes.large(start) {
        Some(large) => large.end as usize,
        // Small, or too deep to be noted.
        None => container_end(bytes, start).unwrap_or(bytes.len()),
    }
}

/// Where the object or array ends that begins at `start`; none where the bytes end before.
fn container_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => at += string_length(&bytes[at..])?.0 - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            super::steps::count(at - start);
            return Some(at);
        }
    }
}

/// Of the string, number or word at the beginning.
fn scalar_length(bytes: &[u8]) -> Option<usize> {
    let word = |word: &str| bytes.starts_with(word.as_bytes()).then_some(word.len());
    let length = match bytes.first()? {
        b'"' => string_length(bytes)?.0,
        b't' => word("true")?,
        b'f' => word("false")?,
        b'n' => word("null")?,
        _ => number_length(bytes)?,
    };
    super::steps::count(length);
    Some(length)
}

/// Whether the inside of a string, as it is written, means this text.
#[inline]
pub(super) fn is_spelled(written: &[u8], text: &str) -> bool {
    super::steps::count(1);
    // Most names are told apart by their length or their first byte, unless it is an escape.
    let first = written.first();
    if written.len() < text.len() || (first != text.as_bytes().first() && first != Some(&b'\\')) {
        return false;
    }
    if written.len() == text.len() {
        // With an escape it would mean something shorter.
        return written == text.as_bytes() && !written.contains(&b'\\');
    }
    is_spelled_with_escapes(written, text)
}

/// The same for what is written longer than what it means.
fn is_spelled_with_escapes(written: &[u8], mut text: &str) -> bool {
    // An escape of six bytes means at least one.
    if written.len() > 6 * text.len() {
        return false;
    }
    let Ok(mut written) = std::str::from_utf8(written) else { return false };
    loop {
        let pairs = written.bytes().zip(text.bytes());
        let same = pairs.take_while(|(one, other)| one == other && *one != b'\\').count();
        // None in the middle of a character: two that begin alike are different.
        let Some(rest) = written.get(same..) else { return false };
        let Some(escape) = rest.strip_prefix('\\') else { return rest.is_empty() && same == text.len() };
        let (meant, behind) = unescape(escape);
        let Some(rest) = text[same..].strip_prefix(meant) else { return false };
        (written, text) = (behind, rest);
    }
}

/// Of the string at the beginning, with both its quotes, and whether there are escapes in it.
#[expect(clippy::inline_always, reason = "a twentieth of the instructions of a delivery")]
#[inline(always)]
pub(super) fn string_length(bytes: &[u8]) -> Option<(usize, bool)> {
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

/// How many bytes come before the first that is not a plain character of a string: a quote, a backslash,
/// or a control character. Eight bytes are looked at together.
fn plain_length(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest of the high bits is right; those above it may be set by a borrow.
        let below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
        // With its second bit turned, a quote comes next to the control characters, and a space goes behind it.
        let found = (below(word ^ (EACH * 2), 0x21) | below(word ^ (EACH * u64::from(b'\\')), 1)) & HIGH;
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
    super::steps::count(inner.len());
    if plain_length(inner.as_bytes()) == inner.len() {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    loop {
        // In a checked string only a backslash is not plain.
        let (plain, escape) = inner.split_at(plain_length(inner.as_bytes()));
        text.push_str(plain);
        let Some(escape) = escape.get(1..) else {
            // Six bytes may have meant one.
            text.shrink_to_fit();
            return Cow::Owned(text);
        };
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
