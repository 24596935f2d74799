#![no_main]

use libfuzzer_sys::fuzz_target;
use wamedia_core::Secret;
use wamedia_meta::webhook;

fuzz_target!(|body: &[u8]| {
    let secrets = [Secret::new("TEST-secret")];
    wamedia_fuzz::webhook(body, |delivery| webhook::verify(delivery, &secrets), webhook::parse);
    let _ = webhook::handshake(&String::from_utf8_lossy(body), Some(&Secret::new("TEST-token")));
});
