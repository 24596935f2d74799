//! Where requests go, and what they carry.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use wamedia_core::{ErrorKind, MediaLink};

use super::{Case, Setup, Verdict, ensure, equal, finish, paused, requests};
use crate::credentials::shows_canary;
use crate::fake_server::Options;
use crate::tls::Certificate;
use wamedia_sandbox::http1::{Framing, Response, Step};

/// Longer than any link lives.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// An address of each family that is not public.
const INSIDE: [&str; 15] = [
    "0.0.0.0",
    "127.255.255.254",
    "10.255.255.254",
    "100.64.255.254",
    "169.254.255.254",
    "172.16.255.254",
    "172.31.255.254",
    "192.168.255.254",
    "198.18.255.254",
    "255.255.255.255",
    "::1",
    "fc00::ffff",
    "fd00::ffff",
    "fe80::ffff",
    "::ffff:10.255.255.254",
];

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    if !setup.capabilities.open {
        return Vec::new();
    }
    let mut cases = vec![
        Case::new("SE-001", "redirect-to-a-foreign-host", |c| redirect(c, "https://evil.test/x")),
        Case::new("SE-003", "redirect-loop", redirect_loop),
        Case::new("SE-004", "redirect-downgrade", downgrade),
        Case::new("SE-006", "name-leads-inside", |c| leads_to(c, Ipv4Addr::LOCALHOST.into())),
        Case::new("SE-009", "untrusted-certificate", |c| {
            bad_tls(c, Options { certificate: Certificate::SelfSigned, ..Options::default() })
        }),
        Case::new("SE-009", "expired-certificate", |c| {
            bad_tls(c, Options { certificate: Certificate::Expired, ..Options::default() })
        }),
        Case::new("SE-009", "misnamed-certificate", |c| {
            bad_tls(c, Options { misnamed: true, ..Options::default() })
        }),
        Case::new("SE-002", "credentials-stay-home", credentials),
        Case::new("LM-010", "a-megabyte-of-header", |c| hostile_head(c, "x".repeat(1_200_000))),
    ];
    for (name, steps) in [
        (
            "two-hundred-headers",
            vec![Step::Write(headers(200).into()), Step::Write("\r\n".into()), Step::Close],
        ),
        (
            "endless-header",
            vec![
                Step::Write("HTTP/1.1 200 OK\r\nX-Flood: ".into()),
                Step::Repeat { bytes: vec![b'x'; 1 << 20].into(), times: 64 },
                Step::Close,
            ],
        ),
        (
            "many-informational-answers",
            vec![
                Step::Repeat { bytes: "HTTP/1.1 102 Processing\r\n\r\n".into(), times: 50_000 },
                Step::Close,
            ],
        ),
        (
            "conflicting-lengths",
            vec![
                Step::Write(
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n1234567".into(),
                ),
                Step::Close,
            ],
        ),
    ] {
        cases.push(Case::new("LM-010", name, move |c| hostile_answer(c, steps.clone())));
    }
    for target in [
        "https://127.0.0.2:PORT/x",
        "https://2130706434:PORT/x",
        "https://127.2:PORT/x",
        "https://[::ffff:127.0.0.2]:PORT/x",
    ] {
        cases.push(Case::new("SE-005", target.replace(":PORT", ""), move |c| redirect_inside(c, target)));
    }
    // Of addresses that no route leads to from anywhere, where there are such.
    for address in INSIDE {
        let inside: IpAddr = address.parse().expect("an address of the list");
        cases.push(Case::new("SE-005", format!("name-leads-to-{address}"), move |c| leads_to(c, inside)));
    }
    cases.push(Case::new("SE-008", "foreign-link-in-a-webhook", foreign_link));
    let content_host = setup
        .base()
        .ok()
        .and_then(|base| base.origins.get("content").or_else(|| base.origins.get("api")).cloned());
    if let Some(origin) = content_host {
        let host = origin.trim_start_matches("https://").to_owned();
        // The last two labels: some vendors use any host below them.
        let domain = host.rmatch_indices('.').nth(1).map_or(&host[..], |(at, _)| &host[at + 1..]);
        for link in [
            format!("https://{host}.evil.test/x"),
            format!("https://evil{domain}/x"),
            format!("https://{host}@evil.test/x"),
            format!("https://user@{host}/x"),
            format!("https://{host}./x"),
            format!("https://{host}:8443/x"),
            format!("http://{host}/x"),
        ] {
            cases.push(Case::new("SE-007", link.clone(), move |c| redirect(c, &link)));
        }
    }
    cases
}

/// A redirect to there is refused, and nothing is sent.
fn redirect(setup: &Setup, to: &str) -> Verdict {
    let exchanges =
        setup.with_content(|exchange| exchange.with(|_| Response::new(302).header("location", to)))?;
    let wanted = requests(&exchanges);
    let all = exchanges.iter().flat_map(|exchange| exchange.redirects.iter().chain([exchange]));
    let origins: BTreeSet<_> = all.map(|exchange| exchange.origin.clone()).collect();
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Refused)?;
    equal("requests", &run.requests(), &wanted)?;
    // One for each host that was asked, and none for that one.
    ensure(run.connections <= origins.len() as u64, format!("{} connections", run.connections))
}

