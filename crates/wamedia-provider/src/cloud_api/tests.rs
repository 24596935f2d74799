use std::time::Duration;

use super::*;
use crate::json;
use wamedia_core::{Delivery, ErrorKind, Inbound, InboundItem, MediaItem, MediaKind, unix_seconds};

const OPTIONS: ParseOptions = ParseOptions::new("test").with_link_lifetime(Duration::from_secs(300));

fn read(body: &str) -> Inbound {
    let document = json::delivery(&Delivery::new(body.as_bytes()), "test", 1 << 20).unwrap();
    let mut items = Items::new(body.len());
    parse(&document.root(), &OPTIONS, &mut items);
    items.into_inbound().unwrap()
}

/// A delivery with these messages.
fn with_messages(messages: &str) -> String {
    format!(
        r#"{{"entry":[{{"changes":[{{"field":"messages","value":{{"metadata":{{"phone_number_id":"1"}},"messages":[{messages}]}}}}]}}]}}"#
    )
}

fn one(messages: &str) -> MediaItem {
    let inbound = read(&with_messages(messages));
    assert_eq!(inbound.items.len(), 1, "{inbound:?}");
    inbound.media().next().unwrap().clone()
}

fn kinds(inbound: &Inbound) -> Vec<String> {
    let name = |item: &InboundItem| match item {
        InboundItem::Media(media) => format!("media {}", media.kind.name()),
        InboundItem::Failed(failed) => format!("failed {}", failed.kind),
        InboundItem::Other(other) => format!("other {}", other.kind),
        other => panic!("an item of a new kind: {other:?}"),
    };
    inbound.items.iter().map(name).collect()
}

