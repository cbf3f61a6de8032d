//! Moves a collection from one vector store into another with its vectors, so that nothing is embedded again.
//!
//! Takes the two stores and the ledger, gives what was moved. The source is only read. Invariant: the ledger counts a
//! document as indexed in the target only after the target was compared with the source, point by point and by
//! searches. Every step can be run twice; a run that was interrupted goes on from a note in the data folder.

mod compare;
mod note;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::caller::{Caller, Scope};
use crate::document::{CollectionName, InvalidCollectionName};
use crate::error::Class;
use crate::ledger::{Ledger, LedgerError};
use crate::store::{Counts, StoreError, VectorStore};
use crate::tasks::Panicked;

/// Points that are read, written and compared together. With the one that a server reads beyond, a request of its.
const PAGE_POINTS: usize = 255;

/// Two stores, and what is noted about them.
pub struct Migration<'a> {
    pub from: &'a dyn VectorStore,
    pub to: &'a dyn VectorStore,
    pub ledger: &'a Ledger,
    /// Says how far a run came; there only while one is under way.
    pub note: PathBuf,
}

/// A collection that is to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub collection: CollectionName,
    pub documents: i64,
    pub chunks: usize,
    /// What the target holds of it, from a former run or a former time. A new run takes it out.
    pub chunks_in_target: usize,
}

/// A collection that was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Documents that count as indexed in the target now.
    pub documents: u64,
    pub verified: Verified,
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub chunks: usize,
    pub searches: usize,
    /// Those whose hits, dense and BM25 fused, had the very same order. In the others equals may have changed places.
    pub searches_same: usize,
}

/// What happens, as it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An earlier run had copied so many.
    Resumed(usize),
    /// So many chunks that the target still held of this collection were taken out.
    Cleared(usize),
    /// So many more are in the target, and noted.
    Copied(usize),
    Optimizing,
    /// So many more are the same in both.
    Compared(usize),
}

/// Why a collection was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("read the name of a collection in the ledger: {0}")]
    Name(#[from] InvalidCollectionName),
    #[error("{what} {place}: {cause}")]
    File { what: &'static str, place: String, cause: std::io::Error },
    #[error(
        "move the collection {collection}: {documents} of its documents were indexed in the target since, and the \
         source may hold old versions of them. Finish with `cairn ingest` on the target instead: it embeds the rest"
    )]
    Divided { collection: CollectionName, documents: i64 },
    #[error(
        "move the collection {collection}: no document of it is indexed in the source; `cairn doctor` looks at the \
             data folder, and --from and --to name the direction"
    )]
    NotThere { collection: CollectionName },
    #[error(
        "compare the collection {collection} with its copy: {difference}. Nothing uses the copy yet: run the same \
         command again, which copies this collection anew"
    )]
    Differs { collection: CollectionName, difference: String },
}

impl MigrateError {
    pub fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Ledger(error) => error.class(),
            Self::Panicked(_) | Self::Name(_) | Self::Differs { .. } => Class::Internal,
            Self::File { .. } => Class::Unavailable,
            Self::Divided { .. } => Class::Invalid,
            Self::NotThere { .. } => Class::NotFound,
        }
    }
}

impl Migration<'_> {
    /// What there is to move: of the named collections, or of all. One that was moved before is not in it.
    pub async fn plan(&self, named: &[CollectionName]) -> Result<Vec<Planned>, MigrateError> {
        let in_target = self.ledger.collections(self.to.generation()).await?;
        let indexed_in_target =
            |name: &str| in_target.iter().find(|counts| counts.collection == name).map_or(0, |counts| counts.indexed);
        let mut plan = Vec::new();
        for counts in self.ledger.collections(self.from.generation()).await? {
            let collection: CollectionName = counts.collection.parse()?;
            if counts.indexed == 0 || !(named.is_empty() || named.contains(&collection)) {
                continue;
            }
            let moved = indexed_in_target(&counts.collection);
            if moved > 0 {
                return Err(MigrateError::Divided { collection, documents: moved });
            }
            let chunks = count(self.from, &collection).await?;
            let chunks_in_target = count(self.to, &collection).await?;
            plan.push(Planned { collection, documents: counts.indexed, chunks, chunks_in_target });
        }
        let is_there = |name: &CollectionName| {
            plan.iter().any(|planned| planned.collection == *name) || indexed_in_target(name.as_str()) > 0
        };
        match named.iter().find(|name| !is_there(name)) {
            Some(collection) => Err(MigrateError::NotThere { collection: collection.clone() }),
            None => Ok(plan),
        }
    }

    /// Copies one collection of the plan, compares, and only then lets its documents count as the target's.
    pub async fn run(
        &self,
        collection: &CollectionName,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<Moved, MigrateError> {
        self.copy(collection, on_event).await?;
        on_event(Event::Optimizing);
        self.to.optimize().await?;
        let verified = match self.verify(collection, on_event).await {
            Err(error @ MigrateError::Differs { .. }) => {
                self.forget(collection).await?; // The source changed under the copy: the next run begins anew.
                return Err(error);
            }
            verified => verified?,
        };
        let documents = self.ledger.adopt(collection, self.from.generation(), self.to.generation()).await?;
        self.forget(collection).await?;
        Ok(Moved { documents, verified })
    }

    /// Brings every point of the collection into the target, from where an interrupted run had come to.
    pub async fn copy(
        &self,
        collection: &CollectionName,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<(), MigrateError> {
        let mut note = self.read_note().await?;
        let mut at = match note.at(collection) {
            Some(at) => at,
            None => {
                self.clear(collection, on_event).await?;
                note::At::default()
            }
        };
        on_event(Event::Resumed(at.copied));
        loop {
            note.set(collection, at);
            self.write_note(&note).await?;
            let page = self.from.export(collection, at.after, PAGE_POINTS).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            let (after, count) = (Some(*last), page.len());
            self.to.upsert(page.into_iter().map(|(_, point)| point).collect()).await?; // durable on return
            at = note::At { after, copied: at.copied + count };
            on_event(Event::Copied(count));
        }
    }

    /// Takes out what the target holds of the collection: documents that are gone from the source would be found again.
    async fn clear(
        &self,
        collection: &CollectionName,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<(), MigrateError> {
        loop {
            let page = self.to.export(collection, None, PAGE_POINTS).await?;
            if page.is_empty() {
                return Ok(());
            }
            let documents: BTreeSet<_> = page.iter().map(|(_, point)| point.document).collect();
            for document in documents {
                self.to.delete_document(document).await?;
            }
            on_event(Event::Cleared(page.len()));
        }
    }
}

async fn count(store: &dyn VectorStore, collection: &CollectionName) -> Result<usize, MigrateError> {
    let Counts { chunks } = store.count(&whole(collection)).await?;
    Ok(chunks)
}

/// All of a collection, whoever may see it: whoever moves an index has the folder that it lies in.
fn whole(collection: &CollectionName) -> Scope {
    Caller::local().scope(collection).expect("the local caller may use every collection")
}
