//! A receiver and workers that share a database; `README.md` says how it works.

pub mod postgres;
pub mod receiver;
pub mod sqlite;
pub mod store;
pub mod worker;

use std::sync::Arc;

use store::{Result, Store};

/// `sqlite:FILE`, or a connection string of PostgreSQL.
pub async fn open(database: &str) -> Result<Arc<dyn Store>> {
    match database.strip_prefix("sqlite:") {
        Some(file) => Ok(Arc::new(sqlite::Sqlite::open(file)?)),
        None => Ok(Arc::new(postgres::Postgres::connect(database).await?)),
    }
}
