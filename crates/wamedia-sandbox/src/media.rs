//! What the sandbox stores: small real files, and generated bodies of any size.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use crate::digest;
use crate::http1::Step;

const BLOCK_BYTES: usize = 64 * 1024;
const MEBIBYTE: u64 = 1024 * 1024;

/// A stored object as tests and people need to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeedMedia {
    /// The provider's id.
    pub id: String,
    /// Media type, with parameters where the vendors write them.
    pub mime: String,
    /// Length.
    pub size_bytes: u64,
    /// Digest of the bytes, lower-case hex.
    pub sha256_hex: String,
    /// File name with extension.
    pub name: String,
    /// `image`, `video`, `audio`, `voice`, `document` or `sticker`.
    pub kind: &'static str,
}

/// The bytes of a media object.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Stored(Bytes),
    /// So many bytes of a fixed pattern.
    Pattern(u64),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Stored(bytes) => bytes.len() as u64,
            Self::Pattern(length) => *length,
        }
    }

    /// The steps that write `start..end`, without copying stored bytes.
    pub(crate) fn steps(&self, start: u64, end: u64) -> Vec<Step> {
        match self {
            Self::Stored(bytes) => {
                let slice = bytes.slice(index(start, bytes.len())..index(end, bytes.len()));
                vec![Step::Write(slice)]
            }
            Self::Pattern(_) => {
                let block = block();
                let size = BLOCK_BYTES as u64;
                let mut at = start;
                let mut steps = Vec::new();
                let offset = start % size;
                if offset != 0 {
                    let stop = end.min(start - offset + size);
                    steps.push(Step::Write(block.slice(small(offset)..small(stop - (start - offset)))));
                    at = stop;
                }
                let times = end.saturating_sub(at) / size;
                if times > 0 {
                    steps.push(Step::Repeat { bytes: block.clone(), times });
                    at += times * size;
                }
                if at < end {
                    steps.push(Step::Write(block.slice(..small(end - at))));
                }
                steps
            }
        }
    }

    /// The bytes themselves, at most so many of them.
    pub(crate) fn bytes(&self, cap: u64) -> Bytes {
        match self {
            Self::Stored(bytes) => bytes.slice(..index(cap, bytes.len())),
            Self::Pattern(length) => {
                let mut bytes = BytesMut::new();
                let length = small((*length).min(cap));
                while bytes.len() < length {
                    let rest = (length - bytes.len()).min(BLOCK_BYTES);
                    bytes.extend_from_slice(&block()[..rest]);
                }
                bytes.freeze()
            }
        }
    }

    /// The digest. That of a pattern is computed once, yielding to other tasks meanwhile.
    pub(crate) async fn sha256(&self) -> [u8; 32] {
        static KNOWN: OnceLock<Mutex<HashMap<u64, [u8; 32]>>> = OnceLock::new();
        let length = match self {
            Self::Stored(bytes) => return digest::sha256(bytes),
            Self::Pattern(length) => *length,
        };
        let known = KNOWN.get_or_init(Mutex::default);
        if let Some(digest) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&length) {
            return *digest;
        }
        let mut hasher = Sha256::new();
        let mut left = length;
        while left > 0 {
            let now = left.min(BLOCK_BYTES as u64);
            hasher.update(&block()[..small(now)]);
            left -= now;
            if left.is_multiple_of(4 * MEBIBYTE) {
                tokio::task::yield_now().await;
            }
        }
        let digest = hasher.finalize().into();
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(length, digest);
        digest
    }
}

fn small(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn index(value: u64, length: usize) -> usize {
    small(value).min(length)
}

/// A block of bytes that looks random and is the same on every machine.
fn block() -> &'static Bytes {
    static BLOCK: OnceLock<Bytes> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = BytesMut::with_capacity(BLOCK_BYTES);
        while bytes.len() < BLOCK_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.freeze()
    })
}

/// A stored object.
#[derive(Debug, Clone)]
pub(crate) struct Media {
    pub(crate) id: String,
    pub(crate) mime: String,
    pub(crate) name: String,
    pub(crate) content: Content,
    pub(crate) sha256: [u8; 32],
    pub(crate) created_s: u64,
    /// When the vendor forgets the id, unix seconds.
    pub(crate) expires_s: u64,
}

impl Media {
    pub(crate) async fn new(id: &str, mime: &str, name: &str, content: Content) -> Self {
        let sha256 = content.sha256().await;
        Self {
            id: id.to_owned(),
            mime: mime.to_owned(),
            name: name.to_owned(),
            content,
            sha256,
            created_s: 0,
            expires_s: u64::MAX,
        }
    }

