//! Deliveries: nothing dropped, forgeries refused. Offline.

mod composed;
mod expected;
mod forms;
mod hostile;
mod signatures;
mod walk;

use std::collections::BTreeMap;

use wamedia_core::{Delivery, ErrorKind, Handshake, ReceiveOptions};

use super::{Case, Setup, Verdict, ensure, equal};
use crate::fixture::{Fixture, Kind};
use crate::profile::Deliveries;
use crate::{VERIFY_TOKEN, snapshot};

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let Some(capabilities) = setup.webhook_capabilities else { return Vec::new() };
    let mut cases = hostile::cases();
    cases.extend(setup.profile.deliveries.as_ref().map(|deliveries| match deliveries {
        Deliveries::Form(_) => Case::new("WH-002", "composed", forms::composed),
        Deliveries::Json(_) => Case::new("WH-002", "composed", composed::composed),
    }));
    cases.push(if capabilities.handshake {
        Case::new("WH-013", "handshake", handshake)
    } else {
        Case::new("WH-013", "no-handshake", no_handshake).negative()
    });
    if setup.fixture("webhook/own-shape").is_ok() {
        cases.push(Case::new("WH-007", "two-shapes", two_shapes));
    }
    for fixture in setup.of_kind(Kind::Webhook) {
        let name = fixture.id.split_once('/').map_or("", |(_, rest)| rest).to_owned();
        for proves in &fixture.proves {
            let requirement: &'static str = proves.clone().leak();
            let fixture = fixture.clone();
            cases.push(Case::new(requirement, name.clone(), move |setup| parsed(setup, &fixture)));
        }
        let twice = fixture.clone();
        cases.push(Case::new("WH-007", format!("{name}-twice"), move |setup| the_same_twice(setup, &twice)));
        let whole = fixture.clone();
        cases.push(Case::new("WH-002", format!("{name}-whole"), move |setup| {
            walk::nothing_is_missing(setup, &whole.delivery_bytes()?)
        }));
    }
    cases.extend(signatures::cases(setup));
    cases
}

fn parsed(setup: &Setup, fixture: &Fixture) -> Verdict {
    let (body, headers) = (fixture.delivery_bytes()?, fixture.header_list());
    let delivery = fixture.to_delivery(&headers, &body);
    let webhooks = setup.webhooks(true)?;
    let inbound = webhooks.parse(&delivery);
    if let Ok(inbound) = &inbound {
        if let Some(want) = fixture.expect.media {
            equal("media items", &inbound.media().count(), &want)?;
        }
        if let Some(want) = fixture.expect.failed {
            equal("failed items", &inbound.failed().count(), &want)?;
        }
        if let Some(want) = &fixture.expect.others {
            let got: BTreeMap<_, _> =
                inbound.others().into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect();
            equal("everything else", &got, want)?;
        }
        walk::raw_text_is_from(inbound, &String::from_utf8_lossy(&body))?;
        // What is received is compared; a delivery that is refused as forged can only be read.
        let lenient = ReceiveOptions::default().with_allow_unverified(true);
        match webhooks.receive(&delivery, lenient) {
            Ok(received) => expected::compare(fixture, &received.inbound)?,
            Err(error) if error.kind() == ErrorKind::Unauthorized => expected::compare(fixture, inbound)?,
            Err(error) => return Err(format!("it is read and not received: {error}")),
        }
    }
    let kind = inbound.as_ref().err().map(|error| error.kind().name());
    equal("the kind of the error", &kind, &fixture.expect.error.as_deref())?;
    if let Some(want) = &fixture.expect.authenticity {
        equal("authenticity", &signatures::authenticity(webhooks.verify(&delivery)), &want.as_str())?;
    }
    snapshot::pin(setup.name, &fixture.id, &snapshot::of_inbound(&inbound));
    Ok(())
}

fn the_same_twice(setup: &Setup, fixture: &Fixture) -> Verdict {
    let body = fixture.delivery_bytes()?;
    // Two instances: what one of them has seen must not matter.
    let refs = || -> Result<Vec<_>, String> {
        let inbound = setup.webhooks(true)?.parse(&Delivery::new(&body));
        let text = |item: &wamedia_core::MediaItem| item.media.to_string();
        Ok(inbound.map(|inbound| inbound.media().map(text).collect()).unwrap_or_default())
    };
    equal("references", &refs()?, &refs()?)
}

/// One message in both of a vendor's shapes.
fn two_shapes(setup: &Setup) -> Verdict {
    let read = |name: &str| -> Result<_, String> {
        let body = setup.fixture(name)?.delivery_bytes()?;
        let inbound = setup.webhooks(true)?.parse(&Delivery::new(&body));
        let inbound = inbound.map_err(|error| error.to_string())?;
        let item = inbound.media().next().ok_or("no media")?;
        Ok((item.media.clone(), item.message_id.clone(), item.timestamp, item.caption.clone()))
    };
    equal("the item", &read("webhook/own-shape")?, &read("webhook/pass-through")?)
}

fn handshake(setup: &Setup) -> Verdict {
    let webhooks = setup.webhooks(true)?;
    let ask = |query: &str| webhooks.handshake(query);
    let names = setup.profile.handshake.as_ref().ok_or("profile.json does not name the fields")?;
    let (mode, token, challenge) = (&names.mode, &names.token, &names.challenge);
    let query = |value: &str, secret: &str, rest: &str| {
        let rest = if rest.is_empty() { String::new() } else { format!("&{challenge}={rest}") };
        format!("{mode}={value}&{token}={secret}{rest}")
    };
    // The challenge is text: leading zeros and odd characters come back as they were.
    for (written, plain) in [("1158201444", "1158201444"), ("007", "007"), ("a%2Bb%20%C3%A9", "a+b é")] {
        let right = query("subscribe", VERIFY_TOKEN, written);
        equal("the answer", &ask(&right), &Handshake::Accepted(plain.to_owned()))?;
        equal("behind a question mark", &ask(&format!("?{right}")), &Handshake::Accepted(plain.to_owned()))?;
    }
    for wrong in [
        query("subscribe", "TEST-verif", "1"),
        query("subscribe", "TEST-verify2", "1"),
        query("subscribe", "test-verify", "1"),
        query("subscribe", "", "1"),
        query("unsubscribe", VERIFY_TOKEN, "1"),
        query("subscribe", VERIFY_TOKEN, ""),
        format!("{token}={VERIFY_TOKEN}&{challenge}=1"),
        query("subscribe", VERIFY_TOKEN, "1").replace('.', "_"),
        String::new(),
        "%ff%".to_owned(),
        "&=&".repeat(10_000),
    ] {
        equal(&format!("{wrong:.80}"), &ask(&wrong), &Handshake::Refused)?;
    }
    Ok(())
}

/// A provider without a handshake answers none, and does not accept its query as a delivery.
fn no_handshake(setup: &Setup) -> Verdict {
    let query = match &setup.profile.handshake {
        Some(names) => {
            format!("{}=subscribe&{}={VERIFY_TOKEN}&{}=1", names.mode, names.token, names.challenge)
        }
        None => format!("mode=subscribe&token={VERIFY_TOKEN}&challenge=1"),
    };
    equal("an answer", &setup.webhooks(true)?.handshake(&query), &Handshake::NotOffered)?;
    let delivery = Delivery::new(query.as_bytes());
    ensure(setup.webhooks(true)?.parse(&delivery).is_err(), "a query became a delivery")
}
