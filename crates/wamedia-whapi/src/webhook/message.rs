//! One message of a delivery: its media, and the media it quotes, edits or heads.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use wamedia_core::{
    ContentMetadata, FailedItem, Items, MediaId, MediaItem, MediaKind, MediaLink, MediaRef, Mime, Preview,
    Result, Role, Secret,
};
use wamedia_provider::json::{Json, Object};

use crate::{COPY_LIFETIME, NAME, PLACEHOLDER};

/// The content keys that carry media, and their kind.
const KEYS: &[(&str, MediaKind)] = &[
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    ("gif", MediaKind::Gif),
    ("short", MediaKind::VideoNote),
    ("audio", MediaKind::Audio),
    ("voice", MediaKind::Voice),
    ("document", MediaKind::Document),
    ("sticker", MediaKind::Sticker),
];

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Collects the items of messages.
pub(super) struct Messages<'c, 'i> {
    channel: Option<&'c str>,
    pub(super) items: &'i mut Items,
}

/// A message, and what all of its items share. It is looked up once: a message may have thousands of cards.
struct Message<'a> {
    fields: Object<'a>,
    id: Option<Cow<'a, str>>,
    sender: Option<Cow<'a, str>>,
    sent_at: Option<SystemTime>,
}

/// Where a media object was found.
struct Place<'m, 'a> {
    message: &'m Message<'a>,
    kind: MediaKind,
    role: Role,
    path: String,
}

impl<'c, 'i> Messages<'c, 'i> {
    pub(super) fn new(channel: Option<&'c str>, items: &'i mut Items) -> Self {
        Self { channel, items }
    }

    /// One message gives one item, or one for each media in it.
    pub(super) fn message(&mut self, value: Json<'_>, path: impl fmt::Display, unnamed: &str) {
        if self.items.is_over() {
            return;
        }
        let Some(fields) = value.object().filter(|fields| !fields.is_empty()) else {
            return self.items.other(unnamed, path, value.raw(), None);
        };
        self.read(fields, path, unnamed);
    }

    /// The same of a message that is known to be an object.
    pub(super) fn read(&mut self, fields: Object<'_>, path: impl fmt::Display, unnamed: &str) {
        let message = &Message {
            id: fields.shared("id"),
            sender: fields.shared("from"),
            sent_at: fields.get("timestamp").and_then(Json::time),
            fields,
        };
        let fields = &message.fields;
        let path = &path.to_string();
        let name = fields.text("type");
        let name = name.as_deref().unwrap_or(unnamed);
        let before = self.items.len();
        let from_me = fields.get("from_me").and_then(Json::flag) == Some(true);
        let role = if from_me { Role::Echo } else { Role::Main };
        // The key counts, not the type: the two disagree in stories, in documents with captions, and
        // perhaps in short films.
        for (key, kind) in KEYS {
            if let Some(object) = fields.object(key) {
                let kind = refined(*kind, name);
                self.media(&object, Place { message, kind, role, path: format!("{path}.{key}") });
            }
        }
        self.headers(message, path);
        self.edited(message, path);
        if self.items.len() == before {
            self.without_media(message, name, path);
        }
        self.context(message, path);
    }

    /// Templates, interactive messages and cards carry media in their headers.
    ///
    /// GUESS: cards are in no specification, only in a client's code.
    fn headers(&mut self, message: &Message<'_>, path: &str) {
        if let Some(object) = message.fields.object("interactive").filter(is_file) {
            let kind = kind_of_mime(&object);
            self.media(
                &object,
                Place { message, kind, role: Role::Header, path: format!("{path}.interactive") },
            );
        }
        // QUIRK(whapi): the header of a template is an object by the specification and a string in a
        // page of the help desk. https://github.com/Whapi-Cloud/whatsapp-api-docs
        if let Some(header) = message.fields.object("hsm").and_then(|template| template.object("header")) {
            for (key, kind) in KEYS {
                if let Some(object) = header.object(key) {
                    let path = format!("{path}.hsm.header.{key}");
                    self.media(&object, Place { message, kind: *kind, role: Role::Header, path });
                }
            }
        }
        let cards = message.fields.object("carousel").map(|carousel| carousel.array("cards"));
        for (index, card) in cards.into_iter().flatten() {
            let media = card.object().and_then(|card| card.object("media")).filter(is_file);
            if let Some(object) = media {
                let path = format!("{path}.carousel.cards[{index}].media");
                let kind = kind_of_mime(&object);
                self.media(&object, Place { message, kind, role: Role::Header, path });
            }
        }
    }

    /// The new content of an edited message is a bare body; its kind stands beside it.
    fn edited(&mut self, message: &Message<'_>, path: &str) {
        let Some(action) = message.fields.object("action") else { return };
        let Some(object) = action.object("edited_content").filter(is_file) else { return };
        let kind = action.text("edited_type").and_then(|name| kind_named(&name));
        let kind = kind.unwrap_or_else(|| kind_of_mime(&object));
        let path = format!("{path}.action.edited_content");
        self.media(&object, Place { message, kind, role: Role::Edit, path });
    }

    /// What is quoted is a bare body as well; an advertisement has foreign links that are not followed.
    fn context(&mut self, message: &Message<'_>, path: &str) {
        let Some(context) = message.fields.object("context") else { return };
        if let Some(object) = context.object("quoted_content") {
            let kind = context.text("quoted_type").and_then(|name| kind_named(&name));
            if (kind.is_some() && object.get("id").is_some()) || is_file(&object) {
                let kind = kind.unwrap_or_else(|| kind_of_mime(&object));
                let path = format!("{path}.context.quoted_content");
                self.media(&object, Place { message, kind, role: Role::Quoted, path });
            }
        }
        if let Some(ad) = context.get("ad").filter(|ad| ad.is_container()) {
            self.items.other("ad", format_args!("{path}.context.ad"), ad.raw(), message.id.as_deref());
        }
    }

