//! How resolve reads replies: spellings, missing fields, nonsense, and expiring links.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use wamedia_core::{
    DigestSource, ErrorKind, MediaDescriptor, MediaRef, OpenOptions, ResolveOptions, Sha256, Source,
};

use super::{Case, Run, Setup, Verdict, ensure, equal, long_reply, paused, refuse_unread, settled};
use crate::credentials;
use crate::fake_server::Options;
use crate::profile::{self, Descriptor};
use crate::script::ExpectedExchange;
use wamedia_sandbox::http1::{Framing, Response};
use wamedia_transfer::TransferOptions;

/// A link that expired less than this long ago is still tried, because clocks differ.
const SKEW: Duration = Duration::from_secs(240);
/// A link that expired so long ago is not.
const LATE: Duration = Duration::from_secs(301);

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let can = &setup.capabilities;
    let mut cases = Vec::new();
    if can.resolve && can.resolve_remote {
        cases.extend(hostile(setup));
        for (name, link) in [("empty", json!("")), ("null", Value::Null), ("words", json!("no link"))] {
            cases.push(Case::new("RV-009", format!("link-{name}"), move |c| unusable_link(c, &link)));
        }
        cases.push(Case::new("RV-010", "huge-is-not-read", huge_is_not_read));
        cases.push(Case::new("RV-001", "as-the-reply-says", as_the_reply_says));
        cases.extend([
            Case::new("RV-006", "unknown-fields", unknown_fields),
            Case::new("RV-006", "null-fields", null_fields),
            match setup.names().mime {
                Some(_) => Case::new("RV-005", "type-with-a-parameter", type_of_the_reply),
                None => Case::new("RV-005", "type-with-a-parameter", type_of_the_reference),
            },
        ]);
        if setup.names().size.is_some() {
            cases.push(Case::new("RV-003", "size-missing", size_is_missing));
            for (name, size, known) in [
                ("number", json!(18_411), true),
                ("large-number", json!(9_000_000_000_000_000_000_i64), false),
                ("text", json!("18411"), true),
                ("negative", json!(-1), false),
                ("absurd", json!("99999999999999999999999"), false),
                ("words", json!("18 KB"), false),
                ("null", Value::Null, false),
            ] {
                cases.push(Case::new("RV-003", format!("size-{name}"), move |c| size_is(c, &size, known)));
            }
        }
        if can.digest == DigestSource::ResolveAndWebhook {
            for (name, spelling) in SPELLINGS {
                cases.push(Case::new("RV-004", format!("reply-{name}"), move |c| {
                    digest_in_reply(c, spelling)
                }));
            }
            cases.push(Case::new("EX-006", "renewed-is-another", renewed_is_another));
            if let Some(names) = setup.profile.descriptor.as_ref().filter(|_| setup.ranged().is_some()) {
                let mut ranged = |name: &str, by: Renewed| {
                    cases.push(Case::new("EX-006", name, move |setup| {
                        renewed_with_ranges(&setup.ranged().ok_or("ranges work no more")?, by)
                    }));
                };
                ranged("renewed-has-another-digest", Renewed::Digest);
                if names.size.is_some() {
                    ranged("renewed-has-another-size", Renewed::Size);
                }
            }
        }
    } else if can.open {
        cases.push(Case::new("RV-005", "type-with-a-parameter", type_of_the_reference));
    }
    for (name, spelling) in SPELLINGS.into_iter().filter(|_| can.open) {
        cases.push(Case::new("RV-004", format!("webhook-{name}"), move |c| digest_in_webhook(c, spelling)));
    }
    if can.expiring_links && can.resolve_remote {
        cases.extend([
            Case::new("EX-003", "past-its-time", |c| past_its_time(c, Duration::from_secs(86_400), false)),
            Case::new("EX-004", "a-little-past-its-time", |c| past_its_time(c, SKEW, true)),
            Case::new("EX-004", "more-than-a-little-past-its-time", |c| past_its_time(c, LATE, false)),
            Case::new("EX-004", "read-in-the-vendors-form", expiry_is_read),
            Case::new("EX-004", "past-its-time-when-it-comes", past_when_it_comes),
        ]);
    }
    cases
}

