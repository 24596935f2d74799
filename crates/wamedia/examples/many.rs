//! Fetches many references into a folder, a few at a time, and says how far it is.
//!
//! ```text
//! WAMEDIA_META_TOKEN=… cargo run -p wamedia --features meta --example many -- meta media < references.txt
//! ```

#![expect(clippy::print_stderr, reason = "an example talks to people")]

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures_util::{StreamExt as _, stream};
use wamedia::{
    Error, ErrorKind, Event, Finished, Folder, IfExists, Job, ManyOptions, MediaRef, Observer, Provider,
    Result, Target, TransferOptions, transfer_many,
};

mod support;

/// Fetches all of them, eight at a time, and calls `finished` for each.
pub(crate) async fn fetch_all(
    provider: Arc<dyn Provider>,
    references: impl IntoIterator<Item = MediaRef, IntoIter: Send> + Send,
    folder: Folder,
    observer: impl Observer + 'static,
    mut finished: impl FnMut(&Finished) + Send,
) {
    // With a manifest, what a run before this one has stored is not fetched again.
    let target = Target::Folder(folder.with_manifest(true));
    let options = TransferOptions::default().with_if_exists(IfExists::Keep).with_observer(observer);
    let job =
        move |media| Job::new(Arc::clone(&provider), media, target.clone()).with_options(options.clone());
    let jobs = stream::iter(references.into_iter().map(job));
    let mut results = Box::pin(transfer_many(jobs, ManyOptions::new(8)));
    while let Some(result) = results.next().await {
        finished(&result);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, folder] = arguments.as_slice() else {
        return Err(Error::new(ErrorKind::InvalidRequest, "usage: many PROVIDER FOLDER < REFERENCES"));
    };
    let provider = wamedia::provider(name, &support::from_environment(name))?;
    let lines = std::io::stdin().lock().lines().map_while(std::result::Result::ok);
    let references = lines.map(|line| line.parse()).collect::<Result<Vec<MediaRef>>>()?;
    let (all, mut done) = (references.len(), 0);
    let bytes = Arc::new(AtomicU64::new(0));
    let received = Arc::clone(&bytes);
    // It is told of every step of every transfer, and whose step it is.
    let observer = move |media: &MediaRef, event: &Event| match event {
        Event::Received { bytes } => _ = received.fetch_add(*bytes, Relaxed),
        Event::Retrying { kind, wait } => eprintln!("{}: {kind}, again in {wait:?}", media.short()),
        _ => {}
    };
    fetch_all(provider, references, Folder::new(folder), observer, |finished| {
        done += 1;
        let bytes = bytes.load(Relaxed);
        match &finished.outcome {
            Ok(file) => eprintln!("{done}/{all} {bytes} bytes: {}", file.path.display()),
            Err(error) => eprintln!("{done}/{all} {}: {error}", finished.media.short()),
        }
    })
    .await;
    Ok(())
}
