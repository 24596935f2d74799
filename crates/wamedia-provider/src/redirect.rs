use http::{HeaderMap, header};
use url::Url;
use wamedia_core::{Error, ErrorKind, Result};

use crate::{BoundHeader, Origin, Request};

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
    let next = from.join(location).map_err(|_| refused("a redirect to something that is no address"))?;
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(refused("a redirect from https to something weaker"));
    }
    Ok(Some(next))
}

/// The request that follows a redirect. A credential stays only while the origin does: once another one was
/// involved, none comes back, not even to its own origin.
pub(crate) fn follow(next: Url, from: &Url, headers: HeaderMap, bound: Vec<BoundHeader>) -> Request {
    let mut request = Request::get(next);
    request.headers = headers;
    if Origin::of(from) == Origin::of(&request.url) {
        request.bound = bound;
    }
    request
}
