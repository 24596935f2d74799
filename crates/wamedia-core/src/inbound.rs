use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::{Error, ErrorKind, MediaKind, MediaRef, Mime, Phase, Result, Secret, short_name};

/// A webhook delivery as it came in: headers and the raw body, nothing parsed.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Delivery<'a> {
    headers: Headers<'a>,
    /// The raw bytes of the body. Signatures cover these, not a re-serialised form.
    pub body: &'a [u8],
    /// When it came in; needed only where a vendor signs the time and the age is checked.
    pub received_at: Option<SystemTime>,
    /// The public URL as the sender saw it; needed only by vendors that sign it.
    pub public_url: Option<&'a str>,
}

/// The headers as the caller's server has them.
#[derive(Clone, Copy)]
enum Headers<'a> {
    List(&'a [(String, String)]),
    #[cfg(feature = "http")]
    Map(&'a http::HeaderMap),
}

impl<'a> Headers<'a> {
    fn names(self) -> Vec<&'a str> {
        match self {
            Self::List(list) => list.iter().map(|(name, _)| name.as_str()).collect(),
            #[cfg(feature = "http")]
            Self::Map(map) => map.keys().map(http::HeaderName::as_str).collect(),
        }
    }
}

impl<'a> Delivery<'a> {
    /// A delivery without headers.
    pub const fn new(body: &'a [u8]) -> Self {
        Self { headers: Headers::List(&[]), body, received_at: None, public_url: None }
    }

    /// A delivery as servers built on the crate `http` have it, such as axum, hyper and `lambda_http`.
    #[cfg(feature = "http")]
    pub const fn from_http(headers: &'a http::HeaderMap, body: &'a [u8]) -> Self {
        Self { headers: Headers::Map(headers), ..Self::new(body) }
    }

    /// Sets the headers, names in any case.
    #[must_use]
    pub const fn with_headers(mut self, headers: &'a [(String, String)]) -> Self {
        self.headers = Headers::List(headers);
        self
    }

    /// Sets the public URL as the sender saw it.
    #[must_use]
    pub const fn with_public_url(mut self, url: &'a str) -> Self {
        self.public_url = Some(url);
        self
    }

    /// Sets the time of receipt.
    #[must_use]
    pub const fn with_received_at(mut self, at: SystemTime) -> Self {
        self.received_at = Some(at);
        self
    }

    /// The first header with this name, in any case. One that is not text is as good as none.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        match self.headers {
            Headers::List(list) => {
                let found = list.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.as_str())
            }
            #[cfg(feature = "http")]
            Headers::Map(map) => map.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok()),
        }
    }
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("headers", &self.headers.names())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Everything a delivery holds, in order: nothing is dropped without being visible here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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
                *counts.entry(other.kind.as_str()).or_default() += other.count;
            }
        }
        counts
    }
}

/// Items may take so many bytes, whatever the delivery holds, …
const ITEMS_MIN_BYTES: usize = 13 << 20;
/// … and so many times its size.
const ITEMS_PER_BYTE: usize = 5;
/// Kinds that are counted each for itself where items are only counted.
const COUNTED_KINDS: usize = 64;

/// Collects the items of a delivery, and keeps the memory that they take in proportion to its size.
///
/// No vendor sends deliveries that come near the limit; a delivery of three bytes a message does. Beyond it, what
/// holds no media is only counted, and media make the whole delivery [`ErrorKind::TooLarge`]: none is dropped.
#[derive(Debug)]
pub struct Items {
    list: Vec<InboundItem>,
    held: usize,
    allowed: usize,
    /// The numbers of the items that stand for several.
    counted: Vec<usize>,
    has_lost: bool,
}

impl Items {
    /// For a body of so many bytes.
    pub fn new(body_bytes: usize) -> Self {
        let allowed = body_bytes.saturating_mul(ITEMS_PER_BYTE).saturating_add(ITEMS_MIN_BYTES);
        Self { list: Vec::new(), held: 0, allowed, counted: Vec::new(), has_lost: false }
    }

    /// How many items there are so far. It grows with everything that is added.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the delivery will be refused whatever follows, so that nothing more needs to be read.
    pub fn is_over(&self) -> bool {
        self.has_lost
    }

    fn takes(&mut self, bytes: usize) -> bool {
        // A place in the list, which may have twice as many as are used, and what an allocator adds to each text.
        self.held = self.held.saturating_add(bytes + 128);
        self.held <= self.allowed
    }

    /// Adds media.
    pub fn media(&mut self, item: MediaItem) {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let media = &item.media;
        let name = text(&media.declared.name) + text(&media.declared.unusable_sha256);
        let link = media.link.as_ref().map_or(0, |link| link.url.as_str().len());
        let preview = item.preview.as_ref().map_or(0, |preview| preview.bytes.len());
        let ids = text(&item.message_id) + text(&media.scope.message) + text(&media.scope.account);
        let sender = item.sender.as_ref().map_or(0, |sender| sender.expose().len());
        let texts = item.raw.len() + item.path.len() + ids + sender + text(&item.caption) + name;
        let bytes = texts + link + preview;
        if self.takes(size_of::<MediaItem>() + bytes) {
            self.list.push(InboundItem::Media(Box::new(item)));
        } else {
            self.has_lost = true;
        }
    }

