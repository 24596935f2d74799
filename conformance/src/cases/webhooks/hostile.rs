//! Any bytes, any headers.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wamedia_core::{Delivery, ErrorKind};

use super::super::{Case, Setup, Verdict, ensure, equal};
use crate::DeliveryFormat;
use crate::fixture::{Fixture, Kind};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("WH-012", "garbage", garbage),
        Case::new("WH-012", "any-bytes", any_bytes),
        Case::new("WH-012", "damaged-fixtures", damaged_fixtures),
        Case::new("WH-012", "large", large),
        Case::new("WH-004", "unknown-shape", unknown_shape),
    ]
}

/// The largest body that the vendor sends.
fn cap(setup: &Setup) -> usize {
    let cap = setup.webhook_capabilities.map_or(u64::MAX, |can| can.max_bytes);
    usize::try_from(cap).unwrap_or(usize::MAX)
}

/// What must hold whatever comes in: a result with something in it, or `Decode`, or `TooLarge` above the cap; and
/// never a panic.
fn survives(setup: &Setup, body: &[u8], headers: &[(String, String)]) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let mut delivery = Delivery::new(body).with_headers(headers).with_public_url("https://example.test/");
    match webhooks.parse(&delivery) {
        Ok(inbound) => ensure(!inbound.items.is_empty(), "a delivery without any item")?,
        Err(error) => {
            let want = if body.len() > cap(setup) { ErrorKind::TooLarge } else { ErrorKind::Decode };
            equal("kind", &error.kind(), &want)?;
        }
    }
    let _ = webhooks.verify(&delivery);
    delivery.public_url = None;
    let _ = webhooks.verify(&delivery);
    Ok(())
}

fn garbage(setup: &Setup) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", "{\"entry\":".repeat(100_000), "}".repeat(100_000));
    for body in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\"text\"",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"<html>",
        "[".repeat(100_000).as_bytes(),
        "{\"a\":".repeat(100_000).as_bytes(),
        deep.as_bytes(),
        deep_object.as_bytes(),
    ] {
        survives(setup, body, &[])?;
        let media = webhooks.parse(&Delivery::new(body)).map_or(0, |inbound| inbound.media().count());
        equal("media out of nothing", &media, &0)?;
    }
    Ok(())
}

fn unknown_shape(setup: &Setup) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let forms = [
        &b"MessageSid=SM1"[..],
        b"MessageSid=",
        b"AccountSid=AC1&EventType=new&&=&",
        b"MessageSid=SM1&NumMedia=many&Hologram=1",
        b"NumMedia=-1&MediaUrl10=x&MediaUrl0=&MessageSid=SM1",
    ];
    let objects = [
        &br#"{"what":"is this"}"#[..],
        b"{}",
        br#"{"entry":null}"#,
        br#"{"payload":null}"#,
        br#"{"payload":[],"entry":7}"#,
        br#"{"messages":7,"statuses":"x"}"#,
        br#"{"messages":[{"type":"hologram","hologram":{}}]}"#,
    ];
    let bodies = if setup.deliveries == DeliveryFormat::Form { &forms[..] } else { &objects };
    for body in bodies {
        let inbound = webhooks.parse(&Delivery::new(body)).map_err(|error| error.to_string())?;
        ensure(!inbound.items.is_empty(), "an object of unknown shape must be counted")?;
        equal("media", &inbound.media().count(), &0)?;
    }
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn any_bytes(setup: &Setup) -> Verdict {
    let names = prop_oneof![
        Just("x-hub-signature-256".to_owned()),
        Just("X-Chakra-Signature-256".to_owned()),
        Just("x-twilio-signature".to_owned()),
        Just("sign".to_owned()),
        Just("ts".to_owned()),
        Just("algorithm".to_owned()),
        "\\PC{0,12}",
    ];
    let values = prop_oneof!["\\PC{0,80}", "sha256=[0-9a-fA-F]{0,70}", "[0-9]{0,30}"];
    let headers = prop::collection::vec((names, values), 0..8);
    let bodies = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "[\\[\\]{}\",:0-9a-z\\\\ ]{0,200}".prop_map(String::into_bytes),
    ];
    let mut runner = runner(400);
    runner
        .run(&(bodies, headers), |(body, headers)| {
            survives(setup, &body, &headers).map_err(TestCaseError::fail)
        })
        .map_err(|error| error.to_string())
}

/// Real deliveries with bytes changed, taken out, doubled, or swapped with those of another.
fn damaged_fixtures(setup: &Setup) -> Verdict {
    let bodies: Result<Vec<_>, _> = setup.of_kind(Kind::Webhook).map(Fixture::delivery_bytes).collect();
    let bodies = bodies?;
    let range = || (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let damage = (any::<prop::sample::Index>(), range(), range(), 0_usize..5, any::<u8>());
    let mut runner = runner(600);
    runner
        .run(&damage, |(which, (from, length), (other, at), how, byte)| {
            let mut body = which.get(&bodies).clone();
            let start = from.index(body.len());
            let end = start + length.index((body.len() - start).min(40) + 1);
            match how {
                0 => body[start] = byte,
                1 => drop(body.drain(start..end)),
                2 => body.extend_from_within(start..end),
                3 => {
                    let piece = other.get(&bodies);
                    let at = at.index(piece.len());
                    body.splice(start..end, piece[at..(at + 30).min(piece.len())].iter().copied());
                }
                _ => body.truncate(start),
            }
            survives(setup, &body, &[]).map_err(TestCaseError::fail)
        })
        .map_err(|error| error.to_string())
}

/// Bodies of a third of the cap, a megabyte at most, in which one thing repeats, and one that is larger than the cap.
fn large(setup: &Setup) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let size = (cap(setup) / 3).min(1 << 20);
    let repeated = |element: &str, between: &str| vec![element; size / (element.len() + 1)].join(between);
    let list = |element: &str| repeated(element, ",");
    let long = "n".repeat(size / 2);
    for body in [
        format!("{{\"messages\":[{}]}}", list("{}")),
        format!("{{\"messages\":[{}]}}", list("null")),
        format!("{{\"entry\":[{}]}}", list("{\"changes\":[{}]}")),
        format!(
            "{{\"entry\":[{{\"changes\":[{{\"value\":{{\"messages\":[{}]}}}}]}}]}}",
            list("{\"type\":\"text\"}")
        ),
        format!("{{{}}}", list("\"a\":[1]")),
        // A name that stands above many elements is not repeated in all of them.
        format!("{{\"{long}\":[{}]}}", list("0")),
        format!(
            "{{\"channel_id\":\"{long}\",\"business_phone\":\"{long}\",\"messages\":[{}]}}",
            list("{\"type\":\"image\",\"image\":{\"id\":\"1\"}}")
        ),
        format!("\"{}\"", "\\\\".repeat(size / 2)),
        format!("MessageSid=SM1&{}", repeated("MediaUrl0=%25", "&")),
        format!("MessageSid=SM1&NumMedia=10&{}", repeated("=", "&")),
        format!("MessageSid={long}&NumMedia=10&MediaUrl0={long}"),
    ] {
        survives(setup, body.as_bytes(), &[])?;
        if let Ok(inbound) = webhooks.parse(&Delivery::new(body.as_bytes())) {
            let held: usize = inbound.items.iter().map(|item| super::walk::path(item).len()).sum();
            ensure(held < 100 << 20, format!("{held} bytes of paths"))?;
        }
    }
    let body = vec![b' '; cap(setup) + 1];
    let error = webhooks.parse(&Delivery::new(&body)).err().ok_or("it must be refused")?;
    equal("above the cap", &error.kind(), &ErrorKind::TooLarge)
}
