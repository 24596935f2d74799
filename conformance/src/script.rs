//! What the fake server expects and sends: a fixture's exchanges, changed into what a case needs.

use wamedia_sandbox::http1::{Framing, Response};

use crate::fixture::{Exchange, Fixture};
use crate::matching::RequestMatch;

/// One expected request and the reply to it.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedExchange {
    pub(crate) id: String,
    pub(crate) origin: String,
    pub(crate) request: RequestMatch,
    pub(crate) reply: Response,
    /// True for an exchange that answers every further request like it.
    pub(crate) forever: bool,
    /// True for an exchange that is answered as soon as the head of the request has arrived.
    pub(crate) early: bool,
    /// Redirects that lead to it. Each is expected and answered anew before it.
    pub(crate) redirects: Vec<Self>,
}

impl ExpectedExchange {
    pub(crate) fn new(fixture: &Fixture, exchange: &Exchange) -> Self {
        let mut reply = Response::new(exchange.response.status).body(fixture.body(&exchange.response));
        reply.headers.clone_from(&exchange.response.headers);
        if exchange.response.json.is_some()
            && !reply.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case("content-type"))
        {
            reply = reply.header("content-type", "application/json");
        }
        if let Some(bytes) = exchange.response.reset_after {
            reply = reply.framing(Framing::Reset(bytes));
        }
        Self {
            id: exchange.id.clone(),
            origin: fixture.origins.get(&exchange.origin).cloned().unwrap_or_default(),
            request: exchange.request.clone(),
            reply,
            forever: false,
            early: false,
            redirects: Vec::new(),
        }
    }

    /// How many requests it is, its redirects among them.
    pub(crate) fn requests(&self) -> usize {
        self.redirects.len() + 1
    }

    pub(crate) fn with(mut self, change: impl FnOnce(Response) -> Response) -> Self {
        self.reply = change(self.reply);
        self
    }

    pub(crate) fn framed(self, framing: Framing) -> Self {
        self.with(|reply| reply.framing(framing))
    }

    pub(crate) fn early(mut self) -> Self {
        self.early = true;
        self
    }

    pub(crate) fn forever(mut self) -> Self {
        self.forever = true;
        self
    }
}
