//! What becomes work, and what stops being any: documents are queued, superseded, cancelled, dropped.

use serde_json::{Value, json};

use super::work::{Action, Outcome, Reading};
use super::{JobId, Ledger, LedgerError, ROWS_PER_STATEMENT, now_ms, sql};
use crate::document::{CollectionName, DocumentId};

/// A document that is to become work.
#[derive(Debug, Clone)]
pub struct NewWork {
    pub external_id: String,
    pub action: Action,
    pub reading: Reading,
    /// Where it comes from, as JSON.
    pub origin: String,
    /// The stored upload that it needs. Empty: none.
    pub blob: String,
    pub bytes: u64,
    /// What its file looks like from outside. Empty: not known, so it has to be read.
    pub stamp: String,
}

/// What became of documents that were to become work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    pub queued: usize,
    /// Those whose file looks as it did when it was indexed.
    pub unchanged: usize,
}

impl Ledger {
    /// Queues documents of a job in a lane, except those whose file looks as it did when it was indexed in this index.
    /// What earlier jobs wanted of the same documents, and had not begun, is superseded.
    pub async fn add_work(
        &self,
        job: &JobId,
        lane: &str,
        collection: &CollectionName,
        work: &[NewWork],
        generation: &str,
    ) -> Result<Added, LedgerError> {
        let mut added = Added::default();
        for batch in work.chunks(ROWS_PER_STATEMENT) {
            let ids: Vec<&str> = batch.iter().map(|new| new.external_id.as_str()).collect();
            self.queue(collection, &ids).await?;
            let rows = batch.iter().map(|new| {
                json!({
                    "id": DocumentId::new(collection, &new.external_id).to_string(), "action": new.action.name(),
                    "origin": new.origin, "blob": new.blob, "bytes": new.bytes, "stamp": new.stamp,
                    "reading": new.reading.name(),
                })
            });
            let rows = Value::from_iter(rows).to_string();
            let queued = self.add_rows(job, lane, collection, &rows, generation).await?;
            let ids =
                Value::from_iter(batch.iter().map(|new| DocumentId::new(collection, &new.external_id).to_string()));
            self.supersede(&ids.to_string(), job).await?;
            added.queued += queued;
            added.unchanged += batch.len().saturating_sub(queued);
        }
        Ok(added)
    }

