//! What drivers can do besides fetching: the rows of `operations.json`, scored by what the server saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use wamedia_core::Sha256;
use wamedia_fixtures::Fixtures;
use wamedia_sandbox::WebhookDelivery;

use super::driver;
use super::environment::{Environment, Launcher, finish, spawn};

/// One operation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    pub(super) case: String,
    pub(super) op: String,
    /// The row that must pass before this one says anything.
    #[serde(default)]
    pub(super) control: Option<String>,
    pub(super) profile: String,
    pub(super) requirements: BTreeSet<String>,
    /// Providers that have no such operation, and why.
    #[serde(default)]
    pub(super) except: BTreeMap<String, String>,
    /// The folder of the delivery that is parsed.
    #[serde(skip)]
    folder: Option<String>,
}

/// How an operation came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    NotOffered,
    Fail(String),
}

impl From<Result<(), String>> for Verdict {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Fail, |()| Self::Pass)
    }
}

pub(super) fn all() -> Result<Vec<Operation>, String> {
    #[derive(Deserialize)]
    struct File {
        operations: Vec<Operation>,
    }
    let text =
        wamedia_fixtures::embedded().read_text("operations.json").map_err(|error| error.to_string())?;
    let file: File = serde_json::from_str(&text).map_err(|error| format!("operations.json: {error}"))?;
    Ok(file.operations)
}

/// What a client that reads deliveries is expected to make of media at the top of them: kinds, several at once, none
/// at all, and what it does not know.
const PARSED: [&str; 4] = ["WH-001", "WH-002", "WH-003", "WH-004"];

/// A row for each delivery of the fixtures that proves nothing else.
pub(super) fn deliveries(provider: &str) -> Result<Vec<Operation>, String> {
    let fixtures = wamedia_fixtures::embedded();
    let mut rows = Vec::new();
    for path in fixtures.list(&format!("{provider}/webhook")).map_err(|error| error.to_string())? {
        let Some(folder) = path.strip_suffix("/expected.json") else { continue };
        let fixture = read(&fixtures, &format!("{folder}/fixture.json"))?;
        let proves: BTreeSet<String> = serde_json::from_value(fixture["proves"].clone()).unwrap_or_default();
        // A signature is another row's.
        let requirements: BTreeSet<String> = proves.into_iter().filter(|id| id != "WH-008").collect();
        if requirements.is_empty() || !requirements.iter().all(|id| PARSED.contains(&id.as_str())) {
            continue;
        }
        rows.push(Operation {
            case: format!("parse:{}", folder.rsplit('/').next().unwrap_or_default()),
            op: "parse".to_owned(),
            control: Some("parse".to_owned()),
            profile: "receive".to_owned(),
            requirements,
            except: BTreeMap::new(),
            folder: Some(folder.to_owned()),
        });
    }
    Ok(rows)
}

fn read(fixtures: &Fixtures, path: &str) -> Result<Value, String> {
    let text = fixtures.read_text(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
}

/// Runs one operation in a sandbox of its own.
pub(super) async fn one(
    provider: &str,
    operation: &Operation,
    launcher: &Launcher,
    limit: Duration,
) -> Result<Verdict, String> {
    let environment =
        Environment::new(provider, launcher.client.plain_http).await.map_err(|error| error.to_string())?;
    let verdict = perform(operation, &DriverSession { environment: &environment, launcher, limit }).await?;
    let leaks = environment.sandbox.leaks().len();
    environment.sandbox.shutdown().await;
    Ok(match verdict {
        Verdict::Pass if leaks > 0 => Verdict::Fail(format!(
            "expected no credential at other hosts, got: {leaks} requests that carried one"
        )),
        verdict => verdict,
    })
}

async fn perform(operation: &Operation, session: &DriverSession<'_>) -> Result<Verdict, String> {
    if let Some(folder) = &operation.folder {
        return parse_fixture(session, folder).await;
    }
    match operation.case.as_str() {
        "upload" => upload(session, true).await,
        "upload-wrong-credential" => upload(session, false).await,
        "delete" => delete(session, 1).await,
        "delete-twice" => delete(session, 3).await,
        "list" => list(session).await,
        "parse" => parse(session, 1).await,
        "parse-kinds" => parse(session, usize::MAX).await,
        "verify" => verify(session, Tamper::Nothing).await,
        "verify-changed" => verify(session, Tamper::Body).await,
        "verify-missing" => verify(session, Tamper::Signature).await,
        other => Err(format!("operations.json: {other} is not known")),
    }
}

/// Starts the driver once for a list of requests.
struct DriverSession<'a> {
    environment: &'a Environment,
    launcher: &'a Launcher,
    limit: Duration,
}

