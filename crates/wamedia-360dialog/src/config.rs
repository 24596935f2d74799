use wamedia_core::{Result, Secret};
use wamedia_provider::{Api, Credential, HostRules, NetworkSettings, Problems};

use crate::{BASE_URL, FAILURE_BUDGET, NAME};

/// Builds a [`Dialog360`](crate::Dialog360).
#[derive(Clone, Debug)]
#[must_use]
pub struct Dialog360Builder {
    key: Secret,
    network: NetworkSettings,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) key: Credential,
}

impl Dialog360Builder {
    pub(crate) fn new(key: Secret) -> Self {
        Self { key, network: NetworkSettings::default() }
    }

    wamedia_provider::network_setters!("A further origin that content may come from; it never gets the key.");

    /// Everything that requests are made from, or every problem in one error.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut problems = Problems::new(NAME);
        let key = problems.secret("the API key", "api_key", &self.key);
        let hosts = self.network.hosts(BASE_URL, &mut problems);
        let hosts = problems.finish(hosts)?;
        let content = HostRules::new(hosts.content.iter().cloned()).with_origin(hosts.api.clone());
        let secrets = [key.clone()];
        let transport = self.network.transport;
        let api = Api::with_failure_budget(NAME, &hosts, content, &secrets, transport, Some(FAILURE_BUDGET))?;
        Ok(Settings { api, key: Credential::new(key, [hosts.api.clone()]) })
    }
}
