use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::{Error, ErrorKind, Mime, Phase, Result, Sha256};

/// What kind of media a message carries. The kind is not the media type: a picture that is sent
/// as a document is a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video.
    Video,
    /// A short silent video that plays in a loop; on WhatsApp it is an MP4.
    Gif,
    /// A round video note.
    VideoNote,
    /// An audio file.
    Audio,
    /// A voice note, recorded in the app.
    Voice,
    /// A file.
    Document,
    /// A sticker.
    Sticker,
    /// The small picture of another item.
    Thumbnail,
    /// The picture of a profile or a group.
    ProfilePicture,
    /// Anything else.
    Other,
}

impl MediaKind {
    const ALL: [Self; 11] = [
        Self::Image,
        Self::Video,
        Self::Gif,
        Self::VideoNote,
        Self::Audio,
        Self::Voice,
        Self::Document,
        Self::Sticker,
        Self::Thumbnail,
        Self::ProfilePicture,
        Self::Other,
    ];

    /// The stable lower-case name: `"video_note"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Gif => "gif",
            Self::VideoNote => "video_note",
            Self::Audio => "audio",
            Self::Voice => "voice",
            Self::Document => "document",
            Self::Sticker => "sticker",
            Self::Thumbnail => "thumbnail",
            Self::ProfilePicture => "profile_picture",
            Self::Other => "other",
        }
    }
}

impl FromStr for MediaKind {
    type Err = Error;

    /// Reads a stable name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for any other text.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, format!("no kind of media is called {name:?}"))
                .with_phase(Phase::Prepare)
        })
    }
}

/// Who declared a property of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeclaredBy {
    /// The caller, whose demands always bind.
    Caller,
    /// The webhook that brought the reference.
    Webhook,
    /// The provider's reply to `resolve`.
    Provider,
}

impl DeclaredBy {
    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Webhook => "webhook",
            Self::Provider => "provider",
        }
    }
}

/// What is declared about content before a byte of it has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ContentMetadata {
    /// The media type.
    pub mime: Option<Mime>,
    /// The size in bytes.
    pub size_bytes: Option<u64>,
    /// The SHA-256 of the content.
    pub sha256: Option<Sha256>,
    /// A digest that could not be used (truncated, another length), as it was written.
    pub unusable_sha256: Option<String>,
    /// The file name, as an untrusted person wrote it.
    pub name: Option<String>,
    /// The kind of media.
    pub kind: Option<MediaKind>,
}

impl ContentMetadata {
    /// Nothing is known.
    pub const EMPTY: Self =
        Self { mime: None, size_bytes: None, sha256: None, unusable_sha256: None, name: None, kind: None };

    /// Sets the media type. Text that is not a media type is ignored, since vendors pass on what senders claim.
    #[must_use]
    pub fn with_mime_text(mut self, text: Option<&str>) -> Self {
        self.mime = text.and_then(|text| Mime::parse(text).ok());
        self
    }

    /// Sets the size.
    #[must_use]
    pub fn with_size_bytes(mut self, size: impl Into<Option<u64>>) -> Self {
        self.size_bytes = size.into();
        self
    }

    /// Sets the digest from text in any spelling; unusable text is kept aside.
    #[must_use]
    pub fn with_sha256_text(mut self, text: Option<&str>) -> Self {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        self.sha256 = text.and_then(|text| Sha256::parse(text).ok());
        self.unusable_sha256 = match (self.sha256, text) {
            (None, Some(text)) => Some(text.chars().take(100).collect()),
            _ => None,
        };
        self
    }

    /// Sets the digest.
    #[must_use]
    pub fn with_sha256(mut self, digest: impl Into<Option<Sha256>>) -> Self {
        self.sha256 = digest.into();
        self
    }

    /// Sets the file name; an empty name is ignored.
    #[must_use]
    pub fn with_name(mut self, name: Option<&str>) -> Self {
        self.name = name.filter(|name| !name.trim().is_empty()).map(ToOwned::to_owned);
        self
    }

