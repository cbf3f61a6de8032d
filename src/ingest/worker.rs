//! Does what is queued: takes a document, works on it, says how it ended, takes the next.
//!
//! A bounded number at once. One document's failure is that document's only: what may pass is tried again later, what
//! can't is rejected with a reason, and a panic costs its document one try. At a stop nothing more is taken, and what is
//! under way ends between two batches and goes back into the queue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{debug, info, warn};

use super::progress::Progress;
use super::queue::{Queue, Running};
use super::{IngestError, Item};
use crate::error::Class;
use crate::ingest::origin::Origin;
use crate::ledger::{Action, Beat, JobId, LedgerError, Outcome, Retry, Work, now_ms};
use crate::tasks::{Crew, Panicked};

/// Between two notes of how far work is, and two looks for jobs that another process called off.
const TICK: Duration = Duration::from_secs(1);
/// After the ledger itself failed.
const PAUSE: Duration = Duration::from_secs(5);
/// The index is brought into shape when the queue is empty and so many documents have changed since the last time.
const CHANGES_MAX: usize = 500;
/// What old jobs left is forgotten this often.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// Why a document was given up, in its row.
const GAVE_UP: &str = "gave_up";

/// How work is done.
#[derive(Debug, Clone, Copy)]
pub struct WorkerLimits {
    pub documents_in_flight: usize,
    /// For how long a document is taken; prolonged while it is worked on.
    pub lease: Duration,
    /// Work that has not moved for so long is given up for now.
    pub stall_timeout: Duration,
    pub attempts_max: u32,
    pub retry_pause_min: Duration,
    pub retry_pause_max: Duration,
}

/// What to work on, and how long.
#[derive(Debug, Clone, Copy)]
pub enum Until<'a> {
    /// Everything, until the stop.
    Stopped,
    /// This job alone, until it is listed and nothing of it is left that could be done now.
    AtRest(&'a JobId),
}

/// Does what is queued.
#[derive(Clone)]
pub struct Worker {
    pub queue: Arc<Queue>,
    pub limits: WorkerLimits,
}

impl Worker {
    /// Works until there is nothing to do for `until`, or `stopped` resolves and what is under way has come to rest. An
    /// error only while it works on one job: whoever works until a stop waits until the ledger answers again.
    pub async fn run(&self, until: Until<'_>, stopped: impl Future<Output = ()>) -> Result<(), LedgerError> {
        let mut stopped = std::pin::pin!(stopped);
        let mut running = Crew::new();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = self.queue.changes();
        let mut changes = 0;
        let mut forget_at = Instant::now() + FORGET_EVERY;
        loop {
            // Asked before work is looked for: what is added after this look is met by the next one.
            let is_at_rest = match until {
                Until::AtRest(job) => self.queue.indexer.ledger.is_at_rest(job).await?,
                Until::Stopped => false,
            };
            while running.len() < self.limits.documents_in_flight {
                match self.take(until).await {
                    Ok(Some(work)) => {
                        let worker = self.clone();
                        running.spawn(async move { worker.attempt(work).await });
                    }
                    Ok(None) => break,
                    Err(error) => match until {
                        Until::AtRest(_) => return Err(error),
                        Until::Stopped => {
                            warn!(error = %error, "the ledger does not answer");
                            break;
                        }
                    },
                }
            }
            if running.is_empty() {
                match until {
                    Until::AtRest(_) if is_at_rest => return Ok(()),
                    Until::AtRest(_) => {}
                    Until::Stopped => self.shape(&mut changes).await,
                }
            }
            let next_try = self.next_try(until).await;
            tokio::select! {
                () = &mut stopped => break,
                Some(changed) = running.next() => changes += usize::from(matches!(changed, Ok(true))),
                () = self.queue.wake.notified() => {}
                // Another worker has the last of the job in hand, or somebody looks for more.
                _ = news.changed(), if matches!(until, Until::AtRest(_)) && running.is_empty() => {}
                () = sleep_until(next_try) => {}
                () = sleep_until(forget_at) => {
                    forget_at = Instant::now() + FORGET_EVERY;
                    note(self.queue.indexer.ledger.forget_old().await);
                }
                _ = tick.tick(), if !running.is_empty() => note(self.beat().await),
            }
        }
        self.queue.stop(|_| true);
        while running.next().await.is_some() {}
        Ok(())
    }

