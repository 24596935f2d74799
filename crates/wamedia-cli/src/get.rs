//! `wamedia get`

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWrite;
use wamedia::{
    ContentMetadata, Downloaded, Error, ErrorKind, Folder, Job, ManyOptions, Receipt, Target, Transfer,
    TransferOptions, transfer_many,
};

use crate::args::{ExistsArg, GetArgs, LINK_HINT, LINK_REFUSED};
use crate::configuration::{Providers, transfer_options};
use crate::deadline::Deadline;
use crate::exit::{self, Failure};
use crate::output;
use crate::progress::{self, Bars};
use crate::reference::Reference;
use crate::{inbound, input};

/// More than anybody lists.
const MAX_LIST_BYTES: u64 = 1 << 30;

/// One reference, one line. A file that was kept has no receipt.
#[derive(Serialize)]
struct StoredJson<'a> {
    r#ref: String,
    outcome: &'static str,
    path: Option<&'a str>,
    #[serde(flatten)]
    receipt: Option<&'a Receipt>,
}

#[derive(Serialize)]
struct FailedJson {
    r#ref: String,
    outcome: &'static str,
    error: serde_json::Value,
}

/// A line of `inbound --json`.
#[derive(Deserialize)]
struct InboundLine {
    item: Option<String>,
    /// All of the reference.
    media: Option<String>,
    /// What is printed for people: provider and id, which not every vendor can find the media by.
    r#ref: Option<String>,
    kind: Option<String>,
    mime: Option<String>,
    size_bytes: Option<u64>,
    sha256: Option<String>,
    name: Option<String>,
}

pub(crate) async fn run(args: GetArgs) -> Result<(), Failure> {
    let mut providers = Providers::new(&args.common).await?;
    let refs = match &args.webhook {
        Some(file) => inbound::media(&args, file, &providers).await?,
        None => references(&args, &providers).await?,
    };
    let given = refs.len();
    let refs = once_each(refs);
    if refs.len() < given && !args.common.json && !args.common.quiet {
        let (given, refs) = (output::plural(given as u64, "reference"), refs.len());
        output::detail_line(&format!("{given} given, {refs} distinct: each is fetched once"));
    }
    if refs.is_empty() && args.webhook.is_some() {
        if !args.common.quiet {
            output::detail_line("the delivery carries no media");
        }
        return Ok(());
    }
    if refs.is_empty() {
        return Err(Failure::usage("no reference is given")
            .with_hint("name at least one reference, such as meta:1279128, or a file of them with --from"));
    }
    if refs.len() > 1 && (args.output.is_some() || args.sha256.is_some() || args.size.is_some()) {
        return Err(Failure::usage("--output, --sha256 and --size are for one reference")
            .with_hint("use --dir for many"));
    }
    let options = options(&args);
    match &args.output {
        Some(path) if path.as_os_str() == "-" => to_stdout(&refs[0], &mut providers, options, &args).await,
        Some(path) => to_files(refs, &mut providers, &options, &Target::File(path.clone()), &args).await,
        None => {
            let folder = prepared(args.dir.clone(), !args.no_manifest)?;
            to_files(refs, &mut providers, &options, &Target::Folder(folder), &args).await
        }
    }
}

/// Stores every reference, and prints each as it is done.
async fn to_files(
    refs: Vec<Reference>,
    providers: &mut Providers<'_>,
    options: &TransferOptions,
    target: &Target,
    args: &GetArgs,
) -> Result<(), Failure> {
    let bars = Bars::new(refs.len(), !args.common.json && !args.common.quiet);
    let deadline = Deadline::of(&args.common);
    let made: Result<Vec<_>, _> = refs.iter().map(|reference| providers.get(&reference.account)).collect();
    let made = match made {
        Ok(made) => made,
        Err(failure) => {
            if args.common.json {
                for reference in &refs {
                    output::json(&failed(reference, exit::failure_json(&failure)))?;
                }
            }
            return Err(failure.told());
        }
    };
    // The time left needs to know of all from the start.
    let observers: Option<Vec<_>> = bars.as_ref().map(|bars| {
        refs.iter().map(|reference| bars.observer(&reference.to_string(), size_of(reference))).collect()
    });
    // A job is made when its turn comes near: there may be many.
    let jobs = refs.iter().zip(made).enumerate().map(|(place, (reference, provider))| {
        let mut options = options.clone();
        options.observer = observers.as_ref().map(|observers| Arc::clone(&observers[place]));
        Job::new(provider, reference.media.clone(), target.clone()).with_options(options)
    });
    let mut is_done = vec![false; refs.len()];
    // All before this place are done.
    let mut first = 0;
    let mut codes = Vec::new();
    let many = ManyOptions::new(usize::from(args.concurrency));
    let mut results = std::pin::pin!(transfer_many(futures_util::stream::iter(jobs), many));
    while first < refs.len() {
        let (place, outcome) = match deadline.reached(results.next()).await {
            Ok(Some(done)) => (done.index, done.outcome),
            Ok(None) => break,
            // What has not begun, or does not end by itself, ends here.
            Err(error) => (first, Err(error)),
        };
        let Some(reference) = refs.get(place).filter(|_| !is_done[place]) else { continue };
        is_done[place] = true;
        first += is_done[first..].iter().take_while(|is_done| **is_done).count();
        let outcome = outcome.map_err(|error| located(error, target));
        if let Some(bars) = &bars {
            bars.finished_one(outcome.is_ok());
        }
        progress::above(bars.as_ref(), || report(reference, &outcome, args))?;
        if let Err(error) = &outcome {
            codes.push(exit::code(error));
        }
    }
    Failure::reported(&codes)
}

