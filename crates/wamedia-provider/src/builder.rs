//! What the builders of all providers have in common.

use wamedia_core::{Error, ErrorKind, Phase, Result, Secret};

use crate::{Origin, TransportOptions};

/// Everything that is wrong with a configuration, for one error that names it all.
#[derive(Debug)]
pub struct Problems {
    provider: &'static str,
    found: Vec<String>,
}

impl Problems {
    /// Begins without a problem.
    pub fn new(provider: &'static str) -> Self {
        Self { provider, found: Vec::new() }
    }

    /// Adds a problem unless `is_good`.
    pub fn check(&mut self, is_good: bool, problem: &str) {
        if !is_good {
            self.found.push(problem.to_owned());
        }
    }

    /// A required value that may be missing: `what` names it in the problem (`"the token"`), and `key` is its
    /// setting in a configuration.
    pub fn required(&mut self, what: &str, key: &str, value: &str) {
        let variable = format!("WAMEDIA_{}_{}", self.provider.to_uppercase(), key.to_uppercase());
        self.check(
            !value.trim().is_empty(),
            &format!("{what} is missing: set `{key}` (the program reads {variable} too)"),
        );
    }

    /// A required secret without the space around it. `what` and `key` are those of [`required`](Self::required).
    pub fn secret(&mut self, what: &str, key: &str, secret: &Secret) -> Secret {
        let text = secret.expose().trim();
        self.required(what, key, text);
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        self.check(is_printable, &format!("{what} has characters that no header can carry"));
        Secret::new(text)
    }

    /// A token without the scheme that people paste along with it.
    pub fn bearer_token(&mut self, token: &Secret) -> Secret {
        let text = token.expose().trim();
        let (scheme, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let text = if scheme.eq_ignore_ascii_case("bearer") { rest } else { text };
        self.secret("the token", "token", &Secret::new(text))
    }

    /// An origin; `setting` names it in the problem.
    pub fn origin(&mut self, setting: &str, text: &str) -> Option<Origin> {
        let problem = |error: Error| self.found.push(format!("{setting} is {}", error.message()));
        Origin::parse(text).map_err(problem).ok()
    }

    /// The value, where there is one and nothing is wrong.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming every problem.
    pub fn finish<T>(self, value: Option<T>) -> Result<T> {
        value.filter(|_| self.found.is_empty()).ok_or_else(|| {
            let message = format!("the configuration is not usable: {}", self.found.join("; "));
            Error::new(ErrorKind::InvalidRequest, message)
                .with_provider(self.provider)
                .with_phase(Phase::Prepare)
        })
    }
}

/// True for one digit or more and nothing else.
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The options that every provider's builder has. [`network_setters!`](crate::network_setters) adds their setters
/// to a builder with a field `network`.
#[derive(Clone, Debug, Default)]
pub struct NetworkSettings {
    /// The origin of the API, where it is not the vendor's.
    pub base_url: Option<String>,
    /// Further origins that content may come from.
    pub content_origins: Vec<String>,
    /// Timeouts, name look-up, certificates and time.
    pub transport: TransportOptions,
}

impl NetworkSettings {
    /// Sets the origin of the API.
    #[must_use]
    pub fn with_base_url(mut self, origin: &str) -> Self {
        self.base_url = Some(origin.to_owned());
        self
    }

    /// The hosts of the configuration; `api` is the vendor's own. `None` when one of them is a problem.
    pub fn hosts(&self, api: &str, problems: &mut Problems) -> Option<Hosts> {
        let own = self.content_origins.iter();
        let own: Vec<_> = own.map(|origin| problems.origin("content_origin", origin)).collect();
        let api = problems.origin("base_url", self.base_url.as_deref().unwrap_or(api))?;
        let content: Vec<Origin> = own.into_iter().collect::<Option<_>>()?;
        if cfg!(not(feature = "tls")) {
            for origin in content.iter().chain([&api]).filter(|origin| !origin.is_plain()) {
                problems.found.push(format!("{origin} needs TLS: switch on the feature `tls`"));
            }
        }
        let mut configured = content.clone();
        configured.extend(self.base_url.is_some().then(|| api.clone()));
        Some(Hosts { api, content, configured })
    }
}

/// Where an API and its content are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hosts {
    /// The origin of the API.
    pub api: Origin,
    /// The content origins that the caller added.
    pub content: Vec<Origin>,
    configured: Vec<Origin>,
}

