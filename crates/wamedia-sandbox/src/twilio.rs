//! Twilio: media by two ids, bytes by redirect, deliveries as signed forms.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::content::{self, VendorStyle};
use crate::digest;
use crate::faults::Fault;
use crate::http1::{Head, Request, Response};
use crate::media::Media;
use crate::state::{Provider, Reply, Stage, State};

const ME: Provider = Provider::Twilio;
/// How many bytes one id holds.
const SID_BYTES: usize = 16;
const LINK_LIFETIME_S: u64 = 4 * 60 * 60;

/// The ids of a message and its media: the name of the object in hex, the end of a long name in the message's.
fn sids(name: &str) -> (String, String) {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(2 * SID_BYTES, 0);
    let (media, message) = bytes.split_at(SID_BYTES);
    (format!("MM{}", digest::hex(message)), format!("ME{}", digest::hex(media)))
}

/// The name of an object in its two ids.
fn name_of(message: &str, media: &str) -> Option<String> {
    let text = [media.strip_prefix("ME")?, message.strip_prefix("MM")?].concat();
    if text.len() != 4 * SID_BYTES || !text.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    Some(String::from_utf8(bytes?).ok()?.trim_end_matches('\0').to_owned())
}

/// An object as references name it.
pub(crate) fn media_id(name: &str) -> String {
    let (message, media) = sids(name);
    format!("{media}?message={message}")
}

/// The name of an object that a reference names, or that is named as it is.
pub(crate) fn name(id: &str) -> String {
    let sids = id.split_once("?message=");
    sids.and_then(|(media, message)| name_of(message, media)).unwrap_or_else(|| id.to_owned())
}

fn error(status: u16) -> Reply {
    content::vendor_error(VendorStyle::Twilio, status).into()
}

/// Answers a request to the API.
pub(crate) async fn api(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    let c = &state.credentials;
    let user = digest::base64(format!("{}:{}", c.twilio_account_sid, c.twilio_auth_token).as_bytes());
    if head.header_count("authorization") != 1
        || head.header("authorization") != Some(&format!("Basic {user}"))
    {
        return error(401);
    }
    let segments: Vec<&str> = head.path().trim_matches('/').split('/').collect();
    let ["2010-04-01", "Accounts", account, "Messages", message, "Media", media] = segments[..] else {
        return error(404);
    };
    let (media, is_description) = media.strip_suffix(".json").map_or((media, false), |media| (media, true));
    let name = name_of(message, media).filter(|_| account == c.twilio_account_sid);
    let Some(name) = name else { return error(404) };
    match (head.method.as_str(), is_description) {
        ("GET", false) => redirect(state, head, &name).await,
        ("DELETE", true) => {
            if let Some(reply) = state.inject_fault(ME, head) {
                return reply;
            }
            if state.remove(ME, &name) { Response::new(204).into() } else { error(404) }
        }
        _ => error(404),
    }
}

/// GUESS: the status and the form of the link.
async fn redirect(state: &State, head: &Head, name: &str) -> Reply {
    let active = state.active(ME, Stage::Resolve, Some(name), head);
    if let Some(active) = active {
        if let Some(response) = content::plain_fault(active, VendorStyle::Twilio, &state.soon_http()) {
            return Reply::with(response, Some(active));
        }
        if active.is(Fault::Gone) {
            return Reply { fault: Some(active.fault), ..error(404) };
        }
    }
    if state.find(ME, name).await.is_none() {
        return error(404);
    }
    let origin = &state.origins().content[ME as usize];
    let account = &state.credentials.twilio_account_sid;
    let link = state.faulty_link(ME, name, active);
    let link = link.unwrap_or_else(|| {
        format!("{origin}/{account}/media?{}", state.link_query(ME, name, LINK_LIFETIME_S))
    });
    Reply::with(Response::new(307).header("Location", link), active)
}

/// Answers a request to the content network.
pub(crate) async fn content(state: &State, request: &Request) -> Reply {
    let head = &request.head;
    if head.header_count("authorization") > 0 {
        return content::oss_error(400, "InvalidArgument", "Only one auth mechanism allowed").into();
    }
    let dead = || Reply::from(content::vendor_error(VendorStyle::S3, 403));
    let Some((name, _)) = state.open_link(ME, head) else { return dead() };
    let Some(media) = state.find(ME, &name).await else { return dead() };
    // Every request to the API gives a new link, so faults count the requests and not the links.
    state.deliver(ME, VendorStyle::S3, &media, head, Stage::Content(0))
}

/// A message with this media: the form, and its signature.
///
/// Sources: <https://www.twilio.com/docs/messaging/guides/webhook-request>,
/// <https://www.twilio.com/docs/usage/security>
pub(crate) fn form(state: &State, media: &Media) -> (String, String) {
    let c = &state.credentials;
    let (message, sid) = sids(&media.id);
    let api = &state.origins().api[ME as usize];
    let account = &c.twilio_account_sid;
    let address = format!("{api}/2010-04-01/Accounts/{account}/Messages/{message}/Media/{sid}");
    // QUIRK(twilio): the type has no parameters.
    let mime = media.mime.split(';').next().unwrap_or_default();
    let mut fields = [
        ("AccountSid", account.as_str()),
        ("ApiVersion", "2010-04-01"),
        ("Body", "Caf\u{e9} & sandbox"),
        ("From", "whatsapp:+15550100123"),
        ("MediaContentType0", mime),
        ("MediaUrl0", &address),
        ("MessageSid", &message),
        ("NumMedia", "1"),
        ("ProfileName", "Zo\u{eb}"),
        ("To", "whatsapp:+15550100999"),
        ("WaId", "15550100123"),
    ];
    fields.sort_unstable();
    let (mut body, mut signed) = (String::new(), c.twilio_public_url.clone());
    for (name, value) in fields {
        let between = if body.is_empty() { "" } else { "&" };
        let _ = write!(body, "{between}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        signed.push_str(name);
        signed.push_str(value);
    }
    let signature = digest::base64(&digest::hmac_sha1(c.twilio_auth_token.as_bytes(), signed.as_bytes()));
    (body, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_hold_a_name() {
        for name in ["1001", "flip-1", "size-1048576", "cut-declared-forever-1", "range-wrong-total-1"] {
            let (message, media) = sids(name);
            assert_eq!(name_of(&message, &media).as_deref(), Some(name));
            assert_eq!((super::name(&media_id(name)), super::name(name)), (name.to_owned(), name.to_owned()));
        }
        let (message, media) = sids("1001");
        assert_eq!(media, "ME31303031000000000000000000000000");
        assert_eq!(message, "MM00000000000000000000000000000000");
        assert_eq!(name_of(&media, &message), None);
        assert_eq!(name_of("MM1", "ME2"), None);
    }
}
