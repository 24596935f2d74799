use wamedia_core::{ErrorKind, MediaId};

use super::*;

const ID: &str = "fd81acff-eea8-4d9d-acc9-6c62904d6615";

fn media() -> MediaRef {
    MediaRef::new("nxcloud", MediaId::new(ID).unwrap())
}

#[test]
fn the_descriptor_of_the_documents() {
    let body = r#"{"code":"0","data":{"mime_type":"image/webp","file_name":"c5e7","url":"https://goss.oss-cn-hongkong.aliyuncs.com/1b0a?Expires=1663747602&OSSAccessKeyId=x&Signature=EW1%3D","new":{}},"message":"请求成功"}"#;
    let descriptor = super::descriptor(&media(), &Reply::new(200, body)).unwrap();
    assert_eq!(descriptor.expires_at(), unix_seconds(1_663_747_602));
    let link = descriptor.link().unwrap();
    assert!(link.url.as_str().ends_with("Signature=EW1%3D") && !link.needs_credential);
    assert_eq!(descriptor.declared, ContentMetadata::EMPTY.with_mime_text(Some("image/webp")));
}

#[test]
fn success_without_content_is_no_descriptor() {
    for body in [
        r#"{"code":0,"data":null}"#,
        r#"{"code":0,"data":{"url":""}}"#,
        r#"{"code":0,"data":{"url":"no link"}}"#,
        r#"{"code":0,"data":{"url":7}}"#,
        r#"{"code":0,"data":"x"}"#,
        r#"{"code":0,"data":{}}"#,
        r#"{"code":null}"#,
        r#"{"code":0.5}"#,
        "{}",
        "[]",
        "<html>",
        "",
        "{\"code\":0",
        "\u{e9}",
    ] {
        assert_eq!(
            descriptor(&media(), &Reply::new(200, body)).unwrap_err().kind(),
            ErrorKind::Decode,
            "{body}"
        );
    }
    let deep = format!("{{\"code\":0,\"data\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(descriptor(&media(), &Reply::new(200, deep)).unwrap_err().kind(), ErrorKind::Decode);
}

#[test]
fn failures_inside_and_outside_of_a_success() {
    for (status, body, kind) in [
        (200, r#"{"code":-1,"message":"Request failed","data":null}"#, ErrorKind::Upstream),
        (200, r#"{"code":"1003","message":null}"#, ErrorKind::Unauthorized),
        (200, r#"{"code":9002,"message":7}"#, ErrorKind::Forbidden),
        (401, r#"{"code":0,"data":{}}"#, ErrorKind::Unauthorized),
        (429, r#"{"code":-1}"#, ErrorKind::RateLimited),
        (500, "<html>", ErrorKind::Upstream),
        (404, "", ErrorKind::NotFound),
    ] {
        assert_eq!(
            descriptor(&media(), &Reply::new(status, body)).unwrap_err().kind(),
            kind,
            "{status} {body}"
        );
    }
}

#[test]
fn both_forms_of_expiry() {
    let expiry = |query: &str| link_expiry(&Url::parse(&format!("https://a.test/x?{query}")).unwrap());
    assert_eq!(expiry("Expires=1663747602"), unix_seconds(1_663_747_602));
    assert_eq!(expiry("Expires=1663747602&Expires=1"), unix_seconds(1_663_747_602));
    assert_eq!(expiry("x-oss-date=20220921T080642Z&x-oss-expires=60"), unix_seconds(1_663_747_602 + 60));
    assert_eq!(expiry("x-oss-date=20240229T000000Z&x-oss-expires=0"), unix_seconds(1_709_164_800));
    for odd in [
        "",
        "Expires=soon",
        "Expires=-1",
        "Expires=99999999999999999999",
        "x-oss-date=2022&x-oss-expires=60",
        "x-oss-date=20221321T080642Z&x-oss-expires=60",
        "x-oss-date=2022092%C3%A91T08064Z&x-oss-expires=60",
        "x-oss-date=20220921T080642Z&x-oss-expires=18446744073709551615",
        "x-oss-date=20220921T080642Z",
    ] {
        assert_eq!(expiry(odd), None, "{odd}");
    }
}

#[test]
fn the_stores_errors_are_told_from_documents() {
    let kind =
        |status, body: &'static str| content_error(&Reply::new(status, body)).map(|error| error.kind());
    assert_eq!(kind(200, "{\"a\":1}"), None);
    assert_eq!(kind(200, "<?xml version=\"1.0\"?><invoice/>"), None);
    assert_eq!(kind(200, "<Error><Code>AccessDenied</Code></Error>"), Some(ErrorKind::Expired));
    assert_eq!(kind(403, ""), Some(ErrorKind::Expired));
    assert_eq!(kind(404, "<Error><Code>NoSuchKey</Code></Error>"), Some(ErrorKind::NotFound));
}

#[test]
fn uploads_and_deletions() {
    let good = r#"{"code":0,"data":{"id":"a75c6d9b-a7c8-4f41-8f61-94548e92cbee"},"message":"ok"}"#;
    assert_eq!(uploaded(&Reply::new(200, good)).unwrap(), "a75c6d9b-a7c8-4f41-8f61-94548e92cbee");
    for body in
        [r#"{"code":0,"data":null}"#, r#"{"code":0,"data":{"id":""}}"#, r#"{"code":0,"data":{"id":7}}"#]
    {
        assert_eq!(uploaded(&Reply::new(200, body)).unwrap_err().kind(), ErrorKind::Decode, "{body}");
    }
    let busy = uploaded(&Reply::new(200, r#"{"code":9001}"#)).unwrap_err();
    assert!(!busy.is_retryable() && busy.message().contains("may exist"));
    let deleted = |body: &'static str| super::deleted(&Reply::new(200, body));
    assert_eq!(deleted(r#"{"code":0,"data":{"success":true}}"#).unwrap(), DeleteOutcome::Deleted);
    assert_eq!(deleted(r#"{"code":0,"data":{"success":false}}"#).unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(deleted(r#"{"code":-1,"data":null}"#).unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(deleted(r#"{"code":0,"data":null}"#).unwrap_err().kind(), ErrorKind::Decode);
}

proptest::proptest! {
    #[test]
    fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>, data in "\\PC{0,60}", query in "\\PC{0,60}") {
        for reply in [Reply::new(status, body), Reply::new(status, format!("{{\"code\":0,\"data\":{{\"url\":{data}}}}}"))] {
            let _ = (descriptor(&media(), &reply), uploaded(&reply), deleted(&reply));
            let _ = content_error(&reply);
        }
        if let Ok(url) = Url::parse(&format!("https://a.test/x?x-oss-expires=60&x-oss-date={query}")) {
            let _ = link_expiry(&url);
        }
    }
}
