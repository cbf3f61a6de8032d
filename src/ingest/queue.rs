//! Where work is asked for: files to bring in, uploads, removals, another try. And where it is called off.
//!
//! What is asked for is in the ledger when the call returns, and the [`worker`](super::worker) is woken. A removal is
//! done when the call returns: whatever was being made of the document is stopped first, and nothing of it is found any
//! more.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard, watch};

use super::origin::{Defaults, Origin, Upload};
use super::progress::Progress;
use super::source::{self, Walk};
use super::uploads::Uploads;
use super::{Indexer, IngestError};
use crate::document::{CollectionName, DocumentId};
use crate::ledger::{
    Action, DocumentDetail, DocumentState, JobId, JobKind, Ledger, LedgerError, NewJob, NewWork, Page, Reading, Sight,
};
use crate::store::VectorStore;

/// Documents that are listed at once.
const PAGE: usize = 1000;
/// Locks of documents that are kept beyond those in use.
const LOCKS_KEPT: usize = 64;

/// What is done with documents whose file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vanished {
    Stay,
    Go,
}

/// How a file is found unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// By what it looks like from outside; where that differs, by its bytes.
    Stamp,
    /// By its bytes, all of them.
    Bytes,
}

/// What becomes of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// The index has this very content, and nothing else is to be done with the document.
    Unchanged,
    Queued(JobId),
}

/// The queue of one data folder, as those who ask see it.
pub struct Queue {
    pub(super) indexer: Arc<Indexer>,
    /// Wakes the worker.
    pub(super) wake: Notify,
    changed: watch::Sender<u64>,
    running: Mutex<HashMap<DocumentId, Running>>,
    locks: Mutex<HashMap<DocumentId, Arc<tokio::sync::Mutex<()>>>>,
}

/// A document that is being worked on.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) job: JobId,
    pub(super) number: i64,
    pub(super) attempt: i64,
    pub(super) progress: Arc<Progress>,
}

impl Queue {
    pub fn new(indexer: Arc<Indexer>) -> Self {
        Self {
            indexer,
            wake: Notify::new(),
            changed: watch::Sender::new(0),
            running: Mutex::default(),
            locks: Mutex::default(),
        }
    }

    pub fn uploads(&self) -> &Uploads {
        &self.indexer.uploads
    }

    pub fn ledger(&self) -> &Ledger {
        &self.indexer.ledger
    }

    pub fn store(&self) -> &Arc<dyn VectorStore> {
        &self.indexer.store
    }

    /// Changes whenever something that a job shows may have.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Queues what a walk found. Where vanished documents shall go, those below its roots that it did not find; nothing
    /// goes after a walk with problems, since what could not be read has not vanished.
    pub async fn ingest(
        &self,
        collection: &CollectionName,
        walk: Walk,
        vanished: Vanished,
        compare: Compare,
    ) -> Result<JobId, LedgerError> {
        let ledger = &self.indexer.ledger;
        let problems = walk
            .problems
            .iter()
            .map(|problem| serde_json::json!({ "path": problem.path.to_string_lossy(), "reason": problem.reason }));
        let job = ledger
            .begin_job(NewJob {
                collection,
                kind: JobKind::Ingest,
                name: &name_of(&walk),
                skipped: walk.skipped,
                problems: &serde_json::Value::from_iter(problems).to_string(),
            })
            .await?;
        let generation = self.indexer.store.generation();
        for found in walk.found.chunks(PAGE) {
            let work = found.iter().map(|found| NewWork {
                external_id: source::external_id(&found.path),
                action: Action::Index,
                reading: Reading::Origin,
                origin: Origin::found(found, &walk.defaults).to_json(),
                blob: String::new(),
                bytes: found.bytes,
                stamp: match compare {
                    Compare::Stamp => found.stamp.clone(),
                    Compare::Bytes => String::new(),
                },
            });
            let work: Vec<NewWork> = work.collect();
            // First of all that they were met: work of a document that nobody remembers meeting would never be pruned.
            let met: Vec<&str> = work.iter().map(|work| work.external_id.as_str()).collect();
            ledger.met(&job, &walk.source, collection, &met).await?;
            ledger.add_work(&job, job.as_str(), collection, &work, generation).await?;
        }
        if vanished == Vanished::Go && walk.problems.is_empty() {
            let is_walked = |external_id: &str| {
                let path = source::file_of(external_id);
                !walk.source.is_empty() || walk.roots.iter().any(|root| root.holds(&path))
            };
            self.prune(&job, collection, &walk.source, is_walked).await?;
        }
        ledger.listed(&job).await?;
        self.announce();
        Ok(job)
    }

