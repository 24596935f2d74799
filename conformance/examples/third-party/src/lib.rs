//! Acme, a provider that does not exist, with a small HTTP client of its own.
//!
//! It asks `api.acme.test` for a link, with a token, and reads the link on `cdn.acme.test` without one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderMap, RETRY_AFTER};
use url::Url;
use wamedia_core::{
    Budget, Capabilities, Clock, ContentMetadata, Error, ErrorKind, MediaDescriptor, MediaLink, MediaRef,
    MediaStream, Mime, OpenOptions, Phase, Provider, ResolveOptions, Result, Retry, Secret, Source,
};

const NAME: &str = "acme";
const API: &str = "api.acme.test";
const CONTENT: &str = "cdn.acme.test";
const CAPABILITIES: Capabilities = Capabilities::NONE.with_resolve().with_open();
/// No byte for this long ends a call.
const IDLE: Duration = Duration::from_secs(30);
/// A description is never larger.
const DESCRIPTION_MAX: usize = 1 << 20;

/// Where the client is led in tests, and whom it trusts there.
#[derive(Clone, Debug)]
pub struct TestServer {
    /// Where all names lead.
    pub address: SocketAddr,
    /// The certificate to trust, DER.
    pub ca_der: Vec<u8>,
    /// Whether an address on loopback may be contacted.
    pub loopback: bool,
}

/// Acme's API.
#[derive(Debug)]
pub struct Acme {
    http: reqwest::Client,
    token: Secret,
    clock: Arc<dyn Clock>,
    led_inside: bool,
}

impl Acme {
    /// A client with a token; `server` in tests only.
    pub fn new(token: Secret, clock: Arc<dyn Clock>, server: Option<&TestServer>) -> reqwest::Result<Self> {
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("acme-media/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .https_only(true)
            .connect_timeout(IDLE)
            .read_timeout(IDLE);
        if let Some(server) = server {
            http = http
                .tls_certs_only([reqwest::Certificate::from_der(&server.ca_der)?])
                .resolve(API, server.address)
                .resolve(CONTENT, server.address);
        }
        let led_inside = server.is_some_and(|server| !is_public(server.address.ip()) && !server.loopback);
        Ok(Self { http: http.build()?, token, clock, led_inside })
    }

    /// One call with its retries.
    async fn get(&self, call: &Call<'_>, url: &Url) -> Result<reqwest::Response> {
        loop {
            let error = match self.once(call, url).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error.with_provider(NAME).with_operation(call.operation),
            };
            let wait = match error.retry() {
                Retry::After(wait) => wait,
                Retry::Backoff => Duration::from_millis(500),
                _ => return Err(error),
            };
            if !call.budget.take_retry() || !call.budget.take_wait(wait) {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, call: &Call<'_>, url: &Url) -> Result<reqwest::Response> {
        let host = url.host_str().unwrap_or_default();
        let fine =
            url.scheme() == "https" && host == call.host && url.port().is_none() && url.username().is_empty();
        if !fine || url.password().is_some() || self.led_inside {
            return Err(
                Error::new(ErrorKind::Refused, "the link leads to another host").with_phase(Phase::Prepare)
            );
        }
        let mut request = self.http.get(url.clone());
        if call.host == API {
            request = request.bearer_auth(self.token.expose());
        }
        call.budget.count_request();
        let reply = tokio::time::timeout(IDLE, request.send()).await;
        let reply =
            reply.map_err(|_| Error::new(ErrorKind::Timeout, "no answer").with_retry(Retry::Backoff))?;
        let reply = reply.map_err(|error| network(&error, Phase::Head))?;
        match reply.status().as_u16() {
            200 => Ok(reply),
            status => Err(refusal(status, reply.headers(), self.clock.now()).with_status(status)),
        }
    }
}

struct Call<'a> {
    operation: &'static str,
    host: &'static str,
    budget: &'a Budget,
}

/// A failure of the network. A connection that was never made is not tried again: a wrong certificate
/// looks the same.
fn network(error: &reqwest::Error, phase: Phase) -> Error {
    let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Transport };
    let retry = if error.is_connect() { Retry::Never } else { Retry::Backoff };
    Error::new(kind, "the connection failed").with_retry(retry).with_phase(phase)
}

