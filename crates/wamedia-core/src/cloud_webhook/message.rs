//! One message: its media, wherever they stand in it.

use std::borrow::Cow;
use std::time::Duration;

use super::{Around, Reading, from_error, other};
use crate::json::{Document, Json, Object, short_name};
use crate::{
    Declared, FailedItem, InboundItem, MediaId, MediaItem, MediaKind, MediaLink, MediaRef, Mime, Role, Secret,
};

/// How far below a message media are looked for where no document says where they stand.
const SEARCH_DEPTH: usize = 12;

/// The types that carry media.
const KINDS: &[(&str, MediaKind)] = &[
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    ("audio", MediaKind::Audio),
    ("voice", MediaKind::Voice),
    ("document", MediaKind::Document),
    ("sticker", MediaKind::Sticker),
];

/// The types that are known to carry none.
///
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages>
const WITHOUT_MEDIA: &[&str] =
    &["text", "reaction", "location", "contacts", "order", "system", "revoke", "media_placeholder"];

/// Collects the items of messages.
pub(super) struct Messages<'r, 'i> {
    pub(super) reading: &'r Reading,
    pub(super) around: Around<'r>,
    pub(super) items: &'i mut Vec<InboundItem>,
}

/// Where media objects are looked for.
struct Search<'m, 'a> {
    message: &'m Object<'a>,
    role: Role,
    /// Whether an object named like a kind is media without stating a type.
    by_name: bool,
}

impl Messages<'_, '_> {
    /// One message gives one item, or several where it carries several media.
    pub(super) fn message(&mut self, value: Json<'_>, path: &str, role: Role) {
        let Some(message) = value.object() else {
            return self.items.push(other("unknown", path.to_owned(), value.raw(), None));
        };
        let edited = message.object("edit").and_then(|edit| edit.object("message"));
        match edited.filter(|_| message.text("type").as_deref() == Some("edit")) {
            Some(inner) => self.typed(&message, &inner, &format!("{path}.edit.message"), Role::Edit),
            None => self.typed(&message, &message, path, role),
        }
        // An advertisement has public links on changing hosts and no id; it is counted, not followed.
        if let Some(referral) = message.object("referral") {
            let path = format!("{path}.referral");
            self.items.push(other("referral", path, referral.raw(), self.id_of(&message)));
        }
    }

