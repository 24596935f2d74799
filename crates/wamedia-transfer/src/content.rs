use wamedia_core::Mime;

/// How many bytes at the beginning of the content are looked at.
pub(crate) const SNIFF_BYTES: usize = 4096;

/// The type of content by its first bytes; `None` where they tell nothing.
pub fn sniff(bytes: &[u8]) -> Option<Mime> {
    let found = infer::get(bytes)?;
    Mime::parse(found.mime_type()).ok()
}

/// Whether the first bytes are an error page although something else was declared.
///
/// A page counts as an error unless the declared type is of that family. Plain text is the hard
/// case, since people send pages and JSON as text files: there the reply's own type decides.
pub(crate) fn unexpected(
    bytes: &[u8],
    declared: Option<&Mime>,
    replied: Option<&Mime>,
) -> Option<&'static str> {
    let family = text_family(bytes)?;
    let is_family = |mime: &Mime| {
        let essence = mime.essence();
        essence.contains(family)
            || (family != "json" && (essence.contains("xml") || essence.contains("html")))
    };
    let page = match declared {
        Some(declared) if is_family(declared) => false,
        Some(declared) if declared.kind() == "text" => replied.is_some_and(is_family),
        Some(_) => true,
        None => {
            family == "html" || replied.is_some_and(|replied| !is_family(replied) && replied.kind() != "text")
        }
    };
    page.then_some(family)
}

/// The beginning of an HTML, XML or JSON document.
fn text_family(bytes: &[u8]) -> Option<&'static str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let rest = &bytes[bytes.iter().position(|b| !b.is_ascii_whitespace())?..];
    let begins =
        |word: &str| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()));
    if ["<!doctype html", "<html", "<head", "<body"].into_iter().any(begins) {
        return Some("html");
    }
    if begins("<?xml") || begins("<error>") {
        return Some("xml");
    }
    let inside = rest.strip_prefix(b"{")?;
    let first = inside.iter().find(|b| !b.is_ascii_whitespace())?;
    matches!(first, b'"' | b'}').then_some("json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mime(text: &str) -> Mime {
        Mime::parse(text).unwrap()
    }

    #[test]
    fn pages_in_place_of_media_are_noticed() {
        let jpeg = mime("image/jpeg");
        for page in
            [&b"<!DOCTYPE html>"[..], b" <html>", b"{\"error\":{}}", b"<?xml version=\"1.0\"?><Error>"]
        {
            assert!(unexpected(page, Some(&jpeg), Some(&jpeg)).is_some());
        }
        assert!(unexpected(b"<html>", None, None).is_some());
        assert!(unexpected(b"\xff\xd8\xff", Some(&jpeg), None).is_none());
    }

    #[test]
    fn documents_of_that_family_pass() {
        for (bytes, declared) in [
            (&b"<!doctype html>"[..], "text/html"),
            (b"<?xml version='1.0'?><svg>", "image/svg+xml"),
            (b"{\"a\":1}", "application/json"),
            (b"<html>", "text/plain"),
        ] {
            assert!(
                unexpected(bytes, Some(&mime(declared)), Some(&mime("application/octet-stream"))).is_none()
            );
        }
        assert!(unexpected(b"<html>", Some(&mime("text/plain")), Some(&mime("text/html"))).is_some());
    }
}
