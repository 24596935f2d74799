//! Which content may be accepted without a digest, from the rules of the project and the world alone.

use super::{Object, Shape};

/// How many bytes of the beginning are judged.
const LOOKED_AT: usize = 64;
/// The comment of a page that begins with one, and the tag behind it, which makes it a page.
const COMMENT_AND_TAG: u32 = 31;

/// What must become of content that no digest confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It must be stored.
    Accept,
    /// It must be refused.
    Refuse,
    /// The rules leave it open.
    Either,
}

/// What a beginning certainly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Empty,
    Binary,
    Html,
    /// Markup of which the rules do not say whether it is a page.
    Markup,
    ErrorEnvelope,
    Text,
    /// Too short to tell.
    Unclear,
}

/// What must become of `bytes` as the content of `object`, where no digest confirms them.
pub(super) fn rule(object: &Object, bytes: &[u8]) -> Rule {
    let beginning = beginning(bytes);
    let declared: Vec<&str> =
        [&object.webhook, &object.reply].into_iter().filter_map(|said| said.mime.as_deref()).collect();
    let is_media = |mime: &str| {
        let svg = mime.starts_with("image/svg");
        ["image/", "audio/", "video/"].iter().any(|kind| mime.starts_with(kind)) && !svg
    };
    let media = declared.iter().filter(|mime| is_media(mime)).count();
    let is_document = object.webhook.kind.as_deref() == Some("document");
    match beginning {
        Beginning::Binary => Rule::Accept,
        Beginning::Empty | Beginning::Unclear => Rule::Either,
        // Two statements that contradict one another, or a picture sent as a document: nothing is settled.
        _ if media > 0 && (media < declared.len() || is_document) => Rule::Either,
        _ if media > 0 => Rule::Refuse,
        Beginning::Html => {
            let html = |mime: &&str| mime.contains("html");
            let texts = |mime: &&str| mime.starts_with("text/") || mime.contains("xml");
            match () {
                () if !declared.is_empty() && declared.iter().all(html) => Rule::Accept,
                () if declared.iter().any(texts) => Rule::Either,
                () => Rule::Refuse,
            }
        }
        Beginning::Markup => Rule::Either,
        Beginning::ErrorEnvelope => {
            let json = |mime: &&str| mime.contains("json");
            if !declared.is_empty() && declared.iter().all(json) { Rule::Accept } else { Rule::Either }
        }
        Beginning::Text => Rule::Accept,
    }
}

fn beginning(bytes: &[u8]) -> Beginning {
    let looked_at = &bytes[..bytes.len().min(LOOKED_AT)];
    if bytes.is_empty() {
        return Beginning::Empty;
    }
    if looked_at.iter().any(|&b| b < 0x09 || b == 0xff) {
        return Beginning::Binary;
    }
    if bytes.starts_with(b"%PDF-") && bytes.len() > 20 {
        return Beginning::Binary;
    }
    if bytes.len() < 16 || !looked_at.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
        // "Not found" is short, and still what servers say in place of a picture.
        return if bytes == b"Not found" { Beginning::Text } else { Beginning::Unclear };
    }
    let is = |shape: Shape| {
        let begins = super::Content { shape, size: 16 }.bytes(0);
        bytes.starts_with(&begins)
    };
    let page = super::Content { shape: Shape::HtmlComment, size: COMMENT_AND_TAG }.bytes(0);
    if is(Shape::Html) || (bytes.starts_with(&page) && bytes.len() > 45) {
        return Beginning::Html;
    }
    if is(Shape::HtmlComment) || is(Shape::Script) {
        return Beginning::Markup;
    }
    if is(Shape::JsonError) || is(Shape::JsonArray) {
        return Beginning::ErrorEnvelope;
    }
    Beginning::Text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{Content, Statement};

    fn object(mime: Option<&str>) -> Object {
        Object {
            webhook: Statement { mime: mime.map(ToOwned::to_owned), ..Statement::default() },
            ..Object::default()
        }
    }

    #[test]
    fn text_in_place_of_a_picture_is_refused_and_stored_otherwise() {
        for shape in [Shape::Json, Shape::Xml, Shape::Csv, Shape::Words, Shape::Script, Shape::JsonArray] {
            let bytes = Content { shape, size: 100 }.bytes(1);
            assert_eq!(rule(&object(Some("image/jpeg")), &bytes), Rule::Refuse, "{shape:?}");
        }
        for shape in [Shape::Json, Shape::Xml, Shape::Csv, Shape::Words] {
            assert_eq!(
                rule(&object(None), &Content { shape, size: 100 }.bytes(1)),
                Rule::Accept,
                "{shape:?}"
            );
        }
        let page = Content { shape: Shape::Html, size: 100 }.bytes(1);
        assert_eq!(rule(&object(None), &page), Rule::Refuse);
        assert_eq!(rule(&object(Some("text/html")), &page), Rule::Accept);
        assert_eq!(rule(&object(Some("text/plain")), &page), Rule::Either);
    }

    #[test]
    fn media_is_accepted() {
        for shape in [Shape::Random, Shape::Jpeg, Shape::Png, Shape::Pdf] {
            for mime in [None, Some("image/jpeg"), Some("audio/ogg")] {
                assert_eq!(rule(&object(mime), &Content { shape, size: 100 }.bytes(1)), Rule::Accept);
            }
        }
    }
}
