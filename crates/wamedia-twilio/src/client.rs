use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, Error, ErrorKind, MediaDescriptor, MediaRef, MediaStream,
    OpenOptions, Phase, Provider, ResolveOptions, Result, Secret, Source,
};
use wamedia_provider::{Api, BoundHeader, Credential, HostRules, NetworkSettings, Problems, Request};

use crate::sids::{ACCOUNT, API_KEY, MEDIA, MESSAGE, is_sid};
use crate::{CAPABILITIES, NAME, responses};

/// Where the API is. Source: <https://www.twilio.com/docs/messaging/api/media-resource>
const API: &str = "https://api.twilio.com";
/// Where media from before authentication is, and stays public.
/// Source: <https://support.twilio.com/hc/en-us/articles/223183748>
const OLD_STORE: &str = "https://s3-external-1.amazonaws.com";
/// Where the API sends a client for the bytes: `mms.twiliocdn.com`.
/// Source: <https://support.twilio.com/hc/en-us/articles/223183748>
const CONTENT_DOMAIN: &str = "twiliocdn.com";

/// The media of Twilio Programmable Messaging.
#[derive(Clone, Debug)]
pub struct TwilioMedia {
    api: Api,
    account_sid: String,
    user: String,
    password: Credential,
}

/// Builds a [`TwilioMedia`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TwilioMediaBuilder {
    account_sid: String,
    user: Option<String>,
    password: Secret,
    network: NetworkSettings,
}

impl TwilioMedia {
    /// Begins with the account (`AC…`) and its auth token.
    pub fn builder(account_sid: &str, auth_token: impl Into<Secret>) -> TwilioMediaBuilder {
        TwilioMediaBuilder {
            account_sid: account_sid.trim().to_owned(),
            user: None,
            password: auth_token.into(),
            network: NetworkSettings::default(),
        }
    }

    /// `/2010-04-01/Accounts/{AC}/Messages/{MM}/Media/{ME}`, with basic authentication.
    ///
    /// QUIRK(twilio): with `.json` the path is the description, without it the bytes.
    /// <https://www.twilio.com/docs/messaging/api/media-resource>
    fn path(&self, media: &MediaRef) -> Result<String> {
        let invalid = |why: &str| Error::new(ErrorKind::InvalidRequest, why);
        let id = media.id_for(NAME)?.as_str();
        let message = media.scope.message.as_deref().unwrap_or_default();
        if !is_sid(id, MEDIA) {
            return Err(invalid("a media id is ME and 32 hex digits"));
        }
        if !is_sid(message, MESSAGE) {
            return Err(invalid(
                "Twilio's media needs the id of its message as well: twilio:ME…?message=MM…",
            ));
        }
        let account = media.scope.account.as_deref().filter(|account| is_sid(account, ACCOUNT));
        let account = account.unwrap_or(&self.account_sid);
        Ok(format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{id}"))
    }

    fn basic(&self) -> Result<BoundHeader> {
        let value =
            |password: &str| format!("Basic {}", STANDARD.encode(format!("{}:{password}", self.user)));
        self.password.header(AUTHORIZATION, value)
    }

    fn content_request(&self, media: &MediaDescriptor) -> Result<Request> {
        let url = self.api.url(&self.path(&media.media)?)?;
        Ok(Request::get(url).bound(self.basic()?))
    }

    fn delete_request(&self, media: &MediaRef) -> Result<Request> {
        let url = self.api.url(&format!("{}.json", self.path(media)?))?;
        Ok(Request::delete(url).bound(self.basic()?))
    }
}

impl TwilioMediaBuilder {
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

    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming every problem.
    pub fn build(self) -> Result<TwilioMedia> {
        let mut problems = Problems::new(NAME);
        problems.check(is_sid(&self.account_sid, ACCOUNT), "the account must be AC and 32 hex digits");
        let user = self.user.as_deref();
        problems
            .check(user.is_none_or(|user| is_sid(user, API_KEY)), "the API key must be SK and 32 hex digits");
        let password = problems.secret("the auth token", &self.password);
        let old = problems.origin("the old store", OLD_STORE);
        let hosts = self.network.hosts(API, &mut problems);
        let (hosts, old) = problems.finish(hosts.zip(old))?;
        let content = HostRules::new(hosts.content.iter().cloned().chain([hosts.api.clone(), old]));
        let content = content.with_hosts_below(CONTENT_DOMAIN);
        let api = Api::new(NAME, &hosts, content, std::slice::from_ref(&password), self.network.transport)?;
        Ok(TwilioMedia {
            password: Credential::new(password, [hosts.api.clone()]),
            user: self.user.unwrap_or_else(|| self.account_sid.clone()),
            account_sid: self.account_sid,
            api,
        })
    }
}

#[async_trait]
impl Provider for TwilioMedia {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    /// Works from the reference alone: the description of a media resource has neither size nor digest.
    async fn resolve(&self, media: &MediaRef, _: ResolveOptions) -> Result<MediaDescriptor> {
        let context =
            |error: Error| error.with_provider(NAME).with_operation("resolve").with_phase(Phase::Prepare);
        self.path(media).map_err(context)?;
        Ok(MediaDescriptor::new(media.clone(), Source::Direct))
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let call = self.api.content(&options.budget);
        call.open(media, |_| self.content_request(media), responses::error_in).await
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let call = self.api.idempotent("delete", &options.budget);
        call.send(|_| self.delete_request(media), responses::deleted).await
    }
}

#[cfg(test)]
mod tests {
    use wamedia_core::MediaId;

