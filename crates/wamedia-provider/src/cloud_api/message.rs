//! One message: its media, wherever they stand in it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use super::{MessageContext, ParseOptions};
use crate::json::{Document, Json, Object};
use wamedia_core::{
    ContentMetadata, FailedItem, Items, MediaId, MediaItem, MediaKind, MediaLink, MediaRef, Mime, Role,
    Secret, short_name,
};

/// How far below a message media are looked for where no document says where they stand.
const SEARCH_DEPTH: usize = 12;

/// The smallest object that is media: `{"id":1}`.
const SMALLEST: usize = 8;

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
    pub(super) options: &'r ParseOptions,
    pub(super) context: MessageContext<'r>,
    pub(super) items: &'i mut Items,
}

/// A message, and what all of its items share. It is looked up once: a message may hold thousands of files.
struct Message<'a> {
    fields: Object<'a>,
    id: Option<String>,
    sender: Option<Cow<'a, str>>,
    sent_at: Option<SystemTime>,
}

/// Where media objects are looked for.
struct Search<'m, 'a> {
    message: &'m Message<'a>,
    role: Role,
    /// Whether an object named like a kind is media without stating a type.
    by_name: bool,
}

/// One level below where the search began; the first is where it began.
enum Step<'a> {
    Name(Cow<'a, str>),
    Index(usize),
}

