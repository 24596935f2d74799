//! The suite with a client that logs its token. It must fail: the secret of one crate's log is as public as that of any
//! other. With `harness = false` this program is the suite of the leaking client where it is started with `LEAK`, and else
//! the test that starts it so.

mod acme;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use acme_media::Acme;
use async_trait::async_trait;
use wamedia_conformance::wamedia_fixtures::Fixtures;
use wamedia_conformance::{CANARY, ProviderUnderTest, TestNet};
use wamedia_core::{
    Capabilities, MediaDescriptor, MediaRef, MediaStream, OpenOptions, Provider, ResolveOptions, Result,
};

/// How the client logs: `log` or `tracing`, by its own crate or, where `elsewhere` is added, by another one; `none` not at all.
const LEAK: &str = "ACME_LEAK";

/// Acme, which writes down what it sends.
#[derive(Debug)]
struct Leaking(Acme);

#[async_trait]
impl Provider for Leaking {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        match std::env::var(LEAK).as_deref() {
            Ok("log") => log::info!(target: "acme_media", "Authorization: Bearer {CANARY}"),
            Ok("log elsewhere") => log::info!(target: "some_client", "Authorization: Bearer {CANARY}"),
            Ok("tracing") => tracing::info!(target: "acme_media", "Authorization: Bearer {CANARY}"),
            Ok("tracing elsewhere") => tracing::info!(target: "some_client", token = CANARY, "sent"),
            Ok("tracing second line") => tracing::info!(target: "some_client", "sent\nBearer {CANARY}"),
            Ok("own trace") => tracing::trace!(target: "acme_media::wire", "Authorization: Bearer {CANARY}"),
            _ => {}
        }
        self.0.resolve(media, options).await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        self.0.open(media, options).await
    }
}

struct LeakingSuite;

impl ProviderUnderTest for LeakingSuite {
    const NAME: &'static str = "acme";

    fn build(net: &TestNet) -> Arc<dyn Provider> {
        Arc::new(Leaking(acme::client(net)))
    }

    fn fixtures() -> Fixtures {
        acme::fixtures()
    }

    fn snapshots() -> PathBuf {
        acme::snapshots()
    }
}

fn main() -> ExitCode {
    if std::env::var_os(LEAK).is_some() {
        let package = wamedia_conformance::Package { name: "acme-media", version: env!("CARGO_PKG_VERSION") };
        return wamedia_conformance::run::<LeakingSuite>(package);
    }
    let mut problems = Vec::new();
    for (leak, fails) in [
        ("none", false),
        ("log", true),
        ("log elsewhere", true),
        ("tracing", true),
        ("tracing elsewhere", true),
        ("tracing second line", true),
        ("own trace", true),
    ] {
        let program = std::env::current_exe().expect("this program has a path");
        let output = Command::new(program).arg("SE-010").env(LEAK, leak).output().expect("it can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let named = text.contains("SE-010: ") && text.contains("stands in the log");
        let ran = text.contains("running ") && !text.contains("running 0 ");
        if output.status.success() == fails || named != fails || !ran {
            problems.push(format!("{leak}: {}, and it says:\n{text}", output.status));
        }
    }
    if problems.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", problems.join("\n"));
    ExitCode::FAILURE
}