    use super::*;

    const ACCOUNT_SID: &str = "AC0123456789abcdef0123456789abcdef";

    fn media(id: &str, message: Option<&str>) -> MediaRef {
        MediaRef::new(NAME, MediaId::new(id).unwrap()).with_message(message)
    }

    #[test]
    fn the_credential_is_for_the_api_alone() {
        let twilio = TwilioMedia::builder(ACCOUNT_SID, "TEST-canary").build().unwrap();
        let (id, message) = (format!("ME{}", "0".repeat(32)), format!("MM{}", "1".repeat(32)));
        let descriptor = MediaDescriptor::new(media(&id, Some(&message)), Source::Direct);
        let request = twilio.content_request(&descriptor).unwrap();
        assert_eq!(
            request.url().as_str(),
            format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{message}/Media/{id}")
        );
        let [basic] = request.bound_headers() else { panic!("one bound header") };
        let value = basic.value_for(request.url()).unwrap().to_str().unwrap().to_owned();
        let want = STANDARD.encode(format!("{ACCOUNT_SID}:TEST-canary"));
        assert_eq!(value, format!("Basic {want}"));
        assert!(basic.value_for(&"https://mms.twiliocdn.com/x".parse().unwrap()).is_none());
        let delete = twilio.delete_request(&descriptor.media).unwrap();
        assert_eq!(delete.method().as_str(), "DELETE");
        assert_eq!(delete.url().as_str(), format!("{}.json", request.url()));
        assert!(!format!("{twilio:?}").contains("canary"));
    }

    #[test]
    fn both_ids_are_needed_and_checked() {
        let twilio = TwilioMedia::builder(ACCOUNT_SID, "t").build().unwrap();
        let (id, message) = (format!("ME{}", "0".repeat(32)), format!("SM{}", "1".repeat(32)));
        assert!(twilio.path(&media(&id, Some(&message))).is_ok());
        for (id, message) in [
            (id.as_str(), None),
            (id.as_str(), Some("MM../../x")),
            ("ME12", Some(message.as_str())),
            ("AC0123456789abcdef0123456789abcdef", Some(message.as_str())),
        ] {
            let error = twilio.path(&media(id, message)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{id} {message:?}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let error = TwilioMedia::builder("AC1", " ").base_url("http://a.test").build().unwrap_err();
        for word in ["account", "auth token", "base_url"] {
            assert!(error.message().contains(word), "{word}: {}", error.message());
        }
        assert!(TwilioMedia::builder(ACCOUNT_SID, "").api_key("SK1", "x").build().is_err());
    }
}
