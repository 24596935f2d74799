#![no_main]

use libfuzzer_sys::fuzz_target;
use wamedia_core::Secret;
use wamedia_nxcloud::webhook;

fuzz_target!(|body: &[u8]| {
    let secrets = [Secret::new("TEST-secret")];
    wamedia_fuzz::webhook(body, |delivery| webhook::verify(delivery, &secrets), webhook::parse);
});
