//! Which document is indexed at which version, and what is still to do.
//!
//! Takes ids and content hashes, gives work to the worker. A document's row tells what was last finished; what is being
//! made of it stands beside that until it is done, so that nothing half-made ever counts. Invariant: a row is `indexed`
//! only after its points are durable in the vector store. Keeps the keys as well, hashed, and what was asked
//! and answered. Knows nothing of chunks, vectors or HTTP.

mod answers;
mod asked;
mod conversations;
mod documents;
mod feedback;
mod jobs;
mod keys;
mod sources;
#[cfg(test)]
mod tests;
mod texts;
mod uploads;
mod vectors;
mod work;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub use answers::{AnswerRow, AnswersOf, Cutoffs, Ending, cutoff_ms};
pub use asked::{Added, NewWork};
pub use conversations::{ConversationRow, MessageRow, Mine, NewConversation, Said};
pub use documents::{DocumentDetail, DocumentRow, DocumentState, Page, Sight, StateCount};
pub use feedback::FeedbackRow;
pub use jobs::{Ended, Job, JobId, JobKind, JobState, NewJob};
pub use keys::{KeyRow, NewKey};
pub use sources::{Before, Missing};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

pub use texts::{Alike, KeptText, Signature};
pub use vectors::Vectors;
pub use work::{Action, Beat, Outcome, Reading, Retry, Work};

use crate::caller::{Allow, Group};
use crate::document::{CollectionName, DocumentId, Metadata, Version};
use crate::error::Class;

/// Rows that one statement brings in.
const ROWS_PER_STATEMENT: usize = 1000;

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
    metadata: String,
    title: String,
    begun_version: i64,
    begun_content_hash: String,
    begun_generation: String,
}

/// What a document holds now.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Of its bytes and of what lies beside it.
    pub hash: &'a str,
    /// Of its title and text.
    pub text_hash: &'a str,
    pub allow: &'a Allow,
    pub metadata: &'a Metadata,
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

    /// Whether the index may hold points that other people than these may see, or that say something else of it.
    pub fn says_otherwise(&self, allow: &Allow, metadata: &Metadata) -> bool {
        let (allow, metadata) = (groups_to_json(allow), metadata_to_json(metadata));
        self.begun_version.max(self.version) > 0 && (self.allow != allow || self.metadata != metadata)
    }

    /// What was said of it when it was last looked at.
    pub fn said(&self) -> Result<(Allow, Metadata), LedgerError> {
        const WHAT: &str = "look a document up";
        let unknown = |found: &str| LedgerError::Unknown { what: WHAT, found: found.to_owned() };
        let groups: Vec<String> = serde_json::from_str(&self.allow).map_err(|_| unknown(&self.allow))?;
        let allow = groups.iter().map(|name| name.parse().map_err(|_| unknown(name))).collect::<Result<_, _>>()?;
        let metadata = serde_json::from_str(&self.metadata).map_err(|_| unknown(&self.metadata))?;
        Ok((allow, metadata))
    }

    /// Of what was last finished.
    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }

    /// Of what was last finished, too.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The version that was last finished, whichever index its points are in. Its text is kept.
    pub fn last(&self) -> Option<Version> {
        (self.state == "indexed" && self.version > 0).then_some(Version(self.version))
    }

    /// Whether a later version than the finished one was begun: some of its points may be there.
    pub fn is_half_made(&self) -> bool {
        self.begun_version > self.version
    }

    /// The version that was last finished, where its points are in this index.
    pub fn finished(&self, generation: &str) -> Option<Version> {
        let has_points = self.state != "new" && self.state != "removed" && self.generation == generation;
        (self.version > 0 && has_points).then_some(Version(self.version))
    }

    fn has_points(&self, generation: &str) -> bool {
        self.state == "indexed" && self.generation == generation && !self.is_half_made()
    }
}

/// A document that is this worker's to index as this version. `supersedes` where older points may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub version: Version,
    pub supersedes: bool,
}

/// What a document is indexed as.
#[derive(Debug, Clone, Copy)]
pub struct IndexedAs<'a> {
    pub title: &'a str,
    pub chunks: usize,
    /// What a reader should know of its text, as a JSON list.
    pub notices: &'a str,
}

/// What is left in the index of a document that is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Nothing,
    /// The version before, which still answers.
    Before,
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
    #[error("{what}: the ledger holds {found:?} there, which means nothing to this version of cairn")]
    Unknown { what: &'static str, found: String },
}

