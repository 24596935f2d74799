use wamedia_core::{Capabilities, Result, Secret};
use wamedia_provider::{
    Api, Credential, HostRules, NetworkSettings, Origin, Problems, cloud_api::is_version, is_digits,
};

use crate::{BASE_URL, CAPABILITIES, NAME, with_upload};

/// Where content is, in every capture and in Meta's examples; whether there are other hosts is not
/// stated, so the list can be extended.
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media>
const CONTENT: &str = "https://lookaside.fbsbx.com";
/// The version that the documents used when this was written.
const VERSION: &str = "v25.0";

/// Builds a [`MetaCloud`](crate::MetaCloud).
#[derive(Clone, Debug)]
#[must_use]
pub struct MetaCloudBuilder {
    token: Secret,
    phone_number_id: Option<String>,
    api_version: String,
    network: NetworkSettings,
    try_range: bool,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) version: String,
    pub(crate) phone_number_id: Option<String>,
    pub(crate) token: Credential,
    pub(crate) capabilities: Capabilities,
}

impl MetaCloudBuilder {
    pub(crate) fn new(token: Secret) -> Self {
        Self {
            token,
            phone_number_id: None,
            api_version: VERSION.to_owned(),
            network: NetworkSettings::default(),
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

    wamedia_provider::network_setters!(
        "A further origin that content may come from. It gets the token, as Meta's own content host does."
    );

    /// Asks for the rest after a break. Meta does not document ranges, so this is off by default.
    pub fn try_range(mut self, try_range: bool) -> Self {
        self.try_range = try_range;
        self
    }

    /// Everything that requests are made from, or every problem in one error.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut problems = Problems::new(NAME);
        let token = problems.bearer_token(&self.token);
        let number = self.phone_number_id.as_deref();
        problems.check(number.is_none_or(is_digits), "the phone number id must be digits");
        problems.check(is_version(&self.api_version), "the version must be written as v25.0");
        let standard = problems.origin("the content host", CONTENT);
        let hosts = self.network.hosts(BASE_URL, &mut problems);
        let (hosts, standard) = problems.finish(hosts.zip(standard))?;
        let content: Vec<Origin> = hosts.content.iter().cloned().chain([standard]).collect();
        let bound = content.iter().cloned().chain([hosts.api.clone()]);
        let capabilities = if number.is_some() { with_upload(CAPABILITIES) } else { CAPABILITIES };
        let credential = Credential::new(token.clone(), bound);
        let api = Api::new(NAME, &hosts, HostRules::new(content), &[token], self.network.transport)?;
        Ok(Settings {
            api,
            capabilities: if self.try_range { capabilities.with_open_range() } else { capabilities },
            version: self.api_version,
            token: credential,
            phone_number_id: self.phone_number_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::MetaCloud;

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
