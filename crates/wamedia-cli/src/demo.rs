//! `wamedia demo`: the whole job against the sandbox, in this process, over real sockets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wamedia::{
    Clock as _, Delivery, DigestSource, Downloaded, ErrorKind, MediaRef, Provider, ReceiveOptions,
    SystemClock, Transfer, Webhooks,
};
use wamedia_sandbox::{Options, Sandbox};

use crate::args::DemoArgs;
use crate::exit::{self, Failure};
use crate::output;
use crate::sandbox::{cannot_start, config};

/// A line of the table.
struct Row {
    reference: String,
    what: String,
    result: String,
    good: bool,
    /// False where nothing was declared that the bytes could be verified against.
    verified: bool,
}

pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let temporary = tempfile::tempdir()?;
    let folder = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let sandbox = Sandbox::start(Options::new(Arc::new(|| SystemClock.now())))
        .await
        .map_err(|error| cannot_start(&error, None))?;
    output::block("Webhooks of every provider in, verified files out. No account, no configuration.\n")?;
    let mut rows = Vec::new();
    for info in sandbox.providers() {
        let config = config(info);
        let (provider, webhooks) =
            (wamedia::provider(info.name, &config)?, wamedia::webhooks(info.name, &config)?);
        let folder = folder.join(info.name);
        std::fs::create_dir_all(&folder)?;
        for media in &info.media {
            let delivery = sandbox.webhook(info.name, &media.id).await?;
            let delivery = Delivery::new(&delivery.body).with_headers(&delivery.headers);
            rows.push(from_webhook(&*provider, &*webhooks, delivery, &folder).await);
        }
        let flipped = media(&sandbox, info.name, "flip-1")?;
        rows.push(refused(&*provider, &flipped, &folder).await);
        if provider.capabilities().expiring_links {
            let expired = media(&sandbox, info.name, "expired-1")?;
            rows.push(recovered(&*provider, &expired, &folder).await);
        }
    }
    let leaks = sandbox.leaks().len();
    sandbox.shutdown().await;
    let width = rows.iter().map(|row| row.reference.len()).max().unwrap_or(0).min(60);
    for row in &rows {
        let mark = if row.good { "ok  " } else { "FAIL" };
        let shown: String = row.reference.chars().take(60).collect();
        output::line(&format!("{mark} {shown:<width$}  {:<44} {}", row.what, row.result))?;
    }
    let good = rows.iter().filter(|row| row.good).count();
    let verified = rows.iter().filter(|row| row.good && row.verified).count();
    if args.dir.is_some() {
        output::block(&format!("\nThe files are in {}", output::printable(&folder.to_string_lossy())))?;
    }
    output::block(&format!(
        "\ncredentials seen where they do not belong: {leaks}\n\
         {good} of {} as they should be: {verified} verified, {} without anything to verify",
        rows.len(),
        good - verified
    ))?;
    if good == rows.len() && leaks == 0 { Ok(()) } else { Failure::reported(&[exit::OTHER]) }
}

fn media(sandbox: &Sandbox, provider: &'static str, id: &str) -> Result<MediaRef, Failure> {
    Ok(format!("{provider}:{}", sandbox.media_id(provider, id)).parse()?)
}

async fn from_webhook(
    provider: &dyn Provider,
    webhooks: &dyn Webhooks,
    delivery: Delivery<'_>,
    folder: &Path,
) -> Row {
    let bad = |reference: String, result: String| Row {
        reference,
        what: "webhook".to_owned(),
        result,
        good: false,
        verified: false,
    };
    // What a vendor does not sign cannot be verified.
    let options = ReceiveOptions::default().with_allow_unverified(!webhooks.capabilities().signed);
    let inbound = match webhooks.receive(&delivery, options) {
        Ok(received) => received.inbound,
        Err(error) => return bad(provider.name().to_owned(), error.to_string()),
    };
    let Some(item) = inbound.media().next() else {
        return bad(provider.name().to_owned(), "the webhook carries no media".to_owned());
    };
    let reference = item.media.short();
    match Transfer::new(provider).download_in(&item.media, folder).await {
        Ok(done) => {
            let what = format!("{} -> {}", item.kind, base_name(&done.path));
            let verified = done.receipt.as_ref().map_or("none", |receipt| receipt.verified.name());
            // Where a vendor states no digest, there is nothing to verify against.
            let wanted = match provider.capabilities().digest {
                DigestSource::None => "none",
                _ => "digest",
            };
            let (good, verified) = (verified == wanted, verified != "none");
            Row { reference, what, result: summary(&done), good, verified }
        }
        Err(error) => bad(reference, error.to_string()),
    }
}

/// One bit differs: an error, and no file.
async fn refused(provider: &dyn Provider, media: &MediaRef, folder: &Path) -> Row {
    let reference = media.short();
    let target = folder.join("flipped.jpg");
    let by = match provider.capabilities().digest {
        DigestSource::ResolveAndWebhook => "one bit flipped on the way",
        DigestSource::Webhook => "one bit flipped, the webhook has the digest",
        _ => "one bit flipped, the caller has the digest",
    };
    let what = by.to_owned();
    let told = told(media, folder);
    match Transfer::new(provider).download_to(&told, &target).await {
        Err(error) if error.kind() == ErrorKind::Integrity && !target.exists() => {
            Row { reference, what, result: "refused, no file".to_owned(), good: true, verified: true }
        }
        Err(error) => Row { reference, what, result: error.to_string(), good: false, verified: false },
        Ok(_) => Row { reference, what, result: "accepted".to_owned(), good: false, verified: false },
    }
}

/// Providers without a digest in their reply are told what the webhook, or a caller who knows it, says.
fn told(media: &MediaRef, folder: &Path) -> MediaRef {
    let is_photo = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jpg");
    let mut files: Vec<_> =
        folder.read_dir().into_iter().flatten().flatten().map(|file| file.path()).filter(is_photo).collect();
    // The photograph is larger than the preview beside it.
    files.sort_by_key(|path| path.metadata().map_or(0, |meta| meta.len()));
    let mut told = media.clone();
    told.declared.sha256 =
        files.pop().and_then(|path| std::fs::read(path).ok()).map(|bytes| wamedia::Sha256::of(&bytes));
    told
}

/// The link is dead: it is resolved again, once.
async fn recovered(provider: &dyn Provider, media: &MediaRef, folder: &Path) -> Row {
    let (reference, what) = (media.short(), "link died before it was used".to_owned());
    match Transfer::new(provider).download_in(&told(media, folder), folder).await {
        Ok(done) => {
            let renewed = done
                .receipt
                .as_ref()
                .is_some_and(|receipt| receipt.renewals == 1 && receipt.verified.name() == "digest");
            Row {
                reference,
                what,
                result: format!("renewed, {}", summary(&done)),
                good: renewed,
                verified: renewed,
            }
        }
        Err(error) => Row { reference, what, result: error.to_string(), good: false, verified: false },
    }
}

fn summary(done: &Downloaded) -> String {
    done.receipt.as_ref().map_or_else(
        || "kept".to_owned(),
        |receipt| {
            let bytes = output::human(receipt.bytes);
            match receipt.verified.name() {
                "none" => format!("{bytes}, not verified: no digest is declared"),
                name => format!("{bytes}, {name} verified"),
            }
        },
    )
}

fn base_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| PathBuf::from(path).display().to_string(), |name| name.to_string_lossy().into_owned())
}