/// The text for a digest, and whether it can be used.
type Spelling = fn(&Sha256) -> (String, bool);

/// How digests are written in the field.
const SPELLINGS: [(&str, Spelling); 8] = [
    ("hex", |digest| (digest.to_hex(), true)),
    ("hex-upper", |digest| (digest.to_hex().to_uppercase(), true)),
    ("base64", |digest| (base64(digest, false), true)),
    ("base64-url-unpadded", |digest| (base64(digest, true).trim_end_matches('=').to_owned(), true)),
    ("short", |digest| (digest.to_hex()[..62].to_owned(), false)),
    ("empty", |_| (String::new(), false)),
    ("words", |_| ("not a digest".to_owned(), false)),
    ("of-twenty-bytes", |_| ("AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(), false)),
];

fn base64(digest: &Sha256, for_urls: bool) -> String {
    let hex = digest.to_hex();
    let bytes: Vec<u8> =
        (0..32).filter_map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok()).collect();
    credentials::base64(&bytes, for_urls)
}

impl Setup {
    /// Where the facts of a descriptor stand; [`Setup::check_profile`] has seen that they are there.
    fn names(&self) -> &Descriptor {
        static NONE: Descriptor = Descriptor::NONE;
        self.profile.descriptor.as_ref().unwrap_or(&NONE)
    }
}

fn with_json(reply: Response, change: impl FnOnce(&mut Value)) -> Response {
    let Ok(mut json) = serde_json::from_slice(&reply.body) else { return reply };
    change(&mut json);
    reply.body(json.to_string())
}

/// Sets a fact of a descriptor, where the vendor states it.
fn set(json: &mut Value, path: Option<&String>, to: &Value) {
    if let Some(path) = path {
        profile::set(json, path, to);
    }
}

/// The plain fetch with another reply to resolve.
fn resolved_as(setup: &Setup, change: impl Fn(&mut Value)) -> Result<Run, String> {
    let (before, content) = setup.split()?;
    let mut exchanges: Vec<ExpectedExchange> =
        before.into_iter().map(|exchange| exchange.with(|reply| with_json(reply, &change))).collect();
    exchanges.push(content);
    setup.fetch(exchanges)
}

fn size_is(setup: &Setup, size: &Value, known: bool) -> Verdict {
    let run = resolved_as(setup, |json| set(json, setup.names().size.as_ref(), size))?;
    let want = known.then_some(setup.content_bytes()?.len() as u64);
    equal("the declared size", &run.fetched()?.receipt.declared.size_bytes, &want)
}

fn size_is_missing(setup: &Setup) -> Verdict {
    let path = setup.names().size.as_deref().unwrap_or_default();
    let run = resolved_as(setup, |json| profile::remove(json, path))?;
    equal("the declared size", &run.fetched()?.receipt.declared.size_bytes, &None)
}

fn digest_in_reply(setup: &Setup, spelling: Spelling) -> Verdict {
    let (text, usable) = spelling(&Sha256::of(&setup.content_bytes()?));
    let run = resolved_as(setup, |json| set(json, setup.names().digest.as_ref(), &json!(text)))?;
    let verified = run.fetched()?.receipt.verified.name();
    ensure((verified == "digest") == usable, format!("{text} leads to {verified:?}"))
}

fn digest_in_webhook(setup: &Setup, spelling: Spelling) -> Verdict {
    let (text, usable) = spelling(&Sha256::of(&setup.content_bytes()?));
    let (mut media, mut exchanges, content) = setup.undeclared()?;
    exchanges.push(content);
    media.declared = media.declared.with_sha256_text(Some(&text));
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    let verified = run.fetched()?.receipt.verified.name();
    ensure((verified == "digest") == usable, format!("{text} leads to {verified:?}"))
}

fn keeps_its_parameter(run: &Run) -> Verdict {
    let receipt = &run.fetched()?.receipt;
    let mime = receipt.declared.mime.as_ref().map(ToString::to_string).unwrap_or_default();
    ensure(mime.contains("quality=high"), format!("the parameter is lost: {mime:?}"))?;
    ensure(receipt.differences.is_empty(), format!("equal types differ: {:?}", receipt.differences))
}

const ODD_TYPE: &str = "IMAGE/Jpeg; quality=high";

fn type_of_the_reply(setup: &Setup) -> Verdict {
    let mut media = setup.media(setup.base()?)?;
    media.declared.mime = None;
    let (before, content) = setup.split()?;
    let odd = |reply| with_json(reply, |json| set(json, setup.names().mime.as_ref(), &json!(ODD_TYPE)));
    let mut exchanges: Vec<ExpectedExchange> =
        before.into_iter().map(|exchange| exchange.with(odd)).collect();
    exchanges.push(content);
    keeps_its_parameter(&setup.fetch_media(&media, exchanges, |_| {}, Options::default())?)
}

fn type_of_the_reference(setup: &Setup) -> Verdict {
    let mut media = setup.media(setup.base()?)?;
    media.declared = media.declared.with_mime_text(Some(ODD_TYPE));
    let exchanges = setup.exchanges(setup.base()?);
    keeps_its_parameter(&setup.fetch_media(&media, exchanges, |_| {}, Options::default())?)
}

fn unknown_fields(setup: &Setup) -> Verdict {
    let run = resolved_as(setup, |json| {
        let link = setup.names().link.rsplit('.').next().unwrap_or_default();
        let new = json!({ link: 7, "deep": [[[null]]] });
        // Beside the link as well, where that does not stand at the top.
        if let Some((holder, _)) = setup.names().link.rsplit_once('.')
            && let Some(holder) = profile::at(json, holder)
        {
            holder["new_in_2031"] = new.clone();
        }
        json["new_in_2031"] = new;
        json["another"] = json!("text");
    })?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

fn null_fields(setup: &Setup) -> Verdict {
    let run = resolved_as(setup, |json| {
        let names = setup.names();
        for name in [&names.digest, &names.size, &names.mime, &names.name].into_iter().flatten() {
            profile::set(json, name, &Value::Null);
        }
        for name in &names.others {
            profile::set(json, name, &Value::Null);
        }
    })?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

/// Replies to resolve that are not what was promised.
fn hostile(setup: &Setup) -> Vec<Case> {
    // Up to the value of the link.
    let link = profile::before_value(&setup.names().link);
    let depth = link.matches('{').count();
    let deep = format!("{}1{}", link.repeat(200), "}".repeat(200 * depth));
    let deepest = "[".repeat(100_000);
    [
        ("html", "<!DOCTYPE html><html>TEST-canary-7f3a</html>".to_owned().into_bytes()),
        ("xml", b"<?xml version=\"1.0\"?><Error><Code>No</Code></Error>".to_vec()),
        ("empty", Vec::new()),
        ("cut", format!("{link} \"https://lookas").into_bytes()),
        ("not-utf-8", [link.as_bytes(), b" \"\xff\xfe\"", "}".repeat(depth).as_bytes()].concat()),
        ("deep", deep.into_bytes()),
        ("deepest", deepest.into_bytes()),
        ("array", b"[]".to_vec()),
        ("huge", vec![b' '; 64 << 20]),
    ]
    .into_iter()
    .map(|(name, body)| {
        Case::new("RV-010", name, move |setup: &Setup| {
            let mut exchanges = setup.exchanges(setup.base()?);
            exchanges.truncate(1);
            exchanges[0] = exchanges[0].clone().with(|reply| reply.body(body.clone()));
            let run = setup.fetch(exchanges)?;
            let kind = run.error()?.kind();
            let typed =
                matches!(kind, ErrorKind::Decode | ErrorKind::UnexpectedContent | ErrorKind::TooLarge);
            ensure(typed, format!("kind {kind:?}"))
        })
    })
    .collect()
}

/// The descriptor alone, without what a reference declares: each fact is the one that stands in the reply.
fn as_the_reply_says(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    let mut reply: Value =
        serde_json::from_slice(&exchanges[0].reply.body).map_err(|error| error.to_string())?;
    let mut stated = |path: Option<&String>| {
        let value = path.and_then(|path| profile::at(&mut reply, path)).cloned().unwrap_or_default();
        value
            .as_str()
            .map_or_else(|| value.as_u64().map(|number| number.to_string()), |text| Some(text.to_owned()))
    };
    let names = setup.names();
    let media = setup.media(setup.base()?)?;
    let descriptor = paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let resolved = setup.provider(&server).resolve(&media, ResolveOptions::default()).await;
        resolved.map_err(|error| error.to_string())
    })?;
    let declared = &descriptor.declared;
    equal("type", &declared.mime.as_ref().map(ToString::to_string), &stated(names.mime.as_ref()))?;
    equal("size", &declared.size_bytes.map(|size| size.to_string()), &stated(names.size.as_ref()))?;
    let digest = stated(names.digest.as_ref()).and_then(|text| Sha256::parse(&text).ok());
    equal("digest", &declared.sha256, &digest)?;
    let link = stated(Some(&names.link)).and_then(|link| link.parse().ok());
    let place = |url: &url::Url| format!("{}?{}", url.path(), url.query().unwrap_or_default());
    // Some vendors move the link to a host of their own.
    equal("link", &descriptor.link().map(|link| place(&link.url)), &link.as_ref().map(place))
}

/// A success without a link that can be followed.
fn unusable_link(setup: &Setup, link: &Value) -> Verdict {
    let run = {
        let mut exchanges = setup.exchanges(setup.base()?);
        exchanges.truncate(1);
        let change = |json: &mut Value| profile::set(json, &setup.names().link, link);
        exchanges[0] = exchanges[0].clone().with(|reply| with_json(reply, change));
        setup.fetch(exchanges)?
    };
    equal("kind", &run.error()?.kind(), &ErrorKind::Decode)
}

/// A reply of 64 MiB: most of it stays with the server.
fn huge_is_not_read(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20);
    exchanges[0] = exchanges[0].clone().framed(long_reply(&head, vec![b' '; 1 << 20]));
    refuse_unread(setup, &setup.media(setup.base()?)?, exchanges, TransferOptions::default()).map(|_| ())
}

