use http::{HeaderName, HeaderValue};
use wamedia_core::{Error, ErrorKind, Phase, Result, Secret};
use wamedia_provider::{Credential, HostRules, Http, Origin, TransportOptions};

use crate::{NAME, NxCloud};

/// Where the API is.
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention>
const API: &str = "https://api2.nxcloud.com";
/// Content is in a bucket of Alibaba's object store; the bucket may change, so the domain is the rule.
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia>
const CONTENT_DOMAIN: &str = "aliyuncs.com";

/// Builds an [`NxCloud`].
#[derive(Clone, Debug)]
#[must_use]
pub struct NxCloudBuilder {
    access_key: Secret,
    access_secret: Secret,
    business_phone: Option<String>,
    base_url: Option<String>,
    content_origins: Vec<String>,
    transport: TransportOptions,
    sha256: bool,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Origin,
    pub(crate) key: Credential,
    pub(crate) secret: Credential,
    pub(crate) access_key: Secret,
    pub(crate) access_secret: Secret,
    pub(crate) business_phone: String,
    pub(crate) sha256: bool,
    pub(crate) api_hosts: HostRules,
    pub(crate) content_hosts: HostRules,
}

impl NxCloudBuilder {
    pub(crate) fn new(access_key: Secret, access_secret: Secret) -> Self {
        Self {
            access_key,
            access_secret,
            business_phone: None,
            base_url: None,
            content_origins: Vec::new(),
            transport: TransportOptions::default(),
            sha256: false,
        }
    }

    /// The business number with its country code, digits alone.
    pub fn business_phone(mut self, phone: &str) -> Self {
        self.business_phone = Some(phone.trim().trim_start_matches('+').to_owned());
        self
    }

    /// The origin of the API, where it is not the vendor's.
    pub fn base_url(mut self, origin: &str) -> Self {
        self.base_url = Some(origin.to_owned());
        self
    }

    /// A further origin that content may come from; it never gets a credential.
    pub fn content_origin(mut self, origin: &str) -> Self {
        self.content_origins.push(origin.to_owned());
        self
    }

    /// Timeouts, and the seam for tests.
    pub fn transport(mut self, transport: TransportOptions) -> Self {
        self.transport = transport;
        self
    }

    /// Signs by SHA-256 in place of MD5; newer accounts accept it, and it is the better choice there.
    ///
    /// Source: <https://help.nxcloud.com/docs/yan-qian-can-shu-yi-ji-yan-qian-de-gong-ju>
    pub fn sign_with_sha256(mut self, sha256: bool) -> Self {
        self.sha256 = sha256;
        self
    }

    /// Checks everything at once. Without an access secret every call to the API is refused before it is
    /// sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming every problem.
    pub fn build(self) -> Result<NxCloud> {
        let mut problems = Vec::new();
        if self.access_key.is_blank() {
            problems.push("the access key is missing".to_owned());
        } else if !self.access_key.expose().trim().bytes().all(|b| b.is_ascii_graphic()) {
            problems.push("the access key has characters that no header can carry".to_owned());
        }
        let phone = self.business_phone.unwrap_or_default();
        if phone.is_empty() || !phone.bytes().all(|b| b.is_ascii_digit()) {
            problems.push("the business phone must be digits with the country code".to_owned());
        }
        let mut parse = |setting: &str, text: &str| {
            let problem = |error: Error| problems.push(format!("{setting} is {}", error.message()));
            Origin::parse(text).map_err(problem).ok()
        };
        let api = parse("base_url", self.base_url.as_deref().unwrap_or(API));
        let content: Vec<Origin> =
            self.content_origins.iter().filter_map(|origin| parse("content_origin", origin)).collect();
        let (Some(api), true) = (api, problems.is_empty()) else {
            let message = format!("the configuration is not usable: {}", problems.join("; "));
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_provider(NAME)
                .with_phase(Phase::Prepare));
        };
        let mut configured = content.clone();
        configured.extend(self.base_url.is_some().then(|| api.clone()));
        let secrets =
            [&self.access_key, &self.access_secret].map(|secret| Secret::new(secret.expose().trim()));
        let http = Http::new(self.transport, &configured, &secrets, None)?;
        let trimmed = |secret: &Secret| Secret::new(secret.expose().trim());
        let settings = Settings {
            key: Credential::new(trimmed(&self.access_key), [api.clone()]),
            secret: Credential::new(trimmed(&self.access_secret), [api.clone()]),
            access_key: trimmed(&self.access_key),
            access_secret: trimmed(&self.access_secret),
            business_phone: phone,
            sha256: self.sha256,
            api_hosts: HostRules::new([api.clone()]),
            content_hosts: HostRules::new(content).with_hosts_below(CONTENT_DOMAIN),
            api,
        };
        Ok(NxCloud { settings, http })
    }
}

pub(crate) const JSON: (HeaderName, HeaderValue) =
    (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let error = NxCloud::builder(" ", "TEST-canary")
            .business_phone("86158xxxx1795")
            .base_url("api2.nxcloud.com")
            .content_origin("https://user@store.test")
            .build()
            .unwrap_err();
        assert_eq!((error.kind(), error.provider()), (ErrorKind::InvalidRequest, Some("nxcloud")));
        for word in ["access key", "business phone", "base_url", "content_origin"] {
            assert!(error.message().contains(word), "{word}: {}", error.message());
        }
        assert!(NxCloud::builder("a\r\nb", "s").business_phone("1").build().is_err());
        assert!(NxCloud::builder("a", "s").build().is_err());
    }

    #[test]
    fn content_hosts_stay_when_the_base_url_changes() {
        let settings = NxCloud::builder(" key ", " TEST-canary ")
            .business_phone(" +8615800001795")
            .base_url("http://127.0.0.1:4010")
            .content_origin("https://store.test")
            .build()
            .unwrap()
            .settings;
        assert_eq!(settings.business_phone, "8615800001795");
        let allowed = |link: &str| settings.content_hosts.check(&link.parse().unwrap()).is_ok();
        assert!(allowed("https://goss.oss-cn-hongkong.aliyuncs.com/x") && allowed("https://store.test/x"));
        for link in ["https://aliyuncs.com/x", "https://aliyuncs.com.evil.test/x", "http://127.0.0.1:4010/x"]
        {
            assert!(!allowed(link), "{link}");
        }
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
