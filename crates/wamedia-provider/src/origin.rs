use std::fmt;
use std::str::FromStr;

use url::{Host, Url};
use wamedia_core::{Error, ErrorKind, Phase, Result};

/// Scheme, host and port: what a credential is bound to. Compared exactly, after parsing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: &'static str,
    host: Host<String>,
    port: u16,
}

impl Origin {
    /// Parses an origin alone: `https://graph.facebook.com`, or `http://127.0.0.1:4010`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for anything but https (or http on loopback), and for user
    /// information, a path, a query, a fragment or a trailing dot.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| {
            Error::new(ErrorKind::InvalidRequest, format!("not an origin: {why}")).with_phase(Phase::Prepare)
        };
        let url = Url::parse(text.trim()).map_err(|_| invalid("expected https://host[:port]"))?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || has_user_info(&url) {
            return Err(invalid("it has more than scheme, host and port"));
        }
        let origin =
            Self::of(&url).ok_or_else(|| invalid("it must be https, or http on a loopback address"))?;
        if origin.scheme == "http" && !origin.is_loopback() {
            return Err(invalid("http is accepted on a loopback address only; use https"));
        }
        if matches!(&origin.host, Host::Domain(name) if name.ends_with('.')) {
            return Err(invalid("the host ends in a dot"));
        }
        Ok(origin)
    }

    /// The origin of a URL; `None` for other schemes than http and https.
    pub fn of(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "https" => "https",
            "http" => "http",
            _ => return None,
        };
        Some(Self { scheme, host: url.host()?.to_owned(), port: url.port_or_known_default()? })
    }

    /// This origin with a path and query.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the path does not begin with one slash.
    pub fn join(&self, path_and_query: &str) -> Result<Url> {
        let invalid = || {
            Error::new(ErrorKind::InvalidRequest, "the request path cannot be built")
                .with_phase(Phase::Prepare)
        };
        if !path_and_query.starts_with('/') || path_and_query.starts_with("//") {
            return Err(invalid());
        }
        let url = Url::parse(&format!("{self}{path_and_query}")).map_err(|_| invalid())?;
        if Self::of(&url).as_ref() == Some(self) { Ok(url) } else { Err(invalid()) }
    }

    /// True for plain http, which is accepted on loopback only.
    pub fn is_plain(&self) -> bool {
        self.scheme == "http"
    }

    /// The host as text, without a port.
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        let default = if self.scheme == "https" { 443 } else { 80 };
        if self.port == default { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Where requests may go: exact origins, and https hosts below named domains.
#[derive(Clone, Debug, Default)]
pub struct HostRules {
    origins: Vec<Origin>,
    domains: Vec<&'static str>,
}

impl HostRules {
    /// Exactly these origins.
    pub fn new(origins: impl IntoIterator<Item = Origin>) -> Self {
        Self { origins: origins.into_iter().collect(), domains: Vec::new() }
    }

    /// Adds an origin.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origins.push(origin);
        self
    }

    /// Adds every host below a domain (not the domain itself), on https and its usual port.
    #[must_use]
    pub fn with_hosts_below(mut self, domain: &'static str) -> Self {
        self.domains.push(domain);
        self
    }

    /// The exact origins.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Checks a URL before anything connects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] naming the host. It never suggests to trust it: the reply may be forged.
    pub fn check(&self, url: &Url) -> Result<()> {
        let refused = |why: &str| {
            let host = url.host_str().unwrap_or("-");
            Err(Error::new(ErrorKind::Refused, format!("the host {host} {why}")).with_phase(Phase::Prepare))
        };
        if has_user_info(url) {
            return refused("comes with user information in the link");
        }
        let Some(origin) = Origin::of(url) else {
            return Err(Error::new(ErrorKind::Refused, "the link is neither https nor http")
                .with_phase(Phase::Prepare));
        };
        if self.origins.contains(&origin) {
            return Ok(());
        }
        if origin.scheme != "https" {
            return refused("is not reached by https");
        }
        match &origin.host {
            Host::Domain(name)
                if origin.port == 443 && self.domains.iter().any(|domain| below(name, domain)) =>
            {
                Ok(())
            }
            _ => refused("is none of the hosts that this provider's content comes from"),
        }
    }
}

