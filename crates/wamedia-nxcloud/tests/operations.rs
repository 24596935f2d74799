//! What NXCloud has alone, or needs another configuration for than the suite.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use wamedia_conformance::{CANARY, TestNet, WEBHOOK_SECRET, run_operation, wamedia_fixtures};
use wamedia_core::{
    ErrorKind, MediaId, MediaKind, MediaRef, Mime, Provider as _, ResolveOptions, UploadContent,
    UploadOptions, unix_seconds,
};
use wamedia_nxcloud::NxCloud;

fn nxcloud(net: &TestNet, sha256: bool) -> NxCloud {
    let builder = NxCloud::builder(CANARY, WEBHOOK_SECRET).business_phone("8600000000000");
    builder.sign_with_sha256(sha256).transport(net.transport.clone()).build().unwrap()
}

fn photo(mime: &str) -> UploadContent {
    let bytes = wamedia_fixtures::embedded().read("media/photo.jpg").unwrap().into_owned();
    UploadContent::from_bytes(bytes, Mime::parse(mime).unwrap(), "photo.jpg")
}

/// The signature in the fixture was computed apart from the library.
#[test]
fn requests_are_signed_by_sha256_and_links_of_the_fourth_version_have_their_expiry() {
    let media = MediaRef::new("nxcloud", MediaId::new("fd81acff-eea8-4d9d-acc9-6c62904d6615").unwrap());
    let descriptor = run_operation("nxcloud/operation/signed-by-sha256", |net| async move {
        nxcloud(&net, true).resolve(&media, ResolveOptions::default()).await
    });
    // 2026-11-18 10:40:00 and an hour.
    assert_eq!(descriptor.unwrap().expires_at(), unix_seconds(1_795_002_000));
}

#[test]
fn a_sample_for_a_template_gives_a_handle() {
    let handle = run_operation("nxcloud/operation/template", |net| async move {
        let content = photo("image/jpeg").with_kind(MediaKind::Image);
        nxcloud(&net, false).upload_template_file(content, UploadOptions::default()).await
    });
    assert_eq!(handle.unwrap().as_str(), "4::aW1hZ2U=");
}

#[tokio::test]
async fn other_types_are_no_samples() {
    let nxcloud = NxCloud::builder("key", "secret").business_phone("1").build().unwrap();
    let error =
        nxcloud.upload_template_file(photo("image/webp"), UploadOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidRequest, Some("upload")));
}
