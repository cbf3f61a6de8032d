//! Keeps points and finds the nearest: dense and BM25 search, fused.
//!
//! Takes points and scopes, gives hits. Knows nothing of files, prompts or HTTP. A search takes a
//! [`Scope`](crate::caller::Scope), so there is none that forgot who is asking.

mod edge;
mod filter;
mod fusion;
mod payload;
mod qdrant;

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

pub use edge::EdgeStore;
pub use filter::{Filter, Places};
pub use qdrant::QdrantStore;

use crate::caller::{Allow, Scope};
use crate::document::{Chunk, CollectionName, DocumentId, Hit, Metadata, Version};
use crate::embed::SparseVector;
use crate::error::Class;

/// Part of an index's fingerprint: changes when points carry something else than before.
pub const POINT_VERSION: &str = "3";

/// One chunk with its vectors, ready to be found.
#[derive(Debug, Clone)]
pub struct Point {
    pub collection: CollectionName,
    pub document: DocumentId,
    pub version: Version,
    pub external_id: String,
    pub title: String,
    /// Who may see the document; the same for all its chunks.
    pub allow: Allow,
    /// The same for all its chunks, too.
    pub metadata: Metadata,
    pub chunk: Chunk,
    pub dense: Vec<f32>,
    pub sparse: SparseVector,
}

/// What to look for, as vectors, and how much to bring.
#[derive(Debug, Clone)]
pub struct Query {
    pub dense: Vec<f32>,
    pub sparse: SparseVector,
    /// Which documents of the scope are looked at.
    pub filter: Filter,
    /// Hits that each of the two searches brings to the fusion.
    pub candidates: usize,
    /// The k of reciprocal rank fusion: the smaller, the more the first few of each search count.
    pub rank_constant: usize,
    /// Hits that are given back, best first.
    pub limit: usize,
}

/// What an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub chunks: usize,
}

/// Keeps points and finds the nearest.
///
/// Contract: when [`upsert`](Self::upsert) returns `Ok`, the points survive a crash and every later search sees them;
/// upserting the same points twice is the same as once; a search finds nothing outside its scope and nothing
/// that its filter does not let pass, and its IDF is that of the scope; an exact search depends on the points alone, not on when or where they were stored; a store made under another fingerprint is refused when it is opened.
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Names this index and no other, not even the one that was in its place before: what a ledger noted about another
    /// generation does not hold here.
    fn generation(&self) -> &str;

    /// Whether it can be asked now. Answers within a few seconds.
    async fn check(&self) -> Result<(), StoreError>;

    async fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError>;

    /// Drops every point of the document but those of `version`.
    async fn delete_superseded(&self, document: DocumentId, version: Version) -> Result<(), StoreError>;

    /// Drops every point of the document.
    async fn delete_document(&self, document: DocumentId) -> Result<(), StoreError>;

    /// Changes who may see the document and what is said of it, at once and without its vectors.
    async fn describe(&self, document: DocumentId, allow: &Allow, metadata: &Metadata) -> Result<(), StoreError>;

    async fn search(&self, scope: &Scope, query: Query) -> Result<Vec<Hit>, StoreError>;

    /// What the scope can see.
    async fn count(&self, scope: &Scope) -> Result<Counts, StoreError>;

    /// Every point of a collection whole, vectors included, in the order of their ids: at most `limit` after `after`.
    /// For moving an index, never for answering: it asks for no caller.
    async fn export(
        &self,
        collection: &CollectionName,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<(Uuid, Point)>, StoreError>;

    /// Brings the index into the shape that searches fastest. May take minutes; searches go on meanwhile.
    async fn optimize(&self) -> Result<(), StoreError>;
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "open the index {place}: it was made by\n  {found}\nand this configuration is\n  {wanted}\nTheir vectors can't \
         be compared. Go back to the old settings, bring all documents along with `cairn ingest --reprocess`, or begin \
         anew with `cairn ingest --rebuild PATH…`{beside}"
    )]
    OtherFingerprint {
        place: String,
        found: String,
        wanted: String,
        /// What becomes of the old index, as the end of the sentence.
        beside: &'static str,
    },
    #[error("{what} {place}: {cause}")]
    File { what: &'static str, place: String, cause: std::io::Error },
    #[error(
        "write to {place}: its disk has {free_mib} MiB left, and below {min_mib} MiB (store.free_space_min) nothing is written"
    )]
    DiskFull { place: String, free_mib: u64, min_mib: u64 },
    #[error("{what}: the Qdrant server at {place} can't be reached: {reason}")]
    Unavailable { what: &'static str, place: String, reason: String },
    #[error("{what}: the Qdrant server at {place} has too much to do{}", again(*.retry_after))]
    Busy { what: &'static str, place: String, retry_after: Option<Duration> },
    #[error(
        "{what}: the Qdrant server at {place} says {reason:?}; store.api_key or store.api_key_file must hold a key of \
         its that may read and write"
    )]
    Key { what: &'static str, place: String, reason: String },
    #[error("{what}: {reason}")]
    Engine { what: &'static str, reason: String },
}

impl StoreError {
    /// How long a busy store asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            Self::OtherFingerprint { .. }
            | Self::File { .. }
            | Self::DiskFull { .. }
            | Self::Unavailable { .. }
            | Self::Key { .. }
            | Self::Engine { .. } => None,
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::OtherFingerprint { .. } => Class::Invalid,
            // A key that the server refuses is put right by whoever runs cairn, not by whoever asked.
            Self::File { .. } | Self::DiskFull { .. } | Self::Unavailable { .. } | Self::Key { .. } => {
                Class::Unavailable
            }
            Self::Busy { .. } => Class::Busy,
            Self::Engine { .. } => Class::Internal,
        }
    }
}

fn again(after: Option<Duration>) -> String {
    after
        .map_or(String::new(), |after| format!(", and asks to be tried again in {}", humantime::format_duration(after)))
}
