//! Files and folders: a name that a stranger chose never costs anybody's file.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use support::{Replies, Reply, media, names};
use wamedia_core::{ContentMetadata, ErrorKind, MediaRef, Provider, Result, Sha256};
use wamedia_transfer::{
    Downloaded, Folder, IfExists, Job, ManyOptions, OnMismatch, Require, Target, Transfer, TransferOptions,
    transfer_many,
};

const NONE: ContentMetadata = ContentMetadata::EMPTY;

fn named(id: &str, name: &str) -> MediaRef {
    media(id).with_declared(NONE.with_name(Some(name)))
}

fn options(exists: IfExists) -> TransferOptions {
    let mut options = TransferOptions::default();
    options.if_exists = exists;
    options
}

async fn store(folder: &Folder, media: &MediaRef, content: &str, exists: IfExists) -> Result<Downloaded> {
    let provider = Replies::new(NONE, [Reply::whole(content.to_owned())]);
    Transfer::new(&provider).with_options(options(exists)).download_in(media, folder).await
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

const ALL: [IfExists; 3] = [IfExists::Refuse, IfExists::Keep, IfExists::Replace];

#[tokio::test(start_paused = true)]
async fn two_senders_with_one_name_get_two_files_in_every_mode() {
    for (exists, has_manifest) in ALL.into_iter().flat_map(|exists| [(exists, false), (exists, true)]) {
        let folder = tempfile::tempdir().unwrap();
        let target = Folder::new(folder.path()).with_manifest(has_manifest);
        store(&target, &named("1", "invoice.pdf"), "one", exists).await.unwrap();
        store(&target, &named("2", "invoice.pdf"), "two", exists).await.unwrap();
        assert_eq!(read(folder.path(), "invoice.pdf"), "one");
        assert_eq!(read(folder.path(), "invoice (2).pdf"), "two");
    }
}

#[tokio::test]
async fn a_folder_that_is_missing_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a/media");
    store(&Folder::new(&path), &named("1", "photo.jpg"), "one", IfExists::Refuse).await.unwrap();
    assert_eq!(read(&path, "photo.jpg"), "one");
}

#[tokio::test]
async fn tasks_that_share_a_name_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = Folder::new(folder.path());
    let jobs = (0..400).map(|number| {
        let content = format!("content {number}");
        let provider: Arc<dyn Provider> = Arc::new(Replies::new(NONE, [Reply::whole(content)]));
        Job::new(provider, named(&number.to_string(), "photo.jpg"), Target::Folder(target.clone()))
    });
    let finished: Vec<_> = transfer_many(stream::iter(jobs), ManyOptions::new(16)).collect().await;
    drop(target);
    assert!(finished.iter().all(|one| one.outcome.is_ok()));
    let mut contents: Vec<_> = names(folder.path()).iter().map(|name| read(folder.path(), name)).collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 400);
}

#[tokio::test(start_paused = true)]
async fn the_second_run_of_a_command_asks_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The extension comes from the bytes, so the name cannot be predicted.
    let jpeg = Bytes::from_static(b"\xff\xd8\xff\xe0\0\x10JFIF\0");
    let run = async |replies: Vec<Reply>, exists, digest| {
        let provider = Replies::new(NONE, replies);
        let mut options = options(exists);
        options.sha256 = digest;
        let target = Folder::new(folder.path()).with_manifest(true);
        let outcome = Transfer::new(&provider).with_options(options).download_in(&media("7"), target).await;
        (outcome, provider.opens())
    };
    let (first, _) = run(vec![Reply::whole(jpeg.clone())], IfExists::Keep, None).await;
    assert_eq!(first.unwrap().path.file_name().unwrap(), "replies-7.jpg");
    let before = names(folder.path());
    let (second, opens) = run(vec![], IfExists::Keep, Some(Sha256::of(&jpeg))).await;
    assert_eq!((second.unwrap().is_kept(), opens), (true, 0));
    assert_eq!(names(folder.path()), before);
    let (refused, opens) = run(vec![], IfExists::Refuse, None).await;
    assert_eq!((refused.unwrap_err().kind(), opens), (ErrorKind::Local, 0));
    // Another digest is demanded: fetched again under a free name.
    let other = Bytes::from_static(b"\xff\xd8\xff\xe0 other");
    let (third, _) = run(vec![Reply::whole(other.clone())], IfExists::Keep, Some(Sha256::of(&other))).await;
    assert_eq!(third.unwrap().path.file_name().unwrap(), "replies-7 (2).jpg");
    assert_eq!(std::fs::read(folder.path().join("replies-7.jpg")).unwrap(), jpeg);
}

