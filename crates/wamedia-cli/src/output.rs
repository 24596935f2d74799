//! Everything that is printed.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, filter};

use crate::failure::{self, Failure};

/// A line on standard output. What comes from outside cannot end it, or do anything else on a terminal.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write_all(format!("{}\n", printable(text)).as_bytes())
}

/// Several lines that this program made. Text from outside went through [`printable`] before.
pub(crate) fn block(text: &str) -> Result<(), Failure> {
    text.split('\n').try_for_each(line)
}

/// Text as a terminal may show it: on one line, with what could move the cursor, turn the direction of
/// writing or hide something written out.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

fn is_odd(c: char) -> bool {
    c.is_control() || wamedia::is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What somebody typed, as an error may repeat it: not when it may hold a credential, as links do.
pub(crate) fn typed(text: &str) -> String {
    if is_link(text) {
        "a link".to_owned()
    } else if may_be_secret(text) {
        "a value that may be a credential".to_owned()
    } else {
        format!("\"{}\"", printable(&text.chars().take(80).collect::<String>()))
    }
}

/// Whether a text has a long word of digits and letters of both cases, as tokens are. Names of files may look alike.
pub(crate) fn may_be_secret(text: &str) -> bool {
    let min = if text.contains(['.', '/']) { 32 } else { 14 };
    let has = |word: &str, is_of: fn(&char) -> bool| word.chars().any(|c| is_of(&c));
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        let is_mixed = has(word, char::is_ascii_uppercase) && has(word, char::is_ascii_lowercase);
        word.len() >= min && is_mixed && (word.starts_with("EAA") || has(word, char::is_ascii_digit))
    })
}

/// Whether a text is a link or a part of one.
pub(crate) fn is_link(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let head = lower.split('?').next().unwrap_or_default();
    head.contains("://")
        || head.starts_with("//")
        || ["hash=", "signature=", "token="].iter().any(|name| lower.contains(name))
        || (lower.len() > head.len() && head.contains('/') && head.contains('.'))
}

/// A JSON object on a line of its own.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    write_all(json_line(value)?.as_bytes())
}

/// The same on standard error, where standard output carries the bytes.
pub(crate) fn json_error(value: &impl Serialize) -> Result<(), Failure> {
    let line = json_line(value)?;
    let _ = io::stderr().lock().write_all(line.as_bytes());
    Ok(())
}

fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    let text =
        serde_json::to_string(value).map_err(|error| Failure::new(failure::OTHER, error.to_string()))?;
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // A terminal shows JSON as well, and JSON has an escape of its own for these.
        if is_odd(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    Ok(out)
}

pub(crate) fn write_all(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::closed_pipe(),
        _ => Failure::from(error),
    })
}

/// An error on standard error.
pub(crate) fn error_line(text: &str) {
    message(Paint::Bad, text);
}

fn message(colour: Paint, text: &str) {
    let name = if fancy() { paint(colour, "wamedia:") } else { "wamedia:".to_owned() };
    let _ = writeln!(io::stderr().lock(), "{name} {}", printable(text));
}

/// A warning on standard error.
pub(crate) fn warning_line(text: &str) {
    message(Paint::Warn, &format!("warning: {text}"));
}

/// More about an error.
pub(crate) fn detail_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "  {}", printable(text));
}

/// `1 attempt`, `2 attempts`.
pub(crate) fn plural(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `48.2 KiB`.
#[expect(clippy::cast_precision_loss, reason = "a size for people has three digits")]
pub(crate) fn human(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// What a colour means.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Bad,
    Warn,
}

/// Text in a colour, for terminals only: see [`fancy`].
pub(crate) fn paint(colour: Paint, text: &str) -> String {
    let code = match colour {
        Paint::Bad => 31,
        Paint::Warn => 33,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Bars and colour are for terminals of people who want them.
pub(crate) fn fancy() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells what this project's crates decide on standard error; nobody else's log is shown, since a
/// dependency may log what we never would.
pub(crate) fn set_up_log() {
    let ours = filter::filter_fn(|metadata| metadata.target().starts_with("wamedia"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_filter(ours);
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_on_its_line() {
        let odd = "a\u{1b}[2J\nb\u{202e}c\u{61c}\u{9b}\u{2028} é";
        let shown = r"a\u{1b}[2J\nb\u{202e}c\u{61c}\u{9b}\u{2028} é";
        assert_eq!(printable(odd), shown);
    }

    #[test]
    fn links_are_told_from_references_and_files() {
        for link in [
            "https://a.test/x",
            "meta:https://a.test/?hash=1",
            "lookaside.fbsbx.com/x/?mid=1",
            "//a.test/x",
            "?mid=1&hash=2",
        ] {
            assert!(is_link(link), "{link}");
        }
        for other in
            ["meta:1", "whapi:?kind=image&link=https%3A//a.test/1.jpg", "dir/photo.jpg", "C:\\x", "-"]
        {
            assert!(!is_link(other), "{other}");
        }
    }

    #[test]
    fn tokens_are_told_from_names() {
        for token in ["EAAGsecrettoken", "meta:EAAGm0PX4ZCpsBA", "xBq7Zr3nYt5KwLm2"] {
            assert!(may_be_secret(token), "{token}");
        }
        for other in
            ["metta:1279128", "WAMEDIA_META_TOKEN", "Screenshot20261127.png", "jpeg-3a00112233445566"]
        {
            assert!(!may_be_secret(other), "{other}");
        }
    }

    #[test]
    fn sizes_for_people() {
        assert_eq!(human(11), "11 B");
        assert_eq!(human(49_357), "48.2 KiB");
        assert_eq!(human(5 << 30), "5.0 GiB");
    }
}
