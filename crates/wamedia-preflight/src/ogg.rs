//! OGG: one Opus stream, one channel.

use wamedia_core::MediaKind;

use crate::expected::Expected;
use crate::reader::le32;
use crate::{Report, sources};

const HEADER: usize = 27;
/// Beginning of stream.
const FIRST: u8 = 0x02;
/// Above this a voice note shows a download arrow in place of the play icon; read as KiB.
const VOICE_ICON_MAX: u64 = 512 * 1024;
const FIX: &str = "convert it with `ffmpeg -c:a libopus -ac 1`";

/// What the first page says about its stream.
struct Page<'a> {
    flags: u8,
    serial: u32,
    payload: &'a [u8],
    /// Everything after the page, when the page is whole.
    rest: Option<&'a [u8]>,
}

pub(crate) fn check(head: &[u8], expected: &Expected<'_>, report: &mut Report) {
    let Some(page) = page(head).filter(|page| page.flags & FIRST != 0) else {
        report.refuse(sources::OPUS, "OGG begins with the first page of a stream", "a broken page", FIX);
        return;
    };
    let codec = codec(page.payload);
    if codec != "Opus" {
        report.refuse(sources::MEDIA, "OGG holds Opus", codec, FIX);
        return;
    }
    // "OpusHead", version, channels, and ten bytes more.
    let (Some(&version), Some(&channels), true) =
        (page.payload.get(8), page.payload.get(9), page.payload.len() >= 19)
    else {
        report.refuse(sources::OPUS, "the Opus header is whole", "a header that is cut short", FIX);
        return;
    };
    if version >> 4 != 0 || channels == 0 {
        let seen = format!("version {version}, {channels} channels");
        report.refuse(
            sources::OPUS,
            "the Opus header is of version 0 or 1 and names its channels",
            seen,
            FIX,
        );
    } else if channels != 1 {
        report.refuse(sources::MEDIA, "OGG with Opus has one channel", format!("{channels} channels"), FIX);
    }
    if expected.kind == MediaKind::Voice && expected.size_bytes > VOICE_ICON_MAX {
        report.warn(
            sources::VOICE,
            "a voice note of more than 512 KB shows a download arrow, not the play icon",
            format!("{} bytes", expected.size_bytes),
            "lower its bit rate, or make it shorter",
        );
    }
    if let Some(second) = page.rest.and_then(self::page)
        && second.flags & FIRST != 0
        && second.serial != page.serial
    {
        let seen = format!("a second stream: {}", self::codec(second.payload));
        report.refuse(sources::MEDIA, "OGG holds Opus and nothing else", seen, FIX);
    }
}

fn page(bytes: &[u8]) -> Option<Page<'_>> {
    if !bytes.starts_with(b"OggS") || *bytes.get(4)? != 0 {
        return None;
    }
    let flags = *bytes.get(5)?;
    let segments = usize::from(*bytes.get(HEADER - 1)?);
    let sizes = bytes.get(HEADER..HEADER + segments)?;
    let start = HEADER + segments;
    let end = start + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
    let payload = bytes.get(start..end.min(bytes.len()))?;
    Some(Page { flags, serial: le32(bytes, 14), payload, rest: bytes.get(end..) })
}

fn codec(payload: &[u8]) -> &'static str {
    const CODECS: &[(&[u8], &str)] = &[
        (b"OpusHead", "Opus"),
        (b"\x01vorbis", "Vorbis"),
        (b"Speex   ", "Speex"),
        (b"\x7fFLAC", "FLAC"),
        (b"\x80theora", "Theora"),
        (b"fishead\0", "Skeleton"),
    ];
    CODECS.iter().find(|(magic, _)| payload.starts_with(magic)).map_or("an unknown codec", |(_, name)| name)
}
