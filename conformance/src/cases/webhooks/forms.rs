//! Deliveries that are HTML forms: one message with the addresses of its files.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use url::form_urlencoded::Serializer;
use wamedia_core::Delivery;

use super::super::{Setup, Verdict};
use super::walk;
use crate::profile::{FormDeliveries, fill};

#[derive(Clone, Debug, PartialEq)]
enum File {
    Good,
    /// An address of another form.
    Foreign(String),
    /// Counted, and not there.
    Missing,
}

/// Messages with any number of files, with fields in any order: every file is found or reported as failed.
pub(super) fn composed(setup: &Setup) -> Verdict {
    let names = setup.profile.form().ok_or("profile.json does not say what a form looks like")?;
    let file = prop_oneof![
        4 => Just(File::Good),
        1 => prop::sample::select(names.foreign.clone()).prop_map(File::Foreign),
        1 => Just(File::Missing),
    ];
    let odd = prop::collection::vec(prop::sample::select(names.odd.clone()), 0..4);
    let forms = (prop::collection::vec(file, 0..=names.most), odd, any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let outcome =
        runner.run(&forms, |(files, odd, is_reversed)| whole(setup, names, &files, &odd, is_reversed));
    outcome.map_err(|error| error.to_string())
}

/// A template with this number.
fn numbered(template: &str, number: usize) -> String {
    fill(template, &[("n", &number.to_string()), ("n32", &format!("{number:032x}"))])
}

fn whole(
    setup: &Setup,
    names: &FormDeliveries,
    files: &[File],
    odd: &[[String; 2]],
    is_reversed: bool,
) -> Result<(), TestCaseError> {
    let media = |number: usize| numbered(&names.media, number);
    let mut fields = vec![
        (names.id[0].clone(), numbered(&names.id[1], 1)),
        (names.count.clone(), files.len().to_string()),
    ];
    fields.extend(names.others.iter().map(|(name, value)| (name.clone(), value.clone())));
    fields.extend(odd.iter().map(|[name, value]| (name.clone(), value.clone())));
    for (index, file) in files.iter().enumerate() {
        let address = match file {
            File::Good => fill(&names.address[1], &[("media", &media(index))]),
            File::Foreign(address) => address.clone(),
            File::Missing => continue,
        };
        fields.push((numbered(&names.address[0], index), address));
        fields.push((numbered(&names.mime, index), "image/jpeg".to_owned()));
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
    let wanted: Vec<_> = good.iter().map(|index| media(*index)).collect();
    let found: Vec<_> =
        inbound.media().filter_map(|item| Some(item.media.id.as_ref()?.to_string())).collect();
    prop_assert_eq!(found, wanted, "media\n{}", body);
    prop_assert_eq!(inbound.failed().count(), files.len() - good.len(), "failed\n{}", body);
    walk::raw_text_is_from(&inbound, &body).map_err(TestCaseError::fail)
}
