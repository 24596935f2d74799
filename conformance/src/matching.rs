//! Matchers, in the words of WireMock: `equalTo`, `contains`, `absent`.

use serde::Deserialize;
use serde_json::Value;

use crate::fixture::RequestMatch;

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

/// A request as a double received it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) origin: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count()
    }

    /// What holds for every request of every provider.
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

    /// Checks the request against what the exchange expects.
    pub(crate) fn check(&self, origin: &str, want: &RequestMatch) -> Result<(), String> {
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
        if let Some(json) = &want.json {
            let got: Option<Value> = serde_json::from_slice(&self.body).ok();
            if got.as_ref() != Some(json) {
                return Err("the JSON body is another one".to_owned());
            }
        }
        Ok(())
    }
}
