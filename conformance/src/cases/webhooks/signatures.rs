//! What a signature must look like, and what is signed.

use wamedia_core::{Authenticity, Delivery, ErrorKind, MediaItem, ReceiveOptions, Webhooks};

use super::super::{Case, Setup, Verdict, ensure, equal};
use crate::SignatureFormat;
use crate::fixture::{Fixture, Kind};

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    if !setup.webhook_capabilities.is_some_and(|can| can.signed) {
        return Vec::new();
    }
    let mut cases = Vec::new();
    let verified = |fixture: &&Fixture| fixture.expect.authenticity.as_deref() == Some("verified");
    for fixture in setup.of_kind(Kind::Webhook).filter(verified) {
        let name = fixture.id.split_once('/').map_or("", |(_, rest)| rest).to_owned();
        let is_secret = setup.signature == SignatureFormat::SharedSecret;
        let mut add = |id: &'static str, what: &str, run: fn(&Setup, &Fixture) -> Verdict| {
            let fixture = fixture.clone();
            let id = if is_secret { "WH-014" } else { id };
            cases.push(Case::new(id, format!("{name}-{what}"), move |setup| run(setup, &fixture)));
        };
        add("WH-008", "altered", altered);
        add("WH-009", "other-spellings", other_spellings);
        add("WH-010", "no-secret", no_secret);
        // One of them tells as much as all.
        if name.contains("kinds") || name.contains("own-shape") {
            add("WH-011", "every-digit-counts", every_digit_counts);
        }
    }
    cases
}

/// Checks deliveries against one fixture's headers and body.
struct Check<'a> {
    setup: &'a Setup,
    webhooks: std::sync::Arc<dyn Webhooks>,
    fixture: &'a Fixture,
    headers: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Check<'a> {
    fn new(setup: &'a Setup, fixture: &'a Fixture, body: &'a [u8]) -> Result<Self, String> {
        Ok(Self { setup, webhooks: setup.webhooks(true)?, fixture, headers: fixture.header_list(), body })
    }

    fn says(&self, what: &str, headers: &[(String, String)], body: &[u8], want: &str) -> Verdict {
        self.says_of(what, &self.fixture.to_delivery(headers, body), want)
    }

    fn says_of(&self, what: &str, delivery: &Delivery<'_>, want: &str) -> Verdict {
        let got = self.webhooks.verify(delivery);
        equal(what, &authenticity(got), &want)?;
        // What is received is what was verified, and what is merely not verified where that is allowed.
        let lenient = ReceiveOptions::default().with_allow_unverified(true);
        let is_lenient = !matches!(got, Authenticity::Invalid(_));
        for (options, is_taken) in
            [(ReceiveOptions::default(), got == Authenticity::Verified), (lenient, is_lenient)]
        {
            match self.webhooks.receive(delivery, options) {
                Ok(received) => {
                    ensure(is_taken, format!("{what}: it was received"))?;
                    let is_signed = |item: &MediaItem| item.media.signed == (want == "verified");
                    ensure(received.inbound.media().all(is_signed), format!("{what}: the mark is wrong"))?;
                }
                // A body that was changed may be unreadable as well.
                Err(error) if is_taken && error.kind() == ErrorKind::Decode => {}
                Err(error) => {
                    ensure(!is_taken, format!("{what}: {error}"))?;
                    equal(what, &error.kind(), &ErrorKind::Unauthorized)?;
                }
            }
        }
        Ok(())
    }

    /// The same headers with another value in one place.
    fn with(&self, index: usize, value: &str) -> Vec<(String, String)> {
        let mut changed = self.headers.clone();
        value.clone_into(&mut changed[index].1);
        changed
    }

    /// The header that holds the digits; none where there is a fixed value in place of a signature.
    fn signature(&self) -> Option<usize> {
        let names = self.setup.profile.signature.as_ref().filter(|_| self.setup.signature.is_signature())?;
        self.headers.iter().position(|(name, _)| name.eq_ignore_ascii_case(&names.header))
    }
}

/// A changed byte, and the same JSON written again, are refused.
fn altered(setup: &Setup, fixture: &Fixture) -> Verdict {
    let body = fixture.delivery_bytes()?;
    let check = Check::new(setup, fixture, &body)?;
    check.says("as it came", &check.headers, check.body, "verified")?;
    if check.signature().is_none() {
        return Ok(());
    }
    for index in [0, body.len() / 3, body.len() / 2, body.len() - 1] {
        let mut changed = body.clone();
        changed[index] ^= 1;
        check.says("a changed byte", &check.headers, &changed, "forged")?;
    }
    let longer = [&body[..], b" "].concat();
    check.says("a byte more", &check.headers, &longer, "forged")?;
    check.says("a byte less", &check.headers, &body[..body.len() - 1], "forged")?;
    check.says("no body", &check.headers, b"", "forged")?;
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&body) {
        let pretty = serde_json::to_vec_pretty(&value).map_err(|error| error.to_string())?;
        check.says("the JSON written again", &check.headers, &pretty, "forged")?;
    }
    if setup.signature == SignatureFormat::Base64OfUrlAndForm {
        url_and_form(&check)?;
    }
    // Whatever else is signed along, time among it, is covered as well.
    for index in 0..check.headers.len() {
        let (name, value) = &check.headers[index];
        let names = setup.profile.signature.iter();
        if names.flat_map(|names| &names.not_covered).any(|other| other.eq_ignore_ascii_case(name)) {
            continue;
        }
        let changed = format!("{value}1");
        check.says(&format!("another {name}"), &check.with(index, &changed), &body, "forged")?;
    }
    Ok(())
}

