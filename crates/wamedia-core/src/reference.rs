use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::{
    ContentMetadata, Error, ErrorKind, MediaKind, MediaLink, Mime, Phase, Result, Sha256, unix_seconds,
};

/// The longest id that is accepted, in bytes. Known ids have at most about 100.
const ID_MAX_BYTES: usize = 512;

/// A vendor's media id: opaque, never parsed, never compared as a number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(String);

impl MediaId {
    /// Checks that the text can stand in a request without changing it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when it is empty, longer than 512 bytes, `.` or `..`, or has a
    /// character outside `[A-Za-z0-9._~:=@+-]`.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let problem = if text.is_empty() {
            "it is empty"
        } else if text.len() > ID_MAX_BYTES {
            "it is longer than 512 bytes"
        } else if text.contains("..") || text == "." {
            "it has dots that change a path"
        } else if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~:=@+-".contains(&b)) {
            "it has a character that no media id has"
        } else {
            return Ok(Self(text));
        };
        // Without a phase: an id may come from a caller or out of a reply.
        Err(Error::new(ErrorKind::InvalidRequest, format!("the media id cannot be valid: {problem}")))
    }

    /// The id as the vendor writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaId {
    /// Some vendors derive ids from phone numbers, so only the two ends are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.get(..4), self.0.get(self.0.len().saturating_sub(2)..)) {
            (Some(start), Some(end)) if self.0.len() > 8 => write!(f, "MediaId({start}..{end})"),
            _ => f.write_str("MediaId(..)"),
        }
    }
}

impl FromStr for MediaId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

/// What else a vendor may need besides the id to find the media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Scope {
    /// The account, business number or phone number id that received it.
    pub account: Option<String>,
    /// The message that carried it.
    pub message: Option<String>,
    /// The chat of that message.
    pub chat: Option<String>,
}

/// What a caller stores: which media of which provider, and what was declared about it.
///
/// It is small, cheap to clone, and has a stable text form that round-trips through `Display` and
/// `FromStr`: `meta:1279279128`, with what was declared as parameters behind a question mark:
/// `meta:1279279128?sha256=…&size=41490`. The text may hold a public link or inline bytes; treat it
/// as you treat the message it came from. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MediaRef {
    /// The provider's name; `None` lets any provider try.
    pub provider: Option<Cow<'static, str>>,
    /// The id; `None` where only a link or inline bytes exist.
    pub id: Option<MediaId>,
    /// What else identifies it.
    pub scope: Scope,
    /// What was declared about the content when the reference was made.
    pub declared: ContentMetadata,
    /// A link that came with the reference.
    pub link: Option<MediaLink>,
    /// Bytes that came with the reference.
    pub inline: Option<Bytes>,
    /// When the message was sent.
    pub sent_at: Option<SystemTime>,
    /// When the id stops working.
    pub expires_at: Option<SystemTime>,
    /// True only where `declared` came in a delivery whose signature was verified; then it binds. The text
    /// form never carries this: text can be written by anybody.
    pub signed: bool,
}

impl MediaRef {
    /// A reference to an id of a provider.
    pub fn new(provider: impl Into<Cow<'static, str>>, id: MediaId) -> Self {
        Self { provider: Some(provider.into()), ..Self::from(id) }
    }

    /// A reference that has no id, only a link.
    pub fn from_link(provider: impl Into<Cow<'static, str>>, link: MediaLink) -> Self {
        Self { provider: Some(provider.into()), id: None, link: Some(link), ..Self::empty() }
    }

    const fn empty() -> Self {
        Self {
            provider: None,
            id: None,
            scope: Scope { account: None, message: None, chat: None },
            declared: ContentMetadata::EMPTY,
            link: None,
            inline: None,
            sent_at: None,
            expires_at: None,
            signed: false,
        }
    }

    /// Sets what was declared.
    #[must_use]
    pub fn with_declared(mut self, declared: ContentMetadata) -> Self {
        self.declared = declared;
        self
    }

    /// Sets a link that came along.
    #[must_use]
    pub fn with_link(mut self, link: impl Into<Option<MediaLink>>) -> Self {
        self.link = link.into();
        self
    }

    /// Sets bytes that came along.
    #[must_use]
    pub fn with_inline(mut self, bytes: impl Into<Option<Bytes>>) -> Self {
        self.inline = bytes.into();
        self
    }