/// What a driver said to a list of requests.
enum DriverReply {
    NotOffered,
    Answers(Vec<Value>),
    Nothing(String),
}

impl DriverSession<'_> {
    async fn ask(&self, requests: &[Value]) -> Result<DriverReply, String> {
        let mut command =
            self.environment.command(self.launcher, &[]).ok_or("there is no command for this provider")?;
        let child = spawn(&mut command, requests)?;
        let Some(output) = finish(child, self.limit).await.map_err(|error| error.to_string())? else {
            return Ok(DriverReply::Nothing(format!("killed after {} s", self.limit.as_secs())));
        };
        let answers = driver::answers(&output);
        if answers.iter().any(|answer| answer["offered"] == false) {
            return Ok(DriverReply::NotOffered);
        }
        if answers.len() != requests.len() {
            return Ok(DriverReply::Nothing(format!(
                "{} answers to {} requests",
                answers.len(),
                requests.len()
            )));
        }
        Ok(DriverReply::Answers(answers))
    }
}

/// Takes the answers, or returns how it ended without them.
macro_rules! answers {
    ($said:expr) => {
        match $said {
            DriverReply::NotOffered => return Ok(Verdict::NotOffered),
            DriverReply::Nothing(got) => {
                return Ok(Verdict::Fail(format!("expected an answer a request, got: {got}")))
            }
            DriverReply::Answers(answers) => answers,
        }
    };
}

fn differs<T>(what: &str, got: impl std::fmt::Display) -> Result<T, String> {
    Err(format!("expected {what}, got: {got}"))
}

async fn upload(session: &DriverSession<'_>, is_right: bool) -> Result<Verdict, String> {
    let provider = session.environment.info.name;
    let first = session.environment.info.media.first().ok_or("the sandbox has no media")?;
    let (mime, bytes) =
        session.environment.sandbox.object(provider, &first.id).await.ok_or("its media has no bytes")?;
    let file = session.environment.folder.join("photo.jpg");
    fs::write(&file, &bytes).map_err(|error| error.to_string())?;
    let before: BTreeSet<String> = session.environment.sandbox.ids(provider).into_iter().collect();
    let request = driver::upload(session.environment, &file, &mime);
    let request = if is_right { request } else { driver::with_wrong_credentials(request) };
    let answers = answers!(session.ask(&[request]).await?);
    let new: Vec<String> =
        session.environment.sandbox.ids(provider).into_iter().filter(|id| !before.contains(id)).collect();
    if !is_right {
        return Ok(refused(&answers[0], &new).into());
    }
    let stored = match &new[..] {
        [id] => session.environment.sandbox.object(provider, id).await,
        _ => None,
    };
    Ok(uploaded(&answers[0], &new, stored, &bytes, &mime).into())
}

fn refused(answer: &Value, new: &[String]) -> Result<(), String> {
    if answer["ok"] == true {
        return differs("an error for a wrong credential", answer);
    }
    if new.is_empty() { Ok(()) } else { differs("no new object", format!("{} of them", new.len())) }
}

