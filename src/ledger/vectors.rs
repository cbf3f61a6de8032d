//! Vectors of texts that were embedded before, in a file of its own: a cache, which may be deleted at any time.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::{LedgerError, sql};

/// What a row takes beside its vector.
const ROW_BYTES: u64 = 64;
/// Between two looks whether the file has grown too large, in vectors.
const SWEEP_EVERY: usize = 4096;

/// Vectors by what they were made from.
pub struct Vectors {
    pool: SqlitePool,
    rows_max: i64,
    since_sweep: std::sync::atomic::AtomicUsize,
}

impl Vectors {
    /// Opens the file or makes it; one that can't be read is begun anew. Keeps about `bytes_max` of the newest.
    pub async fn open(path: &Path, bytes_max: u64, dimensions: usize) -> Result<Self, LedgerError> {
        let pool = match open(path).await {
            Ok(pool) => pool,
            Err(_) => {
                remove(path).map_err(|error| sql("begin the cache of vectors anew")(sqlx::Error::Io(error)))?;
                open(path).await.map_err(sql("open the cache of vectors"))?
            }
        };
        let row_bytes = 4 * u64::try_from(dimensions).unwrap_or(u64::MAX) + ROW_BYTES;
        let rows_max = i64::try_from(bytes_max / row_bytes.max(1)).unwrap_or(i64::MAX);
        Ok(Self { pool, rows_max, since_sweep: SWEEP_EVERY.into() })
    }

    /// Those of these keys that are there.
    pub async fn get(&self, keys: &[String]) -> Result<HashMap<String, Vec<u8>>, LedgerError> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT key, vector FROM vectors WHERE key IN (SELECT value FROM json_each(?))")
                .bind(Value::from_iter(keys.iter().map(String::as_str)).to_string())
                .fetch_all(&self.pool)
                .await
                .map_err(sql("look vectors up"))?;
        Ok(rows.into_iter().collect())
    }

    /// Keeps vectors, and lets the oldest go where there are too many.
    pub async fn put(&self, vectors: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        use std::sync::atomic::Ordering::Relaxed;
        const WHAT: &str = "keep vectors";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        for (key, vector) in vectors {
            sqlx::query("INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)")
                .bind(key)
                .bind(vector)
                .execute(&mut *transaction)
                .await
                .map_err(sql(WHAT))?;
        }
        if self.since_sweep.fetch_add(vectors.len(), Relaxed) >= SWEEP_EVERY {
            self.since_sweep.store(0, Relaxed);
            sqlx::query("DELETE FROM vectors WHERE number <= (SELECT MAX(number) FROM vectors) - ?")
                .bind(self.rows_max)
                .execute(&mut *transaction)
                .await
                .map_err(sql(WHAT))?;
        }
        transaction.commit().await.map_err(sql(WHAT))
    }
}

async fn open(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS vectors (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, vector BLOB NOT NULL)",
    )
    .execute(&pool)
    .await?;
    Ok(pool)
}

/// The file and what SQLite keeps beside it.
fn remove(path: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