impl LedgerError {
    pub fn class(&self) -> Class {
        match self {
            Self::Sql { .. } => Class::Unavailable,
            Self::Migrate(_) | Self::Unknown { .. } => Class::Internal,
        }
    }
}

/// The groups as the ledger writes them: a JSON list, sorted.
fn groups_to_json<'a>(groups: impl IntoIterator<Item = &'a Group>) -> String {
    serde_json::Value::from_iter(groups.into_iter().map(Group::as_str)).to_string()
}

fn metadata_to_json(metadata: &Metadata) -> String {
    serde_json::to_string(metadata).expect("metadata is made of texts and numbers")
}

/// Milliseconds since 1970, UTC.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn sql(what: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |cause| LedgerError::Sql { what, cause }
}

impl Ledger {
    /// Opens the ledger's file or makes it. The caller holds the data folder's lock, so what a former process was
    /// working on is nobody's now and goes back into the queue.
    pub async fn open(path: &Path) -> Result<Self, LedgerError> {
        let ledger = Self::open_beside(path).await?;
        ledger.take_over().await?;
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

    /// Notes that these documents are to be looked at. One that is known stays as it is.
    pub async fn queue(&self, collection: &CollectionName, external_ids: &[&str]) -> Result<(), LedgerError> {
        for batch in external_ids.chunks(ROWS_PER_STATEMENT) {
            let rows = batch.iter().map(|external_id| {
                serde_json::json!({ "id": DocumentId::new(collection, external_id).to_string(), "name": external_id })
            });
            sqlx::query(
                "INSERT INTO documents (id, collection, external_id, state, changed_at_ms)
                 SELECT value->>'id', ?2, value->>'name', 'new', ?3 FROM json_each(?1) WHERE true
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(serde_json::Value::from_iter(rows).to_string())
            .bind(collection.as_str())
            .bind(now_ms())
            .execute(&self.pool)
            .await
            .map_err(sql("queue documents"))?;
        }
        Ok(())
    }

    /// What is known of a queued document.
    pub async fn known(&self, document: DocumentId) -> Result<Known, LedgerError> {
        sqlx::query_as(
            "SELECT state, version, content_hash, text_hash, generation, allow, metadata, title, begun_version,
                    begun_content_hash, begun_generation
             FROM documents WHERE id = ?",
        )
        .bind(document.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(sql("look a document up"))
    }

    /// Begins a version of the document. A content or an index that is new makes a new one; the same again after a crash
    /// is the same version, whose points are overwritten. What was finished before stands until [`commit`](Self::commit);
    /// all its points must say already who may see the document.
    pub async fn claim(
        &self,
        document: DocumentId,
        known: &Known,
        content: Content<'_>,
        generation: &str,
    ) -> Result<Claim, LedgerError> {
        let again =
            known.is_half_made() && known.begun_content_hash == content.hash && known.begun_generation == generation;
        let version = if again { known.begun_version } else { known.begun_version.max(known.version) + 1 };
        sqlx::query(
            "UPDATE documents SET begun_version = ?, begun_content_hash = ?, begun_text_hash = ?,
             begun_generation = ?, allow = ?, metadata = ? WHERE id = ?",
        )
        .bind(version)
        .bind(content.hash)
        .bind(content.text_hash)
        .bind(generation)
        .bind(groups_to_json(content.allow))
        .bind(metadata_to_json(content.metadata))
        .bind(document.to_string())
        .execute(&self.pool)
        .await
        .map_err(sql("claim a document"))?;
        Ok(Claim { version: Version(version), supersedes: version > 1 })
    }

    /// Notes that something else is said of the same text. Call it only when its points say so durably.
    pub async fn describe(&self, document: DocumentId, content: Content<'_>) -> Result<(), LedgerError> {
        sqlx::query("UPDATE documents SET content_hash = ?, allow = ?, metadata = ?, changed_at_ms = ? WHERE id = ?")
            .bind(content.hash)
            .bind(groups_to_json(content.allow))
            .bind(metadata_to_json(content.metadata))
            .bind(now_ms())
            .bind(document.to_string())
            .execute(&self.pool)
            .await
            .map_err(sql("note what is said of a document"))?;
        Ok(())
    }

    /// Notes that the claimed version is in the index, and no other. Call it only when its points are durable.
    pub async fn commit(&self, document: DocumentId, indexed: IndexedAs<'_>) -> Result<(), LedgerError> {
        const WHAT: &str = "note a document as indexed";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        let (version,): (i64,) = sqlx::query_as(
            "UPDATE documents SET state = 'indexed', title = ?, chunks = ?, notices = ?, code = '', reason = '',
             changed_at_ms = ?, version = begun_version, content_hash = begun_content_hash,
             text_hash = begun_text_hash, generation = begun_generation WHERE id = ? RETURNING version",
        )
        .bind(indexed.title)
        .bind(i64::try_from(indexed.chunks).unwrap_or(i64::MAX))
        .bind(indexed.notices)
        .bind(now_ms())
        .bind(document.to_string())
        .fetch_one(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        texts::forget(&mut transaction, document, Some(version)).await.map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))
    }

    /// Notes that what was begun after the finished version is gone again. Call it only when its points are.
    pub async fn undo(&self, document: DocumentId) -> Result<(), LedgerError> {
        const WHAT: &str = "note a version as undone";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        let (version,): (i64,) =
            sqlx::query_as("UPDATE documents SET begun_version = version WHERE id = ? RETURNING version")
                .bind(document.to_string())
                .fetch_one(&mut *transaction)
                .await
                .map_err(sql(WHAT))?;
        texts::forget(&mut transaction, document, Some(version)).await.map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))
    }

