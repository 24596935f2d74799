//! What all listeners share: stored media, links, switched faults and the record of requests.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use crate::content::VendorStyle;
use crate::faults::{Active, Fault, FaultSelector};
use crate::http1::Request;
use crate::http1::Response;
use crate::media::{self, Content, Media};
use crate::record::{Leak, RequestLog};
use crate::{Credentials, Now, OnRequest};

const REMEMBERED: usize = 10_000;
const DAY_S: u64 = 24 * 60 * 60;

/// The vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Provider {
    Meta,
    Chakra,
    Whapi,
    Nxcloud,
    Dialog360,
    Twilio,
}

impl Provider {
    /// How many there are.
    pub(crate) const COUNT: usize = 6;
    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Meta, Self::Chakra, Self::Whapi, Self::Nxcloud, Self::Dialog360, Self::Twilio];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Chakra => "chakra",
            Self::Whapi => "whapi",
            Self::Nxcloud => "nxcloud",
            Self::Dialog360 => "360dialog",
            Self::Twilio => "twilio",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }

    pub(crate) fn style(self) -> VendorStyle {
        match self {
            Self::Meta | Self::Dialog360 => VendorStyle::Meta,
            Self::Chakra => VendorStyle::Chakra,
            Self::Whapi => VendorStyle::Whapi,
            Self::Nxcloud => VendorStyle::Nxcloud,
            Self::Twilio => VendorStyle::Twilio,
        }
    }

    /// Which of a seed's ids is this provider's.
    pub(crate) fn seed_id(self) -> usize {
        match self {
            Self::Meta | Self::Chakra | Self::Dialog360 | Self::Twilio => 0,
            Self::Whapi => 1,
            Self::Nxcloud => 2,
        }
    }
}

/// Which request of a download this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Resolve,
    /// The bytes behind a link; the number says which description named it, counted from one.
    Content(u64),
    /// The bytes by id, in a single request.
    Only,
    /// Uploads, deletions, lists.
    Other,
}

/// A reply, and the fault that caused it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response,
    pub(crate) fault: Option<Fault>,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, fault: None }
    }
}

impl Reply {
    pub(crate) fn with(response: Response, active: Option<Active>) -> Self {
        Self { response, fault: active.map(|active| active.fault) }
    }
}

/// An upload in pieces.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) mime: String,
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) bytes: BytesMut,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) media: HashMap<String, Arc<Media>>,
    pub(crate) order: Vec<String>,
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) mids: HashMap<String, u64>,
    pub(crate) ids: HashMap<u64, String>,
    pub(crate) links: HashMap<String, u64>,
    pub(crate) hits: HashMap<(String, u64), u64>,
    counter: u64,
}

impl Store {
    fn insert(&mut self, media: Media) -> Arc<Media> {
        let media = Arc::new(media);
        if self.media.insert(media.id.clone(), Arc::clone(&media)).is_none() {
            self.order.push(media.id.clone());
        }
        media
    }

    /// An unused id made from a number; ids of earlier runs with the same folder count as used.
    pub(crate) fn fresh_id(&mut self, id: impl Fn(u64) -> String) -> String {
        loop {
            let id = id(self.next());
            if !self.media.contains_key(&id) {
                return id;
            }
        }
    }

    /// A number that no earlier call got.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}

/// The origins of all listeners.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    pub(crate) api: [String; Provider::COUNT],
    pub(crate) content: [String; Provider::COUNT],
    pub(crate) foreign: String,
    pub(crate) forbidden_host: String,
}

/// The last requests, and how many there were.
#[derive(Debug, Default)]
struct Requests {
    last: VecDeque<RequestLog>,
    count: u64,
}

impl Requests {
    /// Those behind a number. One that is not given yet is from a sandbox before this one.
    fn after(&self, known: u64) -> Vec<(u64, RequestLog)> {
        let known = if known > self.count { 0 } else { known };
        let first = self.count - self.last.len() as u64 + 1;
        let numbered = (first..).zip(self.last.iter().cloned());
        numbered.filter(|(number, _)| *number > known).collect()
    }
}

