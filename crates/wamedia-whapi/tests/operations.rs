//! What Whapi has alone, or needs another call for than the suite makes.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use wamedia_conformance::{CANARY, read_all, run_operation, wamedia_fixtures};
use wamedia_core::{MediaId, MediaLink, MediaRef, OpenOptions, Provider as _, ResolveOptions, Source};
use wamedia_whapi::WhapiCloud;

fn with_link(link: &str) -> MediaRef {
    let media = MediaRef::new("whapi", MediaId::new("jpeg-3a").unwrap());
    media.with_link(MediaLink::public(link.parse().unwrap()))
}

#[test]
fn renewing_changes_to_the_public_link_which_gets_no_credential() {
    let media = with_link("https://s3.eu-central-1.wasabisys.com/in-files/1/photo.jpg?b=%3D&a=-_");
    let bytes = run_operation("whapi/operation/public-link", |net| async move {
        let whapi = WhapiCloud::builder(CANARY).transport(net.transport.clone()).build()?;
        let first = whapi.resolve(&media, ResolveOptions::default()).await?;
        assert_eq!(first.source, Source::Direct, "the id comes first");
        let second = whapi.resolve(&media, ResolveOptions::default().with_renew(true)).await?;
        read_all(whapi.open(&second, OpenOptions::default()).await?).await
    });
    assert_eq!(bytes.unwrap(), *wamedia_fixtures::embedded().read("media/photo.jpg").unwrap());
}

#[tokio::test]
async fn a_link_to_a_host_that_would_be_refused_is_not_a_second_way() {
    let whapi = WhapiCloud::builder(CANARY).build().unwrap();
    let media = with_link("https://s3.evil.test/in-files/1/photo.jpg");
    let renewed = whapi.resolve(&media, ResolveOptions::default().with_renew(true)).await.unwrap();
    assert_eq!(renewed.source, Source::Direct);
}