/// A delivery brought a link to a foreign host: it is refused, or the media is fetched without it.
fn foreign_link(setup: &Setup) -> Verdict {
    let mut media = setup.media(setup.base()?)?;
    let link = "https://evil.test/photo.jpg".parse().map_err(|error| format!("{error}"))?;
    media.link = Some(MediaLink::with_credential(link).with_expires_at(Some(setup.clock() + DAY)));
    let exchanges = setup.exchanges(setup.base()?);
    // A request to that host would be unexpected, and would fail the case.
    let run = setup.fetch_media(&media, exchanges, |_| {}, Options::default())?;
    match &run.outcome {
        Ok(fetched) => equal("content", &fetched.bytes, &setup.content_bytes()?),
        Err(error) => equal("kind", &error.kind(), &ErrorKind::Refused),
    }
}

fn redirect_loop(setup: &Setup) -> Verdict {
    let (mut exchanges, content) = setup.split()?;
    let before = exchanges.len();
    let target = match &content.request.target {
        crate::matching::Matcher::EqualTo(target) => target.clone(),
        _ => return Err("the content target of the base fixture must be exact".to_owned()),
    };
    // The hop after a redirect carries no credential, so the strict matcher must not ask for one.
    let mut hop = content.clone().with(|_| Response::new(302).header("location", target.clone())).forever();
    hop.request.headers.clear();
    hop.redirects.clear();
    exchanges.push(content.with(|_| Response::new(302).header("location", target)));
    exchanges.push(hop);
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Refused)?;
    ensure(run.requests() <= before + 4, format!("{} requests", run.requests()))
}

fn downgrade(setup: &Setup) -> Verdict {
    let (_, content) = setup.split()?;
    redirect(setup, &format!("{}/x", content.origin.replace("https://", "http://")))
}

/// A second loopback address stands for every address that must not be reached.
fn redirect_inside(setup: &Setup, target: &str) -> Verdict {
    let media = setup.media(setup.base()?)?;
    paused(async {
        let forbidden =
            TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).await.map_err(|e| e.to_string())?;
        let port = forbidden.local_addr().map_err(|e| e.to_string())?.port();
        let to = target.replace("PORT", &port.to_string());
        let exchanges =
            setup.with_content(|exchange| exchange.with(|_| Response::new(302).header("location", to)))?;
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let started = tokio::time::Instant::now();
        let outcome = setup.transfer(&*provider).fetch(&media).await;
        let run = finish(&server, outcome, started.elapsed()).await?;
        equal("kind", &run.error()?.kind(), &ErrorKind::Refused)?;
        let wait = std::time::Duration::from_millis(50);
        let connected: Result<std::io::Result<(_, SocketAddr)>, _> =
            tokio::time::timeout(wait, forbidden.accept()).await;
        ensure(connected.is_err(), "a connection was made to the forbidden address")
    })
}

/// Every name leads to an address that is not public.
fn leads_to(setup: &Setup, inside: IpAddr) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    let run = setup.fetch_with(exchanges, |_| {}, Options { inside: Some(inside), ..Options::default() })?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Refused)?;
    equal("connections", &run.connections, &0)
}

fn bad_tls(setup: &Setup, options: Options) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    let run = setup.fetch_with(exchanges, |_| {}, options)?;
    let error = run.error()?;
    equal("kind", &error.kind(), &ErrorKind::Transport)?;
    ensure(!error.is_retryable(), "it must not be tried again")?;
    equal("requests", &run.requests(), &0)?;
    ensure(run.connections <= 1, format!("{} connections", run.connections))
}

/// The canary is only where the base fixture asks for a credential.
fn credentials(setup: &Setup) -> Verdict {
    let exchanges = setup.exchanges(setup.base()?);
    let run = setup.fetch(exchanges.clone())?;
    run.fetched()?;
    for (received, exchange) in run.received.iter().zip(&exchanges) {
        let asked: Vec<_> = exchange.request.headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        for (name, value) in &received.headers {
            let carries = shows_canary(value);
            ensure(
                !carries || asked.contains(&name.to_ascii_lowercase()),
                format!("the request {:?} carries the credential in {name}", exchange.id),
            )?;
        }
    }
    Ok(())
}

fn headers(count: usize) -> String {
    let lines = (0..count).map(|number| format!("X-Flood-{number}: 1\r\n"));
    format!("HTTP/1.1 200 OK\r\n{}", lines.collect::<String>())
}

/// Every answer has a head like this, and none becomes content.
fn hostile_answer(setup: &Setup, steps: Vec<Step>) -> Verdict {
    let exchanges = setup.with_content(|exchange| exchange.framed(Framing::Raw(steps)).forever())?;
    let run = setup.fetch(exchanges)?;
    let kind = run.error()?.kind();
    ensure(matches!(kind, ErrorKind::Transport | ErrorKind::Timeout), format!("kind {kind:?}"))?;
    ensure(run.elapsed < std::time::Duration::from_secs(600), format!("it took {:?}", run.elapsed))
}

fn hostile_head(setup: &Setup, value: String) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange.with(|reply| reply.header("x-flood", value).framing(Framing::Length)).forever()
    })?;
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Transport)
}
