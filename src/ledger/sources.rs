//! Which source has which document, and what is kept of a source from one listing to the next.
//!
//! A document that several sources have goes when none of them has it any more. Knows sources by their names only.

use serde_json::Value;

use super::{JobId, Ledger, LedgerError, ROWS_PER_STATEMENT, now_ms, sql};
use crate::document::{CollectionName, DocumentId};

/// What a document was last indexed from.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Before {
    /// What its source said of the bytes. Empty: nothing.
    pub stamp: String,
    /// As JSON.
    pub origin: String,
}

/// A document that a source had and has no more.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Missing {
    pub id: String,
    pub external_id: String,
    pub is_file: bool,
    /// Whether another source has it, or it was uploaded since.
    pub elsewhere: bool,
}

impl Ledger {
    /// What the document was last indexed from, where that is in this index and nothing is to be done with it.
    pub async fn before(&self, document: DocumentId, generation: &str) -> Result<Option<Before>, LedgerError> {
        sqlx::query_as(
            "SELECT stamp, origin FROM documents d
             WHERE id = ? AND state = 'indexed' AND generation = ? AND begun_version = version
             AND NOT EXISTS (SELECT 1 FROM work w WHERE w.document = d.id AND w.state <> 'ended')",
        )
        .bind(document.to_string())
        .bind(generation)
        .fetch_optional(&self.pool)
        .await
        .map_err(sql("look a document up"))
    }

    /// Notes that this listing of a source met these documents.
    pub async fn met(
        &self,
        job: &JobId,
        source: &str,
        collection: &CollectionName,
        external_ids: &[&str],
    ) -> Result<(), LedgerError> {
        for batch in external_ids.chunks(ROWS_PER_STATEMENT) {
            let ids = batch.iter().map(|external_id| DocumentId::new(collection, external_id).to_string());
            sqlx::query(
                "INSERT INTO brought (source, document, job) SELECT ?1, value, ?2 FROM json_each(?3) WHERE true
                 ON CONFLICT (source, document) DO UPDATE SET job = excluded.job",
            )
            .bind(source)
            .bind(job.as_str())
            .bind(Value::from_iter(ids).to_string())
            .execute(&self.pool)
            .await
            .map_err(sql("note what a source has"))?;
        }
        Ok(())
    }

    /// Counts documents of the job that need no work.
    pub async fn count_unchanged(&self, job: &JobId, documents: usize) -> Result<(), LedgerError> {
        sqlx::query("UPDATE jobs SET unchanged = unchanged + ? WHERE id = ?")
            .bind(i64::try_from(documents).unwrap_or(i64::MAX))
            .bind(job.as_str())
            .execute(&self.pool)
            .await
            .map_err(sql("count documents"))?;
        Ok(())
    }

    /// Documents, by external id and after `after`, that the source had and this listing did not meet.
    pub async fn missing(
        &self,
        job: &JobId,
        source: &str,
        collection: &CollectionName,
        after: &str,
    ) -> Result<Vec<Missing>, LedgerError> {
        sqlx::query_as(
            "SELECT d.id, d.external_id, d.origin->>'from' = 'file' AS is_file, d.origin->>'from' = 'upload'
                    OR EXISTS (SELECT 1 FROM brought o WHERE o.document = d.id AND o.source <> b.source) AS elsewhere
             FROM brought b JOIN documents d ON d.id = b.document
             WHERE b.source = ? AND b.job <> ? AND d.collection = ? AND d.external_id > ? AND d.state <> 'removed'
             ORDER BY d.external_id LIMIT ?",
        )
        .bind(source)
        .bind(job.as_str())
        .bind(collection.as_str())
        .bind(after)
        .bind(i64::try_from(ROWS_PER_STATEMENT).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("look for what vanished"))
    }

    /// Notes that the source has these documents (by their ids) no more.
    pub async fn leave(&self, source: &str, documents: &[String]) -> Result<(), LedgerError> {
        sqlx::query("DELETE FROM brought WHERE source = ? AND document IN (SELECT value FROM json_each(?))")
            .bind(source)
            .bind(Value::from_iter(documents.iter().map(String::as_str)).to_string())
            .execute(&self.pool)
            .await
            .map_err(sql("note what a source has"))?;
        Ok(())
    }

    /// Notes what a listing met beside documents: how much it left out, and what could not be had (a JSON list).
    pub async fn note_listing(&self, job: &JobId, skipped: usize, problems: &str) -> Result<(), LedgerError> {
        sqlx::query("UPDATE jobs SET skipped = ?, problems = ? WHERE id = ?")
            .bind(i64::try_from(skipped).unwrap_or(i64::MAX))
            .bind(problems)
            .bind(job.as_str())
            .execute(&self.pool)
            .await
            .map_err(sql("note how a listing ended"))?;
        Ok(())
    }

    /// Whether the job has all its documents, and its lane none that somebody works on or could begin with.
    pub async fn is_at_rest(&self, job: &JobId) -> Result<bool, LedgerError> {
        let (is_busy,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND listed = 0)
                 OR EXISTS (SELECT 1 FROM work WHERE lane = ?1 AND state IN ('queued', 'working'))",
        )
        .bind(job.as_str())
        .fetch_one(&self.pool)
        .await
        .map_err(sql("look a job up"))?;
        Ok(!is_busy)
    }

    /// Forgets a job that found nothing to do and has nothing to tell.
    pub async fn forget_idle(&self, job: &JobId) -> Result<(), LedgerError> {
        sqlx::query("DELETE FROM jobs WHERE id = ? AND state = 'done' AND documents = 0 AND problems = '[]'")
            .bind(job.as_str())
            .execute(&self.pool)
            .await
            .map_err(sql("forget a job"))?;
        Ok(())
    }

    /// What was kept of the source. Empty: nothing.
    pub async fn memory_of(&self, collection: &CollectionName, source: &str) -> Result<String, LedgerError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT memory FROM sources WHERE collection = ? AND source = ?")
            .bind(collection.as_str())
            .bind(source)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look a source up"))?;
        Ok(row.map(|(memory,)| memory).unwrap_or_default())
    }

    pub async fn remember(&self, collection: &CollectionName, source: &str, memory: &str) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO sources (collection, source, memory) VALUES (?, ?, ?)
             ON CONFLICT (collection, source) DO UPDATE SET memory = excluded.memory",
        )
        .bind(collection.as_str())
        .bind(source)
        .bind(memory)
        .execute(&self.pool)
        .await
        .map_err(sql("keep what a source remembers"))?;
        Ok(())
    }

    /// When the source's schedule last began a listing. 0: never.
    pub async fn begun_ms(&self, collection: &CollectionName, source: &str) -> Result<i64, LedgerError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT begun_at_ms FROM sources WHERE collection = ? AND source = ?")
            .bind(collection.as_str())
            .bind(source)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look a source up"))?;
        Ok(row.map(|(begun,)| begun).unwrap_or_default())
    }

    pub async fn begin_round(&self, collection: &CollectionName, source: &str) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO sources (collection, source, begun_at_ms) VALUES (?, ?, ?)
             ON CONFLICT (collection, source) DO UPDATE SET begun_at_ms = excluded.begun_at_ms",
        )
        .bind(collection.as_str())
        .bind(source)
        .bind(now_ms())
        .execute(&self.pool)
        .await
        .map_err(sql("note when a source was listed"))?;
        Ok(())
    }
}
