//! MP4 and 3GPP: a walk over the boxes, without their contents.

use std::io;

use crate::expected::Expected;
use crate::reader::{Source, be16, be32};
use crate::{Report, sources};

const FIX: &str = "convert it with `ffmpeg -c:v libx264 -profile:v main -bf 0 -c:a aac -movflags +faststart`";
const FIX_AUDIO: &str = "write it again with `ffmpeg -vn -c:a aac -f ipod`";
const MAX_DEPTH: u8 = 6;
const MAX_TRACKS: usize = 32;
const MAX_ENTRIES: u32 = 4;
const HIGH: u8 = 100;

type Name = [u8; 4];

/// The header of one box; `end` is never behind the end of what holds it.
struct BoxHeader {
    name: Name,
    body: u64,
    end: u64,
    /// It claims to end later than what holds it.
    cut: bool,
}

#[derive(Default)]
struct Track {
    handler: Option<Name>,
    codecs: Vec<Name>,
    /// The profile of H.264.
    profile: Option<u8>,
    /// Frames are shown in another order than they are stored: there are B-frames.
    reordered: bool,
}

#[derive(Default)]
struct Mp4 {
    brand: Option<Name>,
    brands: Vec<u8>,
    moov: Option<u64>,
    mdat: Option<u64>,
    fragmented: bool,
    broken: Option<String>,
    tracks: Vec<Track>,
    pixels: Option<(u32, u32)>,
}

impl Mp4 {
    fn tracks(&self, handler: Name) -> Vec<&Track> {
        self.tracks.iter().filter(|track| track.handler == Some(handler)).collect()
    }
}

pub(crate) fn check(bytes: &mut Source<'_>, expected: &Expected<'_>, report: &mut Report) -> io::Result<()> {
    let mp4 = walk(bytes)?;
    report.pixels = mp4.pixels;
    if let Some(broken) = mp4.broken.as_deref() {
        report.refuse(
            sources::MP4,
            "the boxes fill the file, no less and no more",
            broken,
            "get the file again",
        );
    }
    if mp4.moov.is_some() && mp4.mdat.is_none() && !mp4.fragmented && mp4.broken.is_none() {
        report.refuse(
            sources::MP4,
            "MP4 has an mdat box with data",
            "none in the file",
            "get the file again",
        );
    }
    if mp4.moov.is_none() {
        report.refuse(
            sources::MP4,
            "MP4 has a moov box",
            "none in the file",
            "get the file again, or convert it",
        );
        return Ok(());
    }
    if expected.is_video() {
        check_video(&mp4, expected, report);
    } else if expected.is_audio() {
        check_audio(&mp4, report);
    }
    Ok(())
}

fn check_video(mp4: &Mp4, expected: &Expected<'_>, report: &mut Report) {
    let (video, audio) = (mp4.tracks(*b"vide"), mp4.tracks(*b"soun"));
    let brand = mp4.brand.unwrap_or_default();
    if &brand == b"qt  " {
        report.refuse(expected.source, "a video is MP4 or 3GPP", "brand \"qt  \", so QuickTime", FIX);
    } else if expected.mime.essence() == "video/3gpp"
        && !mp4.brands.chunks(4).any(|brand| brand.starts_with(b"3g"))
    {
        let fix = "state video/mp4, or write it again as 3GPP";
        report.warn(sources::MP4, "a 3GPP video has a 3GPP brand", format!("brand {}", text(brand)), fix);
    }
    if mp4.mdat < mp4.moov && mp4.mdat.is_some() {
        let fix = "write it again with `ffmpeg -c copy -movflags +faststart`";
        report.warn(sources::VIDEO, "moov stands before mdat", "mdat before moov", fix);
    }
    if mp4.fragmented {
        report.warn(sources::VIDEO, "a video is one piece", "a fragmented MP4", FIX);
    }
    if video.is_empty() {
        report.refuse(sources::VIDEO, "a video has an H.264 stream", "no video stream", "send it as audio");
    }
    for track in video {
        if let Some(codecs) = other_codecs(track, &[b"avc1", b"avc3"]) {
            report.refuse(sources::VIDEO, "the video codec is H.264", codecs, FIX);
        } else if track.profile == Some(HIGH) && track.reordered {
            let rule = "H.264 of the High profile has no B-frames; Android does not play them";
            report.warn(sources::VIDEO, rule, "High profile, with B-frames", FIX);
        }
    }
    check_streams(&audio, true, FIX, report);
}

fn check_audio(mp4: &Mp4, report: &mut Report) {
    let audio = mp4.tracks(*b"soun");
    let brand = mp4.brand.unwrap_or_default();
    if !brand.starts_with(b"M4A") && !brand.starts_with(b"M4B") {
        let rule = "MP4 audio has the brand M4A; with others it may be accepted and lost later";
        report.warn(sources::MEDIA, rule, format!("brand {}", text(brand)), FIX_AUDIO);
    }
    if audio.is_empty() {
        report.refuse(sources::MEDIA, "audio has an audio stream", "none in the file", "choose another file");
    }
    if !mp4.tracks(*b"vide").is_empty() {
        report.warn(sources::MEDIA, "audio has no video stream", "a video stream", FIX_AUDIO);
    }
    check_streams(&audio, false, FIX_AUDIO, report);
}

