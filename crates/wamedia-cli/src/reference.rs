//! Accounts and references as people write them: `meta@sales:1279128`.

use std::fmt;

use wamedia::MediaRef;

use crate::settings::registry;

/// An account: the default one of a provider, or a profile of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) provider: String,
    pub(crate) profile: Option<String>,
}

impl Account {
    /// The default account of a provider.
    pub(crate) fn new(provider: &str) -> Self {
        Self { provider: provider.to_owned(), profile: None }
    }

    pub(crate) fn with_profile(mut self, profile: &str) -> Self {
        self.profile = Some(profile.to_owned());
        self
    }

    /// `meta@sales:1279128` without its profile, and the profile. An id may have such a sign as well.
    pub(crate) fn split_profile(text: &str) -> (String, Option<String>) {
        let split = text.split_once(':').and_then(|(head, id)| {
            let (provider, profile) = head.split_once('@')?;
            registry().info(provider)?;
            Some((format!("{provider}:{id}"), Some(profile.to_owned())))
        });
        split.unwrap_or_else(|| (text.to_owned(), None))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.provider)?;
        self.profile.as_ref().map_or(Ok(()), |profile| write!(f, "@{profile}"))
    }
}

/// A reference, and the account that it is asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) media: MediaRef,
    pub(crate) account: Account,
}

/// Providers whose media are found by the message as well.
const BY_MESSAGE: [&str; 1] = ["twilio"];

/// A reference as short as it can be to be used again.
pub(crate) fn short(media: &MediaRef) -> String {
    let provider = media.provider.as_deref().unwrap_or_default();
    match (&media.id, BY_MESSAGE.contains(&provider)) {
        (Some(id), true) => {
            let mut short = MediaRef::from(id.clone());
            short.provider.clone_from(&media.provider);
            short.scope.message.clone_from(&media.scope.message);
            short.to_string()
        }
        (Some(_), false) => media.short(),
        (None, _) => media.to_string(),
    }
}

impl fmt::Display for Reference {
    /// Account and id: `meta@sales:1279128`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = short(&self.media);
        let id = short.split_once(':').map_or(short.as_str(), |(_, id)| id);
        write!(f, "{}:{id}", self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_told_from_an_id() {
        for (text, media, profile) in [
            ("meta@sales:1", "meta:1", Some("sales")),
            ("meta:1", "meta:1", None),
            ("a@b:c", "a@b:c", None),
            ("a@b", "a@b", None),
            ("whapi:a@b:c", "whapi:a@b:c", None),
            ("meta@:1", "meta:1", Some("")),
        ] {
            assert_eq!(
                Account::split_profile(text),
                (media.to_owned(), profile.map(ToOwned::to_owned)),
                "{text}"
            );
        }
        let account = Account::new("meta").with_profile("sales");
        let reference = Reference { media: "meta:1".parse().expect("a reference"), account };
        assert_eq!(reference.to_string(), "meta@sales:1");
    }

    #[test]
    fn what_is_printed_can_be_used_again() {
        for (whole, printed) in [
            ("twilio:ME1?message=MM1&kind=image", "twilio:ME1?message=MM1"),
            ("twilio:ME1", "twilio:ME1"),
            ("meta:1?message=wamid.1&kind=image", "meta:1"),
        ] {
            let media: MediaRef = whole.parse().expect("a reference");
            let account = Account::new(media.provider.as_deref().expect("a provider"));
            assert_eq!(Reference { media, account }.to_string(), printed);
        }
    }
}
