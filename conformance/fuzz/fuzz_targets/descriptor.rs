//! Any bytes as the reply to a request for a descriptor. Needs `--cfg fuzzing`, which cargo-fuzz sets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wamedia_core::{MediaId, MediaRef};

fuzz_target!(|bytes: &[u8]| {
    let [status, body @ ..] = bytes else { return };
    let status = [200, 200, 200, 400, 401, 404, 429, 500][usize::from(*status) % 8];
    let id = MediaId::new("1279279128").expect("it is one");
    #[cfg(fuzzing)]
    {
        let _ = wamedia_meta::fuzz_descriptor(&MediaRef::new("meta", id.clone()), status, body);
        let _ = wamedia_chakra::fuzz_descriptor(&MediaRef::new("chakra", id.clone()), status, body);
        let _ = wamedia_nxcloud::fuzz_descriptor(&MediaRef::new("nxcloud", id), status, body);
    }
    #[cfg(not(fuzzing))]
    let _ = (status, body, MediaRef::from(id));
});