fn uploaded(
    answer: &Value,
    new: &[String],
    stored: Option<(String, Bytes)>,
    bytes: &Bytes,
    mime: &str,
) -> Result<(), String> {
    if answer["ok"] != true {
        return differs("success", answer);
    }
    let Some((stored_mime, stored)) = stored else {
        return differs("one new object", format!("{} of them", new.len()));
    };
    if stored != *bytes {
        return differs("the bytes of the file at the server", format!("{} others", stored.len()));
    }
    if stored_mime.split(';').next() != mime.split(';').next() {
        return differs(&format!("the type {mime} at the server"), stored_mime);
    }
    match (answer["id"].as_str(), answer["link"].as_str()) {
        (Some(id), _) if new.iter().any(|new| new == id) => Ok(()),
        (Some(id), None) => differs("the id of the new object", id),
        (_, Some(link)) if !link.is_empty() => Ok(()),
        _ => differs("an id or a link", answer),
    }
}

async fn delete(session: &DriverSession<'_>, times: usize) -> Result<Verdict, String> {
    let provider = session.environment.info.name;
    let id =
        session.environment.sandbox.ids(provider).into_iter().next().ok_or("the sandbox has no media")?;
    let answers = answers!(session.ask(&vec![driver::delete(session.environment, &id); times]).await?);
    let is_there = session.environment.sandbox.ids(provider).contains(&id);
    Ok(deleted(&answers, is_there).into())
}

fn deleted(answers: &[Value], is_there: bool) -> Result<(), String> {
    if answers[0]["ok"] != true {
        return differs("success", &answers[0]);
    }
    if is_there {
        return differs("no such object at the server", "it is still there");
    }
    // What is already gone may be success or an error, as long as it is the same every time.
    match answers {
        [_, second, third] if !second["ok"].is_boolean() || second["ok"] != third["ok"] => {
            differs("the same answer for what is already gone", format!("{second} and {third}"))
        }
        _ => Ok(()),
    }
}

async fn list(session: &DriverSession<'_>) -> Result<Verdict, String> {
    let answers = answers!(session.ask(&[driver::list(session.environment)]).await?);
    let have = session.environment.sandbox.ids(session.environment.info.name);
    let said = answers[0]["ids"].as_array().into_iter().flatten();
    let mut said: Vec<String> = said.filter_map(|id| id.as_str().map(ToOwned::to_owned)).collect();
    let mut all = have;
    said.sort();
    all.sort();
    let is_right = answers[0]["ok"] == true && said == all;
    Ok(if is_right { Ok(()) } else { differs(&format!("the ids {}", all.join(", ")), said.join(", ")) }
        .into())
}

/// Deliveries of the first media of the sandbox, which has one of each kind.
async fn parse(session: &DriverSession<'_>, count: usize) -> Result<Verdict, String> {
    let provider = session.environment.info.name;
    let mut requests = Vec::new();
    for media in session.environment.info.media.iter().take(count) {
        let delivery = session
            .environment
            .sandbox
            .webhook(provider, &media.id)
            .await
            .map_err(|error| error.to_string())?;
        requests.push(driver::delivery("parse", session.environment, &delivery));
    }
    let answers = answers!(session.ask(&requests).await?);
    for (media, answer) in session.environment.info.media.iter().zip(&answers) {
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [item] = items else { return Ok(differs("one item", answer).into()) };
        if item["id"] != media.id.as_str() {
            return Ok(differs(&format!("the id {}", media.id), &item["id"]).into());
        }
        // A client that reads the digest reads it right.
        if item["sha256"].as_str().is_some_and(|digest| !is_digest(digest, &media.sha256_hex)) {
            return Ok(differs(&format!("the digest {}", media.sha256_hex), &item["sha256"]).into());
        }
    }
    Ok(Verdict::Pass)
}