/// A local error with the place that it is about.
fn located(error: Error, target: &Target) -> Error {
    let place = match target {
        Target::File(path) => path.as_path(),
        Target::Folder(folder) => folder.path(),
        _ => return error,
    };
    let exists = matches!(target, Target::File(path) if path.is_file());
    let place = output::printable(&place.to_string_lossy());
    if error.kind() == ErrorKind::Local && exists {
        return error.with_hint(
            "--exists replace puts the new file in its place, --exists keep leaves it; or choose another name",
        );
    }
    if error.kind() != ErrorKind::Local || error.message().contains(&place) {
        return error;
    }
    error.with_note(format!("the place is {place}"))
}

/// Every reference once, in the order given; what a later mention declares is added to the first. Mentions that declare
/// different things are not the same: both are fetched, and each is verified against its own.
fn once_each(mut refs: Vec<Reference>) -> Vec<Reference> {
    let hasher = RandomState::new();
    let mut places = HashMap::new();
    // The first of them are kept, in place.
    let mut kept = 0;
    for next in 0..refs.len() {
        let is_same = |place: &usize| is_same(&refs[*place], &refs[next]);
        let mut keys = mentions(&refs[next], &hasher);
        let known = keys.iter().filter_map(|key| places.get(key)).copied().find(is_same);
        let place = known.unwrap_or(kept);
        if known.is_some() {
            let declared = refs[place].media.declared.clone().or(&refs[next].media.declared);
            refs[place].media.declared = declared;
            keys = mentions(&refs[place], &hasher);
        } else {
            refs.swap(kept, next);
            kept += 1;
        }
        for key in keys {
            places.entry(key).or_insert(place);
        }
    }
    refs.truncate(kept);
    refs
}

/// What a mention of the same reference may declare: all that this one does, or less.
fn mentions(reference: &Reference, hasher: &RandomState) -> [u64; 4] {
    let identity = (&reference.account, reference.media.identity());
    let (digest, size) = (reference.media.declared.sha256, reference.media.declared.size_bytes);
    [(digest, size), (digest, None), (None, size), (None, None)]
        .map(|declared| hasher.hash_one((&identity, declared)))
}

/// Whether two references are the same, and nothing that both declare of the content differs. A name is no property of the
/// content.
fn is_same(one: &Reference, other: &Reference) -> bool {
    fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.zip(other).is_none_or(|(one, other)| one == other)
    }
    let (left, right) = (&one.media.declared, &other.media.declared);
    one.account == other.account
        && one.media.identity() == other.media.identity()
        && agree(left.sha256, right.sha256)
        && agree(left.size_bytes, right.size_bytes)
}