    /// Queues the removal of what the source had and this job did not meet, as far as `is_meant`. What another source
    /// has as well stays, unless it is a file that is not there.
    pub(super) async fn prune(
        &self,
        job: &JobId,
        collection: &CollectionName,
        source: &str,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<(), LedgerError> {
        let ledger = &self.indexer.ledger;
        let mut after = String::new();
        loop {
            let page = ledger.missing(job, source, collection, &after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.external_id);
            let (mut gone, mut left) = (Vec::new(), Vec::new());
            for missing in page.into_iter().filter(|missing| is_meant(&missing.external_id)) {
                let file = source::file_of(&missing.external_id);
                let is_gone = missing.is_file && !tokio::fs::try_exists(file).await.unwrap_or(true);
                if missing.elsewhere && !is_gone {
                    left.push(missing.id);
                } else {
                    gone.push(removal(missing.external_id));
                }
            }
            ledger.add_work(job, job.as_str(), collection, &gone, self.indexer.store.generation()).await?;
            ledger.leave(source, &left).await?;
        }
    }

    /// Queues an upload whose bytes are stored.
    pub async fn upload(
        &self,
        collection: &CollectionName,
        external_id: &str,
        (upload, bytes): (Upload, u64),
    ) -> Result<Accepted, LedgerError> {
        let document = DocumentId::new(collection, external_id);
        let ledger = &self.indexer.ledger;
        let wanted = Origin::Upload(upload.clone()).to_json();
        if let Some(row) = ledger.document(document, Sight::All).await?
            && row.origin == wanted
        {
            let is_open = ![DocumentState::Indexed, DocumentState::Rejected, DocumentState::Removed]
                .iter()
                .any(|state| state.name() == row.state);
            let known = ledger.known(document).await?;
            match row.job.as_deref().map(str::parse) {
                Some(Ok(job)) if is_open => return Ok(Accepted::Queued(job)),
                _ if known.is_current(&upload.content_hash(), self.indexer.store.generation()) => {
                    return Ok(Accepted::Unchanged);
                }
                _ => {}
            }
        }
        let job = self
            .upload_many(
                collection,
                external_id,
                &format!("uploads:{collection}"),
                vec![(external_id.to_owned(), upload, bytes)],
            )
            .await?;
        Ok(Accepted::Queued(job))
    }

    /// Queues several uploads as one job, in a lane of its own.
    pub async fn upload_all(
        &self,
        collection: &CollectionName,
        uploads: Vec<(String, Upload, u64)>,
    ) -> Result<JobId, LedgerError> {
        let name = match uploads.as_slice() {
            [(external_id, ..)] => external_id.clone(),
            several => format!("{} uploads", several.len()),
        };
        self.upload_many(collection, &name, "", uploads).await
    }

    async fn upload_many(
        &self,
        collection: &CollectionName,
        name: &str,
        lane: &str,
        uploads: Vec<(String, Upload, u64)>,
    ) -> Result<JobId, LedgerError> {
        let work = uploads.into_iter().map(|(external_id, upload, bytes)| NewWork {
            external_id,
            action: Action::Index,
            reading: Reading::Origin,
            blob: upload.blob.clone(),
            origin: Origin::Upload(upload).to_json(),
            bytes,
            stamp: String::new(),
        });
        let job = self.begin(collection, (JobKind::Upload, name), lane, &work.collect::<Vec<_>>()).await?;
        self.indexer.ledger.sync().await?; // it is told to somebody outside
        Ok(job)
    }

    /// Queues another try of documents that were rejected or wait, all of them or these.
    pub async fn retry(&self, collection: &CollectionName, only: &[String]) -> Result<JobId, LedgerError> {
        let ledger = &self.indexer.ledger;
        let mut rows = Vec::new();
        for external_id in only {
            rows.extend(ledger.document(DocumentId::new(collection, external_id), Sight::All).await?);
        }
        for state in [DocumentState::Rejected, DocumentState::Waiting].into_iter().filter(|_| only.is_empty()) {
            rows.extend(
                ledger
                    .page(collection, Sight::All, Page { state: Some(state), after: None, limit: usize::MAX })
                    .await?,
            );
        }
        rows.retain(|row| row.state == DocumentState::Rejected.name() || row.state == DocumentState::Waiting.name());
        let work = rows.into_iter().map(|row| again(row.external_id, Reading::Origin, (&row.origin, row.bytes)));
        let name = "documents that failed";
        self.begin(collection, (JobKind::Retry, name), "", &work.collect::<Vec<_>>()).await
    }

    /// Queues every document of the collection that is or was indexed, to be brought into this index as it would be made
    /// today: from its kept text where that would be extracted in the same way.
    pub async fn reprocess(&self, collection: &CollectionName) -> Result<JobId, LedgerError> {
        let (kind, name) = (JobKind::Ingest, "every document anew");
        let new = NewJob { collection, kind, name, skipped: 0, problems: "[]" };
        let ledger = &self.indexer.ledger;
        let job = ledger.begin_job(new).await?;
        let mut after: Option<String> = None;
        loop {
            let page = Page { state: None, after: after.as_deref(), limit: PAGE };
            let rows = ledger.page(collection, Sight::All, page).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.external_id.clone());
            // What is being brought in already may be newer than what is kept.
            let reading = |is_open: bool| if is_open { Reading::Origin } else { Reading::Kept };
            let there = rows.into_iter().filter(|row| row.state != DocumentState::Removed.name());
            let work: Vec<NewWork> =
                there.map(|row| again(row.external_id, reading(row.job.is_some()), (&row.origin, row.bytes))).collect();
            ledger.add_work(&job, job.as_str(), collection, &work, self.indexer.store.generation()).await?;
        }
        ledger.listed(&job).await?;
        self.announce();
        Ok(job)
    }

