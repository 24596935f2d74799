//! Each rule, with a file that keeps it and a file that breaks it.

mod build;

use build::{
    ALL, FIXTURES, ROW, atom, clean, fixture, ftyp, jpeg, mime, mp4, ogg_page, opus_head, png, refused, run,
    run_sized, sound, video, vp8x, warned, webp,
};
use wamedia_core::{Capabilities, KindLimit, MediaKind};
use wamedia_preflight::usual_kind;

#[test]
fn real_files_fit_as_their_usual_kind() {
    for (name, stated) in FIXTURES {
        let report = run(&fixture(name), stated, usual_kind(&mime(stated)));
        assert_eq!(report.findings, [], "{name}");
    }
    clean(&run(&fixture("voice.ogg"), "audio/ogg", MediaKind::Voice));
}

#[test]
fn pixels_are_reported() {
    let pixels = |name, stated| run(&fixture(name), stated, MediaKind::Other).pixels;
    assert_eq!(pixels("photo.jpg", "image/jpeg"), Some((640, 426)));
    assert_eq!(pixels("preview.jpg", "image/jpeg"), Some((66, 44)));
    assert_eq!(pixels("sticker.webp", "image/webp"), Some((512, 512)));
    assert!(pixels("clip.mp4", "video/mp4").is_some());
    assert_eq!(run(&png(8, 2), "image/png", MediaKind::Image).pixels, Some((64, 48)));
    assert_eq!(pixels("note.txt", "text/plain"), None);
}

#[test]
fn empty_content_is_refused() {
    refused(&run(b"", "text/plain", MediaKind::Document), "not empty", "0 bytes");
    refused(&run_sized(b"x", 0, "text/plain", MediaKind::Document, &ALL), "not empty", "0 bytes");
    refused(&run_sized(b"", 5, "text/plain", MediaKind::Document, &ALL), "not empty", "0 bytes");
}

#[test]
fn limits_are_those_of_the_row() {
    let report = run_sized(&png(8, 2), 6 << 20, "image/png", MediaKind::Image, &ALL);
    refused(&report, "at most 5242880 bytes", "6291456");
    clean(&run_sized(&png(8, 2), 5 << 20, "image/png", MediaKind::Image, &ALL));
    let report = run_sized(&png(8, 2), (5 << 20) + 1, "image/png", MediaKind::Image, &ALL);
    refused(&report, "at most 5242880 bytes", "5242881");
    assert_eq!(report.findings[0].source, ROW);
    refused(&run(b"GIF89a", "image/gif", MediaKind::Image), "one of the types image/jpeg", "image/gif");
    clean(&run_sized(&png(8, 2), 6 << 20, "image/png", MediaKind::Image, &Capabilities::NONE));
    // Voice has the row of audio.
    let voice = run_sized(&fixture("voice.ogg"), 17 << 20, "audio/ogg", MediaKind::Voice, &ALL);
    assert_eq!(voice.findings[0].rule, "voice has at most 16777216 bytes");
}

#[test]
fn a_false_size_does_not_hide_a_long_file() {
    const TINY: &[KindLimit] = &[KindLimit::new(MediaKind::Document, &[], 4, ROW)];
    let report =
        run_sized(b"hello", 1, "text/plain", MediaKind::Document, &Capabilities::NONE.with_limits(TINY));
    refused(&report, "at most 4 bytes", "5 bytes");
}

#[test]
fn bytes_are_of_the_stated_type() {
    let page = b"<!DOCTYPE html><html><body>404</body></html>";
    refused(&run(page, "image/jpeg", MediaKind::Image), "stated type", "text/html found");
    refused(&run(page, "application/pdf", MediaKind::Document), "stated type", "text/html found");
    refused(&run(&png(8, 2), "image/jpeg", MediaKind::Image), "stated type", "image/png found");
    refused(&run(&fixture("photo.jpg"), "video/mp4", MediaKind::Video), "stated type", "image/jpeg found");
    refused(
        &run(&fixture("report.pdf"), "text/plain", MediaKind::Document),
        "stated type",
        "application/pdf",
    );
    refused(
        &run(&fixture("table.xlsx"), "application/msword", MediaKind::Document),
        "stated type",
        "spreadsheet",
    );
    refused(&run(&ftyp(b"heic"), "video/mp4", MediaKind::Video), "stated type", "image/heif");
    refused(&run(b"\0\x01\x02", "text/plain", MediaKind::Document), "stated type", "no known type");
    refused(
        &run_sized(&png(8, 2), 33, "image/gif", MediaKind::Document, &Capabilities::NONE),
        "stated type",
        "image/png",
    );
}

