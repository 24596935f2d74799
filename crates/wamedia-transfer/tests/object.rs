//! Objects in stores of the `object_store` crate, in memory and in a local folder.
#![cfg(feature = "object_store")]
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, UploadPart,
};
use support::{Replies, Reply, media};
use wamedia_core::{ContentMetadata, ErrorKind, Result, Sha256};
use wamedia_transfer::{
    Begin, BeginContext, Destination, IfExists, Object, OnMismatch, Receipt, Transfer, TransferOptions,
};

const NONE: ContentMetadata = ContentMetadata::EMPTY;
/// More than one part of a multipart upload.
const LARGE: usize = 9 * 1024 * 1024 + 7;

fn content(size: usize, salt: u8) -> Bytes {
    let block: Vec<u8> = (0..=250).map(|byte| byte ^ salt ^ 0x80).collect();
    let mut content = block.repeat(size / block.len() + 1);
    content.truncate(size);
    content.into()
}

fn options(if_exists: IfExists) -> TransferOptions {
    let mut options = TransferOptions::default();
    options.if_exists = if_exists;
    options
}

async fn store(
    to: &Arc<dyn ObjectStore>,
    provider: &Replies,
    options: TransferOptions,
) -> Result<Option<Receipt>> {
    let mut object = Object::new(Arc::clone(to), Path::from("media/photo"));
    Transfer::new(provider).with_options(options).store(&media("1"), &mut object).await
}

/// Everything in a store: locations and contents.
async fn all(store: &dyn ObjectStore) -> Vec<(String, Bytes)> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut all = Vec::new();
    for object in listed {
        let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
        all.push((object.location.to_string(), bytes));
    }
    all.sort();
    all
}