#[tokio::test(start_paused = true)]
async fn each_run_adds_to_what_the_manifest_knows() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |id| {
        let target = Folder::new(folder.path()).with_manifest(true);
        store(&target, &named(id, "photo.txt"), id, IfExists::Keep).await.unwrap().is_kept()
    };
    for id in ["one", "two", "three"] {
        assert!(!run(id).await, "{id}");
    }
    for id in ["one", "two", "three"] {
        assert!(run(id).await, "{id} is stored already");
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_begins_again_in_a_folder_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let content = "text ".repeat(300_000);
    let replies = [Reply::whole(content.clone()).broken_after(800_000), Reply::whole(content.clone())];
    let provider = Replies::new(NONE, replies);
    let stored = Transfer::new(&provider).download_in(&media("7"), folder.path()).await.unwrap();
    assert!(std::fs::read(stored.path).unwrap() == content.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(".wamedia/manifest.jsonl")).unwrap();
    let provider = Replies::new(NONE, [Reply::whole("content")]);
    let target = Folder::new(folder.path()).with_manifest(true);
    let error = Transfer::new(&provider).download_in(&media("7"), target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Local, "what is stored already is not known: {error}");
    assert_eq!(provider.opens(), 0, "it is known before the first request");
}

#[tokio::test(start_paused = true)]
async fn a_recorded_file_that_was_changed_is_not_kept_where_its_digest_is_asked_for() {
    let digest = Sha256::of(b"one");
    let mut given = options(IfExists::Keep);
    given.sha256 = Some(digest);
    let mut required = options(IfExists::Keep);
    required.require = Require::Digest;
    for wanted in [given, required] {
        let folder = tempfile::tempdir().unwrap();
        let declared = NONE.with_sha256(Some(digest));
        let (target, media) = (Folder::new(folder.path()).with_manifest(true), named("1", "a.txt"));
        let fetch = async |options: &TransferOptions| {
            let provider = Replies::new(declared.clone(), [Reply::whole("one")]);
            Transfer::new(&provider).with_options(options.clone()).download_in(&media, &target).await.unwrap()
        };
        assert!(fetch(&wanted).await.receipt.is_some());
        assert!(fetch(&wanted).await.receipt.is_none());
        // As long as before, so that only its content tells.
        std::fs::write(folder.path().join("a.txt"), "two").unwrap();
        assert!(fetch(&options(IfExists::Keep)).await.receipt.is_none(), "by its size");
        assert!(fetch(&wanted).await.receipt.is_some());
        assert_eq!((&*read(folder.path(), "a.txt"), &*read(folder.path(), "a (2).txt")), ("two", "one"));
    }
}

/// The disk is full somewhere between the first record and the last.
#[cfg(feature = "simulation")]
#[tokio::test(start_paused = true)]
async fn a_record_that_no_file_followed_is_never_believed() {
    for (exists, room) in [IfExists::Keep, IfExists::Replace]
        .into_iter()
        .flat_map(|exists| (0..800).step_by(20).map(move |room| (exists, room)))
    {
        let folder = tempfile::tempdir().unwrap();
        let target = || Folder::new(folder.path()).with_manifest(true);
        // Somebody's own file, as long as the content: the size does not tell.
        std::fs::write(folder.path().join("a.txt"), "own").unwrap();
        let mut limited = options(exists);
        limited.disk = Some(wamedia_transfer::SimulatedDisk::default().with_room_for(room));
        let provider = Replies::new(NONE, [Reply::whole("new")]);
        let transfer = Transfer::new(&provider).with_options(limited);
        drop(transfer.download_in(&named("1", "a.txt"), &target()).await);
        let left = names(folder.path()).into_iter().find(|name| name.ends_with(".wamedia-part"));
        assert_eq!(left, None, "room for {room} bytes, {exists:?}");
        let stored = store(&target(), &named("1", "a.txt"), "new", exists).await.unwrap();
        assert_eq!(
            std::fs::read_to_string(&stored.path).unwrap(),
            "new",
            "room for {room} bytes, {exists:?}"
        );
        assert_eq!(read(folder.path(), "a.txt"), "own");
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_made_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "a file").unwrap();
    let target = Folder::new(taken.join("media"));
    let error = store(&target, &named("1", "a.txt"), "one", IfExists::Keep).await.unwrap_err();
    assert_eq!(error.kind(), wamedia_core::ErrorKind::Local);
    let why = format!("{}: the folder cannot be made: ", taken.join("media").display());
    assert!(error.message().contains(&why), "{error}");
}

