//! For AWS Lambda, behind an API gateway or a function URL.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Error, Request, Response};
use wamedia::{Delivery, ErrorKind, Handshake, MediaRef, ReceiveOptions, Webhooks};

/// Answers a handshake or a delivery.
pub async fn handler(webhooks: &dyn Webhooks, event: &Request) -> Result<Response<Body>, Error> {
    let (status, body) = if event.method() == Method::GET {
        match webhooks.handshake(event.uri().query().unwrap_or_default()) {
            Handshake::Accepted(challenge) => (StatusCode::OK, challenge.into()),
            Handshake::Refused => (StatusCode::FORBIDDEN, Body::Empty),
            _ => (StatusCode::METHOD_NOT_ALLOWED, Body::Empty),
        }
    } else {
        (receive(webhooks, event).await, Body::Empty)
    };
    Ok(Response::builder().status(status).body(body)?)
}

async fn receive(webhooks: &dyn Webhooks, event: &Request) -> StatusCode {
    let delivery = Delivery::from_http(event.headers(), event.body());
    match webhooks.receive(&delivery, ReceiveOptions::default()) {
        Ok(received) => {
            let media: Vec<_> = received.inbound.media().map(|item| item.media.to_string()).collect();
            // The vendor comes again where the queue has not taken all.
            if send(&media).await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
        }
        Err(error) if error.kind() == ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// Your queue: every reference in its text form, which a worker parses.
async fn send(media: &[String]) -> bool {
    media.iter().all(|text| text.parse::<MediaRef>().is_ok())
}
