//! AAC in ADTS, MP3, AMR: is there a frame where one should be?

use std::io;

use crate::reader::Source;
use crate::{Report, sources};

const AMR_FRAMES: &str = "record or convert it again as AMR, 8 kHz, one channel";

/// The beginning of an ADTS frame: sync word, layer 0, a sampling rate that exists.
pub(crate) fn is_adts(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, second, third, ..] if second & 0xf6 == 0xf0 && (third >> 2 & 0x0f) < 13)
}

/// The beginning of an MPEG audio frame: sync word, and no reserved version, layer, bit rate or rate.
pub(crate) fn is_mpeg(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, second, third, ..]
        if second & 0xe0 == 0xe0
            && second >> 3 & 0x03 != 1
            && second >> 1 & 0x03 != 0
            && third >> 4 != 0x0f
            && third >> 2 & 0x03 != 3)
}

pub(crate) fn check_aac(bytes: &mut Source<'_>, report: &mut Report) -> io::Result<()> {
    let fix = "convert it with `ffmpeg -c:a aac -f adts`";
    let at = after_tag(bytes)?;
    let Some(header) = bytes.exact::<7>(at)?.filter(|header| is_adts(header)) else {
        report.refuse(sources::MEDIA, "AAC is a row of ADTS frames", "no frame at the start", fix);
        return Ok(());
    };
    let [_, _, _, high, middle, low, _] = header;
    let length = u64::from(high & 0x03) << 11 | u64::from(middle) << 3 | u64::from(low >> 5);
    let next = at + length;
    let broken = length < 7 || next > bytes.len();
    let follows = next == bytes.len() || bytes.exact::<3>(next)?.is_some_and(|next| is_adts(&next));
    if broken || !follows {
        let seen = format!("a first frame of {length} bytes, and no frame after it");
        report.refuse(sources::MEDIA, "AAC is a row of ADTS frames", seen, fix);
    }
    Ok(())
}

pub(crate) fn check_mp3(bytes: &mut Source<'_>, report: &mut Report) -> io::Result<()> {
    let at = after_tag(bytes)?;
    if !bytes.exact::<4>(at)?.is_some_and(|frame| is_mpeg(&frame)) {
        // Some writers pad after the tag with what the tag does not count, so this proves little.
        report.warn(
            sources::MEDIA,
            "MP3 has a frame at its start, or right after its tag",
            format!("none at byte {at}"),
            "convert it with `ffmpeg -c:a libmp3lame`",
        );
    }
    Ok(())
}

pub(crate) fn check_amr(head: &[u8], report: &mut Report) {
    if let Some(frames) = head.strip_prefix(b"#!AMR\n") {
        // Bits that are always zero, and types 0 to 8 or 15.
        let frame = |first: u8| first & 0x83 == 0 && matches!(first >> 3 & 0x0f, 0..=8 | 15);
        if !frames.first().copied().is_some_and(frame) {
            report.refuse(sources::AMR, "AMR is a row of frames", "no frame at the start", AMR_FRAMES);
        }
    } else {
        let name =
            if head.starts_with(b"#!AMR-WB\n") { "wide-band AMR" } else { "AMR with several channels" };
        report.warn(sources::AMR, "audio/amr is narrow-band AMR with one channel", name, AMR_FRAMES);
    }
}

/// The place after an `ID3v2` tag, or the start.
fn after_tag(bytes: &mut Source<'_>) -> io::Result<u64> {
    let Some([b'I', b'D', b'3', _, _, flags, sizes @ ..]) = bytes.exact::<10>(0)? else {
        return Ok(0);
    };
    let size = sizes.iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Ok(10 + size + footer)
}
