//! A webhook receiver for real servers.
//!
//! It verifies the delivery over the raw bytes, parses it, answers at once, and downloads in the
//! background, a few at a time. When it is told to stop it takes no more deliveries and finishes what
//! it has. What it has is in memory: a service that must survive a crash writes the references down
//! before it answers 200 (`MediaRef` has a stable text form for that).
//!
//! ```text
//! WAMEDIA_<PROVIDER>_TOKEN=… WAMEDIA_<PROVIDER>_…=… \
//!   cargo run -p wamedia --features meta,chakra,whapi,nxcloud,tls --example receiver -- PROVIDER 127.0.0.1:8080 media
//! ```

use std::collections::HashSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wamedia::{
    Config, Delivery, Downloaded, ErrorKind, Folder, Handshake, Inbound, MediaRef, Provider, ReceiveOptions,
    Registry, Secret, Transfer, TransferOptions, Webhooks,
};

/// Deliveries are at least once: so many references are remembered to tell a second one.
const REMEMBERED: usize = 100_000;

/// A body of more bytes is handed to a thread that may block.
const INLINE_MAX_BYTES: usize = 256 * 1024;

type Headers = Vec<(String, String)>;

/// What a receiver needs.
pub(crate) struct Settings {
    pub(crate) provider: Arc<dyn Provider>,
    /// What verifies and parses deliveries.
    pub(crate) webhooks: Arc<dyn Webhooks>,
    /// Where files go.
    pub(crate) folder: Folder,
    /// Downloads at once.
    pub(crate) at_once: usize,
    /// References that may wait; when there are more, the vendor is asked to come again.
    pub(crate) waiting: usize,
}

/// Called once for every reference, when its file is stored or cannot be had.
pub(crate) type Report = Arc<dyn Fn(&MediaRef, &wamedia::Result<Downloaded>) + Send + Sync>;

struct Receiver {
    webhooks: Arc<dyn Webhooks>,
    queue: mpsc::Sender<MediaRef>,
    seen: Mutex<HashSet<String>>,
}

/// Receives until `stop` is ready, then finishes what was accepted.
pub(crate) async fn serve(
    listener: TcpListener,
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
    report: Report,
) -> std::io::Result<()> {
    let Settings { provider, webhooks, folder, at_once, waiting } = settings;
    let (queue, references) = mpsc::channel(waiting.max(1));
    let downloads = tokio::spawn(download(provider, references, folder, at_once, report));
    // A larger body is refused before it is read.
    let cap = usize::try_from(webhooks.capabilities().max_bytes).unwrap_or(usize::MAX);
    let receiver = Arc::new(Receiver { webhooks, queue, seen: Mutex::default() });
    let app = Router::new()
        // Whapi has modes that append to the path and use other verbs; the body says what it is.
        .route("/webhook", get(handshake).fallback(receive))
        .route("/webhook/{*rest}", any(receive))
        .layer(DefaultBodyLimit::max(cap))
        .with_state(receiver);
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    // The last sender went with the router, so the downloads end when the queue is empty.
    downloads.await.map_err(std::io::Error::other)
}