    /// Sets the account, number or number id that received the message.
    #[must_use]
    pub fn with_account(mut self, account: Option<&str>) -> Self {
        self.scope.account = account.map(ToOwned::to_owned);
        self
    }

    /// Sets the message that carried it.
    #[must_use]
    pub fn with_message(mut self, message: Option<&str>) -> Self {
        self.scope.message = message.map(ToOwned::to_owned);
        self
    }

    /// Sets the time the message was sent.
    #[must_use]
    pub fn with_sent_at(mut self, at: impl Into<Option<SystemTime>>) -> Self {
        self.sent_at = at.into();
        self
    }

    /// Sets the time when the id stops working.
    #[must_use]
    pub fn with_expires_at(mut self, at: impl Into<Option<SystemTime>>) -> Self {
        self.expires_at = at.into();
        self
    }

    /// Says whether the declared metadata came in a delivery whose signature was verified.
    #[must_use]
    pub fn with_signed(mut self, signed: bool) -> Self {
        self.signed = signed;
        self
    }

    /// The key that deduplicates: provider, account, message and media, separated by slashes.
    ///
    /// It is the same for every delivery of the same media, in whatever shape it came, and it stays the same
    /// from version to version. Media without an id is known by a digest of its link or of its inline bytes.
    /// What was declared, and which credentials fetch it, do not enter.
    pub fn identity(&self) -> String {
        let media = match (&self.inline, &self.id, &self.link) {
            (Some(bytes), _, _) => format!("inline-{}", Sha256::of(bytes)),
            (None, Some(id), _) => id.as_str().to_owned(),
            (None, None, Some(link)) => format!("link-{}", Sha256::of(link.url.as_str().as_bytes())),
            (None, None, None) => String::new(),
        };
        let parts = [
            self.provider.as_deref().unwrap_or_default(),
            self.scope.account.as_deref().unwrap_or_default(),
            self.scope.message.as_deref().unwrap_or_default(),
            &media,
        ];
        let [provider, account, message, media] = parts.map(|part| utf8_percent_encode(part, ID));
        format!("{provider}/{account}/{message}/{media}")
    }

    /// The id, for a provider that needs one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when there is none, or when the reference is another provider's.
    pub fn id_for(&self, provider: &'static str) -> Result<&MediaId> {
        self.check_provider(provider)?;
        self.id.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "the reference has no media id")
                .with_provider(provider)
                .with_phase(Phase::Prepare)
        })
    }

    /// Checks that the reference is not another provider's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when it is.
    pub fn check_provider(&self, provider: &'static str) -> Result<()> {
        match &self.provider {
            Some(name) if name != provider => {
                Err(Error::new(ErrorKind::InvalidRequest, format!("the reference belongs to {name}"))
                    .with_provider(provider)
                    .with_phase(Phase::Prepare))
            }
            _ => Ok(()),
        }
    }

    /// How old the message is at `now`, where that is known; zero for one from the future.
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        self.sent_at.map(|sent| now.duration_since(sent).unwrap_or(Duration::ZERO))
    }

    /// Provider and id alone: `meta:1279279128`.
    pub fn short(&self) -> String {
        let mut out = String::new();
        if let Some(provider) = &self.provider {
            out.push_str(provider);
            out.push(':');
        }
        if let Some(id) = &self.id {
            out.extend(utf8_percent_encode(id.as_str(), ID));
        }
        out
    }
}

/// Left as they are in an id: what most ids consist of.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

impl From<MediaId> for MediaRef {
    fn from(id: MediaId) -> Self {
        Self { id: Some(id), ..Self::empty() }
    }
}

impl fmt::Display for MediaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())?;
        let mut separator = '?';
        let mut put = |key: &str, value: Option<String>| -> fmt::Result {
            if let Some(value) = value {
                write!(f, "{separator}{key}={}", utf8_percent_encode(&value, VALUE))?;
                separator = '&';
            }
            Ok(())
        };
        let seconds = |time: Option<SystemTime>| {
            time.and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map(|since| since.as_secs().to_string())
        };
        put("account", self.scope.account.clone())?;
        put("message", self.scope.message.clone())?;
        put("chat", self.scope.chat.clone())?;
        put("kind", self.declared.kind.map(|kind| kind.name().to_owned()))?;
        put("type", self.declared.mime.as_ref().map(|mime| mime.as_str().to_owned()))?;
        put("size", self.declared.size_bytes.map(|size| size.to_string()))?;
        put("sha256", self.declared.sha256.map(|digest| digest.to_hex()))?;
        put("bad-sha256", self.declared.unusable_sha256.clone())?;
        put("name", self.declared.name.clone())?;
        put("sent", seconds(self.sent_at))?;
        put("until", seconds(self.expires_at))?;
        if let Some(link) = &self.link {
            put(if link.needs_credential { "own-link" } else { "link" }, Some(link.url.to_string()))?;
            put("link-until", seconds(link.expires_at))?;
        }
        put("inline", self.inline.as_ref().map(|bytes| URL_SAFE_NO_PAD.encode(bytes)))
    }
}

