use proptest::prelude::{Strategy, any, prop_oneof};
use serde_json::Value;

use super::*;

#[test]
fn odd_values_spoil_nothing_around_them() {
    let text = br#"{"a":1e999,"b":"x\ud800y","c":"first","c":"last","d":null,"\ud800":1,"e":[1,{}],"f":"7","g":123456789012345678901234567890}"#;
    let document = Document::parse(text).unwrap();
    let root = document.root();
    assert_eq!(root.get("a").unwrap().whole(), None);
    let broken = root.text("b").unwrap();
    assert_eq!(broken, "x\u{fffd}y");
    assert_eq!(root.text("c").as_deref(), Some("last"));
    assert!(root.get("d").is_none() && root.get("nothing").is_none());
    assert_eq!(root.array("e").count(), 2);
    assert_eq!(root.get("f").unwrap().whole(), Some(7));
    assert_eq!(root.get("g").unwrap().whole(), None);
    assert_eq!(root.fields().count(), 9);
    assert_eq!(root.raw().as_bytes(), text);
}

#[test]
fn deep_nesting_costs_no_stack_and_spoils_nothing_beside_it() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Document::parse(deep.as_bytes()).unwrap().value().object().is_none());
    let text = format!(
        "{{\"deep\":{deep},\"objects\":{}1{},\"a\":\"b\"}}",
        "{\"o\":".repeat(100_000),
        "}".repeat(100_000)
    );
    let document = Document::parse(text.as_bytes()).unwrap();
    let root = document.root();
    assert_eq!(root.text("a").as_deref(), Some("b"));
    assert_eq!(root.array("deep").count(), 1);
    assert!(root.object("objects").is_some());
}

#[test]
fn every_value_stands_where_it_is_said_to() {
    let text = " { \"a\" : [ 1 , [ ] ,\t{\"b\":\"]}\"} , \"\\\"\" ] , \"c\\u0064\" :{ } ,\"e\":-1.5e3}\n";
    let document = Document::parse(text.as_bytes()).unwrap();
    let raw = every(document.value());
    assert_eq!(raw[0], text.trim());
    assert_eq!(raw[2..], ["1", "[ ]", "{\"b\":\"]}\"}", "\"]}\"", "\"\\\"\"", "{ }", "-1.5e3"]);
    let root = document.root();
    assert_eq!(root.fields().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "cd", "e"]);
    assert_eq!(root.array("a").count(), 4);
    assert_eq!(root.object("cd").unwrap().raw(), "{ }");
    assert_eq!(root.get("e").unwrap().listed().count(), 1);
    assert_eq!(root.get("a").unwrap().listed().count(), 4);
}

/// A value and all values in it, in the order in which they begin.
fn every(value: Json<'_>) -> Vec<&str> {
    let fields = value.object().map(|object| object.fields().map(|(_, value)| value).collect::<Vec<_>>());
    let inner = fields.into_iter().flatten().chain(value.array().into_iter().flatten());
    std::iter::once(value.raw()).chain(inner.flat_map(every)).collect()
}

