use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use wamedia_core::{Error, ErrorKind, Phase, Result, Secret};

use crate::body::{Incoming, Outgoing, Pieces, Progress, read_capped};
use crate::breaker::{Breaker, FailureBudget};
use crate::failure::{Failure, convert, nothing_sent};
use crate::proxy::Proxy;
use crate::redact::Redactor;
use crate::request::RequestHead;
use crate::tls::Clients;
use crate::{Body, Origin, Reply, TransportOptions};

/// One request on the wire. Clones share connections and the circuit breaker.
#[derive(Clone)]
pub(crate) struct Transport {
    inner: Arc<Inner>,
}

struct Inner {
    clients: Clients,
    options: TransportOptions,
    breaker: Breaker,
    redactor: Redactor,
}

impl Transport {
    /// Builds the client. `configured` are the origins that the caller named: their hosts may have addresses
    /// that are not public. `secrets` are all secrets of the configuration, those that never travel included:
    /// no piece of one appears in an error or a log event.
    pub(crate) fn new(
        options: TransportOptions,
        configured: &[Origin],
        secrets: &[Secret],
        failure_budget: Option<FailureBudget>,
    ) -> Result<Self> {
        let options = options.clamped();
        let clients = Clients::new(&options, configured)?;
        let proxy = options.network.proxy.iter().flat_map(Proxy::secrets);
        let secrets: Vec<Secret> = secrets.iter().cloned().chain(proxy).collect();
        let redactor = Redactor::new(secrets.iter().map(Secret::expose));
        let breaker = Breaker::new(failure_budget);
        Ok(Self { inner: Arc::new(Inner { clients, options, breaker, redactor }) })
    }

    pub(crate) fn options(&self) -> &TransportOptions {
        &self.inner.options
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.inner.redactor
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.inner.breaker
    }

    /// The time of day, from the injected clock.
    pub(crate) fn now(&self) -> SystemTime {
        self.inner.options.network.clock.now()
    }

    /// Media type and file name of content end up in receipts, so they may not repeat a credential either.
    pub(crate) fn clean_headers(&self, headers: &mut HeaderMap) {
        for (name, split) in [(header::CONTENT_TYPE, '/'), (header::CONTENT_DISPOSITION, ';')] {
            let Some(value) = headers.get(&name) else { continue };
            let Ok(text) = str::from_utf8(value.as_bytes()) else { continue };
            // What stands before the sign is a word of the standard, or nothing that anybody keeps.
            let Some((before, after)) = text.split_once(split) else { continue };
            let Some(clean) = self.inner.redactor.text(after) else { continue };
            match HeaderValue::from_bytes(format!("{before}{split}{clean}").as_bytes()) {
                Ok(value) => drop(headers.insert(name, value)),
                Err(_) => drop(headers.remove(name)),
            }
        }
    }

    pub(crate) async fn send(&self, request: &RequestHead, body: Body) -> Result<reqwest::Response, Failure> {
        let options = &self.inner.options;
        let mut headers = request.headers.clone();
        for bound in &request.bound {
            if let Some(value) = bound.value_for(&request.url) {
                headers.insert(bound.name().clone(), value.clone());
            }
        }
        let progress = Progress::new();
        let client = self.inner.clients.for_url(&request.url, options).await;
        let client = client.map_err(|error| Failure { error, is_unsent: true })?;
        let mut builder = client.request(request.method.clone(), request.url.clone());
        let body = match body {
            Body::Empty => None,
            // Small bodies go out in one piece.
            Body::Bytes(bytes) if bytes.len() <= 64 * 1024 => {
                builder = builder.body(bytes);
                None
            }
            Body::Bytes(bytes) => {
                let size = Some(bytes.len() as u64);
                Some((Outgoing::new(Box::pin(Pieces(bytes)), size, progress.clone()), size))
            }
            Body::Stream(source, size) => Some((Outgoing::new(source, size, progress.clone()), size)),
        };
        if let Some((body, size)) = body {
            if let Some(size) = size {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            }
            builder = builder.body(reqwest::Body::wrap_stream(body));
        }
        // The connection whose reply has just ended goes back to the pool on a task of its own; without this
        // turn for it, the next request finds an empty pool and opens another connection.
        tokio::task::yield_now().await;
        let sending = builder.headers(headers).send();
        let late = progress.stalled(options.first_byte_timeout);
        tokio::select! {
            biased;
            outcome = sending => outcome.map_err(|error| {
                let is_unsent = nothing_sent(&error);
                Failure { error: convert(error, Phase::Head), is_unsent }
            }),
            () = late => {
                let error = Error::new(ErrorKind::Timeout, "no answer in time").with_phase(Phase::Head);
                Err(Failure { error, is_unsent: false })
            }
        }
    }

    /// Reads at most `cap` bytes of a reply.
    pub(crate) async fn read_reply(&self, mut response: reqwest::Response, cap: usize) -> Result<Reply> {
        let headers = std::mem::take(response.headers_mut());
        let (status, at) = (response.status().as_u16(), self.now());
        let mut incoming = Incoming::new(response, self.inner.options.idle_timeout, None);
        let late = || {
            Error::new(ErrorKind::Timeout, "the reply takes too long")
                .with_phase(Phase::Body)
                .with_hint("try again, or allow more time with reply_timeout")
        };
        let reading = tokio::time::timeout(self.inner.options.reply_timeout, read_capped(&mut incoming, cap));
        let (body, truncated) = match reading.await.unwrap_or_else(|_| Err(late())) {
            Ok(read) => read,
            // The status of a failure counts more than a body that broke off.
            Err(_) if status >= 400 => (Bytes::new(), true),
            Err(error) => return Err(error),
        };
        // Whatever is made of a failure's text later, a credential is gone before anything is cut off.
        let clean = (status >= 400).then(|| self.inner.redactor.text(&String::from_utf8_lossy(&body)));
        let body = clean.flatten().map_or(body, Bytes::from);
        Ok(Reply { status, headers, body, truncated, at })
    }
}
