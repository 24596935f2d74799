use std::collections::HashSet;
use std::ops::Range;

use wamedia_core::Error;

/// What stands where a credential stood.
const MARK: &str = "..";
/// The shortest piece of a credential that is taken out; of a shorter credential, all of it.
const WINDOW: usize = 8;
/// A credential that is shorter than this is not looked for: it would be found everywhere.
const SHORTEST: usize = 6;
/// Each of them shortens the text, and what a mark brings together is rare: this many rounds are plenty.
const ROUNDS: usize = 4;

/// Takes every piece of a credential out of texts, however a server spells it: as it is, in either case,
/// with the escapes of JSON, percent-encoded, or in base64.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Eight bytes in a row of a credential, or of its base64, each folded.
    windows: HashSet<u64>,
    /// Whole credentials that are shorter than a window.
    short: Vec<Vec<u8>>,
}

impl Redactor {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for secret in secrets {
            let secret = secret.trim().as_bytes();
            if secret.len() >= WINDOW {
                all.windows.extend(windows(secret));
                // Three ways, since other text before it moves it by one or two bytes.
                (0..3).for_each(|before| all.windows.extend(windows(&base64_inside(secret, before))));
            } else if secret.len() >= SHORTEST {
                all.short.push(secret.iter().copied().map(fold).collect());
            }
        }
        all
    }

    /// The text without any piece of a credential; `None` when there was none in it.
    pub(crate) fn text(&self, text: &str) -> Option<String> {
        let mut clean = self.once(text)?;
        for _ in 1..ROUNDS {
            match self.once(&clean) {
                Some(cleaner) => clean = cleaner,
                None => return Some(clean),
            }
        }
        Some(if self.once(&clean).is_some() { MARK.to_owned() } else { clean })
    }

    /// The error without any piece of a credential, its causes included.
    pub(crate) fn error(&self, error: Error) -> Error {
        if self.windows.is_empty() && self.short.is_empty() {
            return error;
        }
        error.redacted(&|text| self.text(text))
    }

    fn once(&self, text: &str) -> Option<String> {
        let mut marked = vec![false; text.len()];
        let plain = View::of(text);
        let json = plain.decoded(b'\\', json_escape);
        let percent = plain.decoded(b'%', percent_escape);
        // A text in a text is escaped twice, in either order.
        let nested = [
            json.as_ref().and_then(|view| view.decoded(b'\\', json_escape)),
            json.as_ref().and_then(|view| view.decoded(b'%', percent_escape)),
            percent.as_ref().and_then(|view| view.decoded(b'\\', json_escape)),
            percent.as_ref().and_then(|view| view.decoded(b'%', percent_escape)),
        ];
        for view in [Some(plain), json, percent].into_iter().chain(nested).flatten() {
            self.mark(&view, &mut marked);
        }
        if !marked.contains(&true) {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut within = false;
        for (at, c) in text.char_indices() {
            if marked[at..at + c.len_utf8()].contains(&true) {
                if !within {
                    out.push_str(MARK);
                }
                within = true;
            } else {
                out.push(c);
                within = false;
            }
        }
        Some(out)
    }

    fn mark(&self, view: &View, marked: &mut [bool]) {
        let mut mark = |bytes: Range<usize>| {
            let place = view.places[bytes.start].start..view.places[bytes.end - 1].end;
            marked[place].fill(true);
        };
        for (at, window) in windows(&view.bytes).enumerate() {
            if self.windows.contains(&window) {
                mark(at..at + WINDOW);
            }
        }
        for secret in &self.short {
            for (at, bytes) in view.bytes.windows(secret.len()).enumerate() {
                if bytes.iter().zip(secret).all(|(left, right)| fold(*left) == *right) {
                    mark(at..at + secret.len());
                }
            }
        }
    }
}