    /// Sets the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<Option<MediaKind>>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Fills what is unknown here from `other`.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.mime = self.mime.or_else(|| other.mime.clone());
        self.size_bytes = self.size_bytes.or(other.size_bytes);
        if self.sha256.is_none() {
            self.sha256 = other.sha256;
            self.unusable_sha256 = self.unusable_sha256.or_else(|| other.unusable_sha256.clone());
        }
        self.name = self.name.or_else(|| other.name.clone());
        self.kind = self.kind.or(other.kind);
        self
    }
}

/// How far a link may be past its time by our clock before it is not even tried.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// A link to bytes, and what it needs. Its query is a credential in itself: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MediaLink {
    /// The link, as the vendor gave it.
    pub url: Url,
    /// True where the provider's own credential is needed; it is sent only to origins it is bound to.
    pub needs_credential: bool,
    /// When the link dies, where that is known or can be estimated.
    pub expires_at: Option<SystemTime>,
}

impl MediaLink {
    /// A link that works without a credential; none is ever sent to it.
    pub fn public(url: Url) -> Self {
        Self { url, needs_credential: false, expires_at: None }
    }

    /// A link that needs the provider's credential.
    pub fn with_credential(url: Url) -> Self {
        Self { url, needs_credential: true, expires_at: None }
    }

    /// Sets the time when the link dies.
    #[must_use]
    pub fn with_expires_at(mut self, at: impl Into<Option<SystemTime>>) -> Self {
        self.expires_at = at.into();
        self
    }

    /// Whether it is certainly dead, whatever the difference between the clocks.
    pub fn is_dead(&self, now: SystemTime) -> bool {
        let past = self.expires_at.and_then(|at| now.duration_since(at).ok());
        past.is_some_and(|past| past > CLOCK_SKEW)
    }

    /// The link without what must not be shown: `https://host/path?mid=..&hash=..`.
    pub fn redacted(&self) -> String {
        redact(&self.url)
    }
}

impl fmt::Debug for MediaLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaLink")
            .field("url", &self.redacted())
            .field("needs_credential", &self.needs_credential)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// Host and the names of the query parameters. Path segments stay only where they are plain short
/// words, because some vendors put ids, numbers and tokens into paths.
fn redact(url: &Url) -> String {
    let mut out = format!("{}://{}", url.scheme(), url.host_str().unwrap_or("-"));
    if let Some(port) = url.port() {
        out.push(':');
        out.push_str(&port.to_string());
    }
    for segment in url.path_segments().into_iter().flatten() {
        let plain = segment.len() <= 24
            && segment.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-' | b'.'));
        let version = segment.len() <= 6
            && segment.starts_with('v')
            && segment[1..].starts_with(|c: char| c.is_ascii_digit());
        out.push('/');
        out.push_str(if plain || version { segment } else { ".." });
    }
    for (index, (key, _)) in url.query_pairs().enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out.push_str(&key.chars().filter(char::is_ascii_graphic).take(40).collect::<String>());
        out.push_str("=..");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_link_hides_values_and_long_segments() {
        let url =
            Url::parse("https://host.test/in-files/15550100999/a%2Fb/v23.0/?mid=812&hash=ARsecret").unwrap();
        let shown = format!("{:?}", MediaLink::public(url));
        assert!(shown.contains("https://host.test/in-files/../../v23.0/?mid=..&hash=.."), "{shown}");
    }

    #[test]
    fn a_link_is_dead_when_no_clock_can_be_that_wrong() {
        let link = |at: Option<SystemTime>| {
            MediaLink::public(Url::parse("https://host.test/x").unwrap()).with_expires_at(at)
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let before = |seconds| Some(now - Duration::from_secs(seconds));
        assert!(!link(None).is_dead(now) && !link(Some(now)).is_dead(now) && !link(before(300)).is_dead(now));
        assert!(link(before(301)).is_dead(now));
    }

    #[test]
    fn unusable_digests_are_kept_aside() {
        let declared = ContentMetadata::EMPTY.with_sha256_text(Some("SfInY0gG"));
        assert_eq!(declared.sha256, None);
        assert_eq!(declared.unusable_sha256.as_deref(), Some("SfInY0gG"));
    }
}