    async fn take(&self, until: Until<'_>) -> Result<Option<Work>, LedgerError> {
        self.queue.indexer.ledger.next_work(lane(until), self.limits.lease).await
    }

    /// When to look again although nobody woke us.
    async fn next_try(&self, until: Until<'_>) -> Instant {
        match self.queue.indexer.ledger.next_try_ms(lane(until)).await {
            Ok(Some(at)) => Instant::now() + Duration::from_millis(u64::try_from(at - now_ms()).unwrap_or(0).max(1)),
            Ok(None) => Instant::now() + FORGET_EVERY,
            Err(_) => Instant::now() + PAUSE,
        }
    }

    /// Brings the index into the shape that searches fastest, once enough has changed.
    async fn shape(&self, changes: &mut usize) {
        if *changes < CHANGES_MAX {
            return;
        }
        *changes = 0;
        match self.queue.indexer.store.optimize().await {
            Ok(()) => info!("the index is optimized"),
            Err(error) => warn!(error = %error, "the index can't be optimized"),
        }
    }

    /// Works on one document. True if the index changed.
    async fn attempt(&self, work: Work) -> bool {
        let progress = Arc::new(Progress::default());
        let (job, number, attempt) = (work.job.clone(), work.number, work.attempt);
        self.queue.start(work.document, Running { job, number, attempt, progress: Arc::clone(&progress) });
        let alone = self.queue.lock(work.document).await;
        let result = match self.queue.indexer.ledger.holds(&work).await {
            Ok(true) => self.perform(&work, &progress).await,
            Ok(false) => Err(IngestError::Stopped), // Dropped while it waited for its turn.
            Err(error) => Err(error.into()),
        };
        let changed = matches!(result, Ok(Outcome::Indexed { .. } | Outcome::Removed));
        if let Err(error) = self.finish(&work, result).await {
            warn!(doc.path = %work.external_id, error = %error, "how a document ended can't be noted");
            let pause = pause(self.limits, work.failures);
            let retry = Retry { class: error.class(), reason: error.to_string(), pause };
            // Where this fails too, it stays with this attempt until the lease runs out.
            note(self.queue.indexer.ledger.retry_work(&work, &retry).await);
        }
        drop(alone);
        self.queue.end(work.document);
        self.queue.tell();
        changed
    }

    async fn perform(&self, work: &Work, progress: &Progress) -> Result<Outcome, IngestError> {
        let doing = AssertUnwindSafe(self.act(work, progress)).catch_unwind();
        let stall = self.limits.stall_timeout;
        let stalled = async {
            while progress.still_for() < stall {
                tokio::time::sleep(stall.saturating_sub(progress.still_for())).await;
            }
        };
        tokio::select! {
            done = doing => done.unwrap_or(Err(IngestError::Panicked(Panicked))),
            () = stalled => Err(IngestError::Stalled { seconds: stall.as_secs() }),
        }
    }

    async fn act(&self, work: &Work, progress: &Progress) -> Result<Outcome, IngestError> {
        let indexer = &self.queue.indexer;
        progress.check()?;
        match work.action {
            Action::Index => {
                let origin = Origin::parse(&work.origin).map_err(|error| IngestError::Origin(error.to_string()))?;
                let (collection, external_id) = (work.collection.clone(), work.external_id.clone());
                let reading = work.reading;
                indexer.index(&Item { collection, external_id, origin, reading }, progress).await
            }
            Action::Remove => indexer.remove(work.document).await.map(|()| Outcome::Removed),
            Action::Undo => indexer.undo(work.document).await.map(|()| Outcome::Cancelled),
        }
    }

