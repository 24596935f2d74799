//! Dispatch: from a request on one of the listeners to the script that answers it.

use std::sync::Arc;

use crate::content::{self, RedirectTargets};
use crate::http1::Response;
use crate::http1::{Answer, Request, Service, Step, decode};
use crate::record::{self, RequestLog};
use crate::state::{Provider, Reply, State};
use crate::{chakra, control, dialog360, meta, nxcloud, twilio, whapi};

/// Which listener it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Api,
    Content,
    /// Another host that has every object.
    Foreign,
    /// A host that must not be contacted.
    ForbiddenHost,
}

/// One listener.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) state: Arc<State>,
    pub(crate) provider: Provider,
    pub(crate) listener: Listener,
}

impl Service for Handler {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}

impl Handler {
    async fn answer(&self, request: Request) -> Vec<Step> {
        let state = &self.state;
        if self.listener == Listener::Api
            && let Some(reply) = control::answer(state, &request).await
        {
            return reply.into_steps();
        }
        if !state.latency.is_zero() {
            tokio::time::sleep(state.latency).await;
        }
        let mut provider = self.provider;
        let reply = match (self.listener, provider) {
            (Listener::Api, Provider::Meta) => meta::api(state, &request).await,
            (Listener::Api, Provider::Chakra) => chakra::api(state, &request).await,
            (Listener::Api, Provider::Whapi) => whapi::api(state, &request).await,
            (Listener::Api, Provider::Nxcloud) => nxcloud::api(state, &request).await,
            (Listener::Api, Provider::Dialog360) => dialog360::api(state, &request).await,
            (Listener::Api, Provider::Twilio) => twilio::api(state, &request).await,
            (Listener::Content, Provider::Meta) => meta::content(state, &request).await,
            (Listener::Content, Provider::Chakra) => chakra::content(state, &request).await,
            (Listener::Content, Provider::Whapi) => whapi::content(state, &request).await,
            (Listener::Content, Provider::Nxcloud) => nxcloud::content(state, &request).await,
            (Listener::Content, Provider::Dialog360) => dialog360::content(),
            (Listener::Content, Provider::Twilio) => twilio::content(state, &request).await,
            (Listener::Foreign | Listener::ForbiddenHost, _) => {
                let (of, reply) = self.foreign(&request).await;
                provider = of.unwrap_or(provider);
                reply
            }
        };
        let head = &request.head;
        let log = RequestLog {
            provider: provider.name(),
            origin: match self.listener {
                Listener::Api => "api",
                Listener::Content => "content",
                Listener::Foreign => "foreign",
                Listener::ForbiddenHost => "forbidden",
            },
            method: head.method.clone(),
            path: head.path().to_owned(),
            status: reply.response.sent_status(),
            fault: reply.fault,
            credentials: record::credentials(head),
        };
        let may = self.listener == Listener::Api
            || (self.listener == Listener::Content && provider == Provider::Meta);
        state.record(log, may);
        let response = if head.method == "HEAD" { reply.response.without_body() } else { reply.response };
        response.into_steps()
    }

    /// `/{provider}/{id}`: the object, to anybody.
    async fn foreign(&self, request: &Request) -> (Option<Provider>, Reply) {
        let not_found = || Reply::from(Response::with_body(404, "text/plain", "not found"));
        let path = request.head.path().trim_start_matches('/');
        let Some((name, id)) = path.split_once('/') else { return (None, not_found()) };
        let Some(provider) = Provider::named(name) else { return (None, not_found()) };
        if self.listener == Listener::ForbiddenHost {
            return (Some(provider), not_found());
        }
        let Some(media) = self.state.find(provider, &decode(id)).await else {
            return (Some(provider), not_found());
        };
        let targets = RedirectTargets { other_host: String::new(), forbidden_host: String::new() };
        let response = content::serve(provider.style(), &media, &request.head, None, &targets);
        (Some(provider), response.into())
    }
}
