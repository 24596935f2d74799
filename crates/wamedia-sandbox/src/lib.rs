//! Every provider's media API on loopback, stateful, with fault switches.
//!
//! Each provider has an API origin and a content origin, as in real life: credentials are bound to
//! origins, links expire, `NXCloud` signatures are recomputed from the received bytes. An id that
//! starts with the name of a [`Fault`] always has that fault, and `size-1048576` is that many bytes.
//! Faults that end after some requests do so in a cycle, so such an id can be used repeatedly.
//!
//! ```no_run
//! # async fn example(now: wamedia_sandbox::Now) -> std::io::Result<()> {
//! use wamedia_sandbox::{Options, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::new(now)).await?;
//! let meta = sandbox.provider("meta").expect("all vendors are there");
//! assert!(meta.base_url.starts_with("http://127.0.0.1:"));
//! # Ok(())
//! # }
//! ```

mod chakra;
mod content;
mod control;
mod dialog360;
mod digest;
mod faults;
#[doc(hidden)]
pub mod http1;
mod media;
mod meta;
#[doc(hidden)]
pub mod multipart;
mod nxcloud;
mod record;
mod routes;
mod serve;
mod state;
mod twilio;
mod webhooks;
mod whapi;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Map, Value, json};

pub use faults::{Fault, FaultScope, UnknownFault};
pub use media::SeedMedia;
pub use record::{Leak, RequestLog};
pub use webhooks::{Signature, WebhookDelivery, post_webhook};

use http1::Server;
use serve::{Handler, Listener};
use state::{Origins, Provider, State};

/// The wall clock.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What is called for every request.
pub type OnRequest = Arc<dyn Fn(&RequestLog) + Send + Sync>;

/// Names and credentials of the emulated accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// Bearer token of Meta.
    pub meta_token: String,
    /// Secret that signs Meta's webhooks.
    pub meta_app_secret: String,
    /// Token of Meta's webhook handshake.
    pub meta_verify_token: String,
    /// Phone number id of Meta and `ChakraHQ`.
    pub phone_number_id: String,
    /// Bearer token of `ChakraHQ`.
    pub chakra_token: String,
    /// Plugin id of `ChakraHQ`.
    pub chakra_plugin_id: String,
    /// Secret that signs `ChakraHQ`'s webhooks.
    pub chakra_webhook_secret: String,
    /// Channel token of Whapi.
    pub whapi_token: String,
    /// Static header of Whapi's webhooks, `Name: value`.
    pub whapi_webhook_header: String,
    /// Access key of `NXCloud`.
    pub nxcloud_access_key: String,
    /// Access secret of `NXCloud`.
    pub nxcloud_access_secret: String,
    /// Business number of `NXCloud`.
    pub nxcloud_business_phone: String,
    /// API key of 360dialog.
    pub dialog360_api_key: String,
    /// Account of Twilio.
    pub twilio_account_sid: String,
    /// Auth token of Twilio, which also signs its webhooks.
    pub twilio_auth_token: String,
    /// The URL that Twilio's webhooks are signed for, wherever they are posted to.
    pub twilio_public_url: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            meta_token: "TEST-meta-token".to_owned(),
            meta_app_secret: "TEST-meta-app-secret".to_owned(),
            meta_verify_token: "TEST-meta-verify-token".to_owned(),
            phone_number_id: "391200000000017".to_owned(),
            chakra_token: "TEST-chakra-token".to_owned(),
            chakra_plugin_id: "7e577e57-0000-4000-8000-00000000c4a2".to_owned(),
            chakra_webhook_secret: "TEST-chakra-webhook-secret".to_owned(),
            whapi_token: "TEST-whapi-token".to_owned(),
            whapi_webhook_header: "X-Hook-Secret: TEST-whapi-hook".to_owned(),
            nxcloud_access_key: "TEST-nxcloud-key".to_owned(),
            nxcloud_access_secret: "TEST-nxcloud-secret".to_owned(),
            nxcloud_business_phone: "8615800001795".to_owned(),
            dialog360_api_key: "TEST-360dialog-key".to_owned(),
            twilio_account_sid: "AC7e570000000000000000000000007e57".to_owned(),
            twilio_auth_token: "TEST-twilio-auth-token".to_owned(),
            twilio_public_url: "https://example.test/hooks/twilio".to_owned(),
        }
    }
}