#[tokio::test(start_paused = true)]
async fn replace_swaps_only_what_is_still_the_recorded_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = || Folder::new(folder.path()).with_manifest(true);
    store(&target(), &named("1", "note.txt"), "one", IfExists::Replace).await.unwrap();
    store(&target(), &named("1", "note.txt"), "two", IfExists::Replace).await.unwrap();
    assert_eq!(read(folder.path(), "note.txt"), "two");
    std::fs::write(folder.path().join("note.txt"), "my").unwrap();
    store(&target(), &named("1", "note.txt"), "three", IfExists::Replace).await.unwrap();
    assert_eq!(read(folder.path(), "note.txt"), "my");
    assert_eq!(read(folder.path(), "note (2).txt"), "three");
    // The same length as the recorded one, but other content.
    std::fs::write(folder.path().join("note (2).txt"), "mine!").unwrap();
    store(&target(), &named("1", "note.txt"), "four", IfExists::Replace).await.unwrap();
    assert_eq!(read(folder.path(), "note (2).txt"), "mine!");
    assert_eq!(read(folder.path(), "note (3).txt"), "four");
}

#[tokio::test(start_paused = true)]
async fn our_own_folder_goes_when_it_is_empty_and_leftovers_go_with_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(".wamedia");
    std::fs::create_dir(&own).unwrap();
    for name in ["00000000000000aa.lock", "00000000000000aa-x.wamedia-part", "lost-x.wamedia-part"] {
        std::fs::write(own.join(name), "left").unwrap();
    }
    store(&Folder::new(folder.path()), &named("1", "a.txt"), "one", IfExists::Refuse).await.unwrap();
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[tokio::test(start_paused = true)]
async fn a_living_run_keeps_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let target = Folder::new(folder.path());
    let mut first = target.entry(&named("1", "a.txt"));
    let options = TransferOptions::default();
    let provider = Replies::new(NONE, [Reply::whole("one")]);
    let transfer = Transfer::new(&provider).with_options(options);
    // The first has begun and not ended while the second runs from beginning to end.
    let (media_one, media_two) = (named("1", "a.txt"), named("2", "a.txt"));
    let stalled = Replies::new(NONE, [Reply { stalls: true, ..Reply::whole(vec![0xff; 600_000]) }]);
    let slow = Transfer::new(&stalled);
    let mut waiting = Box::pin(slow.store(&media_one, &mut first));
    while stalled.opens() == 0 {
        assert!(futures_util::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    let parts = || names(folder.path()).into_iter().filter(|name| name.ends_with("-part")).count();
    assert_eq!(parts(), 1);
    transfer.download_in(&media_two, Folder::new(folder.path())).await.unwrap();
    assert_eq!(parts(), 1);
    drop(waiting);
    drop((first, target));
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_file_belongs_to_its_target_alone() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join(".photo.jpg.wamedia-part");
    std::fs::write(&other, "of photo.jpg").unwrap();
    let provider = Replies::new(NONE.with_sha256(Sha256::of(b"small")), [Reply::whole("small")]);
    let mut options = TransferOptions::default();
    options.resume_partial = true;
    let transfer = Transfer::new(&provider).with_options(options);
    transfer.download_to(&media("1"), &folder.path().join("photo")).await.unwrap();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "of photo.jpg");
    assert_eq!(names(folder.path()), [".photo.jpg.wamedia-part", "photo"]);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn planted_links_and_pipes_are_never_followed() {
    let plant: [fn(&Path, &Path); 3] = [
        |victim, at| std::os::unix::fs::symlink(victim, at).unwrap(),
        |victim, at| std::fs::hard_link(victim, at).unwrap(),
        |_, at| assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success()),
    ];
    for plant in plant {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        for name in [".a.wamedia-part", "a.wamedia-quarantine", "a.wamedia-quarantine.txt"] {
            plant(&victim, &folder.path().join(name));
        }
        for resume in [false, true] {
            let provider = Replies::new(NONE.with_sha256(Sha256::of(b"x")), [Reply::whole("other")]);
            let mut options = TransferOptions::default();
            (options.resume_partial, options.on_mismatch) = (resume, OnMismatch::Quarantine);
            let transfer = Transfer::new(&provider).with_options(options);
            let error = transfer.download_to(&media("1"), &folder.path().join("a")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Integrity);
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        }
        assert_eq!(read(folder.path(), "a (2).wamedia-quarantine"), "other");
        assert_eq!(read(folder.path(), "a (3).wamedia-quarantine"), "other");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_file_must_be_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a");
    std::fs::write(&target, "garbage").unwrap();
    let run = async |digest, size| {
        let provider = Replies::new(NONE, []);
        let mut options = options(IfExists::Keep);
        (options.sha256, options.size_bytes) = (digest, size);
        let kept = Transfer::new(&provider).with_options(options).download_to(&media("1"), &target).await;
        assert_eq!(provider.opens(), 0);
        kept.map(|done| done.is_kept()).map_err(|error| error.kind())
    };
    assert_eq!(run(Some(Sha256::of(b"garbage")), Some(7)).await, Ok(true));
    assert_eq!(run(None, None).await, Ok(true));
    assert_eq!(run(Some(Sha256::of(b"wanted")), None).await, Err(ErrorKind::Integrity));
    assert_eq!(run(None, Some(6)).await, Err(ErrorKind::Integrity));
}

#[tokio::test(start_paused = true)]
async fn memory_for_tiny_chunks_is_that_of_the_content() {
    let content = Bytes::from(vec![0xff; 300_000]);
    let provider = Replies::new(NONE, [Reply::whole(content.clone()).in_chunks(1)]);
    let fetched = Transfer::new(&provider).fetch(&media("1")).await.unwrap();
    assert_eq!(fetched.bytes, content);
    let folder = tempfile::tempdir().unwrap();
    let provider = Replies::new(NONE, [Reply::whole(content.clone()).in_chunks(1)]);
    Transfer::new(&provider).download_to(&media("1"), &folder.path().join("a")).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), content);
}

