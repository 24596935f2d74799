use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use scaling_out::store::Result;
use scaling_out::{open, receiver, worker};
use tokio::net::TcpListener;
use wamedia::{Config, Registry};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["receive", database, address] => {
            let webhooks = wamedia::webhooks("meta", &configuration())?;
            let app = receiver::app(webhooks, open(database).await?);
            Ok(axum::serve(TcpListener::bind(address).await?, app).await?)
        }
        ["work", database, folder, rest @ ..] => work(database, folder, rest == ["--until-empty"]).await,
        _ => Err("usage: receive DATABASE ADDRESS | work DATABASE FOLDER [--until-empty]".into()),
    }
}

async fn work(database: &str, folder: &str, until_empty: bool) -> Result<()> {
    let store = open(database).await?;
    let provider = wamedia::provider("meta", &configuration())?;
    let objects: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder)?);
    loop {
        if worker::step(&*store, &*provider, &objects).await? {
            continue;
        }
        if until_empty && store.waiting().await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Settings from `WAMEDIA_META_…`.
fn configuration() -> Config {
    let variable = |key: &str| std::env::var(format!("WAMEDIA_META_{}", key.to_uppercase())).ok();
    let mut config = Config::default();
    for setting in Registry::built_in().info("meta").map(|info| info.settings).into_iter().flatten() {
        if let Some(value) = variable(setting.key) {
            config = config.with(setting.key, value);
        }
    }
    config.base_url = variable("base_url");
    config.content_origins.extend(variable("content_origins"));
    config
}
