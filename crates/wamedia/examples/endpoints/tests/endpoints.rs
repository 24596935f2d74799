//! Signed, forged and oversized deliveries, and the handshake.

use std::sync::Arc;

use actix_web::{App, test};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambda_http::Body;
use lambda_http::http::Request;
use wamedia::{Config, Webhooks};

const DELIVERY: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{
    "messaging_product":"whatsapp","metadata":{"phone_number_id":"2"},"messages":[{"id":"wamid.1","from":"3",
    "timestamp":"1700000000","type":"image","image":{"id":"4","mime_type":"image/jpeg"}}]}}]}]}"#;

fn webhooks() -> Arc<dyn Webhooks> {
    let config = Config::default().with("app_secret", "TEST-secret").with("verify_token", "TEST-verify");
    wamedia::webhooks("meta", &config).unwrap()
}

fn signature(body: &str, secret: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Body, secret of its signature, and the status of the answer.
fn deliveries() -> [(String, &'static str, u16); 4] {
    // Larger than the frameworks allow by themselves.
    let large = DELIVERY.replacen(r#""id":"1""#, &format!(r#""id":"1","more":"{}""#, "x".repeat(1 << 20)), 1);
    [
        (DELIVERY.to_owned(), "TEST-secret", 200),
        (large, "TEST-secret", 200),
        (DELIVERY.to_owned(), "TEST-other", 401),
        ("no JSON".to_owned(), "TEST-secret", 400),
    ]
}

const HANDSHAKES: [(&str, u16, &str); 2] = [("TEST-verify", 200, "77"), ("TEST-other", 403, "")];

fn query(token: &str) -> String {
    format!("/webhook?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=77")
}

#[actix_web::test]
async fn actix() {
    let app = test::init_service(App::new().configure(endpoints::actix::routes(webhooks()))).await;
    for (body, secret, status) in deliveries() {
        let signature = signature(&body, secret);
        let request =
            test::TestRequest::post().uri("/webhook").insert_header(("x-hub-signature-256", signature));
        let reply = test::call_service(&app, request.set_payload(body).to_request()).await;
        assert_eq!(reply.status().as_u16(), status, "signed by {secret}");
    }
    for (token, status, challenge) in HANDSHAKES {
        let reply = test::call_service(&app, test::TestRequest::get().uri(&query(token)).to_request()).await;
        assert_eq!(reply.status().as_u16(), status);
        assert_eq!(test::read_body(reply).await, challenge);
    }
}

#[tokio::test]
async fn lambda() {
    let webhooks = webhooks();
    for (body, secret, status) in deliveries() {
        let signature = signature(&body, secret);
        let event = Request::post("/webhook")
            .header("x-hub-signature-256", signature)
            .body(Body::from(body))
            .unwrap();
        let reply = endpoints::lambda::handler(&*webhooks, &event).await.unwrap();
        assert_eq!(reply.status().as_u16(), status, "signed by {secret}");
    }
    for (token, status, challenge) in HANDSHAKES {
        let event = Request::get(query(token)).body(Body::Empty).unwrap();
        let reply = endpoints::lambda::handler(&*webhooks, &event).await.unwrap();
        assert_eq!((reply.status().as_u16(), &**reply.body()), (status, challenge.as_bytes()));
    }
}
