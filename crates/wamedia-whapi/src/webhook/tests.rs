use wamedia_core::{ErrorKind, InboundItem, MediaItem, MediaKind, Role, Sha256, unix_seconds};

use super::message::{preview, repaired};
use super::*;

const VOICE: &str = r#"{"messages":[{"id":"rAARIjNEVWZ3iJkAqrvMAQ-gHoDntuymw","from_me":false,"type":"voice",
  "chat_id":"15550100123@s.whatsapp.net","timestamp":1754413767,"source":"mobile",
  "voice":{"id":"oga-ac0011223344556677889900aabbcc01-807a039edbb29b",
    "mime_type":"audio/ogg; codecs=opus","file_size":22,
    "sha256":"wyCPnULUqXrY3lpkBdOt6ewu0Ee9SZLDU6TP+tU98po=",
    "link":"https://s3.eu-central-1.wasabisys.com/in-files/15550100999/oga-ac0011223344556677889900aabbcc01-807a039edbb29b.oga",
    "seconds":3},
  "from":"15550100123","from_name":"Ada"}],
 "event":{"type":"messages","event":"post"},"channel_id":"MANTIS-M72HC"}"#;

const QUOTING: &str = r#"{"messages":[{"id":"OgARIjNEVWaqmQ-kk8Bq52CwxmwAQ-A57bs.g","from_me":false,"type":"image",
  "chat_id":"120363000000000001@g.us","chat_name":"Team","timestamp":1754416293,"source":"mobile",
  "image":{"id":"jpeg-3a00112233445566aa99-924f01ab9d82c319b001-039edbb3e8","mime_type":"image/jpeg",
    "file_size":652,"sha256":"QtMT5f2R6eA/CJ5pLRAoG5xLEUNqkIQuthRrxaWTjTU=","caption":"hi","width":66,"height":44},
  "context":{"forwarded":true,"forwarding_score":3,"quoted_id":"PrAAESIzRFVmd4iZ-wBEDntuymw",
    "quoted_author":"15550100999","quoted_type":"document",
    "quoted_content":{"id":"pdf-3eb000112233445566778899-c011039edbb29b","mime_type":"application/pdf",
      "file_size":20,"sha256":"zDV3xZpDMpKUt3YT0EqUJiRw/BZL75NeAX6XG4vs0mw=","file_name":"a.pdf"}},
  "from":"15550100456","from_name":"Grace"}],
 "event":{"type":"messages","event":"post"},"channel_id":"MANTIS-M72HC"}"#;

const DOCUMENT: &str = r#"{"messages":[{"id":"OgARIjNEVWaqmQ-gHoDntuymw","from_me":false,"type":"document","chat_id":"15550100123@s.whatsapp.net",
 "timestamp":1713201784,"source":"mobile",
 "document":{"id":"pdf-3a00112233445566aa99-807a039edbb29b","mime_type":"application/pdf","file_size":20,
   "sha256":"zDV3xZpDMpKUt3YT0EqUJiRw/BZL75NeAX6XG4vs0mw=","file_name":"report.pdf","filename":"report.pdf",
   "caption":"see page 2","page_count":14},
 "from":"15550100123"}]}"#;

const STORY: &str = r#"{"chats_updates":[{"before_update":{"id":"status@broadcast","type":"broadcast","timestamp":1735220224},
  "after_update":{"id":"status@broadcast","type":"broadcast","timestamp":1735220295,"unread":2,
   "last_message":{"id":"rAARIjNEVWZ3iJkAqrvMAQ-lCEA-A57bs.g","from_me":false,"type":"story","chat_id":"stories",
    "timestamp":1735220295,"source":"mobile",
    "video":{"id":"mp4-ac0011223344556677889900aabbcc01-942100-039edbb3e8","mime_type":"video/mp4","file_size":22,
     "sha256":"qtMDejVFYBuGnilgYEt8Vw14NxcqqAUy3z55WA/HhiE=","seconds":5,"width":720,"height":1280},
    "from":"15550100456","from_name":"Grace"}},"changes":["last_message"]}],
 "event":{"type":"chats","event":"patch"},"channel_id":"MANTIS-M72HC"}"#;

