//! What parsing a full delivery takes.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use wamedia_core::Delivery;
use wamedia_meta::webhook;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A batch as large as Meta sends them, of messages as it sends them: with long ids and a link.
fn batch() -> String {
    let mut messages = String::new();
    for index in 0.. {
        if messages.len() > 2_990_000 {
            break;
        }
        let separator = if index == 0 { "" } else { "," };
        messages.push_str(&format!(
            r#"{separator}{{"from":"15557770102","id":"wamid.HBgLMTU1NTc3NzAxMDIVAgASGBQzQTAwMDAwMDAwMDAwMDA{index:08}","timestamp":"1767225600","type":"image","image":{{"caption":"caf\u00e9","mime_type":"image\/jpeg","sha256":"0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=","id":"8123456{index:08}","url":"https:\/\/lookaside.fbsbx.com\/whatsapp_business\/attachments\/?mid=8123456{index:08}&source=webhook&ext=1767225900&hash=TEST-0123456789012345678901234567890123"}}}}"#
        ));
    }
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"metadata":{{"phone_number_id":"391200000000017"}},"messages":[{messages}]}}}}]}}]}}"#
    )
}

/// Target: at most three times the body is held when it is parsed, and a few times more is asked for
/// on the way there. One test alone in its program: the allocator counts for all threads.
#[test]
fn a_full_batch_takes_at_most_three_times_its_size() {
    let body = batch();
    assert!((2_990_000..3_145_728).contains(&body.len()), "{}", body.len());
    let region = Region::new(ALLOCATOR);
    let inbound = webhook::parse(&Delivery::new(body.as_bytes())).expect("it is a delivery");
    let used = region.change();
    assert!(inbound.media().count() > 5000);
    let held = used.bytes_allocated - used.bytes_deallocated;
    assert!(held <= 3 * body.len(), "{held} bytes are held for {}", body.len());
    // The sum of all requests counts what was given back at once: fields, decoded texts.
    assert!(used.bytes_allocated <= 8 * body.len(), "{} bytes in all", used.bytes_allocated);
    drop(inbound);
    assert_eq!(region.change().bytes_allocated, region.change().bytes_deallocated);
}
