//! The rows of `fixtures/<provider>/errors.json`: what a vendor's reply means, written by hand from its documents.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use wamedia_core::{Error, Retry};
use wamedia_provider::Reply;

/// The rows of a provider of this repository, as text.
///
/// # Panics
///
/// When there is no such provider.
pub fn documented_errors(provider: &str) -> String {
    let file = format!("{provider}/errors.json");
    wamedia_fixtures::embedded().read_text(&file).expect("the fixtures have rows for this provider")
}

/// One documented reply, and what a provider makes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ErrorRow {
    /// `resolve`, `open`, `upload`, `delete` or `list`; `any` for every call to the vendor's API.
    pub operation: String,
    /// How the bytes were asked for, where a vendor has two ways: by `id` or by `link`.
    #[serde(default)]
    pub by: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// Headers that matter.
    #[serde(default)]
    pub headers: serde_json::Map<String, Value>,
    /// The body: JSON, or text where it is a string.
    pub body: Value,
    /// The stable name of the kind.
    pub kind: String,
    /// `never`, `backoff`, or a number of seconds.
    pub retry: String,
    /// The vendor's code as the error shows it.
    pub code: Option<String>,
    /// What the document says.
    pub meaning: String,
    /// Where it says so.
    pub source: String,
    /// True where the document does not settle it.
    pub guess: bool,
}

impl ErrorRow {
    /// The rows of a file.
    ///
    /// # Panics
    ///
    /// When the text is not such a file.
    pub fn read_all(text: &str) -> Vec<Self> {
        serde_json::from_str(text).expect("errors.json has rows of the known form")
    }

    /// The reply that the row describes.
    ///
    /// # Panics
    ///
    /// When a header of the row is not one.
    pub fn reply(&self) -> Reply {
        let body = self.body.as_str().map_or_else(|| self.body.to_string(), ToOwned::to_owned);
        let mut reply = Reply::new(self.status, body);
        for (name, value) in &self.headers {
            let name: http::HeaderName = name.parse().expect("the name of a header");
            let value = value.as_str().expect("a header is text").parse().expect("the value of a header");
            reply.headers.insert(name, value);
        }
        reply
    }

    /// What is wrong with an outcome; `None` where it is the documented one.
    pub fn complaint(&self, call: &str, outcome: Option<&Error>) -> Option<String> {
        let retry = match self.retry.as_str() {
            "never" => Retry::Never,
            "backoff" => Retry::Backoff,
            seconds => Retry::After(Duration::from_secs(seconds.parse().ok()?)),
        };
        let is = outcome.map(|error| (error.kind().name(), error.retry(), error.provider_code()));
        let should = (self.kind.as_str(), retry, self.code.as_deref());
        (is != Some(should)).then(|| {
            format!(
                "{call}, {} {} ({}): is {is:?}, should be {should:?}",
                self.status, self.body, self.meaning
            )
        })
    }
}

/// Compares every row with what `outcomes` makes of its reply: the name of each call that the row is
/// about, and its error. Then looks for a row for each of `codes`, which are those of the crate's own table.
///
/// # Panics
///
/// With everything that differs.
pub fn check_errors<'a>(
    text: &str,
    outcomes: impl Fn(&ErrorRow, &Reply) -> Vec<(&'static str, Option<Error>)>,
    codes: impl IntoIterator<Item = &'a str>,
) {
    let rows = ErrorRow::read_all(text);
    let mut problems = Vec::new();
    for row in &rows {
        let outcomes = outcomes(row, &row.reply());
        if outcomes.is_empty() {
            problems.push(format!("no call is tested for {} {:?} ({})", row.operation, row.by, row.meaning));
        }
        problems.extend(outcomes.iter().filter_map(|(call, error)| row.complaint(call, error.as_ref())));
    }
    for code in codes {
        let fits = |row: &ErrorRow| row.code.as_deref() == Some(code);
        if !rows.iter().any(fits) {
            problems.push(format!("the code {code} of the table has no row"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
