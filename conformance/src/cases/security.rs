//! Where requests go, and what they carry.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use wamedia_core::{ErrorKind, MediaLink};

use super::{Case, Setup, Verdict, ensure, equal, finish, paused, requests};
use crate::credentials::shows_canary;
use crate::fake_server::Options;
use wamedia_sandbox::http1::{Framing, Response};

/// Longer than any link lives.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    if !setup.capabilities.open {
        return Vec::new();
    }
    let mut cases = vec![
        Case::new("SE-001", "redirect-to-a-foreign-host", |c| redirect(c, "https://evil.test/x")),
        Case::new("SE-003", "redirect-loop", redirect_loop),
        Case::new("SE-004", "redirect-downgrade", downgrade),
        Case::new("SE-006", "name-leads-inside", leads_inside),
        Case::new("SE-009", "untrusted-certificate", |c| {
            bad_tls(c, Options { trusted: false, ..Options::default() })
        }),
        Case::new("SE-009", "misnamed-certificate", |c| {
            bad_tls(c, Options { misnamed: true, ..Options::default() })
        }),
        Case::new("SE-002", "credentials-stay-home", credentials),
        Case::new("LM-010", "a-megabyte-of-header", |c| hostile_head(c, "x".repeat(1_200_000))),
    ];
    for target in [
        "https://127.0.0.2:PORT/x",
        "https://2130706434:PORT/x",
        "https://127.2:PORT/x",
        "https://[::ffff:127.0.0.2]:PORT/x",
    ] {
        cases.push(Case::new("SE-005", target.replace(":PORT", ""), move |c| redirect_inside(c, target)));
    }
    cases.push(Case::new("SE-008", "foreign-link-in-a-webhook", foreign_link));
    let content_host = setup
        .base()
        .ok()
        .and_then(|base| base.origins.get("content").or_else(|| base.origins.get("api")).cloned());
    if let Some(origin) = content_host {
        let host = origin.trim_start_matches("https://").to_owned();
        for link in [
            format!("https://{host}.evil.test/x"),
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
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Refused)?;
    equal("requests", &run.requests(), &wanted)
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
fn leads_inside(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    let run = setup.fetch_with(exchanges, |_| {}, Options { inside: true, ..Options::default() })?;
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

fn hostile_head(setup: &Setup, value: String) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange.with(|reply| reply.header("x-flood", value).framing(Framing::Length)).forever()
    })?;
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Transport)
}
