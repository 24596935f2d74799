//! Deliveries put together from known shapes, types nobody knows, and values that fit nothing.
//!
//! The number of media found, of failed and of counted messages is the number of messages.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use wamedia_core::{Delivery, InboundItem};

use super::super::{Setup, Verdict};
use super::walk;
use crate::DeliveryFormat;

/// What every vendor here calls media.
const KINDS: &[&str] = &["image", "video", "audio", "voice", "document", "sticker"];
const PLAIN: &[&str] = &["text", "reaction", "location", "contacts", "order", "poll", "call", "zz_unknown"];
/// Fields that fit no type, stand twice, or are not what they should be.
const ODD: &[&str] = &[
    "\"x\":1",
    "\"latitude\":1e999",
    "\"caption\":\"\\ud800\"",
    "\"caption\":null,\"sha256\":null",
    "\"file_size\":-1,\"sha256\":\"zz\",\"mime_type\":7",
    "\"file_size\":123456789012345678901234567890",
    "\"same\":[],\"same\":{}",
    "\"deep\":[[[[[[[[{\"image\":{\"a\":[1]}}]]]]]]]]",
    "\"caption\":\"\u{202e}\\u0000 \u{1f600}\\n\"",
];
/// An object without a usable id, or none.
const HOLLOW: &[&str] = &[
    "null",
    "{}",
    "{\"mime_type\":\"image/png\"}",
    "{\"id\":null}",
    "{\"id\":\"a/../b\"}",
    "\"text\"",
    "[]",
];
/// Values that are not messages.
const JUNK: &[&str] = &["null", "7", "1e999", "\"\\udfff\"", "[]", "[{}]", "true", "{}", "{\"type\":null}"];

#[derive(Clone, Debug)]
enum Part {
    Media(&'static str, &'static str),
    Hollow(&'static str, &'static str),
    Plain(&'static str, &'static str),
    Junk(&'static str),
}

impl Part {
    fn text(&self, index: usize) -> String {
        let head = |kind: &str| {
            format!("\"id\":\"m{index}\",\"from\":\"TEST\",\"timestamp\":\"1795000000\",\"type\":\"{kind}\"")
        };
        match self {
            Self::Media(kind, odd) => {
                format!("{{{},\"{kind}\":{{\"id\":\"9{index}\",{odd}}}}}", head(kind))
            }
            Self::Hollow(kind, object) => format!("{{{},\"{kind}\":{object}}}", head(kind)),
            Self::Plain(kind, odd) => format!("{{{},\"{kind}\":{{{odd}}}}}", head(kind)),
            Self::Junk(text) => (*text).to_owned(),
        }
    }
}

fn part() -> impl Strategy<Value = Part> {
    let one = |list: &'static [&'static str]| prop::sample::select(list);
    prop_oneof![
        4 => (one(KINDS), one(ODD)).prop_map(|(kind, odd)| Part::Media(kind, odd)),
        1 => (one(KINDS), one(HOLLOW)).prop_map(|(kind, object)| Part::Hollow(kind, object)),
        2 => (one(PLAIN), one(ODD)).prop_map(|(kind, odd)| Part::Plain(kind, odd)),
        1 => one(JUNK).prop_map(Part::Junk),
    ]
}

/// Lists of messages, and how each is wrapped.
type Parts = Vec<(usize, Vec<Part>)>;

fn parts() -> impl Strategy<Value = Parts> {
    prop::collection::vec((0_usize..4, prop::collection::vec(part(), 0..6)), 1..5)
}

pub(super) fn composed(setup: &Setup) -> Verdict {
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    runner.run(&parts(), |parts| whole(setup, &parts)).map_err(|error| error.to_string())
}

fn whole(setup: &Setup, parts: &Parts) -> Result<(), TestCaseError> {
    let fail = |why: String| TestCaseError::fail(why);
    let mut index = 0;
    let mut lists = Vec::new();
    for (form, parts) in parts {
        let texts: Vec<_> = parts
            .iter()
            .map(|part| {
                index += 1;
                part.text(index)
            })
            .collect();
        lists.push((*form, texts.join(",")));
    }
    let body = delivery(setup.deliveries, &lists);
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
    let messages = walk::places(setup.deliveries, body.as_bytes()).map_err(fail)?.messages;
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

/// The lists in the format of a provider.
fn delivery(format: DeliveryFormat, lists: &[(usize, String)]) -> String {
    match format {
        DeliveryFormat::CloudApiOrPayload if lists.len() == 1 && lists[0].0 == 3 => {
            format!(
                "{{\"event\":\"message_echo\",\"payload\":{{\"timestamp\":1788259051000,\"message_echoes\":[{}]}}}}",
                lists[0].1
            )
        }
        DeliveryFormat::CloudApi | DeliveryFormat::CloudApiOrPayload => {
            let change = |(form, list): &(usize, String)| {
                let (field, value) = match form {
                    0 => ("messages", format!("\"messages\":[{list}]")),
                    1 => ("smb_message_echoes", format!("\"message_echoes\":[{list}]")),
                    2 => ("history", format!("\"history\":[{{\"threads\":[{{\"messages\":[{list}]}}]}}]")),
                    _ => ("history", format!("\"messages\":[{list}],\"statuses\":[{{\"id\":\"s\"}}]")),
                };
                format!("{{\"changes\":[{{\"field\":\"{field}\",\"value\":{{\"x\":null,{value}}}}}]}}")
            };
            let entries: Vec<_> = lists.iter().map(change).collect();
            format!("{{\"object\":\"whatsapp_business_account\",\"entry\":[{}]}}", entries.join(","))
        }
        _ => {
            let messages = lists.iter().filter(|list| !list.1.is_empty()).map(|list| list.1.clone());
            let messages = messages.collect::<Vec<_>>().join(",");
            format!("{{\"messages\":[{messages}],\"channel_id\":null,\"business_phone\":null}}")
        }
    }
}
