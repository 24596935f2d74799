use std::time::Duration;

use url::Url;
use wamedia_core::MediaId;

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

fn the_media() -> MediaRef {
    MediaRef::new(NAME, MediaId::new(ID).unwrap())
}

fn file() -> UploadContent {
    UploadContent::from_bytes(&b"x"[..], Mime::parse("image/png").unwrap(), "x.png")
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
        let request = media(&settings(sha256), action, &the_media(), at(1_655_710_885_431)).unwrap();
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
    let sign = |millis| bound(&media(&settings, "getMedia", &the_media(), at(millis)).unwrap(), "sign");
    assert_ne!(sign(1_655_710_885_431), sign(1_655_710_885_432));
}

#[test]
fn an_upload_signs_no_body() {
    for (action, sha256, want) in [
        ("uploadMedia", false, "d2632e6b4cbea8587b36cb585e06a195"),
        ("uploadTemplateFile", false, "b5fbec7995a4c611a72cddbd0667a9fe"),
        ("uploadMedia", true, "7017ea722938caa1d454ac43ae05d9ffc736bb2ebf1e18563777927f3f54c389"),
    ] {
        let request = upload(&settings(sha256), action, file(), at(1_655_710_885_431)).unwrap();
        assert_eq!(bound(&request, "sign"), want);
        assert!(
            request.headers()[header::CONTENT_TYPE].as_bytes().starts_with(b"multipart/form-data; boundary=")
        );
    }
}

#[test]
fn without_a_secret_there_is_no_provider_that_could_send() {
    let error = NxCloud::builder("key", " ").business_phone("1").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("`access_secret`"), "{error}");
}

#[test]
fn content_is_a_bare_get_of_the_link_as_it_is() {
    let text = "https://goss.oss-cn-hongkong.aliyuncs.com/1b0a?Signature=EW1KaByzd3rybo2swNSEKkpF5Lk%3D&Expires=1663747602&OSSAccessKeyId=x";
    let link = MediaLink::public(text.parse().unwrap());
    let request = content(&link, None).unwrap();
    assert_eq!((request.method().as_str(), request.url().as_str()), ("GET", text));
    assert!(request.headers().is_empty() && request.bound_headers().is_empty());
    let request = content(&link, Some(&Resume::new(7, Some("\"v1\"".to_owned())))).unwrap();
    assert_eq!(request.headers()[header::RANGE], "bytes=7-");
    assert_eq!(
        (request.headers()[header::IF_RANGE].as_bytes(), request.headers().len()),
        (&b"\"v1\""[..], 2)
    );
}
