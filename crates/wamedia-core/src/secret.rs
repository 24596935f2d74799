use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::Zeroizing;

/// A secret that does not print itself and wipes its memory when it is dropped.
///
/// Read it with [`expose`](Secret::expose) only where it is used. A secret that goes over the
/// network is bound to its origins by `wamedia_provider::Credential`.
///
/// Every clone wipes its own copy. A `String` that is given away becomes the secret without being copied; a text that
/// is lent stays where it was, and so does the environment. Memory that the system wrote to disk is
/// beyond reach.
///
/// ```
/// use wamedia_core::Secret;
///
/// let token = std::env::var("WAMEDIA_META_TOKEN").unwrap_or_default();
/// let lent = Secret::from(&token);
/// let given = Secret::from(token);
/// assert_eq!(lent, given);
/// assert_eq!(format!("{given:?}"), "Secret(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(Zeroizing::new(raw.into()))
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

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
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

impl From<&String> for Secret {
    fn from(raw: &String) -> Self {
        Self::new(raw)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    /// Freed memory cannot be looked at without unsafe code, so the type has to say it.
    #[test]
    fn what_holds_the_text_wipes_it() {
        fn wiped(_: &impl ZeroizeOnDrop) {}
        let secret = Secret::new("TEST-canary");
        wiped(&secret.0);
        wiped(&secret.clone().0);
    }
}
