//! The queue: what is to be done with which document, who does it, and how it ended.
//!
//! Work is taken lane by lane, in turn, so that a job over many documents does not keep one upload waiting, and no
//! collection another. One document is worked on by one worker at a time: whoever holds it has the number of the attempt,
//! and what comes from an older attempt counts for nothing.

use std::time::Duration;

use super::{JobId, Ledger, LedgerError, now_ms, sql};
use crate::document::{CollectionName, DocumentId};
use crate::error::Class;

/// What is to be done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Index,
    Remove,
    /// Take out what a cancelled job left half-made.
    Undo,
}

impl Action {
    const ALL: [Self; 3] = [Self::Index, Self::Remove, Self::Undo];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Remove => "remove",
            Self::Undo => "undo",
        }
    }
}

/// What a document is indexed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What it comes from, which may have changed.
    Origin,
    /// The text that is kept of it will do, where it would be extracted in the same way today.
    Kept,
}

impl Reading {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Kept => "kept",
        }
    }
}

/// How the work on a document ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Indexed {
        chunks: usize,
    },
    /// The same text, for other people.
    AccessChanged,
    Unchanged,
    Rejected,
    Removed,
    Cancelled,
    /// A later job wants the same document otherwise.
    Superseded,
}

impl Outcome {
    /// As the ledger calls it, and the column of a job that counts it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Indexed { .. } => "indexed",
            Self::AccessChanged => "access_changed",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::Removed => "removed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }
}

/// A document that is this worker's now.
#[derive(Debug, Clone)]
pub struct Work {
    pub number: i64,
    pub attempt: i64,
    pub job: JobId,
    pub document: DocumentId,
    pub collection: CollectionName,
    pub external_id: String,
    pub action: Action,
    pub reading: Reading,
    pub origin: String,
    pub bytes: u64,
    pub failures: u32,
}

#[derive(sqlx::FromRow)]
struct WorkRow {
    number: i64,
    attempt: i64,
    job: String,
    document: String,
    collection: String,
    external_id: String,
    action: String,
    reading: String,
    origin: String,
    bytes: i64,
    failures: i64,
}

/// A sign of life from a worker, with how far it is.
#[derive(Debug, Clone, Copy)]
pub struct Beat<'a> {
    pub number: i64,
    pub attempt: i64,
    pub stage: &'a str,
    pub chunks_done: usize,
    pub chunks_total: usize,
}

/// That something failed which may be well later, and when to try again.
#[derive(Debug, Clone)]
pub struct Retry {
    pub class: Class,
    pub reason: String,
    pub pause: Duration,
}

impl WorkRow {
    fn parse(self) -> Result<Work, LedgerError> {
        let unknown = |found: &str| LedgerError::Unknown { what: "take work", found: found.to_owned() };
        Ok(Work {
            number: self.number,
            attempt: self.attempt,
            job: self.job.parse().map_err(|_| unknown(&self.job))?,
            document: self.document.parse().map_err(|_| unknown(&self.document))?,
            collection: self.collection.parse().map_err(|_| unknown(&self.collection))?,
            action: Action::ALL
                .into_iter()
                .find(|action| action.name() == self.action)
                .ok_or_else(|| unknown(&self.action))?,
            reading: [Reading::Origin, Reading::Kept]
                .into_iter()
                .find(|reading| reading.name() == self.reading)
                .ok_or_else(|| unknown(&self.reading))?,
            external_id: self.external_id,
            origin: self.origin,
            bytes: u64::try_from(self.bytes).unwrap_or_default(),
            failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
        })
    }
}