#[test]
fn names_of_every_length_and_spelling_are_found() {
    for length in [0, 1, 7, 253, 254, 255, 256, 1000] {
        let name = "n".repeat(length);
        let text = format!(r#"{{"other":0,"{name}":1}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.root().get(&name).unwrap().whole(), Some(1), "{length}");
        assert!(document.root().get(&format!("{name}n")).is_none(), "{length}");
        // The same with an escape in it, at the end of the text.
        let text = format!(r#"{{"{name}\u006e":1}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.root().get(&format!("{name}n")).unwrap().whole(), Some(1), "{length}");
        assert!(document.root().get(&name).is_none(), "{length}");
        assert!(document.root().get(&"x".repeat(length + 6)).is_none(), "{length}");
    }
}

#[test]
fn only_large_objects_and_arrays_are_noted() {
    let small = format!(r#"{{"a":[1,{{}}],"b":"{}"}}"#, "x".repeat(50));
    let large = format!(r#"{{"c":"{}"}}"#, "x".repeat(200));
    let text = format!("[{},{large},{small}]", vec![small.as_str(); 1000].join(","));
    let document = Document::parse(text.as_bytes()).unwrap();
    assert_eq!(document.notes.large.len(), 2);
    assert_eq!(document.value().array().unwrap().count(), 1002);
}

#[test]
fn fields_are_noted_until_there_are_too_many_and_found_ever_after() {
    // Objects in objects, each with the fields before and behind the inner one, beyond the levels that are noted.
    let around = |inner: String, _| {
        let long = "x".repeat(150);
        format!(r#"{{"a": 1, "long" : "{long}","inner":{inner}, "behind":[{{"b":"{long}"}}]}}"#)
    };
    let deep = (0..45).fold("{}".to_owned(), around);
    let wide: Vec<String> = (0..20_000).map(|number| format!(",\"{number}\":{{\"n\":{number}}}")).collect();
    let wide = format!("{{\"first\":0{}}}", wide.concat());
    let many = format!("[{}]", vec![deep.as_str(); 100].join(","));
    for (text, is_noted) in [(&deep, true), (&wide, false), (&many, false)] {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(is_same(document.value(), &serde_json::from_str(text).unwrap()));
        assert_eq!(document.notes.fields(0).is_some(), is_noted);
    }
    let document = Document::parse(many.as_bytes()).unwrap();
    let noted = |value: Json<'_>| document.notes.fields(value.start).is_some();
    let elements: Vec<_> = document.value().array().unwrap().collect();
    assert!(noted(elements[0]) && !noted(elements[99]));
}

#[test]
fn a_long_text_is_not_even_looked_at_to_be_shared() {
    let text = format!(r#"{{"long":"{}","short":"{}"}}"#, "x".repeat(10_000), "x".repeat(MAX_SHARED));
    let document = Document::parse(text.as_bytes()).unwrap();
    let root = document.root();
    steps::take();
    assert_eq!(root.shared("long"), None);
    assert!(steps::take() < 10);
    assert_eq!(root.shared("short").map(|text| text.len()), Some(MAX_SHARED));
}

#[test]
fn names_that_begin_with_half_the_same_character_are_different() {
    let document = Document::parse("{\"\u{e9}a\":1,\"\\u00e9b\":2}".as_bytes()).unwrap();
    let whole = |name| document.root().get(name).and_then(Json::whole);
    assert_eq!((whole("\u{ea}"), whole("\u{e9}")), (None, None));
    assert_eq!((whole("\u{e9}a"), whole("\u{e9}b")), (Some(1), Some(2)));
}

#[test]
fn escapes_mean_what_they_mean() {
    let text = r#"["\"\\\/\b\f\n\r\t","\u00e9\u0000","\ud83d\ude00!","\ud83d","\ude00\ud83d\ude00","\ud83d\n","\ud83dx"]"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let texts: Vec<_> = document.value().array().unwrap().map(|value| value.text().unwrap()).collect();
    let want = [
        "\"\\/\u{8}\u{c}\n\r\t",
        "\u{e9}\0",
        "\u{1f600}!",
        "\u{fffd}",
        "\u{fffd}\u{1f600}",
        "\u{fffd}\n",
        "\u{fffd}x",
    ];
    assert_eq!(texts, want);
}

#[test]
fn what_is_no_json_is_none() {
    let odd: [&[u8]; 14] = [
        b"",
        b"{",
        b"{}{}",
        b"\xff",
        b"\"\xff\"",
        b"nul",
        b"{\"a\":}",
        b"[1,]",
        b"{,}",
        b"[1}",
        b"01",
        b"1.",
        b"\"\n\"",
        b"\"\\x\"",
    ];
    for bytes in odd {
        assert!(Document::parse(bytes).is_none(), "{bytes:?}");
    }
}

#[test]
fn every_byte_counts_wherever_it_stands_in_a_string() {
    for before in 0..20 {
        for middle in [
            "\u{0}", "\u{1f}", " ", "!", "#", "[", "]", "\u{7f}", "\u{80}", "\u{ff}", "\\\"", "\\\\",
            "\\x0041", "\\u00g1", "\\u004",
        ] {
            let text = format!(r#"["{}{middle}","{middle}{}"]"#, "a".repeat(before), "\u{e9}".repeat(before));
            let document = Document::parse(text.as_bytes());
            assert_eq!(ours(document.as_ref()), known(text.as_bytes()), "{text:?}");
        }
    }
}

/// Whether a value is the one that a well-known reader found.
fn is_same(ours: Json<'_>, other: &Value) -> bool {
    serde_json::from_str::<Value>(ours.raw()).is_ok_and(|raw| raw == *other) && has_same_parts(ours, other)
}

fn has_same_parts(ours: Json<'_>, other: &Value) -> bool {
    match other {
        Value::Object(fields) => {
            let object = ours.object().unwrap();
            object.fields().count() == fields.len()
                && object.fields().all(|(name, value)| fields[&*name].is_null() == value.is_null())
                && fields.iter().all(|(name, value)| match object.get(name) {
                    Some(found) => is_same(found, value),
                    None => value.is_null(),
                })
        }
        Value::Array(elements) => {
            let ours: Vec<_> = ours.array().unwrap().collect();
            ours.len() == elements.len()
                && ours.iter().zip(elements).all(|(ours, other)| is_same(*ours, other))
        }
        _ => true,
    }
}

/// Values in values.
fn nested() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<Option<i32>>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[a-z\"\\\\]{100,200}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What a well-known reader says of a text.
fn known(bytes: &[u8]) -> Option<&str> {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).ok().map(serde_json::value::RawValue::get)
}

fn ours<'a>(document: Option<&'a Document<'_>>) -> Option<&'a str> {
    document.map(|document| document.value().raw())
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2000))]

    /// Of all texts over the alphabet of JSON, the same are taken as by a well-known reader.
    #[test]
    fn json_is_what_others_take_for_json(
        text in r#"[ \n]?[\[{"]{0,2}([\[\]{},:"\\/u0-9eE+.\-tfnrulasé\x01\x7f ]|true|null|-0\.5e\+7|"a":|\\u00eF|"[a-z]{0,12}"){0,12}[\]}"]{0,2}[ \n]?"#,
    ) {
        let document = Document::parse(text.as_bytes());
        proptest::prop_assert_eq!(ours(document.as_ref()), known(text.as_bytes()));
    }

    /// The same for good JSON in which one byte was changed or lost.
    #[test]
    fn damage_is_seen(at in 0..200_usize, byte: u8, is_lost: bool) {
        let mut text = br#" {"a":[1,-0.5,1e9,{"b":null}],"caf\u00e9":"x\ny","long":"0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=","t":true,"f":[false,[],{}],"n":{"d":{"e":[[2.5E-3,"\ud83d\ude00"]]}}} "#.to_vec();
        let at = at % text.len();
        if is_lost {
            text.remove(at);
        } else {
            text[at] = byte;
        }
        let document = Document::parse(&text);
        proptest::prop_assert_eq!(ours(document.as_ref()), known(&text));
    }

    /// Every value stands where a well-known reader finds it, in both of its ways of writing.
    #[test]
    fn every_field_has_the_value_that_others_find(value in nested()) {
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let document = Document::parse(text.as_bytes()).unwrap();
            proptest::prop_assert!(is_same(document.value(), &value), "{text}");
        }
    }

    /// Every value and every text is the one that a well-known reader finds.
    #[test]
    fn texts_and_names_are_those_that_others_read(fields in proptest::collection::vec(("(?s).{0,10}", "(?s).{0,40}"), 0..6)) {
        let fields: serde_json::Map<_, _> =
            fields.into_iter().map(|(name, text)| (name, text.into())).collect();
        let text = serde_json::to_string(&fields).unwrap();
        let document = Document::parse(text.as_bytes()).unwrap();
        for (name, value) in &fields {
            let found = document.root().get(name).and_then(Json::text);
            proptest::prop_assert_eq!(found.as_deref(), value.as_str());
        }
        proptest::prop_assert_eq!(document.root().fields().count(), fields.len());
    }
}
