use wamedia_core::{Capabilities, Error, ErrorKind, Phase, Result, Secret};
use wamedia_provider::{Credential, HostRules, Http, Origin, TransportOptions};

use crate::{BY_ID, CAPABILITIES, ChakraHq, NAME, with_upload};

/// Where the API is, and the links that it gives. Source: <https://apidocs.chakrahq.com/api-20534427>
const API: &str = "https://api.chakrahq.com";
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

/// Builds a [`ChakraHq`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ChakraHqBuilder {
    token: Secret,
    plugin_id: Option<String>,
    api_version: String,
    base_url: Option<String>,
    content_origins: Vec<String>,
    transport: TransportOptions,
    style: FetchStyle,
    prefix: ShowPrefix,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Origin,
    pub(crate) version: String,
    pub(crate) plugin_id: Option<String>,
    pub(crate) token: Credential,
    pub(crate) api_hosts: HostRules,
    pub(crate) content_hosts: HostRules,
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
            base_url: None,
            content_origins: Vec::new(),
            transport: TransportOptions::default(),
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

    /// The origin of the API, where it is not the vendor's.
    pub fn base_url(mut self, origin: &str) -> Self {
        self.base_url = Some(origin.to_owned());
        self
    }

    /// A further origin that content may come from; it never gets the token.
    pub fn content_origin(mut self, origin: &str) -> Self {
        self.content_origins.push(origin.to_owned());
        self
    }

    /// Timeouts, and the seam for tests.
    pub fn transport(mut self, transport: TransportOptions) -> Self {
        self.transport = transport;
        self
    }

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

    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming every problem.
    pub fn build(self) -> Result<ChakraHq> {
        let mut problems = Vec::new();
        let token = self.token.expose().trim();
        let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
        if token.is_empty() {
            problems.push("the token is missing".to_owned());
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let version = self.api_version.strip_prefix('v').and_then(|version| version.split_once('.'));
        if !version.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
            problems.push("the version must be written as v22.0".to_owned());
        }
        let plain = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if self.plugin_id.as_deref().is_some_and(|id| !plain(id)) {
            problems.push("the plugin id must be letters, digits and dashes".to_owned());
        }
        let mut parse =
            |text: &str| Origin::parse(text).map_err(|error| problems.push(error.message().to_owned())).ok();
        let api = parse(self.base_url.as_deref().unwrap_or(API));
        let own: Vec<Origin> = self.content_origins.iter().filter_map(|origin| parse(origin)).collect();
        let (Some(api), true) = (api, problems.is_empty()) else {
            let message = format!("the configuration is not usable: {}", problems.join("; "));
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_provider(NAME)
                .with_phase(Phase::Prepare));
        };
        let mut configured = own.clone();
        configured.extend(self.base_url.is_some().then(|| api.clone()));
        let http = Http::new(self.transport, &configured, &[Secret::new(token)], None)?;
        let capabilities = if self.style == FetchStyle::Show { BY_ID } else { CAPABILITIES };
        let capabilities = if self.plugin_id.is_some() { with_upload(capabilities) } else { capabilities };
        let settings = Settings {
            capabilities,
            version: self.api_version,
            plugin_id: self.plugin_id,
            token: Credential::new(Secret::new(token), [api.clone()]),
            api_hosts: HostRules::new([api.clone()]),
            content_hosts: HostRules::new(own).with_origin(api.clone()),
            style: self.style,
            prefix: self.prefix,
            api,
        };
        Ok(ChakraHq { settings, http })
    }
}