#[test]
fn texts_that_look_like_something_else_are_texts() {
    for text in
        ["MZ is a county", "BC, before", "ID3 tags", "<html> as text", "a,b\n1,2", "\u{feff}mark", "BM"]
    {
        clean(&run(text.as_bytes(), "text/plain", MediaKind::Document));
    }
    clean(&run(b"\xff\xfeh\0i\0", "text/plain", MediaKind::Document));
}

#[test]
fn programs_are_refused() {
    let elf = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 60]].concat();
    let pe = [b"MZ".as_slice(), &[0; 58], &[64, 0, 0, 0], b"PE\0\0"].concat();
    for (program, name) in [(elf, "ELF"), (pe, "Windows"), (b"\xcf\xfa\xed\xfe\0\0\0\0".to_vec(), "Mach-O")] {
        refused(&run(&program, "application/pdf", MediaKind::Document), "no program", name);
        refused(&run(&program, "text/plain", MediaKind::Document), "no program", name);
    }
}

#[test]
fn ogg_is_opus_with_one_channel() {
    let audio = |bytes: &[u8]| run(bytes, "audio/ogg", MediaKind::Audio);
    clean(&audio(&ogg_page(2, 1, &opus_head(1))));
    refused(&audio(&ogg_page(2, 1, &opus_head(2))), "one channel", "2 channels");
    refused(&run(&ogg_page(2, 1, &opus_head(2)), "audio/ogg", MediaKind::Voice), "one channel", "2 channels");
    refused(&audio(&ogg_page(2, 1, &opus_head(0))), "names its channels", "0 channels");
    refused(&audio(&ogg_page(2, 1, b"\x01vorbis\0\0\0\0\x02")), "Opus", "Vorbis");
    refused(&audio(&ogg_page(2, 1, b"Speex   1.2")), "Opus", "Speex");
    refused(&audio(&ogg_page(2, 1, b"OpusHead\x01\x01")), "whole", "cut short");
    refused(&audio(&ogg_page(0, 1, &opus_head(1))), "first page", "broken");
    let two = [ogg_page(2, 1, &opus_head(1)), ogg_page(2, 2, b"\x80theora")].concat();
    refused(&audio(&two), "nothing else", "Theora");
}

