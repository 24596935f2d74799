//! From a request on one of the listeners to the script that answers it.

use std::sync::Arc;

use crate::content::{self, Elsewhere};
use crate::http1::Response;
use crate::http1::{Answer, Request, Service, Step, decode};
use crate::record::{self, RequestLog};
use crate::state::{Provider, Reply, World};
use crate::{chakra, control, meta, nxcloud, whapi};

/// Which listener it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Api,
    Content,
    /// Another host that has every object.
    Foreign,
    /// A host that must not be contacted.
    Trap,
}

/// One listener.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) world: Arc<World>,
    pub(crate) provider: Provider,
    pub(crate) door: Door,
}

impl Service for Front {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}

impl Front {
    async fn answer(&self, request: Request) -> Vec<Step> {
        let world = &self.world;
        if self.door == Door::Api && request.head.method == "GET" && request.head.path() == "/" {
            return control::page(world).into_steps();
        }
        if !world.latency.is_zero() {
            tokio::time::sleep(world.latency).await;
        }
        let mut provider = self.provider;
        let reply = match (self.door, provider) {
            (Door::Api, Provider::Meta) => meta::api(world, &request).await,
            (Door::Api, Provider::Chakra) => chakra::api(world, &request).await,
            (Door::Api, Provider::Whapi) => whapi::api(world, &request).await,
            (Door::Api, Provider::Nxcloud) => nxcloud::api(world, &request).await,
            (Door::Content, Provider::Meta) => meta::content(world, &request).await,
            (Door::Content, Provider::Chakra) => chakra::content(world, &request).await,
            (Door::Content, Provider::Whapi) => whapi::content(world, &request).await,
            (Door::Content, Provider::Nxcloud) => nxcloud::content(world, &request).await,
            (Door::Foreign | Door::Trap, _) => {
                let (of, reply) = self.foreign(&request).await;
                provider = of.unwrap_or(provider);
                reply
            }
        };
        let head = &request.head;
        let log = RequestLog {
            provider: provider.name(),
            origin: match self.door {
                Door::Api => "api",
                Door::Content => "content",
                Door::Foreign => "foreign",
                Door::Trap => "trap",
            },
            method: head.method.clone(),
            path: head.path().to_owned(),
            status: reply.response.sent_status(),
            fault: reply.fault.map(|fault| fault.name),
            credentials: record::credentials(head),
        };
        let may = self.door == Door::Api || (self.door == Door::Content && provider == Provider::Meta);
        world.record(log, may);
        let response = if head.method == "HEAD" { reply.response.without_body() } else { reply.response };
        response.into_steps()
    }

    /// `/{provider}/{id}`: the object, to anybody.
    async fn foreign(&self, request: &Request) -> (Option<Provider>, Reply) {
        let not_found = || Reply::from(Response::with_body(404, "text/plain", "not found"));
        let path = request.head.path().trim_start_matches('/');
        let Some((name, id)) = path.split_once('/') else { return (None, not_found()) };
        let Some(provider) = Provider::named(name) else { return (None, not_found()) };
        if self.door == Door::Trap {
            return (Some(provider), not_found());
        }
        let Some(media) = self.world.find(provider, &decode(id)).await else {
            return (Some(provider), not_found());
        };
        let elsewhere = Elsewhere { other_host: String::new(), trap: String::new() };
        let response = content::serve(provider.voice(), &media, &request.head, None, &elsewhere);
        (Some(provider), response.into())
    }
}
