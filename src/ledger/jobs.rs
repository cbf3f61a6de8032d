//! The jobs' rows: what somebody asked for, and how much of it is done.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{Ledger, LedgerError, now_ms, sql};
use crate::document::CollectionName;

/// How long jobs that have ended, and documents that were removed, stay to be seen.
const KEPT_MS: i64 = 30 * 24 * 3600 * 1000;

/// Names a job. Those made later sort later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(String);

impl JobId {
    const LENGTH_MAX: usize = 80;

    fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !text.is_empty() && text.len() <= Self::LENGTH_MAX && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("that is not the id of a job".to_owned())
        }
    }
}

/// What a job was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Bring files and folders in.
    Ingest,
    /// Bring in what came over HTTP.
    Upload,
    /// Take documents out.
    Remove,
    /// Try again what failed.
    Retry,
}

impl JobKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Upload => "upload",
            Self::Remove => "remove",
            Self::Retry => "retry",
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    Queued,
    Running,
    /// To be cancelled, and not yet at rest.
    Cancelling,
    Done,
    Cancelled,
    Failed,
}

impl JobState {
    const ALL: [Self; 6] = [Self::Queued, Self::Running, Self::Cancelling, Self::Done, Self::Cancelled, Self::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_end(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Cancelling => false,
            Self::Done | Self::Cancelled | Self::Failed => true,
        }
    }
}

/// A job that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    pub collection: &'a CollectionName,
    pub kind: JobKind,
    /// For people.
    pub name: &'a str,
    /// Files of no kind that cairn reads.
    pub skipped: usize,
    /// What was asked for and could not be had, as a JSON list.
    pub problems: &'a str,
}

/// A job as it stands. Documents are counted by where they are now, or by how they ended.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Job {
    pub id: String,
    pub collection: String,
    pub kind: String,
    pub name: String,
    state: String,
    pub reason: String,
    /// Whether it has all its documents.
    pub listed: bool,
    pub created_at_ms: i64,
    pub started_at_ms: Option<i64>,
    pub ended_at_ms: Option<i64>,
    /// Those that became work; `unchanged` may count others as well.
    pub documents: i64,
    pub ended: i64,
    pub working: i64,
    pub waiting: i64,
    pub bytes: i64,
    /// Of documents that ended, and of the share that is done of the others.
    pub bytes_done: i64,
    /// Chunks in the index, those of documents that are still worked on among them.
    pub chunks_done: i64,
    pub indexed: i64,
    pub access_changed: i64,
    pub unchanged: i64,
    pub rejected: i64,
    pub removed: i64,
    pub superseded: i64,
    pub cancelled: i64,
    pub chunks: i64,
    pub skipped: i64,
    pub problems: String,
}

impl Job {
    pub fn state(&self) -> JobState {
        JobState::ALL.into_iter().find(|state| state.name() == self.state).unwrap_or(JobState::Failed)
    }

    /// Documents whose turn has not come.
    pub fn queued(&self) -> i64 {
        self.documents - self.ended - self.working - self.waiting
    }

    /// Whether there is nothing to do but to wait until something else is well again.
    pub fn only_waits(&self) -> bool {
        self.listed && self.waiting > 0 && self.queued() == 0 && self.working == 0
    }
}

/// A document of a job that has ended.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Ended {
    /// Counts the job's ended documents from 1. 0: it waits to be tried again.
    pub ended: i64,
    pub external_id: String,
    pub outcome: String,
    pub chunks: i64,
    pub code: String,
    pub reason: String,
}

const JOB: &str = "SELECT j.*,
    (SELECT COUNT(*) FROM work w WHERE w.job = j.id AND w.state = 'working') AS working,
    (SELECT COUNT(*) FROM work w WHERE w.job = j.id AND w.state = 'waiting') AS waiting,
    j.bytes_ended + (SELECT COALESCE(SUM(w.bytes * w.chunks_done / MAX(w.chunks_total, 1)), 0)
                     FROM work w WHERE w.job = j.id AND w.state = 'working') AS bytes_done,
    j.chunks + (SELECT COALESCE(SUM(w.chunks_done), 0)
                FROM work w WHERE w.job = j.id AND w.state = 'working') AS chunks_done
    FROM jobs j";

impl Ledger {
    /// Makes a job without documents. [`listed`](Self::listed) says that it has all.
    pub async fn begin_job(&self, job: NewJob<'_>) -> Result<JobId, LedgerError> {
        let id = JobId::new();
        sqlx::query(
            "INSERT INTO jobs (id, collection, kind, name, state, created_at_ms, skipped, problems)
             VALUES (?, ?, ?, ?, 'queued', ?, ?, ?)",
        )
        .bind(id.as_str())
        .bind(job.collection.as_str())
        .bind(job.kind.name())
        .bind(job.name)
        .bind(now_ms())
        .bind(i64::try_from(job.skipped).unwrap_or(i64::MAX))
        .bind(job.problems)
        .execute(&self.pool)
        .await
        .map_err(sql("make a job"))?;
        Ok(id)
    }