    pub(crate) fn essence(&self) -> &str {
        self.mime.split(';').next().unwrap_or_default().trim()
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.essence() {
            "image/webp" => "sticker",
            "audio/ogg" => "voice",
            other => match other.split('/').next() {
                Some("image") => "image",
                Some("audio") => "audio",
                Some("video") => "video",
                _ => "document",
            },
        }
    }

    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", digest::hex(&self.sha256[..16]))
    }

    pub(crate) fn seed(&self) -> SeedMedia {
        SeedMedia {
            id: self.id.clone(),
            mime: self.mime.clone(),
            size_bytes: self.content.len(),
            sha256_hex: digest::hex(&self.sha256),
            name: self.name.clone(),
            kind: self.kind(),
        }
    }
}

/// The extension that goes with a media type.
pub(crate) fn extension(mime: &str) -> &'static str {
    match mime.split(';').next().unwrap_or_default().trim() {
        "image/jpeg" => "jpeg",
        "image/png" => "png",
        "image/webp" => "webp",
        "audio/ogg" => "oga",
        "audio/mpeg" => "mp3",
        "audio/mp4" => "m4a",
        "audio/aac" => "aac",
        "audio/amr" => "amr",
        "video/mp4" => "mp4",
        "video/3gpp" => "3gp",
        "application/pdf" => "pdf",
        "application/gzip" => "gz",
        "text/plain" => "txt",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "application/msword" => "doc",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.ms-powerpoint" => "ppt",
        _ => "bin",
    }
}

/// The media type that goes with a file name.
pub(crate) fn mime_of_name(name: &str) -> &'static str {
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "ogg" | "oga" | "opus" => "audio/ogg; codecs=opus",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "amr" => "audio/amr",
        "mp4" => "video/mp4",
        "3gp" => "video/3gpp",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

/// A file that every provider has from the start.
pub(crate) struct Seed {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Ids in the order meta and chakra, whapi, nxcloud.
    pub(crate) ids: [&'static str; 3],
}

macro_rules! file {
    ($name:literal) => {
        wamedia_fixtures::embedded_bytes(concat!("media/", $name)).expect("the fixtures have this file")
    };
}

/// The picture behind every id that selects a fault.
pub(crate) static PHOTO: &[u8] = file!("photo.jpg");
/// 64 MiB of zeros, as gzip writes them.
pub(crate) static BOMB: &[u8] = include_bytes!("bomb.gz");

pub(crate) static SEEDS: &[Seed] = &[
    Seed {
        name: "photo.jpg",
        bytes: PHOTO,
        ids: ["1001", "jpeg-3a00112233445566aa99-807a039edbb29b", "2bc7102f-5491-40b1-a92f-338303eab9d3"],
    },
    Seed {
        name: "voice.ogg",
        bytes: file!("voice.ogg"),
        ids: [
            "1002",
            "oga-ac0011223344556677889900aabbcc01-807a039edbb29b",
            "25fdf335-d846-4e6c-9aa8-35f25abc564c",
        ],
    },
    Seed {
        name: "report.pdf",
        bytes: file!("report.pdf"),
        ids: ["1003", "pdf-3a00112233445566aa9a-807b039edbb29b", "806bb2f3-d8cc-4477-8b4d-d89df862f6c0"],
    },
    Seed {
        name: "clip.mp4",
        bytes: file!("clip.mp4"),
        ids: [
            "1004",
            "mp4-3a00112233445566aa9b-924f01ab9d82c319b001-039edbb3e8",
            "bfc0619d-995e-49da-9869-e911a34c43b9",
        ],
    },
    Seed {
        name: "sticker.webp",
        bytes: file!("sticker.webp"),
        ids: ["1005", "webp-3a00112233445566aa9c-807d039edbb29b", "1b0a4c77-c5e7-44fa-b2a3-b69941ed3c64"],
    },
    Seed {
        name: "table.xlsx",
        bytes: file!("table.xlsx"),
        ids: ["1006", "xlsx-3a00112233445566aa9d-807e039edbb29b", "c0ffee00-995e-49da-9869-e911a34c43ba"],
    },
    Seed {
        name: "note.txt",
        bytes: file!("note.txt"),
        ids: ["1007", "txt-3a00112233445566aa9e-807f039edbb29b", "fd81acff-eea8-4d9d-acc9-6c62904d6615"],
    },
    Seed {
        name: "preview.jpg",
        bytes: file!("preview.jpg"),
        ids: ["1008", "jpeg-3a00112233445566aa9f-8070039edbb29b", "0e5d7e6c-5491-40b1-a92f-338303eab9d4"],
    },
];
