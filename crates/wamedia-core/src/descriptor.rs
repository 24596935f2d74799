use std::time::SystemTime;

use bytes::Bytes;

use crate::{ContentMetadata, MediaLink, MediaRef};

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Behind a link.
    Link(MediaLink),
    /// In the body of an API call by id, without a link.
    Direct,
    /// Already here.
    Inline(Bytes),
}

/// The result of `resolve`: where the bytes are, and what the provider declares about them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MediaDescriptor {
    /// The reference that was resolved.
    pub media: MediaRef,
    /// Where the bytes are.
    pub source: Source,
    /// What the provider's reply says; what came with the reference is in `media.declared`.
    pub declared: ContentMetadata,
}

impl MediaDescriptor {
    /// A descriptor that knows nothing but where the bytes are.
    pub fn new(media: MediaRef, source: Source) -> Self {
        Self { media, source, declared: ContentMetadata::EMPTY }
    }

    /// Sets what the provider says about the content.
    #[must_use]
    pub fn with_declared(mut self, declared: ContentMetadata) -> Self {
        self.declared = declared;
        self
    }

    /// The link, where there is one.
    pub fn link(&self) -> Option<&MediaLink> {
        match &self.source {
            Source::Link(link) => Some(link),
            _ => None,
        }
    }

    /// When the link dies.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.link().and_then(|link| link.expires_at)
    }
}
