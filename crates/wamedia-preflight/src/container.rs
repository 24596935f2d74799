//! What is really inside.

use std::io::{self, Read, Seek, SeekFrom};

use wamedia_core::{MediaKind, Mime};

use crate::Report;

/// Where the rules about containers and codecs are written.
pub(crate) const SOURCE: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media";

pub(crate) fn check<R: Read + Seek>(
    content: &mut R,
    mime: &Mime,
    kind: MediaKind,
    report: &mut Report,
) -> io::Result<()> {
    content.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    content.by_ref().take(4096).read_to_end(&mut head)?;
    if let Some(found) = infer::get(&head)
        && let Ok(found) = Mime::parse(found.mime_type())
        && found.kind() != mime.kind()
        && mime.kind() != "application"
        && found.kind() != "application"
    {
        report.refuse(
            SOURCE,
            "the bytes are of the stated type",
            found.to_string(),
            "state the type of the bytes, or convert them",
        );
    }
    match (ogg_codec(&head), kind) {
        (Some(Ogg::Opus { channels: 1 }), _) => {}
        (Some(Ogg::Opus { channels }), MediaKind::Voice | MediaKind::Audio) => report.refuse(
            SOURCE,
            "sound in an OGG file has one channel",
            format!("Opus with {channels} channels"),
            "encode it with one channel",
        ),
        (Some(Ogg::Other), MediaKind::Voice | MediaKind::Audio) => report.refuse(
            SOURCE,
            "sound in an OGG file is Opus",
            "another codec in an OGG file".to_owned(),
            "encode it as Opus with one channel",
        ),
        (None, MediaKind::Voice) => report.refuse(
            SOURCE,
            "a voice note is an OGG file with Opus",
            mime.essence().to_owned(),
            "encode it as Opus in an OGG file, or send it as audio",
        ),
        _ => {}
    }
    Ok(())
}

/// What the first page of an OGG file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ogg {
    Opus { channels: u8 },
    Other,
}

/// Reads the first page; `None` for what is no OGG file.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc7845#section-5.1>
fn ogg_codec(head: &[u8]) -> Option<Ogg> {
    let rest = head.strip_prefix(b"OggS")?;
    // Behind the mark: 22 bytes, the number of segments, and a length for each.
    let segments = usize::from(*rest.get(22)?);
    let packet = rest.get(23 + segments..)?;
    Some(match packet.strip_prefix(b"OpusHead") {
        // Version, then the number of channels.
        Some(opus) => opus.get(1).map_or(Ogg::Other, |channels| Ogg::Opus { channels: *channels }),
        None => Ogg::Other,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use wamedia_core::Capabilities;

    use super::*;

    fn ogg(packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS".to_vec();
        page.extend([0; 22]);
        page.extend([1, 19]);
        page.extend(packet);
        page
    }

    fn fits(bytes: &[u8], mime: &str, kind: MediaKind) -> bool {
        let mime = Mime::parse(mime).unwrap();
        let size = bytes.len() as u64;
        crate::check(&mut Cursor::new(bytes), size, &mime, kind, &Capabilities::NONE).unwrap().fits()
    }

    #[test]
    fn a_voice_note_is_opus_with_one_channel() {
        let opus = |channels: u8| ogg(&[b"OpusHead\x01".as_slice(), &[channels]].concat());
        assert!(fits(&opus(1), "audio/ogg", MediaKind::Voice));
        assert!(!fits(&opus(2), "audio/ogg", MediaKind::Voice));
        assert!(!fits(&ogg(b"\x01vorbis"), "audio/ogg", MediaKind::Audio));
        assert!(!fits(b"ID3\x04\0\0\0\0\0\0", "audio/mpeg", MediaKind::Voice));
        assert!(fits(b"ID3\x04\0\0\0\0\0\0", "audio/mpeg", MediaKind::Audio));
    }

    #[test]
    fn an_empty_file_and_another_family_are_refused() {
        assert!(!fits(b"", "image/jpeg", MediaKind::Image));
        assert!(!fits(b"<html><body>", "image/jpeg", MediaKind::Image));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes: Vec<u8>, marked: bool) {
            if marked {
                bytes.splice(..0, *b"OggS");
            }
            for kind in [MediaKind::Voice, MediaKind::Image, MediaKind::Document] {
                fits(&bytes, "audio/ogg", kind);
            }
        }
    }
}
