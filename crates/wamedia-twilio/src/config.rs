use wamedia_core::{Result, Secret};
use wamedia_provider::{Api, Credential, HostRules, NetworkSettings, Problems};

use crate::sids::{ACCOUNT, API_KEY, is_sid};
use crate::{BASE_URL, NAME};

/// Where media from before authentication is, and stays public.
/// Source: <https://support.twilio.com/hc/en-us/articles/223183748>
const OLD_STORE: &str = "https://s3-external-1.amazonaws.com";
/// Where the API sends a client for the bytes: `mms.twiliocdn.com`.
/// Source: <https://support.twilio.com/hc/en-us/articles/223183748>
const CONTENT_DOMAIN: &str = "twiliocdn.com";

/// Builds a [`TwilioMedia`](crate::TwilioMedia).
#[derive(Clone, Debug)]
#[must_use]
pub struct TwilioMediaBuilder {
    account_sid: String,
    user: Option<String>,
    password: Secret,
    network: NetworkSettings,
}

/// Everything that requests are made from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) account_sid: String,
    /// The user of basic authentication: the account or an API key.
    pub(crate) user: String,
    pub(crate) password: Credential,
}

impl TwilioMediaBuilder {
    pub(crate) fn new(account_sid: &str, auth_token: Secret) -> Self {
        Self {
            account_sid: account_sid.trim().to_owned(),
            user: None,
            password: auth_token,
            network: NetworkSettings::default(),
        }
    }

    wamedia_provider::network_setters!(
        "A further origin that content may come from; it never gets the credential."
    );

    /// Uses an API key (`SK…`) and its secret in place of the auth token, as Twilio advises.
    ///
    /// Source: <https://www.twilio.com/docs/iam/api-keys>
    pub fn api_key(mut self, sid: &str, secret: impl Into<Secret>) -> Self {
        self.user = Some(sid.trim().to_owned());
        self.password = secret.into();
        self
    }

    /// Everything that requests are made from, or every problem in one error.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut problems = Problems::new(NAME);
        problems.required("the account", "account_sid", &self.account_sid);
        let has_account = !self.account_sid.is_empty();
        problems.check(
            !has_account || is_sid(&self.account_sid, ACCOUNT),
            "the account must be AC and 32 hex digits",
        );
        let user = self.user.as_deref();
        problems
            .check(user.is_none_or(|user| is_sid(user, API_KEY)), "the API key must be SK and 32 hex digits");
        let (what, key) = match user {
            Some(_) => ("the secret of the API key", "api_key_secret"),
            None => ("the auth token", "auth_token"),
        };
        let password = problems.secret(what, key, &self.password);
        let old = problems.origin("the old store", OLD_STORE);
        let hosts = self.network.hosts(BASE_URL, &mut problems);
        let (hosts, old) = problems.finish(hosts.zip(old))?;
        let content = HostRules::new(hosts.content.iter().cloned().chain([hosts.api.clone(), old]));
        let content = content.with_hosts_below(CONTENT_DOMAIN);
        let api = Api::new(NAME, &hosts, content, std::slice::from_ref(&password), self.network.transport)?;
        Ok(Settings {
            password: Credential::new(password, [hosts.api.clone()]),
            user: self.user.unwrap_or_else(|| self.account_sid.clone()),
            account_sid: self.account_sid,
            api,
        })
    }
}
