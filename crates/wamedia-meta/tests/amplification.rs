//! What parsing takes of memory at its highest point, for deliveries of the largest size and of any shape.

use peak_alloc::PeakAlloc;
use wamedia_core::{Delivery, ErrorKind};
use wamedia_meta::webhook;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MAX: usize = 3 * 1024 * 1024;
const HEAD: &str = r#"{"entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"39120"},"messages":["#;
const TAIL: &str = "]}}]}]}";

/// A delivery of the largest size in which one thing is repeated inside of its list of messages.
fn repeated(before: &str, part: impl Fn(usize) -> String, between: &str, behind: &str) -> String {
    let mut body = format!("{HEAD}{before}");
    let end = MAX - behind.len() - TAIL.len();
    for index in 0.. {
        let part = part(index);
        let between = if index == 0 { "" } else { between };
        if body.len() + between.len() + part.len() > end {
            break;
        }
        body.push_str(between);
        body.push_str(&part);
    }
    body.push_str(behind);
    body.push_str(TAIL);
    body
}

/// What the highest point of parsing adds to what was there before.
fn peak(body: &str) -> (usize, Option<ErrorKind>) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let inbound = webhook::parse(&Delivery::new(body.as_bytes()));
    (ALLOCATOR.peak_usage() - before, inbound.err().map(|error| error.kind()))
}

/// One test alone in its program: the allocator counts for all threads.
#[test]
fn memory_is_in_proportion_to_the_delivery_whatever_its_shape() {
    let ordinary = |index: usize| {
        format!(
            r#"{{"from":"15557770102","id":"wamid.HBgLMTU1NTc3NzAxMDIVAgASGBQzQTAwMDAwMDAwMDAwMDA{index:08}","timestamp":"1767225600","type":"image","image":{{"caption":"caf\u00e9","mime_type":"image\/jpeg","sha256":"0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=","id":"8123456{index:08}"}}}}"#
        )
    };
    let body = repeated("", ordinary, ",", "");
    let (peak_bytes, error) = peak(&body);
    assert_eq!(error, None);
    assert!(peak_bytes <= 4 * body.len(), "ordinary: {peak_bytes} for {}", body.len());
    let long = "n".repeat(500);
    for (what, before, part, between, behind, is_whole) in [
        ("empty messages", "", "{}", ",", "", true),
        ("numbers", "", "1", ",", "", true),
        ("texts", "", r#"{"type":"text"}"#, ",", "", true),
        // More media than memory is set aside for: none of them is dropped, the whole is refused.
        ("images", "", r#"{"type":"image","image":{"id":"1"}}"#, ",", "", false),
        ("fields", r#"{"type":"text","#, r#""":1"#, ",", "}", true),
        ("one name", r#"{"type":"text","#, r#""image":{"id":"1"}"#, ",", "}", true),
        ("lists", r#"{"type":"new","new":["#, "[[1]]", ",", "]}", true),
        ("open lists", "", "[", "", "", false),
        ("escapes", r#"{"type":"image","image":{"id":"1","caption":""#, r"\u0041", "", r#""}}"#, true),
    ] {
        let body = repeated(before, |_| part.to_owned(), between, behind);
        let (peak_bytes, error) = peak(&body);
        assert!(peak_bytes <= 6 * body.len() + (16 << 20), "{what}: {peak_bytes} for {}", body.len());
        assert_eq!(error.is_none(), is_whole, "{what}: {error:?}");
    }
    let card = r#"{"id":"1","sha256":"1","mime_type":"a/b","media":{"id":"1","sha256":"1"}}"#;
    let before = format!(r#"{{"id":"{long}","from":"{long}","type":"carousel","carousel":{{"cards":["#);
    let (peak_bytes, error) = peak(&repeated(&before, |_| card.to_owned(), ",", "]}}"));
    assert!(peak_bytes <= 6 * MAX + (16 << 20), "cards: {peak_bytes}");
    assert_eq!(error, Some(ErrorKind::TooLarge));
}