    /// Notes how an attempt ended: for good, for now, or not at all.
    async fn finish(&self, work: &Work, result: Result<Outcome, IngestError>) -> Result<(), IngestError> {
        let indexer = &self.queue.indexer;
        let before = indexer.ledger.blob_of(work.document).await?;
        let (outcome, code, reason) = match result {
            Ok(outcome) => (outcome, String::new(), String::new()),
            Err(IngestError::Stopped) => return Ok(indexer.ledger.give_back(work).await?),
            Err(error) => match self.verdict(work, &error) {
                Verdict::Later(retry) => {
                    debug!(doc.path = %work.external_id, error = %error, "document put off");
                    return Ok(indexer.ledger.retry_work(work, &retry).await?);
                }
                Verdict::Never(code) => {
                    note_failure(work, &error);
                    indexer.reject(work.document, &code, &error).await?;
                    (Outcome::Rejected, code, error.to_string())
                }
            },
        };
        if indexer.ledger.end_work(work, outcome, (&code, &reason)).await? {
            metrics::counter!("cairn_documents_total", "outcome" => outcome.name()).increment(1);
        }
        indexer.uploads.sweep_one(&indexer.ledger, &before).await?;
        let now = Origin::parse(&work.origin).map(|origin| origin.blob().to_owned()).unwrap_or_default();
        if now != before {
            indexer.uploads.sweep_one(&indexer.ledger, &now).await?;
        }
        Ok(())
    }

    fn verdict(&self, work: &Work, error: &IngestError) -> Verdict {
        match error.class() {
            Class::Invalid | Class::NotFound | Class::Denied => Verdict::Never(error.code().to_owned()),
            // To undo and to remove must be done some time, however long it takes.
            _ if work.action == Action::Index && work.failures + 1 >= self.limits.attempts_max => {
                Verdict::Never(GAVE_UP.to_owned())
            }
            class @ (Class::Busy | Class::Unavailable | Class::Internal) => {
                let pause = pause(self.limits, work.failures);
                Verdict::Later(Retry { class, reason: error.to_string(), pause })
            }
        }
    }

    /// Says that the documents under way are still worked on and how far they are; hears which jobs were called off.
    async fn beat(&self) -> Result<(), LedgerError> {
        let ledger = &self.queue.indexer.ledger;
        let running = self.queue.running();
        let beats = running.iter().map(|running| {
            let step = running.progress.step();
            Beat {
                number: running.number,
                attempt: running.attempt,
                stage: step.stage.name(),
                chunks_done: step.chunks_done,
                chunks_total: step.chunks_total,
            }
        });
        ledger.beat(&beats.collect::<Vec<_>>(), self.limits.lease).await?;
        let called_off = ledger.called_off().await?;
        self.queue.stop(|running| called_off.contains(&running.job));
        self.queue.tell();
        Ok(())
    }
}

enum Verdict {
    Later(Retry),
    Never(String),
}

fn lane(until: Until<'_>) -> Option<&str> {
    match until {
        Until::Stopped => None,
        Until::AtRest(job) => Some(job.as_str()),
    }
}

/// Doubles with each failure. Half of it is left to chance, so that what failed together is not tried together.
fn pause(limits: WorkerLimits, failures: u32) -> Duration {
    let whole = limits.retry_pause_min.saturating_mul(2_u32.saturating_pow(failures)).min(limits.retry_pause_max);
    let chance = getrandom::u32().unwrap_or_default();
    whole.mul_f64(0.5 + f64::from(chance) / f64::from(u32::MAX) / 2.0)
}

fn note(result: Result<(), LedgerError>) {
    if let Err(error) = result {
        warn!(error = %error, "the ledger does not answer");
    }
}

fn note_failure(work: &Work, error: &IngestError) {
    if error.class() == Class::Internal {
        warn!(doc.path = %work.external_id, error = %error, "document failed");
    } else {
        info!(doc.path = %work.external_id, error = %error, "document rejected");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_are_never_the_same_for_all() {
        let limits = WorkerLimits {
            documents_in_flight: 1,
            lease: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            attempts_max: 5,
            retry_pause_min: Duration::from_secs(2),
            retry_pause_max: Duration::from_secs(60),
        };
        for (failures, whole_s) in [(0, 2), (1, 4), (3, 16), (5, 60), (200, 60)] {
            let whole = Duration::from_secs(whole_s);
            for _ in 0..20 {
                let pause = pause(limits, failures);
                assert!(pause >= whole / 2 && pause <= whole, "{failures}: {pause:?}");
            }
        }
    }
}