    /// Queues an uploaded document anew under what is said of it now. None: it is not an upload.
    pub async fn describe(
        &self,
        collection: &CollectionName,
        row: &DocumentDetail,
        change: impl FnOnce(&mut Upload),
    ) -> Result<Option<Accepted>, LedgerError> {
        let Ok(Origin::Upload(mut upload)) = Origin::parse(&row.origin) else { return Ok(None) };
        change(&mut upload);
        let bytes = u64::try_from(row.bytes).unwrap_or_default();
        self.upload(collection, &row.external_id, (upload, bytes)).await.map(Some)
    }

    async fn begin(
        &self,
        collection: &CollectionName,
        (kind, name): (JobKind, &str),
        lane: &str,
        work: &[NewWork],
    ) -> Result<JobId, LedgerError> {
        let ledger = &self.indexer.ledger;
        let job = ledger.begin_job(NewJob { collection, kind, name, skipped: 0, problems: "[]" }).await?;
        let lane = if lane.is_empty() { job.as_str() } else { lane };
        ledger.add_work(&job, lane, collection, work, self.indexer.store.generation()).await?;
        ledger.listed(&job).await?;
        self.announce();
        Ok(job)
    }

    /// Removes a document. When this returns no search finds it. False where there is none.
    pub async fn remove(&self, collection: &CollectionName, external_id: &str) -> Result<bool, IngestError> {
        let document = DocumentId::new(collection, external_id);
        let ledger = &self.indexer.ledger;
        let row = ledger.document(document, Sight::All).await?;
        if row.is_none_or(|row| row.state == DocumentState::Removed.name()) {
            return Ok(false);
        }
        ledger.drop_work(document).await?;
        if let Some(running) = self.running_of(document) {
            running.progress.stop();
        }
        let _alone = self.lock(document).await;
        let blob = ledger.blob_of(document).await?;
        self.indexer.remove(document).await?;
        self.indexer.uploads.sweep_one(ledger, &blob).await?;
        self.announce();
        Ok(true)
    }

    /// Calls a job off. It is `cancelled` when nothing of it is under way any more. False where it had ended.
    pub async fn cancel(&self, job: &JobId) -> Result<bool, LedgerError> {
        let cancelled = self.indexer.ledger.cancel_job(job).await?;
        self.stop(|running| running.job == *job);
        self.announce();
        Ok(cancelled)
    }

    /// Tells everybody who waits for news, the worker among them.
    pub(super) fn announce(&self) {
        self.wake.notify_one();
        self.tell();
    }

    /// Tells those who watch jobs.
    pub(super) fn tell(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Alone with a document: nobody else indexes or removes it.
    pub(super) async fn lock(&self, document: DocumentId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            if locks.len() > LOCKS_KEPT {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(document).or_default())
        };
        lock.lock_owned().await
    }

    pub(super) fn start(&self, document: DocumentId, running: Running) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(document, running);
    }

    pub(super) fn end(&self, document: DocumentId) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&document);
    }

    pub(super) fn running(&self) -> Vec<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn running_of(&self, document: DocumentId) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&document).cloned()
    }

    pub(super) fn stop(&self, which: impl Fn(&Running) -> bool) {
        self.running().iter().filter(|running| which(running)).for_each(|running| running.progress.stop());
    }
}

fn removal(external_id: String) -> NewWork {
    let origin = Origin::File { named: None, defaults: Defaults::default() }.to_json();
    let (action, reading) = (Action::Remove, Reading::Origin);
    NewWork { external_id, action, reading, origin, blob: String::new(), bytes: 0, stamp: String::new() }
}

fn again(external_id: String, reading: Reading, (origin, bytes): (&str, i64)) -> NewWork {
    let blob = Origin::parse(origin).map(|origin| origin.blob().to_owned()).unwrap_or_default();
    let bytes = u64::try_from(bytes).unwrap_or_default();
    let (action, origin) = (Action::Index, origin.to_owned());
    NewWork { external_id, action, reading, origin, blob, bytes, stamp: String::new() }
}

/// What a job is called that brings in what a walk found.
fn name_of(walk: &Walk) -> String {
    let first = walk
        .roots
        .first()
        .map(|root| root.path.as_path())
        .or_else(|| walk.found.first().map(|found| found.path.as_path()));
    let first = first.map_or_else(String::new, |path: &Path| path.display().to_string());
    let first = if walk.source.is_empty() { first } else { format!("{}: {first}", walk.source) };
    match walk.roots.len() {
        0 | 1 => first,
        more => format!("{first} and {} more", more - 1),
    }
}
