//! The forms in which the test credential can show.

use crate::{CANARY, VERIFY_TOKEN, WEBHOOK_SECRET};

/// Base64 in one of its two alphabets, padded; independent of the code under test.
pub(crate) fn base64(bytes: &[u8], for_urls: bool) -> String {
    let (plus, slash) = if for_urls { ('-', '_') } else { ('+', '/') };
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain([plus, slash]).collect();
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |sum, at| sum << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let letter = letters[(number >> (18 - 6 * at) & 63) as usize];
            out.push(if at > three.len() { '=' } else { letter });
        }
    }
    out
}

/// The canary as it is, and what a text in base64 holds where the canary is part of it: basic authentication
/// encodes it behind a user name, at any of three places of a group.
pub(crate) fn forms() -> [String; 4] {
    let inside = |before: usize| {
        let bytes = [&vec![0; before][..], CANARY.as_bytes()].concat();
        // Letters at both ends hold bits of the neighbours as well.
        base64(&bytes, false)[(before * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
    };
    [CANARY.to_owned(), inside(0), inside(1), inside(2)]
}

/// Whether a text shows the canary, plain or in base64.
pub(crate) fn shows_canary(text: &str) -> bool {
    forms().iter().any(|form| text.contains(form))
}

/// A piece of eight bytes or more of any credential of the configuration, plain or in base64. Pieces that are words
/// of their own, such as `webhook-`, do not count.
pub(crate) fn piece_of_secret(text: &str) -> Option<String> {
    let plain = [CANARY, WEBHOOK_SECRET, VERIFY_TOKEN].map(ToOwned::to_owned);
    let secrets = forms().into_iter().chain(plain);
    let pieces = secrets.flat_map(|secret| {
        let pieces = (0..=secret.len() - 8).map(|at| secret[at..at + 8].to_owned());
        pieces.collect::<Vec<_>>()
    });
    let is_word = |piece: &str| piece.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    pieces.filter(|piece| !is_word(piece)).find(|piece| text.contains(piece.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_is_found_plain_and_behind_any_user() {
        assert!(shows_canary(&format!("Bearer {CANARY}")));
        for user in ["", "a", "ab", "abc", "AC0123456789abcdef0123456789abcdef"] {
            for end in ["", "1", "12"] {
                let value = base64(format!("{user}:{CANARY}{end}").as_bytes(), false);
                assert!(shows_canary(&format!("Basic {value}")), "{value}");
            }
        }
        assert!(!shows_canary(&base64(b"user:another secret", false)));
    }

    /// The vectors of RFC 4648.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, want) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes(), false), want);
        }
    }
}
