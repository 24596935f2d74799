//! `wamedia get`

use std::io::Read as _;
use std::path::PathBuf;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use wamedia::{
    Declared, Downloaded, Error, Folder, Job, MediaKind, MediaRef, Outcome, Receipt, Target, Transfer,
    TransferOptions, transfer_many,
};

use crate::args::{ExistsArg, GetArgs};
use crate::configuration::{Providers, transfer_options};
use crate::exit::{self, Failure};
use crate::output::{self, ErrorJson};
use crate::progress::Bars;

/// One reference, one line.
#[derive(Serialize)]
struct StoredJson<'a> {
    r#ref: String,
    outcome: &'static str,
    path: Option<&'a str>,
    bytes: Option<u64>,
    sha256: Option<String>,
    verified: Option<&'static str>,
    declared: Option<DeclaredJson>,
    sniffed_mime: Option<String>,
    attempts: Option<u32>,
    resumes: Option<u32>,
    renewals: Option<u32>,
    requests: Option<u32>,
    elapsed_ms: Option<u64>,
    differences: Vec<String>,
}

#[derive(Serialize)]
struct DeclaredJson {
    mime: Option<String>,
    size_bytes: Option<u64>,
    sha256: Option<String>,
    source: Option<&'static str>,
}

#[derive(Serialize)]
struct FailedJson<'a> {
    r#ref: String,
    outcome: &'static str,
    error: &'a ErrorJson,
}

/// A line of `inbound --json`.
#[derive(Deserialize)]
struct InboundLine {
    item: Option<String>,
    r#ref: Option<String>,
    kind: Option<String>,
    mime: Option<String>,
    size_bytes: Option<u64>,
    sha256: Option<String>,
    name: Option<String>,
}

pub(crate) async fn run(args: GetArgs) -> Result<(), Failure> {
    let mut providers = Providers::new(&args.common)?;
    let refs = references(&args, &providers)?;
    if refs.is_empty() {
        return Err(Failure::usage("name at least one reference, such as meta:1279128, or use --from"));
    }
    if refs.len() > 1 && (args.output.is_some() || args.sha256.is_some() || args.size.is_some()) {
        return Err(Failure::usage(
            "--output, --sha256 and --size are for one reference; use --dir for many",
        ));
    }
    let options = options(&args);
    if args.output.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        return to_stdout(&refs[0], &mut providers, options, args.common.quiet).await;
    }
    let target = match (&args.output, &args.dir) {
        (Some(path), _) => Target::File(path.clone()),
        (None, folder) => Target::Folder(prepared(folder.clone(), !args.no_manifest)?),
    };
    let bars = Bars::new(refs.len(), !args.common.json && !args.common.quiet);
    let mut jobs = Vec::with_capacity(refs.len());
    for media in refs {
        let provider = providers.get(media.provider.as_deref().unwrap_or_default())?;
        let mut options = options.clone();
        options.observer = bars.as_ref().map(|bars| bars.observer(&media.short()));
        jobs.push(Job::new(provider, media, target.clone()).with_options(options));
    }
    let mut codes = Vec::new();
    let mut results = std::pin::pin!(transfer_many(jobs, usize::from(args.concurrency)));
    while let Some(finished) = results.next().await {
        let print = || report(&finished.media, &finished.outcome, &args);
        match &bars {
            Some(bars) => {
                bars.finished_one();
                bars.suspend(print)?;
            }
            None => print()?,
        }
        if let Err(error) = &finished.outcome {
            codes.push(exit::code(error));
        }
    }
    Failure::reported(&codes)
}

/// References from the command line, then from `--from`.
fn references(args: &GetArgs, providers: &Providers<'_>) -> Result<Vec<MediaRef>, Failure> {
    let mut refs = args.refs.iter().map(|text| providers.media(text)).collect::<Result<Vec<_>, _>>()?;
    let Some(from) = &args.from else { return Ok(refs) };
    let mut text = String::new();
    if from == "-" {
        std::io::stdin().lock().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(from)
            .map_err(|error| Failure::new(exit::LOCAL, format!("cannot read {from}: {error}")))?;
    }
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with('{') {
            refs.push(providers.media(line)?);
            continue;
        }
        let line: InboundLine = serde_json::from_str(line).map_err(|_| {
            Failure::usage(format!("line {number} of {from} is neither a reference nor JSON of `inbound`"))
        })?;
        if line.item.as_deref().is_some_and(|item| item != "media") {
            continue;
        }
        let Some(text) = &line.r#ref else { continue };
        let media = providers.media(text)?;
        let said = Declared::NOTHING
            .with_mime_text(line.mime.as_deref())
            .with_size_bytes(line.size_bytes)
            .with_sha256_text(line.sha256.as_deref())
            .with_name(line.name.as_deref())
            .with_kind(line.kind.as_deref().and_then(MediaKind::from_name));
        let declared = media.declared.clone().or(&said);
        refs.push(media.with_declared(declared));
    }
    Ok(refs)
}