fn failed(reference: &Reference, error: serde_json::Value) -> FailedJson {
    FailedJson { r#ref: reference.to_string(), outcome: "failed", error }
}

/// The size that came with the reference.
fn size_of(reference: &Reference) -> Option<u64> {
    reference.media.declared.size_bytes
}

/// References from the command line, then from `--from`.
async fn references(args: &GetArgs, providers: &Providers<'_>) -> Result<Vec<Reference>, Failure> {
    let mut refs = args.refs.iter().map(|text| providers.reference(text)).collect::<Result<Vec<_>, _>>()?;
    let Some(from) = &args.from else { return Ok(refs) };
    if output::is_link(from) {
        return Err(Failure::usage(LINK_REFUSED).with_hint(LINK_HINT));
    }
    let bytes = input::read(from, MAX_LIST_BYTES).await?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{} is not text", output::typed(from))))
        .map_err(|failure| {
            failure.with_hint("name a text with a reference on each line, such as meta:1279128")
        })?;
    if is_delivery(&text) {
        let why = format!("{} is a webhook delivery, not a list of references", output::typed(from));
        return Err(Failure::usage(why).with_hint(
            "`wamedia get --webhook` verifies it and fetches its media; `wamedia inbound --refs` makes references of it",
        ));
    }
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with('{') {
            refs.push(providers.reference(line)?);
            continue;
        }
        let line: InboundLine = serde_json::from_str(line).map_err(|_| no_reference(from, number))?;
        if line.item.as_deref().is_some_and(|item| item != "media") {
            continue;
        }
        let text = line.media.as_ref().or(line.r#ref.as_ref()).ok_or_else(|| no_reference(from, number))?;
        let mut reference = providers.reference(text)?;
        let said = ContentMetadata::EMPTY
            .with_mime_text(line.mime.as_deref())
            .with_size_bytes(line.size_bytes)
            .with_sha256_text(line.sha256.as_deref())
            .with_name(line.name.as_deref())
            .with_kind(line.kind.as_deref().and_then(|kind| kind.parse().ok()));
        reference.media.declared = reference.media.declared.or(&said);
        refs.push(reference);
    }
    Ok(refs)
}

/// One JSON object, on one line or on many, that is no line of `inbound --json`.
fn is_delivery(text: &str) -> bool {
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    object.is_ok_and(|object| !object.contains_key("ref") && !object.contains_key("item"))
}

fn no_reference(from: &str, number: usize) -> Failure {
    let from = output::typed(from);
    Failure::usage(format!("line {number} of {from} is neither a reference nor JSON of `inbound`"))
        .with_hint("if it is a webhook delivery, `wamedia get --webhook` takes it, and `wamedia inbound --refs` makes references of it")
}

fn options(args: &GetArgs) -> TransferOptions {
    let mut options = transfer_options(&args.common);
    options.max_bytes = args.max_bytes;
    options.sha256 = args.sha256;
    options.size_bytes = args.size;
    options.on_mismatch = args.on_mismatch.into();
    options.require = args.require.map(Into::into).unwrap_or_default();
    let exists = if args.output.is_some() { ExistsArg::Refuse } else { ExistsArg::Keep };
    options.if_exists = args.exists.unwrap_or(exists).into();
    options.sync = args.sync;
    options.resume_partial = args.resume;
    options
}

fn prepared(folder: Option<PathBuf>, has_manifest: bool) -> Result<Folder, Failure> {
    let folder = folder.unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::new(
            exit::LOCAL,
            format!("cannot make the folder {}: {error}", output::typed(&folder.to_string_lossy())),
        )
        .with_hint("name a folder that can be made, with --dir")
    })?;
    Ok(Folder::new(folder).with_manifest(has_manifest))
}

