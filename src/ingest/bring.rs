//! What a source beyond this machine has → documents in the queue: lists it, fetches what is new or changed, and queues
//! that as it comes.
//!
//! Bytes are stored before their work is queued, as uploads are, so the worker needs neither the source nor its
//! credentials, and another try needs no network. Nothing is fetched that the source says is what was indexed before. A
//! listing that did not come to its end removes nothing.

mod fetch;
mod rounds;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::IngestError;
use super::extract::FileKind;
use super::queue::{Compare, Queue, Vanished};
use super::source::folder::walk_declared;
use super::source::manifest::{self, Declared, Folder, ManifestError, Surroundings, What};
use super::source::named::{self, InvalidSource, NAMED_PAGES, Named};
use super::source::web::{Memory, Pages};
use super::source::{Limits, Source, SourceError, SourceLimits};
use crate::config::{Config, Sources};
use crate::document::CollectionName;
use crate::ledger::{JobId, JobKind, NewJob};
use crate::tasks::blocking;
use fetch::Got;

/// Between two looks whether the job was called off.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Documents that are queued together, where so many have come.
const BATCH: usize = 100;
/// Problems that a job keeps one by one.
const PROBLEMS_MAX: usize = 1000;
/// Sources that wait for a server to begin with them.
const ASKED_MAX: usize = 1000;
/// The longest name of a job.
const JOB_NAME_CHARS_MAX: usize = 200;

/// Brings in what sources have.
pub struct Bringer {
    pub queue: Arc<Queue>,
    settings: Sources,
    variables: HashMap<String, SecretString>,
    collection: CollectionName,
    data_dir: PathBuf,
    file_bytes_max: u64,
    /// One listing of a source at a time.
    alone: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// What a server was asked for, on its way to whoever does it.
    asks: mpsc::Sender<Run>,
    asked: Mutex<Option<mpsc::Receiver<Run>>>,
    /// Bounds how many sources a server lists at once.
    places: Semaphore,
}

/// A listing that was begun and is to be done.
struct Run {
    job: JobId,
    source: Declared,
    compare: Compare,
}

/// What a listing met, beside what it queued.
#[derive(Default)]
struct Account {
    skipped: usize,
    problems: Vec<serde_json::Value>,
    problems_more: usize,
    /// Something went wrong behind which more may be than was seen.
    is_partial: bool,
}

impl Account {
    /// Notes what ended the listing before its end.
    fn end(&mut self, path: &str, error: &dyn std::error::Error) {
        self.note(path, &error.to_string());
        self.is_partial = true;
    }

    fn problem(&mut self, path: &str, error: &SourceError) {
        self.note(path, &error.to_string());
        self.is_partial |= matches!(error, SourceError::Unavailable { .. });
    }

    fn note(&mut self, path: &str, reason: &str) {
        let reason = reason.strip_prefix(&format!("read {path}: ")).unwrap_or(reason);
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(json!({ "path": path, "reason": reason }));
        } else {
            self.problems_more += 1;
        }
    }

    fn problems(&self, source: &str) -> String {
        let mut problems = self.problems.clone();
        if self.problems_more > 0 {
            let reason = format!("has {} more problems", self.problems_more);
            problems.push(json!({ "path": source, "reason": reason }));
        }
        serde_json::Value::from(problems).to_string()
    }
}

impl Bringer {
    pub fn new(queue: Arc<Queue>, config: &Config) -> Self {
        let (asks, asked) = mpsc::channel(ASKED_MAX);
        Self {
            asks,
            asked: Mutex::new(Some(asked)),
            places: Semaphore::new(config.sources.runs_in_flight),
            queue,
            settings: config.sources.clone(),
            variables: config.variables.clone(),
            collection: config.ingest.collection.clone(),
            data_dir: config.data_dir.clone(),
            file_bytes_max: config.ingest.file_bytes_max.as_u64(),
            alone: Mutex::default(),
        }
    }

    /// The sources that somebody wrote on a command line. Relative paths are relative to `folder`.
    pub fn named(
        &self,
        named: &Named<'_>,
        folder: &Path,
        collection: &CollectionName,
    ) -> Result<Vec<Declared>, InvalidSource> {
        named::declare(named, &self.around(folder, collection))
    }