fn check_streams(audio: &[&Track], is_video: bool, fix: &str, report: &mut Report) {
    if audio.len() > 1 {
        let seen = format!("{} audio streams", audio.len());
        report.refuse(sources::VIDEO, "there is at most one audio stream", seen, fix);
    }
    for codecs in audio.iter().filter_map(|track| other_codecs(track, &[b"mp4a"])) {
        if is_video {
            report.refuse(sources::VIDEO, "the audio codec is AAC", codecs, fix);
        } else {
            report.warn(sources::MEDIA, "the audio codec is AAC", codecs, fix);
        }
    }
}

/// The codecs of a track that are not among these; a track without any counts too.
fn other_codecs(track: &Track, known: &[&Name]) -> Option<String> {
    if track.codecs.is_empty() {
        return Some("no codec".to_owned());
    }
    track.codecs.iter().find(|codec| !known.contains(codec)).map(|codec| format!("codec {}", text(*codec)))
}

fn walk(bytes: &mut Source<'_>) -> io::Result<Mp4> {
    let (mut mp4, mut at, len) = (Mp4::default(), 0, bytes.len());
    while at < len {
        let Some(found) = header(bytes, at, len)? else {
            mp4.broken = Some(format!("a broken box at byte {at}"));
            break;
        };
        match &found.name {
            b"ftyp" => {
                mp4.brands = bytes.head::<64>(found.body)?;
                mp4.brands.truncate(usize::try_from(found.end - found.body).unwrap_or(usize::MAX));
                mp4.brand = mp4.brand.or_else(|| mp4.brands.first_chunk().copied());
            }
            b"moov" if mp4.moov.is_none() => {
                mp4.moov = Some(at);
                visit(bytes, found.body, found.end, 0, &mut mp4)?;
            }
            b"mdat" if found.body < found.end => mp4.mdat = mp4.mdat.or(Some(at)),
            b"moof" => mp4.fragmented = true,
            _ => {}
        }
        if found.cut {
            mp4.broken = Some(format!("{} ends behind the end of the file", text(found.name)));
            break;
        }
        at = found.end;
        if mp4.moov.is_some() && (mp4.mdat.is_some() || mp4.fragmented) {
            break;
        }
    }
    Ok(mp4)
}

fn visit(bytes: &mut Source<'_>, start: u64, end: u64, depth: u8, mp4: &mut Mp4) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let Some(found) = header(bytes, at, end)? else { break };
        match &found.name {
            b"trak" if mp4.tracks.len() >= MAX_TRACKS => {}
            b"trak" | b"mdia" | b"minf" | b"stbl" if depth < MAX_DEPTH => {
                if &found.name == b"trak" {
                    mp4.tracks.push(Track::default());
                }
                visit(bytes, found.body, found.end, depth + 1, mp4)?;
            }
            b"hdlr" => {
                let handler = bytes.exact::<4>(found.body + 8)?;
                if let Some(track) = mp4.tracks.last_mut() {
                    track.handler = track.handler.or(handler);
                }
            }
            b"stsd" => describe(bytes, &found, mp4)?,
            b"ctts" => {
                let table = bytes.exact::<8>(found.body)?.unwrap_or_default();
                if let Some(track) = mp4.tracks.last_mut() {
                    track.reordered = be32(&table, 4) > 0;
                }
            }
            _ => {}
        }
        at = found.end;
    }
    Ok(())
}

/// Reads the sample descriptions: codec, pixels, and the profile of H.264.
fn describe(bytes: &mut Source<'_>, stsd: &BoxHeader, mp4: &mut Mp4) -> io::Result<()> {
    let count = bytes.exact::<8>(stsd.body)?.map_or(0, |start| be32(&start, 4));
    let mut at = stsd.body + 8;
    for _ in 0..count.min(MAX_ENTRIES) {
        let Some(entry) = header(bytes, at, stsd.end)? else { break };
        let Some(track) = mp4.tracks.last_mut() else { break };
        track.codecs.push(entry.name);
        if track.handler.as_ref() == Some(b"vide") {
            if let Some(sides) = bytes.exact::<4>(entry.body + 24)? {
                let pixels = (u32::from(be16(&sides, 0)), u32::from(be16(&sides, 2)));
                mp4.pixels = mp4.pixels.or(Some(pixels));
            }
            // The fields of every video entry take 78 bytes; boxes follow, avcC usually first.
            let mut inner = entry.body + 78;
            while let Some(found) = header(bytes, inner, entry.end)? {
                if &found.name == b"avcC" {
                    track.profile = bytes.exact::<2>(found.body)?.map(|[_, profile]| profile);
                    break;
                }
                inner = found.end;
            }
        }
        at = entry.end;
    }
    Ok(())
}

/// Reads one header: 32-bit sizes, 64-bit sizes, and 0 for "to the end".
fn header(bytes: &mut Source<'_>, at: u64, limit: u64) -> io::Result<Option<BoxHeader>> {
    if limit.saturating_sub(at) < 8 {
        return Ok(None);
    }
    let Some(start) = bytes.exact::<8>(at)? else { return Ok(None) };
    let [.., a, b, c, d] = start;
    let (length, size) = match be32(&start, 0) {
        0 => (8, limit - at),
        1 => match bytes.exact::<8>(at + 8)? {
            Some(large) => (16, u64::from_be_bytes(large)),
            None => return Ok(None),
        },
        small => (8, u64::from(small)),
    };
    let body = at + length;
    if size < length || body > limit {
        return Ok(None);
    }
    let end = at.saturating_add(size);
    Ok(Some(BoxHeader { name: [a, b, c, d], body, end: end.min(limit), cut: end > limit }))
}

fn text(name: Name) -> String {
    format!("\"{}\"", name.escape_ascii())
}