    /// `holder` has the type and the object named like it; `message` has the id and the time.
    fn typed(&mut self, message: &Object<'_>, holder: &Object<'_>, path: &str, role: Role) {
        let name = holder.text("type").unwrap_or_else(|| {
            // GUESS: without a type the object that is there counts.
            let there = KINDS.iter().find(|(name, _)| holder.object(name).is_some());
            Cow::Borrowed(there.map_or("unknown", |(name, _)| *name))
        });
        let object = holder.object(&name);
        let error = || {
            let errors = [holder, message].into_iter().find_map(|object| object.array("errors").next());
            errors.map(|(_, error)| error)
        };
        if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == name) {
            match object.as_ref().and_then(|object| Some((object, media_id(object)?))) {
                Some((object, id)) => {
                    let is_voice =
                        *kind == MediaKind::Audio && object.get("voice").and_then(Json::flag) == Some(true);
                    let kind = if is_voice { MediaKind::Voice } else { *kind };
                    self.media(message, object, id, kind, [path, ".", &name].concat(), role);
                }
                None => self.failed(message, &name, path, error()),
            }
            return;
        }
        let error = error();
        if error.is_some() || name == "unsupported" {
            return self.failed(message, &name, path, error);
        }
        let before = self.items.len();
        if let Some(value) = holder.get(&name).filter(|_| !WITHOUT_MEDIA.contains(&&*name)) {
            self.within(message, value, &name, path, role);
        }
        if self.items.len() == before {
            let id = self.id_of(message);
            self.items.push(other(&name, path.to_owned(), message.raw(), id));
        }
    }

    /// Media inside an object that is not media itself: files of a form, headers of templates and
    /// interactive messages, and types that did not exist when this was written.
    ///
    /// GUESS: only forms are documented.
    /// <https://developers.facebook.com/docs/whatsapp/flows/reference/components/media_upload>
    fn within(&mut self, message: &Object<'_>, value: Json<'_>, name: &str, path: &str, role: Role) {
        let reply = value.object().and_then(|object| object.object("nfm_reply"));
        if let Some(response) = reply.and_then(|reply| reply.get("response_json")) {
            // Meta's page prints an object; on the wire it is JSON inside a string.
            let text = response.text();
            let document = text.as_ref().and_then(|text| Document::parse(text.as_bytes()));
            let inner = if text.is_some() { document.as_ref().map(Document::value) } else { Some(response) };
            let search = Search { message, role: Role::FlowField, by_name: false };
            let path = format!("{path}.interactive.nfm_reply.response_json");
            if let Some(inner) = inner {
                self.search(&search, inner, path, SEARCH_DEPTH, None);
            }
            return;
        }
        let role = if role == Role::Main { Role::Header } else { role };
        let search = Search { message, role, by_name: true };
        self.search(&search, value, format!("{path}.{}", short_name(name)), SEARCH_DEPTH, None);
    }

    fn search(
        &mut self,
        search: &Search<'_, '_>,
        value: Json<'_>,
        path: String,
        depth: usize,
        named: Option<MediaKind>,
    ) {
        if let Some(object) = value.object() {
            let states_type = object.get("mime_type").is_some();
            if let Some(id) = media_id(&object).filter(|_| states_type || named.is_some()) {
                let kind = named.unwrap_or_else(|| kind_of_mime(&object));
                return self.media(search.message, &object, id, kind, path, search.role);
            }
            for (name, child) in object.fields().filter(|(_, child)| depth > 0 && child.is_container()) {
                let kind = KINDS.iter().find(|(known, _)| search.by_name && *known == name);
                let path = format!("{path}.{}", short_name(&name));
                self.search(search, child, path, depth - 1, kind.map(|(_, kind)| *kind));
            }
        } else if let Some(elements) = value.array() {
            for (index, child) in elements.enumerate() {
                if depth > 0 && child.is_container() {
                    self.search(search, child, format!("{path}[{index}]"), depth - 1, None);
                }
            }
        }
    }

    /// An element of a list beside the messages: counted, unless there is a picture with an id in it.
    ///
    /// GUESS: the documented picture of a group has no id; one that had would be found.
    pub(super) fn listed(&mut self, value: Json<'_>, list: &str, path: &str) {
        let object = value.object();
        let before = self.items.len();
        if let Some(object) = &object
            && let Some(picture) = object.object("profile_picture")
            && let Some(id) = media_id(&picture)
        {
            let path = format!("{path}.profile_picture");
            self.media(object, &picture, id, MediaKind::ProfilePicture, path, Role::Main);
        }
        if self.items.len() == before {
            let kind = if list == "statuses" { "status" } else { list };
            let id = object.as_ref().and_then(|object| object.plain("id"));
            self.items.push(other(kind, path.to_owned(), value.raw(), id.map(Into::into)));
        }
    }

    /// An error beside the messages.
    pub(super) fn error(&mut self, kind: &str, error: Json<'_>, path: &str) {
        self.items.push(InboundItem::Failed(from_error(kind, error, path.to_owned()).into()));
    }

    fn media(
        &mut self,
        message: &Object<'_>,
        object: &Object<'_>,
        id: MediaId,
        kind: MediaKind,
        path: String,
        role: Role,
    ) {
        let field = |names: &[&str]| names.iter().find_map(|name| object.text(name));
        let sent_at = message.get("timestamp").map_or(self.around.sent_at, Json::time);
        let declared = Declared::NOTHING
            .with_kind(kind)
            .with_mime_text(field(&["mime_type", "mimeType"]).as_deref())
            .with_sha256_text(field(&["sha256"]).as_deref())
            .with_size_bytes(object.get("file_size").and_then(Json::whole))
            .with_name(field(&["filename", "file_name", "fileName"]).as_deref());
        let after = |lifetime: Option<Duration>| {
            sent_at.zip(lifetime).and_then(|(at, lifetime)| at.checked_add(lifetime))
        };
        let link = self.reading.link_lifetime.and_then(|_| field(&["url"])?.parse().ok());
        let link = link
            .map(|url| MediaLink::with_credential(url).with_expires_at(after(self.reading.link_lifetime)));
        let message_id = self.id_of(message);
        let media = MediaRef::new(self.reading.provider, id)
            .with_declared(declared)
            .with_account(self.around.account)
            .with_message(message_id.as_deref())
            .with_sent_at(sent_at)
            .with_expires_at(after(self.reading.id_lifetime))
            .with_link(link);
        let mut item = MediaItem::new(media, kind, path);
        item.role = role;
        item.message_id = message_id;
        item.sender = message.shared("from").map(Secret::new);
        item.caption = object.text("caption").map(Into::into);
        item.timestamp = sent_at;
        object.raw().clone_into(&mut item.raw);
        self.items.push(InboundItem::Media(Box::new(item)));
    }

    fn failed(&mut self, message: &Object<'_>, name: &str, path: &str, error: Option<Json<'_>>) {
        let mut item = match error {
            Some(error) => from_error(name, error, path.to_owned()),
            None => FailedItem::new(name, path),
        };
        if item.message.is_none() {
            let why = if name == "unsupported" {
                "the vendor does not pass on what this is"
            } else {
                "the message names media and has no usable media id"
            };
            item.message = Some(why.to_owned());
        }
        item.message_id = self.id_of(message);
        message.raw().clone_into(&mut item.raw);
        self.items.push(InboundItem::Failed(Box::new(item)));
    }

    fn id_of(&self, message: &Object<'_>) -> Option<String> {
        message.shared("id").map(Into::into).or_else(|| self.around.message_id.map(ToOwned::to_owned))
    }
}

fn media_id(object: &Object<'_>) -> Option<MediaId> {
    MediaId::new(object.plain("id")?).ok()
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