fn refusal(status: u16, headers: &HeaderMap, now: SystemTime) -> Error {
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| {
        let date = || httpdate::parse_http_date(text).ok();
        let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
        seconds.or_else(|| date().map(|date| date.duration_since(now).unwrap_or_default()))
    });
    let later = asked.map_or(Retry::Backoff, Retry::After);
    let (kind, retry) = match status {
        400 | 415 | 422 => (ErrorKind::InvalidRequest, Retry::Never),
        401 => (ErrorKind::Unauthorized, Retry::Never),
        403 => (ErrorKind::Forbidden, Retry::Never),
        404 | 410 => (ErrorKind::NotFound, Retry::Never),
        413 => (ErrorKind::TooLarge, Retry::Never),
        429 => (ErrorKind::RateLimited, later),
        300..=399 => (ErrorKind::Refused, Retry::Never),
        500..=599 => (ErrorKind::Upstream, later),
        _ => (ErrorKind::UnexpectedContent, Retry::Never),
    };
    Error::new(kind, format!("answered {status}")).with_retry(retry).with_phase(Phase::Head)
}

fn decode(why: &str) -> Error {
    Error::new(ErrorKind::Decode, why).with_provider(NAME).with_operation("resolve")
}

/// A number, or a text that is one; more than a million GiB is none.
fn size(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).filter(|size| *size < 1 << 50)
}

/// Whether an address may belong to somebody's server on the internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            let is_benchmark = first == 198 && second & 0xfe == 18;
            let is_local = v4.is_loopback() || v4.is_private() || v4.is_link_local();
            !(is_shared || is_benchmark || is_local || first == 0 || v4.is_broadcast())
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(v4.into()),
            None => {
                let is_local = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
                !(is_local || v6.is_unspecified())
            }
        },
    }
}

/// The name in `attachment; filename="…"`.
fn file_name(text: &str) -> Option<String> {
    let name = text.split("filename=").nth(1)?.split(';').next()?;
    Some(name.trim().trim_matches('"').to_owned())
}

#[async_trait]
impl Provider for Acme {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        let id = media.id_for(NAME).map_err(|error| error.with_operation("resolve"))?;
        let call = Call { operation: "resolve", host: API, budget: &options.budget };
        if !id.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            let error =
                Error::new(ErrorKind::InvalidRequest, "this is not an id of Acme").with_phase(Phase::Prepare);
            return Err(error.with_provider(NAME).with_operation("resolve"));
        }
        let url = Url::parse(&format!("https://{API}/media/{id}")).map_err(|_| decode("no address"))?;
        let mut body = self.get(&call, &url).await?.bytes_stream();
        let mut text = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| {
                network(&error, Phase::Body).with_provider(NAME).with_operation("resolve")
            })?;
            text.extend_from_slice(&chunk);
            if text.len() > DESCRIPTION_MAX {
                return Err(decode("the description is too long"));
            }
        }
        let json: serde_json::Value =
            serde_json::from_slice(&text).map_err(|_| decode("the description is not JSON"))?;
        let data = &json["data"];
        let link = data["href"]
            .as_str()
            .filter(|link| !link.is_empty())
            .ok_or_else(|| decode("the answer has no link"))?;
        let link = Url::parse(link).map_err(|_| decode("the link is none"))?;
        let declared = ContentMetadata::EMPTY
            .with_mime_text(data["kind"].as_str())
            .with_sha256_text(data["hash"].as_str())
            .with_size_bytes(size(&data["size"]));
        Ok(MediaDescriptor::new(media.clone(), Source::Link(MediaLink::public(link))).with_declared(declared))
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let call = Call { operation: "open", host: CONTENT, budget: &options.budget };
        let link = media.link().ok_or_else(|| decode("the description has no link"))?;
        let reply = self.get(&call, &link.url).await?;
        let text =
            |name| reply.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let mime = text(CONTENT_TYPE).and_then(|text| Mime::parse(&text).ok());
        // What is a page in place of the media is the engine's question, which knows all that was declared. An encoding
        // is not looked at: the client inflates nothing, so the bytes are what was sent.
        let mut head = wamedia_core::MediaHead::default();
        head.name = text(CONTENT_DISPOSITION).and_then(|text| file_name(&text));
        head.validator = text(ETAG).filter(|etag| etag.starts_with('"'));
        (head.mime, head.body_bytes) = (mime, reply.content_length());
        let chunks = reply.bytes_stream().map(|chunk| {
            chunk.map_err(|error| network(&error, Phase::Body).with_provider(NAME).with_operation("open"))
        });
        Ok(MediaStream::new(head, chunks))
    }
}
