use async_trait::async_trait;
use wamedia_core::{
    Capabilities, DeleteOptions, DeleteOutcome, MediaDescriptor, MediaRef, MediaStream, OpenOptions,
    Provider, ResolveOptions, Result, Secret, Source,
};

use crate::config::{Settings, TwilioMediaBuilder};
use crate::{CAPABILITIES, NAME, requests, responses};

/// The media of Twilio Programmable Messaging.
#[derive(Clone, Debug)]
pub struct TwilioMedia {
    settings: Settings,
}

impl TwilioMedia {
    /// Begins with the account (`AC…`) and its auth token.
    pub fn builder(account_sid: &str, auth_token: impl Into<Secret>) -> TwilioMediaBuilder {
        TwilioMediaBuilder::new(account_sid, auth_token.into())
    }
}

impl TwilioMediaBuilder {
    /// Checks everything at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](wamedia_core::ErrorKind::InvalidRequest) naming every problem.
    pub fn build(self) -> Result<TwilioMedia> {
        Ok(TwilioMedia { settings: self.settings()? })
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
        requests::path(&self.settings, media).map_err(|error| self.settings.api.error("resolve", error))?;
        Ok(MediaDescriptor::new(media.clone(), Source::Direct))
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let build = |_| requests::content(&self.settings, &media.media);
        self.settings.api.content(&options.budget).open(media, build, responses::error_in).await
    }

    async fn delete(&self, media: &MediaRef, options: DeleteOptions) -> Result<DeleteOutcome> {
        let call = self.settings.api.idempotent("delete", &options.budget);
        call.send(|_| requests::delete(&self.settings, media), responses::deleted).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let error = TwilioMedia::builder("AC1", " ").base_url("http://a.test").build().unwrap_err();
        for word in ["account", "auth token", "base_url"] {
            assert!(error.message().contains(word), "{word}: {}", error.message());
        }
        let account = "AC0123456789abcdef0123456789abcdef";
        assert!(TwilioMedia::builder(account, "").api_key("SK1", "x").build().is_err());
    }
}
