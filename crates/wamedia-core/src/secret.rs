use std::fmt;

/// A secret that does not print itself.
///
/// Read it with [`expose`](Secret::expose) only where it is used. A secret that goes over the
/// network is bound to its origins by `wamedia_provider::Credential`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True when there is nothing in it but white space.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<&str> for Secret {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl From<String> for Secret {
    fn from(raw: String) -> Self {
        Self::new(raw)
    }
}