/// The second preview of a real payload, by its length and digest in the facts about this vendor.
const PREVIEW: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wCEABsbGxscGx4hIR4qLSgtKj04MzM4PV1CR0JHQl2NWGdYWGdYjX2Xe3N7l33gsJycsOD/2c7Z//////////////8BGxsbGxwbHiEhHiotKC0qPTgzMzg9XUJHQkdCXY1YZ1hYZ1iNfZd7c3uXfeCwnJyw4P/Zztn////////////////CABEIACwAQgMBIgACEQEDEQH/xAAwAAACAwEBAAAAAAAAAAAAAAADBQACBAEGAQADAQEAAAAAAAAAAAAAAAAAAgMBBP/aAAwDAQACEAMQAAAAYhaeV5el3szm1ezgTE+9H6GddktFlxG0DVlTsHXlow8uyqGxd6WwRjJOmqO7BzZrbLVQFwLcFDdcWQb/xAAlEAACAgECBQUBAAAAAAAAAAABAgADEQQSBRAhMVETFCJBQmH/2gAIAQEAAT8AGirAyXMFemazYLjuMq0S0tkMYTyJwCY+oZ2bJ6ZnD1yWabYV3KQZqgdLfkfRlF4vqVxz1BxS8YPX37Th/SkGZj2bO4nEwuoQMgO4ThpvoJV0O2JYW/JhJmtsYIABPk5G4YErFgACg4mLvBhs8whX+WIrHJENmPMLuf0YNPbYAd8GjbyDFXaBiZaFyRPUtAwD0i22eRFvP3C5PYw/0wWMPueuwnuliEkcgOXbtFYmGMZvM//EABsRAAIDAQEBAAAAAAAAAAAAAAARAQIhURIT/9oACAECAQE/AIpXghE0UiIvo3qEXr6PnHZIwZo5NP/EAB0RAAICAgMBAAAAAAAAAAAAAAABAhESIRMiUWL/2gAIAQMBAT8AU5NPsxv0THK4stmFIZbITo5flEtjRoSRjE//2Q==";

fn read(body: &str) -> Inbound {
    parse(&Delivery::new(body.as_bytes())).unwrap()
}

fn media(body: &str) -> Vec<MediaItem> {
    read(body).media().cloned().collect()
}

fn in_message(fields: &str) -> String {
    format!("{{\"messages\":[{{\"id\":\"m\",{fields}}}],\"channel_id\":\"MANTIS-M72HC\"}}")
}

fn shape(body: &str) -> Vec<(MediaKind, Role, String)> {
    media(body).into_iter().map(|item| (item.kind, item.role, item.path)).collect()
}

fn others(body: &str) -> Vec<(String, String)> {
    let kind_and_path = |item: &InboundItem| match item {
        InboundItem::Other(other) => Some((other.kind.clone(), other.path.clone())),
        _ => None,
    };
    read(body).items.iter().filter_map(kind_and_path).collect()
}

#[test]
fn a_voice_note_with_its_public_link() {
    let [item] = media(VOICE).try_into().unwrap();
    assert_eq!(
        (item.kind, item.role, item.path.as_str()),
        (MediaKind::Voice, Role::Main, "messages[0].voice")
    );
    let link = item.media.link.as_ref().unwrap();
    assert!(!link.needs_credential && link.url.host_str() == Some("s3.eu-central-1.wasabisys.com"));
    assert_eq!(item.media.sent_at, unix_seconds(1_754_413_767));
    assert_eq!(link.expires_at, unix_seconds(1_754_413_767 + 30 * 86_400));
    assert_eq!(item.media.declared.sha256, Some(Sha256::of(b"wamedia voice fixture\n")));
    assert_eq!(item.media.declared.mime.as_ref().unwrap().parameter("codecs"), Some("opus"));
    assert_eq!(item.media.scope.account.as_deref(), Some("MANTIS-M72HC"));
    assert!(VOICE.contains(&item.raw) && item.raw.starts_with("{\"id\":\"oga-"));
}

#[test]
fn quoted_media_comes_after_what_quotes_it() {
    let [image, quoted] = media(QUOTING).try_into().unwrap();
    assert_eq!(
        (image.kind, image.role, image.caption.as_deref()),
        (MediaKind::Image, Role::Main, Some("hi"))
    );
    assert_eq!((quoted.kind, quoted.role), (MediaKind::Document, Role::Quoted));
    assert_eq!(quoted.path, "messages[0].context.quoted_content");
    assert_eq!(quoted.message_id.as_deref(), Some("PrAAESIzRFVmd4iZ-wBEDntuymw"));
    assert_eq!(quoted.sender.as_ref().map(Secret::expose), Some("15550100999"));
    assert_eq!((quoted.timestamp, quoted.media.sent_at), (None, None));
    assert_eq!(quoted.media.declared.sha256, Some(Sha256::of(b"wamedia pdf fixture\n")));
}

