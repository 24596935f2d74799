//! Deliveries put together from known shapes, types nobody knows, and values that fit nothing.
//!
//! The number of media found, of failed and of counted messages is the number of messages.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use wamedia_core::{Delivery, InboundItem};

use super::super::{Setup, Verdict};
use super::walk;
use crate::profile::{JsonDeliveries, fill};

/// A message, with the places of its type and its content in the lists of the profile.
#[derive(Clone, Debug)]
enum Part {
    Media(usize, usize),
    Hollow(usize, usize),
    Plain(usize, usize),
    Junk(usize),
}

impl Part {
    fn text(&self, index: usize, names: &JsonDeliveries) -> String {
        let n = index.to_string();
        let message = |kind: &str, content: &str| {
            fill(&names.message, &[("n", &n), ("type", kind), ("content", content)])
        };
        match self {
            Self::Media(kind, odd) => {
                let content = fill(&names.media, &[("n", &n), ("odd", &names.odd[*odd])]);
                message(&names.media_types[*kind], &content)
            }
            Self::Hollow(kind, hollow) => message(&names.media_types[*kind], &names.hollow[*hollow]),
            Self::Plain(kind, odd) => message(&names.other_types[*kind], &format!("{{{}}}", names.odd[*odd])),
            Self::Junk(junk) => names.junk[*junk].clone(),
        }
    }
}

fn part(names: &JsonDeliveries) -> impl Strategy<Value = Part> + use<> {
    let (media, plain) = (names.media_types.len(), names.other_types.len());
    let (odd, hollow, junk) = (names.odd.len(), names.hollow.len(), names.junk.len());
    prop_oneof![
        4 => (0..media, 0..odd).prop_map(|(kind, odd)| Part::Media(kind, odd)),
        1 => (0..media, 0..hollow).prop_map(|(kind, hollow)| Part::Hollow(kind, hollow)),
        2 => (0..plain, 0..odd).prop_map(|(kind, odd)| Part::Plain(kind, odd)),
        1 => (0..junk).prop_map(Part::Junk),
    ]
}

/// Lists of messages, and how each is wrapped.
type Parts = Vec<(usize, Vec<Part>)>;

fn parts(names: &JsonDeliveries) -> impl Strategy<Value = Parts> + use<> {
    let forms = 0..2 * (names.parts.len() + names.alone.len());
    prop::collection::vec((forms, prop::collection::vec(part(names), 0..6)), 1..5)
}

pub(super) fn composed(setup: &Setup) -> Verdict {
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let names = setup.profile.json().ok_or("profile.json does not say what a delivery looks like")?;
    runner.run(&parts(names), |parts| whole(setup, names, &parts)).map_err(|error| error.to_string())
}

fn whole(setup: &Setup, names: &JsonDeliveries, parts: &Parts) -> Result<(), TestCaseError> {
    let fail = |why: String| TestCaseError::fail(why);
    let mut index = 0;
    let mut lists = Vec::new();
    for (form, parts) in parts {
        let texts: Vec<_> = parts
            .iter()
            .map(|part| {
                index += 1;
                part.text(index, names)
            })
            .collect();
        lists.push((*form, texts.join(",")));
    }
    let body = delivery(names, "null", &lists);
    let webhooks = setup.webhooks(true).map_err(fail)?;
    walk::nothing_is_missing(setup, body.as_bytes()).map_err(|why| fail(format!("{why}\n{body}")))?;
    let inbound =
        webhooks.parse(&Delivery::new(body.as_bytes())).map_err(|error| fail(format!("{error}\n{body}")))?;
    let all = || parts.iter().flat_map(|(_, parts)| parts);
    let media = all().filter(|part| matches!(part, Part::Media(..))).count();
    let failed = all().filter(|part| matches!(part, Part::Hollow(..))).count();
    prop_assert_eq!(inbound.media().count(), media, "media\n{}", body);
    prop_assert_eq!(inbound.failed().count(), failed, "failed\n{}", body);
    // The independent count, and the one that the pieces were made with.
    let messages = walk::places(setup, body.as_bytes()).map_err(fail)?.messages;
    prop_assert_eq!(messages.len(), index, "messages\n{}", body);
    let is_message = |item: &&InboundItem| {
        let path = walk::path(item);
        messages.iter().any(|place| walk::below(path, place))
    };
    prop_assert_eq!(inbound.items.iter().filter(is_message).count(), index, "items\n{}", body);
    let in_order: Vec<_> = inbound.media().filter_map(|item| item.media.id.as_ref()).collect();
    let numbers: Vec<u64> = in_order.iter().filter_map(|id| id.as_str()[1..].parse().ok()).collect();
    prop_assert!(numbers.is_sorted(), "order\n{}", body);
    Ok(())
}

/// The lists as the vendor wraps them, with an account.
pub(super) fn delivery(names: &JsonDeliveries, account: &str, lists: &[(usize, String)]) -> String {
    if let ([(form, list)], false) = (lists, names.alone.is_empty())
        && form % 2 == 1
    {
        return fill(&names.alone[form / 2 % names.alone.len()], &[("messages", list)]);
    }
    let part = |(form, list): &(usize, String)| {
        let values = [("messages", list.as_str()), ("account", account)];
        fill(&names.parts[form % names.parts.len()], &values)
    };
    // Where lists are not wrapped at all, an empty one leaves nothing.
    let parts: Vec<_> = lists.iter().map(part).filter(|part| !part.is_empty()).collect();
    fill(&names.whole, &[("parts", &parts.join(",")), ("account", account)])
}
