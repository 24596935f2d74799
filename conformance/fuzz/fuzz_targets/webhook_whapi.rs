#![no_main]

use libfuzzer_sys::fuzz_target;
use wamedia_core::Secret;
use wamedia_whapi::webhook;

fuzz_target!(|body: &[u8]| {
    let secrets = [("X-Hook-Secret".to_owned(), Secret::new("TEST-secret"))];
    wamedia_fuzz::webhook(body, |delivery| webhook::verify(delivery, &secrets), webhook::parse);
});