    fn without_media(&mut self, message: &Message<'_>, name: &str, path: &str) {
        let raw = message.fields.raw();
        if kind_named(name).is_none() {
            return self.items.other(name, path, raw, message.id.as_deref());
        }
        let mut failed = FailedItem::new(name, path);
        failed.message_id = message.id.as_deref().map(Into::into);
        failed.message = Some("the message names media and has no object for it".to_owned());
        raw.clone_into(&mut failed.raw);
        self.items.failed(failed);
    }

    fn media(&mut self, object: &Object<'_>, place: Place<'_, '_>) {
        let Place { message, kind, role, path } = place;
        // A quoted message is older than the one that quotes it, by an unknown time, and somebody else's.
        let (message_id, sender, sent_at) = if role == Role::Quoted {
            let context = message.fields.object("context");
            let field = |name: &str| context.as_ref().and_then(|context| context.shared(name));
            (field("quoted_id"), field("quoted_author"), None)
        } else {
            (message.id.clone(), message.sender.clone(), message.sent_at)
        };
        let id = object.text("id");
        let not_ready = id.as_deref() == Some(PLACEHOLDER);
        let id = id.filter(|_| !not_ready).map(MediaId::new).and_then(Result::ok);
        // GUESS: the vendor keeps its copy for 30 days; links say nothing about their end.
        let link_expires_at = sent_at.and_then(|at| at.checked_add(COPY_LIFETIME));
        let link = object.text("link").and_then(|link| link.parse().ok());
        let link = link.map(|link| MediaLink::public(link).with_expires_at(link_expires_at));
        let media = match (id, link) {
            (Some(id), link) => MediaRef::new(NAME, id).with_link(link),
            (None, Some(link)) => MediaRef::from_link(NAME, link),
            (None, None) => {
                let mut failed = FailedItem::new(kind.name(), path);
                failed.message_id = message_id.map(Into::into);
                failed.provider_code = not_ready.then(|| PLACEHOLDER.to_owned());
                let reason = if not_ready {
                    "the vendor has not stored the file yet"
                } else {
                    "it has no usable media id"
                };
                failed.message = Some(reason.to_owned());
                object.raw().clone_into(&mut failed.raw);
                return self.items.failed(failed);
            }
        };
        let name = object.text("file_name").or_else(|| object.text("filename"));
        let declared = ContentMetadata::EMPTY
            .with_kind(kind)
            .with_mime_text(object.text("mime_type").as_deref())
            .with_size_bytes(object.get("file_size").and_then(Json::whole))
            .with_sha256_text(object.text("sha256").as_deref())
            .with_name(name.as_deref().map(repaired).as_deref());
        let media = media
            .with_declared(declared)
            .with_account(self.channel)
            .with_message(message_id.as_deref())
            .with_sent_at(sent_at);
        let mut item = MediaItem::new(media, kind, path);
        item.role = role;
        item.message_id = message_id.map(Into::into);
        item.sender = sender.map(Secret::new);
        item.caption = object.text("caption").map(Into::into);
        item.timestamp = sent_at;
        item.preview = object.text("preview").and_then(|text| preview(&text)).map(Box::new);
        object.raw().clone_into(&mut item.raw);
        self.items.media(item);
    }
}

/// The kind that a type names.
fn kind_named(name: &str) -> Option<MediaKind> {
    match name {
        "documentWithCaption" => Some(MediaKind::Document),
        _ => KEYS.iter().find(|(key, _)| *key == name).map(|(_, kind)| *kind),
    }
}

/// The type is the better hint among kinds that share a key: a loop may stand under `video`.
fn refined(by_key: MediaKind, name: &str) -> MediaKind {
    match (by_key, kind_named(name)) {
        (MediaKind::Video, Some(kind @ (MediaKind::Gif | MediaKind::VideoNote)))
        | (MediaKind::Audio, Some(kind @ MediaKind::Voice)) => kind,
        _ => by_key,
    }
}

/// An id alone is not a file: the page of a link preview has one too.
fn is_file(object: &Object<'_>) -> bool {
    object.get("id").is_some() && (object.get("mime_type").is_some() || object.get("sha256").is_some())
}

fn kind_of_mime(object: &Object<'_>) -> MediaKind {
    let mime = object.text("mime_type").and_then(|text| Mime::parse(&text).ok());
    match mime.as_ref().map(Mime::kind) {
        Some("image") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

/// A preview: a data URL in every real payload, bare base64 by the documents.
pub(super) fn preview(text: &str) -> Option<Preview> {
    let (mime, data) = match text.strip_prefix("data:") {
        Some(rest) => {
            let (head, data) = rest.split_once(',')?;
            head.ends_with(";base64").then_some(())?;
            (head.split(';').next().and_then(|mime| Mime::parse(mime).ok()), data)
        }
        None => (None, text),
    };
    Some(Preview::new(mime, LENIENT.decode(data.trim()).ok()?.into()))
}

/// QUIRK(whapi): names that are not ASCII come back as UTF-8 read as Latin-1. They are repaired where
/// that is certain. <https://github.com/hexamarkco/kifersaude>
pub(super) fn repaired(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    let bytes: Option<Vec<u8>> = name.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| name.to_owned())
}