impl Ledger {
    /// Takes the next document whose turn it is, of this lane or of any, for as long as the lease.
    pub async fn next_work(&self, lane: Option<&str>, lease: Duration) -> Result<Option<Work>, LedgerError> {
        const WHAT: &str = "take work";
        let now = now_ms();
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        sqlx::query(
            "UPDATE work SET state = 'queued' WHERE (state = 'waiting' AND next_try_at_ms <= ?1)
             OR (state = 'working' AND lease_until_ms < ?1)",
        )
        .bind(now)
        .execute(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        let taken: Option<(i64,)> = sqlx::query_as(
            "UPDATE work SET state = 'working', attempt = attempt + 1, heartbeat_at_ms = ?1, lease_until_ms = ?1 + ?2,
                    stage = '', chunks_done = 0, chunks_total = 0
             WHERE number = (
                SELECT (SELECT w.number FROM work w WHERE w.lane = l.lane AND w.state = 'queued'
                        AND NOT EXISTS (SELECT 1 FROM work o WHERE o.document = w.document AND o.state = 'working')
                        ORDER BY w.number LIMIT 1) AS next
                FROM lanes l WHERE (?3 IS NULL OR l.lane = ?3) AND next IS NOT NULL
                ORDER BY (SELECT MAX(turn) FROM lanes k WHERE k.collection = l.collection), l.turn, l.lane LIMIT 1)
             RETURNING number",
        )
        .bind(now)
        .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
        .bind(lane)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        let Some((number,)) = taken else {
            transaction.commit().await.map_err(sql(WHAT))?;
            return Ok(None);
        };
        for statement in [
            "UPDATE lanes SET turn = (SELECT MAX(turn) + 1 FROM lanes) WHERE lane = (SELECT lane FROM work WHERE number = ?1)",
            "UPDATE jobs SET state = 'running', started_at_ms = COALESCE(started_at_ms, ?2)
             WHERE id = (SELECT job FROM work WHERE number = ?1) AND state = 'queued'",
        ] {
            sqlx::query(statement).bind(number).bind(now).execute(&mut *transaction).await.map_err(sql(WHAT))?;
        }
        let row: WorkRow = sqlx::query_as(
            "SELECT w.number, w.attempt, w.job, w.document, d.collection, d.external_id, w.action, w.reading, w.origin,
                    w.bytes, w.failures
             FROM work w JOIN documents d ON d.id = w.document WHERE w.number = ?",
        )
        .bind(number)
        .fetch_one(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))?;
        row.parse().map(Some)
    }

    /// When the first document that waits is to be tried again.
    pub async fn next_try_ms(&self, lane: Option<&str>) -> Result<Option<i64>, LedgerError> {
        let (next,): (Option<i64>,) = sqlx::query_as(
            "SELECT MIN(next_try_at_ms) FROM work WHERE state = 'waiting' AND (?1 IS NULL OR lane = ?1)",
        )
        .bind(lane)
        .fetch_one(&self.pool)
        .await
        .map_err(sql("look for work"))?;
        Ok(next)
    }

    /// Whether the document is still this worker's.
    pub async fn holds(&self, work: &Work) -> Result<bool, LedgerError> {
        let (holds,): (bool,) =
            sqlx::query_as("SELECT EXISTS (SELECT 1 FROM work WHERE number = ? AND attempt = ? AND state = 'working')")
                .bind(work.number)
                .bind(work.attempt)
                .fetch_one(&self.pool)
                .await
                .map_err(sql("look work up"))?;
        Ok(holds)
    }