/// Reads one escape at the beginning of a text: what it stands for, and how many bytes it takes.
type Decode = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// A text with one kind of escape undone, and where each byte came from.
struct View {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl View {
    fn of(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), places: (0..text.len()).map(|at| at..at + 1).collect() }
    }

    /// Undoes one kind of escape; `None` when there is nothing to undo.
    fn decoded(&self, sign: u8, decode: Decode) -> Option<Self> {
        if !self.bytes.contains(&sign) {
            return None;
        }
        let mut out = Self { bytes: Vec::new(), places: Vec::new() };
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let escape = if *byte == sign { decode(&self.bytes[at..]) } else { None };
            let (bytes, length) = escape.unwrap_or_else(|| (vec![*byte], 1));
            let place = self.places[at].start..self.places[at + length - 1].end;
            out.places.extend(std::iter::repeat_n(place, bytes.len()));
            out.bytes.extend(bytes);
            at += length;
        }
        Some(out)
    }
}

/// `\/`, `\u002f` and their like, with how many bytes were read.
fn json_escape(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(text.get(at..at + 6)?.strip_prefix(b"\\u")?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let simple = match text.get(1)? {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let high = unit(0)?;
            let pair =
                unit(6).filter(|low| (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(low));
            let (code, length) = match pair {
                Some(low) => (0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12),
                None => (high, 6),
            };
            return Some((char::from_u32(code)?.to_string().into_bytes(), length));
        }
        other => *other,
    };
    Some((vec![simple], 2))
}

/// `%2F`, with how many bytes were read.
fn percent_escape(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let byte = u8::try_from(digit(1)? * 16 + digit(2)?).ok()?;
    Some((vec![byte], 3))
}

/// Hosts come in lower case whatever was sent, and base64 has two alphabets.
fn fold(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte.to_ascii_lowercase(),
    }
}

fn windows(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.windows(WINDOW).map(|window| window.iter().fold(0, |all, byte| all << 8 | u64::from(fold(*byte))))
}