#[tokio::test(start_paused = true)]
async fn a_partial_file_that_is_all_of_the_content_is_taken_without_a_content_request() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".a.wamedia-part"), "whole").unwrap();
    let provider = Replies::new(NONE.with_sha256(Sha256::of(b"whole")), []);
    let mut options = TransferOptions::default();
    options.resume_partial = true;
    let transfer = Transfer::new(&provider).with_options(options);
    let done = transfer.download_to(&media("1"), &folder.path().join("a")).await.unwrap();
    assert_eq!((done.receipt.unwrap().bytes, provider.opens()), (5, 0));
    assert_eq!(read(folder.path(), "a"), "whole");
}

#[tokio::test(start_paused = true)]
async fn a_partial_file_with_the_right_digest_must_have_the_size_that_is_demanded() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".a.wamedia-part"), "whole").unwrap();
    let provider = Replies::new(NONE.with_sha256(Sha256::of(b"whole")), [Reply::whole("whole")]);
    let mut options = TransferOptions::default();
    (options.resume_partial, options.size_bytes) = (true, Some(4));
    let transfer = Transfer::new(&provider).with_options(options);
    let error = transfer.download_to(&media("1"), &folder.path().join("a")).await.unwrap_err();
    assert_eq!((error.kind(), provider.opens()), (ErrorKind::Integrity, 1), "{error}");
    assert!(!folder.path().join("a").exists());
}
