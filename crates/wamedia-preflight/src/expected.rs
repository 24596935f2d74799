use wamedia_core::{MediaKind, Mime};

/// What the caller says about the content.
pub(crate) struct Expected<'a> {
    pub(crate) mime: &'a Mime,
    pub(crate) kind: MediaKind,
    pub(crate) size_bytes: u64,
    /// Where the provider's limits are written.
    pub(crate) source: &'static str,
}

impl Expected<'_> {
    pub(crate) fn is_video(&self) -> bool {
        matches!(self.kind, MediaKind::Video | MediaKind::Gif | MediaKind::VideoNote)
    }

    pub(crate) fn is_audio(&self) -> bool {
        matches!(self.kind, MediaKind::Audio | MediaKind::Voice)
    }
}
