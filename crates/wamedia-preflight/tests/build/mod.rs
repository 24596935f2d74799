//! Small files, made byte by byte.
#![allow(dead_code, reason = "each test file uses its own part of the builders")]
#![allow(clippy::trivially_copy_pass_by_ref, reason = "byte strings are references")]
#![allow(unreachable_pub, reason = "shared by test files, each a crate of its own")]

use std::io::Cursor;

use wamedia_core::{Capabilities, KindLimit, MediaKind, Mime};
use wamedia_preflight::{Report, Severity, check};

pub const ROW: &str = "https://example.com/limits";
const DOCUMENTS: &[&str] = &[
    "text/plain",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/msword",
];
const ROWS: &[KindLimit] = &[
    KindLimit::new(MediaKind::Image, &["image/jpeg", "image/png"], 5 << 20, ROW),
    KindLimit::new(
        MediaKind::Audio,
        &["audio/ogg", "audio/mp4", "audio/aac", "audio/mpeg", "audio/amr"],
        16 << 20,
        ROW,
    ),
    KindLimit::new(MediaKind::Video, &["video/mp4", "video/3gpp"], 16 << 20, ROW),
    KindLimit::new(MediaKind::Document, DOCUMENTS, 100 << 20, ROW),
    KindLimit::new(MediaKind::Sticker, &["image/webp"], 500 << 10, ROW),
];
pub const ALL: Capabilities = Capabilities::NONE.with_limits(ROWS);

pub const FIXTURES: &[(&str, &str)] = &[
    ("photo.jpg", "image/jpeg"),
    ("preview.jpg", "image/jpeg"),
    ("voice.ogg", "audio/ogg; codecs=opus"),
    ("report.pdf", "application/pdf"),
    ("clip.mp4", "video/mp4"),
    ("sticker.webp", "image/webp"),
    ("table.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("note.txt", "text/plain"),
];

pub fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../fixtures/media/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("a fixture")
}

pub fn mime(text: &str) -> Mime {
    Mime::parse(text).expect("a media type")
}

pub fn run(bytes: &[u8], stated: &str, kind: MediaKind) -> Report {
    run_sized(bytes, bytes.len() as u64, stated, kind, &ALL)
}

pub fn run_sized(
    bytes: &[u8],
    size: u64,
    stated: &str,
    kind: MediaKind,
    capabilities: &Capabilities,
) -> Report {
    check(&mut Cursor::new(bytes), size, &mime(stated), kind, capabilities).expect("memory can be read")
}

/// The report has exactly this one finding.
#[track_caller]
pub fn only(report: &Report, severity: Severity, rule: &str, seen: &str) {
    let [finding] = report.findings.as_slice() else { panic!("one finding expected: {report:#?}") };
    assert_eq!(finding.severity, severity, "{finding:#?}");
    assert!(finding.rule.contains(rule), "{finding:#?}");
    assert!(finding.seen.contains(seen), "{finding:#?}");
    assert!(finding.source.starts_with("https://") && !finding.fix.is_empty(), "{finding:#?}");
}

#[track_caller]
pub fn refused(report: &Report, rule: &str, seen: &str) {
    only(report, Severity::Refused, rule, seen);
    assert!(!report.fits());
}

#[track_caller]
pub fn warned(report: &Report, rule: &str, seen: &str) {
    only(report, Severity::Warning, rule, seen);
    assert!(report.fits());
}

#[track_caller]
pub fn clean(report: &Report) {
    assert_eq!(report.findings, [], "no finding expected");
}

pub fn ogg_page(flags: u8, serial: u32, payload: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend([0; 8]);
    page.extend(serial.to_le_bytes());
    page.extend([0; 8]);
    page.extend([1, u8::try_from(payload.len()).expect("a short payload")]);
    page.extend(payload);
    page
}

pub fn opus_head(channels: u8) -> Vec<u8> {
    [b"OpusHead\x01".as_slice(), &[channels], &[0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0]].concat()
}

pub fn jpeg(frame: u8, precision: u8, components: u8) -> Vec<u8> {
    let mut file = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0".to_vec();
    file.extend([0xff, 0xff, frame, 0, 8 + 3 * components, precision, 0, 48, 0, 64, components]);
    file.extend(vec![0; usize::from(components) * 3]);
    file.extend(b"\xff\xda\x00\x08");
    file
}

pub fn png(depth: u8, colour: u8) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x30".to_vec();
    file.extend([depth, colour, 0, 0, 0, 1, 2, 3, 4]);
    file
}

pub fn webp(chunk: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).expect("a small body");
    let riff = (size + 12).to_le_bytes();
    [b"RIFF", riff.as_slice(), b"WEBP", chunk, &size.to_le_bytes(), body].concat()
}

pub fn vp8x(width: u32, height: u32, animated: bool) -> Vec<u8> {
    let (width, height) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
    let flags = if animated { 0x12 } else { 0x10 };
    webp(b"VP8X", &[&[flags, 0, 0, 0], &width[..3], &height[..3]].concat())
}

pub fn atom(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("a small box");
    [size.to_be_bytes().as_slice(), name, body].concat()
}

pub fn ftyp(brand: &[u8; 4]) -> Vec<u8> {
    atom(b"ftyp", &[brand.as_slice(), &[0, 0, 2, 0], brand].concat())
}

fn track(handler: &[u8; 4], entry: &[u8], more: &[u8]) -> Vec<u8> {
    let stsd = atom(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry].concat());
    let minf = atom(b"minf", &atom(b"stbl", &[stsd.as_slice(), more].concat()));
    let hdlr = atom(b"hdlr", &[&[0; 8], handler.as_slice(), &[0; 13]].concat());
    atom(b"trak", &atom(b"mdia", &[hdlr, minf].concat()))
}

pub fn video(codec: &[u8; 4], profile: u8, reordered: bool) -> Vec<u8> {
    let mut entry = vec![0; 78];
    entry[24..28].copy_from_slice(&[2, 128, 1, 104]);
    entry.extend(atom(b"avcC", &[1, profile, 0, 30]));
    let ctts =
        if reordered { atom(b"ctts", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2]) } else { Vec::new() };
    track(b"vide", &atom(codec, &entry), &ctts)
}

pub fn sound(codec: &[u8; 4]) -> Vec<u8> {
    track(b"soun", &atom(codec, &[0; 28]), &[])
}

pub fn mp4(brand: &[u8; 4], tracks: &[Vec<u8>]) -> Vec<u8> {
    [ftyp(brand), atom(b"moov", &tracks.concat()), atom(b"mdat", &[0; 16])].concat()
}
