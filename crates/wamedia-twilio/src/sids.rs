//! Twilio's ids: two letters and 32 hex digits.
//!
//! Source: <https://www.twilio.com/docs/glossary/what-is-a-sid>

/// Whether text is an id with one of these prefixes.
pub(crate) fn is_sid(text: &str, prefixes: &[&str]) -> bool {
    let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The ids of messages.
pub(crate) const MESSAGE: &[&str] = &["SM", "MM"];
/// The ids of media.
pub(crate) const MEDIA: &[&str] = &["ME"];
/// The ids of accounts.
pub(crate) const ACCOUNT: &[&str] = &["AC"];
/// The ids of API keys.
#[cfg(feature = "client")]
pub(crate) const API_KEY: &[&str] = &["SK"];

/// Account, message and media in the address of a media resource:
/// `/2010-04-01/Accounts/{AC}/Messages/{MM}/Media/{ME}`.
pub(crate) fn of_address(address: &url::Url) -> Option<(&str, &str, &str)> {
    let segments: Vec<&str> = address.path_segments()?.collect();
    let [_, "Accounts", account, "Messages", message, "Media", media] = segments[..] else { return None };
    let is_good = is_sid(account, ACCOUNT) && is_sid(message, MESSAGE) && is_sid(media, MEDIA);
    is_good.then_some((account, message, media))
}