    async fn add_rows(
        &self,
        job: &JobId,
        lane: &str,
        collection: &CollectionName,
        rows: &str,
        generation: &str,
    ) -> Result<usize, LedgerError> {
        const WHAT: &str = "queue work";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        sqlx::query("INSERT INTO lanes (lane, collection) VALUES (?, ?) ON CONFLICT (lane) DO NOTHING")
            .bind(lane)
            .bind(collection.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        let inserted = sqlx::query(
            "INSERT INTO work (job, lane, document, action, reading, origin, blob, bytes, stamp, state, queued_at_ms)
             SELECT ?1, ?2, d.id, new.value->>'action', new.value->>'reading', new.value->>'origin', new.value->>'blob',
                    new.value->>'bytes', new.value->>'stamp', 'queued', ?3
             FROM json_each(?4) AS new JOIN documents d ON d.id = new.value->>'id'
             WHERE new.value->>'reading' = 'kept' OR NOT (d.state = 'indexed' AND d.generation = ?5 AND d.stamp <> '' AND d.begun_version = d.version
                        AND d.stamp = new.value->>'stamp' AND d.origin = new.value->>'origin'
                        AND NOT EXISTS (SELECT 1 FROM work o WHERE o.document = d.id AND o.state <> 'ended'))
             ON CONFLICT (job, document) DO NOTHING",
        )
        .bind(job.as_str())
        .bind(lane)
        .bind(now_ms())
        .bind(rows)
        .bind(generation)
        .execute(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        sqlx::query(
            "UPDATE jobs SET documents = documents + ?2, unchanged = unchanged + (json_array_length(?3) - ?2),
             bytes = (SELECT COALESCE(SUM(bytes), 0) FROM work WHERE job = ?1) WHERE id = ?1",
        )
        .bind(job.as_str())
        .bind(i64::try_from(inserted.rows_affected()).unwrap_or(i64::MAX))
        .bind(rows)
        .execute(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))?;
        Ok(usize::try_from(inserted.rows_affected()).unwrap_or(usize::MAX))
    }

    /// Ends what other jobs want of these documents (a JSON list of ids) and nobody has begun.
    async fn supersede(&self, ids: &str, but: &JobId) -> Result<(), LedgerError> {
        let numbers: Vec<(i64,)> = sqlx::query_as(
            "SELECT w.number FROM json_each(?1) AS id JOIN work w ON w.document = id.value
             WHERE w.state IN ('queued', 'waiting') AND w.job <> ?2",
        )
        .bind(ids)
        .bind(but.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(sql("supersede work"))?;
        self.end_all(&numbers.into_iter().map(|(number,)| number).collect::<Vec<_>>(), Outcome::Superseded).await
    }

    /// Cancels a job: what is not begun ends now, what is half-made is to be undone, and what is being worked on is told
    /// by whoever works on it. False where the job had ended.
    pub async fn cancel_job(&self, job: &JobId) -> Result<bool, LedgerError> {
        const WHAT: &str = "cancel a job";
        let cancelled = sqlx::query(
            "UPDATE jobs SET state = 'cancelling' WHERE id = ? AND state IN ('queued', 'running', 'cancelling')",
        )
        .bind(job.as_str())
        .execute(&self.pool)
        .await
        .map_err(sql(WHAT))?;
        if cancelled.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE work SET state = 'queued', action = 'undo' WHERE job = ? AND state IN ('queued', 'waiting')
             AND action = 'index'
             AND EXISTS (SELECT 1 FROM documents d WHERE d.id = work.document AND d.begun_version > d.version)",
        )
        .bind(job.as_str())
        .execute(&self.pool)
        .await
        .map_err(sql(WHAT))?;
        let numbers: Vec<(i64,)> = sqlx::query_as(
            "SELECT number FROM work WHERE job = ? AND state IN ('queued', 'waiting') AND action <> 'undo'",
        )
        .bind(job.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(sql(WHAT))?;
        self.end_all(&numbers.into_iter().map(|(number,)| number).collect::<Vec<_>>(), Outcome::Cancelled).await?;
        self.forget_unbegun(job).await?;
        self.settle(job.as_str()).await?;
        Ok(true)
    }

    /// Documents that only this cancelled job knew of are not known any more.
    async fn forget_unbegun(&self, job: &JobId) -> Result<(), LedgerError> {
        // Their work stays, as the account of the job.
        sqlx::query(
            "UPDATE documents SET state = 'removed', changed_at_ms = ?2 WHERE state = 'new' AND begun_version = 0
             AND id IN (SELECT document FROM work WHERE job = ?1)
             AND NOT EXISTS (SELECT 1 FROM work w WHERE w.document = documents.id AND w.state <> 'ended')",
        )
        .bind(job.as_str())
        .bind(now_ms())
        .execute(&self.pool)
        .await
        .map_err(sql("cancel a job"))?;
        Ok(())
    }

    /// Ends all that any job wants of a document, begun or not.
    pub async fn drop_work(&self, document: DocumentId) -> Result<(), LedgerError> {
        let numbers: Vec<(i64,)> = sqlx::query_as("SELECT number FROM work WHERE document = ? AND state <> 'ended'")
            .bind(document.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(sql("drop work"))?;
        self.end_all(&numbers.into_iter().map(|(number,)| number).collect::<Vec<_>>(), Outcome::Superseded).await
    }

    /// Ends these rows, job by job.
    async fn end_all(&self, numbers: &[i64], outcome: Outcome) -> Result<(), LedgerError> {
        const WHAT: &str = "end work";
        for batch in numbers.chunks(ROWS_PER_STATEMENT) {
            let list = Value::from_iter(batch.iter().copied()).to_string();
            let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
            let jobs: Vec<(String, i64, i64)> = sqlx::query_as(
                "SELECT job, COUNT(*), SUM(bytes) FROM work WHERE number IN (SELECT value FROM json_each(?)) GROUP BY job",
            )
            .bind(&list)
            .fetch_all(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
            sqlx::query(
                "UPDATE work SET state = 'ended', outcome = ?2, ended = n.ended
                 FROM (SELECT w.number, j.ended + ROW_NUMBER() OVER (PARTITION BY w.job ORDER BY w.number) AS ended
                       FROM work w JOIN jobs j ON j.id = w.job
                       WHERE w.number IN (SELECT value FROM json_each(?1))) AS n
                 WHERE work.number = n.number",
            )
            .bind(&list)
            .bind(outcome.name())
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
            for (job, count, bytes) in &jobs {
                let update = format!(
                    "UPDATE jobs SET ended = ended + ?2, bytes_ended = bytes_ended + ?3, {0} = {0} + ?2 WHERE id = ?1",
                    outcome.name()
                );
                sqlx::query(sqlx::AssertSqlSafe(update))
                    .bind(job)
                    .bind(count)
                    .bind(bytes)
                    .execute(&mut *transaction)
                    .await
                    .map_err(sql(WHAT))?;
            }
            transaction.commit().await.map_err(sql(WHAT))?;
            for (job, _, _) in &jobs {
                self.settle(job).await?;
            }
        }
        Ok(())
    }
}
