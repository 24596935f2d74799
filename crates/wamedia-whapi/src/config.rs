use wamedia_core::{Error, ErrorKind, Phase, Result, Secret};
use wamedia_provider::{Credential, HostRules, Http, Origin, TransportOptions};

use crate::{NAME, WhapiCloud};

/// Where the API is. Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>
const API: &str = "https://gate.whapi.cloud";
/// Where links of auto-download point; not documented, seen in payloads.
/// Source: <https://support.whapi.cloud/help-desk/account/setting-auto-download>
const STORE: &str = "https://s3.eu-central-1.wasabisys.com";
const OWN_DOMAIN: &str = "whapi.cloud";

/// Builds a [`WhapiCloud`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WhapiCloudBuilder {
    token: Secret,
    base_url: Option<String>,
    content_origins: Vec<String>,
    transport: TransportOptions,
    not_found_retries: u32,
    try_range: bool,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Origin,
    pub(crate) token: Credential,
    pub(crate) api_hosts: HostRules,
    pub(crate) link_hosts: HostRules,
    pub(crate) not_found_retries: u32,
    pub(crate) try_range: bool,
}

impl WhapiCloudBuilder {
    pub(crate) fn new(token: Secret) -> Self {
        Self {
            token,
            base_url: None,
            content_origins: Vec::new(),
            transport: TransportOptions::default(),
            not_found_retries: 2,
            try_range: false,
        }
    }

    /// The origin of the API, where it is not the vendor's.
    pub fn base_url(mut self, origin: &str) -> Self {
        self.base_url = Some(origin.to_owned());
        self
    }

    /// A further origin that public links may point to; it never gets the token.
    pub fn content_origin(mut self, origin: &str) -> Self {
        self.content_origins.push(origin.to_owned());
        self
    }

    /// Timeouts, and the seam for tests.
    pub fn transport(mut self, transport: TransportOptions) -> Self {
        self.transport = transport;
        self
    }

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

    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming every problem.
    pub fn build(self) -> Result<WhapiCloud> {
        let mut problems = Vec::new();
        let token = self.token.expose().trim();
        // Users paste the whole header value.
        let (scheme, rest) = token.split_once(char::is_whitespace).unwrap_or((token, ""));
        let token = if scheme.eq_ignore_ascii_case("bearer") { rest.trim() } else { token };
        if token.is_empty() {
            problems.push("the token is missing".to_owned());
        } else if !token.bytes().all(|b| b.is_ascii_graphic()) {
            problems.push("the token has characters that no header can carry".to_owned());
        }
        let mut parse = |setting: &str, text: &str| {
            let problem = |error: Error| problems.push(format!("{setting} is {}", error.message()));
            Origin::parse(text).map_err(problem).ok()
        };
        let api = parse("base_url", self.base_url.as_deref().unwrap_or(API));
        let own: Vec<Origin> =
            self.content_origins.iter().filter_map(|origin| parse("content_origin", origin)).collect();
        let store = parse("the store's host", STORE);
        let (Some(api), Some(store), true) = (api, store, problems.is_empty()) else {
            let message = format!("the configuration is not usable: {}", problems.join("; "));
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_provider(NAME)
                .with_phase(Phase::Prepare));
        };
        let mut configured = own.clone();
        configured.extend(self.base_url.is_some().then(|| api.clone()));
        let http = Http::new(self.transport, &configured, &[Secret::new(token)], None)?;
        let settings = Settings {
            token: Credential::new(Secret::new(token), [api.clone()]),
            api_hosts: HostRules::new([api.clone()]),
            link_hosts: HostRules::new(own).with_origin(store).with_hosts_below(OWN_DOMAIN),
            not_found_retries: self.not_found_retries,
            try_range: self.try_range,
            api,
        };
        Ok(WhapiCloud { settings, http })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let settings = WhapiCloud::builder("TEST-canary")
            .base_url("http://127.0.0.1:4010")
            .content_origin("https://store.test")
            .build()
            .unwrap()
            .settings;
        let allowed = |link: &str| settings.link_hosts.check(&link.parse().unwrap()).is_ok();
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
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
