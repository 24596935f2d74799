//! The serialised shapes, field by field: version 1.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json, to_value};
use wamedia_core::serialize::SHAPE_VERSION;
use wamedia_core::{
    Capabilities, ContentMetadata, DeleteOutcome, DigestSource, Error, ErrorKind, FailedItem, Inbound,
    InboundItem, KindLimit, ListedMedia, MediaId, MediaItem, MediaKind, MediaLink, MediaPage, MediaRef, Mime,
    OtherItem, Phase, Preview, Retry, Role, Secret, Sha256, UploadResult, Uploaded, WebhookCapabilities,
    unix_seconds,
};

const DIGEST: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn shape(value: impl serde::Serialize) -> Value {
    assert_eq!(SHAPE_VERSION, 1);
    to_value(value).expect("it can be serialised")
}

fn media() -> MediaRef {
    let declared = ContentMetadata::EMPTY
        .with_mime_text(Some("image/jpeg"))
        .with_size_bytes(3)
        .with_sha256(Sha256::of(b"foo"))
        .with_name(Some("a.jpg"));
    MediaRef::new("meta", MediaId::new("1279").expect("a valid id")).with_declared(declared)
}

#[test]
fn references_and_the_like_are_their_text_forms() {
    let text = format!("meta:1279?type=image/jpeg&size=3&sha256={DIGEST}&name=a.jpg");
    assert_eq!(shape(media()), json!(text));
    let back: MediaRef = serde_json::from_value(json!(text)).unwrap();
    assert_eq!(back, media());
    assert_eq!(shape(Sha256::of(b"foo")), json!(DIGEST));
    assert_eq!(serde_json::from_value::<Sha256>(json!(DIGEST)).unwrap(), Sha256::of(b"foo"));
    let mime = Mime::parse("audio/ogg; codecs=opus").unwrap();
    assert_eq!(shape(&mime), json!("audio/ogg; codecs=opus"));
    assert_eq!(serde_json::from_value::<Mime>(shape(&mime)).unwrap(), mime);
    assert_eq!(shape(MediaId::new("1279").unwrap()), json!("1279"));
    for bad in [json!("a/b"), json!(1279), json!(null)] {
        assert!(serde_json::from_value::<MediaId>(bad).is_err());
    }
    let link = MediaLink::public("https://host.test/a".parse().unwrap());
    let linked = MediaRef::new("whapi", MediaId::new("jpeg-1").unwrap()).with_link(link);
    assert_eq!(shape(&linked), json!("whapi:jpeg-1?link=https%3A//host.test/a"));
}

#[test]
fn an_error_is_what_callers_branch_on_and_people_read() {
    let error = Error::new(ErrorKind::RateLimited, "too many calls")
        .with_operation("resolve")
        .with_phase(Phase::Head)
        .with_provider("meta")
        .with_host("graph.facebook.com")
        .with_provider_code("4")
        .with_status(400)
        .with_retry(Retry::After(Duration::from_secs(30)))
        .with_hint("wait");
    let want = json!({
        "kind": "rate_limited", "operation": "resolve", "phase": "head", "provider": "meta",
        "host": "graph.facebook.com", "provider_code": "4", "status": 400, "message": "too many calls", "retryable": true, "retry_after_s": 30, "hint": "wait",
    });
    assert_eq!(shape(&error), want);
    let bare = shape(Error::new(ErrorKind::Integrity, "other bytes").with_hint("look"));
    let want = json!({
        "kind": "integrity", "operation": null, "phase": null, "provider": null, "host": null,
        "provider_code": null, "status": null, "message": "other bytes", "retryable": false, "retry_after_s": null, "hint": "look",
    });
    assert_eq!(bare, want);
}

