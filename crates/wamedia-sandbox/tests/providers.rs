//! Each provider's good path, and what a wrong credential gets.

mod common;

use common::{CHAKRA, META, VECTOR_MS, WHAPI, fixed_clock, get, meta_bytes, meta_link, sandbox, send};
use wamedia_sandbox::{Credentials, Options, Sandbox};

const PHOTO: &[u8] = wamedia_fixtures::embedded_bytes("media/photo.jpg").expect("the photo is embedded");
const WHAPI_PHOTO: &str = "jpeg-3a00112233445566aa99-807a039edbb29b";
const NXCLOUD_PHOTO: &str = "2bc7102f-5491-40b1-a92f-338303eab9d3";
const COMPACT: &str = r#"{"business_phone":"86158xxxx1795","Media-ID":"fd81acff-eea8-4d9d-acc9-6c62904d6615","messaging_product":"whatsapp"}"#;

#[tokio::test]
async fn meta_describes_and_serves_with_the_token_and_one_user_agent() {
    let sandbox = sandbox().await;
    let base = sandbox.provider("meta").expect("meta").base_url.clone();
    let reply = get(&format!("{base}/v23.0/1001?phone_number_id=391200000000017"), META).await.json();
    assert_eq!(reply["file_size"], PHOTO.len());
    assert_eq!(reply["mime_type"], "image/jpeg");
    assert_eq!(reply["sha256"], sandbox.provider("meta").expect("meta").media[0].sha256_hex);
    let url = reply["url"].as_str().expect("a link");
    let content = get(url, META).await;
    assert_eq!((content.status, &content.body[..]), (200, PHOTO));
    assert_eq!(content.header("content-type"), Some("image/jpeg"));
    assert_eq!(get(url, &META[..1]).await.status, 403);
    assert_eq!(get(url, &[META[0], META[1], META[1]]).await.status, 403);
    assert_eq!(get(url, &META[1..]).await.status, 401);
    let denied = get(&format!("{base}/v23.0/1001"), &[("Authorization", "Bearer wrong")]).await;
    assert_eq!((denied.status, denied.json()["error"]["code"].as_u64()), (401, Some(190)));
    let unknown = get(&format!("{base}/v23.0/99"), META).await;
    assert_eq!((unknown.status, unknown.json()["error"]["error_subcode"].as_u64()), (400, Some(33)));
    let other = get(&format!("{base}/v23.0/1001?phone_number_id=1"), META).await;
    assert_eq!(other.status, 400);
    assert!(sandbox.leaks().is_empty());
}

