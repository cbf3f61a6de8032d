//! A job as those see it who wait for it: what happens, as it happens, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::time::{Instant, sleep_until};

use super::IngestError;
use super::queue::Queue;
use crate::ledger::{Ended, Job, JobId, Ledger};
use crate::tasks::unpaused;

/// Two looks at a job are at least this far apart.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Documents that one look brings.
const DOCUMENTS_PER_LOOK: usize = 1000;

/// What happens to a job.
#[derive(Debug, Clone)]
pub enum JobEvent {
    /// How far it is.
    Progress(Job),
    /// One document ended.
    Document(Ended),
    /// Nothing more will happen. The last event.
    End(Job),
}

/// Follows a job, beginning after its `after`th document, to its end. Events are taken from the ledger, so none is lost
/// on a reader that is slow, or comes back.
pub fn follow(
    queue: Arc<Queue>,
    job: JobId,
    mut after: i64,
) -> impl Stream<Item = Result<JobEvent, IngestError>> + Send + 'static {
    async_stream::try_stream! {
        let ledger = queue.indexer.ledger.clone();
        let mut changes = queue.changes();
        let mut last: Option<Job> = None;
        loop {
            let looked = Instant::now();
            changes.mark_unchanged();
            // In this order: an ended job has no documents that are still to come.
            let Some(now) = look(&ledger, &job).await? else { return };
            loop {
                let ended = documents(&ledger, &job, after).await?;
                let Some(newest) = ended.last() else { break };
                after = newest.ended;
                for document in ended {
                    yield JobEvent::Document(document);
                }
            }
            if now.state().is_end() {
                yield JobEvent::End(now);
                return;
            }
            if last.as_ref() != Some(&now) {
                yield JobEvent::Progress(now.clone());
                last = Some(now);
            }
            sleep_until(looked + LOOK_EVERY).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn look(ledger: &Ledger, job: &JobId) -> Result<Option<Job>, IngestError> {
    let (ledger, job) = (ledger.clone(), job.clone());
    Ok(unpaused(async move { ledger.job(&job).await }).await??)
}

async fn documents(ledger: &Ledger, job: &JobId, after: i64) -> Result<Vec<Ended>, IngestError> {
    let (ledger, job) = (ledger.clone(), job.clone());
    Ok(unpaused(async move { ledger.ended_of(&job, after, DOCUMENTS_PER_LOOK).await }).await??)
}

/// How a job stands in the end: every document is in exactly one of the first five.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub indexed: usize,
    /// The same text, for other people: changed without being embedded again.
    pub access_changed: usize,
    pub unchanged: usize,
    /// Rejected, or waiting to be tried again; and what was asked for and could not be had.
    pub failed: Vec<Failure>,
    /// Those of `failed` that will be tried again.
    pub waiting: usize,
    /// Called off, or wanted by a later job.
    pub left: usize,
    pub removed: usize,
    /// Files of a kind that cairn doesn't read.
    pub skipped: usize,
    pub chunks: usize,
}

impl Summary {
    /// With what another job did.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.indexed += other.indexed;
        self.access_changed += other.access_changed;
        self.unchanged += other.unchanged;
        self.failed.extend(other.failed);
        self.waiting += other.waiting;
        self.left += other.left;
        self.removed += other.removed;
        self.skipped += other.skipped;
        self.chunks += other.chunks;
        self
    }
}

/// Something that was not indexed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub path: String,
    pub reason: String,
}
