//! Parsing deliveries, beside `serde_json::Value` on the same bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wamedia_core::Delivery;

fn delivery(count: usize) -> String {
    let message = |index: usize| {
        format!(
            r#"{{"id":"OgARI{index}","from_me":false,"type":"image","chat_id":"TEST@s.whatsapp.net","timestamp":1754413768,"source":"mobile","image":{{"id":"jpeg-{index:020}-807a039edbb29b","mime_type":"image/jpeg","file_size":18411,"sha256":"0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=","caption":"caf\u00e9","width":960,"height":640}}}}"#
        )
    };
    let messages: Vec<_> = (0..count).map(message).collect();
    format!(
        r#"{{"messages":[{}],"event":{{"type":"messages","event":"post"}},"channel_id":"TEST"}}"#,
        messages.join(",")
    )
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("webhook");
    for count in [1, 10, 100] {
        let body = delivery(count);
        let found = wamedia_whapi::webhook::parse(&Delivery::new(body.as_bytes()));
        assert_eq!(found.map(|inbound| inbound.media().count()).ok(), Some(count), "all media are found");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", count), &body, |bencher, body| {
            bencher.iter(|| wamedia_whapi::webhook::parse(&Delivery::new(black_box(body.as_bytes()))));
        });
        group.bench_with_input(BenchmarkId::new("value", count), &body, |bencher, body| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body.as_bytes())));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
