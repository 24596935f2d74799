use super::*;
use crate::NxCloud;

const ID: &str = "fd81acff-eea8-4d9d-acc9-6c62904d6615";
const BODY: &str = r#"{"business_phone":"8615800001795","Media-ID":"fd81acff-eea8-4d9d-acc9-6c62904d6615","messaging_product":"whatsapp"}"#;

fn settings(sha256: bool) -> Settings {
    NxCloud::builder("fme2na3kdi3ki", "abciiiko2k3")
        .business_phone("8615800001795")
        .sign_with_sha256(sha256)
        .build()
        .unwrap()
        .settings
}

fn id() -> MediaId {
    MediaId::new(ID).unwrap()
}

fn media() -> MediaRef {
    MediaRef::new("nxcloud", id())
}

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// What a bound header says to the API; to nobody else it says anything.
fn bound(request: &Request, name: &str) -> String {
    let header = request.bound_headers().iter().find(|header| header.name() == name).unwrap();
    let store = Url::parse("https://goss.oss-cn-hongkong.aliyuncs.com/x").unwrap();
    assert!(header.value_for(&store).is_none());
    header.value_for(request.url()).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_json_call_signs_the_bytes_that_it_sends() {
    for (sha256, action) in [(false, "getMedia"), (true, "deleteMedia")] {
        let request = media_request(&settings(sha256), action, &id(), at(1_655_710_885_431)).unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.url().as_str(), format!("https://api2.nxcloud.com/api/wa/{action}"));
        assert_eq!(request.body_bytes().unwrap(), BODY);
        assert!(!BODY.contains("media_id"));
        assert_eq!(request.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(
            (&request.headers()["action"], &request.headers()["biztype"]),
            (&HeaderValue::from_static(action), &HeaderValue::from_static("2"))
        );
        assert_eq!(request.headers().get("algorithm").is_some(), sha256);
        let signed = Signed {
            access_key: "fme2na3kdi3ki",
            action,
            biz_type: "2",
            ts: "1655710885431",
            body: BODY.as_bytes(),
        };
        assert_eq!(bound(&request, "sign"), signed.sign("abciiiko2k3", sha256));
        assert_eq!(
            (bound(&request, "accesskey").as_str(), bound(&request, "ts").as_str()),
            ("fme2na3kdi3ki", "1655710885431")
        );
        assert!(!format!("{request:?}").contains("abciiiko2k3"));
    }
}

#[test]
fn every_attempt_has_its_own_time_and_signature() {
    let settings = settings(false);
    let sign = |millis| bound(&media_request(&settings, "getMedia", &id(), at(millis)).unwrap(), "sign");
    assert_ne!(sign(1_655_710_885_431), sign(1_655_710_885_432));
}

#[test]
fn an_upload_signs_no_body() {
    let form = || {
        (
            HeaderValue::from_static("multipart/form-data; boundary=x"),
            Body::Bytes(Bytes::from_static(b"--x--")),
        )
    };
    for (action, sha256, want) in [
        ("uploadMedia", false, "d2632e6b4cbea8587b36cb585e06a195"),
        ("uploadTemplateFile", false, "b5fbec7995a4c611a72cddbd0667a9fe"),
        ("uploadMedia", true, "7017ea722938caa1d454ac43ae05d9ffc736bb2ebf1e18563777927f3f54c389"),
    ] {
        let request = upload_request(&settings(sha256), action, form(), at(1_655_710_885_431)).unwrap();
        assert_eq!(bound(&request, "sign"), want);
        assert_eq!(request.headers()[header::CONTENT_TYPE], "multipart/form-data; boundary=x");
    }
}

#[test]
fn without_a_secret_nothing_is_sent() {
    let settings = NxCloud::builder("key", "").business_phone("1").build().unwrap().settings;
    let error = media_request(&settings, "getMedia", &id(), at(0)).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidRequest, Some(Phase::Prepare)));
}

