//! Every exchange fixture, by wiremock and by the fault server, with its snapshot.

use wamedia_transfer::ProviderExt as _;

use super::{Case, Subject, Verdict, ensure, equal, finish, no_secret, paused};
use crate::double::{Double, Options};
use crate::fixture::{Fixture, Kind};
use crate::replay::with_wiremock;
use crate::snapshot;

pub(super) fn cases(subject: &Subject) -> Vec<Case> {
    let mut cases = Vec::new();
    for fixture in subject.of_kind(Kind::Exchange) {
        for proves in &fixture.proves {
            let requirement: &'static str = proves.clone().leak();
            let name = fixture.id.split_once('/').map_or("", |(_, rest)| rest).to_owned();
            let (first, second) = (fixture.clone(), fixture.clone());
            cases.push(Case::new(requirement, format!("{name}::wiremock"), move |subject| {
                by_wiremock(subject, &first)
            }));
            cases.push(Case::new(requirement, format!("{name}::double"), move |subject| {
                by_double(subject, &second)
            }));
        }
    }
    cases
}

fn by_wiremock(subject: &Subject, fixture: &Fixture) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let media = subject.media(fixture)?;
    let turns = subject.turns(fixture);
    let work = with_wiremock(turns, subject.clock(), async |net| (subject.build)(&net).fetch(&media).await);
    let (outcome, seen) = runtime.block_on(work).map_err(|error| error.to_string())?;
    if let Some(problem) = seen.problems.first() {
        return Err(problem.clone());
    }
    if let Err(error) = &outcome {
        no_secret(error)?;
    }
    check(fixture, outcome.as_ref().err(), seen.received.len())?;
    snapshot::pin(
        &subject.root,
        subject.provider,
        &fixture.id,
        &snapshot::of_fetch(&outcome, &seen.received),
    );
    Ok(())
}

fn by_double(subject: &Subject, fixture: &Fixture) -> Verdict {
    let media = subject.media(fixture)?;
    let turns = subject.turns(fixture);
    paused(async {
        let double = Double::start(turns, subject.clock(), Options::default())
            .await
            .map_err(|error| error.to_string())?;
        let provider = (subject.build)(&double.net());
        let started = tokio::time::Instant::now();
        let outcome = provider.fetch(&media).await;
        let run = finish(&double, outcome, started.elapsed()).await?;
        check(fixture, run.outcome.as_ref().err(), run.requests())?;
        // The same snapshot as by wiremock: the two doubles check each other.
        snapshot::pin(
            &subject.root,
            subject.provider,
            &fixture.id,
            &snapshot::of_fetch(&run.outcome, &run.received),
        );
        Ok(())
    })
}

fn check(fixture: &Fixture, error: Option<&wamedia_core::Error>, requests: usize) -> Verdict {
    let kind = error.map(|error| error.kind().name());
    equal("the kind of the error", &kind, &fixture.expect.error.as_deref())?;
    if let Some(code) = &fixture.expect.provider_code {
        let got = error.and_then(wamedia_core::Error::provider_code);
        equal("the vendor's code", &got, &Some(code.as_str()))?;
    }
    if let Some(error) = error {
        ensure(
            error.provider().is_some() && error.operation().is_some(),
            format!("no subject in: {error:?}"),
        )?;
    }
    fixture.expect.requests.map_or(Ok(()), |want| equal("requests", &requests, &want))
}