    /// Notes that the document can't be indexed as it is, and why: for programs, and for people.
    pub async fn reject(
        &self,
        document: DocumentId,
        left: Left,
        (code, reason): (&str, &str),
    ) -> Result<(), LedgerError> {
        const WHAT: &str = "note a document as rejected";
        let kept = match left {
            Left::Nothing => "chunks = 0, title = '', notices = '[]'",
            Left::Before => "chunks = chunks",
        };
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE documents SET state = 'rejected', {kept}, code = ?, reason = ?, stamp = '',
             changed_at_ms = ? WHERE id = ?"
        )))
        .bind(code)
        .bind(reason)
        .bind(now_ms())
        .bind(document.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        match left {
            Left::Nothing => {
                texts::forget(&mut transaction, document, None).await.map_err(sql(WHAT))?;
                answers::forget_of(&mut transaction, document).await.map_err(sql(WHAT))?;
            }
            Left::Before => {}
        }
        transaction.commit().await.map_err(sql(WHAT))
    }

    /// Leaves of the document that it was there. Call it only when none of its points is left.
    pub async fn remove(&self, document: DocumentId) -> Result<(), LedgerError> {
        const WHAT: &str = "remove a document";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        sqlx::query(
            "UPDATE documents SET state = 'removed', content_hash = '', text_hash = '', stamp = '', blob = '',
             version = CASE version WHEN 0 THEN 0 ELSE MAX(version, begun_version) END,
             begun_version = CASE version WHEN 0 THEN 0 ELSE MAX(version, begun_version) END,
             chunks = 0, notices = '[]', code = '', reason = '', changed_at_ms = ? WHERE id = ?",
        )
        .bind(now_ms())
        .bind(document.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        texts::forget(&mut transaction, document, None).await.map_err(sql(WHAT))?;
        answers::forget_of(&mut transaction, document).await.map_err(sql(WHAT))?;
        sqlx::query("DELETE FROM brought WHERE document = ?")
            .bind(document.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))
    }

    /// Each collection that holds a document, by name, counted against one index.
    pub async fn collections(&self, generation: &str) -> Result<Vec<DocumentCounts>, LedgerError> {
        sqlx::query_as(
            "SELECT collection,
                    SUM(state = 'indexed' AND generation = ?1) AS indexed,
                    SUM(state = 'new' OR (state = 'indexed' AND generation <> ?1)) AS waiting,
                    SUM(state = 'rejected') AS rejected
             FROM documents WHERE state <> 'removed' GROUP BY collection ORDER BY collection",
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
        for column in ["generation", "begun_generation"] {
            let update = format!("UPDATE documents SET {column} = ? WHERE collection = ? AND {column} = ?");
            sqlx::query(sqlx::AssertSqlSafe(update))
                .bind(to)
                .bind(collection.as_str())
                .bind(from)
                .execute(&mut *transaction)
                .await
                .map_err(sql(WHAT))?;
        }
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
