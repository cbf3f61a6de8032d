//! How far the work on one document is, and the word to stop it.
//!
//! Progress is what the work says of itself; that somebody still works on it is the worker's heartbeat, another thing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::IngestError;

/// What is being done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Reading,
    Extracting,
    Splitting,
    Embedding,
    Storing,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Extracting => "extracting",
            Self::Splitting => "splitting",
            Self::Embedding => "embedding",
            Self::Storing => "storing",
        }
    }
}

/// A moment's look at the work on a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) stage: Stage,
    pub(super) chunks_done: usize,
    pub(super) chunks_total: usize,
    /// Since when this stage goes on, and since when nothing has moved.
    since: Instant,
    moved: Instant,
}

/// Shared by the work on a document and whoever watches it.
pub(super) struct Progress {
    step: Mutex<Step>,
    stop: CancellationToken,
}

impl Default for Progress {
    fn default() -> Self {
        let now = Instant::now();
        let step = Step { stage: Stage::Reading, chunks_done: 0, chunks_total: 0, since: now, moved: now };
        Self { step: Mutex::new(step), stop: CancellationToken::new() }
    }
}

impl Progress {
    /// Notes that another stage begins.
    pub(super) fn stage(&self, stage: Stage) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        observe(&step, now);
        (step.stage, step.since, step.moved) = (stage, now, now);
    }

    /// Notes how many chunks are in the index.
    pub(super) fn chunks(&self, done: usize, total: usize) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        (step.chunks_done, step.chunks_total, step.moved) = (done, total, Instant::now());
    }

    /// Notes that the last stage has ended.
    pub(super) fn end(&self) {
        observe(&self.step(), Instant::now());
    }

    pub(super) fn step(&self) -> Step {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long nothing has moved.
    pub(super) fn still_for(&self) -> Duration {
        self.step().moved.elapsed()
    }

    /// Asks the work to stop where it can: between two batches.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// An error once the work was asked to stop.
    pub(super) fn check(&self) -> Result<(), IngestError> {
        if self.stop.is_cancelled() { Err(IngestError::Stopped) } else { Ok(()) }
    }

    /// The same for a wait that may be given up at any time.
    pub(super) async fn or_stop<T>(&self, wait: impl Future<Output = T>) -> Result<T, IngestError> {
        tokio::select! {
            value = wait => Ok(value),
            () = self.stop.cancelled() => Err(IngestError::Stopped),
        }
    }
}

fn observe(step: &Step, now: Instant) {
    let seconds = now.duration_since(step.since).as_secs_f64();
    metrics::histogram!("cairn_ingest_stage_duration_seconds", "stage" => step.stage.name()).record(seconds);
}
