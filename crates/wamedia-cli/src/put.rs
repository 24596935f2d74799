//! `wamedia put` and `wamedia check`

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use serde::Serialize;
use sha2::Digest as _;
use tokio::io::AsyncReadExt as _;
use wamedia::{
    Budget, Capabilities, Error, ErrorKind, Event, MediaId, MediaKind, Mime, Observer, Phase, Provider,
    Retry, Sha256, UploadContent, UploadOptions, Uploaded, safe_name, sniff,
};
use wamedia_preflight::{Finding, Report, Severity, usual_kind};

use crate::args::{CheckArgs, PutArgs};
use crate::configuration::{Providers, limits, unconfigured};
use crate::deadline::Deadline;
use crate::exit::{self, Failure};
use crate::input;
use crate::output;
use crate::progress::{self, Bars};
use crate::reference::{Account, Reference};

const PIECE: usize = 128 * 1024;
/// The most that is taken from a pipe where the vendor states no limit.
const MAX_PIPE_BYTES: u64 = 4 << 30;

#[derive(Serialize)]
struct UploadedJson<'a> {
    file: &'a str,
    outcome: &'static str,
    r#ref: Option<String>,
    id: Option<&'a MediaId>,
    #[serde(flatten)]
    uploaded: &'a Uploaded,
    bytes: u64,
    sha256: Sha256,
    mime: &'a Mime,
}

#[derive(Serialize)]
struct FailedJson<'a> {
    file: &'a str,
    outcome: &'static str,
    error: serde_json::Value,
}

#[derive(Serialize)]
struct CheckedJson<'a> {
    file: &'a str,
    outcome: &'static str,
    kind: MediaKind,
    mime: &'a Mime,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    severity: &'static str,
    rule: &'a str,
    seen: &'a str,
    fix: &'a str,
    source: &'a str,
}

/// A file that is to be uploaded or checked.
struct Source {
    path: PathBuf,
    file: File,
    size: u64,
    mime: Mime,
    kind: MediaKind,
}

impl Source {
    async fn open(
        path: &Path,
        mime: Option<&Mime>,
        kind: Option<MediaKind>,
        capabilities: &Capabilities,
    ) -> Result<Self, Failure> {
        let (path, mime) = (path.to_owned(), mime.cloned());
        let most = capabilities.limits.iter().map(|limit| limit.max_bytes).max().unwrap_or(MAX_PIPE_BYTES);
        // A pipe may take for ever.
        input::beside(move || Ok(Self::open_now(&path, mime.as_ref(), kind, most))).await?
    }

    fn open_now(
        path: &Path,
        mime: Option<&Mime>,
        kind: Option<MediaKind>,
        most: u64,
    ) -> Result<Self, Failure> {
        let local = |why: String| input::unreadable(&path.to_string_lossy(), &why);
        let spooled = |pipe: &mut dyn std::io::Read| {
            let spooled = spool(pipe, most).map_err(|error| local(error.to_string()))?;
            spooled.ok_or_else(|| too_long(path, most))
        };
        let (mut file, size) = if path == Path::new("-") {
            spooled(&mut std::io::stdin().lock())?
        } else {
            let mut file = File::open(path).map_err(|error| local(error.to_string()))?;
            let meta = file.metadata().map_err(|error| local(error.to_string()))?;
            if meta.is_dir() {
                return Err(local("it is a folder".to_owned()).with_hint("name the files in it"));
            }
            if meta.is_file() { (file, meta.len()) } else { spooled(&mut file)? }
        };
        let mut head = Vec::new();
        file.by_ref().take(4096).read_to_end(&mut head).map_err(|error| local(error.to_string()))?;
        let by_name =
            path.extension().and_then(|extension| Mime::from_extension(&extension.to_string_lossy()));
        let fallback =
            || Mime::parse("application/octet-stream").map_err(|error| Failure::usage(error.to_string()));
        // The content tells pictures and sound apart; the extension says which document a ZIP is.
        let sniffed = sniff(&head)
            .filter(|mime| !matches!(mime.essence(), "application/zip" | "application/x-ole-storage"));
        let mime = match mime.cloned().or(by_name).or(sniffed) {
            Some(mime) => mime,
            None => fallback()?,
        };
        let kind = kind.unwrap_or_else(|| usual_kind(&mime));
        Ok(Self { path: path.to_owned(), file, size, mime, kind })
    }

