//! What callers do with the types: sets, pointers, servers.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use wamedia_core::{
    Capabilities, ContentMetadata, Error, InboundItem, MediaDescriptor, MediaItem, MediaKind, MediaLink,
    MediaRef, MediaStream, Mime, OpenOptions, Provider, ResolveOptions, Result, Source,
};

#[test]
fn what_is_equal_is_once_in_a_set() {
    let types = ["audio/ogg; codecs=opus", "Audio/OGG", "audio/ogg"];
    assert_eq!(types.map(|text| Mime::parse(text).unwrap()).into_iter().collect::<HashSet<_>>().len(), 1);
    let media = |mime: &str| -> MediaRef {
        let media: MediaRef = "meta:1?account=2".parse().unwrap();
        media.with_declared(ContentMetadata::EMPTY.with_mime_text(Some(mime)))
    };
    let all: HashSet<MediaRef> = types.into_iter().map(media).chain([media("image/png")]).collect();
    assert_eq!(all.len(), 2);
    let link = |text: &str| MediaLink::public(text.parse().unwrap());
    assert_eq!(HashSet::from([link("https://a.test"), link("https://a.test/")]).len(), 1);
    let item = |role| InboundItem::Media(Box::new(MediaItem::new(media("image/png"), role, "path")));
    let items = [item(MediaKind::Image), item(MediaKind::Image), item(MediaKind::Document)];
    assert_eq!(items.into_iter().collect::<HashSet<_>>().len(), 2);
}

#[derive(Debug)]
struct Inline;

#[async_trait]
impl Provider for Inline {
    fn name(&self) -> &'static str {
        "inline"
    }

    fn capabilities(&self) -> &Capabilities {
        &Capabilities::NONE
    }

    async fn resolve(&self, media: &MediaRef, _options: ResolveOptions) -> Result<MediaDescriptor> {
        Ok(MediaDescriptor::new(media.clone(), Source::Direct))
    }

    async fn open(&self, _media: &MediaDescriptor, _options: OpenOptions) -> Result<MediaStream> {
        Err(Error::unsupported("open"))
    }
}

#[test]
fn a_pointer_to_a_provider_is_a_provider() {
    fn name<P: Provider>(provider: &P) -> &'static str {
        provider.name()
    }
    let boxed: Box<dyn Provider> = Box::new(Inline);
    assert_eq!(name(&boxed), "inline");
    assert_eq!(name(&Box::new(Inline)), "inline");
    let shared: Arc<dyn Provider> = Arc::new(Inline);
    assert_eq!(name(&shared), "inline");
}

#[cfg(feature = "http")]
#[test]
fn headers_of_a_server_are_found_in_any_case() {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-hub-signature-256", "sha256=00".parse().unwrap());
    headers.insert("x-odd", http::HeaderValue::from_bytes(&[0xff]).unwrap());
    let delivery = wamedia_core::Delivery::from_http(&headers, b"{}");
    assert_eq!(delivery.header("X-Hub-Signature-256"), Some("sha256=00"));
    assert_eq!((delivery.header("x-odd"), delivery.header("X-None")), (None, None));
    assert!(
        format!("{delivery:?}").contains("x-hub-signature-256")
            && !format!("{delivery:?}").contains("sha256=")
    );
    let list = [("X-Hub-Signature-256".to_owned(), "sha256=00".to_owned())];
    let same = wamedia_core::Delivery::new(b"{}").with_headers(&list);
    assert_eq!(same.header("x-hub-signature-256"), Some("sha256=00"));
}
