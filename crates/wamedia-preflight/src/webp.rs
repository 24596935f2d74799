//! WebP: size of the canvas, animation, and the sizes of stickers.

use wamedia_core::MediaKind;

use crate::expected::Expected;
use crate::reader::{le24, le32};
use crate::{Report, sources};

/// "KB" is read as KiB: the larger reading, and the server has the last word.
const STATIC_MAX: u64 = 100 * 1024;
const ANIMATED_MAX: u64 = 500 * 1024;
const SIDE: u32 = 512;
const FIX: &str = "save it again as WebP";

/// What the first chunk says.
struct Canvas {
    width: u32,
    height: u32,
    animated: bool,
}

pub(crate) fn check(
    head: &[u8],
    len: u64,
    expected: &Expected<'_>,
    max_bytes: Option<u64>,
    report: &mut Report,
) {
    let Some(canvas) = canvas(head) else {
        report.refuse(sources::WEBP, "WebP begins with a VP8, VP8L or VP8X chunk", "none at the start", FIX);
        return;
    };
    report.pixels = Some((canvas.width, canvas.height));
    let claimed = u64::from(le32(head, 4)) + 8;
    if claimed > len {
        report.refuse(
            sources::WEBP,
            "the file is whole",
            format!("{len} of {claimed} bytes"),
            "get the file again",
        );
    }
    if expected.kind == MediaKind::Sticker {
        check_sticker(&canvas, expected.size_bytes, max_bytes, report);
    }
}

fn check_sticker(canvas: &Canvas, size_bytes: u64, max_bytes: Option<u64>, report: &mut Report) {
    if (canvas.width, canvas.height) != (SIDE, SIDE) {
        let seen = format!("{} x {} pixels", canvas.width, canvas.height);
        report.refuse(
            sources::STICKER_PIXELS,
            "a sticker has 512 x 512 pixels",
            seen,
            "fit it into 512 x 512 pixels",
        );
    }
    let (name, own) = if canvas.animated { ("an animated", ANIMATED_MAX) } else { ("a static", STATIC_MAX) };
    // A smaller limit of the provider wins, and has been reported already.
    if size_bytes > own && max_bytes.is_none_or(|max| max > own && size_bytes <= max) {
        report.refuse(
            sources::STICKER,
            &format!("{name} sticker has at most {own} bytes"),
            format!("{size_bytes} bytes"),
            "lower its quality, or its number of frames",
        );
    }
}

fn canvas(head: &[u8]) -> Option<Canvas> {
    let body = head.get(20..)?;
    match head.get(12..16)? {
        b"VP8X" => {
            let flags = *body.first()?;
            body.get(..10)?;
            Some(Canvas { width: le24(body, 4) + 1, height: le24(body, 7) + 1, animated: flags & 0x02 != 0 })
        }
        b"VP8L" => {
            let bits = le32(body.get(..5)?, 1);
            (body.first() == Some(&0x2f) && bits >> 29 == 0).then_some(Canvas {
                width: (bits & 0x3fff) + 1,
                height: (bits >> 14 & 0x3fff) + 1,
                animated: false,
            })
        }
        b"VP8 " => {
            let bits = le32(body.get(..10)?, 6);
            let key_frame = body.first().is_some_and(|tag| tag & 1 == 0);
            let canvas = Canvas { width: bits & 0x3fff, height: bits >> 16 & 0x3fff, animated: false };
            (key_frame && body.get(3..6) == Some(b"\x9d\x01\x2a") && canvas.width > 0 && canvas.height > 0)
                .then_some(canvas)
        }
        _ => None,
    }
}
