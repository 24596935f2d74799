//! Matchers, in the words of WireMock: `equalTo`, `contains`, `absent`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use wamedia_core::Sha256;
use wamedia_sandbox::http1::Head;
use wamedia_sandbox::multipart::{Part, parse};

/// One condition on a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) enum Matcher {
    EqualTo(String),
    Contains(String),
    Absent(bool),
}

impl Matcher {
    fn check(&self, value: Option<&str>) -> Result<(), String> {
        let fits = match (self, value) {
            (Self::EqualTo(want), Some(value)) => want == value,
            (Self::Contains(want), Some(value)) => value.contains(want),
            (Self::Absent(absent), value) => *absent == value.is_none(),
            (_, None) => false,
        };
        if fits { Ok(()) } else { Err(format!("expected {self:?}, got {value:?}")) }
    }
}

/// One part of a form that is expected, in its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PartMatch {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) equal_to: Option<String>,
    #[serde(default)]
    pub(crate) file_name: Option<String>,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) sha256: Option<String>,
}

/// What a request must have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestMatch {
    pub(crate) method: String,
    /// Path and query, byte for byte.
    pub(crate) target: Matcher,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Matcher>,
    #[serde(default)]
    pub(crate) json: Option<Value>,
    /// The SHA-256 of the whole body, in hex.
    #[serde(default)]
    pub(crate) sha256: Option<String>,
    /// The parts of a form, all of them, in order.
    #[serde(default)]
    pub(crate) multipart: Option<Vec<PartMatch>>,
}

fn check_form(parts: &[Part], want: &[PartMatch]) -> Result<(), String> {
    let names = |parts: &[Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>();
    let wanted: Vec<_> = want.iter().map(|part| part.name.clone()).collect();
    if names(parts) != wanted {
        return Err(format!("the parts are {:?}, expected {wanted:?}", names(parts)));
    }
    for (part, want) in parts.iter().zip(want) {
        let same = |what: &str, got: Option<&str>, want: Option<&str>| {
            if got == want {
                return Ok(());
            }
            Err(format!("part {}: {what} is {got:?}, expected {want:?}", part.name))
        };
        same("the file name", part.filename.as_deref(), want.file_name.as_deref())?;
        same("the type", part.content_type.as_deref(), want.content_type.as_deref())?;
        if let Some(text) = &want.equal_to {
            same("the text", std::str::from_utf8(&part.body).ok(), Some(text))?;
        }
        if let Some(digest) = &want.sha256 {
            same("the digest", Some(&Sha256::of(&part.body).to_hex()), Some(digest))?;
        }
    }
    Ok(())
}

/// Whether the body of a request was read before the request is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Whole,
    Unread,
}

/// A request as a server received it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) origin: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// A request from its parts on the wire; its origin follows from the host.
    pub(crate) fn new(head: &Head, body: &[u8]) -> Self {
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
        Self {
            origin: format!("https://{}", head.header("host").unwrap_or_default()),
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            body: body.to_vec(),
        }
    }

    /// The request as it goes over the wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        if self.header("transfer-encoding").is_some() {
            if !self.body.is_empty() {
                out.extend_from_slice(format!("{:x}\r\n", self.body.len()).as_bytes());
                out.extend_from_slice(&self.body);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n\r\n");
        } else {
            out.extend_from_slice(&self.body);
        }
        out
    }

    /// Points the request at another host and target.
    pub(crate) fn redirect(&mut self, host: &str, target: &str) {
        self.origin = format!("https://{host}");
        target.clone_into(&mut self.target);
        for (name, value) in &mut self.headers {
            if name.eq_ignore_ascii_case("host") {
                host.clone_into(value);
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count()
    }

    /// Checks what holds for every request of every provider.
    pub(crate) fn check_always(&self) -> Result<(), String> {
        if self.count("user-agent") != 1 {
            return Err(format!("{} user agents", self.count("user-agent")));
        }
        for forbidden in ["referer", "cookie", "proxy-authorization", "accept-encoding"] {
            if self.count(forbidden) > 0 {
                return Err(format!("the header {forbidden} was sent"));
            }
        }
        Ok(())
    }

    /// The parts of a form, where the body is one.
    pub(crate) fn parts(&self) -> Option<Vec<Part>> {
        parse(self.header("content-type")?, &self.body.clone().into())
    }

    /// Checks the request against what the exchange expects.
    pub(crate) fn check(&self, origin: &str, want: &RequestMatch, body: Body) -> Result<(), String> {
        if self.origin != origin {
            return Err(format!("it went to {}, expected {origin}", self.origin));
        }
        if self.method != want.method {
            return Err(format!("method {}, expected {}", self.method, want.method));
        }
        want.target.check(Some(&self.target)).map_err(|why| format!("target: {why}"))?;
        for (name, matcher) in &want.headers {
            matcher.check(self.header(name)).map_err(|why| format!("header {name}: {why}"))?;
        }
        if body == Body::Unread {
            return Ok(());
        }
        if let Some(form) = &want.multipart {
            let parts = self.parts().ok_or("the body is not a form")?;
            check_form(&parts, form)?;
        }
        if let Some(digest) = &want.sha256
            && Sha256::of(&self.body).to_hex() != *digest
        {
            return Err(format!("the digest of the {} bytes of the body differs", self.body.len()));
        }
        if let Some(json) = &want.json {
            let got: Option<Value> = serde_json::from_slice(&self.body).ok();
            if got.as_ref() != Some(json) {
                return Err("the JSON body differs".to_owned());
            }
        }
        Ok(())
    }
}
