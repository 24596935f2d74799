use std::time::Duration;

use wamedia_core::{MediaId, Mime};

use super::*;
use crate::WhapiCloud;

fn settings() -> Settings {
    WhapiCloud::builder("Bearer TEST-canary").build().unwrap().settings
}

fn media(id: &str) -> MediaRef {
    MediaRef::new(NAME, MediaId::new(id).unwrap())
}

fn pdf() -> UploadContent {
    UploadContent::from_bytes(&b"x"[..], Mime::parse("application/pdf").unwrap(), "x.pdf")
}

#[test]
fn the_token_is_bound_to_the_api() {
    let settings = settings();
    let foreign = "https://s3.eu-central-1.wasabisys.com/x".parse().unwrap();
    for (request, method, target) in [
        (content_by_id(&settings, &media("jpeg-3a:1+@="), None), "GET", "/media/jpeg-3a:1+@="),
        (delete(&settings, &media("jpeg-3a")), "DELETE", "/media/jpeg-3a"),
        (list(&settings, &ListFilter::default(), 100, 7), "GET", "/media?count=100&offset=7"),
        (
            list(&settings, &ListFilter::default().with_until(UNIX_EPOCH - Duration::from_secs(1)), 1, 0),
            "GET",
            "/media?count=1&offset=0&time_to=0",
        ),
        (message(&settings, "rAARIj.VWZ_-gHoDntuymw", false), "GET", "/messages/rAARIj.VWZ_-gHoDntuymw"),
        (message(&settings, "rAARIj", true), "GET", "/messages/rAARIj?resync=true"),
        (upload(&settings, pdf()), "POST", "/media"),
    ] {
        let request = request.unwrap();
        assert_eq!(request.method().as_str(), method);
        assert_eq!(request.url().as_str(), format!("https://gate.whapi.cloud{target}"));
        assert!(!request.headers().contains_key(header::AUTHORIZATION));
        let [bearer] = request.bound_headers() else { panic!("one bound header") };
        assert_eq!(bearer.value_for(request.url()).unwrap(), "Bearer TEST-canary");
        assert_eq!(bearer.value_for(&foreign), None);
    }
    let bytes = content_by_id(&settings, &media("jpeg-3a"), None).unwrap();
    assert_eq!(bytes.headers()[header::ACCEPT], "*/*");
    assert!(
        !bytes.headers().contains_key(header::CONTENT_TYPE) && !bytes.headers().contains_key(header::RANGE)
    );
}

#[test]
fn a_link_is_used_as_it_is_and_without_any_credential() {
    let text = "https://s3.eu-central-1.wasabisys.com/in-files/1/document.pdf?b=%3D&a=-_";
    let link = MediaLink::public(text.parse().unwrap());
    let request = content_by_link(&link, Some(&Resume::new(7, Some("\"v1\"".to_owned())))).unwrap();
    assert_eq!(request.url().as_str(), text);
    assert!(request.bound_headers().is_empty());
    assert_eq!(request.headers()[header::RANGE], "bytes=7-");
    assert_eq!(request.headers()[header::IF_RANGE], "\"v1\"");
}

#[test]
fn the_placeholder_is_not_asked_for() {
    let settings = settings();
    for request in
        [content_by_id(&settings, &media(PLACEHOLDER), None), delete(&settings, &media(PLACEHOLDER))]
    {
        assert_eq!(request.unwrap_err().kind(), ErrorKind::NotReady);
    }
}

#[test]
fn an_id_that_changes_a_path_is_no_message() {
    for id in ["", "..", "a/b", "a?b", "a#b", "a\r\nb"] {
        assert_eq!(message(&settings(), id, false).unwrap_err().kind(), ErrorKind::InvalidRequest, "{id:?}");
    }
}

#[test]
fn an_upload_is_given_an_extension() {
    let name = |name: &str, mime: &str| {
        upload_name(&UploadContent::from_bytes(&b"x"[..], Mime::parse(mime).unwrap(), name))
    };
    assert_eq!(name("report.pdf", "application/pdf"), "report.pdf");
    assert_eq!(name("report", "application/pdf"), "report.pdf");
    assert_eq!(name("v1.2 final", "application/pdf"), "v1.2 final.pdf");
    assert_eq!(name(" ", "image/jpeg"), "file.jpg");
    assert_eq!(name("data", "application/x-own"), "data");
}

#[test]
fn pages_have_a_size_that_the_vendor_allows() {
    assert_eq!((page_size(None), page_size(Some(0)), page_size(Some(9000))), (100, 1, 500));
}
