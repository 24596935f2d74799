//! Parsing deliveries, beside `serde_json::Value` on the same bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wamedia_core::{Delivery, Secret};

fn delivery(count: usize) -> String {
    let message = |index: usize| {
        format!(
            r#"{{"from":"TEST","id":"ABGH{index}","timestamp":"1663053029","type":"image","image":{{"id":"2bc7102f-5491-40b1-a92f-{index:012}","mime_type":"image/jpeg","caption":"caf\u00e9","sha256":"d28d2954ff97ac68052c4beff8c84ad0960d1408540fc486256cdd7cd68dd1fe"}},"cost":{{"currency":"USD","price":0}}}}"#
        )
    };
    let messages: Vec<_> = (0..count).map(message).collect();
    format!(
        r#"{{"contacts":[{{"profile":{{"name":"Jay"}},"wa_id":"TEST"}}],"messages":[{}],"business_phone":"TEST"}}"#,
        messages.join(",")
    )
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("webhook");
    for count in [1, 10, 100] {
        let body = delivery(count);
        let found = wamedia_nxcloud::webhook::parse(&Delivery::new(body.as_bytes()));
        assert_eq!(found.map(|inbound| inbound.media().count()).ok(), Some(count), "all media are found");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", count), &body, |bencher, body| {
            bencher.iter(|| wamedia_nxcloud::webhook::parse(&Delivery::new(black_box(body.as_bytes()))));
        });
        group.bench_with_input(BenchmarkId::new("value", count), &body, |bencher, body| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body.as_bytes())));
        });
    }
    group.finish();
}

fn signature(criterion: &mut Criterion) {
    let secret = Secret::new("TEST-secret");
    let body = delivery(1);
    for algorithm in ["md5", "sha256"] {
        let headers = [
            ("accesskey", "TEST-key"),
            ("action", "mo"),
            ("biztype", "2"),
            ("ts", "1795000000000"),
            ("algorithm", algorithm),
            ("sign", "00112233445566778899aabbccddeeff"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let delivery = Delivery::new(body.as_bytes()).with_headers(&headers);
        // Wrong on purpose: the same work is done for a right one.
        criterion.bench_function(&format!("signature/{algorithm}"), |bencher| {
            bencher.iter(|| {
                wamedia_nxcloud::webhook::verify(black_box(&delivery), std::slice::from_ref(&secret))
            });
        });
    }
}

criterion_group!(benches, parse, signature);
criterion_main!(benches);