/// How a sandbox is started.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// First port; APIs listen there and on the next five, content ten ports later. None: free ports.
    pub port: Option<u16>,
    /// Where to listen in place of loopback, for containers: anybody who reaches it can use it, and its credentials are
    /// public. The page answers under names of this machine only.
    pub bind: Option<IpAddr>,
    /// The wall clock that decides whether links and signatures have expired.
    pub now: Now,
    /// Folder whose `<provider>` folders hold more media and receive uploads.
    pub data_dir: Option<PathBuf>,
    /// Called for every request.
    pub on_request: Option<OnRequest>,
    /// Pause before each answer.
    pub latency: Duration,
    /// The emulated accounts.
    pub credentials: Credentials,
    #[doc(hidden)]
    pub wrap: Option<http1::Wrap>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("port", &self.port)
            .field("bind", &self.bind)
            .field("data_dir", &self.data_dir)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Free ports, no folder, no log, no latency, test credentials.
    pub fn new(now: Now) -> Self {
        Self {
            port: None,
            bind: None,
            now,
            data_dir: None,
            on_request: None,
            latency: Duration::ZERO,
            credentials: Credentials::default(),
            wrap: None,
        }
    }

    /// Sets the first port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets where to listen in place of loopback.
    #[must_use]
    pub fn with_bind(mut self, bind: IpAddr) -> Self {
        self.bind = Some(bind);
        self
    }

    /// Sets the folder of further media and of uploads.
    #[must_use]
    pub fn with_data_dir(mut self, data_dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(data_dir.into());
        self
    }

    /// Sets what is called for every request.
    #[must_use]
    pub fn with_on_request(mut self, on_request: impl Fn(&RequestLog) + Send + Sync + 'static) -> Self {
        self.on_request = Some(Arc::new(on_request));
        self
    }

    /// Sets the pause before each answer.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Serves HTTPS: every connection goes through this first.
    #[doc(hidden)]
    #[must_use]
    pub fn with_wrap(mut self, wrap: http1::Wrap) -> Self {
        self.wrap = Some(wrap);
        self
    }

    /// Sets the emulated accounts.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }
}

/// What a client needs to talk to one emulated provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// `meta`, `chakra`, `whapi`, `nxcloud`, `360dialog` or `twilio`.
    pub name: &'static str,
    /// Origin of the API.
    pub base_url: String,
    /// Further origins that content comes from.
    pub content_origins: Vec<String>,
    /// Environment of the program: names and test values.
    pub env: Vec<(String, String)>,
    /// The media that is there from the start.
    pub media: Vec<SeedMedia>,
}

/// A running sandbox. Dropping it ends all its listeners.
#[derive(Debug)]
pub struct Sandbox {
    state: Arc<State>,
    providers: Vec<ProviderInfo>,
    foreign: Server,
    forbidden_host: Server,
    api: Vec<Server>,
    content: Vec<Server>,
}

