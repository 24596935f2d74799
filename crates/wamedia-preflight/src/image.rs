//! JPEG and PNG: 8 bits, in colours that phones show.

use std::io;

use crate::expected::Expected;
use crate::reader::{Source, be16, be32};
use crate::{Report, sources};

const FIX: &str = "save it again as an 8-bit RGB image";

/// Walks the segments up to the frame header.
pub(crate) fn check_jpeg(
    bytes: &mut Source<'_>,
    expected: &Expected<'_>,
    report: &mut Report,
) -> io::Result<()> {
    let mut at = 2;
    while let Some(marker) = bytes.exact::<4>(at)? {
        match marker {
            // Fill bytes may stand before a marker.
            [0xff, 0xff, ..] => at += 1,
            // Markers without a length.
            [0xff, 0x01 | 0xd0..=0xd8, ..] => at += 2,
            // The scan or the end, and no frame header so far.
            [0xff, 0x00 | 0xd9 | 0xda, ..] => break,
            // 0xc4, 0xc8 and 0xcc share the row of frame headers and are none.
            [0xff, frame @ (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf), ..] => {
                if let Some(header) = bytes.exact::<6>(at + 4)? {
                    check_frame(frame, header, expected, report);
                    return Ok(());
                }
                break;
            }
            [0xff, _, high, low] => {
                let length = u16::from_be_bytes([high, low]);
                if length < 2 {
                    break;
                }
                at += 2 + u64::from(length);
            }
            _ => break,
        }
    }
    report.refuse(sources::JPEG, "JPEG has a frame header before its scan", "none before the scan", FIX);
    Ok(())
}

fn check_frame(frame: u8, header: [u8; 6], expected: &Expected<'_>, report: &mut Report) {
    let [precision, .., components] = header;
    let (height, width) = (u32::from(be16(&header, 1)), u32::from(be16(&header, 3)));
    report.pixels = Some((width, height));
    if width == 0 || height == 0 {
        report.refuse(sources::JPEG, "the header states a size", format!("{width} x {height} pixels"), FIX);
    }
    if !matches!(frame, 0xc0..=0xc2) {
        let seen = format!("frame type {}", frame & 0x0f);
        report.refuse(sources::JPEG, "JPEG is baseline or progressive", seen, FIX);
    }
    if precision != 8 {
        report.refuse(expected.source, "an image has 8 bits per channel", format!("{precision} bits"), FIX);
    }
    match components {
        1 | 3 => {}
        4 => report.refuse(expected.source, "an image is RGB or RGBA", "4 components, so CMYK", FIX),
        other => {
            report.refuse(expected.source, "an image is RGB or RGBA", format!("{other} components"), FIX);
        }
    }
}

/// Reads the header chunk, which always comes first.
pub(crate) fn check_png(head: &[u8], expected: &Expected<'_>, report: &mut Report) {
    let (true, Some(&[depth, colour])) = (
        be32(head, 8) == 13 && head.get(12..16) == Some(b"IHDR"),
        head.get(24..).and_then(|rest| rest.first_chunk::<2>()),
    ) else {
        report.refuse(sources::PNG, "PNG begins with its header chunk", "none at the start", FIX);
        return;
    };
    let (width, height) = (be32(head, 16), be32(head, 20));
    report.pixels = Some((width, height));
    if width == 0 || height == 0 || width.max(height) > i32::MAX.unsigned_abs() {
        report.refuse(sources::PNG, "the header states a size", format!("{width} x {height} pixels"), FIX);
    }
    let seen = format!("{depth} bits, {}", colour_name(colour));
    match (depth, colour) {
        (8, 2 | 6) => {}
        (16, 0 | 2 | 4 | 6) => report.refuse(expected.source, "an image has 8 bits per channel", seen, FIX),
        (8, 0 | 3 | 4) | (1 | 2 | 4, 0 | 3) => {
            report.warn(expected.source, "an image is 8-bit, RGB or RGBA", seen, FIX);
        }
        _ => report.refuse(sources::PNG, "bit depth and colour type fit together", seen, FIX),
    }
}

fn colour_name(colour: u8) -> String {
    match colour {
        0 => "grey".to_owned(),
        2 => "RGB".to_owned(),
        3 => "palette".to_owned(),
        4 => "grey with alpha".to_owned(),
        6 => "RGBA".to_owned(),
        other => format!("colour type {other}"),
    }
}
