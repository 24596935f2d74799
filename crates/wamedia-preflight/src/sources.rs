//! Where the rules are written.

/// Meta's table of types, sizes and codecs.
pub(crate) const MEDIA: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media";

/// H.264 and AAC, one audio stream, the order of boxes, High profile on Android.
pub(crate) const VIDEO: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/video-messages";

/// Voice notes are OGG with Opus.
pub(crate) const VOICE: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/audio-messages";

/// Sizes of static and animated stickers.
pub(crate) const STICKER: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/sticker-messages";

/// 512 x 512 pixels.
pub(crate) const STICKER_PIXELS: &str = "https://github.com/WhatsApp/stickers/blob/main/Android/README.md";

/// Opus in OGG.
pub(crate) const OPUS: &str = "https://www.rfc-editor.org/rfc/rfc7845";

/// JPEG segments and frames.
pub(crate) const JPEG: &str = "https://www.w3.org/Graphics/JPEG/itu-t81.pdf";

/// PNG chunks.
pub(crate) const PNG: &str = "https://www.w3.org/TR/png-3/";

/// WebP chunks.
pub(crate) const WEBP: &str = "https://www.rfc-editor.org/rfc/rfc9649";

/// Boxes of MP4 and its relatives.
pub(crate) const MP4: &str = "https://mp4ra.org/registered-types/boxes";

/// PDF headers.
pub(crate) const PDF: &str = "https://www.iso.org/standard/75839.html";

/// AMR storage format.
pub(crate) const AMR: &str = "https://www.rfc-editor.org/rfc/rfc4867";
