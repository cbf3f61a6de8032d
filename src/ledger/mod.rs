//! Which document is indexed at which version, and what is still to do.
//!
//! Takes ids and content hashes, gives claims to the worker. Invariant: a row is `indexed` only after its points are
//! durable in the vector store. Keeps the keys as well, hashed. Knows nothing of chunks, vectors or HTTP.

mod keys;

use std::path::Path;

pub use keys::{KeyRow, NewKey};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::caller::{Allow, Group};
use crate::document::{CollectionName, DocumentId, Version};
use crate::error::Class;

/// Rows that one transaction queues.
const ROWS_PER_TRANSACTION: usize = 1000;

/// The ledger of one data folder.
#[derive(Clone)]
pub struct Ledger {
    pool: SqlitePool,
}

/// What the ledger knows of a document when a worker comes to it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Known {
    state: String,
    version: i64,
    content_hash: String,
    text_hash: String,
    generation: String,
    allow: String,
}

/// What a document holds now.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Of its bytes and of what lies beside it.
    pub hash: &'a str,
    /// Of its title and text.
    pub text_hash: &'a str,
    pub allow: &'a Allow,
}

impl Known {
    /// Whether this very content is in this very index.
    pub fn is_current(&self, content_hash: &str, generation: &str) -> bool {
        self.has_points(generation) && self.content_hash == content_hash
    }

    /// Whether the points in the index are of this very text, whoever may see them.
    pub fn has_text(&self, text_hash: &str, generation: &str) -> bool {
        self.has_points(generation) && self.text_hash == text_hash
    }

    /// Whether the index may hold points that other people than these may see.
    pub fn allows_others(&self, allow: &Allow) -> bool {
        self.version > 0 && self.allow != groups_to_json(allow)
    }

    fn has_points(&self, generation: &str) -> bool {
        self.state == "indexed" && self.generation == generation
    }
}

/// A document that is this worker's to index as this version. `supersedes` where older points may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub version: Version,
    pub supersedes: bool,
}

/// A document as it stands.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DocumentRow {
    pub external_id: String,
    pub state: String,
    pub version: i64,
    pub title: String,
    pub chunks: i64,
    pub reason: String,
}

/// Documents of one collection by where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct DocumentCounts {
    pub collection: String,
    /// In the present index.
    pub indexed: i64,
    /// Still to do, those of another index among them.
    pub waiting: i64,
    pub rejected: i64,
}

/// Why the ledger did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{what}: {cause}")]
    Sql { what: &'static str, cause: sqlx::Error },
    #[error(transparent)]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl LedgerError {
    pub fn class(&self) -> Class {
        match self {
            Self::Sql { .. } => Class::Unavailable,
            Self::Migrate(_) => Class::Internal,
        }
    }
}

/// The groups as the ledger writes them: a JSON list, sorted.
fn groups_to_json<'a>(groups: impl IntoIterator<Item = &'a Group>) -> String {
    serde_json::Value::from_iter(groups.into_iter().map(Group::as_str)).to_string()
}

fn sql(what: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |cause| LedgerError::Sql { what, cause }
}

impl Ledger {
    /// Opens the ledger's file or makes it. The caller holds the data folder's lock, so what a former process was
    /// working on is nobody's now and goes back into the queue.
    pub async fn open(path: &Path) -> Result<Self, LedgerError> {
        let ledger = Self::open_beside(path).await?;
        sqlx::query("UPDATE documents SET state = 'queued' WHERE state = 'working'")
            .execute(&ledger.pool)
            .await
            .map_err(sql("open the ledger"))?;
        Ok(ledger)
    }

