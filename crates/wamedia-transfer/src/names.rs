use wamedia_core::{Mime, is_invisible};

/// The longest name that is made, in bytes. File systems allow 255, and temporary names are longer.
const MAX_BYTES: usize = 180;

/// Names that some systems reserve, with or without an extension. Windows treats superscript digits as digits.
///
/// Source: <https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#naming-conventions>
const RESERVED: &[&str] = &[
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    "com\u{b9}",
    "com\u{b2}",
    "com\u{b3}",
    "lpt\u{b9}",
    "lpt\u{b2}",
    "lpt\u{b3}",
    "com1",
    "com2",
    "com3",
    "com4",
    "com5",
    "com6",
    "com7",
    "com8",
    "com9",
    "lpt1",
    "lpt2",
    "lpt3",
    "lpt4",
    "lpt5",
    "lpt6",
    "lpt7",
    "lpt8",
    "lpt9",
];

/// Makes a safe base name from a name that an untrusted person wrote.
///
/// The result has no folder and no control, bidi or reserved character, is not a reserved name, does not
/// begin with a dot or a dash, and has a bounded length. The extension is that of `mime` (the type by the
/// first bytes) unless the name has one for the same type. Without a usable name, `fallback` is used under
/// the same rules.
pub fn safe_name(name: Option<&str>, mime: Option<&Mime>, fallback: &str) -> String {
    let clean = name.map(clean).filter(|name| !name.is_empty());
    let clean = clean.unwrap_or_else(|| {
        let fallback = self::clean(fallback);
        if fallback.is_empty() { "media".to_owned() } else { fallback }
    });
    let (stem, extension) = match clean.rsplit_once('.') {
        Some((stem, extension))
            if (1..=8).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            (stem, Some(extension.to_owned()))
        }
        _ => (clean.as_str(), None),
    };
    let wanted = mime.and_then(Mime::extension).filter(|extension| *extension != "bin");
    let extension = match (extension, wanted, mime) {
        (Some(has), Some(wanted), Some(mime)) => {
            let fits = Mime::from_extension(&has).is_some_and(|by_name| compatible(&by_name, mime));
            Some(if fits { has } else { wanted.to_owned() })
        }
        (has, wanted, _) => has.or_else(|| wanted.map(ToOwned::to_owned)),
    };
    let mut stem = truncated(stem, MAX_BYTES - 10).trim_end_matches(['.', ' ']).to_owned();
    // A reserved name stays reserved whatever follows its first dot.
    let first = stem.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    if RESERVED.contains(&first.as_str()) {
        stem.insert(0, '_');
    }
    match extension {
        Some(extension) => format!("{stem}.{extension}"),
        None => stem,
    }
}

/// Whether two types share a container format, so that the extension tells more than the bytes.
fn compatible(by_name: &Mime, sniffed: &Mime) -> bool {
    let family = |mime: &Mime| match mime.essence() {
        "audio/ogg" | "audio/opus" | "video/ogg" | "application/ogg" => 1,
        "audio/mp4" | "video/mp4" | "video/quicktime" | "audio/m4a" | "audio/x-m4a" | "video/3gpp" => 2,
        "application/zip"
        | "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        | "application/vnd.openxmlformats-officedocument.presentationml.presentation" => 3,
        "application/msword"
        | "application/vnd.ms-excel"
        | "application/vnd.ms-powerpoint"
        | "application/x-ole-storage" => 4,
        "text/plain" | "text/csv" | "application/json" | "text/vcard" => 5,
        _ => 0,
    };
    by_name == sniffed || (family(by_name) != 0 && family(by_name) == family(sniffed))
}