/// Some vendors ask once whether the address is ours; the others do not ask.
async fn handshake(
    State(receiver): State<Arc<Receiver>>,
    RawQuery(query): RawQuery,
) -> Result<String, StatusCode> {
    match receiver.webhooks.handshake(&query.unwrap_or_default()) {
        Handshake::Accepted(challenge) => Ok(challenge),
        Handshake::Refused => Err(StatusCode::FORBIDDEN),
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Verifies and parses. A large body takes milliseconds, in which this thread serves nobody else.
async fn read(webhooks: Arc<dyn Webhooks>, headers: Headers, body: Bytes) -> wamedia::Result<Inbound> {
    let size = body.len();
    let read = move || {
        let delivery = Delivery::new(&body).with_headers(&headers);
        // A delivery that is not verified is refused, also where no secret is configured.
        webhooks.receive(&delivery, ReceiveOptions::default()).map(|received| received.inbound)
    };
    if size <= INLINE_MAX_BYTES {
        return read();
    }
    let failed = |_| wamedia::Error::new(ErrorKind::Local, "the delivery was not read to its end");
    tokio::task::spawn_blocking(read).await.map_err(failed)?
}

/// No request is made here, so the answer takes milliseconds whatever the delivery holds.
async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    // A value that is no text verifies nothing.
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: Headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let inbound = match read(Arc::clone(&receiver.webhooks), headers, body).await {
        Ok(inbound) => inbound,
        Err(error) => {
            return match error.kind() {
                ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
                ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                // The vendor comes again, and by then somebody may have looked at it.
                _ => StatusCode::BAD_REQUEST,
            };
        }
    };
    // Vendors deliver more than once, and history brings a message again.
    let mut seen = receiver.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let mut here = HashSet::new();
    let new = |media: &MediaRef| {
        let identity = media.identity();
        !seen.contains(&identity) && here.insert(identity)
    };
    let fresh: Vec<_> = inbound.media().map(|item| item.media.clone()).filter(new).collect();
    if fresh.is_empty() {
        return StatusCode::OK;
    }
    // All of a delivery or none of it.
    let Ok(places) = receiver.queue.try_reserve_many(fresh.len()) else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    if seen.len() >= REMEMBERED {
        seen.clear();
    }
    for (place, media) in places.zip(fresh) {
        seen.insert(media.identity());
        place.send(media);
    }
    StatusCode::OK
}

/// Downloads what comes through the queue, at most `at_once` at a time, until the queue is closed.
async fn download(
    provider: Arc<dyn Provider>,
    mut references: mpsc::Receiver<MediaRef>,
    folder: Folder,
    at_once: usize,
    report: Report,
) {
    // Clones of one set of options share its limit for hashing threads.
    let options = TransferOptions::default();
    let mut running = JoinSet::new();
    while let Some(media) = references.recv().await {
        while running.len() >= at_once.max(1) {
            running.join_next().await;
        }
        let (provider, folder, report) = (Arc::clone(&provider), folder.clone(), Arc::clone(&report));
        let options = options.clone();
        running.spawn(async move {
            let outcome = Transfer::new(&*provider).with_options(options).download_in(&media, &folder).await;
            report(&media, &outcome);
        });
    }
    while running.join_next().await.is_some() {}
}

/// A provider from `WAMEDIA_<PROVIDER>_<SETTING>`, as the program has it.
fn configured(name: &str) -> wamedia::Result<(Arc<dyn Provider>, Arc<dyn Webhooks>)> {
    let variable = |key: &str| std::env::var(format!("WAMEDIA_{}_{key}", name.to_uppercase())).ok();
    let mut config = Config::default();
    let settings = Registry::built_in().info(name).map(|info| info.settings);
    for setting in settings.into_iter().flatten() {
        if let Some(value) = variable(&setting.key.to_uppercase()) {
            config = config.with(setting.key, Secret::new(value));
        }
    }
    config.base_url = variable("BASE_URL");
    if let Some(origins) = variable("CONTENT_ORIGINS") {
        config.content_origins = origins.split(',').map(ToOwned::to_owned).collect();
    }
    Ok((wamedia::provider(name, &config)?, wamedia::webhooks(name, &config)?))
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "an example talks to people")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, address, folder] = arguments.as_slice() else {
        return Err("usage: receiver PROVIDER ADDRESS FOLDER".into());
    };
    let (provider, webhooks) = configured(name)?;
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let listener = TcpListener::bind(address).await?;
    eprintln!("deliveries of {name} go to http://{}/webhook", listener.local_addr()?);
    let report: Report = Arc::new(|media, outcome| match outcome {
        Ok(file) => eprintln!("{}: {}", media.short(), file.path.display()),
        Err(error) => eprintln!("{}: {error}", media.short()),
    });
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    // Every file gets a name that no other has; what a killed run left half done goes with the first transfer.
    let folder = Folder::new(folder);
    let settings = Settings { provider, webhooks, folder, at_once: 8, waiting: 10_000 };
    serve(listener, settings, stop, report).await?;
    Ok(())
}
