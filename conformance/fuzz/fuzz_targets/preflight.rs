//! Any bytes as a file of any kind and type.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use wamedia_core::{MediaKind, Mime};

const KINDS: &[MediaKind] = &[
    MediaKind::Image,
    MediaKind::Video,
    MediaKind::Audio,
    MediaKind::Voice,
    MediaKind::Document,
    MediaKind::Sticker,
];
const TYPES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/3gpp",
    "audio/ogg; codecs=opus",
    "audio/mpeg",
    "audio/aac",
    "audio/amr",
    "audio/mp4",
    "application/pdf",
    "application/zip",
];

fuzz_target!(|bytes: &[u8]| {
    let [kind, mime, content @ ..] = bytes else { return };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let mime = Mime::parse(TYPES[usize::from(*mime) % TYPES.len()]).expect("it is one");
    let capabilities = wamedia_meta::CAPABILITIES;
    let mut reader = Cursor::new(content);
    let report = wamedia_preflight::check(&mut reader, content.len() as u64, &mime, kind, &capabilities);
    assert!(report.is_ok(), "memory can always be read");
    assert_eq!(reader.position(), 0, "the content is left at its start");
});
