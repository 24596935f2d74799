use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use url::Url;
use wamedia_core::{Error, ErrorKind, Phase, Result, Secret};

use crate::Origin;

/// A secret that is bound to origins for its whole life.
///
/// There is no way to read it back, and no way to attach it to a request as a plain header: it
/// only makes [`BoundHeader`]s, and the transport sends those to the bound origins alone.
#[derive(Clone)]
pub struct Credential {
    secret: Secret,
    origins: Arc<[Origin]>,
}

impl Credential {
    /// Binds a secret to origins.
    pub fn new(secret: Secret, origins: impl IntoIterator<Item = Origin>) -> Self {
        Self { secret, origins: origins.into_iter().collect() }
    }

    /// `Authorization: Bearer <secret>`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the secret cannot stand in a header.
    pub fn bearer(&self) -> Result<BoundHeader> {
        self.header(header::AUTHORIZATION, |secret| format!("Bearer {secret}"))
    }

    /// A header whose value is made from the secret: the secret itself, or a signature.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the value cannot stand in a header.
    pub fn header(&self, name: HeaderName, value: impl FnOnce(&str) -> String) -> Result<BoundHeader> {
        let text = Secret::new(value(self.secret.expose()));
        let value = text.expose().is_ascii().then(|| Bytes::from_owner(HeaderText(text)));
        let value = value.and_then(|text| HeaderValue::from_maybe_shared(text).ok());
        let mut value = value.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRequest,
                format!("the credential for the header {name} has characters that no header can carry"),
            )
            .with_phase(Phase::Prepare)
        })?;
        value.set_sensitive(true);
        Ok(BoundHeader { name, value, origins: Arc::clone(&self.origins) })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// The bytes of a header. The client's copies of a header share them, and the last one that goes wipes them.
struct HeaderText(Secret);

impl AsRef<[u8]> for HeaderText {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// A header that only its origins ever see.
#[derive(Clone)]
pub struct BoundHeader {
    name: HeaderName,
    value: HeaderValue,
    origins: Arc<[Origin]>,
}

impl BoundHeader {
    /// The header's name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The value, for a URL of a bound origin; nothing for any other.
    pub fn value_for(&self, url: &Url) -> Option<&HeaderValue> {
        let origin = Origin::of(url)?;
        self.origins.contains(&origin).then_some(&self.value)
    }

    /// What a server may repeat of it: the last word, since what stands before it is the scheme.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.value.to_str().ok()?.split(' ').next_back()
    }
}

impl fmt::Debug for BoundHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundHeader")
            .field("name", &self.name)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_header_has_no_value_for_another_origin() {
        let token = Credential::new("TEST-canary".into(), [Origin::parse("https://api.test").unwrap()]);
        let header = token.bearer().unwrap();
        let value = |link: &str| header.value_for(&Url::parse(link).unwrap()).is_some();
        assert!(value("https://api.test/x"));
        for other in [
            "https://api.test:8443/",
            "http://api.test/",
            "https://api.test./",
            "https://api.test.evil.test/",
        ] {
            assert!(!value(other), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Credential { origins: [Origin(https://api.test)], .. }");
        assert_eq!(
            format!("{header:?}"),
            "BoundHeader { name: \"authorization\", origins: [Origin(https://api.test)], .. }"
        );
        assert_eq!(header.secret(), Some("TEST-canary"));
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_being_repeated() {
        for secret in ["TEST-canary\n", "TEST-canary\u{e9}", "TEST-canary\u{7f}"] {
            let error = Credential::new(secret.into(), []).bearer().expect_err(secret);
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(!format!("{error:#?}").contains("canary"), "{error:#?}");
        }
    }

    #[test]
    fn copies_of_a_header_are_one_text_in_memory() {
        let origin = Origin::parse("https://api.test").unwrap();
        let header = Credential::new("TEST-canary".into(), [origin]).bearer().unwrap();
        let value = header.value_for(&Url::parse("https://api.test/x").unwrap()).unwrap();
        assert_eq!(value, "Bearer TEST-canary");
        assert_eq!(value.clone().as_bytes().as_ptr(), value.as_bytes().as_ptr());
    }
}