/// The base name without the characters that a name must not have. It begins with neither a dot nor a space.
fn clean(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut out = String::new();
    for c in base.chars() {
        match c {
            c if c.is_control() => {}
            c if is_invisible(c) => {}
            '\u{fffd}' => {}
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => out.push('_'),
            c if c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
    }
    let trimmed = out.trim_start_matches(['.', ' ', '-', '~']).trim_end_matches(['.', ' ']);
    trimmed.to_owned()
}

/// The beginning of a text, at most `max` bytes long.
pub(crate) fn truncated(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    fn named(name: &str, mime: &str) -> String {
        safe_name(Some(name), Mime::parse(mime).ok().as_ref(), "fallback")
    }

    #[test]
    fn hostile_names_become_safe_ones() {
        for (name, want) in [
            ("../../etc/passwd", "passwd.jpg"),
            ("..", "fallback.jpg"),
            ("/abs/olute.jpg", "olute.jpg"),
            ("C:\\x\\y.jpg", "y.jpg"),
            ("a\0b.jpg", "ab.jpg"),
            ("CON", "_CON.jpg"),
            ("con.txt.jpg", "_con.txt.jpg"),
            ("CONIN$.txt.jpg", "_CONIN$.txt.jpg"),
            ("conout$", "_conout$.jpg"),
            ("COM\u{b9}.jpg", "_COM\u{b9}.jpg"),
            ("lpt\u{b3}", "_lpt\u{b3}.jpg"),
            ("com\u{b4}", "com\u{b4}.jpg"),
            ("invoice\u{202e}gpj.exe", "invoicegpj.jpg"),
            ("invoice\u{61c}gpj.exe", "invoicegpj.jpg"),
            (".bashrc", "bashrc.jpg"),
            ("-rf.jpg", "rf.jpg"),
            ("photo.jpeg", "photo.jpeg"),
            ("contrato ação.jpg", "contrato ação.jpg"),
            ("a\r\nb.jpg", "ab.jpg"),
            ("", "fallback.jpg"),
            ("a<b>:c\"|?*.jpg", "a_b__c____.jpg"),
            ("a\u{fffd}b\u{a0}c\u{3000}d.jpg", "ab c d.jpg"),
            ("~$. letter. .jpg", "$. letter.jpg"),
            (&format!("{}.jpeg", "n".repeat(300)), &format!("{}.jpeg", "n".repeat(170))),
            (&format!("n{}", "\u{e9}".repeat(100)), &format!("n{}.jpg", "\u{e9}".repeat(84))),
        ] {
            assert_eq!(named(name, "image/jpeg"), want, "{name:?}");
        }
    }

    #[test]
    fn the_extension_follows_the_bytes() {
        assert_eq!(named("invoice.pdf", "image/jpeg"), "invoice.jpg");
        assert_eq!(named("table.xlsx", "application/zip"), "table.xlsx");
        assert_eq!(named("voice.opus", "audio/ogg"), "voice.opus");
        for (name, mime, want) in [
            ("voice.m4a", "video/mp4", "voice.m4a"),
            ("voice.opus", "audio/opus", "voice.opus"),
            ("clip.mov", "video/mp4", "clip.mov"),
            ("clip.3gp", "audio/mp4", "clip.3gp"),
            ("clip.mp4", "audio/ogg", "clip.ogg"),
            ("old.xls", "application/msword", "old.xls"),
            ("old.xls", "application/zip", "old.zip"),
            ("list.csv", "text/plain", "list.csv"),
            ("list.csv", "image/png", "list.png"),
            ("photo.jpg", "image/png", "photo.png"),
            ("notes.txt", "application/octet-stream", "notes.txt"),
            ("notes", "application/octet-stream", "notes"),
            ("a.b.eightlen", "image/png", "a.b.png"),
            ("a.b.ninelong9", "image/png", "a.b.ninelong9.png"),
            ("version 1.2 final", "image/png", "version 1.2 final.png"),
        ] {
            assert_eq!(named(name, mime), want, "{name} {mime}");
        }
        assert_eq!(safe_name(Some("notes"), None, "x"), "notes");
        assert_eq!(safe_name(Some("?"), None, "x"), "_");
        assert_eq!(safe_name(Some("..."), None, " "), "media");
        assert_eq!(safe_name(None, Mime::parse("image/webp").ok().as_ref(), "1279"), "1279.webp");
    }

    proptest! {
        #[test]
        fn every_name_is_one_safe_component(name in ".{0,300}", fallback in ".{0,20}") {
            let mime = Mime::parse("application/pdf").ok();
            for name in [safe_name(Some(&name), mime.as_ref(), &fallback), safe_name(Some(&name), None, &fallback)] {
                let parts: Vec<_> = Path::new(&name).components().collect();
                prop_assert!(matches!(parts.as_slice(), [Component::Normal(_)]), "{}", name);
                prop_assert!(name.len() <= 200 && !name.starts_with('.') && !name.chars().any(char::is_control));
                let forbidden = ['/', '\\', ':', '\0', '\u{202e}', '\u{61c}'];
                prop_assert!(!name.contains(forbidden));
                let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
                prop_assert!(!RESERVED.contains(&stem.as_str()), "{}", name);
            }
        }
    }
}