    /// The whole file as it is sent: hashed and told of piece by piece.
    fn content(
        &self,
        told: String,
        observer: Option<Arc<dyn Observer>>,
        hasher: Arc<Mutex<sha2::Sha256>>,
    ) -> Result<UploadContent, Failure> {
        if let Some(observer) = &observer {
            observer.event(&Event::Resolved { size_bytes: Some(self.size) });
        }
        // The check ended somewhere in the file.
        let file = self.file.try_clone().and_then(|mut file| {
            file.rewind()?;
            Ok(tokio::fs::File::from_std(file))
        });
        let file = file.map_err(|error| {
            Failure::new(exit::LOCAL, format!("cannot read {}: {error}", self.path.display()))
        })?;
        let stream = futures_util::stream::try_unfold(file, move |mut file| {
            let (hasher, observer) = (Arc::clone(&hasher), observer.clone());
            async move {
                let mut piece = vec![0; PIECE];
                let count = file.read(&mut piece).await.map_err(|error| {
                    Error::new(ErrorKind::Local, format!("the file cannot be read: {error}"))
                        .with_phase(Phase::Body)
                })?;
                piece.truncate(count);
                hasher.lock().unwrap_or_else(PoisonError::into_inner).update(&piece);
                if let Some(observer) = &observer {
                    observer.event(&Event::Received { bytes: count as u64 });
                }
                Ok((count > 0).then(|| (piece.into(), file)))
            }
        });
        let content = UploadContent::from_stream(stream.boxed(), Some(self.size), self.mime.clone(), told);
        Ok(content.with_kind(self.kind))
    }

    fn check(&mut self, capabilities: &Capabilities) -> Result<Report, Failure> {
        wamedia_preflight::check(&mut self.file, self.size, &self.mime, self.kind, capabilities).map_err(
            |error| Failure::new(exit::LOCAL, format!("cannot read {}: {error}", self.path.display())),
        )
    }
}

/// A pipe does not say how long it is, and no vendor takes uploads of unknown length: it goes into a
/// nameless temporary file first. None where it has more bytes than `most`: it may have no end.
fn spool(pipe: &mut dyn std::io::Read, most: u64) -> std::io::Result<Option<(File, u64)>> {
    let mut file = tempfile::tempfile()?;
    let size = std::io::copy(&mut pipe.take(most.saturating_add(1)), &mut file)?;
    file.rewind()?;
    Ok((size <= most).then_some((file, size)))
}

fn too_long(path: &Path, most: u64) -> Failure {
    let file = output::typed(&path.to_string_lossy());
    let why = format!("{file} goes on after {most} bytes, and the provider takes no more");
    Failure::from(Error::new(ErrorKind::TooLarge, why).with_operation("upload").with_phase(Phase::Prepare))
        .with_hint("give a file that ends before, in place of the pipe")
}

pub(crate) async fn check(args: CheckArgs) -> Result<(), Failure> {
    let providers = Providers::new(&args.common).await?;
    let account = providers.chosen()?;
    let capabilities = providers.capabilities(&account)?;
    let mut source = match Source::open(&args.file, args.mime.as_ref(), args.kind, &capabilities).await {
        Ok(source) => source,
        Err(failure) => return Err(told(&args.file, failure, args.common.json)),
    };
    let report = source.check(&capabilities)?;
    print_report(&source, &report, args.common.json, args.common.quiet)?;
    if report.fits() { Ok(()) } else { Failure::reported(&[9]) }
}

pub(crate) async fn run(args: PutArgs) -> Result<(), Failure> {
    let mut providers = Providers::new(&args.common).await?;
    let account = providers.chosen()?;
    if args.files.len() > 1 && args.name.is_some() {
        return Err(Failure::usage("--name is for one file")
            .with_hint("leave --name out, and each file keeps its own"));
    }
    let api = providers.get(&account)?;
    if !api.capabilities().upload {
        let missing = providers.missing_for(&account, |capabilities| capabilities.upload)?;
        if !missing.is_empty() {
            return Err(unconfigured(&account, &missing));
        }
    }
    let provider = Chosen { api: &*api, account: &account };
    let mut codes = Vec::new();
    let bars = Bars::new(args.files.len(), !args.common.json && !args.common.quiet);
    let deadline = Deadline::of(&args.common);
    for path in &args.files {
        let outcome = one(path, &args, &provider, bars.as_ref(), &deadline).await;
        if let Some(bars) = &bars {
            bars.finished_one(outcome.is_ok());
        }
        match outcome {
            Ok(()) => {}
            Err(failure) if failure.code == 0 => return Err(failure),
            Err(failure) => {
                codes.push(failure.code);
                progress::above(bars.as_ref(), || exit::print(&failure));
            }
        }
    }
    Failure::reported(&codes)
}

/// A file that cannot be read has its line too.
fn told(path: &Path, failure: Failure, json: bool) -> Failure {
    if !json {
        return failure;
    }
    let (file, error) = (path.to_string_lossy(), exit::failure_json(&failure));
    output::json(&FailedJson { file: &file, outcome: "failed", error }).err().unwrap_or(failure.told())
}

/// The account that files go to.
struct Chosen<'a> {
    api: &'a dyn Provider,
    account: &'a Account,
}

