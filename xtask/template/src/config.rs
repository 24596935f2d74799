use wamedia_core::{Result, Secret};
use wamedia_provider::{Api, Credential, HostRules, NetworkSettings, Problems};

use crate::NAME;

/// Where the API is. GUESS: replace it by the documented address, with a link to its source.
const API: &str = "https://api.template.example";

/// Builds a [`Template`](crate::Template).
#[derive(Clone, Debug)]
#[must_use]
pub struct TemplateBuilder {
    token: Secret,
    network: NetworkSettings,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "no operation sends a request yet")]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) token: Credential,
}

impl TemplateBuilder {
    pub(crate) fn new(token: Secret) -> Self {
        Self { token, network: NetworkSettings::default() }
    }

    wamedia_provider::network_setters!(
        "A further origin that content may come from; it never gets the token."
    );

    /// Everything that requests are made from, or every problem in one error.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut problems = Problems::new(NAME);
        let token = problems.secret("the token", "token", &self.token);
        let hosts = self.network.hosts(API, &mut problems);
        let hosts = problems.finish(hosts)?;
        let content = HostRules::new(hosts.content.iter().cloned()).with_origin(hosts.api.clone());
        let api = Api::new(NAME, &hosts, content, std::slice::from_ref(&token), self.network.transport)?;
        Ok(Settings { api, token: Credential::new(token, [hosts.api.clone()]) })
    }
}
