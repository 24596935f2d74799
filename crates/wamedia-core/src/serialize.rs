//! The serialised shapes of what people store and print, all in one place.
//!
//! * A reference, a digest, a media type and an id are their text forms, and are read back from them. A digest is
//!   hex; a reference with a link holds that link, as its text form does.
//! * A name of this crate, such as a kind of media or of error, is written in lower case: `"video_note"`.
//! * A time is in UTC, `2026-11-20T12:00:00Z`; a duration is in whole seconds, under a name that ends with `_s`.
//! * What is unknown is `null`, never missing. A secret is never there, nor is the raw text of a delivery: only that
//!   there is a sender, and how long the text is.
//!
//! Version 1 of the shapes only ever gets further fields. A field that changes or goes makes version 2,
//! [`SHAPE_VERSION`], and a breaking release.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::{
    Capabilities, ContentMetadata, DeclaredBy, DeleteOutcome, DigestSource, Error, ErrorKind, FailedItem,
    Inbound, InboundItem, KindLimit, ListedMedia, MediaId, MediaItem, MediaKind, MediaPage, MediaRef, Mime,
    OtherItem, Phase, Preview, Role, Sha256, UploadResult, Uploaded, WebhookCapabilities, format_rfc3339,
};

/// The version of the serialised shapes.
pub const SHAPE_VERSION: u32 = 1;

/// Serialises and reads the text form.
macro_rules! text_form {
    ($($type:ty: $expected:literal,)+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextForm($expected, <$type as FromStr>::from_str))
            }
        }
    )+};
}

/// Reads a value from its text form.
struct TextForm<F>(&'static str, F);

impl<T, E: fmt::Display, F: Fn(&str) -> Result<T, E>> Visitor<'_> for TextForm<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<Error: serde::de::Error>(self, text: &str) -> Result<T, Error> {
        (self.1)(text).map_err(Error::custom)
    }
}

text_form! {
    MediaRef: "a media reference",
    MediaId: "a media id",
    Mime: "a media type",
    Sha256: "a SHA-256",
}

/// Serialises a name.
macro_rules! names {
    ($($type:ty: $name:expr,)+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let name: fn(&Self) -> &'static str = $name;
                serializer.serialize_str(name(self))
            }
        }
    )+};
}

names! {
    MediaKind: |kind| kind.name(),
    DeclaredBy: |by| by.name(),
    ErrorKind: |kind| kind.name(),
    Phase: |phase| phase.name(),
    Role: |role| role.name(),
    DigestSource: |source| match source {
        DigestSource::None => "none",
        DigestSource::Webhook => "webhook",
        DigestSource::ResolveAndWebhook => "resolve_and_webhook",
    },
    UploadResult: |result| match result {
        UploadResult::None => "none",
        UploadResult::Id => "id",
        UploadResult::Link => "link",
    },
    DeleteOutcome: |outcome| match outcome {
        DeleteOutcome::Deleted => "deleted",
        DeleteOutcome::AlreadyGone => "already_gone",
    },
}

/// Serialises an object with these fields.
macro_rules! shape {
    ($type:ty, $it:ident, $($name:literal: $value:expr,)+) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $it = self;
                let mut out = serializer.serialize_struct(stringify!($type), [$($name),+].len())?;
                $(out.serialize_field($name, &$value)?;)+
                out.end()
            }
        }
    };
}

shape! { Error, error,
    "kind": error.kind(),
    "operation": error.operation(),
    "phase": error.phase(),
    "provider": error.provider(),
    "host": error.host(),
    "provider_code": error.provider_code(),
    "status": error.status(),
    "message": error.message(),
    "retryable": error.is_retryable(),
    "retry_after_s": error.retry_after().map(|wait| wait.as_secs()),
    "hint": error.hint(),
}

shape! { ContentMetadata, declared,
    "mime": declared.mime,
    "size_bytes": declared.size_bytes,
    "sha256": declared.sha256,
    "unusable_sha256": declared.unusable_sha256,
    "name": declared.name,
    "kind": declared.kind,
}

shape! { Inbound, inbound,
    "items": inbound.items,
}

impl Serialize for InboundItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Media(item) => item.serialize(serializer),
            Self::Failed(item) => item.serialize(serializer),
            Self::Other(item) => item.serialize(serializer),
        }
    }
}

shape! { MediaItem, item,
    "item": "media",
    "media": item.media,
    "kind": item.kind,
    "role": item.role,
    "message_id": item.message_id,
    "mime": item.media.declared.mime,
    "size_bytes": item.media.declared.size_bytes,
    "sha256": item.media.declared.sha256,
    "name": item.media.declared.name,
    "has_sender": item.sender.is_some(),
    "caption": item.caption,
    "timestamp": item.timestamp.map(format_rfc3339),
    "preview": item.preview.as_deref(),
    "path": item.path,
    "raw_bytes": item.raw.len(),
}

shape! { Preview, preview,
    "mime": preview.mime,
    "bytes": preview.bytes.len(),
    "sha256": Sha256::of(&preview.bytes),
}

shape! { FailedItem, item,
    "item": "failed",
    "kind": item.kind,
    "message_id": item.message_id,
    "provider_code": item.provider_code,
    "message": item.message,
    "path": item.path,
    "raw_bytes": item.raw.len(),
}

shape! { OtherItem, item,
    "item": "other",
    "kind": item.kind,
    "message_id": item.message_id,
    "path": item.path,
    "count": item.count,
    "raw_bytes": item.raw.len(),
}

shape! { Uploaded, uploaded,
    "media": uploaded.media,
    "link": uploaded.link.as_ref().map(url::Url::as_str),
    "expires_at": uploaded.expires_at.map(format_rfc3339),
}

shape! { ListedMedia, listed,
    "media": listed.media,
    "created_at": listed.created_at.map(format_rfc3339),
}

shape! { MediaPage, page,
    "items": page.items,
    "next": page.next,
}

shape! { Capabilities, can,
    "resolve": can.resolve,
    "resolve_remote": can.resolve_remote,
    "open": can.open,
    "open_range": can.open_range,
    "expiring_links": can.expiring_links,
    "digest": can.digest,
    "signed_requests": can.signed_requests,
    "upload": can.upload,
    "upload_result": can.upload_result,
    "delete": can.delete,
    "list": can.list,
    "link_lifetime_s": can.link_lifetime.map(|lifetime| lifetime.as_secs()),
    "upload_lifetime_s": can.upload_lifetime.map(|lifetime| lifetime.as_secs()),
    "limits": can.limits,
}

shape! { KindLimit, limit,
    "kind": limit.kind,
    "mimes": limit.mimes,
    "max_bytes": limit.max_bytes,
    "source": limit.source,
}

shape! { WebhookCapabilities, can,
    "signed": can.signed,
    "handshake": can.handshake,
    "max_bytes": can.max_bytes,
    "id_lifetime_s": can.id_lifetime.map(|lifetime| lifetime.as_secs()),
}
