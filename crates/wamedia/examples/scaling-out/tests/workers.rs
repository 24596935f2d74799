//! Deliveries into a database, two workers of which one is killed, and every object once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use scaling_out::store::{Outcome, Store};
use scaling_out::{open, receiver};
use tokio::sync::mpsc;
use wamedia::{Config, Sha256};
use wamedia_sandbox::{Options, ProviderInfo, Sandbox, post_webhook};

mod server;

/// Lets every lease run out.
type EndLeases<'a> = &'a (dyn Fn() + Sync);

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_loses_nothing_and_stores_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("media.db").display().to_string();
    let end_leases = || {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute("UPDATE media SET due = 0 WHERE state = 'waiting'", []).unwrap();
    };
    let database = format!("sqlite:{file}");
    a_slow_worker_changes_nothing(&database, &end_leases).await;
    one_of_two_workers_is_killed(&database, &end_leases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_loses_nothing_and_stores_nothing_twice() {
    let Some(server) = server::start() else {
        eprintln!("skipped: initdb is not installed");
        return;
    };
    let end_leases = || server.run("UPDATE media SET due = now() WHERE state = 'waiting'");
    a_slow_worker_changes_nothing(&server.parameters, &end_leases).await;
    one_of_two_workers_is_killed(&server.parameters, &end_leases).await;
}

async fn a_slow_worker_changes_nothing(database: &str, end_leases: EndLeases<'_>) {
    let (one, other) = (open(database).await.unwrap(), open(database).await.unwrap());
    let media: wamedia::MediaRef = "meta:1?account=2&message=m".parse().unwrap();
    one.accept(vec![media.clone().with_signed(true)]).await.unwrap();
    one.accept(vec![media]).await.unwrap();
    let lease = Duration::from_secs(300);
    let slow = one.claim(lease).await.unwrap().unwrap();
    assert!(slow.media.signed && slow.number == 1);
    assert!(other.claim(lease).await.unwrap().is_none(), "one reference has one claim");
    end_leases();
    let quick = other.claim(lease).await.unwrap().unwrap();
    assert_eq!(quick.number, 2);
    assert!(!one.finish(&slow, Outcome::Failed("late".to_owned())).await.unwrap());
    assert!(other.finish(&quick, Outcome::Stored("there".to_owned())).await.unwrap());
    assert!(!one.finish(&slow, Outcome::Failed("later".to_owned())).await.unwrap());
    assert_eq!(one.waiting().await.unwrap(), 0);
}

async fn one_of_two_workers_is_killed(database: &str, end_leases: EndLeases<'_>) {
    let (asked, mut asks) = mpsc::unbounded_channel();
    let options = Options::new(Arc::new(SystemTime::now)).with_on_request(move |_| _ = asked.send(()));
    let sandbox = Sandbox::start(options).await.unwrap();
    let info = sandbox.provider("meta").unwrap().clone();
    let store = open(database).await.unwrap();
    receive_all(&sandbox, &info, Arc::clone(&store)).await;
    assert_eq!(store.waiting().await.unwrap(), info.media.len() as i64);
    while asks.try_recv().is_ok() {}

    // The first request is never answered, and its worker is killed while it waits.
    sandbox.set_fault("silent", 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut killed = worker(database, folder.path(), &info);
    asks.recv().await.unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    sandbox.set_fault("silent", 0).unwrap();
    assert_eq!(store.waiting().await.unwrap(), info.media.len() as i64, "nothing was lost");
    end_leases();

    let mut workers = [worker(database, folder.path(), &info), worker(database, folder.path(), &info)];
    let ended = tokio::task::spawn_blocking(move || workers.each_mut().map(|worker| worker.wait().unwrap()));
    assert!(ended.await.unwrap().iter().all(std::process::ExitStatus::success));
    assert_eq!(store.waiting().await.unwrap(), 0);
    let mut wanted = BTreeMap::new();
    for seed in &info.media {
        *wanted.entry(seed.sha256_hex.clone()).or_insert(0) += 1;
    }
    let mut found = BTreeMap::new();
    count_objects(folder.path(), &mut found);
    assert_eq!(found, wanted);
}

/// Posts a delivery of every medium twice, as vendors do, and a forged one.
async fn receive_all(sandbox: &Sandbox, info: &ProviderInfo, store: Arc<dyn Store>) {
    let secret = info.env.iter().find(|(name, _)| name == "WAMEDIA_META_APP_SECRET").unwrap().1.as_str();
    let webhooks = wamedia::webhooks("meta", &Config::default().with("app_secret", secret)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, receiver::app(webhooks, store)).into_future());
    for seed in &info.media {
        let delivery = sandbox.webhook("meta", &seed.id).await.unwrap();
        for _ in 0..2 {
            assert_eq!(post_webhook(&url, &delivery).await.unwrap(), 200);
        }
        let mut forged = delivery.clone();
        forged.headers.clear();
        assert_eq!(post_webhook(&url, &forged).await.unwrap(), 401);
    }
    server.abort();
}

fn worker(database: &str, folder: &Path, info: &ProviderInfo) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scaling-out"));
    command.args(["work", database]).arg(folder).arg("--until-empty");
    command.envs(info.env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    command.spawn().unwrap()
}

/// Every file below the folder, by its digest; whatever a killed worker left behind would be one too many.
fn count_objects(folder: &Path, found: &mut BTreeMap<String, i32>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count_objects(&path, found);
        } else {
            *found.entry(Sha256::of(&std::fs::read(path).unwrap()).to_hex()).or_insert(0) += 1;
        }
    }
}
