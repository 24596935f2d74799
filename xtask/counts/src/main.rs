//! `counts NAME TIMES [BASE FOLDER]`: repeats one operation, so that a tool around this process can count what one
//! costs: the difference between two runs, by the difference of their times.
//!
//! Its last line on standard error says how many bytes it allocated.
//!
//! `BASE` is the origin of the benchmark's server, and `FOLDER` an empty folder, for operations that use a network.

use std::alloc::System;
use std::error::Error;
use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wamedia::preflight;
use wamedia::{
    Authenticity, Capabilities, Config, Delivery, Folder, Job, ManyOptions, MediaDescriptor, MediaHead,
    MediaId, MediaKind, MediaRef, MediaStream, Mime, OpenOptions, Provider, ProviderExt as _, ResolveOptions,
    Source, Target, transfer_many,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// As long as Meta's are: what is done for each byte of a secret must show.
const SECRET: &str = concat!(
    "TEST-",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "-",
    "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba9876543210",
    "-",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    run()?;
    eprintln!("allocated {} bytes", ALLOCATOR.stats().bytes_allocated);
    Ok(())
}

fn run() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [name, times, network @ ..] = &*arguments else {
        return Err("usage: counts NAME TIMES [BASE FOLDER]".into());
    };
    let times: usize = times.parse()?;
    match (*name, network) {
        ("signature", []) => signature(times),
        ("preflight", []) => preflight(times),
        ("parse-many", []) => parse_many(times),
        ("engine-MiB", []) => on_runtime(engine(times)),
        (name, []) => match name.strip_prefix("parse-") {
            Some(provider) => parse(provider, times),
            None => Err(format!("{name} is not known, or needs a server").into()),
        },
        ("resolve", [base, _]) => on_runtime(resolve(base, times)),
        ("object-1KiB", [base, folder]) => on_runtime(objects(base, folder, 1024, times, 16)),
        ("object-100KiB", [base, folder]) => on_runtime(objects(base, folder, 100 * 1024, times, 16)),
        // As many MiB in one body.
        ("body-MiB", [base, folder]) => on_runtime(objects(base, folder, times << 20, 1, 1)),
        _ => Err(format!("{name} is not known").into()),
    }
}

/// One thread, as the program `wamedia` has.
fn on_runtime(work: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// One delivery of each vendor, with a message of each kind of media.
fn delivery(provider: &str) -> Outcome<&'static [u8]> {
    Ok(match provider {
        "meta" => include_bytes!("../../../fixtures/meta/webhook/kinds/delivery.json"),
        "chakra" => include_bytes!("../../../fixtures/chakra/webhook/own-kinds/delivery.json"),
        "whapi" => include_bytes!("../../../fixtures/whapi/webhook/kinds/delivery.json"),
        "nxcloud" => include_bytes!("../../../fixtures/nxcloud/webhook/kinds/delivery.json"),
        "360dialog" => include_bytes!("../../../fixtures/360dialog/webhook/kinds/delivery.json"),
        "twilio" => include_bytes!("../../../fixtures/twilio/webhook/kinds/delivery.txt"),
        _ => return Err(format!("{provider} is not known").into()),
    })
}

/// What the vendor's configuration must have.
fn config(provider: &str) -> Config {
    let required: &[&str] = match provider {
        "nxcloud" => &["access_key", "access_secret", "business_phone"],
        "360dialog" => &["api_key"],
        "twilio" => &["account_sid", "auth_token"],
        _ => &["token"],
    };
    required.iter().fold(Config::default(), |config, key| config.with(key, SECRET))
}

fn parse(provider: &str, times: usize) -> Outcome<()> {
    let webhooks = wamedia::webhooks(provider, &config(provider))?;
    let body = delivery(provider)?;
    for _ in 0..times {
        let inbound = webhooks.parse(&Delivery::new(black_box(body)))?;
        if inbound.items.is_empty() {
            return Err("nothing was found in the delivery".into());
        }
    }
    Ok(())
}

/// One delivery with so many media, where anything quadratic shows.
fn parse_many(media: usize) -> Outcome<()> {
    let webhooks = wamedia::webhooks("meta", &config("meta"))?;
    let message = |number: usize| {
        format!(
            r#"{{"from":"15550001111","id":"wamid.{number}","timestamp":"1767225600","type":"image","image":{{"id":"{number}","mime_type":"image/jpeg"}}}}"#
        )
    };
    let messages: Vec<String> = (0..media).map(message).collect();
    let body = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"messages":[{}]}}}}]}}]}}"#,
        messages.join(",")
    );
    match webhooks.parse(&Delivery::new(body.as_bytes()))?.items.len() {
        found if found == media => Ok(()),
        found => Err(format!("{found} of {media} media were found").into()),
    }
}