    /// Notes signs of life, and keeps the documents for another lease.
    pub async fn beat(&self, beats: &[Beat<'_>], lease: Duration) -> Result<(), LedgerError> {
        const WHAT: &str = "note that work goes on";
        let now = now_ms();
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        for beat in beats {
            sqlx::query(
                "UPDATE work SET heartbeat_at_ms = ?3, lease_until_ms = ?3 + ?4, stage = ?5, chunks_done = ?6,
                 chunks_total = ?7 WHERE number = ?1 AND attempt = ?2 AND state = 'working'",
            )
            .bind(beat.number)
            .bind(beat.attempt)
            .bind(now)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .bind(beat.stage)
            .bind(i64::try_from(beat.chunks_done).unwrap_or(i64::MAX))
            .bind(i64::try_from(beat.chunks_total).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        }
        transaction.commit().await.map_err(sql(WHAT))
    }

    /// Ends the work, unless it is somebody else's by now. Where the document was looked at, what it was made from stays
    /// with it.
    pub async fn end_work(
        &self,
        work: &Work,
        outcome: Outcome,
        (code, reason): (&str, &str),
    ) -> Result<bool, LedgerError> {
        const WHAT: &str = "note work as done";
        let chunks = match outcome {
            Outcome::Indexed { chunks } => i64::try_from(chunks).unwrap_or(i64::MAX),
            Outcome::AccessChanged
            | Outcome::Unchanged
            | Outcome::Rejected
            | Outcome::Removed
            | Outcome::Cancelled
            | Outcome::Superseded => 0,
        };
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        let ended = sqlx::query(
            "UPDATE work SET state = 'ended', outcome = ?3, chunks = ?4, code = ?5, reason = ?6,
             ended = (SELECT ended + 1 FROM jobs WHERE id = work.job)
             WHERE number = ?1 AND attempt = ?2 AND state = 'working'",
        )
        .bind(work.number)
        .bind(work.attempt)
        .bind(outcome.name())
        .bind(chunks)
        .bind(code)
        .bind(reason)
        .execute(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        count_ended(&mut transaction, work.job.as_str(), outcome, work.bytes, chunks).await?;
        if matches!(outcome, Outcome::Indexed { .. } | Outcome::AccessChanged | Outcome::Unchanged | Outcome::Rejected)
        {
            sqlx::query(
                // What a source brings is there again; only what could not be indexed is kept for another try.
                "UPDATE documents SET origin = w.origin, bytes = w.bytes,
                 blob = CASE WHEN documents.state = 'indexed' AND w.origin->>'from' = 'source' THEN '' ELSE w.blob END,
                 stamp = CASE WHEN documents.state = 'indexed' THEN w.stamp ELSE '' END
                 FROM (SELECT origin, blob, bytes, stamp, document FROM work WHERE number = ?) AS w
                 WHERE documents.id = w.document",
            )
            .bind(work.number)
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        }
        transaction.commit().await.map_err(sql(WHAT))?;
        self.settle(work.job.as_str()).await?;
        Ok(true)
    }

    /// Puts the work off until later.
    pub async fn retry_work(&self, work: &Work, retry: &Retry) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE work SET state = 'waiting', failures = failures + 1, class = ?3, reason = ?4, next_try_at_ms = ?5
             WHERE number = ?1 AND attempt = ?2 AND state = 'working'",
        )
        .bind(work.number)
        .bind(work.attempt)
        .bind(retry.class.name())
        .bind(&retry.reason)
        .bind(now_ms().saturating_add(i64::try_from(retry.pause.as_millis()).unwrap_or(i64::MAX)))
        .execute(&self.pool)
        .await
        .map_err(sql("put work off"))?;
        Ok(())
    }

    /// Gives the work back unfinished: to be done later, or where its job is cancelled, to be undone.
    pub async fn give_back(&self, work: &Work) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE work SET state = 'queued', action = CASE
                WHEN action = 'index' AND (SELECT state FROM jobs WHERE id = work.job) = 'cancelling' THEN 'undo'
                ELSE action END
             WHERE number = ?1 AND attempt = ?2 AND state = 'working'",
        )
        .bind(work.number)
        .bind(work.attempt)
        .execute(&self.pool)
        .await
        .map_err(sql("give work back"))?;
        Ok(())
    }

    /// What a former process had in hand goes back into the queue; a job that was not listed to its end says so.
    pub(super) async fn take_over(&self) -> Result<(), LedgerError> {
        const WHAT: &str = "open the ledger";
        for statement in [
            "UPDATE work SET state = 'queued' WHERE state = 'working'",
            "UPDATE work SET action = 'undo' WHERE state = 'queued' AND action = 'index'
             AND job IN (SELECT id FROM jobs WHERE state = 'cancelling')",
            "UPDATE jobs SET listed = 1, reason = 'it was cut off while its documents were listed: ask for it again'
             WHERE listed = 0",
        ] {
            sqlx::query(statement).execute(&self.pool).await.map_err(sql(WHAT))?;
        }
        let open: Vec<(String,)> = sqlx::query_as("SELECT id FROM jobs WHERE ended_at_ms IS NULL")
            .fetch_all(&self.pool)
            .await
            .map_err(sql(WHAT))?;
        for (job,) in open {
            self.settle(&job).await?;
        }
        self.forget_old().await
    }
}

async fn count_ended(
    transaction: &mut sqlx::SqliteConnection,
    job: &str,
    outcome: Outcome,
    bytes: u64,
    chunks: i64,
) -> Result<(), LedgerError> {
    let update = format!(
        "UPDATE jobs SET ended = ended + 1, bytes_ended = bytes_ended + ?2, chunks = chunks + ?3, {0} = {0} + 1 WHERE id = ?1",
        outcome.name()
    );
    sqlx::query(sqlx::AssertSqlSafe(update))
        .bind(job)
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(chunks)
        .execute(transaction)
        .await
        .map_err(sql("note work as done"))?;
    Ok(())
}