/// A delivery of the fixtures, against the items that are written down beside it.
async fn parse_fixture(session: &DriverSession<'_>, folder: &str) -> Result<Verdict, String> {
    let fixtures = wamedia_fixtures::embedded();
    let (fixture, expected) = (
        read(&fixtures, &format!("{folder}/fixture.json"))?,
        read(&fixtures, &format!("{folder}/expected.json"))?,
    );
    let mut delivery = WebhookDelivery::default();
    for (name, value) in fixture["headers"].as_object().into_iter().flatten() {
        delivery.headers.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
    }
    let body = format!("{folder}/{}", fixture["delivery"].as_str().unwrap_or_default());
    delivery.body = Bytes::from(fixtures.read(&body).map_err(|error| error.to_string())?.into_owned());
    let request = driver::delivery("parse", session.environment, &delivery);
    let answers = answers!(session.ask(&[driver::with_fixture_secrets(request)]).await?);
    let wanted = expected["items"].as_array().into_iter().flatten().filter(|item| item["item"] == "media");
    Ok(parsed(&answers[0], &wanted.collect::<Vec<_>>()).into())
}

/// Whether these are the media of the delivery, in order; what a client says of a digest must be right.
fn parsed(answer: &Value, wanted: &[&Value]) -> Result<(), String> {
    let ids = |items: &[&Value]| {
        items.iter().map(|item| item["id"].as_str().unwrap_or("?")).collect::<Vec<_>>().join(", ")
    };
    let items: Vec<&Value> = answer["items"].as_array().into_iter().flatten().collect();
    if answer["ok"] != true || ids(&items) != ids(wanted) {
        return differs(&format!("the media [{}]", ids(wanted)), answer);
    }
    for (item, want) in items.iter().zip(wanted) {
        let (said, hex) = (item["sha256"].as_str(), want["digest"].as_str());
        if said.is_some_and(|said| !hex.is_some_and(|hex| is_digest(said, hex))) {
            return differs(&format!("the digest {}", want["digest"]), &item["sha256"]);
        }
    }
    Ok(())
}

fn is_digest(said: &str, hex: &str) -> bool {
    said.parse::<Sha256>().is_ok_and(|digest| digest.to_hex() == hex)
}

/// What is done to a delivery before it is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tamper {
    Nothing,
    /// One byte of the body.
    Body,
    /// The signature's header is taken out.
    Signature,
}

async fn verify(session: &DriverSession<'_>, tamper: Tamper) -> Result<Verdict, String> {
    let first = session.environment.info.media.first().ok_or("the sandbox has no media")?;
    let delivery = session
        .environment
        .sandbox
        .webhook(session.environment.info.name, &first.id)
        .await
        .map_err(|error| error.to_string())?;
    let delivery = tampered(delivery, tamper);
    let answers = answers!(session.ask(&[driver::delivery("verify", session.environment, &delivery)]).await?);
    let (want, got) = (tamper == Tamper::Nothing, &answers[0]);
    // A refusal is a "no" as well.
    let is_valid = got["valid"] == true || (got["ok"] == true && got["valid"].is_null());
    let what = if want { "a valid signature" } else { "no valid signature" };
    Ok(if is_valid == want { Ok(()) } else { differs(what, got) }.into())
}

