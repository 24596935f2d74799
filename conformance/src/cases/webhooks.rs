//! Deliveries: nothing dropped, forgeries refused. Offline.

use std::sync::Arc;

use wamedia_core::{Authenticity, Delivery, ErrorKind, Provider};
use wamedia_http::TransportOptions;

use super::{Case, Subject, Verdict, ensure, equal};
use crate::fixture::{Fixture, Kind};
use crate::{TestNet, snapshot};

pub(super) fn cases(subject: &Subject) -> Vec<Case> {
    if !subject.capabilities.webhook {
        return Vec::new();
    }
    let mut cases =
        vec![Case::new("WH-012", "garbage", garbage), Case::new("WH-004", "unknown-shape", unknown_shape)];
    for fixture in subject.of_kind(Kind::Webhook) {
        let name = fixture.id.split_once('/').map_or("", |(_, rest)| rest).to_owned();
        for proves in &fixture.proves {
            let requirement: &'static str = proves.clone().leak();
            let fixture = fixture.clone();
            cases.push(Case::new(requirement, name.clone(), move |subject| parsed(subject, &fixture)));
        }
        let twice = fixture.clone();
        cases.push(Case::new("WH-007", format!("{name}-twice"), move |subject| {
            the_same_twice(subject, &twice)
        }));
        if subject.capabilities.signed_webhook && fixture.expect.authenticity.as_deref() == Some("verified") {
            let (forged, unsigned) = (fixture.clone(), fixture.clone());
            cases.push(Case::new("WH-008", format!("{name}-altered"), move |subject| {
                altered(subject, &forged)
            }));
            cases.push(Case::new("WH-010", format!("{name}-no-secret"), move |subject| {
                no_secret(subject, &unsigned)
            }));
        }
    }
    cases
}

fn provider(subject: &Subject, with_webhook_secret: bool) -> Arc<dyn Provider> {
    let mut net = TestNet::new(TransportOptions::default());
    net.with_webhook_secret = with_webhook_secret;
    subject.make(net)
}

fn headers(fixture: &Fixture) -> Vec<(String, String)> {
    fixture.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn parsed(subject: &Subject, fixture: &Fixture) -> Verdict {
    let (body, headers) = (fixture.delivery_bytes()?, headers(fixture));
    let delivery = Delivery::new(&body).with_headers(&headers);
    let provider = provider(subject, true);
    let inbound = provider.parse_webhook(&delivery);
    if let (Some(want), Ok(inbound)) = (fixture.expect.media, &inbound) {
        equal("media items", &inbound.media().count(), &want)?;
    }
    let kind = inbound.as_ref().err().map(|error| error.kind().name());
    equal("the kind of the error", &kind, &fixture.expect.error.as_deref())?;
    if let Some(want) = &fixture.expect.authenticity {
        let got = provider.verify_webhook(&delivery).map_err(|error| error.to_string())?;
        equal("authenticity", &authenticity(got), &want.as_str())?;
    }
    snapshot::pin(&subject.root, subject.name, &fixture.id, &snapshot::of_inbound(&inbound));
    Ok(())
}

fn authenticity(authenticity: Authenticity) -> &'static str {
    match authenticity {
        Authenticity::Verified => "verified",
        Authenticity::Unsigned => "unsigned",
        _ => "forged",
    }
}

fn the_same_twice(subject: &Subject, fixture: &Fixture) -> Verdict {
    let body = fixture.delivery_bytes()?;
    let provider = provider(subject, true);
    let refs = || -> Vec<_> {
        let inbound = provider.parse_webhook(&Delivery::new(&body));
        inbound.map(|inbound| inbound.media().map(|item| item.media.clone()).collect()).unwrap_or_default()
    };
    equal("references", &refs(), &refs())
}

/// A changed byte, a missing header and a wrong one are all refused.
fn altered(subject: &Subject, fixture: &Fixture) -> Verdict {
    let (body, headers) = (fixture.delivery_bytes()?, headers(fixture));
    let provider = provider(subject, true);
    let verify = |body: &[u8], headers: &[(String, String)]| {
        provider.verify_webhook(&Delivery::new(body).with_headers(headers)).map_err(|error| error.to_string())
    };
    let upper: Vec<_> = headers.iter().map(|(name, value)| (name.to_uppercase(), value.clone())).collect();
    equal("names in upper case", &authenticity(verify(&body, &upper)?), &"verified")?;
    equal("no headers", &authenticity(verify(&body, &[])?), &"forged")?;
    for (index, (name, value)) in headers.iter().enumerate() {
        for wrong in ["", "zz", &value[..value.len() - 1], &format!("{value}0"), "\u{e9}"] {
            let mut changed = headers.clone();
            wrong.clone_into(&mut changed[index].1);
            // Headers that are not part of the signature may be anything.
            if name.to_ascii_lowercase().contains("sign") {
                equal("a wrong signature", &authenticity(verify(&body, &changed)?), &"forged")?;
            }
        }
    }
    let signed_body = headers.iter().any(|(name, _)| name.to_ascii_lowercase().contains("sign"));
    if signed_body {
        for index in [0, body.len() / 2, body.len() - 1] {
            let mut changed = body.clone();
            changed[index] ^= 1;
            equal("a changed byte", &authenticity(verify(&changed, &headers)?), &"forged")?;
        }
    }
    Ok(())
}

fn no_secret(subject: &Subject, fixture: &Fixture) -> Verdict {
    let (body, headers) = (fixture.delivery_bytes()?, headers(fixture));
    let delivery = Delivery::new(&body).with_headers(&headers);
    let got = provider(subject, false).verify_webhook(&delivery).map_err(|error| error.to_string())?;
    // A vendor that signs with the API secret has one as long as it is configured at all.
    let signs_with_api_secret = subject.capabilities.signed_requests;
    ensure(got == Authenticity::Unsigned || signs_with_api_secret, format!("got {got:?}"))
}

fn garbage(subject: &Subject) -> Verdict {
    let provider = provider(subject, true);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", "{\"entry\":".repeat(100_000), "}".repeat(100_000));
    for body in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\"text\"",
        b"\xff\xfe\x00",
        b"<html>",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ] {
        match provider.parse_webhook(&Delivery::new(body)) {
            Ok(inbound) => ensure(inbound.media().count() == 0, "media out of nothing")?,
            Err(error) => equal("kind", &error.kind(), &ErrorKind::Decode)?,
        }
        provider.verify_webhook(&Delivery::new(body)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn unknown_shape(subject: &Subject) -> Verdict {
    let provider = provider(subject, true);
    for body in [
        &br#"{"what":"is this"}"#[..],
        br#"{"entry":null}"#,
        br#"{"messages":[{"type":"hologram","hologram":{}}]}"#,
    ] {
        let inbound = provider.parse_webhook(&Delivery::new(body)).map_err(|error| error.to_string())?;
        ensure(!inbound.items.is_empty(), "an object of unknown shape must be counted")?;
        equal("media", &inbound.media().count(), &0)?;
    }
    Ok(())
}
