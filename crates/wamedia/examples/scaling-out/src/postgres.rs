//! PostgreSQL: any number of workers on any number of machines.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};
use wamedia::MediaRef;

use crate::store::{Claim, Outcome, Result, Store, reference};

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS media (
        identity  TEXT PRIMARY KEY,
        reference TEXT NOT NULL,
        signed    BOOLEAN NOT NULL,
        state     TEXT NOT NULL DEFAULT 'waiting',
        detail    TEXT NOT NULL DEFAULT '',
        claim     BIGINT NOT NULL DEFAULT 0,
        due       TIMESTAMPTZ NOT NULL DEFAULT now());
    CREATE INDEX IF NOT EXISTS media_due ON media (due) WHERE state = 'waiting'";

pub struct Postgres {
    client: Mutex<Client>,
}

impl Postgres {
    /// Connects, and makes the table. A server elsewhere needs TLS in place of `NoTls`.
    pub async fn connect(parameters: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(parameters, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(TABLE).await?;
        Ok(Self { client: Mutex::new(client) })
    }
}

#[async_trait]
impl Store for Postgres {
    async fn accept(&self, media: Vec<MediaRef>) -> Result<()> {
        let mut client = self.client.lock().await;
        let transaction = client.transaction().await?;
        for media in media {
            transaction
                .execute(
                    "INSERT INTO media (identity, reference, signed) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    &[&media.identity(), &media.to_string(), &media.signed],
                )
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn claim(&self, lease: Duration) -> Result<Option<Claim>> {
        let claimed = "
            UPDATE media SET claim = claim + 1, due = now() + make_interval(secs => $1)
            WHERE identity = (
                SELECT identity FROM media WHERE state = 'waiting' AND due <= now()
                ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING identity, reference, signed, claim";
        let row = self.client.lock().await.query_opt(claimed, &[&lease.as_secs_f64()]).await?;
        let claim = |row: tokio_postgres::Row| {
            let media = reference(row.get("reference"), row.get("signed"))?;
            Ok(Claim { identity: row.get("identity"), media, number: row.get("claim") })
        };
        row.map(claim).transpose()
    }

    async fn finish(&self, claim: &Claim, outcome: Outcome) -> Result<bool> {
        let (state, detail, wait) = outcome.columns();
        let finished = "
            UPDATE media SET state = $3, detail = $4, due = now() + make_interval(secs => $5)
            WHERE identity = $1 AND claim = $2 AND state = 'waiting'";
        let client = self.client.lock().await;
        let rows =
            client.execute(finished, &[&claim.identity, &claim.number, &state, &detail, &wait]).await?;
        Ok(rows == 1)
    }

    async fn waiting(&self) -> Result<i64> {
        let count = "SELECT count(*) FROM media WHERE state = 'waiting'";
        Ok(self.client.lock().await.query_one(count, &[]).await?.get(0))
    }
}