impl Sandbox {
    /// Starts all listeners, on loopback unless [`Options::bind`] says otherwise.
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options { port, bind, now, data_dir, on_request, latency, credentials, wrap } = options;
        let state = Arc::new(State::new(now, credentials, latency, data_dir, on_request).await?);
        let (mut api, mut content) = (Vec::new(), Vec::new());
        for (offset, provider) in (0..).zip(Provider::ALL) {
            let handler = |listener| Handler { state: Arc::clone(&state), provider, listener };
            let serve = |at, listener| Server::bind_wrapped(at, handler(listener), wrap.clone());
            api.push(serve(address(bind, port, offset)?, Listener::Api).await?);
            content.push(serve(address(bind, port, 10 + offset)?, Listener::Content).await?);
        }
        // A host of their own, where the system has one: Linux answers on all of 127/8.
        let targets = |listener| Handler { state: Arc::clone(&state), provider: Provider::Meta, listener };
        let other = |at, listener| bind_other_host(at, move || targets(listener), wrap.clone());
        let foreign = other(address(bind, port, 20)?, Listener::Foreign).await?;
        let forbidden_host = other(address(bind, port, 21)?, Listener::ForbiddenHost).await?;
        let origin = |servers: &[Server], at: usize| servers.get(at).map(Server::origin).unwrap_or_default();
        let origins = Origins {
            api: std::array::from_fn(|at| origin(&api, at)),
            content: std::array::from_fn(|at| origin(&content, at)),
            foreign: foreign.origin(),
            forbidden_host: forbidden_host.origin(),
        };
        let providers = Provider::ALL.into_iter().map(|provider| info(&state, &origins, provider)).collect();
        state.origins.get_or_init(|| origins);
        Ok(Self { state, providers, foreign, forbidden_host, api, content })
    }

    /// What a client needs to talk to this provider.
    pub fn provider(&self, name: &str) -> Option<&ProviderInfo> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// All of them.
    pub fn providers(&self) -> &[ProviderInfo] {
        &self.providers
    }

    /// What this provider calls an object: Twilio's ids are made from its name here, with the message's.
    pub fn media_id(&self, provider: &str, id: &str) -> String {
        Provider::named(provider).map_or_else(|| id.to_owned(), |provider| media_id(provider, id))
    }

    /// An object as the provider serves it: its type, and its bytes. None where there is no such object, or where its
    /// bytes are made while they are sent.
    pub async fn object(&self, provider: &str, id: &str) -> Option<(String, Bytes)> {
        let provider = Provider::named(provider)?;
        let media = self.state.find(provider, &stored_id(provider, id)).await?;
        match &media.content {
            media::Content::Stored(bytes) => Some((media.mime.clone(), bytes.clone())),
            media::Content::Pattern(_) => None,
        }
    }

    /// The ids of this provider's objects, oldest first.
    pub fn ids(&self, provider: &str) -> Vec<String> {
        let Some(provider) = Provider::named(provider) else { return Vec::new() };
        self.state.store(provider).order.iter().map(|id| media_id(provider, id)).collect()
    }

    /// The first line of `wamedia sandbox --json`.
    pub fn ready_json(&self) -> Value {
        let providers: Map<String, Value> =
            self.providers.iter().map(|info| (info.name.to_owned(), ready(info))).collect();
        json!({"ready": true, "providers": providers})
    }

    /// Switches a fault on for its next `times` requests; zero switches it off.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when there is no such fault.
    pub fn set_fault(&self, name: &str, times: u64) -> io::Result<()> {
        let fault =
            name.parse().map_err(|error: UnknownFault| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.state.switch(fault, times);
        Ok(())
    }

    /// The requests so far, oldest first, at most ten thousand.
    pub fn requests(&self) -> Vec<RequestLog> {
        self.state.requests()
    }

    /// Credentials that reached hosts where none belongs.
    pub fn leaks(&self) -> Vec<Leak> {
        self.state.leaks()
    }

    /// The host that `foreign-host`, `lookalike` and `redirect` lead to; it serves every object.
    pub fn foreign_origin(&self) -> String {
        self.foreign.origin()
    }

    /// How many connections reached the host that no client may contact.
    pub fn forbidden_host_connections(&self) -> u64 {
        self.forbidden_host.connections()
    }

    /// How many connections this provider's API and content listeners have accepted.
    pub fn connections(&self, provider: &str) -> (u64, u64) {
        let count = |servers: &[Server]| {
            let place = Provider::named(provider).map(|provider| provider as usize);
            place.and_then(|place| servers.get(place)).map_or(0, Server::connections)
        };
        (count(&self.api), count(&self.content))
    }

    /// Every exchange of this provider's content listener, with how it ended.
    pub fn content_exchanges(&self, provider: &str) -> Vec<http1::Exchange> {
        let place = Provider::named(provider).map(|provider| provider as usize);
        place.and_then(|place| self.content.get(place)).map(Server::seen).unwrap_or_default()
    }

    /// Every exchange of this provider's API listener, with how it ended.
    pub fn api_exchanges(&self, provider: &str) -> Vec<http1::Exchange> {
        let place = Provider::named(provider).map(|provider| provider as usize);
        place.and_then(|place| self.api.get(place)).map(Server::seen).unwrap_or_default()
    }

    /// A signed delivery that carries this media, in the provider's shape.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when the provider or the id is unknown.
    pub async fn webhook(&self, provider: &str, media_id: &str) -> io::Result<WebhookDelivery> {
        webhooks::delivery(&self.state, provider, media_id, false).await
    }

    /// The same in `ChakraHQ`'s own envelope; other providers have one shape only.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when the provider or the id is unknown.
    pub async fn webhook_enveloped(&self, provider: &str, media_id: &str) -> io::Result<WebhookDelivery> {
        webhooks::delivery(&self.state, provider, media_id, true).await
    }

    /// Ends all listeners and connections.
    pub async fn shutdown(self) {
        drop(self);
        // Aborted tasks close their sockets when the scheduler next runs them.
        tokio::task::yield_now().await;
    }
}

fn address(bind: Option<IpAddr>, port: Option<u16>, offset: u16) -> io::Result<SocketAddr> {
    let port = match port {
        None | Some(0) => 0,
        Some(port) => port.checked_add(offset).ok_or(io::ErrorKind::InvalidInput)?,
    };
    Ok(SocketAddr::new(bind.unwrap_or(Ipv4Addr::LOCALHOST.into()), port))
}