/// Resolves against the base fixture, changes the descriptor, opens it, and says how many requests that took.
fn opened(
    setup: &Setup,
    change: impl FnOnce(&mut MediaDescriptor),
) -> Result<(wamedia_core::Result<()>, usize), String> {
    let media: MediaRef = setup.media(setup.base()?)?;
    let exchanges = setup.exchanges(setup.base()?);
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let mut descriptor =
            provider.resolve(&media, ResolveOptions::default()).await.map_err(|error| error.to_string())?;
        change(&mut descriptor);
        let outcome = provider.open(&descriptor, OpenOptions::default()).await.map(|_| ());
        Ok((outcome, settled(&server).await?.len()))
    })
}

fn past_its_time(setup: &Setup, by: Duration, tried: bool) -> Verdict {
    let at = setup.clock() - by;
    let (outcome, requests) = opened(setup, |descriptor| {
        if let Source::Link(link) = &mut descriptor.source {
            link.expires_at = Some(at);
        }
    })?;
    let all = setup.exchanges(setup.base()?).len();
    equal("requests", &requests, &if tried { all } else { all - 1 })?;
    match outcome {
        Ok(()) => ensure(tried, "a dead link was opened"),
        Err(error) => equal("kind", &(error.kind(), tried), &(ErrorKind::Expired, false)),
    }
}

