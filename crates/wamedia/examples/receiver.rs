//! A webhook receiver for real servers.
//!
//! It verifies the delivery over the raw bytes, parses it, answers at once, and downloads in the
//! background, a few at a time. When it is told to stop it takes no more deliveries and finishes what
//! it has.
//!
//! [`ReferenceQueue`] is where references wait. [`InMemory`] loses them when the process dies; a service that must survive
//! that implements the trait with its database, as the example `scaling-out` does.
//!
//! ```text
//! WAMEDIA_<PROVIDER>_TOKEN=… WAMEDIA_<PROVIDER>_…=… \
//!   cargo run -p wamedia --features meta,chakra,whapi,nxcloud,http --example receiver -- PROVIDER 127.0.0.1:8080 media
//! ```

use std::collections::HashSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wamedia::{
    Delivery, Downloaded, ErrorKind, Folder, Handshake, MediaRef, Provider, ReceiveOptions, Transfer,
    TransferOptions, Webhooks,
};

mod support;

/// Deliveries are at least once: so many references are remembered to tell a second one.
const REMEMBERED: usize = 100_000;

/// A body of more bytes is handed to a thread that may block.
const INLINE_MAX_BYTES: usize = 256 * 1024;

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
    references: Arc<dyn ReferenceQueue>,
}

/// Where references wait until they are fetched. The vendor is answered 200 when it has them.
#[async_trait]
pub(crate) trait ReferenceQueue: Send + Sync + 'static {
    /// Takes all references of a delivery and gives true, or takes none. It knows media by
    /// [`MediaRef::identity`], since vendors deliver more than once; what it has already counts as taken.
    async fn accept(&self, media: Vec<MediaRef>) -> bool;
}

/// A queue in memory.
struct InMemory {
    queue: mpsc::Sender<MediaRef>,
    seen: Mutex<HashSet<String>>,
}

#[async_trait]
impl ReferenceQueue for InMemory {
    async fn accept(&self, media: Vec<MediaRef>) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut here = HashSet::new();
        let new = |media: &MediaRef| {
            let identity = media.identity();
            !seen.contains(&identity) && here.insert(identity)
        };
        let fresh: Vec<_> = media.into_iter().filter(new).collect();
        if fresh.is_empty() {
            return true;
        }
        let Ok(places) = self.queue.try_reserve_many(fresh.len()) else { return false };
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        for (place, media) in places.zip(fresh) {
            seen.insert(media.identity());
            place.send(media);
        }
        true
    }
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
    let in_memory = Arc::new(InMemory { queue, seen: Mutex::default() });
    let receiver = Arc::new(Receiver { webhooks, references: in_memory });
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
async fn read(
    webhooks: Arc<dyn Webhooks>,
    headers: HeaderMap,
    body: Bytes,
) -> wamedia::Result<Vec<MediaRef>> {
    let size = body.len();
    let read = move || {
        let delivery = Delivery::from_http(&headers, &body);
        // A delivery that is not verified is refused, also where no secret is configured.
        let received = webhooks.receive(&delivery, ReceiveOptions::default())?;
        Ok(received.inbound.media().map(|item| item.media.clone()).collect())
    };
    if size <= INLINE_MAX_BYTES {
        return read();
    }
    let failed = |_| wamedia::Error::new(ErrorKind::Local, "the delivery was not read to its end");
    tokio::task::spawn_blocking(read).await.map_err(failed)?
}

/// No request is made here, so the answer takes milliseconds whatever the delivery holds.
async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let media = match read(Arc::clone(&receiver.webhooks), headers, body).await {
        Ok(media) => media,
        Err(error) => {
            return match error.kind() {
                ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
                ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                // The vendor comes again, and by then somebody may have looked at it.
                _ => StatusCode::BAD_REQUEST,
            };
        }
    };
    if receiver.references.accept(media).await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
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

#[tokio::main]
#[expect(clippy::print_stderr, reason = "an example talks to people")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, address, folder] = arguments.as_slice() else {
        return Err("usage: receiver PROVIDER ADDRESS FOLDER".into());
    };
    let config = support::from_environment(name);
    let (provider, webhooks) = (wamedia::provider(name, &config)?, wamedia::webhooks(name, &config)?);
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
