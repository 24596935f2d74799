//! Any bytes as a delivery: a result with something in it or an error, and never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wamedia_core::{Delivery, ErrorKind, MediaRef, Secret};

fuzz_target!(|body: &[u8]| {
    let value = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
    let names = [
        "x-hub-signature-256",
        "x-chakra-signature-256",
        "x-hook-secret",
        "accesskey",
        "action",
        "biztype",
        "ts",
        "algorithm",
        "sign",
    ];
    let headers: Vec<_> = names.map(|name| (name.to_owned(), value.clone())).into();
    let delivery = Delivery::new(body).with_headers(&headers);
    let _ = wamedia_meta::webhook::verify(&delivery, &[Secret::new("TEST-secret")]);
    let _ =
        wamedia_meta::webhook::handshake(&String::from_utf8_lossy(body), Some(&Secret::new("TEST-token")));
    match wamedia_meta::webhook::parse(&delivery) {
        Ok(inbound) => {
            assert!(!inbound.items.is_empty(), "a delivery without any item");
            for item in inbound.media() {
                let text = item.media.to_string();
                let again: MediaRef = text.parse().expect("what was written can be read");
                assert_eq!(again, item.media, "{text}");
            }
        }
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Decode | ErrorKind::TooLarge)),
    }
});
