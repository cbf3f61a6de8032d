//! How jobs look over HTTP, in their events, and in what `cairn ingest` and `cairn jobs` print as JSON.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ingest::job::{Failure, JobEvent, Summary};
use crate::ledger::{Ended, Job, JobState};
use crate::server::error::ErrorBody;

/// Something that was asked for, and how much of it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobWire {
    #[schema(example = "019aab12-7c1e-7b43-9d3b-6a1c7e42c0a1")]
    pub id: String,
    pub collection: String,
    /// `ingest`, `upload`, `remove` or `retry`.
    pub kind: String,
    pub name: String,
    /// `queued`, `running`, `cancelling`, `done`, `cancelled` or `failed`.
    pub state: String,
    /// Why it failed.
    pub reason: String,
    /// Whether its documents are still being looked for, so that there may be more of them.
    pub listing: bool,
    /// RFC 3339, UTC.
    pub created_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub documents: CountsWire,
    pub chunks: i64,
    pub bytes: BytesWire,
    /// Files of no kind that cairn reads.
    pub skipped: i64,
    /// What was asked for and could not be had.
    pub problems: Vec<ProblemWire>,
}

/// Documents of a job by where they are or how they ended. `total` is the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountsWire {
    pub total: i64,
    pub queued: i64,
    pub working: i64,
    /// Failed for a reason that may pass; tried again later.
    pub waiting: i64,
    pub indexed: i64,
    pub access_changed: i64,
    pub unchanged: i64,
    pub rejected: i64,
    pub removed: i64,
    /// Wanted otherwise by a later job.
    pub superseded: i64,
    pub cancelled: i64,
}

/// How much there is to read, and how much of it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BytesWire {
    pub total: i64,
    pub done: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemWire {
    pub path: String,
    pub reason: String,
}

/// A document of a job: one that ended, or one that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobDocumentWire {
    pub external_id: String,
    /// `indexed`, `access_changed`, `unchanged`, `rejected`, `removed`, `superseded`, `cancelled` or `waiting`.
    pub outcome: String,
    pub chunks: i64,
    /// Why it was rejected, for programs; empty otherwise.
    pub code: String,
    pub reason: String,
}

/// A job with those of its documents that were rejected or wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetailWire {
    #[serde(flatten)]
    pub job: JobWire,
    /// At most 1000.
    pub failed: Vec<JobDocumentWire>,
}

/// One server-sent event of a job: its name, and its data as JSON. After `done` or `error` comes nothing.
#[derive(Debug, Clone)]
pub enum JobEventWire {
    Progress(JobWire),
    Document(JobDocumentWire),
    Done(JobWire),
    Error(ErrorBody),
}

impl JobEventWire {
    pub(super) fn named(&self) -> (&'static str, serde_json::Result<String>) {
        match self {
            Self::Progress(job) => ("progress", serde_json::to_string(job)),
            Self::Document(document) => ("document", serde_json::to_string(document)),
            Self::Done(job) => ("done", serde_json::to_string(job)),
            Self::Error(body) => ("error", serde_json::to_string(body)),
        }
    }

    /// Reads an event as the service sends it. None for a name that is not known.
    pub fn parse(name: &str, data: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name {
            "progress" => Self::Progress(serde_json::from_str(data)?),
            "document" => Self::Document(serde_json::from_str(data)?),
            "done" => Self::Done(serde_json::from_str(data)?),
            "error" => Self::Error(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}

impl JobWire {
    /// Whether there is nothing to do but to wait until something else is well again.
    pub fn only_waits(&self) -> bool {
        let counts = self.documents;
        let is_running = self.state == JobState::Running.name() && !self.listing;
        is_running && counts.waiting > 0 && counts.queued + counts.working == 0
    }
}

impl JobDetailWire {
    pub fn of(job: Job, failed: Vec<Ended>) -> Self {
        Self { job: job.into(), failed: failed.into_iter().map(JobDocumentWire::from).collect() }
    }

    /// What whoever asked for the job is told in the end.
    pub fn summary(&self) -> Summary {
        let count = |found: i64| usize::try_from(found).unwrap_or_default();
        let (job, counts) = (&self.job, self.job.documents);
        let problems = job.problems.iter().map(|problem| (&problem.path, &problem.reason));
        let failed = self.failed.iter().map(|document| (&document.external_id, &document.reason));
        Summary {
            indexed: count(counts.indexed),
            access_changed: count(counts.access_changed),
            unchanged: count(counts.unchanged),
            failed: problems
                .chain(failed)
                .map(|(path, reason)| Failure { path: path.clone(), reason: reason.clone() })
                .collect(),
            waiting: count(counts.waiting),
            left: count(counts.cancelled + counts.superseded + counts.queued + counts.working),
            removed: count(counts.removed),
            skipped: count(job.skipped),
            chunks: count(job.chunks),
        }
    }
}

impl From<Job> for JobWire {
    fn from(job: Job) -> Self {
        let untouched = (job.unchanged
            + job.indexed
            + job.access_changed
            + job.rejected
            + job.removed
            + job.superseded
            + job.cancelled)
            - job.ended;
        Self {
            state: job.state().name().to_owned(),
            listing: !job.listed,
            documents: CountsWire {
                total: job.documents + untouched,
                queued: job.queued(),
                working: job.working,
                waiting: job.waiting,
                indexed: job.indexed,
                access_changed: job.access_changed,
                unchanged: job.unchanged,
                rejected: job.rejected,
                removed: job.removed,
                superseded: job.superseded,
                cancelled: job.cancelled,
            },
            bytes: BytesWire { total: job.bytes, done: job.bytes_done },
            problems: serde_json::from_str(&job.problems).unwrap_or_default(),
            created_at: time(job.created_at_ms),
            started_at: job.started_at_ms.map(time),
            ended_at: job.ended_at_ms.map(time),
            id: job.id,
            collection: job.collection,
            kind: job.kind,
            name: job.name,
            reason: job.reason,
            chunks: job.chunks_done,
            skipped: job.skipped,
        }
    }
}

impl From<Ended> for JobDocumentWire {
    fn from(ended: Ended) -> Self {
        let Ended { ended: _, external_id, outcome, chunks, code, reason } = ended;
        Self { external_id, outcome, chunks, code, reason }
    }
}

impl From<JobEvent> for JobEventWire {
    fn from(event: JobEvent) -> Self {
        match event {
            JobEvent::Progress(job) => Self::Progress(job.into()),
            JobEvent::Document(ended) => Self::Document(ended.into()),
            JobEvent::End(job) => Self::Done(job.into()),
        }
    }
}

/// RFC 3339, UTC.
pub(in crate::server) fn time(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}
