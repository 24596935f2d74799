//! Tells content from a page or an error in its place.
//!
//! The rules, in this order:
//!
//! 1. Content that matches its digest is accepted, whatever it looks like. (The engine checks that.)
//! 2. Without a digest an HTML page is refused, unless a document of that type was declared.
//! 3. Where an image, sound, video or sticker was declared and the beginning is text, it is refused.
//! 4. Everything else is content.
//!
//! The provider recognises the error envelope of its vendor.

use wamedia_core::{ContentMetadata, MediaKind, Mime};

/// How many bytes at the beginning of the content decide whether it is content.
pub(crate) const PREFIX_BYTES: usize = 64;
/// How many bytes at the beginning of the content tell its type.
pub(crate) const SNIFFED_BYTES: usize = 4096;

/// The media type of content by its first bytes; `None` where they do not show it.
pub fn sniff(bytes: &[u8]) -> Option<Mime> {
    let found = infer::get(bytes)?;
    Mime::parse(found.mime_type()).ok()
}

/// What a body is instead of the declared content; `None` where it may be the content.
///
/// `beginning` is the first [`PREFIX_BYTES`], or all of a shorter body. `replied` is the type in the response headers.
pub(crate) fn unexpected(
    beginning: &[u8],
    declared: &ContentMetadata,
    replied: Option<&Mime>,
) -> Option<&'static str> {
    let html = is_html(beginning, replied);
    if is_binary_media(declared) && (html || is_text(beginning)) {
        return Some(if html { "a page in HTML" } else { "a text" });
    }
    (html && !may_be_html(declared.mime.as_ref(), replied)).then_some("a page in HTML")
}

/// Whether media that is never text was declared.
fn is_binary_media(declared: &ContentMetadata) -> bool {
    if let Some(mime) = &declared.mime {
        // SVG is an image and a text.
        return matches!(mime.kind(), "image" | "audio" | "video") && !mime.essence().ends_with("xml");
    }
    matches!(
        declared.kind,
        Some(
            MediaKind::Image
                | MediaKind::Video
                | MediaKind::Gif
                | MediaKind::VideoNote
                | MediaKind::Audio
                | MediaKind::Voice
                | MediaKind::Sticker
                | MediaKind::Thumbnail
                | MediaKind::ProfilePicture
        )
    )
}

/// Whether HTML was declared. Pages are also sent as text files; for those the type in the response headers decides.
fn may_be_html(declared: Option<&Mime>, replied: Option<&Mime>) -> bool {
    let is_markup = |mime: &Mime| mime.essence().contains("html") || mime.essence().ends_with("xml");
    declared.is_some_and(|mime| is_markup(mime) || (mime.kind() == "text" && !replied.is_some_and(is_markup)))
}

/// What an HTML page begins with, comments aside.
const HTML_TAGS: [&[u8]; 9] =
    [b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title", b"<meta", b"<style", b"<iframe"];

/// Whether the bytes begin an HTML page.
fn is_html(bytes: &[u8], replied: Option<&Mime>) -> bool {
    let mut rest = without_padding(bytes);
    while let Some(comment) = rest.strip_prefix(b"<!--") {
        match comment.windows(3).position(|three| three == b"-->") {
            Some(end) => rest = without_padding(&comment[end + 3..]),
            // The comment does not end within these bytes: the type in the response headers decides.
            None => return replied.is_some_and(|mime| mime.essence().contains("html")),
        }
    }
    HTML_TAGS.iter().any(|tag| rest.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)))
}

/// Whether the bytes are text: UTF-8 without control characters, or UTF-16 with a byte order mark.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf16 = |mark: &[u8], zero: usize| {
        bytes.strip_prefix(mark).is_some_and(|rest| {
            rest.len() >= 2 && rest.chunks_exact(2).all(|pair| pair[zero] == 0 && pair[1 - zero] != 0)
        })
    };
    if is_utf16(b"\xff\xfe", 1) || is_utf16(b"\xfe\xff", 0) {
        return true;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The last character may be incomplete.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}');
    !text.is_empty() && text.chars().all(is_plain)
}

fn without_padding(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mime(text: &str) -> Mime {
        Mime::parse(text).unwrap()
    }

    fn refused(beginning: &[u8], declared: Option<&str>, replied: Option<&str>) -> bool {
        let declared = ContentMetadata::EMPTY.with_mime_text(declared);
        unexpected(beginning, &declared, replied.map(mime).as_ref()).is_some()
    }

    #[test]
    fn text_in_place_of_media_is_refused_whatever_type_it_claims() {
        for text in [
            &b"<!DOCTYPE html>"[..],
            b" <html>",
            b"<!-- x --><html><body>",
            b"<script>location=1</script>",
            b"{\"error\":{}}",
            b"[{\"error\":1}]",
            b"Not found",
            b"not f\xc3\xb6und, cut in a character \xc3",
            b"<?xml version=\"1.0\"?><Error>",
            b"\xef\xbb\xbf<HTML>",
            b"\xff\xfe<\0h\0t\0m\0l\0>\0",
        ] {
            for replied in [None, Some("image/jpeg"), Some("text/html")] {
                assert!(refused(text, Some("image/jpeg"), replied), "{}", String::from_utf8_lossy(text));
                assert!(refused(text, Some("audio/ogg"), replied), "{}", String::from_utf8_lossy(text));
            }
        }
        let sticker = ContentMetadata::EMPTY.with_kind(MediaKind::Sticker);
        assert!(unexpected(b"Not found", &sticker, None).is_some());
    }

    #[test]
    fn media_passes() {
        for bytes in [
            &b"\xff\xd8\xff\xe0\0\x10JFIF"[..],
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"GIF89a\x01\0\x01\0\x80",
            b"RIFF\x24\x10\0\0WEBPVP8 ",
            b"OggS\0\x02\0\0",
            b"\0\0\0\x18ftypmp42",
            b"#!AMR\n\x3c\x91\x17",
            b"ID3\x03\0\0",
        ] {
            assert!(!refused(bytes, Some("image/jpeg"), Some("text/html")), "{bytes:?}");
        }
        assert!(!refused(b"<?xml version='1.0'?><svg>", Some("image/svg+xml"), None));
        assert!(!refused(b"", Some("image/jpeg"), None));
    }

    #[test]
    fn pages_are_refused_unless_declared_and_other_documents_pass() {
        for declared in [None, Some("application/pdf"), Some("application/octet-stream")] {
            assert!(refused(b"<html>", declared, None));
            assert!(refused(b"<!-- a comment that goes on and on", declared, Some("text/html")));
            for document in [
                &b"{\"a\":1}"[..],
                b"a;b\r\n1;2",
                b"plain words",
                b"<?xml version=\"1.0\"?><invoice/>",
                b"<!-- a comment that goes on and on",
            ] {
                assert!(!refused(document, declared, Some("application/json")));
            }
        }
        assert!(!refused(b"<!doctype html>", Some("text/html"), Some("text/html")));
        assert!(!refused(b"<html>", Some("application/xhtml+xml"), None));
        assert!(!refused(b"<html>", Some("text/plain"), Some("text/plain")));
        assert!(refused(b"<html>", Some("text/plain"), Some("text/html")));
    }
}
