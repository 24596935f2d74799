//! Any bytes, any headers.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wamedia_core::{Delivery, ErrorKind};

use super::super::{Case, Setup, Verdict, ensure, equal};
use super::composed::delivery;
use crate::fixture::{Fixture, Kind};
use crate::profile::{Deliveries, FormDeliveries, JsonDeliveries, fill};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("WH-012", "garbage", garbage),
        Case::new("WH-012", "any-bytes", any_bytes),
        Case::new("WH-012", "damaged-fixtures", damaged_fixtures),
        Case::new("WH-012", "large", |setup| large(setup, false)),
        Case::new("WH-012", "large-and-heavy", |setup| large(setup, true)),
        Case::new("WH-004", "unknown-shape", unknown_shape),
        Case::new("WH-004", "extra-fields", extra_fields),
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
    let deep_object =
        format!("{}1{}", format!("{{\"{}\":", list_at_the_top(setup)).repeat(100_000), "}".repeat(100_000));
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

/// The name of a list that the vendor's deliveries have at the top.
fn list_at_the_top(setup: &Setup) -> &str {
    let shape = setup.profile.json().and_then(|names| names.shapes.first());
    let pattern = shape.and_then(|shape| shape.messages.first());
    pattern.map_or("a", |pattern| &pattern[..pattern.find(['[', '.']).unwrap_or(pattern.len())])
}

fn unknown_shape(setup: &Setup) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let bodies = match &setup.profile.deliveries {
        Some(Deliveries::Form(names)) => unknown_forms(names),
        Some(Deliveries::Json(names)) => unknown_objects(names),
        None => return Err("profile.json does not say what a delivery looks like".to_owned()),
    };
    for body in bodies {
        let delivery = Delivery::new(body.as_bytes());
        let inbound = webhooks.parse(&delivery).map_err(|error| format!("{error}: {body}"))?;
        ensure(!inbound.items.is_empty(), format!("an object of unknown shape must be counted: {body}"))?;
        equal("media", &inbound.media().count(), &0)?;
    }
    Ok(())
}

/// A field that is new in every object of a delivery changes nothing of what is found.
fn extra_fields(setup: &Setup) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let found = |body: &[u8]| -> Result<(Vec<String>, usize), String> {
        let inbound = webhooks.parse(&Delivery::new(body)).map_err(|error| error.to_string())?;
        let mut media: Vec<_> = inbound.media().map(|item| item.media.to_string()).collect();
        media.sort();
        Ok((media, inbound.failed().count()))
    };
    for fixture in setup.of_kind(Kind::Webhook) {
        let body = fixture.delivery_bytes()?;
        let changed = if setup.profile.form().is_some() {
            [&body[..], b"&NewIn2031=x"].concat()
        } else {
            let Ok(mut json) = serde_json::from_slice(&body) else { continue };
            add_fields(&mut json);
            json.to_string().into_bytes()
        };
        // What cannot be read without them cannot be read with them.
        if let Ok(want) = found(&body) {
            equal(&fixture.id, &found(&changed)?, &want)?;
        }
    }
    Ok(())
}

fn add_fields(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            for number in 0..9 {
                fields.insert(format!("new_in_2031_{number}"), "x".into());
            }
        }
        serde_json::Value::Array(elements) => elements.iter_mut().for_each(add_fields),
        _ => {}
    }
}

fn unknown_forms(names: &FormDeliveries) -> Vec<String> {
    let [id, value] = [&names.id[0], &names.id[1]];
    let address = |number: &str| fill(&names.address[0], &[("n", number)]);
    let mut forms = vec![
        format!("{id}={value}"),
        format!("{id}="),
        format!("{}=-1&{}=x&{}=&{id}={value}", names.count, address("10"), address("0")),
    ];
    forms.extend(names.unknown.iter().cloned());
    forms
}

