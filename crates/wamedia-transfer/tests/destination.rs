//! What a destination is given: the order of the calls, and how many bytes at a time.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use support::{Replies, Reply, media};
use wamedia_core::{ContentMetadata, Result, Sha256};
use wamedia_transfer::{
    Begin, BeginContext, Destination, Event, Memory, Observer, Receipt, Transfer, TransferOptions,
};

/// Writes down what it is told.
#[derive(Default)]
struct Recorder {
    batch: usize,
    content: Vec<u8>,
    calls: Vec<String>,
}

#[async_trait]
impl Destination for Recorder {
    async fn begin(&mut self, _: &BeginContext<'_>) -> Result<Begin> {
        self.calls.push("begin".to_owned());
        Ok(Begin::Fresh)
    }

    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()> {
        let bytes = chunks.concat();
        self.calls.push(format!("write {} in {}", bytes.len(), chunks.len()));
        self.content.extend(bytes);
        Ok(())
    }

    async fn restart(&mut self, written: u64, digest: Sha256) -> Result<()> {
        assert_eq!(digest, Sha256::of(&self.content));
        self.calls.push(format!("restart {written}"));
        self.content.clear();
        Ok(())
    }

    async fn commit(&mut self, receipt: &Receipt) -> Result<()> {
        assert_eq!((receipt.bytes, receipt.sha256), (self.content.len() as u64, Sha256::of(&self.content)));
        self.calls.push("commit".to_owned());
        Ok(())
    }

    async fn abort(&mut self) {
        self.calls.push("abort".to_owned());
    }

    fn batch_bytes(&self) -> usize {
        self.batch
    }
}

fn content(size: usize) -> Bytes {
    (0..size).map(|index| u8::try_from(index % 251).unwrap() | 0x80).collect()
}

async fn calls(batch: usize, replies: impl IntoIterator<Item = Reply>) -> Vec<String> {
    let provider = Replies::new(ContentMetadata::EMPTY, replies);
    let mut recorder = Recorder { batch, ..Recorder::default() };
    let _ = Transfer::new(&provider).store(&media("1"), &mut recorder).await;
    recorder.calls
}

#[tokio::test(start_paused = true)]
async fn bytes_come_in_batches_of_the_size_that_the_destination_asks_for() {
    for (chunk, sizes) in [
        (5000, &["10000 in 2", "10000 in 2", "10000 in 2"][..]),
        (6000, &["12000 in 2", "12000 in 2", "6000 in 1"]),
        // Small chunks are joined, so that they take no more memory than their bytes.
        (100, &["10000 in 1", "10000 in 1", "10000 in 1"]),
        (10_001, &["10001 in 1", "10001 in 1", "9998 in 1"]),
    ] {
        let mut expected = vec!["begin".to_owned()];
        expected.extend(sizes.iter().map(|size| format!("write {size}")));
        expected.push("commit".to_owned());
        let reply = Reply::whole(content(30_000)).in_chunks(chunk);
        assert_eq!(calls(10_000, [reply]).await, expected, "chunks of {chunk}");
    }
    assert_eq!(Memory::new().batch_bytes(), 512 * 1024, "what is asked for unless a destination says so");
    let each = calls(0, [Reply::whole(content(300)).in_chunks(100)]).await;
    assert_eq!(each, ["begin", "write 100 in 1", "write 100 in 1", "write 100 in 1", "commit"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_was_handed_over_is_taken_back() {
    let broken = |count| Reply::whole(content(30_000)).broken_after(count);
    let whole = || Reply::whole(content(30_000));
    let after = ["write 30000 in 1", "commit"];
    let early = calls(10_000, [broken(9999), whole()]).await;
    assert_eq!(early, [&["begin"][..], &after].concat(), "nothing had been handed over");
    let late = calls(10_000, [broken(15_000), whole()]).await;
    assert_eq!(late, [&["begin", "write 15000 in 1", "restart 15000"][..], &after].concat());
}

/// Creates a file as soon as the first bytes arrive.
#[derive(Debug)]
struct Competitor(std::path::PathBuf);

impl Observer for Competitor {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Received { .. }) {
            std::fs::write(&self.0, "another program's").unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_appears_meanwhile_stays_and_the_error_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    let store = async |observer: Option<Arc<dyn Observer>>| {
        let provider = Replies::new(ContentMetadata::EMPTY, [Reply::whole("content")]);
        let mut options = TransferOptions::default();
        options.observer = observer;
        Transfer::new(&provider).with_options(options).download_to(&media("1"), &path).await.unwrap_err()
    };
    let late = store(Some(Arc::new(Competitor(path.clone())))).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "another program's");
    let early = store(None).await;
    assert_eq!((late.kind(), late.message()), (early.kind(), early.message()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_stored_file_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode();
    let ordinary = folder.path().join("ordinary");
    std::fs::write(&ordinary, "").unwrap();
    // What a killed run left is for its owner alone.
    let left = folder.path().join(".b.txt.wamedia-part");
    std::fs::write(&left, "left").unwrap();
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o600)).unwrap();
    let provider = Replies::new(ContentMetadata::EMPTY, (0..3).map(|_| Reply::whole("content")));
    let transfer = Transfer::new(&provider);
    let new = transfer.download_to(&media("1"), &folder.path().join("a.txt")).await.unwrap();
    let taken_over = transfer.download_to(&media("1"), &folder.path().join("b.txt")).await.unwrap();
    let in_folder = transfer.download_in(&media("1"), folder.path()).await.unwrap();
    assert!(!left.exists());
    for stored in [new, taken_over, in_folder] {
        assert_eq!(mode(&stored.path), mode(&ordinary), "{}", stored.path.display());
    }
}
