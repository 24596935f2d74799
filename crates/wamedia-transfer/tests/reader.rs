//! Content that is read while it arrives: its end is the verification.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use support::{Replies, Reply, media};
use tokio::io::AsyncReadExt as _;
use wamedia_core::{ContentMetadata, DeclaredBy, ErrorKind, MediaRef, Sha256};
use wamedia_transfer::{Event, Outcome, TransferOptions, Verified, VerifiedReader};

/// More than waits for the reader at once.
const SIZE: usize = 300_000;

fn content() -> Vec<u8> {
    (0..SIZE).map(|index| u8::try_from(index % 251).unwrap() | 0x80).collect()
}

fn flipped() -> Vec<u8> {
    let mut content = content();
    content[SIZE - 1] ^= 1;
    content
}

fn reader(replies: impl IntoIterator<Item = Reply>) -> VerifiedReader {
    let declared = ContentMetadata::EMPTY.with_sha256(Sha256::of(&content()));
    VerifiedReader::new(Arc::new(Replies::new(declared, replies)), media("1"), TransferOptions::default())
}

#[tokio::test(start_paused = true)]
async fn good_content_is_read_to_its_end() {
    let verified = Verified::Digest(DeclaredBy::Provider);
    let mut reading = reader([Reply::whole(content()).in_chunks(7000)]);
    assert!(reading.receipt().is_none());
    let mut read = Vec::new();
    assert_eq!(reading.read_to_end(&mut read).await.unwrap(), SIZE);
    assert_eq!((read == content(), reading.receipt().unwrap().verified), (true, verified));
    assert_eq!(reading.read(&mut [0; 8]).await.unwrap(), 0, "the end stays");

    let mut streaming = reader([Reply::whole(content())]);
    let items: Vec<Bytes> = streaming.by_ref().map(Result::unwrap).collect().await;
    assert_eq!((items.concat() == content(), streaming.receipt().unwrap().verified), (true, verified));
    assert!(items.len() > 1 && items.iter().all(|item| !item.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_is_an_error_in_place_of_the_end() {
    let mut reading = reader([Reply::whole(flipped())]);
    let mut read = Vec::new();
    let error = reading.read_to_end(&mut read).await.unwrap_err();
    assert_eq!((error.kind(), read.len()), (io::ErrorKind::InvalidData, SIZE));
    let again = reading.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::InvalidData, "there is no clean end later, either");
    assert!(reading.receipt().is_none());

    let mut items = reader([Reply::whole(flipped())]).collect::<Vec<_>>().await;
    assert_eq!(items.pop().unwrap().unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(items.into_iter().map(|item| item.unwrap().len()).sum::<usize>(), SIZE);
}

#[tokio::test(start_paused = true)]
async fn a_break_is_resumed_unseen_and_one_too_many_is_an_error() {
    let broken = || Reply::whole(content()).broken_after(100_000);
    let mut read = Vec::new();
    reader([broken(), Reply::whole(content())]).read_to_end(&mut read).await.unwrap();
    assert_eq!(read, content());
    let error = reader([broken()]).read_to_end(&mut read).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "no reply is left");
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_unread_and_dropping_cancels() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let observer = move |_: &MediaRef, event: &Event| told.lock().unwrap().push(*event);
    let provider =
        Arc::new(Replies::new(ContentMetadata::EMPTY, [Reply::whole(content()).in_chunks(10_000)]));
    let options = TransferOptions::default().with_observer(observer);
    let mut reading = VerifiedReader::new(Arc::clone(&provider), media("1"), options);
    tokio::task::yield_now().await;
    assert_eq!((provider.opens(), events.lock().unwrap().len()), (0, 0));
    assert_eq!(reading.read(&mut [0; 100]).now_or_never().unwrap().unwrap(), 100);
    let received = |event: &Event| if let Event::Received { bytes } = event { *bytes } else { 0 };
    let ahead: u64 = events.lock().unwrap().iter().map(received).sum();
    assert!(ahead < 100_000, "{ahead} bytes are ahead of a reader of 100");
    drop(reading);
    assert_eq!(events.lock().unwrap().last(), Some(&Event::Ended(Outcome::Cancelled)));
    assert_eq!(Arc::strong_count(&provider), 1, "no task holds the provider");
}
