//! What the targets of all providers do alike.

use serde_json::value::RawValue;
use wamedia_core::{Authenticity, Delivery, ErrorKind, Inbound, MediaRef, Result};

/// Every header that any provider reads.
const HEADERS: [&str; 9] = [
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

/// Any bytes as a delivery: a result with something in it or an error, and never a panic. What is taken
/// for JSON is what a well-known reader takes for it.
///
/// # Panics
///
/// When one of these does not hold.
pub fn webhook(
    body: &[u8],
    verify: impl Fn(&Delivery<'_>) -> Authenticity,
    parse: impl Fn(&Delivery<'_>) -> Result<Inbound>,
) {
    let value = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
    let headers = HEADERS.map(|name| (name.to_owned(), value.clone()));
    let delivery = Delivery::new(body).with_headers(&headers);
    assert_ne!(verify(&delivery), Authenticity::NotConfigured);
    let is_object = serde_json::from_slice::<&RawValue>(body).is_ok_and(|json| json.get().starts_with('{'));
    match parse(&delivery) {
        Ok(inbound) => {
            assert!(is_object, "this is not a JSON object");
            assert!(!inbound.items.is_empty(), "a delivery without any item");
            for item in inbound.media() {
                let text = item.media.to_string();
                let again: MediaRef = text.parse().expect("what was written can be read");
                assert_eq!(again, item.media, "{text}");
            }
        }
        Err(error) if error.kind() == ErrorKind::TooLarge => {}
        Err(error) => assert!(error.kind() == ErrorKind::Decode && !is_object, "{error}"),
    }
}
