//! Operations that one vendor has alone, or that need another configuration than the suite's. Their exchanges are
//! fixtures like all others; what is called is up to the test.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use wamedia_core::{MediaStream, Result};

use crate::TestNet;
use crate::cases::{paused, settled};
use crate::fake_server::{FakeServer, Options};
use crate::fixture::{Fixture, Kind};
use crate::script::ExpectedExchange;

/// Runs `work` against the exchanges of the embedded fixture `id`, such as `acme/operation/resumable`: over TLS, under
/// the vendor's host names, in paused time. Every request must be the next one of the fixture, and none may be
/// left over.
///
/// # Panics
///
/// When the fixture cannot be used, and with the first request that is not the expected one.
pub fn run_operation<T, F: Future<Output = T>>(id: &str, work: impl FnOnce(TestNet) -> F) -> T {
    let provider = id.split('/').next().unwrap_or_default();
    let all = Fixture::load_all(&wamedia_fixtures::embedded(), provider).expect("the fixtures can be read");
    let fixture = all.into_iter().find(|fixture| fixture.id == id && fixture.kind == Kind::Operation);
    let fixture = fixture.unwrap_or_else(|| panic!("there is no operation {id}"));
    let exchanges: Vec<_> =
        fixture.exchanges.iter().map(|exchange| ExpectedExchange::new(&fixture, exchange)).collect();
    let count = exchanges.len();
    let clock = SystemTime::UNIX_EPOCH + Duration::from_secs(fixture.clock.unwrap_or_default());
    paused(async {
        let server = FakeServer::start(exchanges, clock, Options::default(), None).await;
        let server = server.expect("the fake server starts");
        let outcome = work(server.net()).await;
        let received = settled(&server).await.unwrap_or_else(|problem| panic!("{id}: {problem}"));
        assert_eq!(received.len(), count, "{id}: requests");
        outcome
    })
}

/// All bytes of content, for tests.
///
/// # Errors
///
/// The first error of the stream.
pub async fn read_all(mut content: MediaStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = content.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}
