use wamedia_core::{Result, Secret};
use wamedia_provider::{Api, Credential, HostRules, NetworkSettings, Problems, is_digits};

use crate::{BASE_URL, NAME};

/// Content is in a bucket of Alibaba's object store; the bucket may change, so the domain is the rule.
/// Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/WhatsApp-API-getMedia>
const CONTENT_DOMAIN: &str = "aliyuncs.com";

/// Builds an [`NxCloud`](crate::NxCloud).
#[derive(Clone, Debug)]
#[must_use]
pub struct NxCloudBuilder {
    access_key: Secret,
    access_secret: Secret,
    business_phone: Option<String>,
    network: NetworkSettings,
    sha256: bool,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) key: Credential,
    pub(crate) secret: Credential,
    pub(crate) access_key: Secret,
    pub(crate) business_phone: String,
    pub(crate) sha256: bool,
}

impl NxCloudBuilder {
    pub(crate) fn new(access_key: Secret, access_secret: Secret) -> Self {
        Self {
            access_key,
            access_secret,
            business_phone: None,
            network: NetworkSettings::default(),
            sha256: false,
        }
    }

    /// The business number with its country code, digits alone.
    pub fn business_phone(mut self, phone: &str) -> Self {
        self.business_phone = Some(phone.trim().trim_start_matches('+').to_owned());
        self
    }

    wamedia_provider::network_setters!(
        "A further origin that content may come from; it never gets a credential."
    );

    /// Signs by SHA-256 in place of MD5; newer accounts accept it, and it is the better choice there.
    ///
    /// Source: <https://help.nxcloud.com/docs/yan-qian-can-shu-yi-ji-yan-qian-de-gong-ju>
    pub fn sign_with_sha256(mut self, sha256: bool) -> Self {
        self.sha256 = sha256;
        self
    }

    /// Everything that requests are made from, or every problem in one error.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut problems = Problems::new(NAME);
        let access_key = problems.secret("the access key", "access_key", &self.access_key);
        let access_secret = Secret::new(self.access_secret.expose().trim());
        problems.required("the access secret", "access_secret", access_secret.expose());
        let phone = self.business_phone.unwrap_or_default();
        problems.required("the business phone", "business_phone", &phone);
        problems.check(
            phone.is_empty() || is_digits(&phone),
            "the business phone must be digits with the country code",
        );
        let hosts = self.network.hosts(BASE_URL, &mut problems);
        let hosts = problems.finish(hosts)?;
        let content = HostRules::new(hosts.content.iter().cloned()).with_hosts_below(CONTENT_DOMAIN);
        let secrets = [access_key.clone(), access_secret.clone()];
        let api = Api::new(NAME, &hosts, content, &secrets, self.network.transport)?;
        Ok(Settings {
            api,
            key: Credential::new(access_key.clone(), [hosts.api.clone()]),
            secret: Credential::new(access_secret, [hosts.api.clone()]),
            access_key,
            business_phone: phone,
            sha256: self.sha256,
        })
    }
}

#[cfg(test)]
mod tests {
    use wamedia_core::ErrorKind;

    use crate::NxCloud;

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
        let nxcloud = NxCloud::builder(" key ", " TEST-canary ")
            .business_phone(" +8615800001795")
            .base_url("http://127.0.0.1:4010")
            .content_origin("https://store.test")
            .build()
            .unwrap();
        assert_eq!(nxcloud.settings.business_phone, "8615800001795");
        let allowed = |link: &str| nxcloud.settings.api.content_hosts().check(&link.parse().unwrap()).is_ok();
        assert!(allowed("https://goss.oss-cn-hongkong.aliyuncs.com/x") && allowed("https://store.test/x"));
        for link in ["https://aliyuncs.com/x", "https://aliyuncs.com.evil.test/x", "http://127.0.0.1:4010/x"]
        {
            assert!(!allowed(link), "{link}");
        }
        assert!(!format!("{nxcloud:?}").contains("canary"));
    }
}
