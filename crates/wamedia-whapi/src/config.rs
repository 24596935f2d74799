use wamedia_core::{Result, Secret};
use wamedia_provider::{Api, Credential, HostRules, NetworkSettings, Problems};

use crate::{BASE_URL, NAME};

/// Where links of auto-download point; not documented, seen in payloads.
/// Source: <https://support.whapi.cloud/help-desk/account/setting-auto-download>
const STORE: &str = "https://s3.eu-central-1.wasabisys.com";
const OWN_DOMAIN: &str = "whapi.cloud";

/// Builds a [`WhapiCloud`](crate::WhapiCloud).
#[derive(Clone, Debug)]
#[must_use]
pub struct WhapiCloudBuilder {
    token: Secret,
    network: NetworkSettings,
    not_found_retries: u32,
    try_range: bool,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) token: Credential,
    pub(crate) not_found_retries: u32,
    pub(crate) try_range: bool,
}

impl WhapiCloudBuilder {
    pub(crate) fn new(token: Secret) -> Self {
        Self { token, network: NetworkSettings::default(), not_found_retries: 2, try_range: false }
    }

    wamedia_provider::network_setters!(
        "A further origin that public links may point to; it never gets the token."
    );

    /// How often fresh media that is not stored yet is asked for again.
    pub fn not_found_retries(mut self, retries: u32) -> Self {
        self.not_found_retries = retries;
        self
    }

    /// Asks for the rest after a break. Ranges are not documented, so this is off by default.
    pub fn try_range(mut self, try_range: bool) -> Self {
        self.try_range = try_range;
        self
    }

    /// Everything that requests are made from, or every problem in one error.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut problems = Problems::new(NAME);
        let token = problems.bearer_token(&self.token);
        let store = problems.origin("the store's host", STORE);
        let hosts = self.network.hosts(BASE_URL, &mut problems);
        let (hosts, store) = problems.finish(hosts.zip(store))?;
        let links = HostRules::new(hosts.content.iter().cloned());
        let links = links.with_origin(store).with_hosts_below(OWN_DOMAIN);
        let credential = Credential::new(token.clone(), [hosts.api.clone()]);
        let api = Api::new(NAME, &hosts, links, &[token], self.network.transport)?;
        Ok(Settings {
            api,
            token: credential,
            not_found_retries: self.not_found_retries,
            try_range: self.try_range,
        })
    }
}

#[cfg(test)]
mod tests {
    use wamedia_core::ErrorKind;

    use crate::WhapiCloud;

    #[test]
    fn every_problem_is_named_at_once() {
        let error = WhapiCloud::builder(" Bearer ")
            .base_url("http://gate.example.test")
            .content_origin("https://store.test/in-files")
            .build()
            .unwrap_err();
        assert_eq!((error.kind(), error.provider()), (ErrorKind::InvalidRequest, Some("whapi")));
        for word in ["token", "base_url", "content_origin"] {
            assert!(error.message().contains(word), "{word}: {}", error.message());
        }
        assert!(WhapiCloud::builder("a\r\nb").build().is_err());
    }

    #[test]
    fn the_stores_stay_when_the_base_url_changes() {
        let whapi = WhapiCloud::builder("TEST-canary")
            .base_url("http://127.0.0.1:4010")
            .content_origin("https://store.test")
            .build()
            .unwrap();
        let allowed = |link: &str| whapi.settings.api.content_hosts().check(&link.parse().unwrap()).is_ok();
        for link in [
            "https://s3.eu-central-1.wasabisys.com/in-files/1",
            "https://files.whapi.cloud/1",
            "https://store.test/1",
        ] {
            assert!(allowed(link), "{link}");
        }
        for link in
            ["https://s3.us-east-1.wasabisys.com/1", "https://evilwhapi.cloud/1", "http://store.test/1"]
        {
            assert!(!allowed(link), "{link}");
        }
        assert!(!format!("{whapi:?}").contains("canary"));
    }
}
