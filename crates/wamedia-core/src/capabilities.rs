use std::time::Duration;

use crate::{Error, ErrorKind, MediaKind, Phase, Result, UploadContent};

/// Where a digest of the content comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestSource {
    /// The vendor gives none.
    #[default]
    None,
    /// Only the webhook has it.
    Webhook,
    /// The reply to `resolve` has it, and the webhook has it as well.
    ResolveAndWebhook,
}

/// What an upload gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadResult {
    /// No upload.
    #[default]
    None,
    /// A media id.
    Id,
    /// A public link.
    Link,
}

/// What the vendor accepts for one kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindLimit {
    /// The kind.
    pub kind: MediaKind,
    /// Essences that are accepted, in lower case.
    pub mimes: &'static [&'static str],
    /// The largest size, in bytes.
    pub max_bytes: u64,
    /// Where the vendor says so.
    pub source: &'static str,
}

impl KindLimit {
    /// One row of a vendor's table.
    pub const fn new(
        kind: MediaKind,
        mimes: &'static [&'static str],
        max_bytes: u64,
        source: &'static str,
    ) -> Self {
        Self { kind, mimes, max_bytes, source }
    }
}

/// What works now, with this configuration. Limits and lifetimes are data.
///
/// An operation that is not declared answers [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)
/// and sends nothing; a declared one works. The conformance suite checks both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// `resolve` gives a descriptor.
    pub resolve: bool,
    /// `resolve` asks the vendor; otherwise it works from the reference alone.
    pub resolve_remote: bool,
    /// `open` gives bytes.
    pub open: bool,
    /// `open` can start at an offset.
    pub open_range: bool,
    /// Links die, and resolving again gives a new one.
    pub expiring_links: bool,
    /// Where the digest comes from.
    pub digest: DigestSource,
    /// Requests are signed, each attempt anew.
    pub signed_requests: bool,
    /// `upload` works.
    pub upload: bool,
    /// What `upload` gives back.
    pub upload_result: UploadResult,
    /// `delete` works.
    pub delete: bool,
    /// `list` works.
    pub list: bool,
    /// How long a link lives after `resolve`.
    pub link_lifetime: Option<Duration>,
    /// How long an uploaded object lives.
    pub upload_lifetime: Option<Duration>,
    /// What the vendor accepts, kind by kind; empty where it says nothing.
    pub limits: &'static [KindLimit],
}

impl Capabilities {
    /// Nothing works.
    pub const NONE: Self = Self {
        resolve: false,
        resolve_remote: false,
        open: false,
        open_range: false,
        expiring_links: false,
        digest: DigestSource::None,
        signed_requests: false,
        upload: false,
        upload_result: UploadResult::None,
        delete: false,
        list: false,
        link_lifetime: None,
        upload_lifetime: None,
        limits: &[],
    };

    /// `resolve` asks the vendor.
    #[must_use]
    pub const fn with_resolve(mut self) -> Self {
        self.resolve = true;
        self.resolve_remote = true;
        self
    }

    /// `resolve` works from the reference alone, without a request.
    #[must_use]
    pub const fn with_local_resolve(mut self) -> Self {
        self.resolve = true;
        self
    }

    /// `open` gives bytes.
    #[must_use]
    pub const fn with_open(mut self) -> Self {
        self.open = true;
        self
    }

    /// `open` gives bytes from any offset.
    #[must_use]
    pub const fn with_open_range(mut self) -> Self {
        self.open = true;
        self.open_range = true;
        self
    }

    /// Links die after about this long, where known, and `resolve` renews them.
    #[must_use]
    pub const fn with_expiring_links(mut self, lifetime: Option<Duration>) -> Self {
        self.expiring_links = true;
        self.link_lifetime = lifetime;
        self
    }

    /// Where digests come from.
    #[must_use]
    pub const fn with_digest(mut self, digest: DigestSource) -> Self {
        self.digest = digest;
        self
    }

    /// Requests are signed.
    #[must_use]
    pub const fn with_signed_requests(mut self) -> Self {
        self.signed_requests = true;
        self
    }

    /// `upload` works and gives this.
    #[must_use]
    pub const fn with_upload(mut self, result: UploadResult, lifetime: Option<Duration>) -> Self {
        self.upload = true;
        self.upload_result = result;
        self.upload_lifetime = lifetime;
        self
    }

