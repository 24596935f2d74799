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
    _kind: MediaKind,
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
    Ok(())
}
