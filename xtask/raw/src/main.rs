//! `raw --base URL --dir D [--from FILE] [--hash none|sha2] [--concurrency N] [--http1] [ID...]`, or
//! `raw --base URL --upload FILE...`
//!
//! The baseline: reqwest, tokio and sha2, written by hand in an afternoon, and never tuned. No retry, timeout,
//! sniffing, cleanup or host policy.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use futures_util::{StreamExt as _, stream};
use reqwest::redirect::Policy;
use reqwest::{Body, Client};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const TOKEN: &str = "TEST-token";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Deserialize)]
struct Descriptor {
    url: String,
    sha256: String,
    file_size: u64,
}

#[derive(Default)]
struct Options {
    base: String,
    dir: String,
    ids: Vec<String>,
    uploads: Vec<String>,
    no_hash: bool,
    http1: bool,
    concurrency: usize,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let options = options()?;
    let mut builder = Client::builder().no_proxy().redirect(Policy::none()).user_agent("raw/1");
    if options.http1 {
        builder = builder.http1_only();
    }
    let client = builder.build()?;
    for file in &options.uploads {
        upload(&client, &options.base, file).await?;
    }
    let options: &'static Options = Box::leak(Box::new(options));
    let mut results = stream::iter(&options.ids)
        .map(|id| {
            let client = client.clone();
            tokio::spawn(async move { fetch(&client, options, id).await })
        })
        .buffer_unordered(options.concurrency.max(1));
    while let Some(result) = results.next().await {
        result??;
    }
    Ok(())
}

async fn fetch(client: &Client, options: &Options, id: &str) -> Outcome<()> {
    let request = client.get(format!("{}/v23.0/{id}", options.base)).bearer_auth(TOKEN);
    let descriptor: Descriptor = request.send().await?.error_for_status()?.json().await?;
    let response = client.get(&descriptor.url).bearer_auth(TOKEN).send().await?.error_for_status()?;
    let part = format!("{}/.{id}.part", options.dir);
    let mut file = tokio::fs::File::create(&part).await?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        if !options.no_hash {
            hash.update(&chunk);
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    if size != descriptor.file_size {
        return Err(format!("{size} bytes came, {} were declared", descriptor.file_size).into());
    }
    let hex = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    if !options.no_hash && hex != descriptor.sha256 {
        return Err("the digest is wrong".into());
    }
    tokio::fs::rename(&part, Path::new(&options.dir).join(id)).await?;
    Ok(())
}

/// Streams a file to the upload endpoint as one multipart form, and hashes it on the way.
async fn upload(client: &Client, base: &str, path: &str) -> Outcome<()> {
    let file = tokio::fs::File::open(path).await?;
    let head = "--raw\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--raw\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\n";
    let tail = "\r\n--raw--\r\n";
    let size = file.metadata().await?.len() + (head.len() + tail.len()) as u64;
    let chunks = stream::unfold((file, Sha256::new()), |(mut file, mut hash)| async move {
        let mut buffer = vec![0; 64 * 1024];
        match file.read(&mut buffer).await {
            Ok(0) => {
                println!("{:?}", hash.finalize());
                None
            }
            Ok(count) => {
                buffer.truncate(count);
                hash.update(&buffer);
                Some((Ok(buffer), (file, hash)))
            }
            Err(error) => Some((Err(error), (file, hash))),
        }
    });
    let body = stream::iter([Ok(head.as_bytes().to_vec())])
        .chain(chunks)
        .chain(stream::iter([Ok(tail.as_bytes().to_vec())]));
    let request = client.post(format!("{base}/v23.0/39120/media")).bearer_auth(TOKEN);
    let request =
        request.header("content-type", "multipart/form-data; boundary=raw").header("content-length", size);
    request.body(Body::wrap_stream(body)).send().await?.error_for_status()?;
    Ok(())
}

fn options() -> Outcome<Options> {
    let mut options = Options { concurrency: 1, ..Options::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--base" => options.base = value()?,
            "--dir" => options.dir = value()?,
            "--from" => options.ids.extend(std::fs::read_to_string(value()?)?.lines().map(ToOwned::to_owned)),
            "--hash" => options.no_hash = value()? == "none",
            "--concurrency" => options.concurrency = value()?.parse()?,
            "--http1" => options.http1 = true,
            "--upload" => options.uploads.push(value()?),
            _ => options.ids.push(word),
        }
    }
    Ok(options)
}