fn expiry_is_read(setup: &Setup) -> Verdict {
    let mut expires_at = None;
    let opened = opened(setup, |descriptor| expires_at = descriptor.link().and_then(|link| link.expires_at));
    opened?.0.map_err(|error| error.to_string())?;
    let want = setup.base()?.expect.link_expires.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    ensure(want.is_some(), "the base fixture must say when its link dies")?;
    equal("the expiry of the link", &expires_at, &want)?;
    // Nonsense in the same place means an unknown expiry, not an error.
    with_expiry(setup, "nonsense")
}

/// A vendor's clock is a day behind this machine's, or the other way round: only a request can tell whether the link is
/// alive.
fn past_when_it_comes(setup: &Setup) -> Verdict {
    let past = setup.clock() - Duration::from_secs(86_400);
    let seconds = past.duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_secs();
    with_expiry(setup, &seconds.to_string())
}

/// Content is fetched although its link says this in place of when it dies.
fn with_expiry(setup: &Setup, text: &str) -> Verdict {
    let end = setup.base()?.expect.link_expires.unwrap_or_default().to_string();
    let (before, content) = setup.split()?;
    let replaced = |before: &str| before.replace(&end, text);
    let mut exchanges: Vec<ExpectedExchange> = before
        .into_iter()
        .map(|exchange| {
            exchange.with(|reply| {
                let body = replaced(&String::from_utf8_lossy(&reply.body));
                reply.body(body)
            })
        })
        .collect();
    let mut content = content;
    if let crate::matching::Matcher::EqualTo(target) = &content.request.target {
        content.request.target = crate::matching::Matcher::EqualTo(replaced(target));
    }
    exchanges.push(content);
    let run = setup.fetch(exchanges)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)
}

