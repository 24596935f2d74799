use std::fmt;

use url::Url;
use wamedia_core::{Error, ErrorKind, Phase, Result, Secret};

/// An HTTP proxy that https requests go through. Plain http leads to loopback only and never takes it.
///
/// A proxy is asked to connect to the target by name (`CONNECT`), so it takes over looking the name up, and with that the
/// check that the address is public: the rules about hosts still apply, and so do TLS and its certificates, which end at
/// the target. What the proxy sees is the target's name and how much is sent. No proxy is used unless one is set here: the
/// variables of the environment are ignored.
#[derive(Clone)]
pub struct Proxy {
    url: Url,
    exceptions: Option<String>,
}

impl Proxy {
    /// A proxy by its URL, `http://proxy.example:3128`, with `user:password@` before the host where it asks for them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for anything else; the URL is not repeated, since it may hold a password.
    pub fn new(url: &Secret) -> Result<Self> {
        let invalid = || {
            Error::new(ErrorKind::InvalidRequest, "the proxy is not a URL such as http://proxy.example:3128")
                .with_phase(Phase::Prepare)
        };
        let url = Url::parse(url.expose().trim()).map_err(|_| invalid())?;
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !is_bare || !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(invalid());
        }
        Ok(Self { url, exceptions: None })
    }

    /// The proxy that the usual variables name: `HTTPS_PROXY`, else `ALL_PROXY`, with the exceptions of `NO_PROXY`, each
    /// in lower case too. `variable` gives the value of one; `None` where none is set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] naming the variable that is not usable.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let value = |name: &str| {
            let lower = variable(&name.to_lowercase());
            lower.or_else(|| variable(name)).filter(|value| !value.trim().is_empty())
        };
        for name in ["HTTPS_PROXY", "ALL_PROXY"] {
            let Some(url) = value(name) else { continue };
            let proxy = Self::new(&Secret::new(url));
            let proxy = proxy.map_err(|error| error.with_note(format!("it is the value of {name}")))?;
            return Ok(Some(match value("NO_PROXY") {
                Some(list) => proxy.with_exceptions(&list),
                None => proxy,
            }));
        }
        Ok(None)
    }

    /// Hosts that are reached without the proxy, as in `NO_PROXY`: `example.com,.internal,10.0.0.0/8`.
    #[must_use]
    pub fn with_exceptions(mut self, list: &str) -> Self {
        self.exceptions = Some(list.to_owned());
        self
    }

    /// Scheme, host and port, without user and password.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Its host, which may have an address that is not public.
    pub(crate) fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    /// The password, as it is written and as it is meant.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let Some(password) = self.url.password() else { return Vec::new() };
        let meant = percent_encoding::percent_decode_str(password).decode_utf8_lossy().into_owned();
        vec![Secret::new(password), Secret::new(meant)]
    }

    pub(crate) fn build(&self) -> reqwest::Result<reqwest::Proxy> {
        let exceptions = self.exceptions.as_deref().and_then(reqwest::NoProxy::from_string);
        Ok(reqwest::Proxy::https(self.url.clone())?.no_proxy(exceptions))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_proxy_is_refused_without_being_repeated() {
        for url in [
            "",
            "proxy:3128",
            "ftp://a",
            "http://",
            "http://u:TEST-canary@a/path",
            "socks5://TEST-canary@a",
            "TEST-canary",
        ] {
            let error = Proxy::new(&Secret::new(url)).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
        let proxy = Proxy::new(&Secret::new("http://user:TEST-canary@proxy.test:3128/")).unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy.test:3128)");
    }

    #[test]
    fn the_variables_in_their_order() {
        let proxy = |variables: &'static [(&str, &str)]| {
            Proxy::from_variables(|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(proxy(&[("HTTP_PROXY", "http://a:1"), ("NO_PROXY", "*")]).unwrap().is_none());
        let found = proxy(&[
            ("ALL_PROXY", "http://a:1"),
            ("HTTPS_PROXY", "http://b:1"),
            ("https_proxy", "http://c:1"),
            ("NO_PROXY", "x.test"),
        ]);
        let found = found.unwrap().unwrap();
        assert_eq!((found.host(), found.exceptions.as_deref()), ("c".to_owned(), Some("x.test")));
        assert_eq!(proxy(&[("all_proxy", "http://a:1"), ("HTTPS_PROXY", " ")]).unwrap().unwrap().host(), "a");
        let error = proxy(&[("HTTPS_PROXY", "TEST-canary")]).unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("canary"), "{error}");
    }
}