/// The URL is covered as it is written; the order of the fields is not.
fn url_and_form(check: &Check<'_>) -> Verdict {
    let plain = check.fixture.to_delivery(&check.headers, check.body);
    let url = plain.public_url.ok_or("the fixture states no public URL")?;
    for other in [format!("{url}&x=1"), url.to_uppercase(), url.replace("https://", "http://"), String::new()]
    {
        check.says_of("another URL", &plain.with_public_url(&other), "forged")?;
    }
    check.says_of("no URL", &Delivery::new(check.body).with_headers(&check.headers), "forged")?;
    let mut fields: Vec<&[u8]> = check.body.split(|byte| *byte == b'&').collect();
    fields.reverse();
    check.says("fields in another order", &check.headers, &fields.join(&b'&'), "verified")?;
    check.says("a field twice", &check.headers, &[fields[0], b"&", check.body].concat(), "forged")
}

/// Missing, mis-prefixed, odd, long and foreign signatures; names of headers in any case.
fn other_spellings(setup: &Setup, fixture: &Fixture) -> Verdict {
    let body = fixture.delivery_bytes()?;
    let check = Check::new(setup, fixture, &body)?;
    let renamed = |rename: fn(&str) -> String| -> Vec<_> {
        check.headers.iter().map(|(name, value)| (rename(name), value.clone())).collect()
    };
    check.says("names in upper case", &renamed(str::to_ascii_uppercase), &body, "verified")?;
    check.says("names in lower case", &renamed(str::to_ascii_lowercase), &body, "verified")?;
    check.says("no headers", &[], &body, "forged")?;
    for index in 0..check.headers.len() {
        let name = check.headers[index].0.clone();
        let mut fewer = check.headers.clone();
        fewer.remove(index);
        check.says(&format!("without {name}"), &fewer, &body, "forged")?;
        check.says(&format!("{name} is empty"), &check.with(index, ""), &body, "forged")?;
    }
    let Some(index) = check.signature() else {
        let value = check.headers[0].1.clone();
        for wrong in [&value[1..], &value.to_uppercase(), &"x".repeat(1 << 16), "\u{e9}\u{0}"] {
            check.says("another value", &check.with(0, wrong), &body, "forged")?;
        }
        return Ok(());
    };
    let value = check.headers[index].1.clone();
    let digits = value.trim_start_matches("sha256=");
    let says =
        |value: &str, want: &str| check.says(&format!("{value:.90}"), &check.with(index, value), &body, want);
    let format = setup.signature;
    let wanted = |is_taken: bool| if is_taken { "verified" } else { "forged" };
    // No vendor that writes hex says that the case of its letters matters.
    says(&value.replace(digits, &digits.to_ascii_uppercase()), wanted(format.is_hex()))?;
    says(&format!("sha256={digits}"), wanted(format.takes_prefix()))?;
    says(digits, wanted(format.takes_bare()))?;
    for wrong in [
        format!("sha1={digits}"),
        format!("sha256:{digits}"),
        format!("sha256=sha256={digits}"),
        value[..value.len() - 1].to_owned(),
        value[..value.len() - 2].to_owned(),
        format!("{value}0"),
        format!("{value}{digits}"),
        value.replace(digits, &"g".repeat(digits.len())),
        value.replace(digits, &"0".repeat(digits.len())),
        value.replace(digits, &"\u{e9}".repeat(digits.len() / 2)),
        "sha256=".to_owned(),
        "=".to_owned(),
        "a".repeat(1 << 16),
        format!("{}\u{0}", &value[..value.len() - 1]),
    ] {
        says(&wrong, "forged")?;
    }
    Ok(())
}

/// Without a secret nothing is ever verified.
fn no_secret(setup: &Setup, fixture: &Fixture) -> Verdict {
    let (body, headers) = (fixture.delivery_bytes()?, fixture.header_list());
    let delivery = fixture.to_delivery(&headers, &body);
    let webhooks = setup.webhooks(false)?;
    equal("authenticity", &webhooks.verify(&delivery), &Authenticity::NotConfigured)?;
    let refused = webhooks.receive(&delivery, ReceiveOptions::default()).err().map(|error| error.kind());
    equal("received", &refused, &Some(ErrorKind::Unauthorized))?;
    let lenient = ReceiveOptions::default().with_allow_unverified(true);
    let received = webhooks.receive(&delivery, lenient).map_err(|error| error.to_string())?;
    ensure(received.inbound.media().all(|item| !item.media.signed), "an unverified item is marked as signed")
}

/// That the comparison takes the same time cannot be measured here without guessing; that it looks
/// at every place can, and `wamedia_provider::signature` has the one function that compares.
fn every_digit_counts(setup: &Setup, fixture: &Fixture) -> Verdict {
    let body = fixture.delivery_bytes()?;
    let check = Check::new(setup, fixture, &body)?;
    let index = check.signature().unwrap_or(0);
    let value = check.headers[index].1.clone();
    for (at, byte) in value.bytes().enumerate() {
        let other = if byte == b'0' { '1' } else { '0' };
        let wrong = format!("{}{other}{}", &value[..at], &value[at + 1..]);
        check.says(&format!("place {at}"), &check.with(index, &wrong), &body, "forged")?;
    }
    Ok(())
}

/// The word of fixtures for it.
pub(super) fn authenticity(authenticity: Authenticity) -> &'static str {
    match authenticity {
        Authenticity::Verified => "verified",
        Authenticity::NotConfigured | Authenticity::NotOffered => "unsigned",
        _ => "forged",
    }
}
