//! For actix-web, which has types of its own for headers: they are copied.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use wamedia::{Delivery, ErrorKind, Handshake, MediaRef, ReceiveOptions, Webhooks};

/// The routes, for `App::configure`.
pub fn routes(webhooks: Arc<dyn Webhooks>) -> impl FnOnce(&mut web::ServiceConfig) {
    // The default of actix-web is 256 KiB; a delivery of Meta may have 3 MiB.
    let limit = usize::try_from(webhooks.capabilities().max_bytes).unwrap_or(usize::MAX);
    move |config| {
        config
            .app_data(web::Data::from(webhooks))
            .app_data(web::PayloadConfig::new(limit))
            .service(web::resource("/webhook").get(handshake).post(receive));
    }
}

async fn handshake(webhooks: web::Data<dyn Webhooks>, request: HttpRequest) -> HttpResponse {
    match webhooks.handshake(request.query_string()) {
        Handshake::Accepted(challenge) => HttpResponse::Ok().body(challenge),
        Handshake::Refused => HttpResponse::Forbidden().finish(),
        _ => HttpResponse::MethodNotAllowed().finish(),
    }
}

async fn receive(webhooks: web::Data<dyn Webhooks>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let read = move || {
        let delivery = Delivery::new(&body).with_headers(&headers);
        let received = webhooks.receive(&delivery, ReceiveOptions::default())?;
        Ok(received.inbound.media().map(|item| item.media.clone()).collect::<Vec<MediaRef>>())
    };
    // A body above 256 KiB takes milliseconds to read, so it belongs on a thread that may block.
    let media: wamedia::Result<_> = web::block(read).await.expect("reading does not panic");
    let status = match media {
        Ok(media) if store(&media).await => StatusCode::OK,
        // The vendor comes again.
        Ok(_) => StatusCode::SERVICE_UNAVAILABLE,
        Err(error) if error.kind() == ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    HttpResponse::build(status).finish()
}

/// Your database: all references of a delivery, or none.
async fn store(media: &[MediaRef]) -> bool {
    media.iter().all(|media| !media.identity().is_empty())
}