impl Messages<'_, '_> {
    fn read<'a>(&self, fields: Object<'a>) -> Message<'a> {
        let id =
            fields.shared("id").map(Into::into).or_else(|| self.context.message_id.map(ToOwned::to_owned));
        let sent_at = fields.get("timestamp").map_or(self.context.sent_at, Json::time);
        // Who has a user name and no number for this business is known by a scoped id.
        // Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>
        let sender = fields.shared("from").or_else(|| fields.shared("from_user_id"));
        Message { fields, id, sender, sent_at }
    }

    /// One message gives one item, or several where it carries several media.
    pub(super) fn message(&mut self, value: Json<'_>, path: impl fmt::Display, role: Role) {
        if self.items.is_over() {
            return;
        }
        let Some(fields) = value.object().filter(|fields| !fields.is_empty()) else {
            let id = self.context.message_id.filter(|_| value.is_object());
            return self.items.other("unknown", path, value.raw(), id);
        };
        let message = self.read(fields);
        let path = path.to_string();
        let name = message.fields.text("type");
        let edit = || message.fields.object("edit").and_then(|edit| edit.object("message"));
        match edit().filter(|_| name.as_deref() == Some("edit")) {
            Some(inner) => {
                let name = inner.text("type");
                self.typed(&message, &inner, name, &format!("{path}.edit.message"), Role::Edit);
            }
            None => self.typed(&message, &message.fields, name, &path, role),
        }
        // An advertisement has public links on changing hosts and no id; it is counted, not followed.
        if let Some(referral) = message.fields.get("referral").filter(|referral| referral.is_object()) {
            let id = message.id.as_deref();
            self.items.other("referral", format_args!("{path}.referral"), referral.raw(), id);
        }
    }

    /// `holder` has the type and the object named like it; `message` has the id and the time.
    fn typed(
        &mut self,
        message: &Message<'_>,
        holder: &Object<'_>,
        name: Option<Cow<'_, str>>,
        path: &str,
        role: Role,
    ) {
        let name = name.unwrap_or_else(|| {
            // GUESS: without a type the object that is there counts.
            let is_there = |name: &str| holder.get(name).is_some_and(Json::is_object);
            let there = KINDS.iter().find(|(name, _)| is_there(name));
            Cow::Borrowed(there.map_or("unknown", |(name, _)| *name))
        });
        let error = || {
            let errors =
                [holder, &message.fields].into_iter().find_map(|object| object.array("errors").next());
            errors.map(|(_, error)| error)
        };
        if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == name) {
            let object = holder.object(&name);
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
            self.items.other(&name, path, message.fields.raw(), message.id.as_deref());
        }
    }

    /// Media inside an object that is not media itself: files of a form, headers of templates and
    /// interactive messages, and types that did not exist when this was written.
    ///
    /// GUESS: only forms are documented.
    /// <https://developers.facebook.com/docs/whatsapp/flows/reference/components/media_upload>
    fn within(&mut self, message: &Message<'_>, value: Json<'_>, name: &str, path: &str, role: Role) {
        let reply = value.object().and_then(|object| object.object("nfm_reply"));
        if let Some(response) = reply.and_then(|reply| reply.get("response_json")) {
            // Meta's page prints an object; on the wire it is JSON inside a string.
            let text = response.text();
            let document = text.as_ref().and_then(|text| Document::parse(text.as_bytes()));
            let inner = if text.is_some() { document.as_ref().map(Document::value) } else { Some(response) };
            let search = Search { message, role: Role::FlowField, by_name: false };
            if let Some(inner) = inner {
                let path = format!("{path}.interactive.nfm_reply.response_json");
                self.search(&search, inner, &mut vec![Step::Name(path.into())], None);
            }
            return;
        }
        let role = if role == Role::Main { Role::Header } else { role };
        let search = Search { message, role, by_name: true };
        let path = format!("{path}.{}", short_name(name));
        self.search(&search, value, &mut vec![Step::Name(path.into())], None);
    }

    fn search<'a>(
        &mut self,
        search: &Search<'_, '_>,
        value: Json<'a>,
        path: &mut Vec<Step<'a>>,
        named: Option<MediaKind>,
    ) {
        let has_room = !self.items.is_over() && path.len() <= SEARCH_DEPTH;
        let is_worth_it = |child: Json<'_>| has_room && child.is_container() && child.raw().len() >= SMALLEST;
        if let Some(object) = value.object() {
            let states_type = object.get("mime_type").is_some();
            if let Some(id) = media_id(&object).filter(|_| states_type || named.is_some()) {
                let kind = named.unwrap_or_else(|| kind_of_mime(&object));
                return self.media(search.message, &object, id, kind, written(path), search.role);
            }
            for (name, child) in object.fields().filter(|(_, child)| is_worth_it(*child)) {
                let kind = KINDS.iter().find(|(known, _)| search.by_name && *known == name);
                path.push(Step::Name(name));
                self.search(search, child, path, kind.map(|(_, kind)| *kind));
                path.pop();
            }
        } else if let Some(elements) = value.array() {
            for (index, child) in elements.enumerate().filter(|(_, child)| is_worth_it(*child)) {
                path.push(Step::Index(index));
                self.search(search, child, path, None);
                path.pop();
            }
        }
    }

    /// An element of a list beside the messages: counted, unless there is a picture with an id in it.
    ///
    /// GUESS: the documented picture of a group has no id; one that had would be found.
    pub(super) fn listed(&mut self, value: Json<'_>, list: &str, path: impl fmt::Display) {
        let object = value.object();
        let before = self.items.len();
        if let Some(object) = &object
            && let Some(picture) = object.object("profile_picture")
            && let Some(id) = media_id(&picture)
        {
            let (path, group) = (format!("{path}.profile_picture"), self.read(object.clone()));
            self.media(&group, &picture, id, MediaKind::ProfilePicture, path, Role::Main);
        }
        if self.items.len() == before {
            let kind = if list == "statuses" { "status" } else { list };
            // Other lists have ids of calls, groups and templates.
            let status = object.as_ref().filter(|_| list == "statuses");
            let id = status.and_then(|object| object.plain("id"));
            self.items.other(kind, path, value.raw(), id.as_deref());
        }
    }

    /// An error beside the messages.
    pub(super) fn error(&mut self, kind: &str, error: Json<'_>, path: impl fmt::Display) {
        if !self.items.is_over() {
            self.items.failed(from_error(kind, error, path.to_string()));
        }
    }

    fn media(
        &mut self,
        message: &Message<'_>,
        object: &Object<'_>,
        id: MediaId,
        kind: MediaKind,
        path: String,
        role: Role,
    ) {
        let field = |names: &[&str]| names.iter().find_map(|name| object.text(name));
        let sent_at = message.sent_at;
        let declared = ContentMetadata::EMPTY
            .with_kind(kind)
            .with_mime_text(field(&["mime_type", "mimeType"]).as_deref())
            .with_sha256_text(field(&["sha256"]).as_deref())
            .with_size_bytes(object.get("file_size").and_then(Json::whole))
            .with_name(field(&["filename", "file_name", "fileName"]).as_deref());
        let after = |lifetime: Option<Duration>| {
            sent_at.zip(lifetime).and_then(|(at, lifetime)| at.checked_add(lifetime))
        };
        let link = self.options.link_lifetime.and_then(|_| field(&["url"])?.parse().ok());
        let link = link
            .map(|url| MediaLink::with_credential(url).with_expires_at(after(self.options.link_lifetime)));
        let media = MediaRef::new(self.options.provider, id)
            .with_declared(declared)
            .with_account(self.context.account)
            .with_message(message.id.as_deref())
            .with_sent_at(sent_at)
            .with_expires_at(after(self.options.id_lifetime))
            .with_link(link);
        let mut item = MediaItem::new(media, kind, path);
        item.role = role;
        item.message_id.clone_from(&message.id);
        item.sender = message.sender.as_deref().map(Secret::new);
        item.caption = object.text("caption").map(Into::into);
        item.timestamp = sent_at;
        object.raw().clone_into(&mut item.raw);
        self.items.media(item);
    }

    fn failed(&mut self, message: &Message<'_>, name: &str, path: &str, error: Option<Json<'_>>) {
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
        item.message_id.clone_from(&message.id);
        message.fields.raw().clone_into(&mut item.raw);
        self.items.failed(item);
    }
}

/// The steps as a path. Only here are they put together: most of what is searched has no media.
fn written(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        // Writing into a text cannot fail.
        let _ = match step {
            Step::Index(index) => write!(path, "[{index}]"),
            Step::Name(name) if path.is_empty() => write!(path, "{name}"),
            Step::Name(name) => write!(path, ".{}", short_name(name)),
        };
    }
    path
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

/// An error object in any of its forms: with `error_data.details`, with `details`, or as plain text.
fn from_error(kind: &str, error: Json<'_>, path: String) -> FailedItem {
    let mut item = FailedItem::new(kind, path);
    error.raw().clone_into(&mut item.raw);
    let Some(fields) = error.object() else {
        item.message = error.text().map(Into::into);
        return item;
    };
    item.provider_code = fields.plain("code").map(Into::into);
    let details = fields.get("error_data").and_then(|data| match data.object() {
        Some(data) => data.text("details"),
        None => data.text(),
    });
    let plain = || ["details", "title", "message"].into_iter().find_map(|key| fields.text(key));
    item.message = details.or_else(plain).map(Into::into);
    item
}
