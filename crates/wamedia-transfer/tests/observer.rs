//! What an observer is told, and of which media.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use support::{Replies, Reply, media};
use wamedia_core::{ContentMetadata, ErrorKind, MediaRef};
use wamedia_transfer::{Event, IfExists, Outcome, Transfer, TransferOptions};

/// Every event with the identity of its media.
type Told = Arc<Mutex<Vec<(String, Event)>>>;

fn observed() -> (Told, TransferOptions) {
    let told = Told::default();
    let events = Arc::clone(&told);
    let observer = move |media: &MediaRef, event: &Event| {
        events.lock().unwrap().push((media.id.as_ref().unwrap().to_string(), *event));
    };
    (told, TransferOptions::default().with_observer(observer).with_if_exists(IfExists::Keep))
}

fn ends(told: &Told) -> Vec<(String, Outcome)> {
    let told = told.lock().unwrap();
    let ends = told.iter().filter_map(|(media, event)| match event {
        Event::Ended(outcome) => Some((media.clone(), *outcome)),
        _ => None,
    });
    ends.collect()
}

#[tokio::test(start_paused = true)]
async fn an_observer_of_several_transfers_knows_whose_event_it_is() {
    let (told, options) = observed();
    let provider = Replies::new(ContentMetadata::EMPTY, ["one", "other"].map(Reply::whole));
    let transfer = Transfer::new(&provider).with_options(options);
    let (one, other) = (media("1"), media("2"));
    let (one, other) = tokio::join!(transfer.fetch(&one), transfer.fetch(&other));
    assert!(one.is_ok() && other.is_ok());
    for (id, bytes) in [("1", 3), ("2", 5)] {
        let told = told.lock().unwrap();
        let events: Vec<_> = told.iter().filter(|(media, _)| media == id).map(|(_, event)| *event).collect();
        let whole = Some(bytes);
        assert_eq!(
            events,
            [
                Event::Resolved { size_bytes: None },
                Event::Opened { offset: 0, size_bytes: whole },
                Event::Received { bytes },
                Event::Ended(Outcome::Stored { bytes }),
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_transfer_ends_once_and_the_observer_is_told_how() {
    let (told, options) = observed();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    let stalled = Reply { stalls: true, ..Reply::whole("content") };
    let provider = Replies::new(ContentMetadata::EMPTY, [Reply::whole("content"), stalled]);
    let transfer = Transfer::new(&provider).with_options(options);
    transfer.download_to(&media("stored"), &path).await.unwrap();
    transfer.download_to(&media("kept"), &path).await.unwrap();
    assert!(transfer.fetch(&media("cancelled")).now_or_never().is_none());
    transfer.fetch(&media("failed")).await.unwrap_err();
    let expected = [
        ("stored", Outcome::Stored { bytes: 7 }),
        ("kept", Outcome::AlreadyStored),
        ("cancelled", Outcome::Cancelled),
        ("failed", Outcome::Failed { kind: ErrorKind::NotFound }),
    ];
    assert_eq!(ends(&told), expected.map(|(media, outcome)| (media.to_owned(), outcome)));
    // Its last event is the end.
    assert!(matches!(told.lock().unwrap().last(), Some((_, Event::Ended(_)))));
}