    /// Notes that the job has all its documents, so that it ends with the last of them.
    pub async fn listed(&self, job: &JobId) -> Result<(), LedgerError> {
        sqlx::query("UPDATE jobs SET listed = 1 WHERE id = ?")
            .bind(job.as_str())
            .execute(&self.pool)
            .await
            .map_err(sql("note a job as listed"))?;
        self.settle(job.as_str()).await
    }

    pub async fn job(&self, job: &JobId) -> Result<Option<Job>, LedgerError> {
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{JOB} WHERE j.id = ?")))
            .bind(job.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look a job up"))
    }

    /// The latest jobs of these collections (none: of all), those before `before`, latest first.
    pub async fn jobs(
        &self,
        collections: Option<&[&str]>,
        before: Option<&JobId>,
        limit: usize,
    ) -> Result<Vec<Job>, LedgerError> {
        let query = format!(
            "{JOB} WHERE (?1 IS NULL OR j.collection IN (SELECT value FROM json_each(?1))) AND (?2 IS NULL OR j.id < ?2)
             ORDER BY j.id DESC LIMIT ?3"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(collections.map(|names| serde_json::Value::from_iter(names.iter().copied()).to_string()))
            .bind(before.map(JobId::as_str))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await
            .map_err(sql("list jobs"))
    }

    /// Documents of the job that ended after the one with number `after`, in that order.
    pub async fn ended_of(&self, job: &JobId, after: i64, limit: usize) -> Result<Vec<Ended>, LedgerError> {
        sqlx::query_as(
            "SELECT w.ended, d.external_id, w.outcome, w.chunks, w.code, w.reason
             FROM work w JOIN documents d ON d.id = w.document
             WHERE w.job = ? AND w.ended > ? ORDER BY w.ended LIMIT ?",
        )
        .bind(job.as_str())
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list a job's documents"))
    }

    /// Documents of the job that could not be done: rejected, or waiting to be tried again.
    pub async fn failed_of(&self, job: &JobId, limit: usize) -> Result<Vec<Ended>, LedgerError> {
        sqlx::query_as(
            "SELECT COALESCE(w.ended, 0) AS ended, d.external_id, CASE w.state WHEN 'ended' THEN w.outcome ELSE w.state END AS outcome,
                    w.chunks, w.code, w.reason
             FROM work w JOIN documents d ON d.id = w.document
             WHERE w.job = ? AND (w.state = 'waiting' OR w.outcome = 'rejected') ORDER BY d.external_id LIMIT ?",
        )
        .bind(job.as_str())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list what failed of a job"))
    }

    /// Jobs that are to be cancelled and are not yet at rest.
    pub async fn called_off(&self) -> Result<Vec<JobId>, LedgerError> {
        let jobs: Vec<(String,)> = sqlx::query_as("SELECT id FROM jobs WHERE state = 'cancelling'")
            .fetch_all(&self.pool)
            .await
            .map_err(sql("look for cancelled jobs"))?;
        Ok(jobs.into_iter().filter_map(|(id,)| id.parse().ok()).collect())
    }

    /// Ends the job if nothing of it is left to do, and its lane where nothing of that is.
    pub(super) async fn settle(&self, job: &str) -> Result<(), LedgerError> {
        const WHAT: &str = "end a job";
        let ended = sqlx::query(
            "UPDATE jobs SET state = CASE WHEN state = 'cancelling' THEN 'cancelled' WHEN reason <> '' THEN 'failed' ELSE 'done' END,
             ended_at_ms = ?2
             WHERE id = ?1 AND listed = 1 AND ended >= documents AND state IN ('queued', 'running', 'cancelling')",
        )
        .bind(job)
        .bind(now_ms())
        .execute(&self.pool)
        .await
        .map_err(sql(WHAT))?;
        if ended.rows_affected() > 0 {
            sqlx::query(
                "DELETE FROM lanes WHERE lane IN (SELECT lane FROM work WHERE job = ?1)
                 AND NOT EXISTS (SELECT 1 FROM work w WHERE w.lane = lanes.lane AND w.state IN ('queued', 'working', 'waiting'))",
            )
            .bind(job)
            .execute(&self.pool)
            .await
            .map_err(sql(WHAT))?;
        }
        Ok(())
    }

    /// Forgets jobs that ended long ago, and documents that were removed as long ago.
    pub async fn forget_old(&self) -> Result<(), LedgerError> {
        for statement in [
            "DELETE FROM work WHERE job IN (SELECT id FROM jobs WHERE ended_at_ms < ?1)",
            "DELETE FROM jobs WHERE ended_at_ms < ?1",
            "DELETE FROM documents WHERE state = 'removed' AND changed_at_ms < ?1
             AND NOT EXISTS (SELECT 1 FROM work WHERE document = documents.id)",
            "DELETE FROM brought WHERE document NOT IN (SELECT id FROM documents) AND ?1 IS NOT NULL",
        ] {
            sqlx::query(statement)
                .bind(now_ms() - KEPT_MS)
                .execute(&self.pool)
                .await
                .map_err(sql("forget old jobs"))?;
        }
        Ok(())
    }
}