fn unknown_objects(names: &JsonDeliveries) -> Vec<String> {
    let mut objects = vec!["{\"what\":\"is this\"}".to_owned(), "{}".to_owned()];
    let patterns = names.shapes.iter().flat_map(|shape| shape.messages.iter().chain(&shape.others));
    let tops = patterns.map(|pattern| &pattern[..pattern.find(['[', '.']).unwrap_or(pattern.len())]);
    let tops: std::collections::BTreeSet<_> = tops.filter(|name| *name != "*").collect();
    for value in ["null", "7", "\"x\"", "[]", "{}"] {
        objects.extend(tops.iter().map(|name| format!("{{\"{name}\":{value}}}")));
    }
    let all: Vec<_> = tops.iter().map(|name| format!("\"{name}\":7")).collect();
    objects.push(format!("{{{}}}", all.join(",")));
    let values = [("n", "1"), ("type", "hologram"), ("content", "{}")];
    let message = fill(&names.message, &values);
    objects.push(delivery(names, "null", &[(0, message)]));
    objects
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn any_bytes(setup: &Setup) -> Verdict {
    // The headers of the vendor's own deliveries, and any others.
    let known = setup.of_kind(Kind::Webhook).flat_map(|fixture| fixture.headers.keys());
    let known = known.chain(setup.profile.signature.iter().map(|names| &names.header));
    let mut known: Vec<String> = known.flat_map(|name| [name.clone(), name.to_ascii_uppercase()]).collect();
    known.sort();
    known.dedup();
    known.push("signature".to_owned());
    let names = prop_oneof![6 => prop::sample::select(known), 1 => "\\PC{0,12}"];
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
/// Those that are heavy may also be refused as too large.
fn large(setup: &Setup, is_heavy: bool) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let size = (cap(setup) / 3).min(1 << 20);
    let repeated = |element: &str, between: &str| vec![element; size / (element.len() + 1)].join(between);
    let long = "n".repeat(size / 2);
    let mut bodies = vec![
        format!("{{{}}}", repeated("\"a\":[1]", ",")),
        // A name that stands above many elements is not repeated in all of them.
        format!("{{\"{long}\":[{}]}}", repeated("0", ",")),
        format!("\"{}\"", "\\\\".repeat(size / 2)),
    ];
    // Every item has its place, and every medium its account, so these may need more memory than a body of that size is
    // worth: to refuse them as too large is right as well.
    let mut heavy = Vec::new();
    match &setup.profile.deliveries {
        Some(Deliveries::Json(names)) => {
            let values = [("n", "1"), ("type", names.other_types[0].as_str()), ("content", "{}")];
            let plain = fill(&names.message, &values);
            let patterns = names.shapes.iter().flat_map(|shape| shape.messages.iter().chain(&shape.others));
            for pattern in patterns.filter(|pattern| !pattern.contains('*')) {
                heavy.extend(["{}", "null"].map(|element| nested(pattern, &repeated(element, ","))));
                bodies.push(nested(pattern, &repeated(&plain, ",")));
                // The list at the top repeats, with what stands in it.
                let (top, rest) = pattern.split_once('.').unwrap_or((pattern, ""));
                let inner = if rest.is_empty() { "{}".to_owned() } else { nested(rest, "{}") };
                bodies.push(nested(top, &repeated(&inner, ",")));
            }
            for content in [fill(&names.media, &[("n", "1"), ("odd", "\"x\":1")]), "{}".to_owned()] {
                let values = [("n", "1"), ("type", names.media_types[0].as_str()), ("content", &content)];
                let message = fill(&names.message, &values);
                heavy.push(delivery(names, &format!("\"{long}\""), &[(0, repeated(&message, ","))]));
            }
        }
        Some(Deliveries::Form(names)) => {
            let (id, count) = (&names.id[0], &names.count);
            let address = fill(&names.address[0], &[("n", "0")]);
            bodies.extend([
                format!("{id}=SM1&{}", repeated(&format!("{address}=%25"), "&")),
                format!("{id}=SM1&{count}={}&{}", names.most, repeated("=", "&")),
                format!("{id}={long}&{count}={}&{address}={long}", names.most),
            ]);
        }
        None => {}
    }
    for body in if is_heavy { heavy } else { bodies } {
        // Each is read once: that takes most of the time of the suite.
        match webhooks.parse(&Delivery::new(body.as_bytes())) {
            Ok(inbound) => {
                ensure(!inbound.items.is_empty(), "a delivery without any item")?;
                let held: usize = inbound.items.iter().map(|item| super::walk::path(item).len()).sum();
                ensure(held < 100 << 20, format!("{held} bytes of paths"))?;
            }
            Err(error) if is_heavy && error.kind() == ErrorKind::TooLarge => {}
            Err(error) => equal("kind", &error.kind(), &ErrorKind::Decode)?,
        }
    }
    let body = vec![b' '; cap(setup) + 1];
    let error = webhooks.parse(&Delivery::new(&body)).err().ok_or("it must be refused")?;
    equal("above the cap", &error.kind(), &ErrorKind::TooLarge)
}

/// A value at the end of a pattern: in lists of one element, besides the last, whose elements are the value.
fn nested(pattern: &str, value: &str) -> String {
    pattern.rsplit('.').fold(value.to_owned(), |inner, segment| match segment.strip_suffix("[]") {
        Some(name) => format!("{{\"{name}\":[{inner}]}}"),
        None => format!("{{\"{segment}\":{inner}}}"),
    })
}
