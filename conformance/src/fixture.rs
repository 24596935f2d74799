//! Fixtures: exchanges and deliveries as data, in the format `wamedia-fixture/1`.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use wamedia_core::{Delivery, Sha256};
use wamedia_fixtures::Fixtures;

use crate::matching::RequestMatch;

/// The file that describes a fixture, in a folder of its own.
const FILE: &str = "fixture.json";

/// One fixture. Unknown keys are refused: a misspelt matcher must not match everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture {
    pub(crate) schema: String,
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) kind: Kind,
    pub(crate) proves: Vec<String>,
    #[expect(dead_code, reason = "it is for people and for the fixtures check; the suite only demands it")]
    pub(crate) provenance: Provenance,
    #[serde(default)]
    pub(crate) origins: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) clock: Option<u64>,
    #[serde(default)]
    pub(crate) media: Option<String>,
    #[serde(default)]
    pub(crate) exchanges: Vec<Exchange>,
    #[serde(default)]
    pub(crate) delivery: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The URL to which the vendor sent the delivery, for vendors that sign it.
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    #[serde(default)]
    pub(crate) expect: Expect,
    /// What a recording replaced; for people.
    #[serde(default, rename = "redactions")]
    pub(crate) _redactions: Vec<Value>,
    /// Where its files are.
    #[serde(skip, default = "wamedia_fixtures::embedded")]
    pub(crate) root: Fixtures,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Requests and replies of a fetch.
    Exchange,
    /// A webhook delivery.
    Webhook,
    /// Requests and replies of an operation that one vendor has alone; a test of its crate makes the call.
    Operation,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "provenance is for people and for the fixtures check; the suite only demands it"
)]
pub(crate) struct Provenance {
    pub(crate) kind: ProvenanceKind,
    pub(crate) source: String,
    pub(crate) retrieved: String,
    pub(crate) note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProvenanceKind {
    Documented,
    Recorded,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) origin: String,
    pub(crate) request: RequestMatch,
    pub(crate) response: Response,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) json: Option<Value>,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) file: Option<BodyFile>,
    /// The connection is reset after so many bytes of the body.
    #[serde(default)]
    pub(crate) reset_after: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyFile {
    /// Relative to the fixtures folder.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// The kind of the error, where the fetch fails.
    #[serde(default)]
    pub(crate) error: Option<String>,
    /// The vendor's code in that error.
    #[serde(default)]
    pub(crate) provider_code: Option<String>,
    /// The exact number of requests.
    #[serde(default)]
    pub(crate) requests: Option<usize>,
    /// `verified`, `unsigned` or `forged`, of a delivery.
    #[serde(default)]
    pub(crate) authenticity: Option<String>,
    /// When the link expires, in seconds since 1970, as the vendor says.
    #[serde(default)]
    pub(crate) link_expires: Option<u64>,
    /// Media items of a delivery.
    #[serde(default)]
    pub(crate) media: Option<usize>,
    /// Items of a delivery that the vendor reports as failed.
    #[serde(default)]
    pub(crate) failed: Option<usize>,
    /// What else a delivery holds, by kind.
    #[serde(default)]
    pub(crate) others: Option<BTreeMap<String, usize>>,
}

impl Fixture {
    /// Reads the fixture of one folder and checks it.
    fn load(root: &Fixtures, folder: &str) -> Result<Self, String> {
        let path = format!("{folder}/{FILE}");
        let place = |why: String| format!("{root}/{path}: {why}");
        let text = root.read_text(&path).map_err(|error| error.to_string())?;
        let mut fixture: Self = serde_json::from_str(&text).map_err(|error| place(error.to_string()))?;
        fixture.root = root.clone();
        if fixture.schema != "wamedia-fixture/1" {
            return Err(place(format!("unknown schema {:?}", fixture.schema)));
        }
        if fixture.id != folder || !fixture.id.starts_with(&format!("{}/", fixture.provider)) {
            return Err(place(format!("the id {:?} is not the name of the folder", fixture.id)));
        }
        for exchange in &fixture.exchanges {
            if !fixture.origins.contains_key(&exchange.origin) {
                return Err(place(format!("exchange {:?} names an unknown origin", exchange.id)));
            }
            if let Some(file) = &exchange.response.file {
                fixture.read_file(file).map_err(place)?;
            }
        }
        Ok(fixture)
    }

    /// The operation, from its folder: `fetch`, `upload`, …
    pub(crate) fn operation(&self) -> &str {
        self.id.split('/').nth(1).unwrap_or_default()
    }

    /// All fixtures of a provider, in the order of their ids.
    pub(crate) fn load_all(root: &Fixtures, provider: &str) -> Result<Vec<Self>, String> {
        let files = root.list(provider).map_err(|error| format!("{root}/{provider}: {error}"))?;
        let folders = files.iter().filter_map(|path| path.strip_suffix(FILE)?.strip_suffix('/'));
        folders.map(|folder| Self::load(root, folder)).collect()
    }

    fn read_file(&self, file: &BodyFile) -> Result<Bytes, String> {
        let bytes: Bytes = match self.root.read(&file.path).map_err(|error| error.to_string())? {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let digest = Sha256::of(&bytes).to_hex();
        if bytes.len() as u64 != file.size || digest != file.sha256 {
            return Err(format!(
                "{} has {} bytes with SHA-256 {digest}, not what is stated",
                file.path,
                bytes.len()
            ));
        }
        Ok(bytes)
    }

    /// The body of a reply.
    pub(crate) fn body(&self, response: &Response) -> Bytes {
        match (&response.json, &response.text, &response.file) {
            (Some(json), ..) => Bytes::from(json.to_string()),
            (None, Some(text), _) => Bytes::from(text.clone()),
            (None, None, Some(file)) => self.read_file(file).unwrap_or_default(),
            (None, None, None) => Bytes::new(),
        }
    }

    /// The headers of the delivery.
    pub(crate) fn header_list(&self) -> Vec<(String, String)> {
        self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The delivery with these headers and this body, at the fixture's public URL.
    pub(crate) fn to_delivery<'a>(&'a self, headers: &'a [(String, String)], body: &'a [u8]) -> Delivery<'a> {
        let mut delivery = Delivery::new(body).with_headers(headers);
        delivery.public_url = self.public_url.as_deref();
        delivery
    }

    /// The raw bytes of the delivery.
    pub(crate) fn delivery_bytes(&self) -> Result<Vec<u8>, String> {
        let name = self.delivery.as_deref().ok_or("a webhook fixture names its delivery")?;
        let bytes = self.root.read(&format!("{}/{name}", self.id)).map_err(|error| error.to_string())?;
        Ok(bytes.into_owned())
    }
}
