//! Counts allocations: per object of 100 KiB, and per MiB of a large body, by the transport alone and by the
//! whole engine. Counts do not depend on the machine's mood, so this prints them once and is done.
#![expect(clippy::print_stdout, reason = "the counts are what this is for")]

use std::alloc::System;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use futures_util::StreamExt as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use wamedia::meta::MetaCloud;
use wamedia::{MediaId, MediaRef, OpenOptions, Provider as _, ProviderExt as _, ResolveOptions, Transfer};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MIB: usize = 1024 * 1024;
const SMALL: usize = 100 * 1024;
const LARGE: usize = 64 * MIB;
const OBJECTS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", listener.local_addr()?);
    let served = base.clone();
    std::thread::spawn(move || serve(&listener, &served));
    let meta = MetaCloud::builder("TEST-token").base_url(&base).content_origin(&base).build()?;
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(count(&meta, folder.path()))
}

async fn count(meta: &MetaCloud, folder: &Path) -> Result<(), Box<dyn Error>> {
    let media = |size: usize| MediaId::new(size.to_string()).map(|id| MediaRef::new("meta", id));
    let (small, large) = (media(SMALL)?, media(LARGE)?);
    // Connections and buffers are there before anything is counted.
    drain(meta, &large).await?;
    let region = Region::new(ALLOCATOR);
    for _ in 0..OBJECTS {
        drain(meta, &small).await?;
    }
    report("an object of 100 KiB, transport alone", &region, OBJECTS);
    let region = Region::new(ALLOCATOR);
    for number in 0..OBJECTS {
        let folder = folder.join(number.to_string());
        std::fs::create_dir(&folder)?;
        Transfer::new(meta).download_in(&small, &folder).await?;
    }
    report("an object of 100 KiB, verified file", &region, OBJECTS);
    let region = Region::new(ALLOCATOR);
    drain(meta, &large).await?;
    report("a MiB of a large body, transport alone", &region, LARGE / MIB);
    let region = Region::new(ALLOCATOR);
    meta.download_to(&large, &folder.join("large")).await?;
    report("a MiB of a large body, verified file", &region, LARGE / MIB);
    Ok(())
}

/// Resolves, opens, and throws the content away.
async fn drain(meta: &MetaCloud, media: &MediaRef) -> Result<(), wamedia::Error> {
    let descriptor = meta.resolve(media, ResolveOptions::default()).await?;
    let mut stream = meta.open(&descriptor, OpenOptions::default()).await?;
    while let Some(chunk) = stream.next().await {
        chunk?;
    }
    Ok(())
}

fn report(what: &str, region: &Region<'_, System>, units: usize) {
    let change = region.change();
    let each = |count: usize| count / units;
    println!(
        "{what:42} {:5} allocations, {:3} reallocations, {:8} bytes",
        each(change.allocations),
        each(change.reallocations),
        each(change.bytes_allocated)
    );
}

/// Answers without allocating anything itself.
fn serve(listener: &TcpListener, base: &str) {
    let content: &'static [u8] = vec![0xff; LARGE].leak();
    let digest = |size| wamedia::Sha256::of(&content[..size]).to_hex();
    let descriptor = |size: usize| {
        let body = format!(
            "{{\"url\":\"{base}/content/{size}\",\"sha256\":\"{}\",\"file_size\":{size},\"mime_type\":\"image/jpeg\"}}",
            digest(size)
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        &*(head + &body).leak()
    };
    let replies: [&'static str; 2] = [descriptor(SMALL), descriptor(LARGE)];
    for socket in listener.incoming().flatten() {
        std::thread::spawn(move || answer(socket, content, replies));
    }
}

fn answer(mut socket: TcpStream, content: &[u8], replies: [&str; 2]) -> std::io::Result<()> {
    let mut request = [0; 4096];
    loop {
        let mut filled = 0;
        while !request[..filled].ends_with(b"\r\n\r\n") {
            match socket.read(&mut request[filled..])? {
                0 => return Ok(()),
                count => filled += count,
            }
        }
        let line = request[..filled].split(|byte| *byte == b'\r').next().unwrap_or_default();
        let size = if line.windows(8).any(|word| word == b"67108864") { LARGE } else { SMALL };
        if line.windows(9).any(|word| word == b"/content/") {
            write!(socket, "HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: {size}\r\n\r\n")?;
            socket.write_all(&content[..size])?;
        } else {
            socket.write_all(replies[usize::from(size == LARGE)].as_bytes())?;
        }
    }
}
