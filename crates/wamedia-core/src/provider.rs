use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use url::Url;

use crate::{Budget, Capabilities, Error, MediaDescriptor, MediaRef, MediaStream, Result, UploadContent};

/// The media API of one vendor. Provider crates implement it; callers use `ProviderExt` of `wamedia-transfer`,
/// which fetches, verifies and recovers.
///
/// [`Webhooks`](crate::Webhooks) reads deliveries. Operations with a default body are optional; wrappers carry
/// `#[deny(clippy::missing_trait_methods)]`, so that they cannot forget one.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// The stable lower-case name, the same in errors, fixtures and features: `"meta"`.
    fn name(&self) -> &'static str;

    /// What works now, with this configuration.
    fn capabilities(&self) -> &Capabilities;

    /// Resolves a reference into a descriptor: where the bytes are, and what the vendor declares about them.
    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor>;

    /// Opens the content. The stream has the metadata from the response headers before its first chunk.
    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream>;

    /// Uploads content. The request is never repeated once the vendor may have processed a byte.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) unless it is implemented, and nothing is sent.
    async fn upload(&self, _content: UploadContent, _options: UploadOptions) -> Result<Uploaded> {
        Err(Error::unsupported("upload").with_provider(self.name()))
    }

    /// Deletes what the vendor keeps.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) unless it is implemented, and nothing is sent.
    async fn delete(&self, _media: &MediaRef, _options: DeleteOptions) -> Result<DeleteOutcome> {
        Err(Error::unsupported("delete").with_provider(self.name()))
    }

    /// Lists one page of what the vendor keeps.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) unless it is implemented, and nothing is sent.
    async fn list(&self, _options: ListOptions) -> Result<MediaPage> {
        Err(Error::unsupported("list").with_provider(self.name()))
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<P: Provider + ?Sized> Provider for $pointer<P> {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn capabilities(&self) -> &Capabilities {
                (**self).capabilities()
            }

            async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
                (**self).resolve(media, options).await
            }

            async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
                (**self).open(media, options).await
            }

            async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
                (**self).upload(content, options).await
            }

            async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
                (**self).delete(media, options).await
            }

            async fn list(&self, options: ListOptions) -> Result<MediaPage> {
                (**self).list(options).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);

/// Options of [`Provider::resolve`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ResolveOptions {
    /// The budget that this call spends from.
    pub budget: Budget,
    /// Ask the vendor for a new link, even where the reference carries one that looks valid.
    pub renew: bool,
}

impl ResolveOptions {
    /// Spends from this budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Asks for a new link.
    #[must_use]
    pub fn with_renew(mut self, renew: bool) -> Self {
        self.renew = renew;
        self
    }
}

/// Where to continue after an interrupted body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Resume {
    /// The offset of the first byte to fetch.
    pub offset: u64,
    /// The validator of the reply that the bytes so far came from; it is sent as `If-Range`.
    pub validator: Option<String>,
}

impl Resume {
    /// Continues at `offset`.
    pub fn new(offset: u64, validator: Option<String>) -> Self {
        Self { offset, validator }
    }
}

/// Options of [`Provider::open`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// The budget that this call spends from.
    pub budget: Budget,
    /// Where to continue; the caller checks where the stream really starts.
    pub resume: Option<Resume>,
}

impl OpenOptions {
    /// Spends from this budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Continues an interrupted body.
    #[must_use]
    pub fn with_resume(mut self, resume: Option<Resume>) -> Self {
        self.resume = resume;
        self
    }
}

/// Options of [`Provider::upload`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UploadOptions {
    /// The budget that this call spends from.
    pub budget: Budget,
    /// How long the vendor should keep it, where that can be chosen.
    pub keep_for: Option<Duration>,
}

impl UploadOptions {
    /// Spends from this budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Asks the vendor to keep it this long.
    #[must_use]
    pub fn with_keep_for(mut self, keep_for: impl Into<Option<Duration>>) -> Self {
        self.keep_for = keep_for.into();
        self
    }
}

/// The result of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Uploaded {
    /// The reference, where the vendor gave an id.
    pub media: Option<MediaRef>,
    /// A public link, where the vendor gave one.
    pub link: Option<Url>,
    /// When the object expires, where that is known.
    pub expires_at: Option<SystemTime>,
}

impl Uploaded {
    /// The vendor gave an id.
    pub fn from_media(media: MediaRef) -> Self {
        Self { expires_at: media.expires_at, media: Some(media), link: None }
    }

    /// The vendor gave a public link and no id.
    pub fn from_link(link: Url) -> Self {
        Self { media: None, link: Some(link), expires_at: None }
    }
}

/// Options of [`Provider::delete`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// The budget that this call spends from.
    pub budget: Budget,
}

impl DeleteOptions {
    /// Spends from this budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}

/// The result of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// It is deleted.
    Deleted,
    /// It was deleted before, or never existed: vendors do not distinguish the two.
    AlreadyGone,
}

/// Options of [`Provider::list`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListOptions {
    /// The budget that this call spends from.
    pub budget: Budget,
    /// At most this many items on the page.
    pub page_size: Option<u32>,
    /// Where to continue: [`MediaPage::next`] of the previous page.
    pub cursor: Option<String>,
}

impl ListOptions {
    /// Spends from this budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Continues after a page.
    #[must_use]
    pub fn with_cursor(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }

    /// Sets the size of a page.
    #[must_use]
    pub fn with_page_size(mut self, size: Option<u32>) -> Self {
        self.page_size = size;
        self
    }
}

/// One object that the vendor keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ListedMedia {
    /// The reference, with what the list says about it.
    pub media: MediaRef,
    /// When the vendor stored it.
    pub created_at: Option<SystemTime>,
}

impl ListedMedia {
    /// An object of a list.
    pub fn new(media: MediaRef, created_at: Option<SystemTime>) -> Self {
        Self { media, created_at }
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MediaPage {
    /// The objects.
    pub items: Vec<ListedMedia>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<String>,
}

impl MediaPage {
    /// A page.
    pub fn new(items: Vec<ListedMedia>, next: Option<String>) -> Self {
        Self { items, next }
    }
}