#[tokio::test]
async fn meta_takes_uploads_and_forgets_what_is_deleted() {
    let sandbox = sandbox().await;
    let base = sandbox.provider("meta").expect("meta").base_url.clone();
    let url = format!("{base}/v23.0/391200000000017/media");
    let form = |mime: &str| {
        format!(
            "--b1\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--b1\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"n.txt\"\r\nContent-Type: {mime}\r\n\r\n\
             hello media\r\n--b1--\r\n"
        )
    };
    let headers = [META[0], ("Content-Type", "multipart/form-data; boundary=b1")];
    let id = send("POST", &url, &headers, form("text/plain").as_bytes()).await.json()["id"].clone();
    let id = id.as_str().expect("an id");
    assert_eq!(meta_bytes(&sandbox, id).await.body, b"hello media");
    let refused = send("POST", &url, &headers, form("video/quicktime").as_bytes()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"]["message"].as_str().expect("text").contains("'video/quicktime'"));
    let target = format!("{base}/v23.0/{id}");
    assert_eq!(send("DELETE", &target, META, b"").await.json()["success"], true);
    assert_eq!(get(&target, META).await.status, 400);
    assert_eq!(send("DELETE", &target, META, b"").await.status, 400);
}

#[tokio::test]
async fn meta_resumes_an_upload_where_it_stopped() {
    let sandbox = sandbox().await;
    let base = sandbox.provider("meta").expect("meta").base_url.clone();
    let start = format!("{base}/v23.0/app/uploads?file_length=11&file_type=text%2Fplain&file_name=n.txt");
    let id = send("POST", &start, META, b"").await.json()["id"].as_str().expect("an id").to_owned();
    let session = format!("{base}/v23.0/{id}");
    let part = |offset: &'static str| [META[0], ("file_offset", offset)];
    assert_eq!(send("POST", &session, &part("0"), b"hello ").await.status, 400);
    assert_eq!(get(&session, META).await.json()["file_offset"], 6);
    let handle = send("POST", &session, &part("6"), b"media").await.json();
    assert!(handle["h"].as_str().expect("a handle").starts_with("2:"));
    let without = session.split('?').next().expect("a path");
    assert_eq!(get(without, META).await.status, 400);
}

#[tokio::test]
async fn chakra_links_to_itself_and_serves_public_uploads_without_credentials() {
    let sandbox = sandbox().await;
    let chakra = sandbox.provider("chakra").expect("chakra");
    let base = &chakra.base_url;
    let described = get(&format!("{base}/v1/whatsapp/v19.0/media/1001"), CHAKRA).await.json();
    let url = described["url"].as_str().expect("a link");
    assert!(url.starts_with(&format!("{base}/v1/whatsapp/v22.0/whatsapp_business/attachments/?mid=")));
    assert_eq!(get(url, CHAKRA).await.body, PHOTO);
    assert_eq!(get(url, &[]).await.status, 401);
    for version in ["v1", "v2"] {
        let shown = get(&format!("{base}/{version}/whatsapp/v22.0/media/1001/show"), CHAKRA).await;
        assert_eq!((shown.status, shown.body.len()), (200, PHOTO.len()));
    }
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"n.txt\"\r\n\r\nhello media\r\n--b--\r\n";
    let upload =
        format!("{base}/v1/ext/plugin/whatsapp/7e577e57-0000-4000-8000-00000000c4a2/upload-public-media");
    let headers = [CHAKRA[0], ("Content-Type", "multipart/form-data; boundary=b")];
    let reply = send("POST", &upload, &headers, form.as_bytes()).await.json();
    let public = reply["_data"]["publicMediaUrl"].as_str().expect("a link");
    assert!(public.contains("/2022-06-20/") && public.split('.').next_back() == Some("txt"));
    assert_eq!(get(public, &[]).await.body, b"hello media");
    assert!(sandbox.leaks().is_empty());
    assert_eq!(get(public, CHAKRA).await.status, 400);
    assert_eq!(sandbox.leaks()[0].provider, "chakra");
}

#[tokio::test]
async fn whapi_tells_a_wrong_token_from_an_unknown_id_and_logs_leaks() {
    let sandbox = sandbox().await;
    let base = sandbox.provider("whapi").expect("whapi").base_url.clone();
    let url = format!("{base}/media/{WHAPI_PHOTO}");
    assert_eq!(get(&url, WHAPI).await.body, PHOTO);
    let wrong = get(&url, &[("Authorization", "Bearer x")]).await;
    assert_eq!((wrong.status, wrong.json()["error"]["message"].as_str()), (404, Some("Channel not found")));
    let unknown = get(&format!("{base}/media/jpeg-00-00"), WHAPI).await.json();
    assert_eq!(unknown["error"]["message"], "specified media not found");
    let list = get(&format!("{base}/media?count=3&offset=6"), WHAPI).await.json();
    assert_eq!(list["files"].as_array().expect("files").len(), 2);
    let delivery = sandbox.webhook("whapi", WHAPI_PHOTO).await.expect("known");
    let body: serde_json::Value = serde_json::from_slice(&delivery.body).expect("JSON");
    let link = body["messages"][0]["image"]["link"].as_str().expect("a link").to_owned();
    assert_eq!(get(&link, &[]).await.body, PHOTO);
    assert_eq!(get(&link, WHAPI).await.status, 400);
    assert_eq!(sandbox.leaks()[0].names, ["authorization"]);
    let data = br#"{"media":"data:text/plain;name=n.txt;base64,aGVsbG8gbWVkaWE="}"#;
    let headers = [WHAPI[0], ("Content-Type", "application/json")];
    let id = send("POST", &format!("{base}/media"), &headers, data).await.json()["media"][0]["id"].clone();
    let mine = format!("{base}/media/{}", id.as_str().expect("an id"));
    assert_eq!(get(&mine, WHAPI).await.body, b"hello media");
    assert_eq!(send("DELETE", &mine, WHAPI, b"").await.status, 200);
    assert_eq!(send("DELETE", &mine, WHAPI, b"").await.status, 404);
}

#[tokio::test]
async fn dialog360_serves_at_its_own_host_what_it_links_elsewhere() {
    const KEY: &[(&str, &str)] = &[("D360-API-KEY", "TEST-360dialog-key")];
    let sandbox = sandbox().await;
    let dialog = sandbox.provider("360dialog").expect("360dialog");
    let base = &dialog.base_url;
    let described = get(&format!("{base}/1001"), KEY).await.json();
    assert_eq!(described["file_size"], PHOTO.len());
    let link = described["url"].as_str().expect("a link");
    let path = link.strip_prefix(&dialog.content_origins[0]).expect("it is at the other host");
    assert!(path.starts_with("/whatsapp_business/attachments/?mid="));
    assert_eq!(get(&format!("{base}{path}"), KEY).await.body, PHOTO);
    assert_eq!(get(link, &[]).await.status, 401);
    let denied = get(&format!("{base}/1001"), &[("D360-API-KEY", "wrong")]).await;
    assert_eq!((denied.status, denied.json()["meta"]["success"].as_bool()), (401, Some(false)));
    let unknown = get(&format!("{base}/99"), KEY).await;
    assert_eq!((unknown.status, unknown.json()["error"]["error_subcode"].as_u64()), (400, Some(33)));
    let form = "--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--b\r\n\
                Content-Disposition: form-data; name=\"file\"; filename=\"n.txt\"\r\nContent-Type: text/plain\r\n\r\n\
                hello media\r\n--b--\r\n";
    let headers = [KEY[0], ("Content-Type", "multipart/form-data; boundary=b")];
    let reply = send("POST", &format!("{base}/media"), &headers, form.as_bytes()).await.json();
    let mine = format!("{base}/{}", reply["id"].as_str().expect("an id"));
    assert_eq!(get(&mine, KEY).await.json()["file_size"], 11);
    assert_eq!(send("DELETE", &mine, KEY, b"").await.json()["success"], true);
    assert_eq!(send("DELETE", &mine, KEY, b"").await.status, 400);
    assert!(sandbox.leaks().is_empty());
    assert_eq!(get(link, KEY).await.status, 401);
    assert_eq!(sandbox.leaks()[0].names, ["d360-api-key"]);
}

#[tokio::test]
async fn twilio_redirects_to_links_that_take_no_credential() {
    // base64 of AC7e570000000000000000000000007e57:TEST-twilio-auth-token
    const BASIC: &[(&str, &str)] = &[(
        "Authorization",
        "Basic QUM3ZTU3MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwN2U1NzpURVNULXR3aWxpby1hdXRoLXRva2Vu",
    )];
    let sandbox = sandbox().await;
    let twilio = sandbox.provider("twilio").expect("twilio");
    let photo = "ME31303031000000000000000000000000";
    assert_eq!(twilio.media[0].id, format!("{photo}?message=MM00000000000000000000000000000000"));
    let messages = "2010-04-01/Accounts/AC7e570000000000000000000000007e57/Messages";
    let url = format!("{}/{messages}/MM00000000000000000000000000000000/Media/{photo}", twilio.base_url);
    let redirect = get(&url, BASIC).await;
    let link = redirect.header("location").expect("a link").to_owned();
    assert!(redirect.status == 307 && link.starts_with(&twilio.content_origins[0]), "{link}");
    assert_eq!(get(&link, &[]).await.body, PHOTO);
    assert!(sandbox.leaks().is_empty());
    assert_eq!(get(&link, BASIC).await.status, 400);
    assert_eq!(sandbox.leaks()[0].names, ["authorization"]);
    assert_eq!(get(&url, &[]).await.json()["code"], 20003);
    let unknown = get(&url.replace("ME3130", "ME3939"), BASIC).await;
    assert_eq!((unknown.status, unknown.json()["code"].as_u64()), (404, Some(20404)));
    let flipped = sandbox.media_id("twilio", "flip-1");
    let (media, message) = flipped.split_once("?message=").expect("two ids");
    let flipped = format!("{}/{messages}/{message}/Media/{media}", twilio.base_url);
    let link = get(&flipped, BASIC).await.header("location").expect("a link").to_owned();
    assert_ne!(get(&link, &[]).await.body, PHOTO);
    let description = format!("{url}.json");
    assert_eq!(send("DELETE", &description, BASIC, b"").await.status, 204);
    assert_eq!(send("DELETE", &description, BASIC, b"").await.status, 404);
}

#[tokio::test]
async fn twilio_posts_a_form() {
    let sandbox = sandbox().await;
    for id in ["1002", "ME31303032000000000000000000000000?message=MM00000000000000000000000000000000"] {
        let delivery = sandbox.webhook("twilio", id).await.expect("known");
        let header = |name: &str| {
            delivery.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
        };
        assert_eq!(header("Content-Type"), Some("application/x-www-form-urlencoded; charset=UTF-8"));
        assert_eq!(header("X-Twilio-Signature").map(str::len), Some(28));
        let body = String::from_utf8(delivery.body.to_vec()).expect("UTF-8");
        assert!(
            body.contains("&MediaContentType0=audio%2Fogg&MediaUrl0=http%3A%2F%2F127%2E0%2E0%2E1%3A"),
            "{body}"
        );
        assert!(body.contains(
            "%2FMedia%2FME31303032000000000000000000000000&MessageSid=MM00000000000000000000000000000000"
        ));
    }
}

async fn vector_sandbox(ms: u64) -> Sandbox {
    let mut credentials = Credentials::default();
    "fme2na3kdi3ki".clone_into(&mut credentials.nxcloud_access_key);
    "abciiiko2k3".clone_into(&mut credentials.nxcloud_access_secret);
    "86158xxxx1795".clone_into(&mut credentials.nxcloud_business_phone);
    Sandbox::start(Options::new(fixed_clock(ms)).with_credentials(credentials)).await.expect("loopback")
}

async fn call(
    sandbox: &Sandbox,
    action: &str,
    sign: &str,
    content_type: &str,
    body: &str,
) -> serde_json::Value {
    let base = &sandbox.provider("nxcloud").expect("nxcloud").base_url;
    let headers = [
        ("accessKey", "fme2na3kdi3ki"),
        ("ts", "1655710885431"),
        ("bizType", "2"),
        ("action", action),
        ("sign", sign),
        ("Content-Type", content_type),
    ];
    send("POST", &format!("{base}/api/wa/{action}"), &headers, body.as_bytes()).await.json()
}

#[tokio::test]
async fn nxcloud_recomputes_signatures_from_what_arrived() {
    let sandbox = vector_sandbox(VECTOR_MS + 59_000).await;
    let json = "application/json";
    let v5 = "f87f9554418e905a9f3078cfd318383a";
    let reply = call(&sandbox, "getMedia", v5, json, COMPACT).await;
    assert_eq!(reply["code"], 0);
    let url = reply["data"]["url"].as_str().expect("a link").to_owned();
    assert_eq!(get(&url, &[]).await.body, b"hello media");
    assert_eq!(get(&url.replace("Signature=", "Signature=A"), &[]).await.status, 403);
    assert_eq!(send("HEAD", &url, &[], b"").await.status, 403);
    assert!(sandbox.leaks().is_empty());
    let leaked = get(&url, &[("accessKey", "x")]).await;
    assert!(leaked.status == 403 && String::from_utf8_lossy(&leaked.body).contains("SignatureDoesNotMatch"));
    assert_eq!(sandbox.leaks().len(), 1);

    let spaced = COMPACT.replace(',', ", ");
    assert_eq!(call(&sandbox, "getMedia", v5, json, &spaced).await["code"], 1003);
    assert_eq!(call(&sandbox, "deleteMedia", v5, json, COMPACT).await["code"], 1003);
    assert_eq!(call(&sandbox, "getMedia", "", json, COMPACT).await["code"], 1001);
    let v7 = "95c448b574e0482e88e22799f11b62ff";
    assert_eq!(call(&sandbox, "deleteMedia", v7, json, COMPACT).await["data"]["success"], true);
    assert_eq!(call(&sandbox, "deleteMedia", v7, json, COMPACT).await["code"], -1);

    let part = |name: &str, body: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{body}\r\n")
    };
    let form = [
        part("business_phone", "86158xxxx1795"),
        part("messaging_product", "whatsapp"),
        part("type", "text/plain"),
        part("file\"; filename=\"n.txt", "hello media"),
        "--b--\r\n".to_owned(),
    ]
    .concat();
    let v8 = "d2632e6b4cbea8587b36cb585e06a195";
    let multipart = "multipart/form-data; boundary=b";
    assert_eq!(call(&sandbox, "uploadMedia", v8, multipart, &form).await["code"], 0);
    assert_eq!(call(&sandbox, "uploadMedia", v5, multipart, &form).await["code"], 1003);
    assert_eq!(call(&sandbox, "uploadMedia", v8, json, "{}").await["code"], 1003);

    let late = vector_sandbox(VECTOR_MS + 61_000).await;
    assert_eq!(call(&late, "getMedia", v5, json, COMPACT).await["code"], 1004);
}

