//! What is each provider's own over sockets: how it is built, what it asks for, how its vendor answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use wamedia_360dialog::Dialog360;
use wamedia_chakra::{ChakraHq, FetchStyle};
use wamedia_conformance::simulation::{ClockJump, SizeClaim, Statement, World};
use wamedia_core::{Clock, Provider, Secret};
use wamedia_meta::MetaCloud;
use wamedia_nxcloud::NxCloud;
use wamedia_provider::{NetworkOptions, TransportOptions};
use wamedia_sandbox::http1::{Head, Request};
use wamedia_whapi::WhapiCloud;

use super::adapter::leaks;
use super::provider::{ACCESS_KEY, LINK_SECRET, Shared, TOKEN};

/// When a world begins, in Unix seconds.
const BEGINNING: u64 = 1_795_000_000;

/// The origins of a world.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    pub(crate) api: String,
    /// Content may come from it as well.
    pub(crate) other: String,
    /// Nobody configured it.
    pub(crate) forbidden: String,
}

/// The providers that run over sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    /// A link and the claims; both want the token.
    Meta,
    /// The same under other paths.
    Chakra,
    /// The same, and the link's host is replaced.
    Dialog360,
    /// A public link in the reply to a signed request.
    NxCloud,
    /// Content by id, with the token.
    Whapi,
    /// The same under other paths, never in ranges.
    ChakraById,
}

impl Vendor {
    /// The provider that the world runs with.
    pub(crate) fn of(world: &World) -> Self {
        let (with_links, by_id) =
            ([Self::Meta, Self::Chakra, Self::NxCloud, Self::Dialog360], [Self::Whapi, Self::ChakraById]);
        let number = usize::from(world.server.provider);
        if world.server.links { with_links[number % 4] } else { by_id[number % 2] }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Chakra | Self::ChakraById => "chakra",
            Self::Dialog360 => "360dialog",
            Self::NxCloud => "nxcloud",
            Self::Whapi => "whapi",
        }
    }

    pub(crate) fn has_links(self) -> bool {
        matches!(self, Self::Meta | Self::Chakra | Self::Dialog360 | Self::NxCloud)
    }

    /// Takes out of the world what the vendor never states and never does.
    pub(crate) fn adapt(self, world: &mut World) {
        world.server.ranges = match self {
            Self::Meta | Self::Whapi => world.server.ranges,
            Self::NxCloud => true,
            Self::Chakra | Self::ChakraById | Self::Dialog360 => false,
        };
        for object in &mut world.objects {
            match self {
                Self::Meta | Self::Chakra | Self::Dialog360 => {
                    object.reply.name = None;
                    if matches!(object.reply.size, SizeClaim::Huge(_)) {
                        // A size that no media can have reads as unknown.
                        object.reply.size = SizeClaim::Absent;
                    }
                }
                Self::NxCloud => {
                    object.reply = Statement { mime: object.reply.mime.take(), ..Statement::default() };
                }
                Self::Whapi | Self::ChakraById => {
                    object.reply = Statement::default();
                    object.resolve.clear();
                }
            }
        }
    }

    /// The provider, as a caller would build it.
    pub(crate) fn provider(self, world: &World, origins: &Origins) -> Result<Arc<dyn Provider>, String> {
        let clock = Arc::new(SetClock { began: Instant::now(), looks: AtomicU32::new(0), jump: world.clock });
        let transport = TransportOptions::default().with_network(NetworkOptions::default().with_clock(clock));
        let (token, ranges) = (Secret::new(TOKEN), world.server.ranges);
        let text = |error: wamedia_core::Error| error.to_string();
        macro_rules! built {
            ($builder:expr) => {
                Arc::new(
                    $builder
                        .base_url(&origins.api)
                        .content_origin(&origins.api)
                        .content_origin(&origins.other)
                        .transport(transport)
                        .build()
                        .map_err(text)?,
                )
            };
        }
        Ok(match self {
            Self::Meta => built!(MetaCloud::builder(token).try_range(ranges)),
            Self::Whapi => built!(WhapiCloud::builder(token).try_range(ranges)),
            Self::Chakra => built!(ChakraHq::builder(token)),
            Self::ChakraById => built!(ChakraHq::builder(token).fetch_style(FetchStyle::Show)),
            Self::Dialog360 => built!(Dialog360::builder(token)),
            Self::NxCloud => built!(NxCloud::builder(ACCESS_KEY, token).business_phone("8615800001795")),
        })
    }

    /// Whether a request to the API's origin has a credential that this vendor must not get there: a secret that only
    /// signs, or any at a public link.
    pub(crate) fn must_not_send(self, head: &Head) -> bool {
        let shows =
            |text: &str| head.headers.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(text));
        let at_link = head.path().starts_with("/content/");
        let header_leaks = |(_, value): &(String, Vec<u8>)| leaks(&String::from_utf8_lossy(value));
        self == Self::NxCloud && (shows(TOKEN) || (at_link && head.headers.iter().any(header_leaks)))
    }

    /// Which object a request is about.
    pub(crate) fn object(self, request: &Request) -> Option<usize> {
        let number = |text: &str| text.strip_prefix("object-")?.parse().ok();
        let in_path = request.head.path().split('/').find_map(number);
        in_path.or_else(|| {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            number(body["Media-ID"].as_str()?)
        })
    }

    /// The body of the reply that names the link.
    pub(crate) fn descriptor(self, shared: &Shared, object: usize, version: usize, origin: &str) -> Value {
        let (said, current) = (&shared.world.objects[object].reply, shared.version(object, version));
        let dies = shared.world.server.link_seconds.map_or_else(String::new, |seconds| {
            let at = BEGINNING.saturating_add_signed(seconds.into());
            format!("&ext={at}&Expires={at}")
        });
        let url = format!("{origin}/content/object-{object}?hash={LINK_SECRET}{dies}");
        if self == Self::NxCloud {
            let data = json!({ "url": url, "mime_type": said.mime });
            return json!({ "code": 0, "message": "success", "data": data });
        }
        let mut reply = Map::new();
        let mut state =
            |key: &str, value: Option<Value>| value.map(|value| reply.insert(key.to_owned(), value));
        state("messaging_product", Some("whatsapp".into()));
        state("id", Some(format!("object-{object}").into()));
        state("url", Some(url.into()));
        state("mime_type", said.mime.clone().map(Value::from));
        state("sha256", said.sha256.text(current).map(Value::from));
        state("file_size", said.size.of(current.len()).map(Value::from));
        Value::Object(reply)
    }
}

/// The client's clock: it goes with the virtual time, and is set once.
#[derive(Debug)]
struct SetClock {
    began: Instant,
    looks: AtomicU32,
    jump: Option<ClockJump>,
}

impl Clock for SetClock {
    fn now(&self) -> SystemTime {
        let looks = self.looks.fetch_add(1, Relaxed);
        let jump = self.jump.filter(|jump| looks >= jump.after.into());
        let seconds = BEGINNING.saturating_add_signed(jump.map_or(0, |jump| jump.seconds.into()));
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + self.began.elapsed()
    }
}
