//! Any bytes as the reply of the Cloud API, or of a vendor that forwards it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wamedia_provider::{Reply, cloud_api};

fuzz_target!(|bytes: &[u8]| {
    let [status, body @ ..] = bytes else { return };
    let status = [200, 200, 200, 400, 401, 404, 429, 500][usize::from(*status) % 8];
    let reply = Reply::new(status, body.to_vec());
    let error = cloud_api::error_in(&reply);
    assert!(error.is_some() || reply.is_success(), "a failure is an error, whatever its body");
    let _ = (cloud_api::uploaded(&reply), cloud_api::deleted(&reply), cloud_api::content_error(&reply));
    if let Ok(body) = reply.json::<serde_json::Value>() {
        let _ = cloud_api::descriptor(body);
    }
});
