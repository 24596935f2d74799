use std::time::SystemTime;

use wamedia_core::{Result, Secret};
use wamedia_provider::{Api, Credential, HostRules, NetworkSettings, Problems};

use crate::{BASE_URL, NAME};

/// Where links of auto-download point; not documented, seen in payloads.
/// Source: <https://support.whapi.cloud/help-desk/account/setting-auto-download>
const STORE: &str = "https://s3.eu-central-1.wasabisys.com";
const OWN_DOMAIN: &str = "whapi.cloud";

/// How the bytes of an upload are sent.
///
/// Source: <https://github.com/Whapi-Cloud/whatsapp-api-docs>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadForm {
    /// A form with a part `media`, whose file name decides the type. Seen in production, not in the specification.
    #[default]
    Multipart,
    /// The bytes alone under their content type, which is then all that the vendor is told.
    Raw,
    /// JSON with a data URL, a third longer than the bytes.
    Json {
        /// Leaves the file as it is; otherwise the vendor encodes it anew for WhatsApp, and size and digest change.
        no_encode: bool,
    },
}

/// Which of the media that the vendor keeps are listed, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListFilter {
    /// Stored at this second or later.
    pub from: Option<SystemTime>,
    /// Stored at this second or earlier.
    pub until: Option<SystemTime>,
    /// The newest or the oldest first; in the vendor's order without it.
    pub newest_first: Option<bool>,
}

impl ListFilter {
    /// Leaves out what was stored before.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Option<SystemTime>>) -> Self {
        self.from = from.into();
        self
    }

    /// Leaves out what was stored after.
    #[must_use]
    pub fn with_until(mut self, until: impl Into<Option<SystemTime>>) -> Self {
        self.until = until.into();
        self
    }

    /// Sets the order.
    #[must_use]
    pub fn with_newest_first(mut self, newest_first: impl Into<Option<bool>>) -> Self {
        self.newest_first = newest_first.into();
        self
    }
}

/// Builds a [`WhapiCloud`](crate::WhapiCloud).
#[derive(Clone, Debug)]
#[must_use]
pub struct WhapiCloudBuilder {
    token: Secret,
    network: NetworkSettings,
    not_found_retries: u32,
    try_range: bool,
    upload_form: UploadForm,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) token: Credential,
    pub(crate) not_found_retries: u32,
    pub(crate) try_range: bool,
    pub(crate) upload_form: UploadForm,
}

impl WhapiCloudBuilder {
    pub(crate) fn new(token: Secret) -> Self {
        Self {
            token,
            network: NetworkSettings::default(),
            not_found_retries: 2,
            try_range: false,
            upload_form: UploadForm::default(),
        }
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

    /// How the bytes of an upload are sent.
    pub fn upload_form(mut self, form: UploadForm) -> Self {
        self.upload_form = form;
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
            upload_form: self.upload_form,
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
