//! A provider of your own, on the kit `wamedia-provider`, chosen by its name like the built-in ones.
//!
//! "Acme" is a partner that speaks Meta's media API under its own name. The kit has the client: bound credentials,
//! bounded retries, address checks, redaction. What is left is how this vendor says it.
//!
//! ```text
//! cargo run -p wamedia --features meta --example custom_provider
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::sync::Arc;

use async_trait::async_trait;
use wamedia::{
    Capabilities, Config, Fetched, MediaDescriptor, MediaLink, MediaRef, MediaStream, OpenOptions, Provider,
    ProviderExt as _, ProviderFactory, ProviderInfo, Registry, ResolveOptions, Result, Secret, Setting,
    Source,
};
use wamedia_provider::{
    Api, Credential, HostRules, NetworkSettings, Problems, Reply, Request, cloud_api, error_for_status,
    link_of,
};

mod support;

const NAME: &str = "acme";
/// Where the vendor's API is.
const API: &str = "https://api.acme.example";
/// An operation that is not declared answers `unsupported` and sends nothing.
const CAPABILITIES: Capabilities = Capabilities::NONE.with_resolve().with_open();

#[derive(Debug)]
struct Acme {
    api: Api,
    token: Credential,
}

impl Acme {
    /// Names every problem of the configuration in one error.
    fn new(token: &Secret, network: NetworkSettings) -> Result<Self> {
        let mut problems = Problems::new(NAME);
        let token = problems.bearer_token(token);
        let hosts = network.hosts(API, &mut problems);
        let hosts = problems.finish(hosts)?;
        // The token goes to these origins and to no other.
        let origins: Vec<_> = hosts.content.iter().cloned().chain([hosts.api.clone()]).collect();
        let credential = Credential::new(token.clone(), origins.clone());
        let api = Api::new(NAME, &hosts, HostRules::new(origins), &[token], network.transport)?;
        Ok(Self { api, token: credential })
    }

    fn descriptor(media: &MediaRef, reply: &Reply) -> Result<MediaDescriptor> {
        if !reply.is_success() {
            return Err(error_for_status(reply));
        }
        let (url, declared) = cloud_api::descriptor(cloud_api::json(reply)?)?;
        let source = Source::Link(MediaLink::with_credential(url));
        Ok(MediaDescriptor::new(media.clone(), source).with_declared(declared))
    }
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
        // Called once per attempt: a vendor that signs the time gets a fresh signature.
        let build = |_| {
            let url = self.api.url(&format!("/v25.0/{}", media.id_for(NAME)?))?;
            Ok(Request::get(url).bound(self.token.bearer()?))
        };
        self.api
            .idempotent("resolve", &options.budget)
            .send(build, |reply| Self::descriptor(media, reply))
            .await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let build = |_| Ok(Request::get(link_of(media)?.url.clone()).bound(self.token.bearer()?));
        let classify = |reply: &Reply| (!reply.is_success()).then(|| error_for_status(reply));
        self.api.content(&options.budget).open(media, build, classify).await
    }
}

/// Makes it available by name, with its settings checked like those of the others.
#[derive(Debug)]
pub(crate) struct AcmeFactory;

impl ProviderFactory for AcmeFactory {
    fn info(&self) -> ProviderInfo {
        const SETTINGS: &[Setting] = &[Setting::new("token").required().secret()];
        ProviderInfo::new(NAME, "Acme Messaging", SETTINGS)
    }

    fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
        let mut network = NetworkSettings::default();
        network.base_url.clone_from(&config.base_url);
        network.content_origins.clone_from(&config.content_origins);
        network.transport = config.transport.clone();
        let token = config.secret("token").cloned().unwrap_or_else(|| Secret::new(""));
        Ok(Arc::new(Acme::new(&token, network)?))
    }
}

/// Fetches from the sandbox, whose Meta stands for Acme.
pub(crate) async fn run() -> std::io::Result<Fetched> {
    let sandbox = support::sandbox().await?;
    let info = sandbox.provider("meta").ok_or(std::io::ErrorKind::NotFound)?;
    let mut config = support::of_sandbox(info);
    config.values.retain(|key, _| key == "token");
    let mut registry = Registry::built_in();
    registry.register(AcmeFactory)?;
    let media: MediaRef = format!("{NAME}:{}", info.media[0].id).parse()?;
    Ok(registry.provider(NAME, &config)?.fetch(&media).await?)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let fetched = run().await?;
    println!("{} bytes, verified by {}", fetched.bytes.len(), fetched.receipt.verified.name());
    Ok(())
}