impl Hosts {
    /// The origins that the caller named: their hosts may have addresses that are not public.
    pub(crate) fn configured(&self) -> &[Origin] {
        &self.configured
    }
}

/// Adds the setters `base_url`, `content_origin` and `transport` to a builder with a field `network` of the type
/// [`NetworkSettings`](crate::NetworkSettings). The argument documents what a further content origin is for.
#[macro_export]
macro_rules! network_setters {
    ($content_origin:literal) => {
        /// The origin of the API, where it is not the vendor's.
        pub fn base_url(mut self, origin: &str) -> Self {
            self.network.base_url = Some(origin.to_owned());
            self
        }

        #[doc = $content_origin]
        pub fn content_origin(mut self, origin: &str) -> Self {
            self.network.content_origins.push(origin.to_owned());
            self
        }

        /// Timeouts, name look-up, certificates and time.
        pub fn transport(mut self, transport: $crate::TransportOptions) -> Self {
            self.network.transport = transport;
            self
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_names_every_problem() {
        let mut problems = Problems::new("test");
        problems.check(true, "all is well");
        assert_eq!(problems.secret("the token", "token", &" TEST-canary ".into()).expose(), "TEST-canary");
        assert_eq!(problems.bearer_token(&"Bearer TEST-canary".into()).expose(), "TEST-canary");
        assert_eq!(problems.bearer_token(&"TEST-canary".into()).expose(), "TEST-canary");
        assert!(problems.origin("base_url", "https://a.test").is_some());
        assert_eq!(problems.finish(Some(7)).unwrap(), 7);
        let mut problems = Problems::new("test");
        problems.check(false, "the number is missing");
        let _ = problems.secret("the token", "token", &" ".into());
        let _ = problems.secret("the key", "key", &"a\r\nb".into());
        assert!(problems.origin("base_url", "http://a.test").is_none());
        let error = problems.finish(Some(7)).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidRequest, Some(Phase::Prepare)));
        assert_eq!(
            error.message(),
            "the configuration is not usable: the number is missing; the token is missing: set `token` (the program \
             reads WAMEDIA_TEST_TOKEN too); the key has characters that no header can carry; base_url is not an origin: http is accepted on a loopback address only; use \
             https"
        );
        assert!(Problems::new("test").finish(None::<u8>).is_err());
    }

    #[test]
    fn only_what_the_caller_named_may_be_private() {
        let hosts = |settings: &NetworkSettings| {
            settings.hosts("https://api.test", &mut Problems::new("test")).expect("good origins")
        };
        let mut settings = NetworkSettings::default();
        let own = hosts(&settings);
        assert_eq!((own.api.to_string().as_str(), own.configured()), ("https://api.test", &[][..]));
        settings.content_origins.push("https://files.test".to_owned());
        let content = hosts(&settings);
        assert_eq!(content.configured(), content.content);
        let named = hosts(&settings.with_base_url("http://127.0.0.1:9"));
        assert_eq!(named.api.to_string(), "http://127.0.0.1:9");
        assert_eq!(named.configured(), [named.content[0].clone(), named.api.clone()]);
    }

    #[test]
    fn digits_are_digits_alone() {
        for (text, is_good) in [("0", true), ("391", true), ("", false), ("39 1", false), ("3a", false)] {
            assert_eq!(is_digits(text), is_good, "{text:?}");
        }
    }
}