pub(crate) struct State {
    pub(crate) now: Now,
    pub(crate) credentials: Credentials,
    pub(crate) latency: Duration,
    pub(crate) origins: OnceLock<Origins>,
    data_dir: Option<PathBuf>,
    on_request: Option<OnRequest>,
    stores: [Mutex<Store>; Provider::COUNT],
    pub(crate) switched: Mutex<Vec<(Fault, u64)>>,
    requests: Mutex<Requests>,
    recorded: Notify,
    leaks: Mutex<Vec<Leak>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("origins", &self.origins).finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) async fn new(
        now: Now,
        credentials: Credentials,
        latency: Duration,
        data_dir: Option<PathBuf>,
        on_request: Option<OnRequest>,
    ) -> std::io::Result<Self> {
        let state = Self {
            now,
            credentials,
            latency,
            origins: OnceLock::new(),
            data_dir,
            on_request,
            stores: Default::default(),
            switched: Mutex::default(),
            requests: Mutex::default(),
            recorded: Notify::new(),
            leaks: Mutex::default(),
        };
        for provider in Provider::ALL {
            for seed in media::SEEDS {
                let content = Content::Stored(Bytes::from_static(seed.bytes));
                let id = seed.ids[provider.seed_id()];
                let mime = media::mime_of_name(seed.name);
                let mut media = Media::new(id, mime, seed.name, content).await;
                media.created_s = state.now_s();
                media.expires_s = state.now_s() + 7 * DAY_S;
                state.store(provider).insert(media);
            }
            state.load(provider).await?;
        }
        Ok(state)
    }

    /// Loads every file of `DIR/<provider>`; its stem becomes the id.
    async fn load(&self, provider: Provider) -> std::io::Result<()> {
        let Some(dir) = self.data_dir.as_ref().map(|dir| dir.join(provider.name())) else { return Ok(()) };
        std::fs::create_dir_all(&dir)?;
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            let (Some(name), Some(stem)) = (path.file_name(), path.file_stem()) else { continue };
            if !path.is_file() {
                continue;
            }
            let name = name.to_string_lossy().into_owned();
            let content = Content::Stored(Bytes::from(std::fs::read(&path)?));
            let mime = media::mime_of_name(&name);
            let mut media = Media::new(&stem.to_string_lossy(), mime, &name, content).await;
            media.created_s = self.now_s();
            media.expires_s = self.now_s() + 30 * DAY_S;
            self.store(provider).insert(media);
        }
        Ok(())
    }

    pub(crate) fn store(&self, provider: Provider) -> MutexGuard<'_, Store> {
        lock(&self.stores[provider as usize])
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let since = (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.now_ms() / 1000
    }

    /// An HTTP date one second from now.
    pub(crate) fn soon_http(&self) -> String {
        let now: SystemTime = (self.now)();
        httpdate::fmt_http_date(now + Duration::from_secs(1))
    }

    pub(crate) fn origins(&self) -> &Origins {
        static NOWHERE: OnceLock<Origins> = OnceLock::new();
        self.origins.get().unwrap_or_else(|| {
            NOWHERE.get_or_init(|| Origins {
                api: Default::default(),
                content: Default::default(),
                foreign: String::new(),
                forbidden_host: String::new(),
            })
        })
    }

    /// The media behind an id: a stored object, one of the wanted size, or one for a fault.
    pub(crate) async fn find(&self, provider: Provider, id: &str) -> Option<Arc<Media>> {
        let stored = self.store(provider).media.get(id).cloned();
        if let Some(media) = stored {
            return (media.expires_s > self.now_s()).then_some(media);
        }
        let mut media = if let Some(length) = id.strip_prefix("size-") {
            let length = length.parse().ok()?;
            Media::new(id, "application/octet-stream", &format!("{id}.bin"), Content::Pattern(length)).await
        } else {
            let selector = FaultSelector::from_id(id)?;
            match selector.fault {
                Fault::Gone => return None,
                Fault::Bomb => {
                    let content = Content::Stored(Bytes::from_static(media::BOMB));
                    Media::new(id, "application/gzip", "bomb.gz", content).await
                }
                Fault::SlowBig => {
                    let content = Content::Pattern(8 * 1024 * 1024);
                    Media::new(id, "application/octet-stream", "slow-big.bin", content).await
                }
                Fault::Traversal => {
                    let content = Content::Stored(Bytes::from_static(media::PHOTO));
                    Media::new(id, "image/jpeg", "../../x", content).await
                }
                _ => {
                    let content = Content::Stored(Bytes::from_static(media::PHOTO));
                    Media::new(id, "image/jpeg", "photo.jpg", content).await
                }
            }
        };
        media.created_s = self.now_s();
        Some(Arc::new(media))
    }

    /// Stores an upload for thirty days.
    pub(crate) async fn save(
        &self,
        provider: Provider,
        id: &str,
        mime: &str,
        name: &str,
        bytes: Bytes,
    ) -> std::io::Result<Arc<Media>> {
        if let Some(dir) = &self.data_dir {
            let path = dir.join(provider.name()).join(format!("{id}.{}", media::extension(mime)));
            std::fs::write(path, &bytes)?;
        }
        let mut media = Media::new(id, mime, name, Content::Stored(bytes)).await;
        media.created_s = self.now_s();
        media.expires_s = self.now_s() + 30 * DAY_S;
        Ok(self.store(provider).insert(media))
    }

    /// Forgets an object; false when it was not there.
    pub(crate) fn remove(&self, provider: Provider, id: &str) -> bool {
        let mut store = self.store(provider);
        store.order.retain(|have| have != id);
        let Some(media) = store.media.remove(id) else { return false };
        if let Some(dir) = &self.data_dir {
            let file = format!("{id}.{}", media::extension(&media.mime));
            // The media of the start were never written to the folder; a missing file is the wanted state.
            let _ = std::fs::remove_file(dir.join(provider.name()).join(file));
        }
        true
    }

    pub(crate) fn record(&self, log: RequestLog, may_have_credentials: bool) {
        if !may_have_credentials && !log.credentials.is_empty() {
            lock(&self.leaks).push(Leak::of(&log));
        }
        if let Some(on_request) = &self.on_request {
            on_request(&log);
        }
        let mut requests = lock(&self.requests);
        if requests.last.len() >= REMEMBERED {
            requests.last.pop_front();
        }
        requests.last.push_back(log);
        requests.count += 1;
        drop(requests);
        self.recorded.notify_waiters();
    }

    /// The requests behind number `known`, numbered from one, as soon as there are any.
    pub(crate) async fn requests_after(&self, known: u64) -> Vec<(u64, RequestLog)> {
        loop {
            let mut next = std::pin::pin!(self.recorded.notified());
            // From here on it hears of every request.
            next.as_mut().enable();
            let new = lock(&self.requests).after(known);
            if !new.is_empty() {
                return new;
            }
            next.await;
        }
    }

    pub(crate) fn requests(&self) -> Vec<RequestLog> {
        lock(&self.requests).last.iter().cloned().collect()
    }

    pub(crate) fn leaks(&self) -> Vec<Leak> {
        lock(&self.leaks).clone()
    }
}

/// True when the request carries exactly this bearer token.
pub(crate) fn bearer_is(request: &Request, token: &str) -> bool {
    request.head.header_count("authorization") == 1
        && request.head.header("authorization").is_some_and(|value| {
            value.split_once(' ').is_some_and(|(scheme, have)| {
                (scheme.eq_ignore_ascii_case("bearer") || scheme == "OAuth") && have.trim() == token
            })
        })
}
