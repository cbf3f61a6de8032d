//! What a server does about sources by itself: those that it was asked for, those of its manifest that are due, and
//! folders that are watched. A bounded number at once, until the stop.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::{Bringer, Run};
use crate::ingest::IngestError;
use crate::ingest::queue::Compare;
use crate::ingest::source::manifest::{Declared, What};
use crate::ingest::source::watch::{Watch, WatchLimits};
use crate::ledger::now_ms;
use crate::tasks::Crew;

/// Changed paths that are kept apart.
const WATCHED_PATHS_MAX: usize = 1000;
/// After the ledger itself failed.
const PAUSE: Duration = Duration::from_secs(5);

impl Bringer {
    /// Does what is asked for, and follows these sources, until `stopped` resolves. What is under way then is given up:
    /// its job says so when the server is next started, and whoever asks for it again goes on where it was.
    pub async fn run(self: Arc<Self>, followed: Vec<Declared>, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        let mut crew = Crew::new();
        for source in followed.into_iter().filter(is_followed) {
            let bringer = Arc::clone(&self);
            crew.spawn(async move { bringer.follow(source).await });
        }
        let Some(mut asked) = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        loop {
            tokio::select! {
                () = &mut stopped => return,
                Some(run) = asked.recv() => {
                    let bringer = Arc::clone(&self);
                    crew.spawn(async move { bringer.perform(run).await });
                }
                Some(ended) = crew.next() => {
                    if let Err(panicked) = ended {
                        warn!(error = %panicked, "a source is given up");
                    }
                }
            }
        }
    }

    async fn perform(&self, run: Run) {
        let _place = self.places.acquire().await;
        let Run { job, source, compare } = run;
        if let Err(error) = self.bring(&job, &source, compare).await {
            warn!(source.name = %source.name, job.id = %job, error = %error, "a source can't be brought in");
        }
    }

    /// Lists the source whenever it is due, or something changes. Never ends.
    async fn follow(&self, source: Declared) {
        let mut watch = self.watch(&source).await;
        let mut is_first = watch.is_some();
        loop {
            if !is_first {
                let due = self.due(&source).await;
                tokio::select! {
                    () = until(due) => {}
                    () = changed(watch.as_mut()) => {}
                }
            }
            is_first = false;
            let _place = self.places.acquire().await;
            if let Err(error) = self.round(&source).await {
                warn!(source.name = %source.name, error = %error, "a source can't be listed");
                sleep_until(Instant::now() + PAUSE).await;
            }
        }
    }

    async fn round(&self, source: &Declared) -> Result<(), IngestError> {
        self.queue.ledger().begin_round(&source.collection, &source.name).await?;
        let job = self.ingest(source, Compare::Stamp).await?;
        info!(source.name = %source.name, job.id = %job, "source listed");
        Ok(self.queue.ledger().forget_idle(&job).await?)
    }

    /// None: never by its schedule.
    async fn due(&self, source: &Declared) -> Option<Instant> {
        let schedule = source.schedule?;
        match self.queue.ledger().begun_ms(&source.collection, &source.name).await {
            Ok(begun) => {
                let since = Duration::from_millis(u64::try_from(now_ms() - begun).unwrap_or_default());
                Some(Instant::now() + schedule.saturating_sub(since))
            }
            Err(_) => Some(Instant::now() + PAUSE),
        }
    }

    async fn watch(&self, source: &Declared) -> Option<Watch> {
        let What::Folder(folder) = &source.what else { return None };
        if !folder.watch {
            return None;
        }
        let limits = WatchLimits {
            quiet: self.settings.watch_quiet,
            delay_max: self.settings.watch_delay_max,
            paths_max: WATCHED_PATHS_MAX,
            rescan_every: self.settings.watch_rescan,
        };
        let watch = Watch::start(folder.paths.clone(), limits).await.ok()?;
        if let Some(reason) = watch.blind() {
            warn!(source.name = %source.name, reason, "not all of a source can be watched, so it is looked at now and then");
        }
        Some(watch)
    }
}

fn is_followed(source: &Declared) -> bool {
    let is_watched = match &source.what {
        What::Folder(folder) => folder.watch,
        What::Web(_) | What::Objects(_) | What::Git(_) => false,
    };
    is_watched || source.schedule.is_some()
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Where it changed is not asked: files that look the same are not read.
async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => {
            if watch.next().await.is_err() {
                sleep_until(Instant::now() + PAUSE).await;
            }
        }
        None => std::future::pending().await,
    }
}