    /// `delete` works.
    #[must_use]
    pub const fn with_delete(mut self) -> Self {
        self.delete = true;
        self
    }

    /// `list` works.
    #[must_use]
    pub const fn with_list(mut self) -> Self {
        self.list = true;
        self
    }

    /// What the vendor accepts.
    #[must_use]
    pub const fn with_limits(mut self, limits: &'static [KindLimit]) -> Self {
        self.limits = limits;
        self
    }

    /// The row of the vendor's table that a kind falls under: tables have fewer kinds than messages, so
    /// voice notes are audio, and loops and video notes are video.
    pub fn limit(&self, kind: MediaKind) -> Option<&'static KindLimit> {
        let kind = match kind {
            MediaKind::Voice => MediaKind::Audio,
            MediaKind::Gif | MediaKind::VideoNote => MediaKind::Video,
            other => other,
        };
        self.limits.iter().find(|limit| limit.kind == kind)
    }

    /// Checks an upload before anything is sent: by itself, and against the vendor's table where there
    /// is one.
    ///
    /// # Errors
    ///
    /// As [`UploadContent::check`]; [`ErrorKind::InvalidRequest`] for a type that is not in the table;
    /// [`ErrorKind::TooLarge`].
    pub fn check_upload(&self, content: &UploadContent) -> Result<()> {
        let essence = content.mime.essence();
        let accepts = |limit: &&KindLimit| limit.mimes.contains(&essence);
        let limit = match content.kind {
            Some(kind) => self.limit(kind).filter(accepts),
            None => self.limits.iter().find(accepts),
        };
        let (kind, why) = match (limit, content.size_bytes) {
            (None, _) if !self.limits.is_empty() => {
                (ErrorKind::InvalidRequest, format!("the vendor takes no {essence} for that"))
            }
            (Some(limit), Some(size)) if size > limit.max_bytes => (
                ErrorKind::TooLarge,
                format!("{size} bytes, and {} has at most {}", limit.kind.name(), limit.max_bytes),
            ),
            // Last, since the digest of a large content takes a while.
            _ => return content.check(),
        };
        let error = Error::new(kind, why).with_operation("upload").with_phase(Phase::Prepare);
        Err(match kind {
            ErrorKind::TooLarge => {
                error.with_hint("make it smaller, or upload it as a kind that may be larger (--as)")
            }
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mime, Sha256};

    const TABLE: Capabilities = Capabilities::NONE.with_limits(&[
        KindLimit::new(MediaKind::Audio, &["audio/ogg"], 5, "test"),
        KindLimit::new(MediaKind::Document, &["text/plain"], 10, "test"),
    ]);

    fn checked(can: Capabilities, mime: &str, kind: Option<MediaKind>, wrong: bool) -> Option<ErrorKind> {
        let content = UploadContent::from_bytes(&b"12345678"[..], Mime::parse(mime).unwrap(), "x");
        let digest = Sha256::of(if wrong { b"other" } else { b"12345678" });
        can.check_upload(&content.with_kind(kind).with_sha256(digest)).err().map(|error| error.kind())
    }

    #[test]
    fn the_table_is_asked_before_the_content_is_hashed() {
        let ogg = |kind, wrong| checked(TABLE, "audio/ogg", kind, wrong);
        assert_eq!(ogg(None, true), Some(ErrorKind::TooLarge));
        assert_eq!(ogg(Some(MediaKind::Voice), true), Some(ErrorKind::TooLarge));
        assert_eq!(ogg(Some(MediaKind::Document), true), Some(ErrorKind::InvalidRequest));
        assert_eq!(checked(TABLE, "text/plain", None, true), Some(ErrorKind::Integrity));
        assert_eq!(checked(TABLE, "text/plain", None, false), None);
        assert_eq!(checked(Capabilities::NONE, "audio/ogg", None, true), Some(ErrorKind::Integrity));
        assert_eq!(checked(Capabilities::NONE, "audio/ogg", None, false), None);
    }

    #[test]
    fn what_is_too_large_to_upload_gets_no_advice_for_downloads() {
        let content = UploadContent::from_bytes(&b"12345678"[..], Mime::parse("audio/ogg").unwrap(), "x");
        let error = TABLE.check_upload(&content).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("smaller") && !hint.contains("max_bytes"), "{hint}");
    }
}
