//! Deliveries that are HTML forms: one message with the addresses of its files.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use url::form_urlencoded::Serializer;
use wamedia_core::Delivery;

use super::super::{Setup, Verdict};
use super::walk::{self, MOST_FILES};

/// Fields that nobody knows, and values that fit nothing.
const ODD: &[(&str, &str)] =
    &[("Body", "\u{202e}\0 & = + %"), ("MediaUrl", "x"), ("MediaUrl10", "x"), ("", ""), ("NumMedia0", "7")];

#[derive(Clone, Copy, Debug, PartialEq)]
enum File {
    Good,
    /// An address of another form.
    Foreign(&'static str),
    /// Counted, and not there.
    Missing,
}

/// Messages with any number of files, with fields in any order: every file is found or reported as failed.
pub(super) fn composed(setup: &Setup) -> Verdict {
    const FOREIGN: &[&str] = &["https://evil.test/x", "/Media/ME", "https://api.twilio.com/", "\u{1f600}"];
    let file = prop_oneof![
        4 => Just(File::Good),
        1 => prop::sample::select(FOREIGN).prop_map(File::Foreign),
        1 => Just(File::Missing),
    ];
    let odd = prop::collection::vec(prop::sample::select(ODD), 0..4);
    let forms = (prop::collection::vec(file, 0..=MOST_FILES), odd, any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&forms, |(files, odd, is_reversed)| whole(setup, &files, &odd, is_reversed));
    outcome.map_err(|error| error.to_string())
}

fn whole(
    setup: &Setup,
    files: &[File],
    odd: &[(&str, &str)],
    is_reversed: bool,
) -> Result<(), TestCaseError> {
    let sid = |kind: &str, number: usize| format!("{kind}{number:032x}");
    let mut fields = vec![
        ("MessageSid".to_owned(), sid("SM", 1)),
        ("NumMedia".to_owned(), files.len().to_string()),
        ("From".to_owned(), "whatsapp:TEST".to_owned()),
    ];
    fields.extend(odd.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    for (index, file) in files.iter().enumerate() {
        let path = format!("Accounts/{}/Messages/{}/Media/{}", sid("AC", 1), sid("SM", 1), sid("ME", index));
        let address = match file {
            File::Good => format!("https://api.twilio.com/2010-04-01/{path}"),
            File::Foreign(address) => (*address).to_owned(),
            File::Missing => continue,
        };
        fields.push((format!("MediaUrl{index}"), address));
        fields.push((format!("MediaContentType{index}"), "image/jpeg".to_owned()));
    }
    if is_reversed {
        fields.reverse();
    }
    let body = Serializer::new(String::new()).extend_pairs(&fields).finish();
    walk::nothing_is_missing(setup, body.as_bytes())
        .map_err(|why| TestCaseError::fail(format!("{why}\n{body}")))?;
    let webhooks = setup.webhooks(true).map_err(TestCaseError::fail)?;
    let inbound = webhooks
        .parse(&Delivery::new(body.as_bytes()))
        .map_err(|error| TestCaseError::fail(format!("{error}\n{body}")))?;
    let good: Vec<_> = (0..files.len()).filter(|index| files[*index] == File::Good).collect();
    let wanted: Vec<_> = good.iter().map(|index| sid("ME", *index)).collect();
    let found: Vec<_> =
        inbound.media().filter_map(|item| Some(item.media.id.as_ref()?.to_string())).collect();
    prop_assert_eq!(found, wanted, "media\n{}", body);
    prop_assert_eq!(inbound.failed().count(), files.len() - good.len(), "failed\n{}", body);
    walk::raw_text_is_from(&inbound, &body).map_err(TestCaseError::fail)
}
