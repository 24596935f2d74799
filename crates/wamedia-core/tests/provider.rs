//! A provider behind a pointer is the same provider.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wamedia_core::{
    Budget, Capabilities, DeclaredBy, DeleteOptions, DeleteOutcome, Error, ErrorKind, Limits, ListOptions,
    MediaDescriptor, MediaId, MediaPage, MediaRef, MediaStream, Mime, OpenOptions, Provider, ResolveOptions,
    Result, Source, UploadContent, UploadOptions, Uploaded,
};

/// Has every operation, and none of them succeeds: the message says which one was asked.
#[derive(Debug)]
struct Fixed(Capabilities);

fn asked(operation: &str) -> Error {
    Error::new(ErrorKind::Upstream, operation)
}

#[async_trait]
impl Provider for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0
    }

    async fn resolve(&self, _: &MediaRef, _: ResolveOptions) -> Result<MediaDescriptor> {
        Err(asked("resolve"))
    }

    async fn open(&self, _: &MediaDescriptor, _: OpenOptions) -> Result<MediaStream> {
        Err(asked("open"))
    }

    async fn upload(&self, _: UploadContent, _: UploadOptions) -> Result<Uploaded> {
        Err(asked("upload"))
    }

    async fn delete(&self, _: &MediaRef, _: DeleteOptions) -> Result<DeleteOutcome> {
        Err(asked("delete"))
    }

    async fn list(&self, _: ListOptions) -> Result<MediaPage> {
        Err(asked("list"))
    }
}

/// The message of the error of work that never waits.
fn message<T>(work: impl Future<Output = Result<T>>) -> String {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error)) => error.message().to_owned(),
        Poll::Ready(Ok(_)) => "success".to_owned(),
        Poll::Pending => "waiting".to_owned(),
    }
}

#[test]
fn a_pointer_forwards_every_operation() {
    let capabilities = Capabilities::NONE.with_resolve().with_open_range();
    let provider: Arc<Arc<dyn Provider>> = Arc::new(Arc::new(Fixed(capabilities)));
    let media = MediaRef::from(MediaId::new("1").unwrap());
    let descriptor = MediaDescriptor::new(media.clone(), Source::Direct);
    let jpeg = Mime::parse("image/jpeg").unwrap();
    let content = UploadContent::from_bytes(Bytes::from_static(b"content"), jpeg, "a.jpg");
    assert_eq!((provider.name(), provider.capabilities()), ("fixed", &capabilities));
    assert_eq!(message(provider.resolve(&media, ResolveOptions::default())), "resolve");
    assert_eq!(message(provider.open(&descriptor, OpenOptions::default())), "open");
    assert_eq!(message(provider.upload(content, UploadOptions::default())), "upload");
    assert_eq!(message(provider.delete(&media, DeleteOptions::default())), "delete");
    assert_eq!(message(provider.list(ListOptions::default())), "list");
}

#[test]
fn who_declared_something_has_a_stable_name() {
    for (by, name) in
        [(DeclaredBy::Caller, "caller"), (DeclaredBy::Webhook, "webhook"), (DeclaredBy::Provider, "provider")]
    {
        assert_eq!(by.name(), name);
    }
}

#[test]
fn a_message_from_the_future_has_no_age() {
    let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let media = MediaRef::from(MediaId::new("1").unwrap());
    assert_eq!(media.age(sent), None);
    let media = media.with_sent_at(sent);
    assert_eq!(media.age(sent + Duration::from_secs(7)), Some(Duration::from_secs(7)));
    assert_eq!(media.age(sent - Duration::from_secs(7)), Some(Duration::ZERO));
}

#[test]
fn the_options_of_a_call_keep_all_that_was_set() {
    let mut limits = Limits::default();
    limits.max_attempts = 7;
    let options = ResolveOptions::default().with_renew(true).with_budget(Budget::new(limits));
    assert_eq!((options.renew, options.budget.limits().max_attempts), (true, 7));
}
