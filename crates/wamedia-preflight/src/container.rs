//! What is really inside, and which rules apply to it.

use std::io;

use wamedia_core::{MediaKind, Mime};

use crate::expected::Expected;
use crate::reader::{Source, be32, le32};
use crate::{Report, audio, image, mp4, ogg, sources, webp};

const HEAD: usize = 4096;

/// Formats whose headers are known here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Jpeg,
    Png,
    Webp,
    Ogg,
    Mp4,
    Aac,
    Mp3,
    Amr,
    Pdf,
    OfficeZip,
    OfficeOle,
    Text,
}

impl Format {
    fn of(mime: &Mime) -> Option<Self> {
        Some(match mime.essence() {
            "image/jpeg" | "image/jpg" => Self::Jpeg,
            "image/png" => Self::Png,
            "image/webp" => Self::Webp,
            "audio/ogg" | "audio/opus" | "audio/oga" => Self::Ogg,
            "video/mp4" | "video/3gpp" | "video/3gp" | "audio/mp4" | "audio/m4a" | "audio/x-m4a" => Self::Mp4,
            "audio/aac" => Self::Aac,
            "audio/mpeg" | "audio/mp3" => Self::Mp3,
            "audio/amr" => Self::Amr,
            "application/pdf" => Self::Pdf,
            "application/msword" | "application/vnd.ms-excel" | "application/vnd.ms-powerpoint" => {
                Self::OfficeOle
            }
            essence if essence.starts_with("application/vnd.openxmlformats-officedocument.") => {
                Self::OfficeZip
            }
            _ if mime.kind() == "text" => Self::Text,
            _ => return None,
        })
    }

    fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Jpeg => head.starts_with(b"\xff\xd8\xff"),
            Self::Png => head.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Webp => head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP"),
            Self::Ogg => head.starts_with(b"OggS"),
            Self::Mp4 => head.get(4..8) == Some(b"ftyp"),
            Self::Aac => audio::is_adts(head) || head.starts_with(b"ID3"),
            Self::Mp3 => audio::is_mpeg(head) || head.starts_with(b"ID3"),
            Self::Amr => head.starts_with(b"#!AMR"),
            Self::Pdf => {
                head.get(..head.len().min(1024)).is_some_and(|start| find(start, b"%PDF-").is_some())
            }
            Self::OfficeZip => head.starts_with(b"PK\x03\x04"),
            Self::OfficeOle => head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            Self::Text => is_text(head),
        }
    }
}

/// Checks the kind against the type; false when a rule was broken.
pub(crate) fn check_kind(expected: &Expected<'_>, report: &mut Report) -> bool {
    let format = Format::of(expected.mime);
    let essence = expected.mime.essence();
    let (source, rule, fix) = match expected.kind {
        MediaKind::Image if format == Some(Format::Webp) => {
            (expected.source, "an image is JPEG or PNG", "convert it to PNG, or send it as a sticker")
        }
        MediaKind::Sticker if format != Some(Format::Webp) => {
            (sources::STICKER, "a sticker is WebP", "convert it to WebP, 512 x 512 pixels")
        }
        MediaKind::Voice if format != Some(Format::Ogg) => (
            sources::VOICE,
            "a voice note is OGG with Opus; others may play silently",
            "convert it with `ffmpeg -c:a libopus -ac 1`, or send it as audio",
        ),
        MediaKind::Audio if matches!(essence, "audio/webm" | "audio/wav" | "audio/x-wav" | "audio/wave") => (
            expected.source,
            "audio is AAC, AMR, MP3, MP4 or OGG with Opus",
            "convert it with `ffmpeg -c:a libopus -ac 1` to OGG",
        ),
        _ if expected.is_video() && matches!(essence, "video/quicktime" | "video/webm") => (
            expected.source,
            "a video is MP4 or 3GPP with H.264 and AAC",
            "convert it with `ffmpeg -c:v libx264 -profile:v main -bf 0 -c:a aac -movflags +faststart`",
        ),
        _ => return true,
    };
    report.refuse(source, rule, essence, fix);
    false
}