fn options(args: &GetArgs) -> TransferOptions {
    let mut options = transfer_options(&args.common);
    options.max_bytes = args.max_bytes;
    options.sha256 = args.sha256;
    options.size_bytes = args.size;
    options.on_mismatch = args.on_mismatch.into();
    let exists = if args.output.is_some() { ExistsArg::Refuse } else { ExistsArg::Keep };
    options.exists = args.exists.unwrap_or(exists).into();
    options.sync = args.sync;
    options.resume_partial = args.resume;
    options
}

fn prepared(folder: Option<PathBuf>, has_manifest: bool) -> Result<Folder, Failure> {
    let folder = folder.unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::new(exit::LOCAL, format!("cannot make the folder {}: {error}", folder.display()))
    })?;
    Ok(Folder::new(folder).with_manifest(has_manifest))
}

async fn to_stdout(
    media: &MediaRef,
    providers: &mut Providers<'_>,
    options: TransferOptions,
    quiet: bool,
) -> Result<(), Failure> {
    let provider = providers.get(media.provider.as_deref().unwrap_or_default())?;
    let receipt =
        Transfer::new(&*provider).with_options(options).fetch_into(media, &mut tokio::io::stdout()).await?;
    if !quiet && receipt.verified.name() == "none" {
        output::detail_line(&format!("{}: nothing was declared to verify it against", media.short()));
    }
    Ok(())
}

fn report(media: &MediaRef, outcome: &Result<Downloaded, Error>, args: &GetArgs) -> Result<(), Failure> {
    match outcome {
        Ok(done) if args.common.json => output::json(&stored(media, done)),
        Ok(_) if args.common.quiet => Ok(()),
        Ok(done) => output::line(&for_people(media, done)),
        Err(error) => {
            if args.common.json {
                output::json(&FailedJson {
                    r#ref: media.short(),
                    outcome: "failed",
                    error: &ErrorJson::from(error),
                })?;
            }
            output::error_of(&media.short(), error);
            Ok(())
        }
    }
}

fn stored<'a>(media: &MediaRef, done: &'a Downloaded) -> StoredJson<'a> {
    let receipt = done.receipt.as_ref();
    StoredJson {
        r#ref: media.short(),
        outcome: if done.outcome == Outcome::Kept { "kept" } else { "stored" },
        path: done.path.to_str(),
        bytes: receipt.map(|receipt| receipt.bytes),
        sha256: receipt.map(|receipt| receipt.sha256.to_hex()),
        verified: receipt.map(|receipt| receipt.verified.name()),
        declared: receipt.map(|receipt| DeclaredJson {
            mime: receipt.declared.mime.as_ref().map(ToString::to_string),
            size_bytes: receipt.declared.size_bytes,
            sha256: receipt.declared.sha256.map(|digest| digest.to_hex()),
            source: receipt.declared_by.map(wamedia::DeclaredBy::name),
        }),
        sniffed_mime: receipt.and_then(|receipt| receipt.sniffed_mime.as_ref()).map(ToString::to_string),
        attempts: receipt.map(|receipt| receipt.attempts),
        resumes: receipt.map(|receipt| receipt.resumes),
        renewals: receipt.map(|receipt| receipt.renewals),
        requests: receipt.map(|receipt| receipt.requests),
        elapsed_ms: receipt.map(|receipt| u64::try_from(receipt.elapsed.as_millis()).unwrap_or(u64::MAX)),
        differences: receipt.map(differences).unwrap_or_default(),
    }
}

fn for_people(media: &MediaRef, done: &Downloaded) -> String {
    let Some(receipt) = &done.receipt else {
        return format!("{} kept {}", media.short(), done.path.display());
    };
    let verified = match receipt.verified.declared_by() {
        Some(by) => format!("{} verified against the {}'s word", receipt.verified.name(), by.name()),
        None => "not verified: nothing usable was declared".to_owned(),
    };
    let mut text = format!(
        "{} -> {} ({}, {verified})",
        media.short(),
        done.path.display(),
        output::human(receipt.bytes)
    );
    for note in differences(receipt) {
        text.push_str("\n  note: ");
        text.push_str(&note);
    }
    text
}

/// What was not as declared, in words.
fn differences(receipt: &Receipt) -> Vec<String> {
    use wamedia::Difference;
    let words = |difference: &Difference| match difference {
        Difference::Size { declared, actual } => format!("declared were {declared} bytes, {actual} came"),
        Difference::Type { declared, actual } => format!("declared was {declared}, the answer said {actual}"),
        Difference::Digest { declared, actual } => {
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
