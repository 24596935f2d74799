use super::*;
use wamedia_core::{ErrorKind, InboundItem, unix_seconds};

const BODY: &str = r#"{"contacts":[{"profile":{"name":"Jay"},"wa_id":"8617600000819"}],"messages":[{"from":"8617600000819","id":"ABGHhhdgYFCBnwIQk5kC-xMSoi3XpEwoF2ZkIg","image":{"id":"2bc7102f-5491-40b1-a92f-338303eab9d3","mime_type":"image/jpeg","sha256":"0ed3d9d4db83ed7751314af5f2e9bf008edc49a101bebb9054a97f824cf2136b"},"timestamp":"1663053029","type":"image"}],"business_phone":"8615800001795","messaging_product":"whatsapp"}"#;

fn headers(algorithm: &str, sign: &str) -> Vec<(String, String)> {
    [
        ("AccessKey", "fme2na3kdi3ki"),
        ("action", "mo"),
        ("bizType", "2"),
        ("ts", "1663053030000"),
        ("algorithm", algorithm),
        ("Sign", sign),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[test]
fn the_vector_verifies_in_both_algorithms_and_any_case() {
    let secret = Secret::new("abciiiko2k3");
    let md5 = "962c3bd6b53958d73228d71af633763f";
    let sha256 = "34f0cb25d9142c4d5964d157aa1f8d540d96c5205fb551c1e339043a28e75ed7";
    let check = |algorithm, sign: &str, body: &str| {
        verify(
            &Delivery::new(body.as_bytes()).with_headers(&headers(algorithm, sign)),
            &[Secret::new("TEST-old"), secret.clone()],
        )
    };
    assert_eq!(check("md5", md5, BODY), Authenticity::Verified);
    assert_eq!(check("SHA256", &sha256.to_uppercase(), BODY), Authenticity::Verified);
    assert!(matches!(check("md5", sha256, BODY), Authenticity::Invalid(_)));
    assert!(matches!(check("md5", md5, &BODY.replace("Jay", "Joy")), Authenticity::Invalid(_)));
    assert_eq!(check("", md5, BODY), Authenticity::MissingSignature);
    let delivery = Delivery::new(BODY.as_bytes());
    assert_eq!(verify(&delivery, &[Secret::new("")]), Authenticity::NotConfigured);
    assert_eq!(verify(&delivery, std::slice::from_ref(&secret)), Authenticity::MissingSignature);
}

#[test]
fn md5_is_refused_where_sha256_is_configured() {
    let check = |algorithm, sign, sha256_only| {
        let builder = NxCloudWebhooks::builder().secret(Secret::new("abciiiko2k3"));
        let headers = headers(algorithm, sign);
        let delivery = Delivery::new(BODY.as_bytes()).with_headers(&headers);
        builder.sha256_only(sha256_only).build().unwrap().verify(&delivery)
    };
    let md5 = "962c3bd6b53958d73228d71af633763f";
    let sha256 = "34f0cb25d9142c4d5964d157aa1f8d540d96c5205fb551c1e339043a28e75ed7";
    assert_eq!(check("md5", md5, false), Authenticity::Verified);
    assert_eq!(check("SHA256", sha256, true), Authenticity::Verified);
    for word in ["md5", "anything"] {
        assert!(matches!(check(word, md5, true), Authenticity::Invalid(_)), "{word}");
    }
}

#[test]
fn the_image_becomes_a_reference() {
    let inbound = parse(&Delivery::new(BODY.as_bytes())).unwrap();
    let item = inbound.media().next().unwrap();
    assert_eq!(item.path, "messages[0].image");
    assert_eq!(item.media.scope.account.as_deref(), Some("8615800001795"));
    assert!(item.media.declared.sha256.is_some());
}

fn read(body: &str) -> Inbound {
    parse(&Delivery::new(body.as_bytes())).unwrap()
}

fn others(body: &str) -> Vec<(String, String)> {
    let kind_and_path = |item: &InboundItem| match item {
        InboundItem::Other(other) => Some((other.kind.clone(), other.path.clone())),
        _ => None,
    };
    read(body).items.iter().filter_map(kind_and_path).collect()
}

/// The media objects of the vendor's page, type by type.
#[test]
fn every_kind_of_the_documents() {
    for (kind, object, name, mime) in [
        (
            MediaKind::Video,
            r#""video":{"id":"bfc0619d-995e-49da-9869-e911a34c43b9","mime_type":"video/mp4","sha256":"e0ceec95f44fec6282ab02f947ee92dbe481dacf0478618a997580a822acc88b"}"#,
            None,
            Some("video/mp4"),
        ),
        (
            MediaKind::Voice,
            r#""voice":{"id":"25fdf335-d846-4e6c-9aa8-35f25abc564c","mime_type":"audio/ogg; codecs=opus","sha256":"f321ac774459c50e376048d6f2c02fc2c14f13be85c5e52a67ec16a358b34de7"}"#,
            None,
            Some("audio/ogg"),
        ),
        (
            MediaKind::Voice,
            r#""audio":{"id":"25fdf335-d846-4e6c-9aa8-35f25abc564c","voice":true}"#,
            None,
            None,
        ),
        (
            MediaKind::Audio,
            r#""audio":{"id":"aab95384-fc19-4136-a330-97e1f8a4cb02","mime_type":"audio/mpeg","sha256":"mnOrY2JpT7pIpQJ8hEPOs0g4AJYBzkgNhfCMYAz1IPE="}"#,
            None,
            Some("audio/mpeg"),
        ),
        (
            MediaKind::Document,
            r#""document":{"id":"806bb2f3-d8cc-4477-8b4d-d89df862f6c0","mime_type":"text/plain","filename":"null.txt","caption":"null.txt"}"#,
            Some("null.txt"),
            Some("text/plain"),
        ),
        (MediaKind::Document, r#""document":{"id":"806bb2f3-d8cc-4477-8b4d-d89df862f6c0"}"#, None, None),
        (
            MediaKind::Sticker,
            r#""sticker":{"id":"1b0a4c77-c5e7-44fa-b2a3-b69941ed3c64","metadata":{"emojis":["x"],"is-first-party-sticker":1}}"#,
            None,
            None,
        ),
    ] {
        let key = object[1..].split('"').next().unwrap();
        let body = format!(
            "{{\"messages\":[{{\"id\":\"m\",\"type\":\"{key}\",\"timestamp\":\"1663053029\",{object}}}],\"merchant_phone\":\"86176\"}}"
        );
        let inbound = read(&body);
        let item = inbound.media().next().unwrap();
        assert_eq!((item.kind, item.path.as_str()), (kind, format!("messages[0].{key}").as_str()));
        assert_eq!(item.media.declared.name.as_deref(), name);
        assert_eq!(item.media.declared.mime.as_ref().map(wamedia_core::Mime::essence), mime);
        assert_eq!(item.media.scope.account.as_deref(), Some("86176"));
        assert_eq!(item.timestamp, unix_seconds(1_663_053_029));
        assert!(body.contains(&item.raw) && item.sender.is_none());
        assert_eq!(inbound, read(&body));
    }
}

#[test]
fn digests_in_hex_and_base64_are_the_same() {
    let digest = |text: &str| {
        let body = format!(
            "{{\"messages\":[{{\"type\":\"audio\",\"audio\":{{\"id\":\"a\",\"sha256\":\"{text}\"}}}}]}}"
        );
        read(&body).media().next().unwrap().media.declared.sha256
    };
    let hex = digest("9a73ab6362694fba48a5027c8443ceb34838009601ce480d85f08c600cf520f1");
    assert!(hex.is_some());
    assert_eq!(hex, digest("mnOrY2JpT7pIpQJ8hEPOs0g4AJYBzkgNhfCMYAz1IPE="));
}

#[test]
fn hollow_media_is_failed_and_the_rest_is_counted() {
    let body = r#"{"messages":[{"type":"image","id":"a"},{"type":"voice","voice":{"id":"a/b"}},{"type":"unsupported","errors":[{"code":131051,"title":"Unsupported"}]},{"type":"hologram"},{},null],"statuses":[{"id":"s"}],"further_messages":[{"id":"e"}]}"#;
    let inbound = read(body);
    let failed: Vec<_> =
        inbound.failed().map(|item| (item.kind.as_str(), item.provider_code.as_deref())).collect();
    assert_eq!(failed, [("image", None), ("voice", None), ("unsupported", Some("131051"))]);
    let counted: Vec<_> = others(body).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(counted, ["hologram", "unknown", "unknown", "status", "further_messages"]);
    assert_eq!(inbound.items.len(), 8);
}

#[test]
fn other_deliveries_are_counted_by_their_name() {
    for (body, kind, path) in [
        (r#"{"statuses":[{"id":"s","errors":null}],"business_phone":"1"}"#, "status", "statuses[0]"),
        (r#"{"event":"template_status","name":"x"}"#, "template_status", ""),
        (r#"{"field":"account_update"}"#, "account_update", ""),
        (r#"{"contacts":[{"wa_id":""}]}"#, "unknown", ""),
        (r#"{"messages":{"0":1}}"#, "messages", "messages"),
        (r#"{"messages":[{"type":"text","text":{"body":"x"}}]}"#, "text", "messages[0]"),
        ("{}", "unknown", ""),
    ] {
        assert_eq!(others(body), [(kind.to_owned(), path.to_owned())], "{body}");
    }
}

#[test]
fn odd_fields_do_not_spoil_a_delivery() {
    let body = r#"{"messages":[{"from":8617600000819,"timestamp":1663053029,"cost":{"price":1e999},"image":{"id":"a","sha256":null,"caption":"\ud800"}}],"business_phone":8615800001795,"contacts":null}"#;
    let inbound = read(body);
    let item = inbound.media().next().unwrap();
    assert_eq!(item.media.scope.account.as_deref(), Some("8615800001795"));
    assert_eq!(item.sender.as_ref().map(Secret::expose), Some("8617600000819"));
    assert_eq!((item.kind, item.timestamp), (MediaKind::Image, unix_seconds(1_663_053_029)));
}

#[test]
fn an_old_signature_is_refused_only_where_a_window_is_set() {
    let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
    let headers = [("TS".to_owned(), "1795000000000".to_owned())];
    let delivery = Delivery::new(b"{}").with_headers(&headers);
    let minute = Duration::from_secs(60);
    assert!(!is_older(&delivery, at(1_795_000_060_000), minute));
    assert!(is_older(&delivery, at(1_795_000_060_001), minute));
    // One from the future is as wrong as one from the past.
    assert!(is_older(&delivery, at(1_794_999_939_999), minute));
    for odd in ["", "x", "-1", "18446744073709551616"] {
        let headers = [("ts".to_owned(), odd.to_owned())];
        assert!(is_older(&Delivery::new(b"{}").with_headers(&headers), at(0), minute), "{odd}");
    }
    let body = b"{}";
    let signed = Signed { access_key: "k", action: "mo", biz_type: "2", ts: "1795000000000", body };
    let sign = signed.sign("TEST-secret", true);
    let mut headers: Vec<_> =
        [("accesskey", "k"), ("action", "mo"), ("biztype", "2"), ("ts", "1795000000000")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    headers.extend([("algorithm".to_owned(), "sha256".to_owned()), ("sign".to_owned(), sign)]);
    let delivery = Delivery::new(body).with_headers(&headers).with_received_at(at(1_795_000_090_000));
    let build = |max_age: Option<u64>| {
        let builder = NxCloudWebhooks::builder().secret(Secret::new("TEST-new"));
        let builder = builder.secret(Secret::new("TEST-secret"));
        let builder = match max_age {
            Some(seconds) => builder.max_age(Duration::from_secs(seconds)),
            None => builder,
        };
        builder.build().unwrap().verify(&delivery)
    };
    assert_eq!(build(None), Authenticity::Verified);
    assert_eq!(build(Some(90)), Authenticity::Verified);
    assert_eq!(build(Some(89)), Authenticity::Invalid("it was signed too long ago"));
}

#[test]
fn what_is_no_delivery_is_refused() {
    for body in [&b""[..], b"[]", b"null", b"{", b"\xff", b"{\"a\":\"\xff\"}"] {
        assert_eq!(parse(&Delivery::new(body)).unwrap_err().kind(), ErrorKind::Decode, "{body:?}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(parse(&Delivery::new(deep.as_bytes())).unwrap().media().count(), 0);
    let long = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
    assert_eq!(parse(&Delivery::new(&long)).unwrap_err().kind(), ErrorKind::TooLarge);
}

proptest::proptest! {
    #[test]
    fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
        let _ = parse(&Delivery::new(&body));
        let _ = parse(&Delivery::new(format!("{{\"messages\":[{{\"type\":\"image\",\"image\":{text}}}]}}").as_bytes()));
    }
}