async fn one(
    path: &Path,
    args: &PutArgs,
    provider: &Chosen<'_>,
    bars: Option<&Bars>,
    deadline: &Deadline,
) -> Result<(), Failure> {
    let capabilities = provider.api.capabilities();
    let mut source = match Source::open(path, args.mime.as_ref(), args.kind, capabilities).await {
        Ok(source) => source,
        Err(failure) => return Err(told(path, failure, args.common.json)),
    };
    if capabilities.upload && !args.no_check {
        let report = source.check(capabilities)?;
        if !report.fits() {
            progress::above(bars, || print_report(&source, &report, args.common.json, args.common.quiet))?;
            let mut refused = report.findings.iter().filter(|finding| finding.severity == Severity::Refused);
            let why = refused.next().map_or_else(String::new, ToString::to_string);
            let file = output::printable(&path.to_string_lossy());
            return Err(Failure::new(9, format!("{file}: not sent: {why}"))
                .with_hint("mend the file, or send it all the same with --no-check"));
        }
    }
    let own_name = path.file_name().filter(|name| *name != "-").map(|name| name.to_string_lossy());
    let told = safe_name(args.name.as_deref().or(own_name.as_deref()), Some(&source.mime), "file");
    let observer = bars.map(|bars| bars.observer(&told, Some(source.size)));
    let hasher = Arc::new(Mutex::new(sha2::Sha256::new()));
    let content = source.content(told, observer, Arc::clone(&hasher))?;
    let mut options = UploadOptions::default();
    options.budget = Budget::new(limits(&args.common));
    let outcome = upload(provider.api, content, options, deadline).await;
    let digest = hasher.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize();
    match outcome {
        Ok(uploaded) => {
            let digest = Sha256::from_bytes(digest.into());
            progress::above(bars, || print_uploaded(&source, &uploaded, digest, provider.account, args))
        }
        Err(error) => {
            if args.common.json {
                let file = path.to_string_lossy();
                let error = exit::error_json(&error);
                output::json(&FailedJson { file: &file, outcome: "failed", error })?;
            }
            Err(Failure::from(error).told())
        }
    }
}

/// Uploads within the deadline. What was cut off by it is not sent again.
async fn upload(
    provider: &dyn Provider,
    content: UploadContent,
    options: UploadOptions,
    deadline: &Deadline,
) -> wamedia::Result<Uploaded> {
    let started = !deadline.is_over();
    let outcome = deadline.bound("upload", provider.upload(content, options)).await;
    outcome.map_err(|error| {
        let cut_off = started && deadline.is_over() && error.kind() == ErrorKind::Timeout;
        if cut_off && !error.message().contains("may exist") {
            error.with_retry(Retry::Never).with_note("the object may exist; it was not sent again")
        } else {
            error
        }
    })
}

fn print_uploaded(
    source: &Source,
    uploaded: &Uploaded,
    digest: Sha256,
    account: &Account,
    args: &PutArgs,
) -> Result<(), Failure> {
    let file = source.path.to_string_lossy();
    let reference = uploaded.media.clone().map(|media| Reference { media, account: account.clone() });
    let reference = reference.map(|reference| reference.to_string());
    let link = uploaded.link.as_ref().map(AsRef::as_ref);
    if args.common.json {
        return output::json(&UploadedJson {
            file: &file,
            outcome: "uploaded",
            r#ref: reference,
            id: uploaded.media.as_ref().and_then(|media| media.id.as_ref()),
            uploaded,
            bytes: source.size,
            sha256: digest,
            mime: &source.mime,
        });
    }
    if args.common.quiet {
        return Ok(());
    }
    output::line(reference.as_deref().or(link).unwrap_or("uploaded"))
}

fn print_report(source: &Source, report: &Report, json: bool, quiet: bool) -> Result<(), Failure> {
    let file = source.path.to_string_lossy();
    let outcome = if report.fits() { "fit" } else { "refused" };
    let severity =
        |finding: &Finding| if finding.severity == Severity::Refused { "refused" } else { "warning" };
    if json {
        let findings = report.findings.iter().map(|finding| FindingJson {
            severity: severity(finding),
            rule: &finding.rule,
            seen: &finding.seen,
            fix: &finding.fix,
            source: finding.source,
        });
        return output::json(&CheckedJson {
            file: &file,
            outcome,
            kind: source.kind,
            mime: &source.mime,
            findings: findings.collect(),
        });
    }
    if quiet && report.fits() {
        return Ok(());
    }
    let mut text =
        format!("{}: {outcome} as {} ({})", output::printable(&file), source.kind.name(), source.mime);
    for finding in &report.findings {
        text.push_str(&format!(
            "\n  {}: {}\n    fix: {}\n    source: {}",
            severity(finding),
            output::printable(&finding.to_string()),
            finding.fix,
            finding.source
        ));
    }
    output::block(&text)
}
