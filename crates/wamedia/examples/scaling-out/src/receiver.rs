//! Deliveries in, references into the database, then 200.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use wamedia::{Delivery, ErrorKind, Handshake, ReceiveOptions, Webhooks};

use crate::store::Store;

type Shared = Arc<(Arc<dyn Webhooks>, Arc<dyn Store>)>;

/// The server; any number may share one database.
pub fn app(webhooks: Arc<dyn Webhooks>, store: Arc<dyn Store>) -> axum::Router {
    let limit = usize::try_from(webhooks.capabilities().max_bytes).unwrap_or(usize::MAX);
    axum::Router::new()
        .route("/webhook", get(handshake).post(receive))
        .layer(DefaultBodyLimit::max(limit))
        .with_state(Arc::new((webhooks, store)))
}

async fn handshake(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Result<String, StatusCode> {
    match shared.0.handshake(&query.unwrap_or_default()) {
        Handshake::Accepted(challenge) => Ok(challenge),
        Handshake::Refused => Err(StatusCode::FORBIDDEN),
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let webhooks = Arc::clone(&shared.0);
    // A large body takes milliseconds to read.
    let read = tokio::task::spawn_blocking(move || {
        webhooks.receive(&Delivery::from_http(&headers, &body), ReceiveOptions::default())
    });
    let received = match read.await {
        Ok(Ok(received)) => received,
        Ok(Err(error)) if error.kind() == ErrorKind::Unauthorized => return StatusCode::UNAUTHORIZED,
        _ => return StatusCode::BAD_REQUEST,
    };
    let media = received.inbound.media().map(|item| item.media.clone()).collect();
    match shared.1.accept(media).await {
        Ok(()) => StatusCode::OK,
        // The vendor comes again, and nothing of this delivery is in the database.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
