//! SQLite: the same on one machine, without a server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use wamedia::MediaRef;

use crate::store::{Claim, Outcome, Result, Store, reference};

const TABLE: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS media (
        identity  TEXT PRIMARY KEY,
        reference TEXT NOT NULL,
        signed    INTEGER NOT NULL,
        state     TEXT NOT NULL DEFAULT 'waiting',
        detail    TEXT NOT NULL DEFAULT '',
        claim     INTEGER NOT NULL DEFAULT 0,
        due       REAL NOT NULL DEFAULT 0);
    CREATE INDEX IF NOT EXISTS media_due ON media (due) WHERE state = 'waiting'";

#[derive(Clone)]
pub struct Sqlite {
    connection: Arc<Mutex<Connection>>,
}

impl Sqlite {
    /// Opens the file, and makes the table.
    pub fn open(file: &str) -> Result<Self> {
        let connection = Connection::open(file)?;
        // Another process may be writing.
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.execute_batch(TABLE)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// The disk is waited for on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = Arc::clone(&self.connection);
        tokio::task::spawn_blocking(move || {
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await?
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn accept(&self, media: Vec<MediaRef>) -> Result<()> {
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for media in media {
                transaction.execute(
                    "INSERT INTO media (identity, reference, signed, due)
                     VALUES (?1, ?2, ?3, unixepoch('subsec')) ON CONFLICT DO NOTHING",
                    params![media.identity(), media.to_string(), media.signed],
                )?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn claim(&self, lease: Duration) -> Result<Option<Claim>> {
        self.run(move |connection| {
            // One statement is one transaction, and there is one writer at a time.
            let claimed = "
                UPDATE media SET claim = claim + 1, due = unixepoch('subsec') + ?1
                WHERE identity = (
                    SELECT identity FROM media WHERE state = 'waiting' AND due <= unixepoch('subsec')
                    ORDER BY due LIMIT 1)
                RETURNING identity, reference, signed, claim";
            let row = connection
                .query_row(claimed, [lease.as_secs_f64()], |row| {
                    Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()?;
            let claim = |(identity, text, signed, number): (String, String, bool, i64)| {
                Ok(Claim { identity, media: reference(&text, signed)?, number })
            };
            row.map(claim).transpose()
        })
        .await
    }

    async fn finish(&self, claim: &Claim, outcome: Outcome) -> Result<bool> {
        let (identity, number) = (claim.identity.clone(), claim.number);
        let (state, detail, wait) = outcome.columns();
        self.run(move |connection| {
            let finished = "
                UPDATE media SET state = ?3, detail = ?4, due = unixepoch('subsec') + ?5
                WHERE identity = ?1 AND claim = ?2 AND state = 'waiting'";
            Ok(connection.execute(finished, params![identity, number, state, detail, wait])? == 1)
        })
        .await
    }

    async fn waiting(&self) -> Result<i64> {
        let count = "SELECT count(*) FROM media WHERE state = 'waiting'";
        self.run(move |connection| Ok(connection.query_row(count, [], |row| row.get(0))?)).await
    }
}