#[test]
fn a_voice_note_is_ogg() {
    refused(
        &run(b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\0", "audio/mpeg", MediaKind::Voice),
        "silently",
        "audio/mpeg",
    );
    let voice = fixture("voice.ogg");
    warned(&run_sized(&voice, 513 << 10, "audio/ogg", MediaKind::Voice, &ALL), "play icon", "525312");
    clean(&run_sized(&voice, 513 << 10, "audio/ogg", MediaKind::Audio, &ALL));
}

#[test]
fn jpeg_has_eight_bits_and_three_components() {
    let image = |bytes: &[u8]| run(bytes, "image/jpeg", MediaKind::Image);
    for frame in [0xc0, 0xc1, 0xc2] {
        clean(&image(&jpeg(frame, 8, 3)));
    }
    clean(&image(&jpeg(0xc0, 8, 1)));
    assert_eq!(image(&jpeg(0xc2, 8, 3)).pixels, Some((64, 48)));
    refused(&image(&jpeg(0xc0, 8, 4)), "RGB", "CMYK");
    refused(&image(&jpeg(0xc0, 8, 2)), "RGB", "2 components");
    refused(&image(&jpeg(0xc1, 12, 3)), "8 bits", "12 bits");
    refused(&image(&jpeg(0xc3, 8, 3)), "baseline or progressive", "type 3");
    refused(&image(b"\xff\xd8\xff\xda\0\x08"), "frame header", "none");
    refused(&image(&[b"\xff\xd8".to_vec(), b"\xff".repeat(20_000)].concat()), "frame header", "none");
    // As a document it is a file like any other.
    clean(&run_sized(&jpeg(0xc0, 8, 4), 99, "image/jpeg", MediaKind::Document, &Capabilities::NONE));
}

#[test]
fn png_has_eight_bits_and_colour() {
    let image = |bytes: &[u8]| run(bytes, "image/png", MediaKind::Image);
    clean(&image(&png(8, 2)));
    clean(&image(&png(8, 6)));
    refused(&image(&png(16, 2)), "8 bits", "16 bits, RGB");
    refused(&image(&png(16, 6)), "8 bits", "16 bits, RGBA");
    warned(&image(&png(8, 3)), "RGB or RGBA", "palette");
    warned(&image(&png(1, 0)), "RGB or RGBA", "1 bits, grey");
    refused(&image(&png(3, 2)), "fit together", "3 bits");
    refused(&image(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "header chunk", "none");
}

#[test]
fn webp_is_for_stickers() {
    refused(&run(&fixture("sticker.webp"), "image/webp", MediaKind::Image), "JPEG or PNG", "image/webp");
    refused(&run(&png(8, 6), "image/png", MediaKind::Sticker), "a sticker is WebP", "image/png");
}

#[test]
fn stickers_have_their_size_and_weight() {
    const SMALL: &[KindLimit] = &[KindLimit::new(MediaKind::Sticker, &[], 100 << 10, ROW)];
    let sized = |bytes: &[u8], size| run_sized(bytes, size, "image/webp", MediaKind::Sticker, &ALL);
    let (still, moving) = (vp8x(512, 512, false), vp8x(512, 512, true));
    clean(&sized(&still, 100 << 10));
    refused(&sized(&still, (100 << 10) + 1), "a static sticker has at most 102400", "102401");
    clean(&sized(&moving, 500 << 10));
    refused(&sized(&moving, (500 << 10) + 1), "at most 512000", "512001");
    refused(&sized(&vp8x(512, 511, false), 100), "512 x 512", "512 x 511");
    // Without a row the own limits stand; a smaller row wins and speaks alone.
    let none = run_sized(&moving, 501 << 10, "image/webp", MediaKind::Sticker, &Capabilities::NONE);
    refused(&none, "an animated sticker has at most 512000", "513024");
    let small = Capabilities::NONE.with_limits(SMALL);
    refused(
        &run_sized(&moving, 200 << 10, "image/webp", MediaKind::Sticker, &small),
        "at most 102400",
        "204800",
    );
    refused(
        &run_sized(&still, 200 << 10, "image/webp", MediaKind::Sticker, &small),
        "at most 102400",
        "204800",
    );
}

#[test]
fn webp_headers_of_all_three_kinds_are_read() {
    let pixels = |bytes: &[u8]| run(bytes, "image/webp", MediaKind::Sticker);
    let lossless = webp(b"VP8L", &[0x2f, 0xff, 0xc1, 0x7f, 0]);
    clean(&pixels(&lossless));
    assert_eq!(pixels(&lossless).pixels, Some((512, 512)));
    let lossy = webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\0\x02\0\x02");
    clean(&pixels(&lossy));
    refused(&pixels(&webp(b"VP8 ", b"\x11\0\0\x9d\x01\x2a\0\x02\0\x02")), "begins with", "none");
    refused(&pixels(&webp(b"EXIF", &[0; 20])), "begins with", "none");
    let whole = fixture("sticker.webp");
    refused(&pixels(&whole[..whole.len() - 1]), "whole", "6519 of 6520");
}

#[test]
fn videos_are_h264_and_aac() {
    let run = |bytes: &[u8]| run(bytes, "video/mp4", MediaKind::Video);
    let good = mp4(b"isom", &[video(b"avc1", 77, true), sound(b"mp4a")]);
    clean(&run(&good));
    assert_eq!(run(&good).pixels, Some((640, 360)));
    clean(&run(&mp4(b"mp42", &[video(b"avc3", 66, false)])));
    clean(&run(&mp4(b"mp42", &[video(b"avc1", 100, false)])));
    for codec in [b"hev1", b"hvc1", b"av01", b"vp09", b"encv", b"mp4v"] {
        let seen = String::from_utf8_lossy(codec);
        refused(&run(&mp4(b"mp42", &[video(codec, 0, false), sound(b"mp4a")])), "H.264", &seen);
    }
    warned(&run(&mp4(b"isom", &[video(b"avc1", 100, true)])), "B-frames", "High");
    refused(&run(&mp4(b"isom", &[video(b"avc1", 66, false), sound(b"samr")])), "AAC", "samr");
    let two = mp4(b"isom", &[video(b"avc1", 66, false), sound(b"mp4a"), sound(b"mp4a")]);
    refused(&run(&two), "at most one audio stream", "2 audio streams");
    refused(&run(&mp4(b"isom", &[sound(b"mp4a")])), "an H.264 stream", "no video");
}

#[test]
fn boxes_stand_in_order() {
    let run = |bytes: &[u8]| run(bytes, "video/mp4", MediaKind::Video);
    let moov = atom(b"moov", &video(b"avc1", 66, false));
    let mdat = atom(b"mdat", &[0; 16]);
    warned(
        &run(&[ftyp(b"isom"), mdat.clone(), moov.clone()].concat()),
        "moov stands before mdat",
        "mdat before",
    );
    refused(&run(&[ftyp(b"isom"), mdat.clone()].concat()), "moov box", "none");
    refused(&run(&[ftyp(b"isom"), moov.clone()].concat()), "mdat box", "none");
    let large = [b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14".as_slice(), &[0; 4]].concat();
    warned(&run(&[ftyp(b"isom"), large, moov.clone()].concat()), "moov stands", "mdat");
    // Size 0: to the end.
    clean(&run(&[ftyp(b"isom"), moov.clone(), b"\0\0\0\0mdat1234".to_vec()].concat()));
    refused(
        &run(&[ftyp(b"isom"), moov.clone(), b"\0\0\0\xffmdat1234".to_vec()].concat()),
        "fill the file",
        "mdat",
    );
    let huge = b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    refused(&run(&[ftyp(b"isom"), moov.clone(), huge].concat()), "fill the file", "behind the end");
    refused(
        &run(&[ftyp(b"isom"), moov.clone(), b"\0\0\0\x07mdat".to_vec()].concat()),
        "fill the file",
        "byte",
    );
    let pieces = [ftyp(b"iso5"), moov, atom(b"moof", &[]), mdat].concat();
    warned(&run(&pieces), "one piece", "fragmented");
}

#[test]
fn quicktime_is_no_mp4() {
    let mp4 = mp4(b"qt  ", &[video(b"avc1", 66, false)]);
    refused(&run(&mp4, "video/mp4", MediaKind::Video), "MP4 or 3GPP", "QuickTime");
    let stated = run(&mp4, "video/quicktime", MediaKind::Video);
    refused(&stated, "MP4 or 3GPP", "video/quicktime");
    refused(&run(&mp4, "video/quicktime", MediaKind::Gif), "MP4 or 3GPP", "video/quicktime");
}

#[test]
fn brands_fit() {
    let tracks = [video(b"avc1", 66, false)];
    clean(&run(&mp4(b"3gp5", &tracks), "video/3gpp", MediaKind::Video));
    warned(&run(&mp4(b"isom", &tracks), "video/3gpp", MediaKind::Video), "3GPP brand", "isom");
    let audio = |bytes: &[u8]| run(bytes, "audio/mp4", MediaKind::Audio);
    clean(&audio(&mp4(b"M4A ", &[sound(b"mp4a")])));
    warned(&audio(&mp4(b"isom", &[sound(b"mp4a")])), "brand M4A", "isom");
    warned(&audio(&mp4(b"M4A ", &[sound(b"alac")])), "AAC", "alac");
    warned(&audio(&mp4(b"M4A ", &[sound(b"mp4a"), video(b"avc1", 66, false)])), "no video", "a video");
    refused(&audio(&mp4(b"M4A ", &[])), "an audio stream", "none");
}

#[test]
fn plain_audio_begins_with_frames() {
    let audio = |bytes: &[u8], stated| run(bytes, stated, MediaKind::Audio);
    let adts = b"\xff\xf1\x50\x40\x01\x00\xfc\x00";
    clean(&audio(&[adts.as_slice(), adts].concat(), "audio/aac"));
    clean(&audio(&[b"ID3\x04\0\0\0\0\0\x02ab".as_slice(), adts].concat(), "audio/aac"));
    refused(&audio(&[adts.as_slice(), b"no frame"].concat(), "audio/aac"), "ADTS", "8 bytes");
    refused(&audio(b"ID3\x04\0\0\0\0\0\0none", "audio/aac"), "ADTS", "no frame");
    refused(&audio(b"\xff\xfb\x90\0", "audio/aac"), "stated type", "audio/mpeg");
    clean(&audio(b"\xff\xfb\x90\0", "audio/mpeg"));
    clean(&audio(b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\0", "audio/mpeg"));
    warned(&audio(b"ID3\x04\0\0\0\0\0\0none", "audio/mpeg"), "right after its tag", "byte 10");
    refused(&audio(adts, "audio/mpeg"), "stated type", "audio/aac");
    clean(&audio(b"#!AMR\n\x3c1234567", "audio/amr"));
    refused(&audio(b"#!AMR\n\xff", "audio/amr"), "row of frames", "no frame");
    warned(&audio(b"#!AMR-WB\n\x04", "audio/amr"), "narrow-band", "wide-band");
    let wav = b"RIFF\x24\0\0\0WAVEfmt ";
    refused(&audio(wav, "audio/wav"), "audio is AAC", "audio/wav");
    refused(&audio(b"\x1a\x45\xdf\xa3", "audio/webm"), "audio is AAC", "audio/webm");
}

#[test]
fn documents_have_their_headers() {
    let document = |bytes: &[u8], stated| run(bytes, stated, MediaKind::Document);
    warned(&document(b"\n%PDF-1.7\n", "application/pdf"), "begins with its header", "in front");
    refused(&document(b"%!PS", "application/pdf"), "stated type", "");
    let sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    refused(&document(b"PK\x05\x06", sheet), "stated type", "");
    clean(&document(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"));
}
