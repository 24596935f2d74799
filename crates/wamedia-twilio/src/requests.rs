//! Requests of Twilio's API: pure functions.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/media-resource>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use wamedia_core::{Error, ErrorKind, MediaRef, Result, Secret};
use wamedia_provider::Request;

use crate::NAME;
use crate::config::Settings;
use crate::sids::{ACCOUNT, MEDIA, MESSAGE, is_sid};

/// `/2010-04-01/Accounts/{AC}/Messages/{MM}/Media/{ME}`
///
/// QUIRK(twilio): with `.json` the path is the description, without it the bytes.
/// <https://www.twilio.com/docs/messaging/api/media-resource>
pub(crate) fn path(settings: &Settings, media: &MediaRef) -> Result<String> {
    let invalid = |why: &str| Error::new(ErrorKind::InvalidRequest, why);
    let id = media.id_for(NAME)?.as_str();
    let message = media.scope.message.as_deref().unwrap_or_default();
    if !is_sid(id, MEDIA) {
        return Err(invalid("a media id is ME and 32 hex digits"));
    }
    if !is_sid(message, MESSAGE) {
        return Err(invalid("Twilio's media needs the id of its message as well: twilio:ME…?message=MM…"));
    }
    let account = media.scope.account.as_deref().filter(|account| is_sid(account, ACCOUNT));
    let account = account.unwrap_or(&settings.account_sid);
    Ok(format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{id}"))
}

/// The request with basic authentication, which only the API sees.
fn with_basic(settings: &Settings, request: Request) -> Result<Request> {
    let value = |password: &str| {
        let pair = Secret::new(format!("{}:{password}", settings.user));
        format!("Basic {}", STANDARD.encode(pair.expose()))
    };
    Ok(request.bound(settings.password.header(AUTHORIZATION, value)?))
}

/// `GET` of the bytes
pub(crate) fn content(settings: &Settings, media: &MediaRef) -> Result<Request> {
    with_basic(settings, Request::get(settings.api.url(&path(settings, media)?)?))
}

/// `DELETE` of the resource
pub(crate) fn delete(settings: &Settings, media: &MediaRef) -> Result<Request> {
    let path = format!("{}.json", path(settings, media)?);
    with_basic(settings, Request::delete(settings.api.url(&path)?))
}

#[cfg(test)]
mod tests {
    use wamedia_core::MediaId;

    use super::*;
    use crate::TwilioMedia;

    const ACCOUNT_SID: &str = "AC0123456789abcdef0123456789abcdef";

    fn settings() -> Settings {
        let settings = TwilioMedia::builder(ACCOUNT_SID, "TEST-canary").settings().unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
        settings
    }

    fn media(id: &str, message: Option<&str>) -> MediaRef {
        MediaRef::new(NAME, MediaId::new(id).unwrap()).with_message(message)
    }

    #[test]
    fn the_credential_is_for_the_api_alone() {
        let (id, message) = (format!("ME{}", "0".repeat(32)), format!("MM{}", "1".repeat(32)));
        let media = media(&id, Some(&message));
        let request = content(&settings(), &media).unwrap();
        assert_eq!(
            request.url().as_str(),
            format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{message}/Media/{id}")
        );
        let [basic] = request.bound_headers() else { panic!("one bound header") };
        let value = basic.value_for(request.url()).unwrap().to_str().unwrap().to_owned();
        let want = STANDARD.encode(format!("{ACCOUNT_SID}:TEST-canary"));
        assert_eq!(value, format!("Basic {want}"));
        assert!(basic.value_for(&"https://mms.twiliocdn.com/x".parse().unwrap()).is_none());
        let delete = delete(&settings(), &media).unwrap();
        assert_eq!(delete.method().as_str(), "DELETE");
        assert_eq!(delete.url().as_str(), format!("{}.json", request.url()));
    }

    #[test]
    fn both_ids_are_needed_and_checked() {
        let (id, message) = (format!("ME{}", "0".repeat(32)), format!("SM{}", "1".repeat(32)));
        assert!(path(&settings(), &media(&id, Some(&message))).is_ok());
        for (id, message) in [
            (id.as_str(), None),
            (id.as_str(), Some("MM../../x")),
            ("ME12", Some(message.as_str())),
            ("AC0123456789abcdef0123456789abcdef", Some(message.as_str())),
        ] {
            let error = path(&settings(), &media(id, message)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{id} {message:?}");
        }
    }
}
