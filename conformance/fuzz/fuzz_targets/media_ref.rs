//! Any text as a reference: what is taken has a text form that means the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wamedia_core::MediaRef;

fuzz_target!(|text: &str| {
    if let Ok(media) = text.parse::<MediaRef>() {
        let written = media.to_string();
        let again: MediaRef = written.parse().expect("what was written can be read");
        assert_eq!(again, media, "{written}");
        assert_eq!(again.to_string(), written);
    }
});