/// What signs Meta's delivery of this repository with the secret `TEST-secret`.
const SIGNATURE: &str = "sha256=43b0fc140b16f94141b02440cb82ccd3428fb930de313fe05e71b86bd65f34ac";

fn signature(times: usize) -> Outcome<()> {
    let webhooks = wamedia::webhooks("meta", &config("meta").with("app_secret", "TEST-secret"))?;
    let body = delivery("meta")?;
    let headers = [("x-hub-signature-256".to_owned(), SIGNATURE.to_owned())];
    for _ in 0..times {
        let authenticity = webhooks.verify(&Delivery::new(black_box(body)).with_headers(&headers));
        if authenticity != Authenticity::Verified {
            return Err(format!("the signature is {authenticity:?}").into());
        }
    }
    Ok(())
}

fn preflight(times: usize) -> Outcome<()> {
    let content = include_bytes!("../../../fixtures/media/photo.jpg");
    let mime = Mime::parse("image/jpeg")?;
    for _ in 0..times {
        let mut reader = Cursor::new(black_box(content.as_slice()));
        let size = content.len() as u64;
        let report = preflight::check(&mut reader, size, &mime, MediaKind::Image, &Capabilities::NONE)?;
        if !report.fits() {
            return Err("the photo was refused".into());
        }
    }
    Ok(())
}

fn provider(base: &str) -> Outcome<Arc<dyn Provider>> {
    Ok(wamedia::provider("meta", &config("meta").with_base_url(base).with_content_origin(base))?)
}

/// The reference of content of this size; the server makes it from the id.
fn media(size: usize, number: usize) -> Outcome<MediaRef> {
    Ok(MediaRef::new("meta", MediaId::new(format!("{size}-0-{number}"))?))
}

async fn resolve(base: &str, times: usize) -> Outcome<()> {
    let (provider, media) = (provider(base)?, media(1024, 0)?);
    for _ in 0..times {
        provider.resolve(&media, ResolveOptions::default()).await?;
    }
    Ok(())
}

/// Fetches so many contents into a folder with a manifest, as `wamedia get --dir` does.
async fn objects(base: &str, folder: &str, size: usize, times: usize, concurrency: usize) -> Outcome<()> {
    let (provider, folder) = (provider(base)?, Folder::new(folder).with_manifest(true));
    let references: Vec<MediaRef> = (0..times).map(|number| media(size, number)).collect::<Outcome<_>>()?;
    let jobs = references
        .into_iter()
        .map(|media| Job::new(Arc::clone(&provider), media, Target::Folder(folder.clone())));
    let mut finished = Box::pin(transfer_many(stream::iter(jobs), ManyOptions::new(concurrency)));
    while let Some(finished) = finished.next().await {
        finished.outcome?;
    }
    Ok(())
}

/// Content from memory through the engine alone, so that what it allocates for each chunk repeats exactly.
async fn engine(mebibytes: usize) -> Outcome<()> {
    let provider = InMemory(Bytes::from(vec![0x55; 64 * 1024]), 16 * mebibytes);
    let receipt = provider.fetch_into(&media(1, 0)?, &mut tokio::io::sink()).await?;
    if receipt.bytes == (mebibytes as u64) << 20 { Ok(()) } else { Err("bytes are missing".into()) }
}

/// Gives the same chunk so many times.
#[derive(Debug)]
struct InMemory(Bytes, usize);

#[async_trait]
impl Provider for InMemory {
    fn name(&self) -> &'static str {
        "meta"
    }

    fn capabilities(&self) -> &Capabilities {
        const { &Capabilities::NONE.with_resolve().with_open() }
    }

    async fn resolve(&self, media: &MediaRef, _: ResolveOptions) -> wamedia::Result<MediaDescriptor> {
        Ok(MediaDescriptor::new(media.clone(), Source::Direct))
    }

    async fn open(&self, _: &MediaDescriptor, _: OpenOptions) -> wamedia::Result<MediaStream> {
        let chunks = stream::iter(vec![self.0.clone(); self.1].into_iter().map(Ok));
        Ok(MediaStream::new(MediaHead::default(), chunks))
    }
}