async fn bind_other_host(
    address: SocketAddr,
    handler: impl Fn() -> Handler,
    wrap: Option<http1::Wrap>,
) -> io::Result<Server> {
    let other = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), address.port()));
    match Server::bind_wrapped(other, handler(), wrap.clone()).await {
        Ok(server) => Ok(server),
        Err(_) => Server::bind_wrapped(address, handler(), wrap).await,
    }
}

fn info(state: &State, origins: &Origins, provider: Provider) -> ProviderInfo {
    let base_url = origins.api[provider as usize].clone();
    let content_origins = vec![origins.content[provider as usize].clone()];
    let c = &state.credentials;
    let own: Vec<(&str, &str)> = match provider {
        Provider::Meta => vec![
            ("TOKEN", &c.meta_token),
            ("PHONE_NUMBER_ID", &c.phone_number_id),
            ("APP_SECRET", &c.meta_app_secret),
            ("VERIFY_TOKEN", &c.meta_verify_token),
        ],
        Provider::Chakra => vec![
            ("TOKEN", &c.chakra_token),
            ("PLUGIN_ID", &c.chakra_plugin_id),
            ("PHONE_NUMBER_ID", &c.phone_number_id),
            ("WEBHOOK_SECRET", &c.chakra_webhook_secret),
        ],
        Provider::Whapi => vec![("TOKEN", &c.whapi_token), ("WEBHOOK_HEADER", &c.whapi_webhook_header)],
        Provider::Nxcloud => vec![
            ("ACCESS_KEY", &c.nxcloud_access_key),
            ("ACCESS_SECRET", &c.nxcloud_access_secret),
            ("BUSINESS_PHONE", &c.nxcloud_business_phone),
        ],
        Provider::Dialog360 => vec![("API_KEY", &c.dialog360_api_key)],
        Provider::Twilio => vec![
            ("ACCOUNT_SID", &c.twilio_account_sid),
            ("AUTH_TOKEN", &c.twilio_auth_token),
            ("PUBLIC_URL", &c.twilio_public_url),
        ],
    };
    let prefix = format!("WAMEDIA_{}", provider.name().to_uppercase());
    let shared = [("BASE_URL", base_url.as_str()), ("CONTENT_ORIGINS", content_origins[0].as_str())];
    let env = shared
        .into_iter()
        .chain(own)
        .map(|(name, value)| (format!("{prefix}_{name}"), value.to_owned()))
        .collect();
    let store = state.store(provider);
    let seed = |media: &Arc<media::Media>| {
        let mut seed = media.seed();
        seed.id = media_id(provider, &seed.id);
        seed
    };
    let media = store.order.iter().filter_map(|id| store.media.get(id)).map(seed).collect();
    ProviderInfo { name: provider.name(), base_url, content_origins, env, media }
}

impl ProviderInfo {
    /// Commands that fetch its first object: by this project's program, and by curl where no signature is needed.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let id = self.media.first().map_or("", |media| media.id.as_str());
        let variables: Vec<_> = self.env.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
        let own = format!("env {} wamedia get {}:{id}", variables.join(" "), self.name);
        [Some(own), self.curl(id)].into_iter().flatten().collect()
    }

    fn curl(&self, id: &str) -> Option<String> {
        let token = self.env.iter().find(|(name, _)| name.ends_with("_TOKEN")).map(|(_, value)| value)?;
        let path = match self.name {
            "meta" => format!("/v25.0/{id}"),
            "chakra" => format!("/v1/whatsapp/v22.0/media/{id}"),
            "whapi" => format!("/media/{id} -o media.bin"),
            _ => return None,
        };
        Some(format!("curl -H 'Authorization: Bearer {token}' {}{path}", self.base_url))
    }
}

fn media_id(provider: Provider, id: &str) -> String {
    if provider == Provider::Twilio { twilio::media_id(id) } else { id.to_owned() }
}

/// The name that an object is stored under.
fn stored_id(provider: Provider, id: &str) -> String {
    if provider == Provider::Twilio { twilio::name(id) } else { id.to_owned() }
}

fn ready(info: &ProviderInfo) -> Value {
    let env: Map<String, Value> =
        info.env.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let media: Vec<Value> = info
        .media
        .iter()
        .map(|media| {
            json!({"ref": format!("{}:{}", info.name, media.id), "mime": media.mime,
                "size_bytes": media.size_bytes, "sha256": media.sha256_hex})
        })
        .collect();
    json!({"base_url": info.base_url, "content_origins": info.content_origins, "env": env, "media": media})
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