#[test]
fn a_document_and_a_story() {
    let [document] = media(DOCUMENT).try_into().unwrap();
    assert_eq!(document.media.declared.name.as_deref(), Some("report.pdf"));
    assert_eq!(document.media.declared.size_bytes, Some(20));
    assert_eq!(document.caption.as_deref(), Some("see page 2"));
    let [story] = media(STORY).try_into().unwrap();
    assert_eq!(
        (story.kind, story.path.as_str()),
        (MediaKind::Video, "chats_updates[0].after_update.last_message.video")
    );
    let chats = STORY
        .replace("chats_updates", "chats")
        .replace("\"after_update\":{", "\"last_message\":{\"ignored\":1},\"x\":{");
    assert_eq!(others(&chats), [("unknown".to_owned(), "chats[0].last_message".to_owned())]);
}

#[test]
fn references_are_equal_in_a_second_delivery() {
    for body in [VOICE, QUOTING, DOCUMENT, STORY] {
        assert_eq!(read(body), read(body));
    }
    // An update of the message refers to the same media.
    let update = VOICE
        .replace("{\"messages\":[", "{\"messages_updates\":[{\"id\":\"x\",\"after_update\":")
        .replace("\"from_name\":\"Ada\"}]", "\"from_name\":\"Ada\"}}]");
    assert_eq!(media(&update)[0].media, media(VOICE)[0].media);
    assert_eq!(media(&update)[0].path, "messages_updates[0].after_update.voice");
}

#[test]
fn keys_count_and_types_refine_them() {
    for (name, key, kind) in [
        ("image", "image", MediaKind::Image),
        ("video", "video", MediaKind::Video),
        ("gif", "gif", MediaKind::Gif),
        ("gif", "video", MediaKind::Gif),
        ("short", "short", MediaKind::VideoNote),
        ("short", "video", MediaKind::VideoNote),
        ("audio", "audio", MediaKind::Audio),
        ("voice", "voice", MediaKind::Voice),
        ("voice", "audio", MediaKind::Voice),
        ("ptt", "voice", MediaKind::Voice),
        ("document", "document", MediaKind::Document),
        ("documentWithCaption", "document", MediaKind::Document),
        ("sticker", "sticker", MediaKind::Sticker),
        ("story", "image", MediaKind::Image),
        ("hologram", "image", MediaKind::Image),
    ] {
        let body = in_message(&format!("\"type\":\"{name}\",\"{key}\":{{\"id\":\"bin-3a\"}}"));
        assert_eq!(shape(&body), [(kind, Role::Main, format!("messages[0].{key}"))], "{name}");
    }
}

