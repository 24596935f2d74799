//! The file name in a `Content-Disposition`.
//!
//! The published parsers prefer `filename` to `filename*`, which RFC 6266 forbids, or refuse names that servers send
//! every day, such as `filename=offer 2026.pdf`.

use percent_encoding::percent_decode_str;

/// The file name, from `filename*` where it is readable and else from `filename`. Untrusted.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc6266#section-4.3>
pub(crate) fn file_name(header: &str) -> Option<String> {
    let parts = split_outside_quotes(header);
    let parameter = |name: &str| {
        parts.iter().skip(1).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let extended = parameter("filename*").and_then(extended_value);
    extended.or_else(|| parameter("filename").map(unquoted)).filter(|name| !name.is_empty())
}

/// The parts between semicolons, of which those in a quoted string do not count.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |c: char| {
        let is_literal = std::mem::take(&mut is_escaped);
        match c {
            '\\' if is_quoted => is_escaped = !is_literal,
            '"' if !is_literal => is_quoted = !is_quoted,
            ';' => return !is_quoted,
            _ => {}
        }
        false
    };
    text.split(is_end).collect()
}

/// A quoted string without its quotes and escapes; anything else as it is.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            // Some servers quote a Windows path without escaping it: only these two are escapes.
            '\\' if chars.as_str().starts_with(['"', '\\']) => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// `UTF-8'language'percent-encoded`. Other character sets are not read: the plain form beside them is.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc8187#section-3.2>
fn extended_value(value: &str) -> Option<String> {
    let value = unquoted(value);
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let name = percent_decode_str(encoded).decode_utf8().ok()?;
    (charset.eq_ignore_ascii_case("utf-8") && !name.is_empty()).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_servers_write_them() {
        for (header, name) in [
            ("attachment; filename=\"a.pdf\"", Some("a.pdf")),
            ("attachment; filename=a.pdf", Some("a.pdf")),
            ("attachment;FileName = offer 2026.pdf ; size=5", Some("offer 2026.pdf")),
            ("attachment; filename=\"a;b=c.pdf\"; size=5", Some("a;b=c.pdf")),
            (r#"attachment; filename="a\"b\\c.pdf""#, Some(r#"a"b\c.pdf"#)),
            (r#"attachment; filename="C:\dir\a.pdf""#, Some(r"C:\dir\a.pdf")),
            ("attachment; filename=\"a.pdf", Some("a.pdf")),
            ("attachment; filename=caf\u{e9}.pdf", Some("caf\u{e9}.pdf")),
            ("attachment; x=\"\\\";\"; filename=a", Some("a")),
            ("inline", None),
            ("filename=a.pdf", None),
            ("attachment; filename=\"\"", None),
            ("attachment; filename", None),
            ("", None),
        ] {
            assert_eq!(file_name(header).as_deref(), name, "{header}");
        }
    }

    #[test]
    fn the_extended_form_wins_where_it_is_readable() {
        for (value, name) in [
            ("UTF-8''a%C3%A7+b.pdf", "a\u{e7}+b.pdf"),
            ("utf-8'en'a%20b.pdf", "a b.pdf"),
            ("\"UTF-8''a.pdf\"", "a.pdf"),
            ("UTF-8''%FF.pdf", "plain"),
            ("ISO-8859-1''%E9.pdf", "plain"),
            ("UTF-8''", "plain"),
            ("UTF-8'a.pdf", "plain"),
            ("a.pdf", "plain"),
        ] {
            for header in [
                format!("attachment; filename=plain; filename*={value}"),
                format!("a; filename*={value}; filename=plain"),
            ] {
                assert_eq!(file_name(&header).as_deref(), Some(name), "{header}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_survived_and_a_quoted_name_comes_back(header in "\\PC*", name in "[^\\p{C}]{1,40}") {
            let _ = file_name(&header);
            let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("attachment; x=1; filename=\"{escaped}\"; y=2");
            proptest::prop_assert_eq!(file_name(&header), Some(name));
        }
    }
}
