//! Runs the path over many documents: a bounded number in flight, every one accounted for at the end.
//!
//! One document's failure is that document's only. A stop leaves what is in flight undone, not half-done: the next
//! run does it again.

use std::collections::HashSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use tracing::{debug, info, warn};

use super::source::{self, Found, Walk};
use super::{Indexer, IngestError, Outcome};
use crate::document::CollectionName;
use crate::error::Class;
use crate::ledger::LedgerError;

/// What happened, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many more chunks are stored.
    Chunks(usize),
    /// This document ended.
    Document { found: &'a Found, result: &'a Result<Outcome, IngestError> },
}

/// How a run ended: every document is in exactly one of the first four.
#[derive(Debug, Default)]
pub struct Summary {
    pub indexed: usize,
    /// The same text, for other people: changed without being embedded again.
    pub access_changed: usize,
    pub unchanged: usize,
    pub failed: Vec<Failure>,
    pub removed: usize,
    /// Files of a kind that cairn doesn't read.
    pub skipped: usize,
    pub chunks: usize,
    /// Documents that the run was stopped before.
    pub left: usize,
}

/// One document that was not indexed, and why.
#[derive(Debug)]
pub struct Failure {
    pub path: PathBuf,
    pub reason: String,
}

/// Indexes everything that `walk` found, until it is done or `stopped` resolves.
pub async fn run(
    indexer: &Indexer,
    collection: &CollectionName,
    walk: Walk,
    documents_in_flight: usize,
    on_event: &(dyn Fn(Event<'_>) + Send + Sync),
    stopped: impl Future<Output = ()>,
) -> Result<Summary, LedgerError> {
    let mut summary = Summary { skipped: walk.skipped, ..Summary::default() };
    summary.failed.extend(walk.problems.into_iter().map(|p| Failure { path: p.path, reason: p.reason }));
    let ids: Vec<String> = walk.found.iter().map(|found| source::external_id(&found.path)).collect();
    indexer.ledger.queue(collection, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;

    let stored = AtomicUsize::new(0);
    let on_chunks = &|chunks: usize| {
        stored.fetch_add(chunks, Ordering::Relaxed);
        on_event(Event::Chunks(chunks));
    };
    let total = walk.found.len();
    let mut ended = 0;
    let mut results = futures::stream::iter(&walk.found)
        .map(|found| async move { (found, indexer.index(collection, found, on_chunks).await) })
        .buffer_unordered(documents_in_flight);
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let next = tokio::select! {
            next = results.next() => next,
            () = &mut stopped => break,
        };
        let Some((found, result)) = next else { break };
        ended += 1;
        note(found, &result);
        on_event(Event::Document { found, result: &result });
        match result {
            Ok(Outcome::Indexed { .. }) => summary.indexed += 1,
            Ok(Outcome::AccessChanged) => summary.access_changed += 1,
            Ok(Outcome::Unchanged) => summary.unchanged += 1,
            Err(error) => summary.failed.push(Failure { path: found.path.clone(), reason: error.to_string() }),
        }
    }
    drop(results);
    summary.chunks = stored.into_inner();
    summary.left = total - ended;
    Ok(summary)
}

fn note(found: &Found, result: &Result<Outcome, IngestError>) {
    match result {
        Ok(Outcome::Indexed { chunks }) => {
            debug!(doc.path = %found.path.display(), chunk.count = chunks, "document indexed");
        }
        Ok(Outcome::AccessChanged | Outcome::Unchanged) => {}
        Err(error) if error.class() == Class::Internal => {
            warn!(doc.path = %found.path.display(), error = %error, "document failed");
        }
        Err(_) => {} // The summary says it.
    }
}

/// Removes the documents below `roots` that the walk did not find. Gives how many.
///
/// Call it only after a walk without problems: what could not be read has not vanished.
pub async fn prune(
    indexer: &Indexer,
    collection: &CollectionName,
    roots: &[PathBuf],
    found: &HashSet<PathBuf>,
) -> Result<usize, IngestError> {
    let mut removed = 0;
    for row in indexer.ledger.documents(collection).await? {
        let path = source::file_of(&row.external_id);
        if found.contains(&path) || !roots.iter().any(|root| path.starts_with(root)) {
            continue;
        }
        indexer.remove(collection, &row.external_id).await?;
        info!(doc.path = %row.external_id, "document removed");
        removed += 1;
    }
    Ok(removed)
}