/// A store in memory and one in a local folder. The folder keeps uploads that are not complete in files of its own.
fn stores() -> (tempfile::TempDir, [Arc<dyn ObjectStore>; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    (folder, [Arc::new(InMemory::new()), Arc::new(local)])
}

fn files_in(folder: &tempfile::TempDir) -> usize {
    support::names(folder.path()).iter().filter(|name| *name != "media").count()
}

const EVERY_MODE: [IfExists; 3] = [IfExists::Refuse, IfExists::Keep, IfExists::Replace];

#[tokio::test(start_paused = true)]
async fn verified_content_is_stored_whole() {
    for (size, if_exists) in
        [3, 100_000, LARGE].into_iter().flat_map(|size| EVERY_MODE.map(|mode| (size, mode)))
    {
        let (folder, stores) = stores();
        for to in stores {
            let bytes = content(size, 0);
            let provider = Replies::new(NONE, [Reply::whole(bytes.clone())]);
            let receipt = store(&to, &provider, options(if_exists)).await.unwrap().unwrap();
            assert_eq!(receipt.sha256, Sha256::of(&bytes));
            assert!(all(&*to).await == [("media/photo".to_owned(), bytes)], "{size} {if_exists:?}");
        }
        assert_eq!(files_in(&folder), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn content_type_and_digest_are_attributes() {
    for (size, if_exists) in [(100, IfExists::Refuse), (LARGE, IfExists::Refuse), (LARGE, IfExists::Replace)]
    {
        let jpeg: Bytes = [&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], &content(size, 0)].concat().into();
        let declared = NONE.with_sha256(Sha256::of(&jpeg)).with_mime_text(Some("application/pdf"));
        let to: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let provider = Replies::new(declared, [Reply::whole(jpeg.clone())]);
        store(&to, &provider, options(if_exists)).await.unwrap();
        let stored = to.get(&Path::from("media/photo")).await.unwrap();
        let want = Attributes::from_iter([
            (Attribute::ContentType, "image/jpeg".to_owned()),
            (Attribute::Metadata("sha256".into()), Sha256::of(&jpeg).to_hex()),
        ]);
        assert_eq!(stored.attributes, want, "{size} {if_exists:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorded_mismatch_gets_no_false_digest() {
    for size in [100, LARGE] {
        let declared = NONE.with_sha256(Sha256::of(b"other"));
        let to: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let replies = || [Reply::whole(content(size, 0))];
        let mut options = options(IfExists::Refuse);
        options.on_mismatch = OnMismatch::Record;
        store(&to, &Replies::new(declared, replies()), options).await.unwrap();
        let stored = to.get(&Path::from("media/photo")).await.unwrap();
        let digest = Sha256::of(&content(size, 0)).to_hex();
        let stated = stored.attributes.get(&Attribute::Metadata("sha256".into()));
        assert!(stated.is_none_or(|stated| stated.as_ref() == digest));
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_is_not_what_was_declared_leaves_nothing() {
    for (size, policy) in [100, LARGE]
        .into_iter()
        .flat_map(|size| [OnMismatch::Reject, OnMismatch::Quarantine].map(|policy| (size, policy)))
    {
        let (folder, stores) = stores();
        for to in stores {
            let declared = NONE.with_sha256(Sha256::of(b"other"));
            let mut options = options(IfExists::Replace);
            options.on_mismatch = policy;
            let provider = Replies::new(declared, [Reply::whole(content(size, 0))]);
            let error = store(&to, &provider, options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Integrity);
            assert!(all(&*to).await.is_empty());
        }
        assert_eq!(files_in(&folder), 0, "{size} {policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_break_is_resumed_and_a_restart_begins_a_new_upload() {
    for size in [100_000, LARGE] {
        let bytes = content(size, 0);
        let break_at = size - 10;
        let declared = NONE.with_sha256(Sha256::of(&bytes));
        let rest = || Reply::part(bytes.slice(break_at..), break_at as u64, Some(size as u64));
        let broken = |salt| Reply::whole(content(size, salt)).broken_after(break_at);
        let resumed = || vec![broken(0), rest()];
        let restarted = || vec![broken(7), rest(), Reply::whole(bytes.clone())];
        let scripts: [&dyn Fn() -> Vec<Reply>; 2] = [&resumed, &restarted];
        for script in scripts {
            let (folder, stores) = stores();
            for to in stores {
                let provider = Replies::new(declared.clone(), script());
                store(&to, &provider, options(IfExists::Refuse)).await.unwrap();
                assert!(all(&*to).await == [("media/photo".to_owned(), bytes.clone())]);
            }
            assert_eq!(files_in(&folder), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_exists_is_refused_kept_or_replaced() {
    for to in stores().1 {
        let place = Path::from("media/photo");
        to.put(&place, Bytes::from_static(b"before").into()).await.unwrap();
        let nothing = || Replies::new(NONE, []);
        let refused = store(&to, &nothing(), options(IfExists::Refuse)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Local);
        assert!(store(&to, &nothing(), options(IfExists::Keep)).await.unwrap().is_none());
        let mut keep = options(IfExists::Keep);
        keep.sha256 = Some(Sha256::of(b"before"));
        assert!(store(&to, &nothing(), keep.clone()).await.unwrap().is_none());
        keep.sha256 = Some(Sha256::of(b"after"));
        assert_eq!(store(&to, &nothing(), keep).await.unwrap_err().kind(), ErrorKind::Integrity);
        assert_eq!(to.get(&place).await.unwrap().bytes().await.unwrap(), "before");
        let after = Replies::new(NONE, [Reply::whole("after")]);
        store(&to, &after, options(IfExists::Replace)).await.unwrap().unwrap();
        assert_eq!(to.get(&place).await.unwrap().bytes().await.unwrap(), "after");
    }
}

/// Another object gets the location just before this one is committed.
struct Overtaken(Object, Arc<dyn ObjectStore>);

#[async_trait]
impl Destination for Overtaken {
    async fn begin(&mut self, context: &BeginContext<'_>) -> Result<Begin> {
        self.0.begin(context).await
    }

    async fn write(&mut self, chunks: Vec<Bytes>) -> Result<()> {
        self.0.write(chunks).await
    }

    async fn restart(&mut self, written: u64, digest: Sha256) -> Result<()> {
        self.0.restart(written, digest).await
    }

    async fn commit(&mut self, receipt: &Receipt) -> Result<()> {
        self.1.put(self.0.location(), Bytes::from_static(b"other").into()).await.unwrap();
        self.0.commit(receipt).await
    }

    async fn abort(&mut self) {
        self.0.abort().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_appears_meanwhile_is_not_overwritten() {
    for (size, if_exists) in [(100, IfExists::Refuse), (LARGE, IfExists::Refuse), (LARGE, IfExists::Keep)] {
        let (folder, stores) = stores();
        for to in stores {
            let object = Object::new(Arc::clone(&to), Path::from("media/photo"));
            let provider = Replies::new(NONE, [Reply::whole(content(size, 0))]);
            let transfer = Transfer::new(&provider).with_options(options(if_exists));
            let outcome = transfer.store(&media("1"), &mut Overtaken(object, Arc::clone(&to))).await;
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Local);
            assert!(all(&*to).await == [("media/photo".to_owned(), Bytes::from_static(b"other"))]);
        }
        assert_eq!(files_in(&folder), 1, "{size} {if_exists:?}");
    }
}

/// Counts multipart uploads that were started and those that were completed or aborted. It cannot copy.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    started: AtomicU32,
    ended: Arc<AtomicU32>,
}

#[derive(Debug)]
struct CountingUpload(Box<dyn MultipartUpload>, Arc<AtomicU32>);

#[async_trait]
impl MultipartUpload for CountingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.0.put_part(data)
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        self.1.fetch_add(1, Relaxed);
        self.0.complete().await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.1.fetch_add(1, Relaxed);
        self.0.abort().await
    }
}

impl std::fmt::Display for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counting")
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        to: &Path,
        content: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(to, content, options).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.started.fetch_add(1, Relaxed);
        let upload = self.inner.put_multipart_opts(to, options).await?;
        Ok(Box::new(CountingUpload(upload, Arc::clone(&self.ended))))
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(from, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        let operation = "copy_opts".to_owned();
        Err(object_store::Error::NotImplemented { operation, implementer: self.to_string() })
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_not_completed_is_aborted_whatever_ends_it() {
    let broken = || Reply::whole(content(LARGE, 0)).broken_after(LARGE - 1);
    let flipped = || Reply::whole(content(LARGE, 7));
    let mut stalled = broken();
    (stalled.chunks, stalled.stalls) = (vec![stalled.chunks.remove(0)], true);
    let declared = || NONE.with_sha256(Sha256::of(&content(LARGE, 0)));
    for (replies, uploads) in [(vec![flipped()], 1), (vec![broken(), flipped()], 2), (vec![stalled], 1)] {
        let counting = Arc::new(Counting::default());
        let to: Arc<dyn ObjectStore> = Arc::clone(&counting) as _;
        let provider = Replies::new(declared(), replies);
        let work = store(&to, &provider, options(IfExists::Refuse));
        // The time is over when nothing else can happen: then the transfer is dropped.
        let outcome = tokio::time::timeout(Duration::from_secs(3600), work).await;
        assert!(!matches!(outcome, Ok(Ok(_))));
        tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await.unwrap_err();
        assert_eq!((counting.started.load(Relaxed), counting.ended.load(Relaxed)), (uploads, uploads));
        assert!(all(&*to).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_create_without_replacing_says_what_to_do() {
    let to: Arc<dyn ObjectStore> = Arc::new(Counting::default());
    let large = || Replies::new(NONE, [Reply::whole(content(LARGE, 0))]);
    let error = store(&to, &large(), options(IfExists::Refuse)).await.unwrap_err();
    assert!(error.hint().unwrap().contains("replace"), "{error:?}");
    assert!(all(&*to).await.is_empty());
    store(&to, &large(), options(IfExists::Replace)).await.unwrap().unwrap();
    assert_eq!(all(&*to).await.len(), 1);
}
