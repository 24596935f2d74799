//! Parsing a delivery beside `serde_json::Value`, alone and with a walk by hand; a process of its own, so that
//! it is built as programs are.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use wamedia_core::Delivery;

use crate::Outcome;

/// How many media a delivery has.
const COUNTS: [usize; 3] = [1, 10, 100];
/// Rounds of a measurement; each takes a few milliseconds.
const ROUNDS: usize = 61;
/// Media that are parsed in a round.
const MEDIA: usize = 2000;

/// Seconds that one delivery took, round by round.
pub(crate) struct Parsed {
    pub(crate) count: usize,
    /// Ours by `Value` and a walk.
    pub(crate) against_walk: Vec<f64>,
    /// Ours by `Value` alone.
    pub(crate) against_value: Vec<f64>,
}

/// Runs the measurement in another process.
pub(crate) fn measure(xtask: &Path) -> Result<Vec<Parsed>, String> {
    let output = Command::new(xtask).arg("bench-webhook").output().map_err(|error| error.to_string())?;
    let rounds: Vec<(usize, f64, f64, f64)> =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("bench-webhook: {error}"))?;
    let parsed = |count| {
        let rounds = rounds.iter().filter(move |round| round.0 == count);
        Parsed {
            count,
            against_walk: rounds.clone().map(|(_, ours, _, walk)| ours / walk).collect(),
            against_value: rounds.map(|(_, ours, value, _)| ours / value).collect(),
        }
    };
    Ok(COUNTS.map(parsed).into())
}

/// `bench-webhook`: prints all rounds as `[count, ours, value, walk]`.
pub(crate) fn run() -> Outcome {
    let mut rounds = Vec::new();
    for count in COUNTS {
        let text = delivery(count);
        let body = text.as_bytes();
        let ours = || {
            wamedia_meta::webhook::parse(&Delivery::new(black_box(body))).map(|inbound| inbound.items.len())
        };
        let value = || serde_json::from_slice::<Value>(black_box(body)).ok();
        let walk = || value().map(|value| items(&value));
        if ours().ok() != Some(count) || walk().map(|items| items.len()) != Some(count) {
            return Err("not every media was found".to_owned());
        }
        for _ in 0..ROUNDS {
            let times = MEDIA / count;
            rounds.push((count, seconds(times, ours), seconds(times, value), seconds(times, walk)));
        }
    }
    println!("{}", serde_json::to_string(&rounds).map_err(|error| error.to_string())?);
    Ok(())
}

fn seconds<T>(times: usize, parse: impl Fn() -> T) -> f64 {
    let started = Instant::now();
    for _ in 0..times {
        drop(black_box(parse()));
    }
    started.elapsed().as_secs_f64()
}

fn delivery(count: usize) -> String {
    let message = |index: usize| {
        format!(
            r#"{{"from":"TEST","id":"wamid.{index}","timestamp":"1767225600","type":"image","image":{{"caption":"caf\u00e9","mime_type":"image\/jpeg","sha256":"0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=","id":"8123456789{index:05}"}}}}"#
        )
    };
    let messages: Vec<_> = (0..count).map(message).collect();
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"metadata":{{"phone_number_id":"39120"}},"messages":[{}]}}}}]}}]}}"#,
        messages.join(",")
    )
}

/// What a walk by hand takes out of a message: everything that is text, nothing decoded or checked.
type Item = [Option<String>; 9];

fn items(delivery: &Value) -> Vec<Item> {
    let mut items = Vec::new();
    for entry in list(&delivery["entry"]) {
        for change in list(&entry["changes"]) {
            let value = &change["value"];
            for message in list(&value["messages"]) {
                let Some(kind) = message["type"].as_str() else { continue };
                let media = &message[kind];
                if media["id"].is_string() {
                    items.push([
                        text(&value["metadata"]["phone_number_id"]),
                        text(&message["from"]),
                        text(&message["id"]),
                        text(&message["timestamp"]),
                        text(&media["id"]),
                        text(&media["mime_type"]),
                        text(&media["sha256"]),
                        text(&media["caption"]),
                        text(&media["filename"]),
                    ]);
                }
            }
        }
    }
    items
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}
