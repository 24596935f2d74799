//! Parsing deliveries, beside `serde_json::Value` on the same bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wamedia_core::Delivery;

fn delivery(count: usize) -> String {
    let message = |index: usize| {
        format!(
            r#"{{"from":"TEST","id":"wamid.{index}","timestamp":"1767225600","type":"image","image":{{"caption":"caf\u00e9","mime_type":"image\/jpeg","sha256":"0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=","id":"8123456789{index:05}"}}}}"#
        )
    };
    let messages: Vec<_> = (0..count).map(message).collect();
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"metadata":{{"phone_number_id":"39120"}},"messages":[{}]}}}}]}}]}}"#,
        messages.join(",")
    )
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("webhook");
    for count in [1, 10, 100] {
        let body = delivery(count);
        let found = wamedia_chakra::webhook::parse(&Delivery::new(body.as_bytes()));
        assert_eq!(found.map(|inbound| inbound.media().count()).ok(), Some(count), "all media are found");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", count), &body, |bencher, body| {
            bencher.iter(|| wamedia_chakra::webhook::parse(&Delivery::new(black_box(body.as_bytes()))));
        });
        group.bench_with_input(BenchmarkId::new("value", count), &body, |bencher, body| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body.as_bytes())));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