/// By what a renewed descriptor tells that it is of other content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewed {
    Digest,
    Size,
}

/// The link dies while the rest is asked for, and the new descriptor is that of other content: nothing is asked for in
/// parts then.
fn renewed_with_ranges(setup: &Setup, by: Renewed) -> Verdict {
    let (before, content) = setup.split()?;
    let mut media = setup.media(setup.base()?)?;
    media.declared.sha256 = None;
    media.declared.size_bytes = None;
    let other: bytes::Bytes = vec![0xff; 9000].into();
    let described = |bytes: &bytes::Bytes| -> Vec<ExpectedExchange> {
        let (digest, size) = match by {
            Renewed::Digest => (json!(Sha256::of(bytes).to_hex()), Value::Null),
            Renewed::Size => (Value::Null, json!(bytes.len())),
        };
        let change = |json: &mut Value| {
            set(json, setup.names().digest.as_ref(), &digest);
            set(json, setup.names().size.as_ref(), &size);
        };
        before.iter().cloned().map(|exchange| exchange.with(|reply| with_json(reply, change))).collect()
    };
    let content = content.with(|reply| reply.header("etag", "\"one\""));
    let mut whole = content.clone().with(|reply| reply.body(other.clone()));
    whole.request.headers.insert("range".to_owned(), crate::matching::Matcher::Absent(true));
    let exchanges = [
        described(&setup.content_bytes()?),
        vec![content.clone().framed(Framing::Reset(4000)), content.with(|_| Response::new(403))],
        described(&other),
        vec![whole],
    ];
    let run = setup.fetch_media(&media, exchanges.concat(), |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &other)
}

/// The link dies mid-body, and the new descriptor is that of other content.
fn renewed_is_another(setup: &Setup) -> Verdict {
    let (before, content) = setup.split()?;
    let other: bytes::Bytes = vec![0x42; 9000].into();
    let digest = Sha256::of(&other).to_hex();
    let renewed = |reply| {
        with_json(reply, |json| {
            set(json, setup.names().digest.as_ref(), &json!(digest));
            set(json, setup.names().size.as_ref(), &json!(9000));
        })
    };
    let mut exchanges = before.clone();
    exchanges.push(content.clone().framed(Framing::Reset(4000)));
    exchanges.push(content.clone().with(|_| Response::new(403)));
    exchanges.extend(before.into_iter().map(|exchange| exchange.with(renewed)));
    exchanges.push(content.with(|reply| reply.body(other.clone())));
    let mut media = setup.media(setup.base()?)?;
    media.declared.sha256 = None;
    media.declared.size_bytes = None;
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    equal("content", &run.fetched()?.bytes, &other)?;
    equal("verified", &run.fetched()?.receipt.verified.name(), &"digest")
}