#[test]
fn odd_numbers_halves_of_characters_and_doubled_keys_lose_nothing() {
    for odd in [
        r#""latitude":1e999"#,
        r#""caption":"\ud800""#,
        r#""x":123456789012345678901234567890,"y":-0.0"#,
        r#""same":1,"same":2"#,
        r#""caption":null,"sha256":null"#,
    ] {
        let object = format!(r#"{{"id":"17","mime_type":"image\/jpeg",{odd}}}"#);
        let item = one(&format!(r#"{{"id":"m","timestamp":"1","type":"image","image":{object}}}"#));
        assert_eq!(item.raw, object, "the very bytes");
        assert_eq!(item.media.id.unwrap().as_str(), "17");
    }
}

#[test]
fn ids_and_times_may_be_numbers() {
    let item = one(
        r#"{"id":5,"from":15557770102,"timestamp":1767225600000,"type":"audio","audio":{"id":18446744073709551617,"voice":true}}"#,
    );
    assert_eq!(item.media.id.unwrap().as_str(), "18446744073709551617");
    assert_eq!((item.kind, item.message_id.as_deref()), (MediaKind::Voice, Some("5")));
    assert_eq!(item.timestamp, unix_seconds(1_767_225_600));
    assert_eq!(item.sender.unwrap().expose(), "15557770102");
}

#[test]
fn what_is_no_message_is_counted() {
    let inbound =
        read(&with_messages(r#"null,1,"x",[],{},{"type":7},{"type":"image"},{"image":{"id":"1"}}"#));
    let unknown = ["other unknown"; 6];
    let want: Vec<_> = unknown.into_iter().chain(["failed image", "media image"]).collect();
    assert_eq!(kinds(&inbound), want);
}

#[test]
fn debug_shows_neither_messages_nor_numbers() {
    let message = |kind: &str, object: &str| {
        format!(
            r#"{{"id":"wamid.CANARY","from":"CANARY-number","timestamp":"1","type":"{kind}","x":"CANARY"{object}}}"#
        )
    };
    let inbound = read(&with_messages(
        &[
            message(
                "image",
                r#","image":{"id":"1","caption":"CANARY","url":"https://host.test/?hash=CANARY"}"#,
            ),
            message("image", r#","errors":[{"code":1,"title":"CANARY","error_data":{"details":"CANARY"}}]"#),
            message("text", r#","text":{"body":"CANARY"}"#),
        ]
        .join(","),
    ));
    assert_eq!(kinds(&inbound), ["media image", "failed image", "other text"]);
    let shown = format!("{inbound:?} {inbound:#?}");
    assert!(!shown.contains("CANARY"), "{shown}");
    assert!(shown.contains("messages[0].image"), "{shown}");
}

#[test]
fn every_level_that_holds_nothing_is_counted() {
    for (body, want) in [
        (r#"{"object":"x"}"#, "other x"),
        ("{}", "other unknown"),
        (r#"{"entry":[7]}"#, "other entry"),
        (r#"{"entry":[{"messaging":[]}]}"#, "other entry"),
        (r#"{"entry":[{"changes":[null]}]}"#, "other unknown"),
        (r#"{"entry":[{"changes":[{"field":"f","value":null}]}]}"#, "other f"),
        (r#"{"entry":[{"changes":[{"field":"f","value":{"messages":"odd"}}]}]}"#, "other unknown"),
        (r#"{"entry":[{"changes":[{"field":"calls","value":{"calls":[{"id":"c"}]}}]}]}"#, "other calls"),
        (r#"{"entry":[{"changes":[{"value":{"history":[{"threads":[{"id":"t"}]}]}}]}]}"#, "other history"),
    ] {
        assert_eq!(kinds(&read(body)), [want], "{body}");
    }
}

#[test]
fn media_of_types_that_do_not_exist_yet_are_found_by_what_they_state() {
    let item = one(r#"{"type":"hologram","hologram":{"a":[{"id":"9","mime_type":"video/mp4"}]}}"#);
    assert_eq!((item.kind, item.role), (MediaKind::Video, Role::Header));
    assert_eq!(item.path, "entry[0].changes[0].value.messages[0].hologram.a[0]");
    let item = one(
        r#"{"type":"template","template":{"components":[{"parameters":[{"type":"image","image":{"id":"9"}}]}]}}"#,
    );
    assert_eq!(item.kind, MediaKind::Image);
    // An id alone is not media, and text is never searched.
    for message in [
        r#"{"type":"button_reply","button_reply":{"id":"9","title":"yes"}}"#,
        r#"{"type":"order","order":{"items":[{"id":"9","mime_type":"image/png"}]}}"#,
    ] {
        assert_eq!(read(&with_messages(message)).media().count(), 0, "{message}");
    }
}

#[test]
fn a_group_picture_is_media_only_with_an_id() {
    let body = |picture: &str| {
        format!(r#"{{"entry":[{{"changes":[{{"value":{{"groups":[{{"profile_picture":{picture}}}]}}}}]}}]}}"#)
    };
    assert_eq!(kinds(&read(&body(r#"{"mime_type":"image/jpeg"}"#))), ["other groups"]);
    assert_eq!(kinds(&read(&body(r#"{"id":"1","mime_type":"image/jpeg"}"#))), ["media profile_picture"]);
}

#[test]
fn a_form_that_cannot_be_read_is_counted() {
    for response in [r#""{""#, "7", "null", r#""{\"photos\":[{\"id\":\"1\"}]}""#] {
        let message = format!(
            r#"{{"type":"interactive","interactive":{{"nfm_reply":{{"response_json":{response}}}}}}}"#
        );
        assert_eq!(kinds(&read(&with_messages(&message))), ["other interactive"], "{response}");
    }
}

#[test]
fn long_names_are_not_repeated_in_every_item() {
    let long = "n".repeat(100_000);
    let files = vec![r#"{"id":"1","mime_type":"image/png"}"#; 1000].join(",");
    let inbound = read(&with_messages(&format!(
        r#"{{"id":"{long}","from":"{long}","type":"new","new":{{"{long}":[{files}]}}}}"#
    )));
    assert_eq!(inbound.media().count(), 1000);
    let held: usize = inbound.media().map(|item| item.path.len() + item.raw.len()).sum();
    assert!(held < 300_000, "{held}");
    assert!(inbound.media().all(|item| item.message_id.is_none() && item.sender.is_none()));
}

#[test]
fn what_has_no_name_is_known_by_its_type() {
    for (mime, kind) in [
        ("image/png", MediaKind::Image),
        ("video/mp4", MediaKind::Video),
        ("audio/ogg", MediaKind::Audio),
        ("application/pdf", MediaKind::Document),
        ("nonsense", MediaKind::Document),
    ] {
        let file = format!(r#"{{"id":"9","mime_type":"{mime}"}}"#);
        assert_eq!(one(&format!(r#"{{"type":"new","new":{{"a":[{file}]}}}}"#)).kind, kind, "{mime}");
    }
}

#[test]
fn deep_nesting_beside_a_message_loses_nothing() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let item = one(&format!(r#"{{"deep":{deep},"type":"image","image":{{"id":"1","deep":{deep}}}}}"#));
    assert_eq!(item.kind, MediaKind::Image);
    let objects = format!("{}1{}", "{\"image\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(kinds(&read(&with_messages(&format!(r#"{{"type":"new","new":{objects}}}"#)))), ["other new"]);
}

#[test]
fn a_body_above_the_cap_is_refused_before_it_is_parsed() {
    let refused = |body: &[u8], cap| json::delivery(&Delivery::new(body), "test", cap).unwrap_err().kind();
    assert_eq!(refused(b"not json", 7), ErrorKind::TooLarge);
    assert_eq!(refused(b"not json", 8), ErrorKind::Decode);
}

/// Shapes that repeat one thing so often, each as large as the delivery allows.
fn repeated(times: usize) -> Vec<(&'static str, String)> {
    let list = |element: &str| vec![element; times].join(",");
    let fields = |name: &str| (0..times).map(|at| format!(r#""{name}{at}":1"#)).collect::<Vec<_>>().join(",");
    let file = r#"{"id":"1","mime_type":"image/png"}"#;
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(times), close.repeat(times));
    let wrapped = |message: &str| with_messages(message);
    vec![
        (
            "files among fields",
            wrapped(&format!(r#"{{{},"type":"new","new":[{}]}}"#, fields("f"), list(file))),
        ),
        (
            "files among repeated names",
            wrapped(&format!(r#"{{{},"type":"new","new":[{}]}}"#, list(r#""id":"m""#), list(file))),
        ),
        (
            "files in a form",
            wrapped(&format!(
                r#"{{{},"type":"interactive","interactive":{{"nfm_reply":{{"response_json":{{"a":[{}]}}}}}}}}"#,
                fields("from"),
                list(file)
            )),
        ),
        (
            "files below long names with escapes",
            wrapped(&format!(r#"{{"{}":1,"type":"new","new":[{}]}}"#, "\\u0069d".repeat(times), list(file))),
        ),
        (
            "fields of one file",
            wrapped(&format!(r#"{{"type":"image","image":{{"id":"1",{}}}}}"#, fields("x"))),
        ),
        ("messages", wrapped(&list(r#"{"type":"image","image":{"id":"1"}}"#))),
        ("empty messages", wrapped(&list("{}"))),
        ("numbers", wrapped(&list("1"))),
        (
            "statuses",
            wrapped("1").replace("messages\":[1]", &format!("statuses\":[{}]", list(r#"{"id":"s"}"#))),
        ),
        ("errors", wrapped("1").replace("messages\":[1]", &format!("errors\":[{}]", list(r#"{"code":1}"#)))),
        ("groups", wrapped("1").replace("messages\":[1]", &format!("groups\":[{}]", list("{}")))),
        ("entries", format!(r#"{{"entry":[{}]}}"#, list(r#"{"changes":[{}]}"#))),
        ("changes", format!(r#"{{"entry":[{{"changes":[{}]}}]}}"#, list("{}"))),
        (
            "threads",
            format!(
                r#"{{"entry":[{{"changes":[{{"value":{{"history":[{{"threads":[{}]}}]}}}}]}}]}}"#,
                list("{}")
            ),
        ),
        ("nested lists", wrapped(&format!(r#"{{"type":"new","new":{}}}"#, nested("[", "]")))),
        ("nested objects", wrapped(&format!(r#"{{"type":"new","new":{}}}"#, nested(r#"{"a":"#, "}")))),
        (
            "one text",
            wrapped(&format!(r#"{{"type":"image","image":{{"id":"1","caption":"{}"}}}}"#, "a".repeat(times))),
        ),
        (
            "escapes",
            wrapped(&format!(
                r#"{{"type":"image","image":{{"id":"1","caption":"{}"}}}}"#,
                "\\n".repeat(times)
            )),
        ),
        ("white space", wrapped(&" ".repeat(times))),
    ]
}

#[test]
fn work_grows_with_the_delivery_and_no_faster() {
    let steps = |body: &str| {
        json::steps::take();
        read(body);
        json::steps::take()
    };
    for ((what, small), (_, large)) in repeated(500).into_iter().zip(repeated(4000)) {
        let (one, eight) = (steps(&small), steps(&large));
        // Names are a little longer in the larger one, and what stands context weighs less. Squared it would be 64.
        assert!(
            eight <= 12 * one.max(small.len()),
            "{what}: {one} steps, and {eight} for eight times as much"
        );
    }
}

#[test]
fn errors_beside_the_messages_are_told() {
    let body = with_messages("").replace(r#""messages":[]"#, r#""errors":[{"code":131052,"title":"Media"}]"#);
    let inbound = read(&body);
    assert_eq!(kinds(&inbound), ["failed errors"]);
    let failed = inbound.failed().next().unwrap();
    assert_eq!(failed.provider_code.as_deref(), Some("131052"));
    assert_eq!(failed.path, "entry[0].changes[0].value.errors[0]");
}

#[test]
fn a_link_in_a_delivery_lives_as_long_as_the_vendor_says() {
    let item = one(
        r#"{"id":"m","timestamp":"1750000000","type":"image","image":{"id":"7","url":"https://x.test/7"}}"#,
    );
    let link = item.media.link.unwrap();
    assert_eq!((link.url.as_str(), link.needs_credential), ("https://x.test/7", true));
    assert_eq!(link.expires_at, unix_seconds(1_750_000_300));
}
