//! Waits, stalls and deadlines, all in virtual time.

use std::time::Duration;

use wamedia_core::ErrorKind;
use wamedia_sandbox::http1::{Framing, Response, Step};

use super::{Case, Setup, Verdict, ensure, equal, finish, paused};
use crate::fake_server::Options;
use crate::script::ExpectedExchange;

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    if !setup.capabilities.open {
        return Vec::new();
    }
    let mut cases = vec![
        Case::new("RT-001", "retry-after-seconds", |c| waits(c, 429, "7")),
        Case::new("RT-001", "retry-after-on-503", |c| waits(c, 503, "7")),
        Case::new("RT-002", "retry-after-date", retry_after_date),
        Case::new("RT-002", "retry-after-a-past-date", retry_after_a_past_date),
        Case::new("RT-004", "retry-after-a-day", wait_too_long),
        Case::new("RT-006", "503-that-asks-to-wait", waiting_for_ever),
        Case::new("LM-007", "deadline-ends-a-wait", deadline_in_a_wait),
        Case::new("RT-005", "503-then-good", |c| first_then_good(c, Response::new(503))),
        Case::new("RT-006", "503-for-ever", failing_for_ever),
        Case::new("LM-005", "stall-head", |c| stalls(c, true)),
        Case::new("LM-005", "stall-body", |c| stalls(c, false)),
        Case::new("LM-006", "drip-goes-on", drip),
        Case::new("LM-007", "deadline-ends-a-drip", deadline),
        Case::new("LM-008", "minimum-rate-ends-a-drip", minimum_rate),
        Case::new("CC-001", "drop-closes-the-connection", dropped),
        Case::new("CC-002", "drop-during-a-wait", dropped_while_waiting),
    ];
    for nonsense in ["-5", "soon", "99999999999999999999"] {
        let name = format!("retry-after-{nonsense}");
        cases.push(Case::new("RT-003", name, move |c| falls_back(c, nonsense)));
    }
    if setup.capabilities.signed_requests {
        cases.push(Case::new("RT-009", "signed-anew", signed_anew));
    }
    for status in [400, 401, 403, 404, 410, 413, 415, 422] {
        cases.push(Case::new("RT-007", format!("final-{status}"), move |c| asked_once(c, status)));
    }
    cases
}

/// The plain fetch, with another reply to its first request, before everything.
fn preceded(setup: &Setup, reply: Response) -> Result<Vec<ExpectedExchange>, String> {
    let mut exchanges = setup.exchanges(setup.base()?);
    let first = exchanges[0].clone().with(|_| reply);
    exchanges.insert(0, first);
    Ok(exchanges)
}

fn first_then_good(setup: &Setup, reply: Response) -> Verdict {
    let run = setup.fetch(preceded(setup, reply)?)?;
    equal("attempts", &run.fetched()?.receipt.attempts, &2)
}

/// Nonsense is not waited for; there is a pause nevertheless.
fn falls_back(setup: &Setup, nonsense: &str) -> Verdict {
    let run = setup.fetch(preceded(setup, Response::new(503).header("retry-after", nonsense))?)?;
    equal("attempts", &run.fetched()?.receipt.attempts, &2)?;
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(2));
    ensure((least..most).contains(&run.elapsed), format!("it waited {:?}", run.elapsed))
}

/// Each wait is allowed, and all of them together are not.
fn waiting_for_ever(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(503).header("retry-after", "50")).forever();
    let change = |options: &mut wamedia_transfer::TransferOptions| {
        options.limits = options.limits.with_max_total_wait(Duration::from_secs(120));
    };
    let run = setup.fetch_with(exchanges, change, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Upstream)?;
    ensure(run.elapsed <= Duration::from_secs(120), format!("it took {:?}", run.elapsed))?;
    equal("requests", &run.requests(), &3)
}

/// The time that a caller allows goes by while the client waits for its turn.
fn deadline_in_a_wait(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(503).header("retry-after", "50")).forever();
    let change = |options: &mut wamedia_transfer::TransferOptions| {
        options.deadline = Some(Duration::from_secs(10));
    };
    let run = setup.fetch_with(exchanges, change, Options::default())?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Timeout)?;
    ensure(run.elapsed < Duration::from_secs(12), format!("it took {:?}", run.elapsed))
}

fn waits(setup: &Setup, status: u16, seconds: &str) -> Verdict {
    let run = setup.fetch(preceded(setup, Response::new(status).header("retry-after", seconds))?)?;
    run.fetched()?;
    ensure(run.elapsed >= Duration::from_secs(7), format!("it waited only {:?}", run.elapsed))
}

fn retry_after_date(setup: &Setup) -> Verdict {
    let date = http_date(setup.clock() + Duration::from_secs(9));
    let run = setup.fetch(preceded(setup, Response::new(503).header("retry-after", date))?)?;
    run.fetched()?;
    ensure(run.elapsed >= Duration::from_secs(8), format!("it waited only {:?}", run.elapsed))
}

/// What was to be waited for is over.
fn retry_after_a_past_date(setup: &Setup) -> Verdict {
    let date = http_date(setup.clock() - Duration::from_secs(3600));
    let run = setup.fetch(preceded(setup, Response::new(503).header("retry-after", date))?)?;
    run.fetched()?;
    ensure(run.elapsed < Duration::from_secs(2), format!("it waited {:?}", run.elapsed))
}