async fn to_stdout(
    reference: &Reference,
    providers: &mut Providers<'_>,
    options: TransferOptions,
    args: &GetArgs,
) -> Result<(), Failure> {
    let provider = match providers.get(&reference.account) {
        Ok(provider) => provider,
        Err(failure) => {
            if args.common.json {
                output::json_error(&failed(reference, exit::failure_json(&failure)))?;
            }
            return Err(failure.told());
        }
    };
    let closed = Arc::new(AtomicBool::new(false));
    let mut out = Stdout { inner: tokio::io::stdout(), closed: Arc::clone(&closed) };
    let outcome =
        Transfer::new(&*provider).with_options(options).fetch_into(&reference.media, &mut out).await;
    if closed.load(Relaxed) {
        return Err(Failure::closed_pipe());
    }
    let receipt = match outcome {
        Ok(receipt) => receipt,
        Err(error) => {
            if args.common.json {
                output::json_error(&failed(reference, exit::error_json(&error)))?;
            }
            exit::error_of(&reference.to_string(), &error);
            return Failure::reported(&[exit::code(&error)]);
        }
    };
    if args.common.json {
        let (r#ref, receipt) = (reference.to_string(), Some(&receipt));
        output::json_error(&StoredJson { r#ref, outcome: "written", path: None, receipt })?;
    } else if !args.common.quiet && receipt.verified.name() == "none" {
        output::detail_line(&format!("{reference}: nothing was declared to verify it against"));
    }
    Ok(())
}

/// Standard output, which notes that nobody reads any more.
struct Stdout {
    inner: tokio::io::Stdout,
    closed: Arc<AtomicBool>,
}

impl Stdout {
    fn noted<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            self.closed.store(true, Relaxed);
        }
        outcome
    }
}

impl AsyncWrite for Stdout {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.noted(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.noted(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.noted(outcome)
    }
}

fn report(reference: &Reference, outcome: &Result<Downloaded, Error>, args: &GetArgs) -> Result<(), Failure> {
    match outcome {
        Ok(done) if args.common.json => output::json(&StoredJson {
            r#ref: reference.to_string(),
            outcome: if done.is_kept() { "kept" } else { "stored" },
            path: done.path.to_str(),
            receipt: done.receipt.as_ref(),
        }),
        Ok(_) if args.common.quiet => Ok(()),
        Ok(done) => output::block(&for_people(reference, done)),
        Err(error) => {
            if args.common.json {
                output::json(&failed(reference, exit::error_json(error)))?;
            }
            exit::error_of(&reference.to_string(), error);
            Ok(())
        }
    }
}

fn for_people(reference: &Reference, done: &Downloaded) -> String {
    let Some(receipt) = &done.receipt else {
        return format!("{reference} kept {}", output::printable(&done.path.to_string_lossy()));
    };
    let verified = match receipt.verified.declared_by() {
        Some(by) => format!("{} as declared by the {}", receipt.verified.name(), by.name()),
        None => "not verified: nothing usable was declared".to_owned(),
    };
    let mut text = format!(
        "{reference} -> {} ({}, {verified})",
        output::printable(&done.path.to_string_lossy()),
        output::human(receipt.bytes)
    );
    for note in differences(receipt) {
        text.push_str("\n  note: ");
        text.push_str(&output::printable(&note));
    }
    text
}

/// What was not as declared, in words.
fn differences(receipt: &Receipt) -> Vec<String> {
    use wamedia::Difference;
    let words = |difference: &Difference| match difference {
        Difference::Size { declared, actual, .. } => format!("declared were {declared} bytes, {actual} came"),
        Difference::Type { declared, actual, .. } => {
            format!("declared was {declared}, the answer said {actual}")
        }
        Difference::Digest { declared, actual, .. } => {
            format!("declared was {declared}, the content hashes to {actual}")
        }
        Difference::UnusableDigest(_) => {
            "the declared digest is unusable, so it was not verified against it".to_owned()
        }
        Difference::Disagreement { .. } => "webhook and provider declare different digests".to_owned(),
        _ => "something else differs".to_owned(),
    };
    receipt.differences.iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use wamedia::{MediaLink, MediaRef, Sha256};

    use super::*;
    use crate::reference::Account;

    fn kept(refs: impl IntoIterator<Item = MediaRef>) -> Vec<MediaRef> {
        let account = || Account::new("whapi");
        let refs = refs.into_iter().map(|media| Reference { media, account: account() }).collect();
        once_each(refs).into_iter().map(|reference| reference.media).collect()
    }

    fn media(text: &str) -> MediaRef {
        text.parse().expect("a reference")
    }

    #[test]
    fn a_reference_that_is_given_again_adds_what_it_declares() {
        let digest = Sha256::of(b"one");
        let with = |digest: Sha256| media(&format!("whapi:jpeg-1?sha256={digest}"));
        let all =
            kept([media("whapi:jpeg-1"), media("whapi:jpeg-2"), with(digest), with(Sha256::of(b"two"))]);
        let digests: Vec<_> = all.iter().map(|media| media.declared.sha256).collect();
        assert_eq!(
            digests,
            [Some(digest), None, Some(Sha256::of(b"two"))],
            "the last differs from the first"
        );
    }

    #[test]
    fn only_the_same_media_of_the_same_message_is_given_again() {
        let link = |name: &str| {
            let url = format!("https://s3.eu-central-1.wasabisys.com/in-files/1/{name}");
            MediaRef::from_link("whapi", MediaLink::public(url.parse().expect("a link")))
        };
        assert_eq!(kept([link("a.jpg"), link("b.jpg"), link("a.jpg")]).len(), 2, "without an id");
        let of = |message: &str| media(&format!("whapi:jpeg-1?message={message}"));
        assert_eq!(kept([of("m1"), of("m2"), of("m1")]).len(), 2, "one medium in two messages");
    }
}