#[tokio::test]
async fn links_die_after_five_minutes() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, UNIX_EPOCH};
    let ms = Arc::new(AtomicU64::new(VECTOR_MS));
    let clock = Arc::clone(&ms);
    let options =
        Options::new(Arc::new(move || UNIX_EPOCH + Duration::from_millis(clock.load(Ordering::SeqCst))));
    let sandbox = Sandbox::start(options).await.expect("loopback");
    let url = meta_link(&sandbox, "1001").await;
    ms.fetch_add(299_000, Ordering::SeqCst);
    assert_eq!(get(&url, META).await.status, 200);
    ms.fetch_add(2_000, Ordering::SeqCst);
    assert_eq!(get(&url, META).await.status, 404);
    ms.fetch_add(7 * 24 * 60 * 60 * 1000, Ordering::SeqCst);
    let base = sandbox.provider("meta").expect("meta").base_url.clone();
    assert_eq!(get(&format!("{base}/v23.0/1001"), META).await.status, 400);
}

#[tokio::test]
async fn the_first_line_and_the_log_are_what_the_contract_says() {
    let sandbox = sandbox().await;
    let ready = sandbox.ready_json();
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["providers"]["meta"]["env"]["WAMEDIA_META_TOKEN"], "TEST-meta-token");
    assert_eq!(ready["providers"]["nxcloud"]["media"][0]["ref"], format!("nxcloud:{NXCLOUD_PHOTO}"));
    meta_bytes(&sandbox, "1001").await;
    let log = sandbox.requests()[0].to_json();
    assert_eq!(
        log,
        serde_json::json!({"provider":"meta","method":"GET","path":"/v23.0/1001","status":200,"fault":null})
    );
    sandbox.shutdown().await;
}