impl fmt::Debug for MediaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaRef")
            .field("provider", &self.provider)
            .field("id", &self.id)
            .field("declared", &self.declared)
            .field("link", &self.link)
            .field("inline", &self.inline.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}

impl FromStr for MediaRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: String| {
            Error::new(ErrorKind::InvalidRequest, format!("not a media reference: {why}"))
                .with_phase(Phase::Prepare)
        };
        let (head, query) = text.split_once('?').map_or((text, None), |(head, query)| (head, Some(query)));
        let (provider, id) = head.split_once(':').map_or((None, head), |(name, id)| (Some(name), id));
        if provider.is_some_and(|name| {
            name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        }) {
            return Err(invalid("a provider's name has lower-case letters, digits and dashes".to_owned()));
        }
        let decode = |part: &str| {
            percent_decode_str(part)
                .decode_utf8()
                .map(Cow::into_owned)
                .map_err(|_| invalid("it is not UTF-8 after percent decoding".to_owned()))
        };
        let mut media = Self::empty();
        media.provider = provider.map(|name| Cow::Owned(name.to_owned()));
        let id = decode(id)?;
        let mut link_until = None;
        for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            let bad = || invalid(format!("the value of {key} cannot be read"));
            let time = |value: &str| value.parse().ok().and_then(unix_seconds).ok_or_else(bad);
            match key {
                "account" => media.scope.account = Some(value),
                "message" => media.scope.message = Some(value),
                "chat" => media.scope.chat = Some(value),
                "kind" => {
                    media.declared.kind = Some(value.parse().unwrap_or(MediaKind::Other));
                }
                "type" => media.declared.mime = Some(Mime::parse(&value).map_err(|_| bad())?),
                "size" => media.declared.size_bytes = Some(value.parse().map_err(|_| bad())?),
                "sha256" => media.declared.sha256 = Some(Sha256::parse(&value).map_err(|_| bad())?),
                "bad-sha256" => media.declared.unusable_sha256 = Some(value),
                "name" => media.declared.name = Some(value),
                "sent" => media.sent_at = Some(time(&value)?),
                "until" => media.expires_at = Some(time(&value)?),
                "link" => media.link = Some(MediaLink::public(Url::parse(&value).map_err(|_| bad())?)),
                "own-link" => {
                    media.link = Some(MediaLink::with_credential(Url::parse(&value).map_err(|_| bad())?));
                }
                "link-until" => link_until = Some(time(&value)?),
                "inline" => media.inline = Some(URL_SAFE_NO_PAD.decode(&value).map_err(|_| bad())?.into()),
                // A parameter of a later version must not make a stored reference useless.
                _ => {}
            }
        }
        if let Some(link) = &mut media.link {
            link.expires_at = link_until;
        }
        media.id = match id.as_str() {
            "" if media.link.is_some() || media.inline.is_some() => None,
            _ => Some(MediaId::new(id).map_err(|error| error.with_phase(Phase::Prepare))?),
        };
        Ok(media)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identity_tells_media_apart_and_nothing_else() {
        let media = MediaRef::new("meta", MediaId::new("1279").unwrap())
            .with_account(Some("391"))
            .with_message(Some("wamid.A/B"));
        assert_eq!(media.identity(), "meta/391/wamid.A%2FB/1279");
        let declared =
            media.clone().with_declared(ContentMetadata::EMPTY.with_size_bytes(7)).with_signed(true);
        assert_eq!(declared.identity(), media.identity());
        let preview = media.clone().with_inline(Bytes::from_static(b"small"));
        assert_ne!(preview.identity(), media.identity());
        assert!(!declared.to_string().parse::<MediaRef>().unwrap().signed);
    }

    #[test]
    fn an_id_may_be_a_number_and_is_not_shown_as_a_whole() {
        let shown = |id: &str| format!("{:?}", MediaId::new(id).unwrap());
        assert_eq!(shown("491700000042"), "MediaId(4917..42)");
        assert_eq!((shown("17000042"), shown("1")), ("MediaId(..)".to_owned(), "MediaId(..)".to_owned()));
    }

    #[test]
    fn the_simple_case_is_provider_and_id() {
        let media: MediaRef = "meta:1279279128".parse().unwrap();
        assert_eq!(media, MediaRef::new("meta", MediaId::new("1279279128").unwrap()));
        assert_eq!(media.to_string(), "meta:1279279128");
    }

    #[test]
    fn ids_that_change_a_request_are_refused() {
        for id in ["", "/", "a/b", "..", "a..b", ".", "%2f", "a\r\nb", "a\0b", "a b", "é", "a?b", "a#b"] {
            let error = MediaId::new(id).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{id:?}");
        }
        assert!(MediaId::new("x".repeat(10_240)).is_err());
        for text in ["meta:", "Meta:1", ":1", "meta:a%2Fb", "meta:%00", "meta:1?size=x", "", "meta:%ff"] {
            assert!(text.parse::<MediaRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_link_no_inline_bytes_and_no_whole_id() {
        let url = Url::parse("https://host.test/f?hash=CANARY").unwrap();
        let media = MediaRef::new("whapi", MediaId::new("jpeg-3a00112233445566aa99-807a039edbb29b").unwrap())
            .with_link(MediaLink::public(url))
            .with_inline(Bytes::from_static(b"CANARY"));
        let shown = format!("{media:?}");
        assert!(!shown.contains("CANARY") && !shown.contains("807a039edbb29b"), "{shown}");
        assert!(shown.contains("whapi") && shown.contains("host.test"), "{shown}");
    }

    proptest! {
        #[test]
        fn text_form_round_trips(
            provider in "[a-z][a-z0-9-]{0,8}", id in "[A-Za-z0-9_:=@+-]{1,40}",
            name in proptest::option::of("\\PC{1,30}"), size: Option<u64>, digest: Option<[u8; 32]>,
            sent in proptest::option::of(0u64..253_402_300_800), inline in proptest::option::of(any::<Vec<u8>>()),
            scope in proptest::array::uniform3(proptest::option::of("\\PC{0,12}")), needs_credential: bool,
            ends in proptest::array::uniform2(proptest::option::of(0u64..253_402_300_800)),
        ) {
            let [account, message, chat] = scope;
            let [until, link_until] = ends.map(|end| end.and_then(unix_seconds));
            let declared = ContentMetadata { name, size_bytes: size, sha256: digest.map(Sha256::from_bytes),
                mime: Mime::parse("audio/ogg; codecs=opus").ok(), kind: Some(MediaKind::Voice), ..ContentMetadata::EMPTY };
            let url = Url::parse("https://host.test/a%20b/?mid=1&hash=-_%3D&x=a+b").unwrap();
            let link = if needs_credential { MediaLink::with_credential(url) } else { MediaLink::public(url) };
            let mut media = MediaRef::new(provider, MediaId::new(id).unwrap())
                .with_declared(declared)
                .with_account(account.as_deref())
                .with_sent_at(sent.and_then(unix_seconds))
                .with_expires_at(until)
                .with_link(link.with_expires_at(link_until))
                .with_inline(inline.map(Bytes::from));
            (media.scope.message, media.scope.chat) = (message, chat);
            let back: MediaRef = media.to_string().parse().unwrap();
            prop_assert_eq!(back, media);
        }

        #[test]
        fn any_text_parses_or_is_refused(text: String) {
            let _ = text.parse::<MediaRef>();
        }
    }

    #[test]
    fn a_reference_of_another_provider_is_refused() {
        let id = MediaId::new("1279").unwrap();
        let (bare, named) = (MediaRef::from(id.clone()), MediaRef::new("meta", id));
        assert!(bare.check_provider("meta").is_ok() && named.check_provider("meta").is_ok());
        assert_eq!(named.id_for("meta").unwrap().as_str(), "1279");
        let error = named.id_for("whapi").unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidRequest, Some(Phase::Prepare)));
        assert_eq!((error.message(), error.provider()), ("the reference belongs to meta", Some("whapi")));
    }
}