fn below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).is_some_and(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &HostRules, link: &str) -> bool {
        rules.check(&Url::parse(link).unwrap()).is_ok()
    }

    #[test]
    fn lookalikes_are_refused() {
        let rules = HostRules::new([Origin::parse("https://lookaside.fbsbx.com").unwrap()]);
        assert!(check(&rules, "https://lookaside.fbsbx.com/x?y=1"));
        assert!(check(&rules, "https://LOOKASIDE.fbsbx.com:443/x"));
        for link in [
            "https://lookaside.fbsbx.com.evil.test/",
            "https://evil-lookaside.fbsbx.com/",
            "https://lookaside.fbsbx.com./",
            "https://lookaside.fbsbx.com:8443/",
            "http://lookaside.fbsbx.com/",
            "https://lookaside.fbsbx.com@evil.test/",
            "https://user@lookaside.fbsbx.com/",
            "https://lookaside.fbsbx.c\u{043e}m/",
            "https://127.0.0.2/",
            "https://2130706434/",
            "https://127.2/",
            "https://[::ffff:127.0.0.2]/",
            "ftp://lookaside.fbsbx.com/",
            "file:///etc/hosts",
        ] {
            assert!(!check(&rules, link), "{link}");
        }
    }

    #[test]
    fn domains_match_whole_labels_on_https_only() {
        let rules = HostRules::default().with_hosts_below("aliyuncs.com");
        assert!(check(&rules, "https://goss.oss-cn-hongkong.aliyuncs.com/x?Expires=1"));
        for link in [
            "https://evilaliyuncs.com/",
            "https://aliyuncs.com/",
            "http://a.aliyuncs.com/",
            "https://a.aliyuncs.com:444/",
        ] {
            assert!(!check(&rules, link), "{link}");
        }
    }

    #[test]
    fn origins_are_https_or_loopback() {
        for good in [
            "https://graph.facebook.com",
            "https://graph.facebook.com/",
            "http://127.0.0.1:4010",
            "http://localhost:1",
            "http://[::1]:9",
        ] {
            assert!(Origin::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://graph.facebook.com",
            "https://a.test/v1",
            "https://u:p@a.test",
            "a.test",
            "https://a.test?x",
            "https://a.test.",
            "http://192.0.2.1",
        ] {
            assert_eq!(Origin::parse(bad).unwrap_err().kind(), ErrorKind::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn an_origin_tells_its_parts() {
        for (text, is_plain, host) in [
            ("https://graph.facebook.com", false, "graph.facebook.com"),
            ("https://a.test:8443", false, "a.test"),
            ("http://127.0.0.1:4010", true, "127.0.0.1"),
            ("http://[::1]:9", true, "[::1]"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.is_plain(), origin.host().as_str()), (is_plain, host), "{text}");
            assert_eq!(
                (origin.to_string(), format!("{origin:?}")),
                (text.to_owned(), format!("Origin({text})"))
            );
        }
    }

    #[test]
    fn rules_tell_their_origins() {
        let origins = [Origin::parse("https://a.test").unwrap(), Origin::parse("https://b.test").unwrap()];
        let rules = HostRules::new(origins[..1].to_vec()).with_origin(origins[1].clone());
        assert_eq!(rules.origins(), origins);
        let rules = format!("{:?}", rules.with_hosts_below("c.test"));
        assert!(rules.contains("https://b.test") && rules.contains("c.test"), "{rules}");
    }

    #[test]
    fn join_keeps_the_query_as_it_is() {
        let origin = Origin::parse("https://api.test").unwrap();
        assert_eq!(origin.join("/a/?b=%3D&c=-_").unwrap().as_str(), "https://api.test/a/?b=%3D&c=-_");
        assert!(origin.join("//evil.test/").is_err());
        assert!(origin.join("a").is_err());
    }
}