    /// The sources of a manifest. Blocks: it and its secrets are read. `collection` is for those that name none.
    pub fn manifest(&self, path: &Path, collection: Option<&CollectionName>) -> Result<Vec<Declared>, ManifestError> {
        let failed = |cause| ManifestError::Read { path: path.to_path_buf(), cause };
        let path = std::path::absolute(path).map_err(failed)?;
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        manifest::parse(&text, &self.around(folder, collection.unwrap_or(&self.collection)))
    }

    fn around<'a>(&'a self, folder: &'a Path, collection: &'a CollectionName) -> Surroundings<'a> {
        let (environment, data_dir, settings) = (&self.variables, &self.data_dir, &self.settings);
        Surroundings { folder, collection, environment, data_dir, settings }
    }

    /// Has a server bring a source in: what [`run`](Self::run) then does. Gives the job.
    pub async fn ask(&self, source: Declared, compare: Compare) -> Result<JobId, IngestError> {
        match &source.what {
            What::Folder(_) => self.ingest(&source, compare).await,
            What::Web(_) | What::Objects(_) | What::Git(_) => {
                let place = self.asks.try_reserve().map_err(|_| IngestError::TooManySources { most: ASKED_MAX })?;
                let job = self.begin(&source).await?;
                place.send(Run { job: job.clone(), source, compare });
                Ok(job)
            }
        }
    }

    /// Begins the job that brings a source in, without doing anything of it.
    pub async fn begin(&self, source: &Declared) -> Result<JobId, IngestError> {
        let name = if source.name == source.what.to_string() || source.name == NAMED_PAGES {
            source.what.to_string()
        } else {
            format!("{}: {}", source.name, source.what)
        };
        let name: String = name.chars().take(JOB_NAME_CHARS_MAX).collect();
        let job =
            NewJob { collection: &source.collection, kind: JobKind::Ingest, name: &name, skipped: 0, problems: "[]" };
        Ok(self.queue.ledger().begin_job(job).await?)
    }

    /// Lists a source that is beyond this machine and queues what is new there, to the end of its listing or until the
    /// job is called off. What went wrong is told by the job.
    pub async fn bring(&self, job: &JobId, source: &Declared, compare: Compare) -> Result<(), IngestError> {
        let _alone = self.lock(&format!("{} {}", source.collection, source.name)).await;
        let mut account = Account::default();
        let read = tokio::select! {
            read = self.read(job, source, compare, &mut account) => Some(read),
            called_off = self.called_off(job) => {
                called_off?;
                None
            }
        };
        let ledger = self.queue.ledger();
        match read {
            Some(read) => {
                match read {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => account.end(&source.what.to_string(), &error),
                    Err(error) => account.end(&source.what.to_string(), &error), // The disk is full, for one.
                }
                if source.prune && !account.is_partial {
                    self.queue.prune(job, &source.collection, &source.name, |id| owns(source, id)).await?;
                }
            }
            None => {
                ledger.cancel_job(job).await?; // What came in while it was called off.
            }
        }
        ledger.note_listing(job, account.skipped, &account.problems(&source.name)).await?;
        ledger.listed(job).await?;
        self.queue.announce();
        Ok(())
    }

    /// The outer error is the ledger's, the inner one the source's.
    async fn read(
        &self,
        job: &JobId,
        source: &Declared,
        compare: Compare,
        account: &mut Account,
    ) -> Result<Result<(), SourceError>, IngestError> {
        let memory = self.queue.ledger().memory_of(&source.collection, &source.name).await?;
        let memory: Memory = serde_json::from_str(&memory).unwrap_or_default(); // Without it all is read again.
        let open = match Source::open(source.what.clone(), self.limits(), memory) {
            Ok(Some(open)) => open,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let mut ended = Ok(());
        let (came, mut coming) = mpsc::channel(BATCH);
        let (open_now, ended_now) = (&open, &mut ended);
        // Never paused while what came is queued: a fetch that waits in the middle may hold what the queue waits for.
        let fetching = async move {
            let came = &came;
            let fetched = fetch::wanted(open_now, ended_now).for_each_concurrent(
                self.settings.fetches_in_flight,
                |wanted| async move {
                    let got = self.get(open_now, source, compare, wanted).await;
                    // Nobody takes it any more after an error, which is told already.
                    let _ = came.send(got).await;
                },
            );
            fetched.await;
            Ok(())
        };
        let adding = async {
            let mut batch = Vec::with_capacity(BATCH);
            while coming.recv_many(&mut batch, BATCH).await > 0 {
                let got = batch.drain(..).collect::<Result<Vec<Got>, IngestError>>()?;
                self.add(job, source, got, account).await?;
            }
            Ok::<(), IngestError>(())
        };
        tokio::try_join!(fetching, adding)?;
        if let (Ok(()), Source::Web(web)) = (&ended, &open) {
            let memory = serde_json::to_string(web.memory().as_ref()).expect("a memory is made of texts and numbers");
            self.queue.ledger().remember(&source.collection, &source.name, &memory).await?;
        }
        Ok(ended)
    }

    /// Queues what came, and notes what the source still has.
    async fn add(
        &self,
        job: &JobId,
        source: &Declared,
        batch: Vec<Got>,
        account: &mut Account,
    ) -> Result<(), IngestError> {
        let (mut work, mut held, mut met, mut unchanged) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for got in batch {
            match got {
                Got::New { work: new, stored } => {
                    met.push(new.external_id.clone());
                    work.push(new);
                    held.push(stored);
                }
                Got::Unchanged { external_id } => {
                    met.push(external_id);
                    unchanged += 1;
                }
                Got::Skipped => account.skipped += 1,
                Got::Problem { external_id, error } => {
                    account.problem(&external_id, &error);
                    if !matches!(error, SourceError::NotFound { .. }) {
                        met.push(external_id); // It is there, and can't be had.
                    }
                }
            }
        }
        let (ledger, uploads) = (self.queue.ledger(), self.queue.uploads());
        let generation = self.queue.store().generation();
        let met: Vec<&str> = met.iter().map(String::as_str).collect();
        ledger.met(job, &source.name, &source.collection, &met).await?;
        if !work.is_empty() {
            ledger.add_work(job, job.as_str(), &source.collection, &work, generation).await?;
        }
        ledger.count_unchanged(job, unchanged).await?;
        drop(held);
        for new in &work {
            uploads.sweep_one(ledger, &new.blob).await?; // Of what turned out to be in the index already.
        }
        self.queue.announce();
        Ok(())
    }

    async fn called_off(&self, job: &JobId) -> Result<(), IngestError> {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if self.queue.ledger().called_off().await?.contains(job) {
                return Ok(());
            }
        }
    }

    /// Queues what a source has, wherever it is. Gives the job when all of the source is queued.
    pub async fn ingest(&self, source: &Declared, compare: Compare) -> Result<JobId, IngestError> {
        if let What::Folder(folder) = &source.what {
            return self.walk(source, folder.clone(), compare).await;
        }
        let job = self.begin(source).await?;
        self.bring(&job, source, compare).await?;
        Ok(job)
    }

    async fn walk(&self, source: &Declared, folder: Folder, compare: Compare) -> Result<JobId, IngestError> {
        let limits = SourceLimits { file_bytes_max: self.file_bytes_max };
        let mut walk = blocking(move || walk_declared(&folder, &limits)).await?;
        walk.source.clone_from(&source.name);
        walk.defaults = source.defaults.clone();
        let vanished = if source.prune { Vanished::Go } else { Vanished::Stay };
        Ok(self.queue.ingest(&source.collection, walk, vanished, compare).await?)
    }

    async fn lock(&self, source: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
            alone.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(alone.entry(source.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    fn limits(&self) -> Limits {
        Limits {
            file_bytes_max: self.file_bytes_max,
            entries_max: self.settings.entries_max,
            list_time_max: self.settings.list_time_max,
            fetch_time_max: self.settings.fetch_time_max,
            reads: |name| FileKind::of(Path::new(name)).is_some(),
        }
    }
}

/// Whether the source's listing says of this document whether it is there: pages that were named one by one say nothing
/// of those that were named another time.
fn owns(source: &Declared, external_id: &str) -> bool {
    match &source.what {
        What::Web(web) => match &web.pages {
            Pages::Named(urls) if source.name == NAMED_PAGES => urls.iter().any(|url| url.as_str() == external_id),
            Pages::Named(_) | Pages::Sitemap(_) | Pages::Crawl { .. } => true,
        },
        What::Folder(_) | What::Objects(_) | What::Git(_) => true,
    }
}
