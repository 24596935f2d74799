//! Every exchange fixture, by wiremock and by the fake server, with its snapshot.

use std::collections::HashSet;

use wamedia_core::{
    DeleteOptions, Error, ListOptions, MediaPage, Mime, Provider, Result as CoreResult, UploadContent,
    UploadOptions,
};

use super::{Case, Setup, Verdict, ensure, equal, no_secret, paused, settled};
use crate::fake_server::Options;
use crate::fixture::{Fixture, Kind};
use crate::matching::Received;
use crate::replay::with_wiremock;
use crate::snapshot::{self, Done};

/// No list of a fixture has more pages.
const MAX_PAGES: usize = 10;

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let mut cases = Vec::new();
    for fixture in setup.of_kind(Kind::Exchange) {
        for proves in &fixture.proves {
            let requirement: &'static str = proves.clone().leak();
            let name = fixture.id.split_once('/').map_or("", |(_, rest)| rest).to_owned();
            let (first, second) = (fixture.clone(), fixture.clone());
            cases.push(Case::new(requirement, format!("{name}::wiremock"), move |setup| {
                by_wiremock(setup, &first)
            }));
            cases.push(Case::new(requirement, format!("{name}::fake-server"), move |setup| {
                by_fake_server(setup, &second)
            }));
        }
    }
    cases
}

/// Does what the fixture's folder says.
async fn perform(
    setup: &Setup,
    fixture: &Fixture,
    provider: &dyn Provider,
) -> Result<CoreResult<Done>, String> {
    Ok(match fixture.operation() {
        "upload" => {
            provider.upload(photo(setup)?, UploadOptions::default()).await.map(Box::new).map(Done::Uploaded)
        }
        "delete" => {
            let media = setup.media(fixture)?;
            provider.delete(&media, DeleteOptions::default()).await.map(Done::Deleted)
        }
        "list" => all_pages(provider).await?.map(Done::Listed),
        _ => {
            let transfer = setup.transfer(provider);
            transfer.fetch(&setup.media(fixture)?).await.map(Box::new).map(Done::Fetched)
        }
    })
}

/// The photo of the fixtures, as an upload.
pub(super) fn photo(setup: &Setup) -> Result<UploadContent, String> {
    let mime = Mime::parse("image/jpeg").map_err(|error| error.to_string())?;
    Ok(UploadContent::from_bytes(setup.content_bytes()?, mime, "photo.jpg"))
}

/// Every page of a list, which must end.
async fn all_pages(provider: &dyn Provider) -> Result<CoreResult<Vec<MediaPage>>, String> {
    let mut pages: Vec<MediaPage> = Vec::new();
    let mut seen = HashSet::new();
    for _ in 0..MAX_PAGES {
        let cursor = pages.last().and_then(|page| page.next.clone());
        let options = ListOptions::default().with_page_size(Some(2)).with_cursor(cursor);
        match provider.list(options).await {
            Ok(page) => pages.push(page),
            Err(error) => return Ok(Err(error)),
        }
        for item in pages.last().into_iter().flat_map(|page| &page.items) {
            ensure(seen.insert(item.media.short()), format!("{} is listed twice", item.media.short()))?;
        }
        if pages.last().is_some_and(|page| page.next.is_none()) {
            return Ok(Ok(pages));
        }
    }
    Err(format!("the list did not end after {MAX_PAGES} pages"))
}

fn by_wiremock(setup: &Setup, fixture: &Fixture) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let exchanges = setup.exchanges(fixture);
    let work =
        with_wiremock(exchanges, setup.clock(), async |net| perform(setup, fixture, &*setup.make(net)).await);
    let (outcome, seen) = runtime.block_on(work).map_err(|error| error.to_string())?;
    if let Some(problem) = seen.problems.first() {
        return Err(problem.clone());
    }
    check(setup, fixture, &outcome?, &seen.received)
}

fn by_fake_server(setup: &Setup, fixture: &Fixture) -> Verdict {
    let exchanges = setup.exchanges(fixture);
    paused(async {
        let server = setup.serve(exchanges, Options::default()).await?;
        let outcome = perform(setup, fixture, &*setup.provider(&server)).await?;
        let received = settled(&server).await?;
        // The same snapshot as by wiremock: the two servers check each other.
        check(setup, fixture, &outcome, &received)
    })
}

fn check(setup: &Setup, fixture: &Fixture, outcome: &CoreResult<Done>, received: &[Received]) -> Verdict {
    let error = outcome.as_ref().err();
    let kind = error.map(|error| error.kind().name());
    equal("the kind of the error", &kind, &fixture.expect.error.as_deref())?;
    if let Some(code) = &fixture.expect.provider_code {
        let got = error.and_then(Error::provider_code);
        equal("the vendor's code", &got, &Some(code.as_str()))?;
    }
    if let Some(error) = error {
        no_secret(error)?;
        let named = error.provider().is_some() && error.operation().is_some() && error.phase().is_some();
        ensure(named, format!("provider, operation or phase is missing in: {error:?}"))?;
    }
    if let Ok(Done::Fetched(fetched)) = outcome {
        let counted = usize::try_from(fetched.receipt.requests).unwrap_or(usize::MAX);
        equal("requests in the receipt", &counted, &received.len())?;
    }
    if let Some(want) = fixture.expect.requests {
        equal("requests", &received.len(), &want)?;
    }
    snapshot::pin(setup.name, &fixture.id, &snapshot::of_done(outcome, received, &setup.profile.signed_anew));
    Ok(())
}