#[test]
fn a_delivery_is_its_items_without_senders_and_raw_text() {
    let mut item = MediaItem::new(media(), MediaKind::VideoNote, "messages[0].image");
    item.role = Role::FlowField;
    item.message_id = Some("wamid.1".to_owned());
    item.sender = Some(Secret::new("15550100999"));
    item.caption = Some("Hello".to_owned());
    item.timestamp = unix_seconds(1_663_747_602);
    item.preview = Some(Box::new(Preview::new(Mime::parse("image/png").ok(), Bytes::from_static(b"foo"))));
    item.raw = "{\"id\":\"1279\"}".to_owned();
    let mut failed = FailedItem::new("unsupported", "messages[1]");
    failed.provider_code = Some("131051".to_owned());
    failed.message = Some("not supported".to_owned());
    let mut inbound = Inbound::default();
    inbound.items = vec![
        InboundItem::Media(Box::new(item)),
        InboundItem::Failed(Box::new(failed)),
        InboundItem::Other(Box::new(OtherItem::new("text", "messages[2]"))),
    ];
    let want = json!({ "items": [
        {
            "item": "media", "media": media().to_string(), "kind": "video_note", "role": "flow_field",
            "message_id": "wamid.1", "mime": "image/jpeg", "size_bytes": 3, "sha256": DIGEST, "name": "a.jpg",
            "has_sender": true, "caption": "Hello", "timestamp": "2022-09-21T08:06:42Z",
            "preview": { "mime": "image/png", "bytes": 3, "sha256": DIGEST },
            "path": "messages[0].image", "raw_bytes": 13,
        },
        {
            "item": "failed", "kind": "unsupported", "message_id": null, "provider_code": "131051",
            "message": "not supported", "path": "messages[1]", "raw_bytes": 0,
        },
        {
            "item": "other", "kind": "text", "message_id": null, "path": "messages[2]", "count": 1, "raw_bytes": 0,
        },
    ]});
    let got = shape(&inbound);
    assert_eq!(got, want);
    assert!(!got.to_string().contains("15550100999"));
}

#[test]
fn what_uploads_deletions_and_lists_give() {
    let link = "https://host.test/a?hash=b";
    let mut uploaded = Uploaded::from_link(link.parse().unwrap());
    uploaded.expires_at = unix_seconds(0);
    let want = json!({ "media": null, "link": link, "expires_at": "1970-01-01T00:00:00Z" });
    assert_eq!(shape(&uploaded), want);
    assert_eq!(shape(DeleteOutcome::Deleted), json!("deleted"));
    assert_eq!(shape(DeleteOutcome::AlreadyGone), json!("already_gone"));
    let plain = MediaRef::new("whapi", MediaId::new("jpeg-1").unwrap());
    let page = MediaPage::new(vec![ListedMedia::new(plain, None)], Some("2".to_owned()));
    let want = json!({ "items": [{ "media": "whapi:jpeg-1", "created_at": null }], "next": "2" });
    assert_eq!(shape(&page), want);
}

#[test]
fn metadata_names_everything_that_may_be_declared() {
    let declared = ContentMetadata::EMPTY.with_sha256_text(Some("cut off")).with_kind(MediaKind::Voice);
    let want = json!({
        "mime": null, "size_bytes": null, "sha256": null, "unusable_sha256": "cut off", "name": null, "kind": "voice",
    });
    assert_eq!(shape(&declared), want);
}

#[test]
fn capabilities_have_limits_and_lifetimes_in_seconds() {
    const LIMITS: &[KindLimit] =
        &[KindLimit::new(MediaKind::Audio, &["audio/ogg"], 5, "https://vendor.test")];
    let can = Capabilities::NONE
        .with_resolve()
        .with_open_range()
        .with_expiring_links(Some(Duration::from_secs(300)))
        .with_digest(DigestSource::ResolveAndWebhook)
        .with_upload(UploadResult::Id, None)
        .with_limits(LIMITS);
    let want = json!({
        "resolve": true, "resolve_remote": true, "open": true, "open_range": true, "expiring_links": true,
        "digest": "resolve_and_webhook", "signed_requests": false, "upload": true, "upload_result": "id",
        "delete": false, "list": false, "link_lifetime_s": 300, "upload_lifetime_s": null,
        "limits": [{ "kind": "audio", "mimes": ["audio/ogg"], "max_bytes": 5, "source": "https://vendor.test" }],
    });
    assert_eq!(shape(can), want);
    let webhooks = WebhookCapabilities::new(1024).with_signed().with_id_lifetime(Duration::from_secs(7));
    let want = json!({ "signed": true, "handshake": false, "max_bytes": 1024, "id_lifetime_s": 7 });
    assert_eq!(shape(webhooks), want);
}

#[test]
fn what_is_no_text_is_told_what_is_expected() {
    let error = serde_json::from_value::<MediaId>(json!(1)).unwrap_err().to_string();
    assert!(error.contains("expected a media id"), "{error}");
}