#[test]
fn nested_media_has_its_role() {
    let file = r#"{"id":"jpeg-3a","mime_type":"image/jpeg"}"#;
    let only = |fields: String| {
        let [found] = shape(&in_message(&fields)).try_into().unwrap();
        found
    };
    for (fields, role, path) in [
        (
            format!("\"type\":\"interactive\",\"interactive\":{{\"header\":\"x\",{}", &file[1..]),
            Role::Header,
            "interactive",
        ),
        (
            format!("\"type\":\"hsm\",\"hsm\":{{\"header\":{{\"type\":\"image\",\"image\":{file}}}}}"),
            Role::Header,
            "hsm.header.image",
        ),
        (
            format!("\"type\":\"carousel\",\"carousel\":{{\"cards\":[{{}},{{\"media\":{file}}}]}}"),
            Role::Header,
            "carousel.cards[1].media",
        ),
        (
            format!(
                "\"type\":\"action\",\"action\":{{\"type\":\"edit\",\"edited_type\":\"image\",\"edited_content\":{file}}}"
            ),
            Role::Edit,
            "action.edited_content",
        ),
        (format!("\"from_me\":true,\"type\":\"image\",\"image\":{file}"), Role::Echo, "image"),
    ] {
        assert_eq!(only(fields), (MediaKind::Image, role, format!("messages[0].{path}")));
    }
    let string = in_message(r#""type":"hsm","hsm":{"header":"Hello"}"#);
    assert_eq!(others(&string), [("hsm".to_owned(), "messages[0]".to_owned())]);
}

#[test]
fn what_has_no_media_is_counted() {
    for (body, kind, path) in [
        (
            r#"{"statuses":[{"id":"s","code":3,"status":"delivered","timestamp":"1712995378"}],"event":{"type":"statuses","event":"post"}}"#,
            "status",
            "statuses[0]",
        ),
        (
            r#"{"messages_removed":["OgARIjNEVWaqmQ-gHoDntuymw"],"event":{"type":"messages","event":"delete"}}"#,
            "messages_removed",
            "messages_removed[0]",
        ),
        (
            r#"{"health":{"start_at":1713774883,"status":{"code":3,"text":"QR"}},"event":{"type":"channel","event":"post"}}"#,
            "channel",
            "",
        ),
        (
            r#"{"messages_updates":[{"id":"m","changes":["status"]}]}"#,
            "message_update",
            "messages_updates[0]",
        ),
        (r#"{"chats_updates":[{"after_update":{"id":"c"}}]}"#, "chat", "chats_updates[0].after_update"),
        (r#"{"messages":{"0":1}}"#, "messages", "messages"),
        (r#"{"messages":[null]}"#, "unknown", "messages[0]"),
        (
            r#"{"messages":[{"type":"text","text":{"body":"x"}}],"event":{"method":"post"}}"#,
            "text",
            "messages[0]",
        ),
        (
            r#"{"messages":[{"type":"link_preview","link_preview":{"id":"file-3a","sha256":"x","url":"https://a.test"}}]}"#,
            "link_preview",
            "messages[0]",
        ),
        (r#"{"messages":[{"type":"album"}]}"#, "album", "messages[0]"),
        ("{}", "unknown", ""),
        (r#"{"anything":1}"#, "unknown", ""),
    ] {
        assert_eq!(others(body), [(kind.to_owned(), path.to_owned())], "{body}");
        assert_eq!(read(body).items.len(), 1, "{body}");
    }
    let with_ad = in_message(r#""type":"text","context":{"ad":{"media_url":"https://a.test/x"}}"#);
    assert_eq!(others(&with_ad).len(), 2);
}

#[test]
fn media_without_a_usable_id_is_failed_and_keeps_its_link() {
    let body = in_message(r#""type":"image","image":{"id":"media_init","mime_type":"image/jpeg"}"#);
    let inbound = read(&body);
    let failed = inbound.failed().next().unwrap();
    assert_eq!((failed.kind.as_str(), failed.provider_code.as_deref()), ("image", Some("media_init")));
    assert!(failed.message.as_ref().unwrap().contains("not stored the file yet"));
    assert_eq!(failed.raw, r#"{"id":"media_init","mime_type":"image/jpeg"}"#);
    for fields in [
        r#""type":"image","image":{"id":"a/b"}"#,
        r#""type":"voice""#,
        r#""type":"documentWithCaption""#,
        r#""type":"image","image":{}"#,
        r#""type":"image","image":{"id":7}"#,
    ] {
        let inbound = read(&in_message(fields));
        assert_eq!((inbound.items.len(), inbound.failed().count()), (1, 1), "{fields}");
    }
    let linked =
        in_message(r#""type":"image","image":{"id":"media_init","link":"https://files.whapi.cloud/x.jpg"}"#);
    let [item] = media(&linked).try_into().unwrap();
    assert!(item.media.id.is_none() && item.media.link.is_some());
}

#[test]
fn odd_fields_do_not_spoil_a_delivery() {
    let body = r#"{"messages":[
        {"id":"m1","type":"image","timestamp":"1754413767","n":1e999,"from_name":"\ud800","image":{"id":"jpeg-3a","file_size":"652","sha256":"zz","mime_type":null,"link":"not a link","width":1e400,"preview":"!"}},
        {"id":"m2","type":"video","timestamp":1754413767123,"video":{"id":"mp4-3a","file_size":-7,"caption":"\udfff"}}]}"#;
    let [first, second] = media(body).try_into().unwrap();
    assert_eq!(first.media.declared.size_bytes, Some(652));
    assert_eq!(first.media.declared.unusable_sha256.as_deref(), Some("zz"));
    assert!(first.media.link.is_none() && first.preview.is_none() && first.media.declared.mime.is_none());
    assert_eq!(
        (first.timestamp, second.timestamp),
        (unix_seconds(1_754_413_767), unix_seconds(1_754_413_767))
    );
    assert_eq!(second.media.declared.size_bytes, None);
    assert!(first.raw.contains("1e400"));
}

#[test]
fn what_is_no_delivery_is_refused() {
    for body in [&b""[..], b"[]", b"null", b"\"x\"", b"{", b"{}{}", b"\xff", b"{\"a\":\"\xff\"}"] {
        let error = parse(&Delivery::new(body)).unwrap_err();
        assert_eq!(
            (error.kind(), error.provider(), error.operation()),
            (ErrorKind::Decode, Some("whapi"), Some("parse_webhook")),
            "{body:?}"
        );
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(parse(&Delivery::new(deep.as_bytes())).unwrap().media().count(), 0);
    let long = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
    assert_eq!(parse(&Delivery::new(&long)).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn names_are_repaired_only_where_that_is_certain() {
    assert_eq!(repaired("contrato aÃ§Ã£o.pdf"), "contrato ação.pdf");
    assert_eq!(repaired("contrato ação.pdf"), "contrato ação.pdf");
    assert_eq!(repaired("牛.pdf"), "牛.pdf");
}

#[test]
fn previews_in_both_forms() {
    let want = "42d313e5fd91e9e03f089e692d10281b9c4b11436a90842eb6146bc5a5938d35";
    for text in [
        PREVIEW.to_owned(),
        format!("data:image/jpeg;base64,{PREVIEW}"),
        PREVIEW.trim_end_matches('=').to_owned(),
    ] {
        let preview = preview(&text).unwrap();
        assert_eq!((preview.bytes.len(), Sha256::of(&preview.bytes).to_hex().as_str()), (652, want));
        assert_eq!(preview.mime.is_some(), text.starts_with("data:"));
    }
    for text in ["data:image/jpeg", "data:image/jpeg,%FF%D8", "!"] {
        assert!(preview(text).is_none(), "{text}");
    }
}

#[test]
fn the_static_header_is_compared_whole() {
    let want = [("X-Hook".to_owned(), Secret::new("old")), ("X-Hook".to_owned(), Secret::new("s3cret"))];
    let check = |name: &str, value: &str| {
        let headers = [(name.to_owned(), value.to_owned())];
        verify(&Delivery::new(b"{}").with_headers(&headers), &want)
    };
    assert_eq!(check("x-hook", "s3cret"), Authenticity::Verified);
    assert_eq!(check("X-HOOK", "old"), Authenticity::Verified);
    for value in ["s3cre", "S3CRET", "s3cret "] {
        assert!(matches!(check("x-hook", value), Authenticity::Invalid(_)), "{value}");
    }
    for (name, value) in [("x-hook", ""), ("other", "s3cret")] {
        assert_eq!(check(name, value), Authenticity::MissingSignature, "{name}: {value}");
    }
    assert_eq!(verify(&Delivery::new(b"{}"), &[]), Authenticity::NotConfigured);
    let blank = [("x-hook".to_owned(), Secret::new(""))];
    assert_eq!(verify(&Delivery::new(b"{}"), &blank), Authenticity::NotConfigured);
}

proptest::proptest! {
    #[test]
    fn any_body_is_survived(body: Vec<u8>, text in "\\PC{0,80}") {
        let _ = parse(&Delivery::new(&body));
        for key in ["image", "context", "action", "hsm", "carousel", "timestamp"] {
            let _ = parse(&Delivery::new(in_message(&format!("\"type\":\"image\",\"{key}\":{text}")).as_bytes()));
        }
    }

    #[test]
    fn every_message_is_an_item(names in proptest::collection::vec("[a-z_]{1,12}", 0..20)) {
        let messages: Vec<String> = names.iter().map(|name| format!("{{\"type\":\"{name}\"}}")).collect();
        let inbound = read(&format!("{{\"messages\":[{}]}}", messages.join(",")));
        proptest::prop_assert_eq!(inbound.items.len(), names.len().max(1));
    }
}

#[test]
fn every_problem_of_the_header_is_named_at_once() {
    let error = WhapiWebhooks::builder().header("no header", Secret::new(" ")).build().unwrap_err();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::InvalidRequest, Some("whapi")));
    for word in ["name of the webhook header", "value of the webhook header"] {
        assert!(error.message().contains(word), "{word}: {}", error.message());
    }
}