#[tokio::test]
async fn webhooks_are_posted_as_they_were_signed() {
    let sandbox = sandbox().await;
    let delivery = sandbox.webhook("meta", "1001").await.expect("known");
    let text = String::from_utf8(delivery.body.to_vec()).expect("UTF-8");
    assert!(text.contains("image\\/jpeg") && text.contains("Zo\\u00eb"));
    let receiver = wamedia_sandbox::http1::Server::bind(
        "127.0.0.1:0".parse().expect("an address"),
        |_request: wamedia_sandbox::http1::Request| async {
            wamedia_sandbox::http1::Response::with_body(200, "text/plain", "ok").into_steps()
        },
    )
    .await
    .expect("loopback");
    let url = format!("{}/hook", receiver.origin());
    assert_eq!(wamedia_sandbox::post_webhook(&url, &delivery).await.expect("an answer"), 200);
    let seen = receiver.seen();
    assert_eq!(seen[0].head.target, "/hook");
    assert_eq!(seen[0].body_bytes, delivery.body.len() as u64);
    assert!(seen[0].head.header("x-hub-signature-256").is_some_and(|value| value.starts_with("sha256=")));
    for url in ["http://192.0.2.1/", "https://127.0.0.1/", "http://example.com/"] {
        assert!(wamedia_sandbox::post_webhook(url, &delivery).await.is_err());
    }
    assert!(sandbox.webhook_enveloped("chakra", "1002").await.is_ok());
    assert!(sandbox.webhook("nxcloud", NXCLOUD_PHOTO).await.is_ok());
    assert!(sandbox.webhook("acme", "1").await.is_err());
}
