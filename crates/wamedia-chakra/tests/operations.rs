//! What Chakra has alone, or needs another configuration for than the suite.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use wamedia_chakra::{ChakraHq, FetchStyle, ShowPrefix};
use wamedia_conformance::{CANARY, read_all, run_operation, wamedia_fixtures};
use wamedia_core::{MediaId, MediaRef, OpenOptions, Provider as _, ResolveOptions};

#[test]
fn the_bytes_come_by_id_in_one_call() {
    for (fixture, prefix) in
        [("chakra/operation/show-v1", ShowPrefix::V1), ("chakra/operation/show-v2", ShowPrefix::V2)]
    {
        let bytes = run_operation(fixture, |net| async move {
            let builder = ChakraHq::builder(CANARY).fetch_style(FetchStyle::Show).show_prefix(prefix);
            let chakra = builder.transport(net.transport.clone()).build()?;
            assert!(!chakra.capabilities().resolve_remote);
            let media = MediaRef::new("chakra", MediaId::new("1279279128")?);
            let descriptor = chakra.resolve(&media, ResolveOptions::default()).await?;
            read_all(chakra.open(&descriptor, OpenOptions::default()).await?).await
        });
        assert_eq!(bytes.unwrap(), *wamedia_fixtures::embedded().read("media/photo.jpg").unwrap());
    }
}

#[test]
fn an_attachment_comes_by_the_mid_of_the_link() {
    let bytes = run_operation("chakra/operation/attachment-v2", |net| async move {
        let builder = ChakraHq::builder(CANARY).fetch_style(FetchStyle::Attachment);
        let chakra = builder.transport(net.transport.clone()).build()?;
        let media = MediaRef::new("chakra", MediaId::new("1279279128")?);
        let descriptor = chakra.resolve(&media, ResolveOptions::default()).await?;
        assert_eq!(descriptor.declared.size_bytes, Some(18_411));
        read_all(chakra.open(&descriptor, OpenOptions::default()).await?).await
    });
    assert_eq!(bytes.unwrap(), *wamedia_fixtures::embedded().read("media/photo.jpg").unwrap());
}
