use wamedia_core::{Capabilities, Error, ErrorKind, Phase, Result, Secret};
use wamedia_provider::{Credential, HostRules, Http, Origin, TransportOptions};

use crate::{CAPABILITIES, MetaCloud, NAME, with_upload};

/// Where the API is. Source: <https://developers.facebook.com/docs/graph-api/overview>
const API: &str = "https://graph.facebook.com";
/// Where content is, in every capture and in Meta's examples; whether there are other hosts is not
/// stated, so the list can be extended.
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media>
const CONTENT: &str = "https://lookaside.fbsbx.com";
/// The version that the documents used when this was written.
const VERSION: &str = "v25.0";

/// Builds a [`MetaCloud`].
#[derive(Clone, Debug)]
#[must_use]
pub struct MetaCloudBuilder {
    token: Secret,
    phone_number_id: Option<String>,
    api_version: String,
    base_url: Option<String>,
    content_origins: Vec<String>,
    transport: TransportOptions,
    try_range: bool,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Origin,
    pub(crate) version: String,
    pub(crate) phone_number_id: Option<String>,
    pub(crate) token: Credential,
    pub(crate) api_hosts: HostRules,
    pub(crate) content_hosts: HostRules,
    pub(crate) capabilities: Capabilities,
}

impl MetaCloudBuilder {
    pub(crate) fn new(token: Secret) -> Self {
        Self {
            token,
            phone_number_id: None,
            api_version: VERSION.to_owned(),
            base_url: None,
            content_origins: Vec::new(),
            transport: TransportOptions::default(),
            try_range: false,
        }
    }

    /// The id of the business phone number. Uploads need it; reading sends it along, so that media
    /// of another number is an error.
    pub fn phone_number_id(mut self, id: &str) -> Self {
        self.phone_number_id = Some(id.trim().to_owned());
        self
    }

    /// The version of the Graph API, such as `v25.0`.
    pub fn api_version(mut self, version: &str) -> Self {
        version.trim().clone_into(&mut self.api_version);
        self
    }

    /// The origin of the API, where it is not Meta's.
    pub fn base_url(mut self, origin: &str) -> Self {
        self.base_url = Some(origin.to_owned());
        self
    }

    /// A further origin that content may come from. It gets the token, as Meta's own content host does.
    pub fn content_origin(mut self, origin: &str) -> Self {
        self.content_origins.push(origin.to_owned());
        self
    }

    /// Timeouts, and the seam for tests.
    pub fn transport(mut self, transport: TransportOptions) -> Self {
        self.transport = transport;
        self
    }

    /// Asks for the rest after a break. Meta does not document ranges, so this is off by default.
    pub fn try_range(mut self, try_range: bool) -> Self {
        self.try_range = try_range;
        self
    }

    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming every problem.
    pub fn build(self) -> Result<MetaCloud> {
        let mut problems = Vec::new();
        let token = self.token.expose().trim();
        let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
        if token.is_empty() {
            problems.push("the token is missing".to_owned());
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if self.phone_number_id.as_deref().is_some_and(|id| !digits(id)) {
            problems.push("the phone number id must be digits".to_owned());
        }
        let version = self.api_version.strip_prefix('v').and_then(|version| version.split_once('.'));
        if !version.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
            problems.push("the version must be written as v25.0".to_owned());
        }
        let mut parse =
            |text: &str| Origin::parse(text).map_err(|error| problems.push(error.message().to_owned())).ok();
        let api = parse(self.base_url.as_deref().unwrap_or(API));
        let own: Vec<Origin> = self.content_origins.iter().filter_map(|origin| parse(origin)).collect();
        let standard = parse(CONTENT);
        let (Some(api), Some(standard), true) = (api, standard, problems.is_empty()) else {
            let message = format!("the configuration is not usable: {}", problems.join("; "));
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_provider(NAME)
                .with_phase(Phase::Prepare));
        };
        let mut configured = own.clone();
        configured.extend(self.base_url.is_some().then(|| api.clone()));
        let http = Http::new(self.transport, &configured, &[Secret::new(token)], None)?;
        let content: Vec<Origin> = own.into_iter().chain([standard]).collect();
        let bound = content.iter().cloned().chain([api.clone()]);
        let capabilities =
            if self.phone_number_id.is_some() { with_upload(CAPABILITIES) } else { CAPABILITIES };
        let capabilities = if self.try_range { capabilities.with_open_range() } else { capabilities };
        let settings = Settings {
            capabilities,
            version: self.api_version,
            phone_number_id: self.phone_number_id,
            token: Credential::new(Secret::new(token), bound),
            api_hosts: HostRules::new([api.clone()]),
            content_hosts: HostRules::new(content),
            api,
        };
        Ok(MetaCloud { settings, http })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_in_one_error() {
        let error =
            MetaCloud::builder(" ").phone_number_id("+1").api_version("25").base_url("http://a.test").build();
        let message = error.unwrap_err().message().to_owned();
        for part in ["token", "phone number id", "v25.0", "https"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