fn http_date(time: std::time::SystemTime) -> String {
    let text = wamedia_core::format_rfc3339(time);
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let number: usize = text[5..7].parse().unwrap_or(1);
    let days = time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][usize::try_from(days % 7).unwrap_or(0)];
    format!("{weekday}, {} {} {} {} GMT", &text[8..10], month[number - 1], &text[..4], &text[11..19])
}

fn wait_too_long(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(429).header("retry-after", "86400"));
    let run = setup.fetch(exchanges)?;
    let error = run.error()?;
    equal("kind", &error.kind(), &ErrorKind::RateLimited)?;
    equal("the wait", &error.retry_after(), &Some(Duration::from_secs(86_400)))?;
    ensure(run.elapsed < Duration::from_secs(1), format!("it waited {:?}", run.elapsed))
}

fn failing_for_ever(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(503)).forever();
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Upstream)?;
    equal("requests", &run.requests(), &5)
}

fn asked_once(setup: &Setup, status: u16) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(status)).forever();
    let run = setup.fetch(exchanges)?;
    run.error()?;
    equal("requests", &run.requests(), &1)
}

/// The second attempt carries another time and another signature than the first.
fn signed_anew(setup: &Setup) -> Verdict {
    let exchanges = preceded(setup, Response::new(503).header("retry-after", "7"))?;
    let names = &setup.profile.signed_anew;
    ensure(!names.is_empty(), "profile.json does not say what is signed anew")?;
    let loosened = exchanges.into_iter().map(|mut exchange| {
        exchange.request.headers.retain(|name, _| !names.contains(name));
        exchange
    });
    let options = Options { ticking: true, ..Options::default() };
    let run = setup.fetch_with(loosened.collect(), |_| {}, options)?;
    run.fetched()?;
    for name in names {
        let (first, second) = (run.received[0].header(name), run.received[1].header(name));
        ensure(
            first.is_some() && first != second,
            format!("{name} is the same in both attempts: {first:?}"),
        )?;
    }
    Ok(())
}

fn stalls(setup: &Setup, head: bool) -> Verdict {
    let exchanges = setup.with_content(|exchange| {
        exchange.framed(if head { Framing::Raw(vec![Step::Hang]) } else { Framing::Stall(3000) }).forever()
    })?;
    let run = setup.fetch(exchanges)?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Timeout)?;
    ensure(run.elapsed < Duration::from_secs(600), format!("it took {:?}", run.elapsed))
}

fn drip(setup: &Setup) -> Verdict {
    let size = setup.content_bytes()?.len() / 50;
    let framing = Framing::Drip(size.max(1), Duration::from_secs(20));
    let run = setup.fetch(setup.with_content(|exchange| exchange.framed(framing))?)?;
    equal("content", &run.fetched()?.bytes, &setup.content_bytes()?)?;
    ensure(run.elapsed > Duration::from_secs(900), "the drip was not slow")
}

fn deadline(setup: &Setup) -> Verdict {
    let framing = Framing::Drip(10, Duration::from_secs(20));
    let exchanges = setup.with_content(|exchange| exchange.framed(framing))?;
    let run = setup.fetch_with(
        exchanges,
        |options| options.deadline = Some(Duration::from_secs(60)),
        Options::default(),
    )?;
    equal("kind", &run.error()?.kind(), &ErrorKind::Timeout)?;
    ensure(run.elapsed < Duration::from_secs(62), format!("it took {:?}", run.elapsed))
}

fn minimum_rate(setup: &Setup) -> Verdict {
    let exchanges = setup
        .with_content(|exchange| exchange.framed(Framing::Drip(10, Duration::from_secs(5))).forever())?;
    let media = setup.media(setup.base()?)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let mut net = server.net();
        net.transport.min_rate = Some(1000);
        let provider = setup.make(net);
        let started = tokio::time::Instant::now();
        let outcome = setup.transfer(&*provider).fetch(&media).await;
        let run = finish(&server, outcome, started.elapsed()).await?;
        equal("kind", &run.error()?.kind(), &ErrorKind::Timeout)
    })
}

fn dropped(setup: &Setup) -> Verdict {
    let exchanges = setup.with_content(|exchange| exchange.framed(Framing::Stall(3000)))?;
    let media = setup.media(setup.base()?)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let fetch = async { setup.transfer(&*provider).fetch(&media).await };
        let outcome = tokio::time::timeout(Duration::from_secs(5), fetch).await;
        ensure(outcome.is_err(), "it must still be waiting")?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let seen = server.seen();
        let last = seen.last().map(|exchange| exchange.outcome.to_string()).unwrap_or_default();
        ensure(last.starts_with("client closed"), format!("the server says: {last}"))
    })
}

fn dropped_while_waiting(setup: &Setup) -> Verdict {
    let mut exchanges = setup.exchanges(setup.base()?);
    exchanges.truncate(1);
    exchanges[0] = exchanges[0].clone().with(|_| Response::new(429).header("retry-after", "30"));
    let media = setup.media(setup.base()?)?;
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let provider = setup.provider(&server);
        let fetch = async { setup.transfer(&*provider).fetch(&media).await };
        let outcome = tokio::time::timeout(Duration::from_secs(5), fetch).await;
        ensure(outcome.is_err(), "it must still be waiting")?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        equal("requests", &server.log(|log| log.received.len()), &1)
    })
}
