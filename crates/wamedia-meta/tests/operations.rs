//! What Meta has alone, or needs another configuration for than the suite.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::{Duration, UNIX_EPOCH};

use wamedia_conformance::{CANARY, TestNet, read_all, run_operation, wamedia_fixtures};
use wamedia_core::{
    ErrorKind, MediaId, MediaLink, MediaRef, Mime, OpenOptions, Provider as _, ResolveOptions, UploadContent,
    UploadOptions,
};
use wamedia_meta::MetaCloud;

fn meta(net: &TestNet) -> MetaCloud {
    let builder = MetaCloud::builder(CANARY).phone_number_id("106540352242922");
    builder.transport(net.transport.clone()).build().unwrap()
}

fn photo() -> Vec<u8> {
    wamedia_fixtures::embedded().read("media/photo.jpg").unwrap().into_owned()
}

fn jpeg() -> Mime {
    Mime::parse("image/jpeg").unwrap()
}

/// A reference as a delivery gives it, with a link that lives until so many seconds after the fixture's time.
fn with_link(seconds: i64) -> MediaRef {
    let url = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=812345678901234&ext=1795000100&hash=ARexample";
    let expires_at = UNIX_EPOCH + Duration::from_secs(1_795_000_000_u64.checked_add_signed(seconds).unwrap());
    let link = MediaLink::with_credential(url.parse().unwrap()).with_expires_at(Some(expires_at));
    MediaRef::new("meta", MediaId::new("812345678901234").unwrap()).with_link(link)
}

#[test]
fn a_resumable_upload_goes_on_at_the_servers_offset() {
    let handle = run_operation("meta/operation/resumable", |net| async move {
        let options = UploadOptions::default();
        meta(&net).upload_resumable("1234567890", photo().into(), &jpeg(), "photo.jpg", options).await
    });
    assert_eq!(handle.unwrap().as_str(), "2:c2FtcGxl:aW1hZ2U=:AR-example");
}

#[test]
fn a_resumable_upload_ends_where_a_part_is_refused() {
    let handle = run_operation("meta/operation/resumable-refused", |net| async move {
        let options = UploadOptions::default();
        meta(&net).upload_resumable("1234567890", photo().into(), &jpeg(), "photo.jpg", options).await
    });
    assert_eq!(handle.unwrap_err().provider_code(), Some("100"));
}

#[test]
fn a_resumable_upload_ends_after_three_breaks() {
    let handle = run_operation("meta/operation/resumable-broken", |net| async move {
        let options = UploadOptions::default();
        meta(&net).upload_resumable("1234567890", photo().into(), &jpeg(), "photo.jpg", options).await
    });
    assert_eq!(handle.unwrap_err().kind(), ErrorKind::Transport);
}

#[test]
fn an_upload_says_how_long_it_is_kept() {
    let uploaded = run_operation("meta/operation/kept-for", |net| async move {
        let mut options = UploadOptions::default();
        options.keep_for = Some(Duration::from_secs(2 * 3600 + 59));
        let content = UploadContent::from_bytes(photo(), jpeg(), "photo.jpg");
        meta(&net).upload(content, options).await
    });
    let expires_at = UNIX_EPOCH + Duration::from_secs(1_795_000_000 + 2 * 3600 + 59);
    assert_eq!(uploaded.unwrap().expires_at, Some(expires_at));
}

#[test]
fn a_fresh_link_of_a_webhook_is_used_without_asking() {
    let bytes = run_operation("meta/operation/link-of-a-webhook", |net| async move {
        let meta = meta(&net);
        let descriptor = meta.resolve(&with_link(1), ResolveOptions::default()).await?;
        read_all(meta.open(&descriptor, OpenOptions::default()).await?).await
    });
    assert_eq!(bytes.unwrap(), photo());
}

#[test]
fn a_link_of_a_webhook_that_is_past_its_time_is_not_used() {
    let descriptor = run_operation("meta/operation/stale-link-of-a-webhook", |net| async move {
        meta(&net).resolve(&with_link(0), ResolveOptions::default()).await
    });
    assert_eq!(descriptor.unwrap().link().unwrap().url.path(), "/new");
}
