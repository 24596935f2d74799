use http::{Method, header};
use url::Url;
use wamedia_core::{Error, ErrorKind, Result};

use crate::Origin;
use crate::request::RequestHead;

/// How many redirects of content are followed.
pub(crate) const MAX_REDIRECTS: usize = 3;

/// Where a reply sends the client, if it is a redirect.
///
/// # Errors
///
/// [`ErrorKind::Refused`] for a target that is not an address, or is weaker than https after https;
/// [`ErrorKind::UnexpectedContent`] for a redirect without a target.
pub(crate) fn redirect_target(from: &Url, response: &reqwest::Response) -> Result<Option<Url>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refused = |why: &str| Error::new(ErrorKind::Refused, why);
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location =
        location.ok_or_else(|| Error::new(ErrorKind::UnexpectedContent, "a redirect that leads nowhere"))?;
    let next = from.join(location).map_err(|_| refused("a redirect to something that is not an address"))?;
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(refused("a redirect from https to something weaker"));
    }
    Ok(Some(next))
}

/// Makes a request the one that follows a redirect. A credential stays only while the origin does: once another one was
/// involved, none comes back, not even to its own origin.
pub(crate) fn follow(head: &mut RequestHead, next: Url) {
    if Origin::of(&head.url) != Origin::of(&next) {
        head.bound.clear();
    }
    head.method = Method::GET;
    head.url = next;
}

#[cfg(test)]
mod tests {
    use wamedia_core::Secret;

    use super::*;
    use crate::{Body, Credential, Request};

    fn target(from: &str, status: u16, location: Option<&str>) -> Result<Option<Url>> {
        let mut response = http::Response::builder().status(status);
        if let Some(location) = location {
            response = response.header(header::LOCATION, location);
        }
        let response = response.body(Vec::new()).unwrap();
        redirect_target(&Url::parse(from).unwrap(), &reqwest::Response::from(response))
    }

    #[test]
    fn a_redirect_is_never_weaker_than_https() {
        let (secure, plain) = ("https://a.test/x", "http://127.0.0.1:1/x");
        for (from, to, is_good) in [
            (secure, "https://b.test/y", true),
            (secure, "/y?z=1", true),
            (secure, "http://b.test/y", false),
            (secure, "ftp://b.test/y", false),
            (plain, "http://127.0.0.1:2/y", true),
            (plain, "https://b.test/y", true),
            (secure, "https://", false),
        ] {
            let outcome = target(from, 302, Some(to));
            assert_eq!(outcome.is_ok(), is_good, "{from} to {to}");
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Refused, "{from} to {to}");
            }
        }
        let relative = target(secure, 307, Some("/y?z=1")).unwrap().unwrap();
        assert_eq!(relative.as_str(), "https://a.test/y?z=1");
    }

    #[test]
    fn five_statuses_are_redirects_and_need_a_target() {
        for status in [301, 302, 303, 307, 308] {
            assert!(target("https://a.test/", status, Some("/y")).unwrap().is_some(), "{status}");
            let kind = target("https://a.test/", status, None).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::UnexpectedContent, "{status}");
        }
        for status in [200, 206, 300, 304, 305, 404] {
            assert!(target("https://a.test/", status, Some("/y")).unwrap().is_none(), "{status}");
        }
    }

    #[test]
    fn a_credential_stays_only_with_its_origin() {
        let from = Url::parse("https://a.test/x").unwrap();
        let token = Credential::new(Secret::new("TEST-canary"), [Origin::of(&from).unwrap()]);
        let count = |to: &str| {
            let mut head = Request::post(from.clone(), Body::Empty).bound(token.bearer().unwrap()).head;
            follow(&mut head, Url::parse(to).unwrap());
            assert_eq!((head.method, head.url.as_str()), (Method::GET, to));
            head.bound.len()
        };
        assert_eq!(count("https://a.test/y"), 1);
        for to in ["https://b.test/y", "https://a.test:444/y", "http://a.test/y"] {
            assert_eq!(count(to), 0, "{to}");
        }
    }
}
