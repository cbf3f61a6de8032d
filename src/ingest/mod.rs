//! Path 1: a document in, its chunks and vectors searchable.
//!
//! [`Indexer::index`] is the whole path for one document, top to bottom; [`worker`] runs it over many. Knows nothing
//! of questions and answers.

pub mod chunk;
pub mod extract;
pub mod meta;
pub mod reader;
pub mod source;
pub mod worker;

use std::path::Path;
use std::sync::Arc;

use crate::caller::Allow;
use crate::document::{Chunk, CollectionName, DocumentId, sha256};
use crate::embed::{EmbedError, Embedder, Purpose, SparseEmbedder};
use crate::error::Class;
use crate::ledger::{Claim, Content, Ledger, LedgerError};
use crate::store::{POINT_VERSION, Point, StoreError, VectorStore};
use crate::tasks::{Panicked, blocking};
use chunk::{CHUNKER_VERSION, ChunkLimits, Chunker, embedded_text};
use extract::Extracted;
use meta::MetaError;
use reader::{ReadError, Reader};
use source::{Found, SourceError, SourceLimits};

/// Turns documents into points, one at a time.
pub struct Indexer {
    pub embedder: Arc<dyn Embedder>,
    pub sparse: Arc<SparseEmbedder>,
    pub store: Arc<dyn VectorStore>,
    pub ledger: Ledger,
    pub chunker: Arc<Chunker>,
    pub reader: Arc<Reader>,
    pub source_limits: SourceLimits,
    pub chunks_per_batch: usize,
}

/// A document as it was read, with what lies beside it.
struct File {
    bytes: Vec<u8>,
    /// An error here is one of what the document may show to whom, so it must not keep what it showed before.
    sidecar: Result<Option<String>, String>,
    /// Of both.
    hash: String,
}

/// How one document ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Indexed {
        chunks: usize,
    },
    /// The same text, for other people.
    AccessChanged,
    Unchanged,
}

/// Why one document was not indexed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Meta(#[from] MetaError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl IngestError {
    pub fn class(&self) -> Class {
        match self {
            Self::Source(_) => Class::Unavailable,
            Self::Read(error) => error.class(),
            Self::Meta(_) => Class::Invalid,
            Self::Embed(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Ledger(error) => error.class(),
            Self::Panicked(_) => Class::Internal,
        }
    }
}

/// Names everything that decides whether two vectors may be compared and two chunks were cut alike.
pub fn fingerprint(embedder: &dyn Embedder, limits: ChunkLimits) -> String {
    format!(
        "{}; points {POINT_VERSION}; chunker {CHUNKER_VERSION}, {} tokens, {} for headings; {}",
        embedder.fingerprint(),
        limits.chunk_tokens_max,
        limits.heading_tokens_max,
        SparseEmbedder::FINGERPRINT
    )
}

impl Indexer {
    /// One document, from bytes to searchable. Only the last line makes it count as indexed, so a crash anywhere
    /// above runs the document again and converges to the same points.
    pub async fn index(
        &self,
        collection: &CollectionName,
        found: &Found,
        progress: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Outcome, IngestError> {
        let external_id = source::external_id(&found.path);
        let document = DocumentId::new(collection, &external_id);
        let file = self.read(found).await?;
        let known = self.ledger.known(document).await?;
        if known.is_current(&file.hash, self.store.generation()) {
            return Ok(Outcome::Unchanged);
        }
        let (extracted, allow) = match self.extract(found, file.bytes, file.sidecar).await {
            Ok(extracted) => extracted,
            Err(error) if error.class() != Class::Invalid => return Err(error),
            Err(error) => {
                // What it held before is gone from the source, so it must not answer any more.
                self.store.delete_document(document).await?;
                self.ledger.reject(document, &error.to_string()).await?;
                return Err(error);
            }
        };
        let title = extracted.title.clone().unwrap_or_else(|| file_name(&found.path));
        let text_hash = sha256(format!("{title}\0{}", extracted.text).as_bytes());
        let content = Content { hash: &file.hash, text_hash: &text_hash, allow: &allow };
        if known.allows_others(&allow) {
            self.store.set_allow(document, &allow).await?; // before anything else: it may take somebody's access
        }
        if known.has_text(&text_hash, self.store.generation()) {
            self.ledger.set_allow(document, content).await?;
            return Ok(Outcome::AccessChanged);
        }
        let Claim { version, supersedes } =
            self.ledger.claim(document, &known, content, self.store.generation()).await?;
        let chunks = self.split(&title, extracted).await?;
        let count = chunks.len();
        for batch in chunks.chunks(self.chunks_per_batch) {
            let texts = batch.iter().map(|chunk| embedded_text(&title, chunk)).collect::<Vec<_>>();
            let sparse: Vec<_> = texts.iter().map(|text| self.sparse.passage(text)).collect();
            let dense = self.embedder.embed(Purpose::Passage, texts).await?;
            let points = batch.iter().cloned().zip(dense).zip(sparse).map(|((chunk, dense), sparse)| Point {
                collection: collection.clone(),
                document,
                version,
                external_id: external_id.clone(),
                title: title.clone(),
                allow: allow.clone(),
                chunk,
                dense,
                sparse,
            });
            self.store.upsert(points.collect()).await?; // durable on return
            progress(batch.len());
        }
        if supersedes {
            self.store.delete_superseded(document, version).await?; // the old version leaves after the new is in
        }
        self.ledger.commit(document, &title, count).await?;
        Ok(Outcome::Indexed { chunks: count })
    }

    /// Takes the document out of the index, then out of the ledger.
    pub async fn remove(&self, collection: &CollectionName, external_id: &str) -> Result<(), IngestError> {
        let document = DocumentId::new(collection, external_id);
        self.store.delete_document(document).await?;
        self.ledger.remove(document).await?;
        Ok(())
    }

    async fn read(&self, found: &Found) -> Result<File, IngestError> {
        let (found, limits) = (found.clone(), self.source_limits);
        blocking(move || {
            let bytes = source::read(&found, &limits)?;
            let sidecar = source::read_sidecar(&found, &limits).map_err(|error| error.to_string());
            let hash = match &sidecar {
                Ok(None) => sha256(&bytes),
                Err(_) => sha256(&[bytes.as_slice(), b"\0unreadable"].concat()),
                Ok(Some(beside)) => sha256(&[bytes.as_slice(), b"\0", beside.as_bytes()].concat()),
            };
            Ok(File { bytes, sidecar, hash })
        })
        .await?
    }

    async fn extract(
        &self,
        found: &Found,
        bytes: Vec<u8>,
        sidecar: Result<Option<String>, String>,
    ) -> Result<(Extracted, Allow), IngestError> {
        let extracted = self.reader.read(&file_name(&found.path), bytes).await?;
        let sidecar = sidecar.map_err(MetaError::Sidecar)?;
        let allow = meta::allow(extracted.front_matter.as_ref(), sidecar.as_deref())?;
        Ok((extracted, allow))
    }

    async fn split(&self, title: &str, extracted: Extracted) -> Result<Vec<Chunk>, IngestError> {
        let (chunker, title) = (Arc::clone(&self.chunker), title.to_owned());
        Ok(blocking(move || chunker.split(&title, &extracted)).await?)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
