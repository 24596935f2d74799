//! What Whapi has alone, or needs another call for than the suite makes.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use wamedia_conformance::{CANARY, read_all, run_operation, wamedia_fixtures};
use wamedia_core::{
    ErrorKind, Inbound, ListOptions, MediaId, MediaLink, MediaRef, Mime, OpenOptions, Provider as _,
    ResolveOptions, Result, Source, UploadContent, UploadOptions, unix_seconds,
};
use wamedia_whapi::{ListFilter, UploadForm, WhapiCloud};

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

/// Uploads a file of the fixtures in this form, and checks the id that comes back.
fn uploaded(fixture: &str, form: UploadForm, name: &str, mime: &str) {
    let bytes = wamedia_fixtures::embedded().read(&format!("media/{name}")).unwrap().into_owned();
    let content = UploadContent::from_bytes(bytes, Mime::parse(mime).unwrap(), name);
    let uploaded = run_operation(fixture, |net| async move {
        let builder = WhapiCloud::builder(CANARY).upload_form(form);
        builder.transport(net.transport.clone()).build()?.upload(content, UploadOptions::default()).await
    });
    let id = uploaded.unwrap().media.unwrap().id.unwrap();
    assert_eq!(id.as_str(), "jpeg-3a00112233445566aa99-807a039edbb29b");
}

#[test]
fn an_upload_is_the_bytes_alone_where_that_is_chosen() {
    uploaded("whapi/operation/upload-raw", UploadForm::Raw, "photo.jpg", "image/jpeg");
}

#[test]
fn an_upload_in_json_says_whether_the_file_stays_as_it_is() {
    for (fixture, no_encode) in
        [("whapi/operation/upload-json-unchanged", true), ("whapi/operation/upload-json-encoded", false)]
    {
        uploaded(fixture, UploadForm::Json { no_encode }, "note.txt", "text/plain");
    }
}

#[test]
fn a_list_is_filtered_on_every_page() {
    let listed: Result<Vec<_>> = run_operation("whapi/operation/list-filtered", |net| async move {
        let whapi = WhapiCloud::builder(CANARY).transport(net.transport.clone()).build()?;
        let filter = ListFilter::default()
            .with_from(unix_seconds(1_754_413_700))
            .with_until(unix_seconds(1_754_413_800))
            .with_newest_first(true);
        let options = ListOptions::default().with_page_size(Some(2));
        let first = whapi.list_where(&filter, options.clone()).await?;
        let second = whapi.list_where(&filter, options.with_cursor(first.next.clone())).await?;
        assert_eq!((first.items.len(), second.items.len(), second.next), (2, 1, None));
        Ok(first.items.into_iter().chain(second.items).map(|item| item.created_at).collect())
    });
    let times = [1_754_413_770, 1_754_413_769, 1_754_413_768].map(unix_seconds);
    assert_eq!(listed.unwrap(), times);
}

fn message(fixture: &str, resync: bool) -> Result<Inbound> {
    run_operation(fixture, |net| async move {
        let whapi = WhapiCloud::builder(CANARY).transport(net.transport.clone()).build()?;
        whapi.message("OgARIjNEVWaqmQ-gHoDntuymw", resync, ResolveOptions::default()).await
    })
}

#[test]
fn a_message_by_its_id_has_the_reference_that_a_delivery_has() {
    for (fixture, resync) in [("whapi/operation/message", true), ("whapi/operation/message-wrapped", false)] {
        let inbound = message(fixture, resync).unwrap();
        let [item] = &inbound.media().collect::<Vec<_>>()[..] else { panic!("one item: {inbound:?}") };
        assert_eq!(item.media.id.as_ref().unwrap().as_str(), "jpeg-3a00112233445566aa99-807a039edbb29b");
        assert_eq!(item.media.scope.message.as_deref(), Some("OgARIjNEVWaqmQ-gHoDntuymw"));
        assert_eq!(item.media.declared.size_bytes, Some(652));
        assert!(item.media.declared.sha256.is_some() && !item.media.signed, "{item:?}");
        assert_eq!(item.caption.as_deref(), Some("hi"));
    }
}

#[test]
fn an_unknown_message_is_not_found() {
    let error = message("whapi/operation/message-gone", false).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, Some("message")));
}
