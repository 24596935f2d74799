//! What runs for every item: reading digests, checking signatures.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wamedia_core::{Secret, Sha256};
use wamedia_provider::signature;

fn digests(criterion: &mut Criterion) {
    let digest = Sha256::of(b"hello media");
    for (name, text) in [("hex", digest.to_hex()), ("base64", digest.to_base64())] {
        assert_eq!(Sha256::parse(&text), Ok(digest));
        criterion.bench_function(&format!("digest/{name}"), |bencher| {
            bencher.iter(|| Sha256::parse(black_box(&text)));
        });
    }
}

fn signatures(criterion: &mut Criterion) {
    let secrets = [Secret::new("TEST-secret")];
    let mut group = criterion.benchmark_group("hmac");
    for size in [1024, 64 * 1024] {
        let body = vec![b'x'; size];
        let header = signature::hmac_sha256_hex(&secrets[0], &body);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(size.to_string(), |bencher| {
            bencher.iter(|| {
                signature::verify_hmac_sha256(&secrets, black_box(&body), Some(&header), "sha256=", true)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, digests, signatures);
criterion_main!(benches);
