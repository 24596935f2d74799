use wamedia_core::{Capabilities, Result, Secret};
use wamedia_provider::{Api, Credential, HostRules, NetworkSettings, Problems, cloud_api::is_version};

use crate::{BASE_URL, BY_ID, CAPABILITIES, NAME, with_upload};

/// The version in the vendor's own links.
const VERSION: &str = "v22.0";

/// How media is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchStyle {
    /// A descriptor with size and digest first, then the link in it.
    #[default]
    Descriptor,
    /// The bytes by id in one call; only the webhook can say what they must be.
    Show,
    /// A descriptor first, then the bytes by the `mid` of its link, on the path of newer documents:
    /// `/v2/whatsapp/{version}/media/whatsapp_business/attachments?mid=`.
    ///
    /// GUESS: one integration quotes this path; the page was not readable. <https://github.com/Lukkaplace186/lukka-place>
    Attachment,
}

/// The first segment of the path of [`FetchStyle::Show`]: newer documents say `v2`, older code runs on `v1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShowPrefix {
    /// `/v1/whatsapp/…`
    V1,
    /// `/v2/whatsapp/…`
    #[default]
    V2,
}

/// Builds a [`ChakraHq`](crate::ChakraHq).
#[derive(Clone, Debug)]
#[must_use]
pub struct ChakraHqBuilder {
    token: Secret,
    plugin_id: Option<String>,
    api_version: String,
    network: NetworkSettings,
    style: FetchStyle,
    prefix: ShowPrefix,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) version: String,
    pub(crate) plugin_id: Option<String>,
    pub(crate) token: Credential,
    pub(crate) style: FetchStyle,
    pub(crate) prefix: ShowPrefix,
    pub(crate) capabilities: Capabilities,
}

impl ChakraHqBuilder {
    pub(crate) fn new(token: Secret) -> Self {
        Self {
            token,
            plugin_id: None,
            api_version: VERSION.to_owned(),
            network: NetworkSettings::default(),
            style: FetchStyle::default(),
            prefix: ShowPrefix::default(),
        }
    }

    /// The id of the WhatsApp plugin; uploads need it.
    pub fn plugin_id(mut self, id: &str) -> Self {
        self.plugin_id = Some(id.trim().to_owned());
        self
    }

    /// The version of Meta's API in paths, such as `v22.0`.
    pub fn api_version(mut self, version: &str) -> Self {
        version.trim().clone_into(&mut self.api_version);
        self
    }

    wamedia_provider::network_setters!(
        "A further origin that content may come from; it never gets the token."
    );

    /// How media is read.
    pub fn fetch_style(mut self, style: FetchStyle) -> Self {
        self.style = style;
        self
    }

    /// The first segment of the path of [`FetchStyle::Show`].
    pub fn show_prefix(mut self, prefix: ShowPrefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// Everything that requests are made from, or every problem in one error.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut problems = Problems::new(NAME);
        let token = problems.bearer_token(&self.token);
        problems.check(is_version(&self.api_version), "the version must be written as v22.0");
        let is_plain =
            |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let plugin = self.plugin_id.as_deref();
        problems.check(plugin.is_none_or(is_plain), "the plugin id must be letters, digits and dashes");
        let hosts = self.network.hosts(BASE_URL, &mut problems);
        let hosts = problems.finish(hosts)?;
        let content = HostRules::new(hosts.content.iter().cloned()).with_origin(hosts.api.clone());
        let capabilities = if self.style == FetchStyle::Show { BY_ID } else { CAPABILITIES };
        let credential = Credential::new(token.clone(), [hosts.api.clone()]);
        let api = Api::new(NAME, &hosts, content, &[token], self.network.transport)?;
        Ok(Settings {
            api,
            capabilities: if plugin.is_some() { with_upload(capabilities) } else { capabilities },
            version: self.api_version,
            token: credential,
            plugin_id: self.plugin_id,
            style: self.style,
            prefix: self.prefix,
        })
    }
}