/// Checks the bytes.
pub(crate) fn check(
    bytes: &mut Source<'_>,
    expected: &Expected<'_>,
    max_bytes: Option<u64>,
    report: &mut Report,
) -> io::Result<()> {
    let head = bytes.head::<HEAD>(0)?;
    if let Some(name) = executable(&head) {
        report.refuse(expected.source, "content is no program", name, "send it some other way");
        return Ok(());
    }
    let format = Format::of(expected.mime);
    let found = infer::get(&head).map(|found| found.mime_type());
    if !agrees(format, expected.mime, &head, found) {
        report.refuse(
            sources::MEDIA,
            "the bytes are of the stated type",
            format!("{} stated, {} found", expected.mime.essence(), found.unwrap_or("no known type")),
            "state the type of the bytes, or convert them",
        );
        return Ok(());
    }
    let mut inside = Report::default();
    match format {
        Some(Format::Jpeg) => image::check_jpeg(bytes, expected, &mut inside)?,
        Some(Format::Png) => image::check_png(&head, expected, &mut inside),
        Some(Format::Webp) => webp::check(&head, bytes.len(), expected, max_bytes, &mut inside),
        Some(Format::Ogg) => ogg::check(&head, expected, &mut inside),
        Some(Format::Mp4) => mp4::check(bytes, expected, &mut inside)?,
        Some(Format::Aac) => audio::check_aac(bytes, &mut inside)?,
        Some(Format::Mp3) => audio::check_mp3(bytes, &mut inside)?,
        Some(Format::Amr) => audio::check_amr(&head, &mut inside),
        Some(Format::Pdf) if !head.starts_with(b"%PDF-") => report.warn(
            sources::PDF,
            "a PDF begins with its header",
            "other bytes in front of it",
            "remove what stands before %PDF-",
        ),
        _ => {}
    }
    report.pixels = inside.pixels;
    // A phone does not play a document: only its type counts.
    if !matches!(expected.kind, MediaKind::Document | MediaKind::Other) {
        report.findings.append(&mut inside.findings);
    }
    Ok(())
}

fn agrees(format: Option<Format>, mime: &Mime, head: &[u8], found: Option<&str>) -> bool {
    let found_kind = found.and_then(|found| found.split('/').next()).unwrap_or_default();
    match format {
        Some(Format::Mp4) => Format::Mp4.begins(head) && found_kind != "image",
        Some(Format::OfficeZip) => {
            let other = found.is_some_and(|found| {
                found != mime.essence() && (found.starts_with("application/vnd.") || found.contains("epub"))
            });
            Format::OfficeZip.begins(head) && !other
        }
        Some(format) => format.begins(head),
        // An unknown type: only a clear contradiction counts.
        None => match found_kind {
            "" | "application" => true,
            "text" => !matches!(mime.kind(), "image" | "audio" | "video"),
            // WebM and its relatives look the same with and without pictures.
            "audio" | "video" => matches!(mime.kind(), "application" | "audio" | "video"),
            // The names of rarer pictures vary; these have one name each.
            "image" if matches!(found, Some("image/jpeg" | "image/png" | "image/gif" | "image/webp")) => {
                mime.kind() == "application" || found == Some(mime.essence())
            }
            kind => mime.kind() == "application" || mime.kind() == kind,
        },
    }
}

/// Text has no zero bytes (but for UTF-16 and UTF-32, which begin with a mark) and is no PDF.
fn is_text(head: &[u8]) -> bool {
    let marked =
        head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || head.starts_with(b"\0\0\xfe\xff");
    (marked || !head.contains(&0)) && !head.starts_with(b"%PDF-") && !head.starts_with(b"\xff\xd8\xff")
}

/// The name of a program format. Two letters alone prove nothing: a text may begin with `MZ`.
fn executable(head: &[u8]) -> Option<&'static str> {
    let magic = be32(head, 0);
    if head.starts_with(b"\x7fELF") {
        return Some("an ELF program");
    }
    if head.starts_with(b"MZ") {
        let header = usize::try_from(le32(head, 0x3c)).ok();
        let signed = header.and_then(|at| head.get(at..)).is_some_and(|rest| rest.starts_with(b"PE\0\0"));
        return (signed || head.contains(&0)).then_some("a Windows or DOS program");
    }
    matches!(magic, 0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe | 0xcafe_babe)
        .then_some("a Mach-O program or a Java class")
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
