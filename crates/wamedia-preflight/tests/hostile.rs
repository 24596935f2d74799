//! Any bytes give a report: no panic, and a bounded number of small reads.

mod build;

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use build::{ALL, FIXTURES, atom, fixture, ftyp, mime, mp4, run, sound, video, vp8x};
use proptest::prelude::*;
use wamedia_core::MediaKind;
use wamedia_preflight::{check, usual_kind};

const KINDS: [MediaKind; 11] = [
    MediaKind::Image,
    MediaKind::Video,
    MediaKind::Gif,
    MediaKind::VideoNote,
    MediaKind::Audio,
    MediaKind::Voice,
    MediaKind::Document,
    MediaKind::Sticker,
    MediaKind::Thumbnail,
    MediaKind::ProfilePicture,
    MediaKind::Other,
];
const TYPES: [&str; 15] = [
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "audio/ogg",
    "audio/aac",
    "audio/mpeg",
    "audio/amr",
    "audio/mp4",
    "video/mp4",
    "video/3gpp",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/octet-stream",
    "text/plain",
];

const MAGICS: &[&[u8]] = &[
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"RIFF\xff\0\0\0WEBPVP8X",
    b"OggS\0\x02",
    b"RIFF\xff\0\0\0WEBPVP8L",
    b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
    b"\0\0\0\x10ftypmif1\0\0\0\0",
    b"ID3\x04\0\0",
    b"\xff\xf1\x50",
    b"#!AMR\n",
    b"PK\x03\x04",
    b"MZ",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
];

/// Counts what is asked of it.
struct Counted {
    inner: Cursor<Vec<u8>>,
    seeks: usize,
    bytes: usize,
}

impl Counted {
    fn new(bytes: Vec<u8>) -> Self {
        Self { inner: Cursor::new(bytes), seeks: 0, bytes: 0 }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count;
        Ok(count)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seeks += 1;
        self.inner.seek(to)
    }
}

#[test]
fn every_prefix_of_every_fixture_gives_a_report() {
    for (name, stated) in FIXTURES {
        let (bytes, kind) = (fixture(name), usual_kind(&mime(stated)));
        for end in 0..bytes.len() {
            let _ = run(&bytes[..end], stated, kind);
        }
    }
}

#[test]
fn a_video_cut_anywhere_does_not_fit() {
    let whole = mp4(b"isom", &[video(b"avc1", 66, false), sound(b"mp4a")]);
    for end in 0..whole.len() {
        assert!(!run(&whole[..end], "video/mp4", MediaKind::Video).fits(), "cut at {end}");
    }
    let sticker = vp8x(512, 512, true);
    for end in 0..sticker.len() {
        assert!(!run(&sticker[..end], "image/webp", MediaKind::Sticker).fits(), "cut at {end}");
    }
}

#[test]
fn reads_are_few_whatever_the_file_claims() {
    let mut nested = Vec::new();
    for _ in 0..2000 {
        nested = atom(b"trak", &nested);
    }
    let mut markers = b"\xff\xd8".to_vec();
    markers.extend(b"\xff\xe1\0\x02".repeat(50_000));
    let files = [
        ("video/mp4", [ftyp(b"isom"), atom(b"free", &[]).repeat(50_000)].concat()),
        ("video/mp4", [ftyp(b"isom"), atom(b"moov", &nested)].concat()),
        ("video/mp4", [ftyp(b"isom"), atom(b"moov", &atom(b"trak", &[]).repeat(50_000))].concat()),
        ("video/mp4", [ftyp(b"isom"), atom(b"moov", &sound(b"mp4a").repeat(5000))].concat()),
        ("image/jpeg", markers),
        ("image/jpeg", [b"\xff\xd8".to_vec(), b"\xff".repeat(100_000)].concat()),
    ];
    for (stated, bytes) in files {
        let mut content = Counted::new(bytes);
        let size = content.inner.get_ref().len() as u64;
        let report = check(&mut content, size, &mime(stated), MediaKind::Video, &ALL).expect("memory");
        assert!(!report.fits());
        assert!(report.findings.len() < 64, "{}", report.findings.len());
        assert!(content.seeks <= 2050 && content.bytes <= 64 * 1024, "{} {}", content.seeks, content.bytes);
        assert_eq!(content.stream_position().expect("memory"), 0);
    }
}

#[test]
fn an_error_of_the_reader_comes_back() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(9)
        }
    }
    assert!(check(&mut Broken, 9, &mime("text/plain"), MediaKind::Document, &ALL).is_err());
}

fn any_stated() -> impl Strategy<Value = (&'static str, MediaKind)> {
    (prop::sample::select(TYPES.as_slice()), prop::sample::select(KINDS.as_slice()))
}

proptest! {
    #[test]
    fn any_bytes_give_a_report((stated, kind) in any_stated(), bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        run(&bytes, stated, kind);
    }

    #[test]
    fn bytes_behind_a_magic_give_a_report(
        (stated, kind) in any_stated(),
        magic in prop::sample::select(MAGICS),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        run(&[magic, &rest].concat(), stated, kind);
    }

    #[test]
    fn changed_fixtures_give_a_report(
        pick in 0..FIXTURES.len(),
        kind in prop::sample::select(KINDS.as_slice()),
        changes in prop::collection::vec((0_usize..2048, any::<u8>()), 1..8),
    ) {
        let (name, stated) = FIXTURES[pick];
        let mut bytes = fixture(name);
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        run(&bytes, stated, kind);
    }
}