    /// Adds what the vendor could not give.
    pub fn failed(&mut self, item: FailedItem) {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let bytes = item.raw.len() + item.path.len() + item.kind.len() + text(&item.message);
        if self.takes(size_of::<FailedItem>() + bytes + text(&item.message_id) + text(&item.provider_code)) {
            self.list.push(InboundItem::Failed(Box::new(item)));
        } else {
            self.has_lost = true;
        }
    }

    /// Adds something without media. The path is written only where the item is kept.
    pub fn other(&mut self, kind: &str, path: impl fmt::Display, raw: &str, message_id: Option<&str>) {
        let bytes = size_of::<OtherItem>() + kind.len() + raw.len() + message_id.map_or(0, str::len) + 64;
        if self.takes(bytes) {
            let mut item = OtherItem::new(kind, path.to_string());
            item.path.shrink_to_fit();
            item.message_id = message_id.map(ToOwned::to_owned);
            raw.clone_into(&mut item.raw);
            self.list.push(InboundItem::Other(Box::new(item)));
        } else {
            self.count(kind, &path);
        }
    }

    /// Counts something without keeping it.
    fn count(&mut self, kind: &str, path: &dyn fmt::Display) {
        let kind = short_name(kind);
        let has_room = self.counted.len() < COUNTED_KINDS;
        for number in &self.counted {
            if let InboundItem::Other(item) = &mut self.list[*number]
                && (item.kind == kind || (!has_room && item.kind == "unknown"))
            {
                item.count += 1;
                return;
            }
        }
        self.counted.push(self.list.len());
        let kind = if self.counted.len() < COUNTED_KINDS { kind } else { "unknown" };
        self.list.push(InboundItem::Other(Box::new(OtherItem::new(kind, path.to_string()))));
    }

    /// The delivery.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where it holds more media than its size leaves memory for.
    pub fn into_inbound(mut self) -> Result<Inbound> {
        if self.has_lost {
            let why = "the delivery holds more items than memory is set aside for; it is refused whole";
            return Err(Error::new(ErrorKind::TooLarge, why)
                .with_operation("parse_webhook")
                .with_phase(Phase::Prepare));
        }
        self.list.shrink_to_fit();
        Ok(Inbound { items: self.list })
    }
}

/// One thing that a delivery holds. Boxed, so that a long list of them stays small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

impl Role {
    /// The stable lower-case name: `"flow_field"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Quoted => "quoted",
            Self::Header => "header",
            Self::FlowField => "flow_field",
            Self::Edit => "edit",
            Self::Echo => "echo",
            Self::History => "history",
            Self::Referral => "referral",
        }
    }
}

/// One media item of a delivery. `Debug` shows neither what people wrote nor their numbers.
#[derive(Clone, PartialEq, Eq, Hash)]
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

impl fmt::Debug for MediaItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A message id holds the number of the sender in base64.
        f.debug_struct("MediaItem")
            .field("media", &self.media)
            .field("kind", &self.kind)
            .field("role", &self.role)
            .field("caption_bytes", &self.caption.as_ref().map(String::len))
            .field("timestamp", &self.timestamp)
            .field("preview", &self.preview)
            .field("path", &self.path)
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// A small picture that came inside a delivery.
#[derive(Clone, PartialEq, Eq, Hash)]
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

/// A message that the vendor could not give us. `Debug` shows nothing of the message.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
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

impl fmt::Debug for FailedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedItem")
            .field("kind", &short_name(&self.kind))
            .field("provider_code", &self.provider_code)
            .field("message_bytes", &self.message.as_ref().map(String::len))
            .field("path", &self.path)
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

impl FailedItem {
    /// A failed item at this place.
    pub fn new(kind: impl Into<String>, path: impl Into<String>) -> Self {
        Self { kind: kind.into(), path: path.into(), ..Self::default() }
    }
}

/// Something without media. `Debug` shows nothing of what it says.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OtherItem {
    /// The kind that the vendor names: `"text"`, `"reaction"`, `"status"`.
    pub kind: String,
    /// The message id.
    pub message_id: Option<String>,
    /// Where in the JSON it stands.
    pub path: String,
    /// The JSON text of the item as it came; empty where it stands for several.
    pub raw: String,
    /// How many it stands for: one, except at the end of a delivery with more items than memory is set aside
    /// for.
    pub count: usize,
}

impl fmt::Debug for OtherItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherItem")
            .field("kind", &short_name(&self.kind))
            .field("path", &self.path)
            .field("raw_bytes", &self.raw.len())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl OtherItem {
    /// Something of this kind at this place.
    pub fn new(kind: impl Into<String>, path: impl Into<String>) -> Self {
        Self { kind: kind.into(), message_id: None, path: path.into(), raw: String::new(), count: 1 }
    }
}