/// The digits of base64 that these bytes alone decide, when so many others stand before them.
fn base64_inside(secret: &[u8], before: usize) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(secret.len() * 4 / 3);
    // The first bits belong to a digit that the bytes before have a part of.
    let (mut bits, mut count) = (0_u32, 0);
    let mut skip = [0, 4, 2][before];
    for byte in secret {
        bits = (bits << 8 | u32::from(*byte)) & 0xffff;
        count += 8;
        if skip > 0 {
            count -= skip;
            skip = 0;
        }
        while count >= 6 {
            count -= 6;
            out.push(DIGITS[(bits >> count & 0x3f) as usize]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wamedia_core::{ErrorKind, Phase};

    use super::*;
    use crate::{Reply, error_for_status};

    #[derive(Clone, Copy, Debug)]
    enum Spelling {
        Plain,
        Upper,
        Slashes,
        Unicode,
        Percent,
        PercentOfAll,
        JsonInJson,
        PercentInJson,
        Base64(usize),
        UrlBase64(usize),
    }

    const SPELLINGS: [Spelling; 12] = [
        Spelling::Plain,
        Spelling::Upper,
        Spelling::Slashes,
        Spelling::Unicode,
        Spelling::Percent,
        Spelling::PercentOfAll,
        Spelling::JsonInJson,
        Spelling::PercentInJson,
        Spelling::Base64(0),
        Spelling::Base64(1),
        Spelling::Base64(2),
        Spelling::UrlBase64(1),
    ];

    /// Base64 by the book, apart from the code above.
    fn base64(bytes: &[u8]) -> String {
        let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
        let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().concat();
        let groups = bits.as_bytes().chunks(6).map(|group| {
            let group = format!("{:0<6}", std::str::from_utf8(group).unwrap());
            digits[usize::from_str_radix(&group, 2).unwrap()]
        });
        groups.collect()
    }

    /// Each piece of the credential as the server spells it, in order.
    fn pieces(spelling: Spelling, secret: &str) -> Vec<String> {
        let each = |spell: &dyn Fn(char) -> String| secret.chars().map(spell).collect();
        let percent = |c: char| {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
        };
        let json = |c: char| match c {
            '/' | '"' | '\\' => format!("\\{c}"),
            c => c.to_string(),
        };
        match spelling {
            Spelling::Plain => each(&|c| c.to_string()),
            Spelling::Upper => each(&|c| c.to_ascii_uppercase().to_string()),
            Spelling::Slashes => each(&json),
            Spelling::Unicode => each(&|c| format!("\\u{:04x}", u32::from(c))),
            Spelling::Percent => {
                each(&|c| if c.is_ascii_alphanumeric() { c.to_string() } else { percent(c).to_lowercase() })
            }
            Spelling::PercentOfAll => each(&percent),
            Spelling::JsonInJson => each(&|c| json(c).chars().map(json).collect()),
            Spelling::PercentInJson => each(&|c| percent(c).replace('%', "\\u0025")),
            Spelling::Base64(before) | Spelling::UrlBase64(before) => {
                let text = base64(&[&b"::"[..before], secret.as_bytes(), b":"].concat());
                let text = match spelling {
                    Spelling::UrlBase64(_) => text.replace('+', "-").replace('/', "_"),
                    _ => text,
                };
                text.chars().map(String::from).collect()
            }
        }
    }

    /// The pieces, as spelled, that must not be seen: eight bytes, which are eleven digits of base64 at most.
    fn forbidden(spelling: Spelling, secret: &str) -> Vec<String> {
        let pieces = pieces(spelling, secret);
        match spelling {
            // The first digits and the last ones say less than eight bytes.
            Spelling::Base64(_) | Spelling::UrlBase64(_) => {
                pieces[3..pieces.len() - 3].windows(11).map(<[String]>::concat).collect()
            }
            _ => pieces.windows(WINDOW).map(<[String]>::concat).collect(),
        }
    }

    fn shown(error: &Error) -> String {
        let mut text = format!("{error} {error:?}");
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            text.push_str(&format!(" {cause} {cause:?}"));
            next = cause.source();
        }
        text
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn no_piece_of_a_credential_is_ever_shown(
            secret in "[!-~]{8,60}|[a-z]{8,40}|[A-Za-z0-9/+]{20,60}|EAA[A-Za-z0-9]{100,150}",
            before in "[ -~]{0,8}|(word ){30,50}|[a-z ]{180,210}|[a-z ]{380,400}",
            after in "[ -~]{0,8}|( word){30,50}",
            spelling in prop::sample::select(&SPELLINGS[..]),
        ) {
            let spelled = pieces(spelling, &secret).concat();
            let text = format!("{before}{spelled}{after}");
            let redactor = Redactor::new([secret.as_str(), "another-one"]);
            let errors = [
                error_for_status(&Reply::new(500, text.clone())),
                Error::new(ErrorKind::Upstream, &text).with_provider_code(&text),
                Error::new(ErrorKind::Decode, "unreadable").with_source(std::io::Error::other(text.clone())),
                Error::new(ErrorKind::Decode, "no").with_source(
                    Error::new(ErrorKind::Decode, "nested").with_source(std::io::Error::other(text.clone())),
                ),
            ];
            for error in errors {
                let shown = shown(&redactor.error(error));
                for piece in forbidden(spelling, &secret) {
                    // Debug escapes a text once more; neither form may be there.
                    let escaped = piece.escape_debug().to_string();
                    prop_assert!(!shown.contains(&piece) && !shown.contains(&escaped), "{piece} in {shown}");
                }
            }
        }

        #[test]
        fn any_text_is_survived(text: String, secret in "\\PC{0,20}") {
            let redactor = Redactor::new([secret.as_str()]);
            if let Some(clean) = redactor.text(&text) {
                prop_assert_eq!(redactor.text(&clean), None);
            }
        }
    }

    #[test]
    fn what_is_no_credential_stays() {
        let redactor = Redactor::new(["TEST-canary", "short1", "tiny"]);
        for text in ["", "TEST-ca", "the tiny canary", "100%", "a\\", "\\u12", "%4", "Short2"] {
            assert_eq!(redactor.text(text), None, "{text}");
        }
        assert_eq!(redactor.text("you sent Bearer TEST-canary to me").unwrap(), "you sent Bearer .. to me");
        assert_eq!(redactor.text("xSHORT1x").unwrap(), "x..x");
        let error = Error::new(ErrorKind::Upstream, "busy").with_phase(Phase::Head).with_status(503);
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let error = redactor.error(error.with_source(source));
        assert!(std::error::Error::source(&error).unwrap().is::<std::io::Error>(), "a clean cause stays");
    }

    #[test]
    fn marks_do_not_bring_a_credential_together() {
        let redactor = Redactor::new(["abcdef..ghijkl", "123456789"]);
        let clean = redactor.text("abcdef123456789ghijkl").unwrap();
        assert_eq!(redactor.text(&clean), None, "{clean}");
    }
}
