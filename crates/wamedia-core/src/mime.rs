use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The longest type with parameters that is kept, in bytes.
const MAX_LEN: usize = 255;

/// A media type: essence and parameters kept apart, compared by essence in lower case.
///
/// `audio/ogg; codecs=opus` equals `Audio/OGG`, because vendors add and lose parameters between
/// a webhook and the reply that carries the bytes.
#[derive(Clone)]
pub struct Mime {
    text: Box<str>,
    /// How long the essence at the beginning of the text is.
    length: usize,
    /// The essence in lower case, where it was written otherwise.
    lower: Option<Box<str>>,
}

/// The text is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MimeParseError;

impl fmt::Display for MimeParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a media type: expected type/subtype")
    }
}

impl std::error::Error for MimeParseError {}

impl Mime {
    /// Parses `type/subtype`, with or without parameters.
    pub fn parse(text: &str) -> Result<Self, MimeParseError> {
        let text = text.trim();
        if text.len() > MAX_LEN || !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            return Err(MimeParseError);
        }
        let essence = text.split(';').next().unwrap_or_default().trim();
        let (kind, subtype) = essence.split_once('/').ok_or(MimeParseError)?;
        let token = |part: &str| !part.is_empty() && part.bytes().all(is_token);
        if !token(kind) || !token(subtype) {
            return Err(MimeParseError);
        }
        let is_lower = !essence.bytes().any(|b| b.is_ascii_uppercase());
        let lower = (!is_lower).then(|| essence.to_ascii_lowercase().into());
        Ok(Self { text: text.into(), length: essence.len(), lower })
    }

    /// `type/subtype` in lower case.
    pub fn essence(&self) -> &str {
        self.lower.as_deref().unwrap_or(&self.text[..self.length])
    }

    /// The part before the slash.
    pub fn kind(&self) -> &str {
        self.essence().split('/').next().unwrap_or_default()
    }

    /// The text as the vendor wrote it, parameters included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value of a parameter, without quotes.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.text.split(';').skip(1).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    }

    /// The usual file extension for the essence, without the dot.
    pub fn extension(&self) -> Option<&'static str> {
        EXTENSIONS.iter().find(|(mime, _)| *mime == self.essence()).map(|(_, extension)| *extension)
    }

    /// The type that an extension usually stands for.
    pub fn from_extension(extension: &str) -> Option<Self> {
        let extension = extension.to_ascii_lowercase();
        let extension = match extension.as_str() {
            "jpeg" => "jpg",
            "oga" | "opus" => "ogg",
            "m4v" => "mp4",
            other => other,
        };
        let (mime, _) = EXTENSIONS.iter().find(|(_, known)| *known == extension)?;
        Self::parse(mime).ok()
    }
}

/// Types that WhatsApp carries, each with the extension that phones and desktops expect.
const EXTENSIONS: &[(&str, &str)] = &[
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/webp", "webp"),
    ("image/gif", "gif"),
    ("image/heic", "heic"),
    ("image/avif", "avif"),
    ("image/tiff", "tif"),
    ("image/svg+xml", "svg"),
    ("audio/ogg", "ogg"),
    ("audio/opus", "ogg"),
    ("audio/aac", "aac"),
    ("audio/amr", "amr"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("audio/wav", "wav"),
    ("audio/webm", "weba"),
    ("video/mp4", "mp4"),
    ("video/3gpp", "3gp"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
    ("application/pdf", "pdf"),
    ("application/zip", "zip"),
    ("application/gzip", "gz"),
    ("application/x-7z-compressed", "7z"),
    ("application/msword", "doc"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    ("application/json", "json"),
    ("application/xml", "xml"),
    ("text/plain", "txt"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/vcard", "vcf"),
    ("application/octet-stream", "bin"),
];

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte)
}

impl PartialEq for Mime {
    fn eq(&self, other: &Self) -> bool {
        self.essence() == other.essence()
    }
}

impl Eq for Mime {}

impl Hash for Mime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.essence().hash(state);
    }
}

impl fmt::Display for Mime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Mime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mime({})", self.text)
    }
}

impl FromStr for Mime {
    type Err = MimeParseError;

    fn from_str(text: &str) -> Result<Self, MimeParseError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_kept_and_do_not_matter_for_equality() {
        let voice = Mime::parse(" Audio/OGG; codecs=\"opus\" ").unwrap();
        assert_eq!(voice.essence(), "audio/ogg");
        assert_eq!(voice.parameter("Codecs"), Some("opus"));
        assert_eq!(voice, Mime::parse("audio/ogg").unwrap());
        assert_eq!(voice.extension(), Some("ogg"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "/", "image", "image/", "a/b\r\nc", "a b/c", "\u{e9}/x", &"a/b".repeat(100)] {
            assert!(Mime::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_type_of_255_characters_is_the_longest() {
        let of = |length: usize| format!("a/{}", "b".repeat(length - 2));
        assert!(Mime::parse(&of(255)).is_ok());
        assert!(Mime::parse(&of(256)).is_err() && Mime::parse(&of(300)).is_err());
    }

    #[test]
    fn an_extension_has_the_type_that_has_it() {
        for (extension, essence) in
            [("JPG", "image/jpeg"), ("jpeg", "image/jpeg"), ("opus", "audio/ogg"), ("pdf", "application/pdf")]
        {
            assert_eq!(Mime::from_extension(extension).unwrap().essence(), essence);
        }
        assert!(Mime::from_extension("exe").is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text: String) {
            if let Ok(mime) = Mime::parse(&text) {
                proptest::prop_assert_eq!(Mime::parse(mime.as_str()).unwrap(), mime);
            }
        }
    }
}
