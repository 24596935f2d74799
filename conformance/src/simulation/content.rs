//! Contents of objects, made from a few numbers so that a world stays small.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a content looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Bytes without a meaning.
    Random,
    /// Begins as a JPEG file does.
    Jpeg,
    /// Begins as a PNG file does.
    Png,
    /// Begins as a PDF document does.
    Pdf,
    /// A JSON object.
    Json,
    /// A JSON array.
    JsonArray,
    /// A JSON object as vendors report errors.
    JsonError,
    /// An XML document.
    Xml,
    /// An HTML page.
    Html,
    /// An HTML page that begins with a comment.
    HtmlComment,
    /// A page that begins with a script.
    Script,
    /// Comma-separated values.
    Csv,
    /// Plain words.
    Words,
    /// What a server says where there is nothing.
    NotFound,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 14] = [
        Self::Random,
        Self::Jpeg,
        Self::Png,
        Self::Pdf,
        Self::Json,
        Self::JsonArray,
        Self::JsonError,
        Self::Xml,
        Self::Html,
        Self::HtmlComment,
        Self::Script,
        Self::Csv,
        Self::Words,
        Self::NotFound,
    ];

    /// The media type that an honest server states.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Random => "application/octet-stream",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Pdf => "application/pdf",
            Self::Json | Self::JsonArray | Self::JsonError => "application/json",
            Self::Xml => "application/xml",
            Self::Html | Self::HtmlComment | Self::Script => "text/html",
            Self::Csv => "text/csv",
            Self::Words | Self::NotFound => "text/plain",
        }
    }

    const fn beginning(self) -> &'static [u8] {
        match self {
            Self::Random => b"\x00\x8f\x01\xfe",
            Self::Jpeg => b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01",
            Self::Png => b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
            Self::Pdf => b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
            Self::Json => b"{\"id\": 7, \"items\": [\"",
            Self::JsonArray => b"[{\"error\": \"no such media\", \"more\": \"",
            Self::JsonError => b"{\"error\": {\"message\": \"Unsupported get request\", \"text\": \"",
            Self::Xml => b"<?xml version=\"1.0\"?>\n<invoice><text>",
            Self::Html => b"<!DOCTYPE html>\n<html><body>",
            Self::HtmlComment => b"<!-- served by cache 7 --><html><body>",
            Self::Script => b"<script>location.href='/login'</script>",
            Self::Csv => b"id,name,amount\n1,Ada,12.50\n",
            Self::Words => b"Hello, these are the minutes of the meeting. ",
            Self::NotFound => b"Not found",
        }
    }

    const fn is_text(self) -> bool {
        !matches!(self, Self::Random | Self::Jpeg | Self::Png | Self::Pdf)
    }
}

/// A content: its shape and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// What it looks like.
    pub shape: Shape,
    /// How many bytes it has.
    pub size: u32,
}

impl Default for Content {
    fn default() -> Self {
        Self { shape: Shape::Random, size: 100 }
    }
}

/// Every block differs from every other one, so that bytes at a wrong place are noticed.
const BLOCK: usize = 1024;

impl Content {
    /// The bytes; contents with different salts differ wherever they have room to.
    pub fn bytes(&self, salt: u32) -> Bytes {
        let size = self.size as usize;
        let mut out = Vec::with_capacity(size + BLOCK);
        out.extend_from_slice(self.shape.beginning());
        let text = self.shape.is_text();
        let mut block = [0u8; BLOCK];
        for (index, byte) in (0u32..).zip(block.iter_mut()) {
            let mixed = (index ^ salt.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b).to_be_bytes();
            *byte = if text { b'a' + mixed[0] % 26 } else { mixed[0] };
        }
        let mut number = 0u32;
        while out.len() < size {
            let stamp = format!("{salt:04}{number:08}");
            block[..stamp.len()].copy_from_slice(stamp.as_bytes());
            out.extend_from_slice(&block);
            number += 1;
        }
        out.truncate(size);
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_have_their_size_and_differ_by_salt() {
        for shape in Shape::ALL {
            for size in [0, 1, 64, 5_000] {
                assert_eq!(Content { shape, size }.bytes(1).len(), size as usize);
            }
            let content = Content { shape, size: 5_000 };
            assert_ne!(content.bytes(1), content.bytes(2));
            assert_eq!(content.bytes(1), content.bytes(1));
        }
    }
}