fn tampered(mut delivery: WebhookDelivery, tamper: Tamper) -> WebhookDelivery {
    match tamper {
        Tamper::Nothing => {}
        Tamper::Body => {
            let mut body = delivery.body.to_vec();
            // A digit changes to another, so that the delivery stays readable.
            if let Some(digit) = body.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
                *digit = if *digit == b'7' { b'8' } else { b'7' };
            }
            delivery.body = Bytes::from(body);
        }
        Tamper::Signature => {
            let name = delivery.signature_header.clone().unwrap_or_default();
            delivery.headers.retain(|(header, _)| !header.eq_ignore_ascii_case(&name));
        }
    }
    delivery
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_upload_is_scored_by_what_the_server_has() {
        let bytes = Bytes::from_static(b"photo");
        let check = |answer: Value, new: &[&str], stored: Option<&str>, mime: &str| {
            let new: Vec<String> = new.iter().map(|id| (*id).to_owned()).collect();
            let stored = stored.map(|text| (mime.to_owned(), Bytes::copy_from_slice(text.as_bytes())));
            uploaded(&answer, &new, stored, &bytes, "image/jpeg").is_ok()
        };
        let good = json!({"ok": true, "id": "7"});
        assert!(check(good.clone(), &["7"], Some("photo"), "image/jpeg"));
        assert!(check(json!({"ok": true, "link": "https://x.test/7"}), &["7"], Some("photo"), "image/jpeg"));
        assert!(!check(good.clone(), &["7"], Some("phot"), "image/jpeg"));
        assert!(!check(good.clone(), &["7"], Some("photo"), "text/plain"));
        assert!(!check(good.clone(), &[], None, "image/jpeg"));
        assert!(!check(good, &["8"], Some("photo"), "image/jpeg"));
        assert!(!check(json!({"ok": true}), &["7"], Some("photo"), "image/jpeg"));
        assert!(!check(json!({"ok": false, "id": "7"}), &["7"], Some("photo"), "image/jpeg"));
        assert!(refused(&json!({"ok": false}), &[]).is_ok());
        assert!(
            refused(&json!({"ok": true}), &[]).is_err()
                && refused(&json!({"ok": false}), &["7".to_owned()]).is_err()
        );
    }

    #[test]
    fn a_deletion_is_scored_by_what_the_server_has() {
        let (yes, no) = (json!({"ok": true}), json!({"ok": false}));
        let once = |answer: &Value, is_there: bool| deleted(std::slice::from_ref(answer), is_there);
        assert!(once(&yes, false).is_ok() && once(&yes, true).is_err() && once(&no, false).is_err());
        let again =
            |second: &Value, third: &Value| deleted(&[yes.clone(), second.clone(), third.clone()], false);
        assert!(again(&no, &no).is_ok() && again(&yes, &yes).is_ok());
        assert!(again(&no, &yes).is_err() && again(&json!({}), &json!({})).is_err());
    }

    #[test]
    fn media_are_compared_in_order_and_by_what_is_said_of_them() {
        let hex = Sha256::of(b"x").to_hex();
        let (one, two) = (json!({"id": "1", "digest": hex}), json!({"id": "2", "digest": null}));
        let good =
            json!({"ok": true, "items": [{"id": "1", "sha256": Sha256::of(b"x").to_base64()}, {"id": "2"}]});
        assert_eq!(parsed(&good, &[&one, &two]), Ok(()));
        assert!(parsed(&good, &[&two, &one]).is_err() && parsed(&good, &[&one]).is_err());
        let wrong = json!({"ok": true, "items": [{"id": "1", "sha256": Sha256::of(b"y").to_hex()}]});
        assert!(parsed(&wrong, &[&one]).is_err());
        let made_up = json!({"ok": true, "items": [{"id": "2", "sha256": hex}]});
        assert!(parsed(&made_up, &[&two]).is_err(), "there is no digest in the delivery");
        assert!(parsed(&json!({"ok": false}), &[]).is_err() && parsed(&json!({"ok": true}), &[]).is_ok());
    }

    #[test]
    fn tampering_changes_one_thing() {
        let delivery = || {
            let mut delivery = some_delivery();
            delivery.signature_header = Some("Sign".to_owned());
            delivery
        };
        let changed = tampered(delivery(), Tamper::Body);
        assert_eq!((changed.body, changed.headers.len()), (Bytes::from_static(b"{\"a\":7}"), 2));
        let missing = tampered(delivery(), Tamper::Signature);
        assert_eq!((missing.body, missing.headers.len()), (delivery().body, 1));
    }

    fn some_delivery() -> WebhookDelivery {
        let headers = vec![("sign".to_owned(), "x".to_owned()), ("other".to_owned(), "y".to_owned())];
        let mut delivery = WebhookDelivery::default();
        (delivery.headers, delivery.body) = (headers, Bytes::from_static(b"{\"a\":1}"));
        delivery
    }

    #[test]
    fn every_operation_is_known_and_its_control_is_one() {
        let all = all().expect("readable");
        for operation in &all {
            assert!(!operation.requirements.is_empty(), "{}", operation.case);
            if let Some(control) = &operation.control {
                assert!(all.iter().any(|other| other.case == *control), "{control}");
            }
        }
    }
}