    /// Opens the ledger without the data folder's lock, beside a process that may have it: for keys, which that
    /// process looks up for each request.
    pub async fn open_beside(path: &Path) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let pool =
            SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(sql("open the ledger"))?;
        sqlx::migrate!("src/ledger/migrations").run(&pool).await?;
        Ok(Self { pool })
    }

    /// Notes that these documents are to be looked at. One that is new is `queued`; one that is known stays as it is.
    pub async fn queue(&self, collection: &CollectionName, external_ids: &[&str]) -> Result<(), LedgerError> {
        const WHAT: &str = "queue documents";
        for batch in external_ids.chunks(ROWS_PER_TRANSACTION) {
            let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
            for external_id in batch {
                sqlx::query(
                    "INSERT INTO documents (id, collection, external_id, state) VALUES (?, ?, ?, 'queued')
                     ON CONFLICT (id) DO NOTHING",
                )
                .bind(DocumentId::new(collection, external_id).to_string())
                .bind(collection.as_str())
                .bind(external_id)
                .execute(&mut *transaction)
                .await
                .map_err(sql(WHAT))?;
            }
            transaction.commit().await.map_err(sql(WHAT))?;
        }
        Ok(())
    }

    /// What is known of a queued document.
    pub async fn known(&self, document: DocumentId) -> Result<Known, LedgerError> {
        sqlx::query_as("SELECT state, version, content_hash, text_hash, generation, allow FROM documents WHERE id = ?")
            .bind(document.to_string())
            .fetch_one(&self.pool)
            .await
            .map_err(sql("look a document up"))
    }

    /// Takes the document. A content or an index that is new begins a new version; the same again after a crash is the
    /// same version, whose points are overwritten.
    pub async fn claim(
        &self,
        document: DocumentId,
        known: &Known,
        content: Content<'_>,
        generation: &str,
    ) -> Result<Claim, LedgerError> {
        let again = known.content_hash == content.hash && known.generation == generation && known.version > 0;
        let version = if again { known.version } else { known.version + 1 };
        sqlx::query(
            "UPDATE documents SET state = 'working', version = ?, content_hash = ?, text_hash = ?, allow = ?,
             generation = ?, reason = '', changed_at = CURRENT_TIMESTAMP WHERE id = ?",
        )
        .bind(version)
        .bind(content.hash)
        .bind(content.text_hash)
        .bind(groups_to_json(content.allow))
        .bind(generation)
        .bind(document.to_string())
        .execute(&self.pool)
        .await
        .map_err(sql("claim a document"))?;
        Ok(Claim { version: Version(version), supersedes: version > 1 })
    }

    /// Notes that the same text is now for these people. Call it only when its points say so durably.
    pub async fn set_allow(&self, document: DocumentId, content: Content<'_>) -> Result<(), LedgerError> {
        sqlx::query("UPDATE documents SET content_hash = ?, allow = ?, changed_at = CURRENT_TIMESTAMP WHERE id = ?")
            .bind(content.hash)
            .bind(groups_to_json(content.allow))
            .bind(document.to_string())
            .execute(&self.pool)
            .await
            .map_err(sql("note who may see a document"))?;
        Ok(())
    }

    /// Notes that the claimed version is in the index. Call it only when its points are durable.
    pub async fn commit(&self, document: DocumentId, title: &str, chunks: usize) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE documents SET state = 'indexed', title = ?, chunks = ?, reason = '',
             changed_at = CURRENT_TIMESTAMP WHERE id = ?",
        )
        .bind(title)
        .bind(i64::try_from(chunks).unwrap_or(i64::MAX))
        .bind(document.to_string())
        .execute(&self.pool)
        .await
        .map_err(sql("note a document as indexed"))?;
        Ok(())
    }

    /// Notes that the document can't be indexed as it is. Call it only when none of its points is left.
    pub async fn reject(&self, document: DocumentId, reason: &str) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE documents SET state = 'rejected', chunks = 0, reason = ?, changed_at = CURRENT_TIMESTAMP
             WHERE id = ?",
        )
        .bind(reason)
        .bind(document.to_string())
        .execute(&self.pool)
        .await
        .map_err(sql("note a document as rejected"))?;
        Ok(())
    }

    /// Forgets the document. Call it only when none of its points is left.
    pub async fn remove(&self, document: DocumentId) -> Result<(), LedgerError> {
        sqlx::query("DELETE FROM documents WHERE id = ?")
            .bind(document.to_string())
            .execute(&self.pool)
            .await
            .map_err(sql("remove a document"))?;
        Ok(())
    }

    /// Every document of the collection, by external id.
    pub async fn documents(&self, collection: &CollectionName) -> Result<Vec<DocumentRow>, LedgerError> {
        sqlx::query_as(
            "SELECT external_id, state, version, title, chunks, reason FROM documents WHERE collection = ?
             ORDER BY external_id",
        )
        .bind(collection.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list documents"))
    }

    /// Each collection that holds a document, by name, counted against one index.
    pub async fn collections(&self, generation: &str) -> Result<Vec<DocumentCounts>, LedgerError> {
        sqlx::query_as(
            "SELECT collection,
                    SUM(state = 'indexed' AND generation = ?1) AS indexed,
                    SUM(state IN ('queued', 'working') OR (state = 'indexed' AND generation <> ?1)) AS waiting,
                    SUM(state = 'rejected') AS rejected
             FROM documents GROUP BY collection ORDER BY collection",
        )
        .bind(generation)
        .fetch_all(&self.pool)
        .await
        .map_err(sql("count documents"))
    }

    /// Notes that one index holds of a collection what another one held, and stands in its place from now on. Gives how
    /// many documents count as indexed there. Call it only once the two were compared.
    pub async fn adopt(&self, collection: &CollectionName, from: &str, to: &str) -> Result<u64, LedgerError> {
        const WHAT: &str = "note documents as moved";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        // Those that were being worked on as well: the target has as much of them as the source had.
        sqlx::query("UPDATE documents SET generation = ? WHERE collection = ? AND generation = ?")
            .bind(to)
            .bind(collection.as_str())
            .bind(from)
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        let (indexed,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM documents WHERE collection = ? AND generation = ? AND state = 'indexed'",
        )
        .bind(collection.as_str())
        .bind(to)
        .fetch_one(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))?;
        Ok(u64::try_from(indexed).unwrap_or_default())
    }

    /// Writes what is still in memory and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
