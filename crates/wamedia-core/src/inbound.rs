use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::{MediaKind, MediaRef, Mime, Secret};

/// A webhook delivery as it came in: headers and the raw body, nothing parsed.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Delivery<'a> {
    /// The headers, names in any case.
    pub headers: &'a [(String, String)],
    /// The raw bytes of the body. Signatures cover these, not a re-serialised form.
    pub body: &'a [u8],
    /// When it came in; needed only where a vendor signs the time and the age is checked.
    pub received_at: Option<SystemTime>,
    /// The public URL as the sender saw it; needed only by vendors that sign it.
    pub public_url: Option<&'a str>,
}

impl<'a> Delivery<'a> {
    /// A delivery without headers.
    pub const fn new(body: &'a [u8]) -> Self {
        Self { headers: &[], body, received_at: None, public_url: None }
    }

    /// Sets the headers.
    #[must_use]
    pub const fn with_headers(mut self, headers: &'a [(String, String)]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the time of receipt.
    #[must_use]
    pub const fn with_received_at(mut self, at: SystemTime) -> Self {
        self.received_at = Some(at);
        self
    }

    /// The first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Delivery")
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What the signature of a delivery says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authenticity {
    /// It was made with one of the configured secrets over exactly these bytes.
    Verified,
    /// No secret is configured, so nothing was checked. Never treat this as verified.
    Unsigned,
    /// A secret is configured and the delivery does not fit it; the reason holds no secret.
    Forged(&'static str),
}

/// Everything a delivery holds, in order: nothing is dropped without being visible here.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Inbound {
    /// Media, failed media and everything else, in the order of the delivery.
    pub items: Vec<InboundItem>,
}

impl Inbound {
    /// The media items, in order.
    pub fn media(&self) -> impl Iterator<Item = &MediaItem> {
        self.items.iter().filter_map(|item| match item {
            InboundItem::Media(media) => Some(media.as_ref()),
            _ => None,
        })
    }

    /// The items that the vendor reports as failed.
    pub fn failed(&self) -> impl Iterator<Item = &FailedItem> {
        self.items.iter().filter_map(|item| match item {
            InboundItem::Failed(failed) => Some(failed.as_ref()),
            _ => None,
        })
    }

    /// Everything that holds no media, counted by kind.
    pub fn others(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for item in &self.items {
            if let InboundItem::Other(other) = item {
                *counts.entry(other.kind.as_str()).or_default() += 1;
            }
        }
        counts
    }
}

/// One thing that a delivery holds. Boxed, so that a long list of them stays small.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InboundItem {
    /// Media that can be fetched.
    Media(Box<MediaItem>),
    /// Media, or a message, that the vendor could not give us.
    Failed(Box<FailedItem>),
    /// Something without media.
    Other(Box<OtherItem>),
}

/// The part that a media item plays in its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// It is the message.
    #[default]
    Main,
    /// It belongs to the message that is quoted.
    Quoted,
    /// It is the header of a template or an interactive message.
    Header,
    /// It was filled into a form (a flow).
    FlowField,
    /// It is the new content of an edited message.
    Edit,
    /// It was sent by the business itself and is echoed.
    Echo,
    /// It belongs to the history that a phone handed over.
    History,
    /// It is the picture of an advertisement or a link preview.
    Referral,
}

/// One media item of a delivery.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MediaItem {
    /// What to store and to fetch; it carries what was declared. Equal for the same media in a
    /// second delivery, and in both of a vendor's shapes.
    pub media: MediaRef,
    /// The kind.
    pub kind: MediaKind,
    /// Its part in the message.
    pub role: Role,
    /// The message id.
    pub message_id: Option<String>,
    /// Who sent it, as the vendor writes it. A phone number: do not log it.
    pub sender: Option<Secret>,
    /// The text that came with it.
    pub caption: Option<String>,
    /// When the message was sent.
    pub timestamp: Option<SystemTime>,
    /// A small picture of it that came inside the delivery.
    pub preview: Option<Box<Preview>>,
    /// Where in the JSON it stands: `entry[0].changes[1].value.messages[2].image`.
    pub path: String,
    /// The JSON text of the media object as it came.
    pub raw: String,
}

impl MediaItem {
    /// An item with everything optional left out.
    pub fn new(media: MediaRef, kind: MediaKind, path: impl Into<String>) -> Self {
        let mut path = path.into();
        // A delivery may hold thousands, and a text that was put together has room to spare.
        path.shrink_to_fit();
        Self {
            media,
            kind,
            role: Role::Main,
            message_id: None,
            sender: None,
            caption: None,
            timestamp: None,
            preview: None,
            path,
            raw: String::new(),
        }
    }
}

/// A small picture that came inside a delivery.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// Its type, where stated.
    pub mime: Option<Mime>,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Preview {
    /// A preview of this type.
    pub fn new(mime: Option<Mime>, bytes: Bytes) -> Self {
        Self { mime, bytes }
    }
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview").field("mime", &self.mime).field("bytes", &self.bytes.len()).finish()
    }
}

/// A message that the vendor could not give us.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FailedItem {
    /// The kind that the vendor names: `"unsupported"`, `"image"`.
    pub kind: String,
    /// The message id.
    pub message_id: Option<String>,
    /// The vendor's code.
    pub provider_code: Option<String>,
    /// The vendor's reason.
    pub message: Option<String>,
    /// Where in the JSON it stands.
    pub path: String,
    /// The JSON text of the item as it came.
    pub raw: String,
}

impl FailedItem {
    /// A failed item at this place.
    pub fn new(kind: impl Into<String>, path: impl Into<String>) -> Self {
        Self { kind: kind.into(), path: path.into(), ..Self::default() }
    }
}

/// Something without media.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OtherItem {
    /// The kind that the vendor names: `"text"`, `"reaction"`, `"status"`.
    pub kind: String,
    /// The message id.
    pub message_id: Option<String>,
    /// Where in the JSON it stands.
    pub path: String,
    /// The JSON text of the item as it came.
    pub raw: String,
}

impl OtherItem {
    /// Something of this kind at this place.
    pub fn new(kind: impl Into<String>, path: impl Into<String>) -> Self {
        Self { kind: kind.into(), path: path.into(), ..Self::default() }
    }
}

/// The answer to a vendor's check of a webhook address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handshake {
    /// Answer 200 with exactly this text as the body.
    Accepted(String),
    /// Answer 403.
    Refused,
}
