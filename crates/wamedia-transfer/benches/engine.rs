//! The engine without a network: what a chunk costs, and what a name costs.

use std::hint::black_box;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::stream;
use wamedia_core::{
    Capabilities, ContentMetadata, MediaDescriptor, MediaHead, MediaId, MediaRef, MediaStream, Mime,
    OpenOptions, Provider, ResolveOptions, Result, Sha256, Source,
};
use wamedia_transfer::{ProviderExt as _, safe_name};

const MIB: usize = 1024 * 1024;

/// Gives content in chunks of one size, from shared bytes.
#[derive(Debug)]
struct Memory {
    content: Bytes,
    digest: Sha256,
    chunk: usize,
}

#[async_trait]
impl Provider for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> &Capabilities {
        const { &Capabilities::NONE.with_resolve().with_open() }
    }

    async fn resolve(&self, media: &MediaRef, _: ResolveOptions) -> Result<MediaDescriptor> {
        let declared =
            ContentMetadata::EMPTY.with_sha256(self.digest).with_size_bytes(self.content.len() as u64);
        Ok(MediaDescriptor::new(media.clone(), Source::Direct).with_declared(declared))
    }

    async fn open(&self, _: &MediaDescriptor, _: OpenOptions) -> Result<MediaStream> {
        let (content, chunk) = (self.content.clone(), self.chunk);
        let count = content.len().div_ceil(chunk);
        let piece =
            move |index: usize| Ok(content.slice(index * chunk..((index + 1) * chunk).min(content.len())));
        Ok(MediaStream::new(MediaHead::default(), stream::iter((0..count).map(piece))))
    }
}

fn verifying(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    let Ok(id) = MediaId::new("1") else { return };
    let media = MediaRef::new("memory", id);
    let content = Bytes::from(vec![0x55; 8 * MIB]);
    let mut group = criterion.benchmark_group("verifying stream");
    group.throughput(Throughput::Bytes(content.len() as u64));
    // The hash alone, which nothing can be faster than.
    group.bench_function("sha256 alone", |bencher| bencher.iter(|| Sha256::of(black_box(&content))));
    for chunk in [16 * 1024, 64 * 1024, 256 * 1024] {
        let provider = Memory { digest: Sha256::of(&content), content: content.clone(), chunk };
        group.bench_with_input(BenchmarkId::new("into nothing", chunk), &provider, |bencher, provider| {
            bencher.iter(|| runtime.block_on(provider.fetch_into(&media, &mut tokio::io::sink())));
        });
        group.bench_with_input(BenchmarkId::new("into memory", chunk), &provider, |bencher, provider| {
            bencher.iter(|| runtime.block_on(provider.fetch(&media)));
        });
    }
    group.finish();
}

fn names(criterion: &mut Criterion) {
    let mime = Mime::parse("image/jpeg").ok();
    let long = "\u{202e}../".repeat(100);
    for (name, text) in [("plain", "photo.jpg"), ("hostile", long.as_str())] {
        criterion.bench_function(&format!("safe name/{name}"), |bencher| {
            bencher.iter(|| safe_name(Some(black_box(text)), mime.as_ref(), "meta-1"));
        });
    }
}

criterion_group!(benches, verifying, names);
criterion_main!(benches);