#[test]
fn content_is_a_bare_get_of_the_link_as_it_is() {
    let text = "https://goss.oss-cn-hongkong.aliyuncs.com/1b0a?Signature=EW1KaByzd3rybo2swNSEKkpF5Lk%3D&Expires=1663747602&OSSAccessKeyId=x";
    let link = MediaLink::public(text.parse().unwrap());
    let request = content_request(&link, None).unwrap();
    assert_eq!((request.method().as_str(), request.url().as_str()), ("GET", text));
    assert!(request.headers().is_empty() && request.bound_headers().is_empty());
    let request = content_request(&link, Some(&Resume::new(7, Some("\"v1\"".to_owned())))).unwrap();
    assert_eq!(request.headers()[header::RANGE], "bytes=7-");
    assert_eq!(
        (request.headers()[header::IF_RANGE].as_bytes(), request.headers().len()),
        (&b"\"v1\""[..], 2)
    );
}

#[test]
fn the_descriptor_of_the_documents() {
    let body = r#"{"code":"0","data":{"mime_type":"image/webp","file_name":"c5e7","url":"https://goss.oss-cn-hongkong.aliyuncs.com/1b0a?Expires=1663747602&OSSAccessKeyId=x&Signature=EW1%3D","new":{}},"message":"请求成功"}"#;
    let descriptor = read_descriptor(&media(), &Reply::new(200, body)).unwrap();
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
            read_descriptor(&media(), &Reply::new(200, body)).unwrap_err().kind(),
            ErrorKind::Decode,
            "{body}"
        );
    }
    let deep = format!("{{\"code\":0,\"data\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(read_descriptor(&media(), &Reply::new(200, deep)).unwrap_err().kind(), ErrorKind::Decode);
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
            read_descriptor(&media(), &Reply::new(status, body)).unwrap_err().kind(),
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
        |status, body: &'static str| judge_content(&Reply::new(status, body)).map(|error| error.kind());
    assert_eq!(kind(200, "{\"a\":1}"), None);
    assert_eq!(kind(200, "<?xml version=\"1.0\"?><invoice/>"), None);
    assert_eq!(kind(200, "<Error><Code>AccessDenied</Code></Error>"), Some(ErrorKind::Expired));
    assert_eq!(kind(403, ""), Some(ErrorKind::Expired));
    assert_eq!(kind(404, "<Error><Code>NoSuchKey</Code></Error>"), Some(ErrorKind::NotFound));
}

#[test]
fn uploads_and_deletions() {
    let uploaded = r#"{"code":0,"data":{"id":"a75c6d9b-a7c8-4f41-8f61-94548e92cbee"},"message":"ok"}"#;
    assert_eq!(read_uploaded(&Reply::new(200, uploaded)).unwrap(), "a75c6d9b-a7c8-4f41-8f61-94548e92cbee");
    for body in
        [r#"{"code":0,"data":null}"#, r#"{"code":0,"data":{"id":""}}"#, r#"{"code":0,"data":{"id":7}}"#]
    {
        assert_eq!(read_uploaded(&Reply::new(200, body)).unwrap_err().kind(), ErrorKind::Decode, "{body}");
    }
    let busy = read_uploaded(&Reply::new(200, r#"{"code":9001}"#)).unwrap_err();
    assert!(!busy.is_retryable() && busy.message().contains("may exist"));
    let deleted = |body: &'static str| read_deleted(&Reply::new(200, body));
    assert_eq!(deleted(r#"{"code":0,"data":{"success":true}}"#).unwrap(), DeleteOutcome::Deleted);
    assert_eq!(deleted(r#"{"code":0,"data":{"success":false}}"#).unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(deleted(r#"{"code":-1,"data":null}"#).unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(deleted(r#"{"code":0,"data":null}"#).unwrap_err().kind(), ErrorKind::Decode);
}

proptest::proptest! {
    #[test]
    fn any_reply_is_survived(status in 100u16..600, body: Vec<u8>, data in "\\PC{0,60}", query in "\\PC{0,60}") {
        for reply in [Reply::new(status, body), Reply::new(status, format!("{{\"code\":0,\"data\":{{\"url\":{data}}}}}"))] {
            let _ = (read_descriptor(&media(), &reply), read_uploaded(&reply), read_deleted(&reply));
            let _ = judge_content(&reply);
        }
        if let Ok(url) = Url::parse(&format!("https://a.test/x?x-oss-expires=60&x-oss-date={query}")) {
            let _ = link_expiry(&url);
        }
    }
}
