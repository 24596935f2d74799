//! Text: lower-case hex, and characters that must not reach a person, a file name or a log.

/// The bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Whether a character is not seen and changes how others are: direction marks and overrides, joiners, spaces of no
/// width, and the marks of annotations and languages.
///
/// Whoever sends a name or a message chooses its characters, and may choose some that make a text look like another.
///
/// Source: <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// The beginning of a name that a sender chose, short enough to stand in many paths.
pub fn short_name(name: &str) -> &str {
    let mut end = name.len().min(64);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_of_direction_is_in_the_list() {
        for c in ['\u{61c}', '\u{200e}', '\u{200f}']
            .into_iter()
            .chain('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
        {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in ['a', ' ', '\u{e9}', '\u{62a}', '\u{1f600}', '\u{3000}', '\u{b9}'] {
            assert!(!is_invisible(c), "{c:?}");
        }
    }
}
